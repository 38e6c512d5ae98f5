"""The columns of the request table: titles, widths, words and how their values are written."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.cells import cell_len

from lbtui.analysis.request_places import THEN, domain_keys
from lbtui.analysis.slo import names_in
from lbtui.render.table import Column
from lbtui.text import _, in_list
from lbtui.ui.kit.columns import SortedColumn


@dataclass(frozen=True)
class RequestColumn(SortedColumn):
    """One column of the request table."""

    def cell(self, value: Any) -> str:
        """Return a value as it stands in the table: of domains only their names."""
        if self.kind == "domains" and value is not None:
            # Host and instance are in the reading line.
            return THEN.join(key.rpartition("/")[2] for key in domain_keys(value))
        if self.kind == "targets" and value is not None:
            # Nothing, so that the eye finds those that missed.
            return "+".join(target_names(value))
        return super().cell(value)

    def spoken(self, value: Any) -> str:
        """Return a value with its unit; of targets which were missed."""
        if self.kind == "targets" and value is not None:
            return in_list(target_names(value)) or _("none")
        return super().spoken(value)


def target_names(missed: int) -> list[str]:
    """Return the targets in the `missed` of a request, as they are called here."""
    names = {"ttft": _("TTFT"), "tpot": _("TPOT"), "e2e": _("e2e")}
    return [names[name] for name in names_in(missed)]


_SLOW, _FAST = _("slowest first"), _("fastest first")
_MOST, _LEAST = _("most first"), _("least first")

COLUMNS: tuple[RequestColumn, ...] = (
    RequestColumn("request_id", _("request"), _("request"), "text", 8, 0, _("Z to A"), _("A to Z")),
    RequestColumn(
        "arrival", _("arrival"), _("arrival"), "time", 12, 7, _("latest first"), _("earliest first")
    ),
    RequestColumn("input_tokens", _("input"), _("input tokens"), "count", 7, 5, _MOST, _LEAST),
    RequestColumn("output_tokens", _("output"), _("output tokens"), "count", 7, 4, _MOST, _LEAST),
    RequestColumn("ttft", _("TTFT ms"), _("TTFT"), "milliseconds", 9, 1, _SLOW, _FAST, 1),
    RequestColumn("queue_wait", _("wait ms"), _("queue wait"), "milliseconds", 9, 2, _SLOW, _FAST, 1),
    RequestColumn("duration", _("duration ms"), _("duration"), "milliseconds", 12, 1, _SLOW, _FAST),
    RequestColumn(
        "missed",
        _("missed"),
        _("missed target"),
        "targets",
        9,
        3,
        _("those that missed a target first"),
        _("those that met all first"),
    ),
    RequestColumn(
        "largest_part", _("mostly"), _("largest part of its time"), "text", 24, 5, _("Z to A"), _("A to Z")
    ),
    RequestColumn("domain", _("domain"), _("domain"), "domains", 7, 3, _("Z to A"), _("A to Z")),
    RequestColumn("prefill_node", _("P node"), _("prefill node"), "text", 7, 6, _("Z to A"), _("A to Z")),
    RequestColumn("decode_node", _("D node"), _("decode node"), "text", 7, 6, _("Z to A"), _("A to Z")),
    RequestColumn(
        "time_per_output_token",
        _("TPOT ms"),
        _("time per output token"),
        "milliseconds",
        8,
        8,
        _SLOW,
        _FAST,
        1,
    ),
    RequestColumn("cache_hit_rate", _("cache hit %"), _("cache hit rate"), "share", 12, 9, _MOST, _LEAST, 1),
)
BY_NAME = {column.name: column for column in COLUMNS}

_LONGEST = 48  # cells that an id gets at most


def table_columns(
    columns: Sequence[RequestColumn], longest: Mapping[str, int], doubtful: Collection[str] = ()
) -> list[Column]:
    """Return columns as the table renderer takes them; texts get the room they need, within reason.

    `longest` is the longest text of each column. Those whose values are `doubtful` have a question mark.
    """
    shown = []
    for column in columns:
        text = column.kind in ("text", "domains", "targets")
        title = _("{title} ?").format(title=column.title) if column.name in doubtful else column.title
        # A place for the mark of the column sorted by.
        least = max(cell_len(title) + 1, min(longest.get(column.name, 0), _LONGEST))
        shown.append(Column(title, max(column.width, least), "left" if text else "right", column.priority))
    return shown
