"""A table's rows by their rowids: whether it has any, and which ranges of them are so many rows each."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

from lbtui.sources.tables.sqlite_cells import quoted

_SMALLEST_ROW = 4  # bytes


def can_be_parted(connection: sqlite3.Connection, table: str) -> bool:
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


def rows_of(table: str, between: tuple[object, object] = ("?", "?")) -> str:
    """Return SQL of a table's rows from one rowid to another, in order; no index has them in another one."""
    first, last = between
    return f"FROM {quoted(table)} NOT INDEXED WHERE rowid BETWEEN {first} AND {last} ORDER BY rowid"
