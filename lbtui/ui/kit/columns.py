"""The columns of a table that is sorted by any of them: titles, widths, words, how values are written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from lbtui.profile import format_time
from lbtui.render.text import fixed, number, quantity
from lbtui.text import with_comma

Kind = Literal["text", "domains", "time", "count", "milliseconds", "share", "targets"]


@dataclass(frozen=True)
class SortedColumn:
    """One column. `descending` and `ascending` are the words for its two orders."""

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
        return with_comma(self.words, self.unit) if self.unit else self.words

    def scaled(self, value: float) -> float:
        """Return a value in the column's unit."""
        return value * 100 if self.kind == "share" else value

    def cell(self, value: Any) -> str:
        """Return a value as it stands in the table: equal decimals all down the column."""
        if value is None:
            return "–"
        if self.kind in ("text", "domains"):
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
        return str(value) if self.kind in ("text", "domains") else quantity(self.scaled(value), self.unit)


def after(names: Sequence[str], name: str, step: int) -> str:
    """Return the name `step` on from one, counted round."""
    return names[(names.index(name) + step) % len(names)]
