"""A table's rows in bulk: SQLite joins many cells of a column into one text, polars takes it apart.

That is one call of SQLite per many rows, during which other threads run. Every value comes back as it is, or
its column is read cell by cell: SQLite itself checks each cell against what is joined of it.
"""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from lbtui.sources.sqlite_cells import quoted, series

_BETWEEN, _NULL = "\x1f", "\x1e"
_SAMPLE = 200  # rows that tell how to join a column
_LONGEST_TEXT = 4096  # bytes a cell on average: the text of a chunk is held several times
_SIX_DECIMALS = 1e6
_FIRST, _LAST = -(2**63), 2**63 - 1


@dataclass(frozen=True)
class _Plan:
    """How a column's cells are joined: the SQL of what of a cell {c}, and whether it tells the cell whole."""

    joined: str
    whole: str
    dtype: pl.DataType
    divisor: float | None = None  # a real number is this part of the integer that is joined


_TEXT = _Plan("{c}", "typeof({c}) = 'text'", pl.String())
_INTEGER = _Plan("{c}", "typeof({c}) = 'integer'", pl.Int64())


def can_be_joined(connection: sqlite3.Connection, table: str) -> bool:
    """Tell whether a table has rowids in the order of its rows, and texts that are UTF-8 throughout."""
    if connection.execute("PRAGMA encoding").fetchone() != ("UTF-8",):
        return False
    root = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ? AND rootpage > 0"
    if connection.execute(root, (table,)).fetchone() is None:
        return False
    names = connection.execute(f"PRAGMA table_xinfo({quoted(table)})")
    return all(str(row[1]).lower() != "rowid" for row in names)


def ranges(connection: sqlite3.Connection, table: str, rows: int) -> Iterator[tuple[int, int]]:
    """Yield the first and last rowid of so many rows after the other."""
    begin = _FIRST
    sql = f"SELECT rowid FROM {quoted(table)} NOT INDEXED WHERE rowid >= ? ORDER BY rowid LIMIT 1 OFFSET ?"
    while found := connection.execute(sql, (begin, rows - 1)).fetchone():
        yield begin, found[0]
        if found[0] == _LAST:
            return
        begin = found[0] + 1
    yield begin, _LAST


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
            count, first, last, *parts = self._joined(plans)
        except sqlite3.DataError:  # longer than SQLite lets a text be
            plans = [None] * len(plans)
            count, first, last, *parts = self._joined(plans)
        columns = [_apart(plan, count, *parts[3 * n : 3 * n + 3]) for n, plan in enumerate(plans)]
        odd = [name for name, column in zip(self._names, columns, strict=True) if column is None]
        if not count or (last - first == count - 1 and first > _FIRST):
            rows = pl.int_range(first - 1, last, dtype=pl.Int64, eager=True) if count else series("", [])
        else:
            rows = self._cell_by_cell(["rowid - 1"])[0]
        read = iter(self._cell_by_cell(odd) if odd else ())
        return [rows, *(next(read) if column is None else column for column in columns)]

    def _joined(self, plans: Sequence[_Plan | None]) -> Any:
        """Return how many rows there are, their first and last rowid, and three values of each column.

        These are the number of its cells that are no NULL and of those told whole, and all joined.
        """
        wanted = ["count(*)", "min(rowid)", "max(rowid)"]
        for cell, plan in zip(self._names, plans, strict=True):
            if plan is None:
                wanted += ["NULL"] * 3
                continue
            # Not by str.format: a name may have braces.
            joined, whole = (sql.replace("{c}", cell) for sql in (plan.joined, plan.whole))
            wanted += [
                f"count({cell})",
                f"ifnull(sum({whole}), 0)",
                f"group_concat(ifnull({joined}, '{_NULL}'), '{_BETWEEN}')",
            ]
        sql = f"SELECT {', '.join(wanted)}{self._from}"
        text_factory = self._connection.text_factory
        self._connection.text_factory = bytes
        try:
            return self._connection.execute(sql, self._between).fetchone()
        finally:
            self._connection.text_factory = text_factory

    def _cell_by_cell(self, wanted: Sequence[str], most: int = -1) -> list[pl.Series]:
        sql = f"SELECT {', '.join(wanted)}{self._from} ORDER BY rowid LIMIT ?"
        cells = self._connection.execute(sql, (*self._between, most)).fetchall()
        columns = zip(*cells, strict=True) if cells else ([] for _name in wanted)
        return [series("", column) for column in columns]


def _apart(plan: _Plan | None, count: int, known: int, whole: int, joined: bytes) -> pl.Series | None:
    """Return a column's cells, None where they must be read cell by cell."""
    if plan is None or known != whole:
        return None
    if not known:
        return pl.Series([None] * count, dtype=pl.Int64)
    # A separator ends what is no UTF-8 as the end of a cell does.
    cells = pl.Series([joined.decode("utf-8", "replace")]).str.split(_BETWEEN).explode()
    if len(cells) != count:  # a cell has the separator in it
        return None
    if known < count:
        cells = cells.to_frame("c").select(pl.when(pl.col("c") != _NULL).then(pl.col("c"))).to_series()
        if cells.null_count() != count - known:  # a cell is the word for NULL
            return None
    if plan.divisor is None:
        typed: pl.Series = cells.cast(plan.dtype)
    else:
        # Not by polars, which multiplies by the inverse: that is another number now and then.
        numbers = cells.cast(pl.Int64).cast(plan.dtype).to_numpy() / plan.divisor
        typed = pl.Series(numbers, nan_to_null=True)
    return typed


def _plan(column: pl.Series) -> _Plan | None:
    """Return how to join cells like these, None if they are to be read cell by cell."""
    if column.dtype == pl.Int64:
        return _INTEGER
    known = column.drop_nulls()
    if column.dtype == pl.String:
        return _TEXT if int(known.str.len_bytes().sum()) <= _LONGEST_TEXT * known.len() else None
    numbers = known.to_numpy()
    largest = float(abs(numbers).max(initial=0.0))
    if not math.isfinite(largest) or not largest:
        return None
    # Either as decimals, or as so many of the smallest bits as fit into an integer. SQLite tells whether
    # the quotient is the number.
    if (
        largest * _SIX_DECIMALS < 2**53
        and ((numbers * _SIX_DECIMALS).round() / _SIX_DECIMALS == numbers).all()
    ):
        divisor, integer = _SIX_DECIMALS, f"CAST(round({{c}} * {_SIX_DECIMALS!r}) AS INTEGER)"
    else:
        exponent = 62 - math.frexp(largest)[1]
        if abs(exponent) > 1000:
            return None
        divisor = math.ldexp(1.0, exponent)
        integer = f"CAST({{c}} * {divisor!r} AS INTEGER)"
    return _Plan(
        integer, f"typeof({{c}}) = 'real' AND {integer} / {divisor!r} = {{c}}", pl.Float64(), divisor
    )
