"""The steps of DP domains from a forward.csv too large to hold: read once, joined part by part."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from lbtui.profile import Loaded, Note, Progress, Provenance, Unreadable
from lbtui.sources import cells, csv_file, usable
from lbtui.sources.canonical.owners import Owners
from lbtui.sources.canonical.phases import phase_by_type
from lbtui.sources.canonical.same_batches import MOST_COMPARED
from lbtui.sources.canonical.step_join import NO_PHASE, NotJoinable, Numbers, Passes, StepJoiner
from lbtui.sources.store import Raw, Store
from lbtui.sources.tables import PRECISION, TABLES, Conversion, match_headers, numeric_headers
from lbtui.text import _, visible

if TYPE_CHECKING:
    from polars._typing import PolarsDataType

# From so many bytes on the forward passes are joined while they are read: some 400,000 rows.
LARGE_FORWARD = 64 << 20

_COLUMNS = ("prof_id", "start", "end", "batch_type", "forward_iter", "duration", "bubble", "batch_size")
_NUMBERS: Mapping[str, Callable[[usable.Floats], bool]] = {
    "forward_iter": usable.is_count,
    "duration": usable.is_duration,
    "bubble": usable.is_number,
    "batch_size": usable.is_count,
}
_OF_ROUNDS = ("prefill_batch_size", "decode_batch_size", "tokens")
_FEW_VALUES = ("prof_id", "batch_type")
_SAMPLED = ("prof_id", "host", "dp_rank", "batch_size", "start", "end")
_MOST_SAMPLED = 1_000_000  # rows
PHASES = ("prefill", "decode", "mixed")

FindOwners = Callable[[Raw], Owners]
Rounds = Callable[[Owners], pl.DataFrame]


@dataclass(frozen=True)
class Streamed:
    """What one reading of a large forward.csv gives."""

    owners: Owners
    sample: Raw  # the first passes of every process
    joined: Loaded  # columns as `joined_steps` of lbtui.analysis.data_parallel, and host


@dataclass(frozen=True)
class _Rows:
    """Rows of the file in its order, by the names of `_COLUMNS`; prof_id and batch_type as numbers."""

    columns: Mapping[str, NDArray[Any]]

    @property
    def count(self) -> int:
        return len(self.columns["start"])


def is_large(store: Store) -> bool:
    """Tell whether forward.csv is too large for all its rows to be held."""
    path = store.output.csv.get("forward")
    return path is not None and store.output.sizes[path] >= LARGE_FORWARD


def stream_steps(
    store: Store, find_owners: FindOwners, rounds: Rounds, progress: Progress
) -> Streamed | None:
    """Return the steps of all DP domains, or None where they cannot be joined part by part.

    `find_owners` tells the domain of every process from the first passes of each, `rounds` the frame
    `batches`.
    """
    try:
        return csv_file.first_way(lambda way: _Stream(store, find_owners, rounds, way).read(progress))
    except (NotJoinable, Unreadable):
        # Reading the whole table tells what is wrong with it.
        return None


def passes_between(store: Store, begin: int, end: int) -> pl.DataFrame:
    """Return the raw forward passes that start between two instants (µs), read now."""
    path = store.output.csv["forward"]
    header = csv_file.read_header(path)
    wanted = match_headers("forward", header, list(TABLES["forward"]), visible(path.name)).header_of
    first = csv_file.read_first(path, "forward", ["prof_id", "start", "end"], 1)
    written = float(csv_file.read_row(path, 0, [wanted["start"]]).item())
    # In the unit that the file writes.
    factor = cells.microseconds_per_unit(written) if first.height else 1.0
    return csv_file.read_between(path, "forward", list(wanted), "start", (begin / factor, end / factor))


class _Stream:
    def __init__(self, store: Store, find_owners: FindOwners, rounds: Rounds, way: csv_file.Way) -> None:
        self._way = way
        self._path = store.output.csv["forward"]
        self._file = visible(self._path.name)
        self._find_owners = find_owners
        self._rounds_of = rounds
        header = csv_file.read_header(self._path)
        self._headers = match_headers("forward", header, _COLUMNS, self._file)
        self._conversion = Conversion("forward", self._headers, self._file)
        types: dict[str, pl.DataType] = dict.fromkeys(numeric_headers("forward", self._headers), pl.Float64())
        for name in _FEW_VALUES:
            if found := self._headers.header_of.get(name):
                types[found] = pl.Categorical()
        self._source = csv_file.Rows(self._path, header, list(self._headers.header_of.values()), types)
        self._read = 0  # rows of the file
        self._kept = 0
        self._numbers = _Numbering()
        self._types = _Numbering()
        self._unknown: NDArray[np.int64] = np.zeros(0, np.int64)
        self._last_unknown: NDArray[np.int64] = np.zeros(0, np.int64)

    @property
    def _processes(self) -> list[str]:
        return [str(name) for name in self._numbers.names]

    def read(self, progress: Progress) -> Streamed:
        parts = self._numbered(progress)
        head = self._head(parts)
        sample = csv_file.read_first(self._path, "forward", _SAMPLED, self._read)
        domains = _Domains(self._raw(sample), self._find_owners, self._rounds_of, self._processes)
        joiner = StepJoiner()
        frames: dict[str, list[pl.DataFrame]] = {}

        def keep(steps: Passes) -> None:
            # They come by domain: to be together they only need to be laid behind each other.
            frame = domains.frame(steps)
            edges = np.flatnonzero(np.diff(steps.domain, prepend=-1, append=-1))
            for first, last in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True):
                name = domains.domains[int(steps.domain[first])]
                frames.setdefault(name, []).append(frame[first:last])

        def join(rows: _Rows) -> None:
            if len(self._processes) > domains.placed:
                late = self._processes[domains.placed :]
                more = csv_file.read_first(
                    self._path, "forward", _SAMPLED, MOST_COMPARED * len(late), name="prof_id", among=late
                )
                domains.add(self._raw(more), self._processes)
            if steps := joiner.join(domains.passes(rows)):
                keep(steps)

        while head:
            join(head.pop(0))
        for rows in parts:
            join(rows)
        if rest := joiner.rest():
            keep(rest)
        return Streamed(domains.owners, domains.sample, self._loaded(frames, domains))

    def _head(self, parts: Iterator[_Rows]) -> list[_Rows]:
        """Return the first rows: until every process has enough of them to be compared."""
        head: list[_Rows] = []
        counts = np.zeros(0, np.int64)
        for rows in parts:
            head.append(rows)
            found = np.bincount(rows.columns["prof_id"], minlength=len(self._processes))
            counts = np.append(counts, np.zeros(len(found) - len(counts), np.int64)) + found
            if counts.min() >= MOST_COMPARED or counts.sum() >= _MOST_SAMPLED:
                break
        return head

    def _loaded(self, frames: Mapping[str, list[pl.DataFrame]], domains: _Domains) -> Loaded:
        if not frames:
            raise NotJoinable("no forward pass of a DP domain")
        if (self._unknown > self._last_unknown).any():
            raise NotJoinable("bubbles to be computed from the next pass of the card")
        notes = [*domains.owners.notes, *self._source.notes, *self._conversion.notes()]
        if domains.uncovered:
            text = _(
                "{count} of {all} forward passes lie in no scheduling round of their size; their tokens "
                "are unknown."
            ).format(count=domains.uncovered, all=self._kept)
            notes.append(Note(self._file, text))
        provenance = Provenance(self._file, "csv", PRECISION["forward"], self._kept)
        # By domain and start.
        by_domain = [frame for _domain, parts in sorted(frames.items()) for frame in parts]
        return Loaded(pl.concat(by_domain, rechunk=True), (provenance,), tuple(notes))

    def _raw(self, frame: pl.DataFrame) -> Raw:
        return Raw(frame, Provenance(self._file, "csv", PRECISION["forward"], frame.height))

    # From cells to numbers

    def _numbered(self, progress: Progress) -> Iterator[_Rows]:
        for batch in self._source.read(progress, self._way):
            self._read += batch.height
            raw = {name: batch[header] for name, header in self._headers.header_of.items()}
            rows = self._as_they_are(raw)
            if rows is None:
                texts = batch.with_columns(pl.col(pl.Categorical).cast(pl.String))
                frame = self._conversion.converted(texts)
                rows = self._converted(frame)
            else:
                self._conversion.pass_over(batch.height)
            self._kept += rows.count
            if rows.count:
                self._watch_bubbles(rows)
                yield rows

    def _watch_bubbles(self, rows: _Rows) -> None:
        """Keep in mind of each process how many bubbles are unknown, and whether its last is."""
        missing = len(self._numbers.names) - len(self._unknown)
        self._unknown = np.append(self._unknown, np.zeros(missing, np.int64))
        self._last_unknown = np.append(self._last_unknown, np.zeros(missing, np.int64))
        unknown = np.isnan(rows.columns["bubble"])
        self._unknown += np.bincount(rows.columns["prof_id"][unknown], minlength=len(self._unknown))
        self._last_unknown[rows.columns["prof_id"]] = unknown

    def _as_they_are(self, raw: Mapping[str, pl.Series]) -> _Rows | None:
        """Return rows of which no cell needs to be looked at one by one; None if any may."""
        needed = [raw[name] for name in ("prof_id", "start", "end")]
        if any(column.dtype == pl.String or column.null_count() for column in needed):
            return None
        if not raw.keys() >= _NUMBERS.keys():
            return None
        columns: dict[str, NDArray[Any]] = {name: raw[name].to_numpy() for name in _NUMBERS}
        if not all(is_usable(columns[name]) for name, is_usable in _NUMBERS.items()):
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

    def _converted(self, frame: pl.DataFrame) -> _Rows:
        columns: dict[str, NDArray[Any]] = {
            **{name: frame[name].cast(pl.Int64).to_numpy() for name in ("start", "end")},
            **{name: frame[name].cast(pl.Float64).to_numpy() for name in _NUMBERS},
        }
        return self._with_names(columns, *(frame[name].cast(pl.Categorical) for name in _FEW_VALUES))

    def _with_names(
        self, columns: dict[str, NDArray[Any]], prof_ids: pl.Series, types: pl.Series | None
    ) -> _Rows:
        columns["prof_id"] = self._numbers.of(prof_ids)
        if types is None:
            columns["batch_type"] = np.full(len(prof_ids), NO_PHASE, np.uint8)
        else:
            numbers = self._types.of(types)
            columns["batch_type"] = _phases(self._types.names)[numbers]
        return _Rows(columns)


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


class _Domains:
    """Which domain and which card of it every process is, as far as the file is read."""

    def __init__(self, sample: Raw, find_owners: FindOwners, rounds: Rounds, processes: list[str]) -> None:
        self.sample = sample
        self.uncovered = 0
        self._find_owners = find_owners
        self._batches = rounds
        self._place(processes)
        self._rounds = self._rounds_by_domain()

    def add(self, more: Raw, processes: list[str]) -> None:
        """Take processes that appear later. Raises `NotJoinable` if others change domains for it."""
        before = self._members()
        frame = pl.concat([self.sample.frame, more.frame])
        self.sample = replace(self.sample, frame=frame)
        known = self.placed
        self._place(processes)
        if [{p for p in domain if p < known} for domain in self._members()][: len(before)] != before:
            raise NotJoinable("a later process changes which processes are one domain")
        self._rounds = self._rounds_by_domain()

    def _place(self, processes: list[str]) -> None:
        self.placed = len(processes)
        self.owners = self._find_owners(self.sample)
        rows = {row["prof_id"]: row for row in self.owners.frame.iter_rows(named=True)}
        # In order of appearance, so that a later process leaves the numbers of those before as they are.
        self.domains = list(
            dict.fromkeys(rows[p]["domain"] for p in processes if rows[p]["domain"] is not None)
        )
        self._owner_of = {rows[p]["domain"]: rows[p] for p in reversed(processes)}
        numbers = {domain: number for number, domain in enumerate(self.domains)}
        self._domain = np.array([numbers.get(rows[p]["domain"], -1) for p in processes], dtype=np.int32)
        self._card = np.zeros(len(processes), dtype=np.int32)
        for number in range(len(self.domains)):
            members = np.flatnonzero(self._domain == number)
            # As prof_ids are ordered.
            order = sorted(range(len(members)), key=lambda m: processes[members[m]])
            self._card[members[order]] = np.arange(len(members))

    def _members(self) -> list[set[int]]:
        return [set(np.flatnonzero(self._domain == n).tolist()) for n in range(len(self.domains))]

    def _rounds_by_domain(self) -> dict[int, dict[str, NDArray[Any]]]:
        batches = self._batches(self.owners).filter(pl.col("domain").is_in(self.domains)).sort("start")
        numbers = {domain: number for number, domain in enumerate(self.domains)}
        columns = ("start", "end", "batch_size", *_OF_ROUNDS)
        return {
            numbers[str(key[0])]: {
                name: part[name].cast(pl.Int64 if name in ("start", "end") else pl.Float64).to_numpy()
                for name in columns
            }
            for key, part in batches.partition_by("domain", as_dict=True).items()
        }

    def passes(self, rows: _Rows) -> Passes:
        """Return the rows as passes of their domains; those of no domain are left out."""
        columns = rows.columns
        domain = self._domain[columns["prof_id"]]
        if (domain < 0).any():
            kept = domain >= 0
            columns = {name: values[kept] for name, values in columns.items()}
            domain = domain[kept]
        if np.isnan(columns["forward_iter"]).any():
            raise NotJoinable("forward passes to be counted")
        duration = columns["duration"]
        if np.isnan(duration).any():
            duration = np.where(np.isnan(duration), (columns["end"] - columns["start"]) / 1000, duration)
        columns = {**columns, "duration": duration}
        extra = self._of_rounds(domain, columns) if self._rounds else {}
        return Passes(
            domain=domain.astype(np.uint16),
            card=self._card[columns["prof_id"]],
            start=columns["start"],
            end=columns["end"],
            phase=_filled(columns["batch_type"], extra),
            **{name: columns[name] for name in _NUMBERS},
            **extra,
        )

    def _of_rounds(
        self, domain: NDArray[Any], columns: Mapping[str, NDArray[Any]]
    ) -> dict[str, NDArray[Any]]:
        """Return what the round of the same size that each pass starts in tells; NaN where there is none."""
        found = {name: np.full(len(domain), np.nan) for name in _OF_ROUNDS}
        start, size = columns["start"], columns["batch_size"]
        for number, rounds in self._rounds.items():
            rows = np.flatnonzero(domain == number)
            at = np.searchsorted(rounds["start"], start[rows], side="right") - 1
            fits = (at >= 0) & (start[rows] < rounds["end"][at]) & (size[rows] == rounds["batch_size"][at])
            for name, values in found.items():
                values[rows[fits]] = rounds[name][at[fits]]
        self.uncovered += int(np.isnan(found["tokens"]).sum())
        return found

    def frame(self, steps: Passes) -> pl.DataFrame:
        """Return steps with the columns of `joined_steps`, and the host of the domain's first process."""
        owners = [self._owner_of[domain] for domain in self.domains]

        def named(column: str) -> pl.Series:
            return _chosen(column, [str(owner[column]) for owner in owners], steps.domain)

        def numbers(name: str, kind: PolarsDataType) -> pl.Series:
            values: Numbers | None = getattr(steps, name)
            told = np.full(len(steps.start), np.nan) if values is None else values
            column: pl.Series = pl.Series(name, told, nan_to_null=True).cast(kind)
            return column

        ranks = np.array([np.nan if o["dp_rank"] is None else o["dp_rank"] for o in owners])
        known = steps.phase != NO_PHASE
        phases = _chosen("phase", PHASES, np.where(known, steps.phase, 0))
        return pl.DataFrame(
            [
                *(named(column) for column in ("domain", "instance", "host")),
                pl.Series("dp_rank", ranks[steps.domain], nan_to_null=True).cast(pl.Int32),
                *(pl.Series(n, getattr(steps, n)).cast(pl.Datetime("us")) for n in ("start", "end")),
                *(numbers(n, pl.Float64()) for n in ("duration", "bubble")),
                *(numbers(n, pl.Int32()) for n in ("batch_size", "prefill_batch_size", "decode_batch_size")),
                numbers("tokens", pl.Int64()),
                phases if known.all() else phases.set(pl.Series(~known), None),
                numbers("forward_iter", pl.Int64()),
                pl.Series("cards", steps.card).cast(pl.UInt32),
            ]
        )


def _chosen(name: str, values: Sequence[str], places: NDArray[Any]) -> pl.Series:
    """Return the values at these places as a categorical column."""
    categories = pl.Series(name, values, dtype=pl.Categorical)
    chosen: pl.Series = categories.gather(pl.Series(places.astype(np.uint32)))
    return chosen


def _filled(phases: NDArray[np.uint8], rounds: Mapping[str, NDArray[Any]]) -> NDArray[np.uint8]:
    """Return the phases, unknown ones by which requests the round has."""
    if not rounds or not (phases == NO_PHASE).any():
        return phases
    prefill, decode = rounds["prefill_batch_size"] > 0, rounds["decode_batch_size"] > 0
    by_size = np.select([prefill & decode, prefill, decode], [2, 0, 1], NO_PHASE)
    return np.where(phases == NO_PHASE, by_size, phases).astype(np.uint8)
