"""The rows of a large forward.csv as numbers, batch by batch: few of its cells are looked at one by one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from lbtui.profile import Note, Progress
from lbtui.sources import cells, csv_file, usable
from lbtui.sources.canonical.phases import phase_by_type
from lbtui.sources.canonical.step_join import NO_PHASE
from lbtui.sources.tables import Conversion, match_headers, numeric_headers
from lbtui.text import visible

PHASES = ("prefill", "decode", "mixed")
COLUMNS = ("prof_id", "start", "end", "batch_type", "forward_iter", "duration", "bubble", "batch_size")
NUMBERS: Mapping[str, Callable[[usable.Floats], bool]] = {
    "forward_iter": usable.is_count,
    "duration": usable.is_duration,
    "bubble": usable.is_number,
    "batch_size": usable.is_count,
}
_FEW_VALUES = ("prof_id", "batch_type")


@dataclass(frozen=True)
class Rows:
    """Rows of the file in its order, by the names of `COLUMNS`; prof_id and batch_type as numbers."""

    columns: Mapping[str, NDArray[Any]]

    @property
    def count(self) -> int:
        """How many rows."""
        return len(self.columns["start"])


class ForwardRows:
    """Reads forward.csv in one way; `read_rows` counts the rows seen, `kept` those that can be placed."""

    def __init__(self, path: Path, way: csv_file.Way) -> None:
        self._way = way
        file = visible(path.name)
        header = csv_file.read_header(path)
        self._headers = match_headers("forward", header, COLUMNS, file)
        self._conversion = Conversion("forward", self._headers, file)
        types: dict[str, pl.DataType] = dict.fromkeys(numeric_headers("forward", self._headers), pl.Float64())
        for name in _FEW_VALUES:
            if found := self._headers.header_of.get(name):
                types[found] = pl.Categorical()
        self._source = csv_file.Rows(path, header, list(self._headers.header_of.values()), types)
        self.read_rows = 0
        self.kept = 0
        self._numbers = _Numbering()
        self._types = _Numbering()
        self._unknown: NDArray[np.int64] = np.zeros(0, np.int64)
        self._last_unknown: NDArray[np.int64] = np.zeros(0, np.int64)

    @property
    def processes(self) -> list[str]:
        """The prof_ids so far, by their number in `Rows`."""
        return [str(name) for name in self._numbers.names]

    def notes(self) -> list[Note]:
        """Return what was left out of what is read so far."""
        return [*self._source.notes, *self._conversion.notes()]

    def lacks_bubbles(self) -> bool:
        """Tell whether a bubble is unknown of another pass than the last of its process."""
        return bool((self._unknown > self._last_unknown).any())

    def read(self, progress: Progress) -> Iterator[Rows]:
        """Yield the rows in the order of the file, batch by batch; raises what `csv_file.Rows.read` does."""
        for batch in self._source.read(progress, self._way):
            self.read_rows += batch.height
            raw = {name: batch[header] for name, header in self._headers.header_of.items()}
            rows = self._as_they_are(raw)
            if rows is None:
                texts = batch.with_columns(pl.col(pl.Categorical).cast(pl.String))
                frame = self._conversion.converted(texts)
                rows = self._converted(frame)
            else:
                self._conversion.pass_over(batch.height)
            self.kept += rows.count
            if rows.count:
                self._watch_bubbles(rows)
                yield rows

    def _watch_bubbles(self, rows: Rows) -> None:
        """Keep in mind of each process how many bubbles are unknown, and whether its last is."""
        missing = len(self._numbers.names) - len(self._unknown)
        self._unknown = np.append(self._unknown, np.zeros(missing, np.int64))
        self._last_unknown = np.append(self._last_unknown, np.zeros(missing, np.int64))
        unknown = np.isnan(rows.columns["bubble"])
        self._unknown += np.bincount(rows.columns["prof_id"][unknown], minlength=len(self._unknown))
        self._last_unknown[rows.columns["prof_id"]] = unknown

    def _as_they_are(self, raw: Mapping[str, pl.Series]) -> Rows | None:
        """Return rows of which no cell needs to be looked at one by one; None if any may."""
        needed = [raw[name] for name in ("prof_id", "start", "end")]
        if any(column.dtype == pl.String or column.null_count() for column in needed):
            return None
        if not raw.keys() >= NUMBERS.keys():
            return None
        columns: dict[str, NDArray[Any]] = {name: raw[name].to_numpy() for name in NUMBERS}
        if not all(is_usable(columns[name]) for name, is_usable in NUMBERS.items()):
            return None
        for name in ("start", "end"):
            times = raw[name].to_numpy()
            first, last = times.min(), times.max()
            if not 0 < first <= last or not usable.is_number(times):
                return None
            factor = cells.microseconds_per_unit(first)
            if factor != cells.microseconds_per_unit(last) or last * factor > cells.LATEST:
                return None
            columns[name] = np.floor(times * factor).astype(np.int64)
        return self._with_names(columns, raw["prof_id"], raw.get("batch_type"))

    def _converted(self, frame: pl.DataFrame) -> Rows:
        columns: dict[str, NDArray[Any]] = {
            **{name: frame[name].cast(pl.Int64).to_numpy() for name in ("start", "end")},
            **{name: frame[name].cast(pl.Float64).to_numpy() for name in NUMBERS},
        }
        return self._with_names(columns, *(frame[name].cast(pl.Categorical) for name in _FEW_VALUES))

    def _with_names(
        self, columns: dict[str, NDArray[Any]], prof_ids: pl.Series, types: pl.Series | None
    ) -> Rows:
        columns["prof_id"] = self._numbers.of(prof_ids)
        if types is None:
            columns["batch_type"] = np.full(len(prof_ids), NO_PHASE, np.uint8)
        else:
            numbers = self._types.of(types)
            columns["batch_type"] = _phases(self._types.names)[numbers]
        return Rows(columns)


def _phases(types: list[str | None]) -> NDArray[np.uint8]:
    """Return the number of the phase of each batch_type."""
    names = pl.DataFrame({"batch_type": types}, schema={"batch_type": pl.String})
    found = names.select(phase=phase_by_type())["phase"]
    return np.array([NO_PHASE if p is None else PHASES.index(p) for p in found], dtype=np.uint8)


class _Numbering:
    """Numbers the values of a categorical column by first appearance."""

    def __init__(self) -> None:
        self.names: list[str | None] = []
        self._of_category: NDArray[np.int64] = np.full(1, -1, np.int64)  # the first is of null
        self._alive: pl.Series | None = None

    def of(self, values: pl.Series) -> NDArray[np.int64]:
        """Return the number of each value."""
        # Polars forgets which category has which number once no column of them is left.
        self._alive = values
        # Categories count from 0, null comes before them.
        places = (
            values.to_physical().to_numpy().astype(np.int64)
            if not values.null_count()
            else (values.to_physical().cast(pl.Int64).fill_null(-1).to_numpy())
        )
        places = places + 1
        missing = int(places.max(initial=0)) + 1 - len(self._of_category)
        if missing > 0:
            self._of_category = np.append(self._of_category, np.full(missing, -1, np.int64))
        numbers: NDArray[np.int64] = self._of_category[places]
        if (numbers < 0).any():
            new, first = np.unique(places[numbers < 0], return_index=True)
            rows = np.flatnonzero(numbers < 0)[first]
            for place, row in sorted(zip(new.tolist(), rows.tolist(), strict=True), key=lambda pair: pair[1]):
                self._of_category[place] = len(self.names)
                self.names.append(values[row])
            numbers = self._of_category[places]
        return numbers
