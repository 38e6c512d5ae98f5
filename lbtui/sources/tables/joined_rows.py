"""A table's rows in bulk: SQLite joins many cells of a column into one text, polars takes it apart.

That is one call of SQLite per many rows, during which other threads run. Every value comes back as it is, or
its column is read cell by cell: SQLite itself checks each cell against what is joined of it.
"""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import polars as pl

from lbtui.sources.tables.sqlite_cells import quoted, series

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

_BETWEEN, _NULL = "\x1f", "\x1e"
_SAMPLE = 200  # rows that tell how to join a column
_LONGEST_TEXT = 4096  # bytes a cell on average: the text of a chunk is held several times
_SIX_DECIMALS = 1e6
# A real number from 2**n to 2**(n + 10) is an integer of 63 bits and no more, times 2**(n - 52).
_MANTISSA, _OCTAVES = 52, 10
_SMALLEST_ROW = 4  # bytes
_FIRST = -(2**63)


@dataclass(frozen=True)
class _Plan:
    """How a column's cells are joined: the SQL of what of a cell {c}, and when it does not tell the cell.

    A cell is written `+{c}` where it is compared: the column's affinity must not convert it.
    """

    joined: str
    odd: str
    dtype: pl.DataType
    divisor: float | None = None  # a real number is this part of the integer that is joined


# SQLite orders numbers before texts, and those before blobs, whose bytes come as those of a text.
_TEXT = _Plan("{c}", "+{c} COLLATE BINARY < ''", pl.String())
# A real number among them does not come back as an integer.
_INTEGER = _Plan("{c}", "+{c} COLLATE BINARY >= ''", pl.Int64())


def can_be_joined(connection: sqlite3.Connection, table: str) -> bool:
    """Tell whether a table has rowids in the order of its rows, and texts that are UTF-8 throughout."""
    return connection.execute("PRAGMA encoding").fetchone() == ("UTF-8",) and has_rowids(connection, table)


def has_rowids(connection: sqlite3.Connection, table: str) -> bool:
    """Tell whether a table has rowids in the order of its rows."""
    root = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ? AND rootpage > 0"
    if connection.execute(root, (table,)).fetchone() is None:
        return False
    names = connection.execute(f"PRAGMA table_xinfo({quoted(table)})")
    return all(str(row[1]).lower() != "rowid" for row in names)


def extent(connection: sqlite3.Connection, table: str) -> tuple[int, int] | None:
    """Return the first and last rowid of a table, None if it has no row."""
    ends = (f"SELECT {end}(rowid) FROM {quoted(table)} NOT INDEXED" for end in ("min", "max"))
    first, last = (connection.execute(sql).fetchone()[0] for sql in ends)
    return None if first is None else (first, last)


def ranges(connection: sqlite3.Connection, table: str, rows: int) -> Iterator[tuple[int, int]]:
    """Yield the first and last rowid of at most so many rows after the other: together all rows."""
    found = extent(connection, table)
    if found is None:
        return
    first, last = found
    [size], [pages] = (connection.execute(f"PRAGMA page_{what}").fetchone() for what in ("size", "count"))
    if last - first < size * pages // _SMALLEST_ROW:
        yield from ((begin, min(begin + rows - 1, last)) for begin in range(first, last + 1, rows))
        return
    # Most rowids are of no row.
    sql = f"SELECT rowid FROM {quoted(table)} NOT INDEXED WHERE rowid >= ? ORDER BY rowid LIMIT 1 OFFSET ?"
    while (end := connection.execute(sql, (first, rows - 1)).fetchone()) and end[0] < last:
        yield first, end[0]
        first = end[0] + 1
    yield first, last


def joined_rows(
    connection: sqlite3.Connection, table: str, columns: Sequence[str], between: tuple[int, int]
) -> pl.DataFrame:
    """Return the rows from one rowid to another: "0" is rowid − 1, "1" the first column, and so on, raw.

    `can_be_joined` must hold of the table. Raises `sqlite3.Error`.
    """
    part = _Part(connection, table, columns, between)
    return pl.DataFrame([column.alias(str(place)) for place, column in enumerate(part.columns())])


class _Part:
    def __init__(
        self, connection: sqlite3.Connection, table: str, columns: Sequence[str], between: tuple[int, int]
    ) -> None:
        self._connection = connection
        # An index may hold the columns, too, in another order.
        self._from = f" FROM {quoted(table)} NOT INDEXED WHERE rowid BETWEEN ? AND ?"
        self._names = [quoted(column) for column in columns]
        self._between = between

    def columns(self) -> list[pl.Series]:
        plans = [_plan(column) for column in self._cell_by_cell(self._names, _SAMPLE)]
        try:
            count, odd, *parts = self._joined(plans)
        except sqlite3.DataError:  # longer than SQLite lets a text be
            plans = [None] * len(plans)
            count, odd, *parts = self._joined(plans)
        if odd:
            plans = self._without_odd(plans)
        columns = [self._apart(*of, count) for of in zip(self._names, plans, parts, strict=True)]
        first, last = self._between
        if count == last - first + 1 and first > _FIRST:
            rows = pl.int_range(first - 1, last, dtype=pl.Int64, eager=True)
        else:
            rows = self._cell_by_cell(["rowid - 1"])[0]
        missing = [name for name, column in zip(self._names, columns, strict=True) if column is None]
        read = iter(self._cell_by_cell(missing) if missing else ())
        return [rows, *(next(read) if column is None else column for column in columns)]

    def _joined(self, plans: Sequence[_Plan | None]) -> Any:
        """Return how many rows there are, how many of them have an odd cell, and each column joined."""
        joined = [
            f"group_concat(ifnull({_of(cell, plan.joined)}, '{_NULL}'), '{_BETWEEN}')" if plan else "NULL"
            for cell, plan in zip(self._names, plans, strict=True)
        ]
        # One count for all columns: what is counted of each row and column costs as much as to join it.
        odd = " OR ".join(self._odd(plans)) or "0"
        return self._row(["count(*)", f"count(CASE WHEN {odd} THEN 1 END)", *joined])

    def _without_odd(self, plans: Sequence[_Plan | None]) -> list[_Plan | None]:
        counts = iter(self._row([f"count(CASE WHEN {odd} THEN 1 END)" for odd in self._odd(plans)]))
        return [None if plan is None or next(counts) else plan for plan in plans]

    def _odd(self, plans: Sequence[_Plan | None]) -> list[str]:
        return [_of(cell, plan.odd) for cell, plan in zip(self._names, plans, strict=True) if plan]

    def _row(self, wanted: Sequence[str]) -> Any:
        text_factory = self._connection.text_factory
        self._connection.text_factory = bytes
        try:
            return self._connection.execute(
                f"SELECT {', '.join(wanted)}{self._from}", self._between
            ).fetchone()
        finally:
            self._connection.text_factory = text_factory

    def _apart(self, cell: str, plan: _Plan | None, joined: bytes | None, count: int) -> pl.Series | None:
        """Return a column's cells, None where they must be read cell by cell."""
        if plan is None:
            return None
        try:
            text = (joined or b"").decode()
        except UnicodeDecodeError:  # each cell may be in an encoding of its own
            return None
        cells = pl.Series([text]).str.split(_BETWEEN).explode() if count else pl.Series([], dtype=pl.String)
        if len(cells) != count:  # a cell has the separator in it
            return None
        if _NULL in text:
            cells = cells.to_frame("c").select(pl.when(pl.col("c") != _NULL).then(pl.col("c"))).to_series()
            if plan.dtype == pl.String and self._row([f"count({cell})"])[0] != count - cells.null_count():
                return None  # a cell is the word for NULL
        if cells.null_count() == count:
            return pl.Series([None] * count, dtype=pl.Int64)
        return cells if plan.dtype == pl.String else _numbers(cells, plan)

    def _cell_by_cell(self, wanted: Sequence[str], most: int = -1) -> list[pl.Series]:
        sql = f"SELECT {', '.join(wanted)}{self._from} ORDER BY rowid LIMIT ?"
        cells = self._connection.execute(sql, (*self._between, most)).fetchall()
        columns = zip(*cells, strict=True) if cells else ([] for _name in wanted)
        return [series("", column) for column in columns]


def _of(cell: str, sql: str) -> str:
    # Not by str.format: a name may have braces.
    return sql.replace("{c}", cell)


def _numbers(cells: pl.Series, plan: _Plan) -> pl.Series | None:
    integers: pl.Series = cells.cast(pl.Int64, strict=False)
    if integers.null_count() != cells.null_count():  # a real number among integers
        return None
    if plan.divisor is None:
        return integers
    # Not by polars, which multiplies by the inverse: that is another number now and then.
    return pl.Series(integers.cast(plan.dtype).to_numpy() / plan.divisor, nan_to_null=True)


def _plan(column: pl.Series) -> _Plan | None:
    """Return how to join cells like these, None if they are to be read cell by cell."""
    if column.dtype == pl.Int64:
        return _INTEGER
    known = column.drop_nulls()
    if column.dtype == pl.String:
        return _TEXT if int(known.str.len_bytes().sum()) <= _LONGEST_TEXT * known.len() else None
    numbers = known.to_numpy()
    if float(abs(numbers).max(initial=0.0)) * _SIX_DECIMALS < 2**_MANTISSA and (
        ((numbers * _SIX_DECIMALS).round() / _SIX_DECIMALS == numbers).all()
    ):
        integer = f"CAST(round({{c}} * {_SIX_DECIMALS!r}) AS INTEGER)"
        return _Plan(integer, f"{integer} / {_SIX_DECIMALS!r} <> +{{c}}", pl.Float64(), _SIX_DECIMALS)
    return _bit_by_bit(numbers[numbers != 0])


def _bit_by_bit(numbers: npt.NDArray[np.float64]) -> _Plan | None:
    """Return how to join real numbers of any bits, if they are not too different."""
    least, most = (math.frexp(number)[1] - 1 for number in (float(numbers.min()), float(numbers.max())))
    # Others may be somewhat smaller.
    lowest = max(least - 2, most - _OCTAVES + 1)
    if numbers.min() <= 0 or not math.isfinite(numbers.max()) or lowest > least or abs(lowest) > 900:
        return None
    divisor = math.ldexp(1.0, _MANTISSA - lowest)
    low, high = (math.ldexp(1.0, exponent) for exponent in (lowest, lowest + _OCTAVES))
    odd = f"(+{{c}} NOT BETWEEN {low!r} AND {high!r} AND +{{c}} <> 0)"
    return _Plan(f"CAST({{c}} * {divisor!r} AS INTEGER)", odd, pl.Float64(), divisor)
