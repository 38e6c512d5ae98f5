"""The rows of a large forward table as numbers, batch by batch: few cells are looked at one by one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import polars as pl
from numpy.typing import NDArray

from lbtui.profile import Note, Progress
from lbtui.sources.steps.phases import phase_by_type
from lbtui.sources.steps.step_join import NO_PHASE
from lbtui.sources.tables import cells, usable
from lbtui.sources.tables.tables import Conversion, Headers

PHASES = ("prefill", "decode", "mixed")
COLUMNS = ("prof_id", "start", "end", "batch_type", "forward_iter", "duration", "bubble", "batch_size")
NUMBERS: Mapping[str, Callable[[usable.Floats], bool]] = {
    "forward_iter": usable.is_count,
    "duration": usable.is_duration,
    "bubble": usable.is_number,
    "batch_size": usable.is_count,
}
# So many times more rows than a sample has are worth one: fewer are read about as fast.
LEAST_TIMES = 6
ROW = "row: number"  # no header of the table
_NEW = -2  # a category not seen before


@dataclass(frozen=True)
class Rows:
    """Rows of the file in its order, by the names of `COLUMNS`; prof_id and batch_type as numbers."""

    columns: Mapping[str, NDArray[Any]]

    @property
    def count(self) -> int:
        """How many rows."""
        return len(self.columns["start"])


class Batches(Protocol):
    """The rows of a forward table, batch by batch, under the headers of its file.

    Where a batch could be read so, numbers are Float64, and prof_id is categorical; else those are texts. A
    column `ROW` tells the places in the file where they do not simply count up.
    """

    file: str
    headers: Headers

    @property
    def notes(self) -> list[Note]:
        """What was left out."""

    def read(self, progress: Progress) -> Iterator[pl.DataFrame]:
        """Yield the batches in the order of the file."""

    def first(self, rows: int) -> pl.DataFrame:
        """Return the sampled columns, typed, of the first rows; once, while the rest is being read."""


class ForwardRows:
    """Reads a forward table once; `read_rows` counts the rows seen, `kept` those that can be placed."""

    def __init__(self, batches: Batches) -> None:
        self._source = batches
        self._headers = batches.headers
        self._conversion = Conversion("forward", self._headers, batches.file)
        durations = {"duration", "bubble"} & self._headers.header_of.keys()
        self._in_ms = all(self._headers.milliseconds_per_unit(name) == 1 for name in durations)
        self.read_rows = 0
        self.kept = 0
        self._numbers = _Numbering()
        self._types = _Numbering()
        self._phases: NDArray[np.uint8] = np.zeros(0, np.uint8)
        self._unknown: NDArray[np.int64] = np.zeros(0, np.int64)
        self._last_unknown: NDArray[np.int64] = np.zeros(0, np.int64)

    @property
    def processes(self) -> list[str]:
        """The prof_ids so far, by their number in `Rows`."""
        return list(self._numbers.names)

    def notes(self) -> list[Note]:
        """Return what was left out of what is read so far."""
        return [*self._source.notes, *self._conversion.notes()]

    def lacks_bubbles(self) -> bool:
        """Tell whether a bubble is unknown of another pass than the last of its process."""
        return bool((self._unknown > self._last_unknown).any())

    def first(self) -> pl.DataFrame:
        """Return the sampled columns, typed, of the rows read so far; to be called once."""
        return self._source.first(self.read_rows)

    def read(self, progress: Progress) -> Iterator[Rows]:
        """Yield the rows in the order of the file, batch by batch; raises what reading it does."""
        for batch in self._source.read(progress):
            rows = self.taken(batch)
            if rows.count:
                yield rows

    def taken(self, batch: pl.DataFrame) -> Rows:
        """Return the rows of a batch that can be placed, as read after all those before."""
        self.read_rows += batch.height
        raw = {name: batch[header] for name, header in self._headers.header_of.items()}
        rows = self._as_they_are(raw)
        if rows is None:
            texts = batch.with_columns(pl.col(pl.Categorical).cast(pl.String))
            frame = self._conversion.converted(texts, texts[ROW] if ROW in texts.columns else None)
            rows = self._converted(frame)
        else:
            self._conversion.pass_over(batch.height)
        self.kept += rows.count
        if rows.count:
            self._watch_bubbles(rows)
        return rows

    def _watch_bubbles(self, rows: Rows) -> None:
        """Keep in mind of each process how many bubbles are unknown, and whether its last is."""
        missing = len(self._numbers.names) - len(self._unknown)
        if missing:
            self._unknown = np.append(self._unknown, np.zeros(missing, np.int64))
            self._last_unknown = np.append(self._last_unknown, np.zeros(missing, np.int64))
        processes, bubbles = rows.columns["prof_id"], rows.columns["bubble"]
        if usable.any_unknown(bubbles):
            unknown = np.isnan(bubbles)
            self._unknown += np.bincount(processes[unknown], minlength=len(self._unknown))
            self._last_unknown[processes] = unknown
        elif self._last_unknown.any():
            self._last_unknown[processes] = False

    def _as_they_are(self, raw: Mapping[str, pl.Series]) -> Rows | None:
        """Return rows of which no cell needs to be looked at one by one; None if any may."""
        needed = [raw[name] for name in ("prof_id", "start", "end")]
        if any(column.dtype == pl.String or column.null_count() for column in needed):
            return None
        if not self._in_ms or not raw.keys() >= NUMBERS.keys():
            return None
        columns: dict[str, NDArray[Any]] = {name: raw[name].to_numpy() for name in NUMBERS}
        if not all(is_usable(columns[name]) for name, is_usable in NUMBERS.items()):
            return None
        for name in ("start", "end"):
            times = usable.microseconds(raw[name].to_numpy())
            if times is None:
                return None
            columns[name] = times
        rows = self._with_names(columns, raw)
        return None if rows.columns["prof_id"].min() < 0 else rows

    def _converted(self, frame: pl.DataFrame) -> Rows:
        columns: dict[str, NDArray[Any]] = {
            **{name: frame[name].cast(pl.Int64).to_numpy() for name in ("start", "end")},
            **{name: frame[name].cast(pl.Float64).to_numpy() for name in NUMBERS},
        }
        return self._with_names(columns, frame.to_dict())

    def _with_names(self, columns: dict[str, NDArray[Any]], raw: Mapping[str, pl.Series]) -> Rows:
        columns["prof_id"] = self._numbers.of(raw["prof_id"])
        if "batch_type" in raw:
            types = raw["batch_type"]
            # As a rule all are the same, which is seen at once.
            if len(types) and not types.null_count() and not (types != types[0]).any():
                number = np.full(1, self._types.number_of(str(types[0]).strip()))
                columns["batch_type"] = np.repeat(self._phase_of(number), len(types))
            else:
                columns["batch_type"] = self._phase_of(self._types.of(types))
        else:
            columns["batch_type"] = np.full(len(columns["prof_id"]), NO_PHASE, np.uint8)
        return Rows(columns)

    def _phase_of(self, numbers: NDArray[np.int64]) -> NDArray[np.uint8]:
        if len(self._phases) <= len(self._types.names):
            # The last is of -1.
            names = pl.DataFrame({"batch_type": [*self._types.names, None]}, {"batch_type": pl.String})
            found = names.select(phase=phase_by_type())["phase"]
            self._phases = np.array([NO_PHASE if p is None else PHASES.index(p) for p in found], np.uint8)
        phases: NDArray[np.uint8] = self._phases[numbers]
        return phases


@dataclass(frozen=True)
class Blocks:
    """Rows from places at even distances in the table, in its order; `counts` are how many of each place."""

    rows: Rows
    processes: list[str]  # by their number in `rows`
    counts: list[int]
    share: float  # of the table

    @classmethod
    def of(cls, batches: Batches, batch: pl.DataFrame, counts: list[int], share: float) -> Blocks | None:
        """Return the rows of a batch; None where some of them are at no place, or a place has none."""
        read = ForwardRows(batches)
        rows = read.taken(batch)
        whole = rows.count == sum(counts) and min(counts) > 0
        return cls(rows, read.processes, counts, share) if whole else None


class _Numbering:
    """Numbers the values of a column of few texts by first appearance; a null or null word is -1."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self._of_category: NDArray[np.int64] = np.zeros(0, np.int64)
        self._alive: pl.Series | None = None

    def of(self, values: pl.Series) -> NDArray[np.int64]:
        """Return the number of each value."""
        if values.dtype == pl.String:
            values = values.cast(pl.Categorical)
        # Polars forgets which category has which number once no column of them is left.
        self._alive = values
        categories = values.to_physical()
        if not values.null_count():
            return self._known(categories.to_numpy(), values)
        numbers = np.full(len(values), -1, np.int64)
        known = values.is_not_null()
        numbers[known.to_numpy()] = self._known(categories.filter(known).to_numpy(), values.filter(known))
        return numbers

    def _known(self, categories: NDArray[Any], values: pl.Series) -> NDArray[np.int64]:
        missing = int(categories.max(initial=0)) + 1 - len(self._of_category)
        if missing > 0:
            self._of_category = np.append(self._of_category, np.full(missing, _NEW, np.int64))
        numbers: NDArray[np.int64] = self._of_category[categories]
        if numbers.min(initial=0) > _NEW:
            return numbers
        new = np.flatnonzero(numbers == _NEW)
        _categories, first = np.unique(categories[new], return_index=True)
        for row in np.sort(new[first]).tolist():
            self._of_category[int(categories[row])] = self.number_of(str(values[row]).strip())
        found: NDArray[np.int64] = self._of_category[categories]
        return found

    def number_of(self, name: str) -> int:
        """Return the number of a value."""
        if name in cells.NULL_WORDS:
            return -1
        if name not in self.names:
            self.names.append(name)
        return self.names.index(name)
