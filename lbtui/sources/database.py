"""Read chosen columns of profiler.db, without leaving a trace of it."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import polars as pl

from lbtui.profile import Note, Progress, Unreadable
from lbtui.sources.tables import convert, match_headers
from lbtui.text import _, visible

_CHUNK = 50_000


@contextmanager
def connect(path: Path) -> Iterator[sqlite3.Connection]:
    """Yield a read-only connection; `immutable` keeps SQLite from making -wal and -shm files.

    Raises `Unreadable` with a sentence for whatever SQLite cannot read, also later inside the block.
    """
    uri = f"file:{quote(str(path.resolve()))}?mode=ro&immutable=1"
    try:
        connection = sqlite3.connect(uri, uri=True)
    except sqlite3.Error as error:
        raise Unreadable(_broken(path, error)) from error
    try:
        # A cell that is no UTF-8 is shown with its bad bytes replaced, not an error.
        connection.text_factory = lambda raw: raw.decode("utf-8", "replace")
        yield connection
    except sqlite3.Error as error:
        raise Unreadable(_broken(path, error)) from error
    finally:
        connection.close()


def tables_of(path: Path) -> set[str]:
    """Return the names of the tables (not the views: upstream's may raise when read)."""
    with connect(path) as connection:
        rows = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
    return {name for (name,) in rows if isinstance(name, str)}


def columns_of(connection: sqlite3.Connection, table: str) -> list[str]:
    """Return the columns of a table in their order."""
    return [row[1] for row in connection.execute(f"PRAGMA table_info({_quoted(table)})")]


def read_table(
    path: Path, table: str, wanted: Collection[str], progress: Progress
) -> tuple[pl.DataFrame, list[Note]]:
    """Return the `wanted` columns of `table`, typed, with `row` (rowid − 1); and notes on what was dropped.

    Raises `Unreadable` with a sentence when the database or the table cannot be used.
    """
    name = visible(f"{path.name}:{table}")
    with connect(path) as connection:
        headers = match_headers(table, columns_of(connection, table), wanted, name)
        selected = ", ".join(["rowid - 1", *(_quoted(h) for h in headers.header_of.values())])
        raw = query(
            connection,
            f"SELECT {selected} FROM {_quoted(table)} ORDER BY rowid",
            ["rowid", *headers.header_of.values()],
            progress,
            path,
        )
    return convert(table, raw.drop("rowid"), headers, name, raw["rowid"].cast(pl.Int64))


def query(
    connection: sqlite3.Connection,
    sql: str,
    names: Sequence[str],
    progress: Progress,
    path: Path,
    parameters: Sequence[Any] = (),
) -> pl.DataFrame:
    """Return the rows of a query as a frame with columns `names`, types as SQLite stored them."""
    size = path.stat().st_size
    parts: list[list[Any]] = [[] for _name in names]
    cursor = connection.execute(sql, parameters)
    while rows := cursor.fetchmany(_CHUNK):
        for part, values in zip(parts, zip(*rows, strict=True), strict=True):
            part.extend(values)
        # SQLite does not tell how far a query is: show that it moves, never that it is done.
        progress.advance(path.name, min(len(parts[0]) * 200, size - 1), size)
    return pl.DataFrame([pl.Series(n, part, strict=False) for n, part in zip(names, parts, strict=True)])


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _broken(path: Path, error: sqlite3.Error) -> str:
    return _("{file} cannot be read as an SQLite database ({why}); parse the profile again.").format(
        file=visible(path.name), why=visible(str(error), 200)
    )
