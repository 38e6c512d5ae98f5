"""A large table `forward` of profiler.db: its rows read batch by batch, and a few of them at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np
import polars as pl

from lbtui.profile import Note, Progress
from lbtui.sources import limits
from lbtui.sources.steps.forward_rows import COLUMNS, LEAST_TIMES, ROW, Blocks, ForwardRows
from lbtui.sources.tables import database
from lbtui.sources.tables.sqlite_cells import quoted
from lbtui.sources.tables.tables import Conversion, match_headers, numeric_headers, usual_columns
from lbtui.text import visible

_T = TypeVar("_T")
_TABLE = "forward"


class ForwardDatabase:
    """The table of the database at `path`; see `LargeForward`."""

    reader = "sqlite"

    def __init__(self, path: Path) -> None:
        self._path = path
        self.file = visible(f"{path.name}:{_TABLE}")

    def read(self, use: Callable[[ForwardRows], _T], sampled: Sequence[str] = ()) -> _T:
        """Return what `use` makes of the rows."""
        return use(ForwardRows(_Batches(self._path, self.file, sampled)))

    def parts(self, use: Callable[[Iterator[pl.DataFrame]], _T], progress: Progress) -> _T:
        """Return what `use` makes of all rows in their order, typed, with all columns."""
        return use(database.read_parts(self._path, _TABLE, usual_columns(_TABLE), progress))

    def first_of(self, processes: Sequence[str], columns: Sequence[str], rows: int) -> pl.DataFrame:
        """Return columns, typed, of the first rows whose prof_id is among `processes`."""
        with database.connect(self._path) as opened:
            prof_id = match_headers(_TABLE, opened.columns(_TABLE), ["prof_id"], self.file)
        marks = ", ".join("?" * len(processes))
        where = f"trim({quoted(prof_id.header_of['prof_id'])}) IN ({marks}) ORDER BY rowid LIMIT {rows}"
        return database.read_where(self._path, _TABLE, columns, where, processes)

    def blocks(self, blocks: int, rows: int, progress: Progress) -> Blocks | None:
        """Return so many rows from each of so many places; None where the table has not many times more."""
        batches = _Batches(self._path, self.file, ())
        headers = list(batches.headers.header_of.values())
        with database.connect(self._path, progress) as opened:
            (last,) = opened.connection.execute(f"SELECT max(rowid) FROM {_TABLE}").fetchone()
            if not isinstance(last, int) or last < LEAST_TIMES * blocks * rows:
                return None
            before = f"CAST(i * {(last - rows) / max(blocks - 1, 1)!r} AS INTEGER)"
            sql = (
                "WITH RECURSIVE places(i) AS "
                f"(SELECT 0 UNION ALL SELECT i + 1 FROM places WHERE i < {blocks - 1}) "
                f"SELECT i, {', '.join(map(quoted, headers))} FROM places CROSS JOIN {_TABLE} AS t "
                f"ON t.rowid > {before} AND t.rowid <= {before} + {rows}"
            )
            frame = pl.concat([*opened.chunks(sql, [ROW, *headers])])
        counts = np.bincount(frame[ROW].cast(pl.Int64).to_numpy(), minlength=blocks).tolist()
        return Blocks.of(batches, batches.typed(frame.drop(ROW)), counts, frame.height / last)

    def between(self, begin: int, end: int, progress: Progress) -> pl.DataFrame:
        """Return all columns, typed, of the rows that start between two instants (µs)."""
        with database.connect(self._path) as opened:
            headers = match_headers(_TABLE, opened.columns(_TABLE), ["start"], self.file)
            start = f"CAST({quoted(headers.header_of['start'])} AS REAL)"
            first = f"SELECT {start} FROM {_TABLE} WHERE {start} > 0 ORDER BY rowid LIMIT 1"
            written = opened.connection.execute(first).fetchone()
        # In the unit that the table is written in.
        factor = limits.microseconds_per_unit(*written) if written else 1.0
        where = f"{start} BETWEEN ? AND ? ORDER BY rowid"
        bounds = (begin / factor, end / factor)
        return database.read_where(self._path, _TABLE, usual_columns(_TABLE), where, bounds, progress)


class _Batches:
    """The rows of the table; see `Batches`. What is sampled alone is read until `first` is called."""

    def __init__(self, path: Path, file: str, sampled: Sequence[str]) -> None:
        self._path = path
        self.file = file
        self.notes: list[Note] = []
        with database.connect(path) as opened:
            present = opened.columns(_TABLE)
        self.headers = match_headers(_TABLE, present, COLUMNS, file)
        self._columns = list(self.headers.header_of.values())
        self._numeric = numeric_headers(_TABLE, self.headers)
        texts = ("prof_id", "batch_type")
        self._texts = [found for name in texts if (found := self.headers.header_of.get(name))]
        self._sampled = match_headers(_TABLE, present, sampled, file) if sampled else None
        of = self._sampled.header_of.values() if self._sampled else ()
        self._more = [header for header in of if header not in self._columns]
        self._samples: list[pl.DataFrame] = []

    def read(self, progress: Progress) -> Iterator[pl.DataFrame]:
        with database.connect(self._path, progress) as opened:
            for chunk in opened.rows(_TABLE, self._wanted):
                # Some that are read before `first` is called come after it.
                names = [ROW, *self._columns, *self._more][: chunk.width]
                rows = chunk.rename(dict(zip(chunk.columns, names, strict=True)))
                if self._sampled:
                    self._samples.append(rows.select(ROW, *self._sampled.header_of.values()))
                yield self.typed(rows.select(ROW, *self._columns))

    def _wanted(self) -> list[str]:
        return [*self._columns, *(self._more if self._sampled else ())]

    def first(self, rows: int) -> pl.DataFrame:
        assert self._sampled is not None
        conversion = Conversion(_TABLE, self._sampled, self.file)
        for sample in self._samples:
            conversion.take(sample.drop(ROW), sample[ROW])
        self._sampled, self._samples = None, []
        return conversion.frame()

    def typed(self, chunk: pl.DataFrame) -> pl.DataFrame:
        """Return the rows as `Batches` has them."""
        texts = [chunk[name].cast(pl.String) for name in self._texts]
        numbers = [chunk[name].cast(pl.Float64, strict=False) for name in self._numeric]
        if any(number.null_count() > chunk[number.name].null_count() for number in numbers):
            return chunk.with_columns(texts)
        return chunk.with_columns(*numbers, texts[0].cast(pl.Categorical), *texts[1:])
