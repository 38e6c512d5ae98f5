"""The columns of the request table: titles, widths, words and how their values are written."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from lbtui.profile import format_time
from lbtui.render.table import Column
from lbtui.render.text import fixed, number, quantity
from lbtui.text import _

Kind = Literal["text", "time", "count", "milliseconds", "share"]


@dataclass(frozen=True)
class RequestColumn:
    """One column of the request table. `descending` and `ascending` are the words for its two orders."""

    name: str
    title: str
    words: str
    kind: Kind
    width: int
    priority: int
    descending: str
    ascending: str
    decimals: int = 0

    @property
    def numeric(self) -> bool:
        """Whether the column can be summarised."""
        return self.kind in ("count", "milliseconds", "share")

    @property
    def unit(self) -> str:
        """The unit of `scaled` values."""
        return {"milliseconds": "ms", "share": "%"}.get(self.kind, "")

    @property
    def measure(self) -> str:
        """The column's words with its unit, for where only numbers follow."""
        return f"{self.words}, {self.unit}" if self.unit else self.words

    def scaled(self, value: float) -> float:
        """Return a value in the column's unit."""
        return value * 100 if self.kind == "share" else value

    def cell(self, value: Any) -> str:
        """Return a value as it stands in the table: equal decimals all down the column."""
        if value is None:
            return "–"
        if self.kind == "text":
            return str(value)
        if self.kind == "time":
            return format_time(value)
        text = fixed(self.scaled(value), self.decimals)
        return text if len(text) <= self.width else number(self.scaled(value), self.width)

    def spoken(self, value: Any) -> str:
        """Return a value with its unit, three significant digits."""
        if value is None:
            return "–"
        if isinstance(value, datetime):
            return format_time(value)
        return str(value) if self.kind == "text" else quantity(self.scaled(value), self.unit)


_SLOW, _FAST = _("slowest first"), _("fastest first")
_MOST, _LEAST = _("most first"), _("least first")

COLUMNS: tuple[RequestColumn, ...] = (
    RequestColumn("request_id", _("request"), _("request"), "text", 8, 0, _("Z to A"), _("A to Z")),
    RequestColumn(
        "arrival", _("arrival"), _("arrival"), "time", 12, 5, _("latest first"), _("earliest first")
    ),
    RequestColumn("input_tokens", _("input"), _("input tokens"), "count", 7, 4, _MOST, _LEAST),
    RequestColumn("output_tokens", _("output"), _("output tokens"), "count", 7, 3, _MOST, _LEAST),
    RequestColumn("ttft", _("TTFT ms"), _("TTFT"), "milliseconds", 9, 1, _SLOW, _FAST, 1),
    RequestColumn("queue_wait", _("wait ms"), _("queue wait"), "milliseconds", 9, 2, _SLOW, _FAST, 1),
    RequestColumn("duration", _("duration ms"), _("duration"), "milliseconds", 12, 1, _SLOW, _FAST),
    RequestColumn(
        "time_per_output_token",
        _("TPOT ms"),
        _("time per output token"),
        "milliseconds",
        8,
        6,
        _SLOW,
        _FAST,
        1,
    ),
    RequestColumn("cache_hit_rate", _("cache hit %"), _("cache hit rate"), "share", 12, 7, _MOST, _LEAST, 1),
)
BY_NAME = {column.name: column for column in COLUMNS}
NAMES = [column.name for column in COLUMNS]

_LONGEST_ID = 48


def table_columns(longest_id: int, doubtful: Collection[str] = ()) -> list[Column]:
    """Return the columns as the table renderer takes them; ids get the room they need, within reason.

    Those whose values are `doubtful` have a question mark.
    """
    columns = []
    for column in COLUMNS:
        text = column.kind == "text"
        title = _("{title} ?").format(title=column.title) if column.name in doubtful else column.title
        least = min(longest_id, _LONGEST_ID) if text else len(title)
        columns.append(Column(title, max(column.width, least), "left" if text else "right", column.priority))
    return columns
