"""One output's raw tables, each from the best file that has it, read once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

import polars as pl

from lbtui.profile import FrameName, Note, Progress, Provenance, Silent, Summary, Unreadable
from lbtui.profile.once import Once
from lbtui.profile.progress import UpTo
from lbtui.sources.clocks import HEAD, Clocks, find_clocks, headers_to_see
from lbtui.sources.discover import Output
from lbtui.sources.failure import unreadable_note
from lbtui.sources.repeated import each_once
from lbtui.sources.summaries import read_summaries
from lbtui.sources.tables import csv_file, database
from lbtui.sources.tables.tables import ONLY_CSV, PRECISION, TABLES, usual_columns
from lbtui.text import _, visible

if TYPE_CHECKING:
    from lbtui.sources.events import Events

_T = TypeVar("_T")

LARGE_TRACE = 64 << 20  # bytes: reads in some two seconds


@dataclass(frozen=True)
class Raw:
    """A raw table: typed columns plus `row`, where it came from, and what to mind."""

    frame: pl.DataFrame
    provenance: Provenance
    notes: tuple[Note, ...] = ()


_Found: TypeAlias = "tuple[Raw | None, list[Note]]"


class Store:
    """The raw tables of an output. CSV comes before profiler.db: the same rows, read faster.

    May be used from several threads: what two of them want is read once. `notes` tells what was found
    unreadable at opening, `cuts` of which files only a part was wanted.
    """

    def __init__(self, output: Output) -> None:
        self.output = output
        self.notes: list[Note] = []
        self.cuts: list[Note] = []
        self.database: Path | None = None
        self.database_tables: frozenset[str] = frozenset()
        if output.database:
            try:
                with database.connect(output.database) as opened:
                    self.database_tables = frozenset(opened.tables())
                self.database = output.database
                if not self.database_tables:
                    text = _("It is empty; was the parser interrupted?")
                    if output.sizes[output.database]:
                        text = _("It holds no table: `analyze` leaves it so, or the parser was interrupted.")
                    name = visible(output.database.name)
                    self.notes.append(Note(name, text, lost=True, verdict="no rows"))
            except Unreadable as error:
                self.notes.append(unreadable_note(output.database.name, error))
        self._read_trace = Once(self._trace)
        self.clocks = Once(self._clocks)
        self._read_summaries = Once(lambda _progress: read_summaries(output.summaries))
        self._tables: dict[tuple[str, tuple[str, ...]], Once[_Found]] = {}
        self._lock = threading.Lock()

    def table(self, table: str, progress: Progress, columns: Sequence[str] | None = None) -> _Found:
        """Return `table` (None if no readable file has it) and notes on files that could not be read.

        `columns` are names of `TABLES[table]`; the usual ones unless told.
        """
        wanted = tuple(columns or usual_columns(table))
        with self._lock:
            once = self._tables.setdefault(
                (table, wanted), Once(lambda progress: self.read(table, wanted, progress))
            )
        raw, notes = once(progress)
        return raw, list(notes)

    def read(self, table: str, columns: Sequence[str], progress: Progress) -> _Found:
        """Return what `table` does, without keeping it."""
        failed: list[Note] = []
        if path := self.output.csv.get(table):
            try:
                clocks = self.clocks(progress)
                found = csv_file.read_csv(path, table, columns, progress, clocks.of[table])
            except Unreadable as error:
                failed.append(unreadable_note(path.name, error))
            else:
                self.keep_cuts(found[1])
                if not found[0].is_empty():
                    return _raw(found, path.name, "csv", table, clocks), failed
                failed += _rowless(path.name, found[1])
        if self.database and table in self.database_tables - ONLY_CSV:
            name = f"{self.database.name}:{table}"
            try:
                clocks = self.clocks(progress)
                found = database.read_table(self.database, table, columns, progress, clocks.of[table])
            except Unreadable as error:
                failed.append(unreadable_note(name, error))
            else:
                if not found[0].is_empty():
                    return _raw(found, name, "sqlite", table, clocks), failed
                failed += _rowless(name, found[1])
        return None, failed

    def head(self, table: str, columns: Sequence[str], rows: int, progress: Progress) -> Raw | None:
        """Return the first rows of `table` from the file that would be read, None without any."""
        if path := self.output.csv.get(table):
            frame, file, reader = csv_file.read_first(path, table, columns, rows), path.name, "csv"
        elif self.database and table in self.database_tables - ONLY_CSV:
            where = f"1 ORDER BY rowid LIMIT {rows}"
            frame = database.read_where(self.database, table, columns, where, (), progress)
            file, reader = f"{self.database.name}:{table}", "sqlite"
        else:
            return None
        return Raw(frame, Provenance(visible(file), reader, PRECISION[table], frame.height))

    def parts(
        self,
        raw: Raw,
        table: str,
        columns: Sequence[str],
        use: Callable[[Iterator[pl.DataFrame]], _T],
        progress: Progress,
    ) -> _T:
        """Return what `use` makes of the rows of a table, part by part, from the file that `raw` came from.

        `use` may be called anew, where they must be read another way. Raises `Unreadable`.
        """
        clock = self.clocks(progress).of[table]
        if raw.provenance.reader == "sqlite":
            assert self.database is not None
            return use(database.read_parts(self.database, table, columns, progress, clock))
        path, whole = self.output.csv[table], UpTo(progress, None)
        return csv_file.first_way(
            lambda way: use(csv_file.read_parts(path, table, columns, whole, way, clock))
        )

    def _clocks(self, progress: Progress) -> Clocks:
        """Look at the first rows of the tables; one that cannot be read is told where it is read."""
        heads: dict[str, pl.DataFrame] = {}
        files: dict[str, str] = {}
        for table in TABLES:
            with suppress(Unreadable):
                if path := self.output.csv.get(table):
                    if headers := headers_to_see(table, csv_file.read_header(path)):
                        heads[table] = csv_file.read_head(path, headers, HEAD)
                        files[table] = visible(path.name)
                elif self.database and table in self.database_tables - ONLY_CSV:
                    with database.connect(self.database, progress) as opened:
                        if headers := headers_to_see(table, opened.columns(table)):
                            heads[table] = opened.head(table, headers, HEAD)
                            files[table] = visible(f"{self.database.name}:{table}")
        return find_clocks(heads, files)

    @property
    def has_trace(self) -> bool:
        """Whether there are the service's events, readable or not."""
        return self.output.trace is not None

    def trace(self, progress: Progress) -> tuple[Events | None, list[Note]]:
        """Return the trace, streamed once, or None with a note when it is unreadable or too large for this.

        A large trace is not read just to look for what the tables beside it lack.
        """
        path = self.output.trace
        if path is None or self.output.sizes[path] <= LARGE_TRACE or not self._tables_suffice():
            return self.whole_trace(progress)
        text = _(
            "It has {size} MB and was not searched for what the tables beside it lack; put it into a folder "
            "of its own to have it read."
        ).format(size=f"{self.output.sizes[path] / 1e6:,.0f}")
        return None, [Note(visible(path.name), text)]

    def whole_trace(self, progress: Progress) -> tuple[Events | None, list[Note]]:
        """Return the trace, however large, or None with a note when it is unreadable."""
        trace, notes = self._read_trace(progress)
        return trace, list(notes)

    def _tables_suffice(self) -> bool:
        """Tell whether the scheduling, which everything is placed by, is known without the trace."""
        return {"forward", "batch"} <= self.database_tables | self.output.csv.keys()

    def _trace(self, progress: Progress) -> tuple[Events | None, list[Note]]:
        path = self.output.trace
        if path is None:
            return None, []
        from lbtui.sources.trace.read import read_trace

        try:
            trace = read_trace(path, progress)
        except Unreadable as error:
            return None, [unreadable_note(path.name, error)]
        self.keep_cuts(trace.notes)
        return trace, list(trace.notes)

    @property
    def yields(self) -> frozenset[FrameName]:
        """The frames that are known without a table or a trace."""
        return frozenset()

    def read_span(self, prof_id: str, offset: int) -> tuple[tuple[Any, ...] | None, str | None]:
        """Return what proves a scheduling round of the events (name, prof_id, start, end), and its requests.

        `offset` is its place in `spans`. Raises `Unreadable` when there is none, as after the file was
        written anew.
        """
        from lbtui.sources.trace.read import read_span

        assert self.output.trace is not None
        return read_span(self.output.trace, prof_id, offset)

    def summaries(self) -> tuple[tuple[Summary, ...], tuple[Note, ...]]:
        """Return the figures of `analyze`, and notes on files without any."""
        return self._read_summaries(Silent())

    def keep_cuts(self, notes: Iterable[Note]) -> None:
        """Remember which files were read in part, of the notes of a reading."""
        self.cuts += [note for note in notes if note.cut is not None]


def _rowless(file: str, notes: list[Note]) -> list[Note]:
    """Return why a table that can be read yields no row: none is there, or none that can be placed."""
    if any(note.cut for note in notes):
        return notes
    if notes:
        return [replace(note, verdict="unreadable" if note.lost else None) for note in notes]
    return [rowless_note(file)]


def rowless_note(file: str) -> Note:
    """Return the note on a table without rows."""
    text = _("It holds a header and no rows: the parser found no such event, or was interrupted.")
    return Note(visible(file), text, lost=True, verdict="no rows")


def _raw(read: tuple[pl.DataFrame, list[Note]], file: str, reader: str, table: str, clocks: Clocks) -> Raw:
    frame, repeated = each_once(table, read[0], visible(file))
    microseconds = clocks.of[table].microseconds
    provenance = Provenance(visible(file), reader, PRECISION[table], frame.height, microseconds)
    return Raw(frame, provenance, (*clocks.notes.get(table, ()), *read[1], *repeated))
