"""One output's raw tables, each from the best file that has it, read once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import polars as pl

from lbtui.profile import Note, Progress, Provenance, Unreadable
from lbtui.sources import csv_file, database
from lbtui.sources.discover import Output
from lbtui.sources.tables import TABLES
from lbtui.text import visible

if TYPE_CHECKING:
    from lbtui.sources.trace import Trace


@dataclass(frozen=True)
class Raw:
    """A raw table: typed columns plus `row`, where it came from, and what to mind."""

    frame: pl.DataFrame
    provenance: Provenance
    notes: tuple[Note, ...] = ()


@dataclass
class Store:
    """The raw tables of an output. CSV comes before profiler.db: the same rows, read faster."""

    output: Output
    _trace: Trace | None = None
    _kept: dict[tuple[str, tuple[str, ...]], tuple[Raw | None, list[Note]]] = field(default_factory=dict)

    def table(
        self, table: str, progress: Progress, columns: Sequence[str] | None = None
    ) -> tuple[Raw | None, list[Note]]:
        """Return `table` (None if no readable file has it) and notes on files that could not be read.

        `columns` are names of `TABLES[table]`; all but the long `res_list` unless told.
        """
        wanted = tuple(columns or (c for c in TABLES[table] if c != "res_list"))
        key = (table, wanted)
        if key not in self._kept:
            self._kept[key] = self._read(table, wanted, progress)
        return self._kept[key]

    def _read(self, table: str, wanted: tuple[str, ...], progress: Progress) -> tuple[Raw | None, list[Note]]:
        failed: list[Note] = []
        if path := self.output.csv.get(table):
            try:
                frame, notes = csv_file.read_csv(path, table, wanted, progress)
                return Raw(frame, Provenance(path.name, "csv", "1 µs", frame.height), tuple(notes)), failed
            except Unreadable as error:
                failed.append(Note(path.name, str(error)))
        if path := self.output.database:
            try:
                if table in database.tables_of(path):
                    frame, notes = database.read_table(path, table, wanted, progress)
                    name = f"{path.name}:{table}"
                    return Raw(frame, Provenance(name, "sqlite", "1 µs", frame.height), tuple(notes)), failed
            except Unreadable as error:
                failed.append(Note(path.name, str(error)))
        return None, failed

    def trace(self, progress: Progress) -> tuple[Trace | None, list[Note]]:
        """Return the trace, streamed once, or None with a note when there is none or it is unreadable."""
        if self._trace is None and (path := self.output.trace):
            from lbtui.sources.trace import read_trace

            try:
                self._trace = read_trace(path, progress)
            except Unreadable as error:
                return None, [Note(visible(path.name), str(error))]
        return self._trace, list(self._trace.notes) if self._trace else []
