"""Read chosen columns of SQLite databases, without leaving a trace of it."""

from __future__ import annotations

import sqlite3
import sys
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import polars as pl

from lbtui.profile import Cancelled, Note, Progress, Silent, Unreadable
from lbtui.sources.decoded import decoded
from lbtui.sources.failure import unreadable_on_failure
from lbtui.sources.limits import LATEST
from lbtui.sources.snapshot import identity_of, is_rewritten
from lbtui.sources.tables.beside_writer import Place, place_of
from lbtui.sources.tables.rowids import can_be_parted, extent, ranges, rows_of
from lbtui.sources.tables.sqlite_cells import frame, quoted
from lbtui.sources.tables.tables import SHANGHAI, Clock, Conversion, match_headers
from lbtui.sources.together import Together
from lbtui.text import _, visible

_CHUNK = 50_000  # rows
_SAMPLE = 200  # rows that tell which columns are texts
_STEPS = 1_000_000  # of SQLite's machine, some 10 ms: between two of them the user may cancel
# SQLite itself allows a gigabyte a cell, and some copies are made of each.
_LARGEST = 256 << 20
_TRIES, _BETWEEN_TRIES = 50, 0.01  # s, to open a database beside who writes to it
_BYTES_OF_ROW = 200  # a guess, for progress only


class Database:
    """An open profiler.db. Its methods raise `sqlite3.Error`, which `connect` turns into a sentence."""

    def __init__(self, connection: sqlite3.Connection, place: Place, path: Path, progress: Progress) -> None:
        self.connection = connection
        self._place = place
        # A cell that is no UTF-8 is no error.
        connection.text_factory = decoded
        self.name = path.name
        self._path = path
        self._size = path.stat().st_size
        self._progress = Together(progress, self._size)
        self._done = 0
        connection.set_progress_handler(self._stop_if_cancelled, _STEPS)

    @property
    def cancelled(self) -> Cancelled | None:
        """What the progress raised, if it did."""
        return self._progress.cancelled

    def tables(self) -> set[str]:
        """Return the names of the tables (not the views: upstream's may raise when read)."""
        rows = self.connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        return {name for (name,) in rows if isinstance(name, str)}

    def columns(self, table: str) -> list[str]:
        """Return the columns of a table in their order."""
        return [row[1] for row in self.connection.execute(f"PRAGMA table_info({quoted(table)})")]

    def chunks(
        self, sql: str, names: Sequence[str], parameters: Sequence[Any] = ()
    ) -> Iterator[pl.DataFrame]:
        """Yield the rows of a query as frames with columns `names`; a column of mixed types is text."""
        cursor = self.connection.execute(sql, parameters)
        while rows := cursor.fetchmany(_CHUNK):
            yield self._advanced(frame(names, rows))

    def may_have(self, table: str, rows: int) -> bool:
        """Tell without reading it whether a table with rowids has so many rows, if none was deleted."""
        found = extent(self.connection, table) if can_be_parted(self.connection, table) else None
        return found is not None and found[1] - found[0] + 1 >= rows

    def rows(self, table: str, wanted: Sequence[str] | Callable[[], Sequence[str]]) -> Iterator[pl.DataFrame]:
        """Yield the rows of a table by rowid: "0" is rowid − 1, "1" the first column, and so on.

        `wanted` are the columns, or tells those of the next part, one part before it is yielded.
        """
        if can_be_parted(self.connection, table):
            yield from self._in_bulk(table, wanted)
            return
        columns = wanted() if callable(wanted) else wanted
        sql = f"SELECT rowid - 1, {', '.join(map(quoted, columns))} FROM {quoted(table)} ORDER BY rowid"
        # By place, so that no header can be taken for the row.
        yield from self.chunks(sql, [str(place) for place in range(len(columns) + 1)])

    def _in_bulk(
        self, table: str, wanted: Sequence[str] | Callable[[], Sequence[str]]
    ) -> Iterator[pl.DataFrame]:
        """Yield what `rows` does; while a part is used, a thread reads the next."""
        # Most profiles do without the driver.
        from lbtui.sources.tables.arrow_rows import arrow_rows

        def read(between: tuple[int, int], columns: Sequence[str], texts: Sequence[bool]) -> pl.DataFrame:
            found = arrow_rows(self._place, table, columns, texts, between, _CHUNK)
            if found is not None:
                return found
            with connect(self._path, self._progress) as opened:
                return opened.part(table, columns, between)

        before: Future[pl.DataFrame] | None = None
        with ThreadPoolExecutor(1) as pool:
            for between in ranges(self.connection, table, _CHUNK):
                columns = wanted() if callable(wanted) else wanted
                part = pool.submit(read, between, columns, self._texts(table, columns, between))
                if before is not None:
                    yield self._advanced(before.result())
                before = part
            if before is not None:
                yield self._advanced(before.result())

    def _texts(self, table: str, columns: Sequence[str], between: tuple[int, int]) -> list[bool]:
        """Tell of each column whether there are texts in the first of these rows."""
        names = list(map(quoted, columns))
        first = f"SELECT {', '.join(names)} {rows_of(table)} LIMIT {_SAMPLE}"
        kinds = ", ".join(f"max(typeof({name}))" for name in names)
        found = self.connection.execute(f"SELECT {kinds} FROM ({first})", between).fetchone()
        return [kind in ("text", "blob") for kind in found]

    def part(self, table: str, columns: Sequence[str], between: tuple[int, int]) -> pl.DataFrame:
        """Return what `rows` does of the rows from one rowid to another, fetched cell by cell."""
        sql = f"SELECT rowid - 1, {', '.join(map(quoted, columns))} {rows_of(table)}"
        try:
            # Python decodes UTF-8 itself several times as fast as through a function of ours.
            self.connection.text_factory = str
            rows = self.connection.execute(sql, between).fetchall()
        except sqlite3.OperationalError as error:
            if "decode" not in str(error):
                raise
            self.connection.text_factory = decoded
            rows = self.connection.execute(sql, between).fetchall()
        finally:
            self.connection.text_factory = decoded
        return frame([str(place) for place in range(len(columns) + 1)], rows)

    def head(self, table: str, columns: Sequence[str], rows: int) -> pl.DataFrame:
        """Return the `columns` of the first rows as text."""
        sql = f"SELECT {', '.join(map(quoted, columns))} FROM {quoted(table)} LIMIT {rows}"
        nothing = pl.DataFrame(schema=dict.fromkeys(columns, pl.String))
        return pl.concat([nothing, *(part.cast(pl.String) for part in self.chunks(sql, columns))])

    def query(self, sql: str, schema: pl.Schema, parameters: Sequence[Any] = ()) -> pl.DataFrame:
        """Return the rows of a query with the columns of `schema`; what does not fit its type is null.

        A datetime column takes whole microseconds since 1970.
        """
        names = list(schema)
        casts = [
            (_time(name) if kind == pl.Datetime("us") else pl.col(name)).cast(kind, strict=False)
            for name, kind in schema.items()
        ]
        frames = (chunk.select(casts) for chunk in self.chunks(sql, names, parameters))
        return pl.concat([pl.DataFrame(schema=schema), *frames])

    def blob(self, table: str, column: str, row: int) -> bytes:
        """Return one cell's bytes, b"" where it or its row is null; text as the file encodes it."""
        sql = f"SELECT {as_blob(quoted(column))} FROM {quoted(table)} WHERE rowid = ?"
        found = self.connection.execute(sql, (row,)).fetchone()
        return found[0] if found and isinstance(found[0], bytes) else b""

    def _advanced(self, rows: pl.DataFrame) -> pl.DataFrame:
        # How many rows there are is unknown until the end: never show that it is done.
        self._done = min(self._done + rows.height * _BYTES_OF_ROW, self._size - 1)
        self._tell()
        return rows

    def _tell(self) -> None:
        self._progress.advance(self.name, self._done, self._size)

    def _stop_if_cancelled(self) -> bool:
        # An exception would be lost inside SQLite: it ends the query, `connect` goes on from there.
        with suppress(Cancelled):
            self._tell()
        return self.cancelled is not None


def as_blob(cell: str) -> str:
    """Return SQL of a cell's bytes; SQLite fails where they are too many, as by `setlimit`, new in 3.11.

    Only their number is asked of such a cell, so that no copy of it is made.
    """
    blob = f"CAST({cell} AS BLOB)"
    return f"CASE WHEN length({blob}) > {_LARGEST} THEN zeroblob(0x7fffffff) ELSE {blob} END"


@contextmanager
def connect(path: Path, progress: Progress | None = None) -> Iterator[Database]:
    """Yield the database, open for reading only, with all that is committed by now; see `beside_writer`.

    Keep it open no longer than it takes: a writer that ends meanwhile cannot tidy up its files.

    Raises `Unreadable` with a sentence for whatever SQLite cannot read, also later inside the block, and
    `Cancelled` when `progress` does, also in the middle of a query.
    """
    path = path.resolve()
    before = identity_of(path)
    with ExitStack() as stack:
        try:
            connection, place = opened_for_reading(path)
            stack.callback(connection.close)
            with unreadable_on_failure(path):
                database = Database(connection, place, path, progress or Silent())
            try:
                yield database
            except sqlite3.Error:
                if database.cancelled:
                    raise database.cancelled from None
                raise
        # SQLite quotes from a broken schema, and Python decodes what it says.
        except (sqlite3.Error, UnicodeDecodeError) as error:
            raise Unreadable(_broken(path, error)) from error
        if place.still and is_rewritten(before, identity_of(path)):
            text = _("{file} was written to while it was read; R reads it again.")
            raise Unreadable(text.format(file=visible(path.name)))


def opened_for_reading(path: Path) -> tuple[sqlite3.Connection, Place]:
    """Return a connection to a database, and from where it reads: all that it reads is of one moment.

    `connect` does what else there is to do; this alone is for whoever looks at a row of many files. Raises
    what SQLite does, and `Unreadable`.
    """
    for left in reversed(range(_TRIES)):
        place = place_of(path)
        connection = sqlite3.connect(place.uri, uri=True)
        try:
            if sys.version_info >= (3, 11):
                connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _LARGEST)
            # No temporary file either.
            connection.execute("PRAGMA temp_store = MEMORY")
            # What the file itself defines may run nothing with effects.
            connection.execute("PRAGMA trusted_schema = OFF")
            connection.execute("BEGIN")
            # SQLite opens files when it first reads: now, before those beside it are others.
            connection.execute("PRAGMA schema_version").fetchone()
        except BaseException as error:
            connection.close()
            # A writer that has just ended took them with it; while one commits, what they share is in a state
            # that only a writer may mend.
            if place.still or not left or not isinstance(error, sqlite3.OperationalError):
                raise
            time.sleep(_BETWEEN_TRIES)
        else:
            return connection, place
    raise AssertionError


def read_table(
    path: Path, table: str, wanted: Collection[str], progress: Progress, clock: Clock = SHANGHAI
) -> tuple[pl.DataFrame, list[Note]]:
    """Return the `wanted` columns of `table`, typed, with `row` (rowid − 1); and notes on what was dropped.

    Raises `Unreadable` with a sentence when the database or the table cannot be used.
    """
    name = visible(f"{path.name}:{table}")
    with connect(path, progress) as database:
        headers = match_headers(table, database.columns(table), wanted, name, clock)
        conversion = Conversion(table, headers, name)
        columns = list(headers.header_of.values())
        for chunk in database.rows(table, columns):
            conversion.take(*_named(chunk, columns))
    return conversion.frame(), conversion.notes()


def read_parts(
    path: Path, table: str, wanted: Collection[str], progress: Progress, clock: Clock = SHANGHAI
) -> Iterator[pl.DataFrame]:
    """Yield what `read_table` returns part by part, without notes."""
    name = visible(f"{path.name}:{table}")
    with connect(path, progress) as database:
        headers = match_headers(table, database.columns(table), wanted, name, clock)
        conversion = Conversion(table, headers, name)
        columns = list(headers.header_of.values())
        for chunk in database.rows(table, columns):
            yield conversion.converted(*_named(chunk, columns))


def read_where(
    path: Path,
    table: str,
    wanted: Collection[str],
    where: str,
    parameters: Sequence[Any],
    progress: Progress | None = None,
) -> pl.DataFrame:
    """Return what `read_table` does of the few rows of which the SQL `where` tells, without notes."""
    name = visible(f"{path.name}:{table}")
    with connect(path, progress) as database:
        headers = match_headers(table, database.columns(table), wanted, name)
        conversion = Conversion(table, headers, name)
        columns = list(headers.header_of.values())
        sql = f"SELECT rowid - 1, {', '.join(map(quoted, columns))} FROM {quoted(table)} WHERE {where}"
        for chunk in database.chunks(sql, [str(place) for place in range(len(columns) + 1)], parameters):
            conversion.take(*_named(chunk, columns))
    return conversion.frame()


def _named(chunk: pl.DataFrame, columns: Sequence[str]) -> tuple[pl.DataFrame, pl.Series]:
    """Return the cells of a chunk of `Database.rows` by header, and their rows."""
    row, *cells = chunk.get_columns()
    return pl.DataFrame([cell.alias(name) for cell, name in zip(cells, columns, strict=True)]), row


def _time(name: str) -> pl.Expr:
    micros = pl.col(name).cast(pl.Int64, strict=False)
    return pl.when(micros.is_between(0, LATEST)).then(micros)


def _broken(path: Path, error: Exception) -> str:
    if isinstance(error, sqlite3.DataError):
        text = _(
            "{file} has a cell that is larger than any that a service or the parser writes; parse the "
            "profile again."
        )
        return text.format(file=visible(path.name))
    return _("{file} cannot be read as an SQLite database ({why}); parse the profile again.").format(
        file=visible(path.name), why=visible(str(error), 200)
    )
