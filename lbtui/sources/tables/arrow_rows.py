"""A table's rows in bulk: SQLite's cells become columns outside Python, by the ADBC driver for SQLite.

The driver has an SQLite of its own, and takes the type of a column from all rows that it reads at once: what
is not numbers throughout, or texts throughout, is left to `sqlite3`.
"""

from __future__ import annotations

from collections.abc import Sequence

import adbc_driver_sqlite
import polars as pl
from adbc_driver_manager import AdbcConnection, AdbcStatement, Error

from lbtui.sources.decoded import decoded
from lbtui.sources.tables.beside_writer import Place
from lbtui.sources.tables.rowids import rows_of
from lbtui.sources.tables.sqlite_cells import quoted

# The driver (1.2 to 1.13) counts the bytes of a column in 31 bits, and does not look whether they suffice.
_MOST = 2**31 - 1
_FIRST = -(2**63)
# What the file itself defines may run nothing with effects; and a cell that `sqlite3` refuses has no room.
_PRAGMAS = ("trusted_schema = OFF", f"hard_heap_limit = {256 << 20}")
# A fault of SQLite's, after which the driver tidies up.
_REFUSED = "abs(-9223372036854775807 - 1)"


def arrow_rows(
    place: Place,
    table: str,
    columns: Sequence[str],
    texts: Sequence[bool],
    between: tuple[int, int],
    most: int,
) -> pl.DataFrame | None:
    """Return the rows from one rowid to another: "0" is rowid − 1, "1" the first column, and so on, raw.

    `texts` tells which columns are texts, `most` how many rows there can be. None where a column has others
    among them or is none, where the file cannot be read, and where it is written to: two SQLites in a process
    undo each other's locks.
    """
    if not place.unlocked:
        return None
    first, last = between
    rows = f" {rows_of(table, between)}"
    try:
        # No column has more bytes than the file.
        longest = _MOST // most if place.file.stat().st_size > _MOST else None
        cells = [_plain(quoted(name), text, longest) for name, text in zip(columns, texts, strict=True)]
        with adbc_driver_sqlite.connect(place.uri) as database, AdbcConnection(database) as connection:
            for pragma in _PRAGMAS:
                _read(connection, f"PRAGMA {pragma}", 1)
            frame = _read(connection, _selected(cells) + rows, most)
            if frame.height == last - first + 1 and first > _FIRST:
                numbers = pl.int_range(first - 1, last, dtype=pl.Int64, eager=True)
            else:
                numbers = _read(connection, _selected(["rowid - 1"]) + rows, most).to_series()
    except (Error, OSError):
        return None
    for kind, text in zip(frame.dtypes, texts, strict=True):
        # What the driver calls a string may be no UTF-8, of which polars must see nothing.
        if kind == pl.String or (kind == pl.Binary and not text):
            return None
    return pl.DataFrame([numbers.alias("0"), *map(_decoded, frame)])


def _plain(cell: str, text: bool, longest: int | None) -> str:
    """Return SQL of a cell, which ends the query at a number among texts; at any other cell than a number if
    there may be more bytes than the driver counts, and at a text longer than `longest`.

    SQLite orders numbers before texts, and those before blobs, whose bytes come as those of a text.
    """
    if text:
        odd = f"{cell} < ''" + (f" OR octet_length({cell}) > {longest}" if longest else "")
        return f"CASE WHEN {odd} THEN {_REFUSED} ELSE CAST({cell} AS BLOB) END"
    return f"CASE WHEN {cell} >= '' THEN {_REFUSED} ELSE {cell} END" if longest else cell


def _selected(cells: Sequence[str]) -> str:
    return "SELECT " + ", ".join(f'{cell} AS "{place}"' for place, cell in enumerate(cells, 1))


def _read(connection: AdbcConnection, sql: str, most: int) -> pl.DataFrame:
    with AdbcStatement(connection) as statement:
        # With one more, all rows are read when the statement is executed: without Python's lock.
        batch_rows = adbc_driver_sqlite.StatementOptions.BATCH_ROWS.value
        statement.set_options(**{batch_rows: str(most + 1)})
        statement.set_sql_query(sql)
        return pl.DataFrame(statement.execute_query()[0])


def _decoded(column: pl.Series) -> pl.Series:
    if column.dtype != pl.Binary:
        return column
    try:
        texts: pl.Series = column.cast(pl.String)
    except pl.exceptions.ComputeError:  # some are no UTF-8
        cells = (None if cell is None else decoded(cell) for cell in column)
        texts = pl.Series(column.name, cells, dtype=pl.String)
    return texts
