"""A large forward.csv: its rows read batch by batch, and a few of them at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

import polars as pl

from lbtui.profile import Note, Progress
from lbtui.profile.progress import UpTo
from lbtui.sources import limits
from lbtui.sources.failure import unreadable_on_failure
from lbtui.sources.steps.forward_places import ForwardPlaces
from lbtui.sources.steps.forward_rows import COLUMNS, LEAST_TIMES, Blocks, ForwardRows
from lbtui.sources.tables import csv_file
from lbtui.sources.tables.csv_dialect import open_csv
from lbtui.sources.tables.csv_sample import row_bytes, spread_ranges
from lbtui.sources.tables.tables import match_headers, numeric_headers, usual_columns
from lbtui.text import visible

_T = TypeVar("_T")


class ForwardCsv:
    """The file at `path`; see `LargeForward`."""

    reader = "csv"

    def __init__(self, path: Path) -> None:
        self._path = path
        self.file = visible(path.name)
        self._places = ForwardPlaces()

    def read(self, use: Callable[[ForwardRows], _T], sampled: Sequence[str] = ()) -> _T:
        """Return what `use` makes of the rows; it is called anew where they must be read another way."""

        def read(way: csv_file.Way) -> _T:
            self._places = ForwardPlaces()
            return use(ForwardRows(_Batches(self._path, way, sampled, self._places)))

        return csv_file.first_way(read)

    def parts(self, use: Callable[[Iterator[pl.DataFrame]], _T], progress: Progress) -> _T:
        """Return what `use` makes of all rows, in order, typed, with all columns; it may be called anew."""
        whole = UpTo(progress, None)
        columns = usual_columns("forward")
        return csv_file.first_way(
            lambda way: use(csv_file.read_parts(self._path, "forward", columns, whole, way))
        )

    def first_of(self, processes: Sequence[str], columns: Sequence[str], rows: int) -> pl.DataFrame:
        """Return columns, typed, of the first rows whose prof_id is among `processes`."""
        return csv_file.read_first(self._path, "forward", columns, rows, name="prof_id", among=processes)

    def blocks(self, blocks: int, rows: int, progress: Progress) -> Blocks | None:
        """Return about so many rows from each of so many places; None where the file tells no places."""
        batches = _Batches(self._path, "plain", (), ForwardPlaces())
        with unreadable_on_failure(self._path):
            file = open_csv(self._path)
            ranges = spread_ranges(file, blocks, int(rows * row_bytes(file)), LEAST_TIMES, progress)
            total = self._path.stat().st_size
        if not ranges:
            return None
        try:
            frame, counts = batches.rows.in_ranges(ranges)
        except csv_file.BrokenCells:
            return None
        share = sum(end - begin for begin, end in ranges) / total
        return Blocks.of(batches, frame, counts, share)

    def between(self, begin: int, end: int, progress: Progress) -> pl.DataFrame:
        """Return all columns, typed, of the rows that start between two instants (µs).

        Once the file is read only the blocks that hold such rows are read again.
        """
        header = csv_file.read_header(self._path)
        wanted = match_headers("forward", header, usual_columns("forward"), self.file).header_of
        first = csv_file.read_first(self._path, "forward", ["prof_id", "start", "end"], 1)
        written = float(csv_file.read_row(self._path, 0, [wanted["start"]], [wanted["start"]]).item())
        # In the unit that the file writes.
        factor = limits.microseconds_per_unit(written) if first.height else 1.0
        bounds = (begin / factor, end / factor)
        chosen = csv_file.Between("start", bounds, self._places.ranges(bounds))
        return csv_file.read_between(self._path, "forward", list(wanted), chosen, progress)


class _Batches:
    """The rows in one way; see `Batches`."""

    def __init__(self, path: Path, way: csv_file.Way, sampled: Sequence[str], places: ForwardPlaces) -> None:
        self._path = path
        self._places = places
        self._way = way
        self._sampled = sampled
        self.file = visible(path.name)
        file = open_csv(path)
        self.headers = match_headers("forward", file.header, COLUMNS, self.file)
        types: dict[str, pl.DataType] = dict.fromkeys(numeric_headers("forward", self.headers), pl.Float64())
        if found := self.headers.header_of.get("prof_id"):
            types[found] = pl.Categorical()
        self.rows = csv_file.Rows(file, list(self.headers.header_of.values()), types, at_once=2)

    @property
    def notes(self) -> list[Note]:
        return self.rows.notes

    def read(self, progress: Progress) -> Iterator[pl.DataFrame]:
        start = self.headers.header_of.get("start")
        for batch in self.rows.read(progress, self._way):
            if start is not None:
                self._places.add(batch[start], self.rows.end)
            yield batch

    def first(self, rows: int) -> pl.DataFrame:
        return csv_file.read_first(self._path, "forward", self._sampled, rows)
