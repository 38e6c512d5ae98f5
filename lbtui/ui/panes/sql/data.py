"""The answer to a query, made ready to be shown: its columns, how wide each is, how it is written."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import polars as pl
from rich.cells import cell_len

from lbtui.render.table import Column
from lbtui.sql.cells import cell_text, told
from lbtui.text import visible

_SAMPLE = 1000  # rows at either end that tell how wide a column is
_WIDEST = 44  # cells of a column; longer texts are cut, and whole in the last line
_MARK = 1  # cells of the sort mark


@dataclass(frozen=True)
class SqlData:
    """A query with its answer; `why` tells why there is none."""

    query: str
    frame: pl.DataFrame
    notes: tuple[str, ...] = ()
    why: str = ""

    @cached_property
    def columns(self) -> tuple[Column, ...]:
        """The columns as they are drawn."""
        return tuple(map(self._column, range(self.frame.width)))

    @cached_property
    def names(self) -> tuple[str, ...]:
        """What the columns are called, harmless."""
        return tuple(map(visible, self.frame.columns))

    def _column(self, place: int) -> Column:
        column = self.frame.to_series(place)
        ends = pl.concat([column.head(_SAMPLE), column.tail(_SAMPLE)])
        texts = self._texts(place, ends)
        if column.dtype.is_numeric() and len(column):
            texts += self._texts(place, pl.Series(column.name, [column.min(), column.max()], column.dtype))
        title = self.names[place]
        width = max(cell_len(title) + _MARK, *map(cell_len, texts), 1)
        align: Literal["left", "right"] = (
            "right" if column.dtype.is_numeric() or isinstance(column.dtype, pl.Duration) else "left"
        )
        return Column(title, min(width, _WIDEST), align)

    @cached_property
    def _decimals(self) -> tuple[int | None, ...]:
        """How many decimals the numbers of each column have; None where they are no fractions."""
        return tuple(_decimals_of(self.frame.to_series(place)) for place in range(self.frame.width))

    def _texts(self, place: int, cells: pl.Series) -> list[str]:
        decimals = self._decimals[place]
        if decimals is not None:
            return [_fraction(value, decimals) for value in cells]
        shown = told(cells.to_frame()).to_series()
        return ["–" if value is None else cell_text(value) for value in shown]

    def cells(self, rows: pl.Series | slice) -> list[list[str]]:
        """Return the texts of some rows, row by row."""
        part = self.frame[rows]
        columns = [self._texts(place, part.to_series(place)) for place in range(self.frame.width)]
        return [list(row) for row in zip(*columns, strict=True)]

    def values(self, row: int) -> list[str]:
        """Return the values of a row as they are, whole; of null nothing."""
        part = told(self.frame[row : row + 1])
        return [_whole(part.to_series(place)[0]) for place in range(part.width)]


def _whole(value: Any) -> str:
    return repr(value) if isinstance(value, float) and math.isfinite(value) else cell_text(value)


def _decimals_of(column: pl.Series) -> int | None:
    """Return how many decimals show the largest value of fractions with four digits or more."""
    if not column.dtype.is_float():
        return None
    finite = column.drop_nulls().drop_nans()
    finite = finite.filter(finite.is_finite())
    if finite.is_empty():
        return 0
    if bool((finite.floor() == finite).all()):
        return 0
    size = float(finite.abs().max() or 0.0)
    return max(1, min(6, 3 - math.floor(math.log10(size)))) if size > 0 else 1


def _fraction(value: float | None, decimals: int) -> str:
    if value is None:
        return "–"
    if not math.isfinite(value) or abs(value) >= 1e15:
        return f"{value:.6g}"
    return f"{value:.{decimals}f}"


def in_order(frame: pl.DataFrame, order: tuple[int, bool]) -> pl.Series:
    """Return the numbers of the rows, sorted by a column, downwards or upwards; null stands last."""
    place, descending = order
    column = frame.to_series(place)
    return column.arg_sort(descending=descending, nulls_last=True)
