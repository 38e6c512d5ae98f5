"""Expert tables (`eplb_observe`: counts and routing per EP rank) turned into heat maps and placements.

One process is one EP rank. Its rows come in order: `hot` is a table [layer][slot] of token counts, cumulative
within an EPLB period; `routing` is a table [layer][model expert] -> global slot (rank × slots + slot) and
opens a period.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt
import polars as pl

from lbtui.profile import SCHEMAS, Note, empty
from lbtui.text import _

Table: TypeAlias = npt.NDArray[np.int64]
# The largest model served in 2026 has 61 layers and 320 ranks of 1 to 9 slots, a tenth of this. A stray rank
# number must not make a map of billions of empty cells.
_MOST_CELLS = 2_000_000
# An EPLB period lasts minutes.
_MOST_PERIODS = 500
_Key = TypeVar("_Key", bound=Hashable)


class ExpertRow(NamedTuple):
    """One row of domain `eplb_observe`."""

    process: int | str
    order: float  # mark id or timestamp: rises within a process
    rank: int
    kind: Literal["hot", "routing"]
    table: Sequence[Sequence[int]] | Table


@dataclass(frozen=True)
class Period:
    """One EPLB period of one rank: its routing table and its counts [layer, slot]."""

    placement: Table | None
    tokens: Table | None  # None when no counts came before the next routing row
    iterations: int  # readings of the counters


@dataclass(frozen=True)
class ProcessExperts:
    """All periods of one process, and how many of its rows were left out and why."""

    process: int | str
    rank: int
    periods: tuple[Period, ...]
    before_routing: int = 0  # rows of a period whose beginning, and so whose placement, is unknown
    late: int = 0  # rows that came after a later one
    unusable: int = 0  # no table of whole numbers ≥ 0, or of another shape than the process's first


@dataclass(frozen=True)
class ExpertTables:
    """The expert tables of one instance.

    `periods[p]` is int64 [layer, place × slots_per_rank + slot] of tokens, places being those of `ranks`
    (ascending); `placements[p]` is int64 [layer, model expert] -> global slot, or None when unknown.
    `iterations` counts the readings behind them, of the rank that has most.
    """

    periods: tuple[Table, ...]
    placements: tuple[Table | None, ...]
    slots_per_rank: int
    ranks: tuple[int, ...]
    iterations: int
    notes: tuple[Note, ...]


@dataclass
class _Counts:
    """Adds up the cumulative counts of one period; a counter that falls has been restarted."""

    placement: Table | None = None
    iterations: int = 0
    last: Table | None = None
    finished: Table | None = None  # the segments before the last restart

    def add(self, table: Table) -> None:
        if self.last is not None and (table < self.last).any():
            self.finished = self.last if self.finished is None else self.finished + self.last
        self.last = table
        self.iterations += 1

    def period(self) -> Period:
        total = self.last
        if total is not None and self.finished is not None:
            total = total + self.finished
        return Period(self.placement, total, self.iterations)


@dataclass
class _Process:
    rank: int
    order: float
    shapes: dict[str, tuple[int, ...]] = field(default_factory=dict)
    counts: list[_Counts] = field(default_factory=lambda: [_Counts()])  # [0]: before the first routing row
    late: int = 0
    unusable: int = 0

    def result(self, process: int | str) -> ProcessExperts:
        head, *routed = self.counts
        periods = tuple(counts.period() for counts in routed or [head])
        return ProcessExperts(
            process, self.rank, periods, head.iterations if routed else 0, self.late, self.unusable
        )


class ExpertAccumulator:
    """Takes the rows one by one and keeps a few tables per period, however many rows there are."""

    def __init__(self) -> None:
        self._processes: dict[int | str, _Process] = {}

    def add(self, row: ExpertRow) -> None:
        """Take one row. Rows of one process must come in rising order; one that does not is only counted.

        Nothing is lost with a late `hot` row: the later count includes it.
        """
        process = self._processes.setdefault(row.process, _Process(row.rank, row.order))
        if row.order < process.order:
            process.late += 1
            return
        process.order = row.order
        table = _whole_numbers(row.table)
        if table is None or row.rank != process.rank:
            process.unusable += 1
            return
        if process.shapes.setdefault(row.kind, table.shape) != table.shape:
            process.unusable += 1
        elif row.kind == "routing":
            process.counts.append(_Counts(placement=table))
        else:
            process.counts[-1].add(table)

    def processes(self) -> tuple[ProcessExperts, ...]:
        """Return what each process's rows added up to, ascending by rank."""
        results = [process.result(key) for key, process in self._processes.items()]
        return tuple(sorted(results, key=lambda result: (result.rank, str(result.process))))


def _whole_numbers(table: Any) -> Table | None:
    """Return the table as int64 [layer, …], or None if it is no rectangle of whole numbers ≥ 0."""
    try:
        array = np.asarray(table)
    except (ValueError, OverflowError):  # rows of unequal length
        return None
    if array.ndim != 2 or array.size == 0 or array.dtype.kind not in "iu":
        return None
    if array.min() < 0 or int(array.max()) > 2**53:  # beyond it sums of ranks could overflow
        return None
    return array.astype(np.int64, copy=False)


def read_tables(rows: Iterable[ExpertRow], file: str) -> ExpertTables:
    """Return the tables of one instance from its rows, each process's in order; notes name `file`."""
    accumulator = ExpertAccumulator()
    for row in rows:
        accumulator.add(row)
    return combine(accumulator.processes(), file)


def combine(processes: Iterable[ProcessExperts], file: str) -> ExpertTables:
    """Return the tables of one instance from its processes.

    Processes that do not fit the majority (number of periods, shape) are left out, each kind with a note;
    without any usable process there are no periods.
    """
    notes = _Notes(file)
    kept = list(processes)
    notes.count_rows(kept)
    kept = [process for process in kept if any(period.tokens is not None for period in process.periods)]
    kept = _one_per_rank(kept, notes)
    kept = _majority(
        kept,
        lambda p: len(p.periods),
        _("EP ranks {ranks} are left out: they have other EPLB periods."),
        notes,
    )
    kept = _majority(
        kept, _shape, _("EP ranks {ranks} are left out: their tables have another shape."), notes
    )
    kept = _possible(kept, notes)
    if not kept:
        return ExpertTables((), (), 0, (), 0, notes.all())
    ranks = tuple(process.rank for process in kept)
    missing = sorted(set(range(ranks[-1] + 1)) - set(ranks)) if ranks[-1] < 1 << 16 else []
    if missing:
        notes.add(_("EP ranks {ranks} are missing; shares are of the others."), ranks=_listing(missing))
    layers, slots = _shape(kept[0])
    periods, placements = [], []
    count = len(kept[0].periods)
    if count > _MOST_PERIODS:
        notes.add(
            _("It tells of {count} EPLB periods; those after the first {most} are left out."),
            count=count,
            most=_MOST_PERIODS,
        )
    for number in range(min(count, _MOST_PERIODS)):
        parts = [process.periods[number] for process in kept]
        if any(part.tokens is None for part in parts):
            notes.add(_("Some EP ranks have no counts in EPLB period {period}: taken as 0."), period=number)
        nothing = np.zeros((layers, slots), dtype=np.int64)
        periods.append(np.hstack([nothing if part.tokens is None else part.tokens for part in parts]))
        placements.append(_common_placement(parts, layers, number, notes))
    iterations = max(sum(period.iterations for period in process.periods) for process in kept)
    return ExpertTables(tuple(periods), tuple(placements), slots, ranks, iterations, notes.all())


def _possible(processes: list[ProcessExperts], notes: _Notes) -> list[ProcessExperts]:
    """Leave out ranks, the highest first, of which no map could be drawn."""
    if not processes:
        return []
    layers, slots = _shape(processes[0])
    most = max(_MOST_CELLS // (layers * slots), 1)
    absurd = [process.rank for process in processes if process.rank >= most]
    if absurd:
        notes.add(_("EP ranks {ranks} are left out: no model has so many ranks."), ranks=_listing(absurd))
    return [process for process in processes if process.rank < most]


class _Notes:
    def __init__(self, file: str) -> None:
        self._file = file
        self._texts: list[str] = []

    def add(self, sentence: str, **values: object) -> None:
        self._texts.append(sentence.format(**values))

    def all(self) -> tuple[Note, ...]:
        return tuple(Note(self._file, text) for text in self._texts)

    def count_rows(self, processes: list[ProcessExperts]) -> None:
        early = sum(process.before_routing for process in processes)
        if early:
            self.add(_("{count} expert rows before the first routing table are left out."), count=early)
        late = sum(process.late for process in processes)
        if late:
            self.add(_("{count} expert rows out of time order are left out."), count=late)
        unusable = sum(process.unusable for process in processes)
        if unusable:
            self.add(_("{count} expert rows hold no consistent table of counts: left out."), count=unusable)


def _one_per_rank(processes: list[ProcessExperts], notes: _Notes) -> list[ProcessExperts]:
    by_rank: dict[int, ProcessExperts] = {}
    for process in sorted(processes, key=lambda process: process.rank):
        if by_rank.setdefault(process.rank, process) is not process:
            notes.add(
                _("EP rank {rank} is reported by two processes; process {process} is left out."),
                rank=process.rank,
                process=process.process,
            )
    return list(by_rank.values())


def _majority(
    processes: list[ProcessExperts], key: Callable[[ProcessExperts], _Key], sentence: str, notes: _Notes
) -> list[ProcessExperts]:
    votes = Counter(key(process) for process in processes)
    if len(votes) <= 1:
        return processes
    winner = votes.most_common(1)[0][0]
    notes.add(sentence, ranks=_listing([p.rank for p in processes if key(p) != winner]))
    return [process for process in processes if key(process) == winner]


def _shape(process: ProcessExperts) -> tuple[int, int]:
    layers, slots = next(period.tokens.shape for period in process.periods if period.tokens is not None)
    return layers, slots


def _listing(ranks: list[int]) -> str:
    shown = ", ".join(map(str, ranks[:8]))
    return shown if len(ranks) <= 8 else f"{shown}, …"


def _common_placement(parts: list[Period], layers: int, number: int, notes: _Notes) -> Table | None:
    """Return the routing table of one period; every rank reports the whole of it.

    The last model expert, the shared one, is everywhere: each rank names its own copy of it.
    """
    tables = [part.placement for part in parts if part.placement is not None]
    if not tables:
        return None
    first = tables[0]
    if any(not np.array_equal(first[:, :-1], table[:, :-1]) for table in tables[1:]):
        notes.add(
            _("The EP ranks' routing tables differ in EPLB period {period}: the lowest rank's is used."),
            period=number,
        )
    if first.shape[0] != layers:
        notes.add(_("The routing table of EPLB period {period} has other layers: left out."), period=number)
        return None
    return first


def expert_of_column(tables: ExpertTables, period: int) -> Table | None:
    """Return [layer, column] -> model expert for one period, or None when its placement is unknown.

    Slots that no routing table names hold the last model expert, the shared one, as upstream counts them.
    """
    placement = tables.placements[period]
    if placement is None:
        return None
    layers, experts = placement.shape
    ranks = np.asarray(tables.ranks, dtype=np.int64)
    slots = tables.slots_per_rank
    # Global slot -> column here; slots of ranks that are missing have none.
    columns = np.full((int(ranks[-1]) + 1) * slots, -1, dtype=np.int64)
    columns[(ranks[:, None] * slots + np.arange(slots)).ravel()] = np.arange(len(ranks) * slots)
    named = np.where(placement < len(columns), columns[np.minimum(placement, len(columns) - 1)], -1)
    expert = np.full((layers, len(ranks) * slots), experts - 1, dtype=np.int64)
    layer, model_expert = np.nonzero(named >= 0)
    expert[layer, named[layer, model_expert]] = model_expert
    return expert


def tokens_by_model_expert(tables: ExpertTables, period: int) -> Table | None:
    """Return the tokens [layer, model expert] of one period, or None when its placement is unknown."""
    expert = expert_of_column(tables, period)
    placement = tables.placements[period]
    if expert is None or placement is None:
        return None
    total = np.zeros(placement.shape, dtype=np.int64)
    np.add.at(total, (np.arange(len(expert))[:, None], expert), tables.periods[period])
    return total


def heat_frames(tables: ExpertTables, instance: str) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the canonical frames `expert_heat` and `placements` of one instance.

    `share` is tokens / sum of its layer (null in a layer without tokens); `relative` is
    (share - min) / (max - min) over the map of one period and view, as upstream colours it. The view
    `model_expert` and the placements exist only where a routing table is known.
    """
    heat: list[pl.DataFrame] = []
    placements: list[pl.DataFrame] = []
    slots = tables.slots_per_rank
    ranks = np.asarray(tables.ranks, dtype=np.int64)
    columns = {
        "column": (ranks[:, None] * slots + np.arange(slots)).ravel(),
        "rank": np.repeat(ranks, slots),
        "slot": np.tile(np.arange(slots), len(ranks)),
    }
    for period, tokens in enumerate(tables.periods):
        by_rank = tokens.reshape(len(tokens), len(ranks), slots).sum(axis=2)
        heat.append(_cells("rank", period, by_rank, {"column": ranks, "rank": ranks}))
        expert = expert_of_column(tables, period)
        slot_map = _cells("expert", period, tokens, columns)
        by_model_expert = tokens_by_model_expert(tables, period)
        if expert is None or by_model_expert is None:
            heat.append(slot_map)
            continue
        slot_map = slot_map.with_columns(pl.Series("expert", expert.ravel()).cast(pl.Int32))
        experts = np.arange(by_model_expert.shape[1])
        heat.append(slot_map)
        heat.append(_cells("model_expert", period, by_model_expert, {"column": experts, "expert": experts}))
        placements.append(slot_map.select(list(SCHEMAS["placements"])))
    named = pl.lit(instance).alias("instance")
    return (
        pl.concat([empty("expert_heat"), *heat], rechunk=True).with_columns(named),
        pl.concat([empty("placements"), *placements], rechunk=True).with_columns(named),
    )


def _cells(view: str, period: int, tokens: Table, columns: dict[str, npt.NDArray[Any]]) -> pl.DataFrame:
    layers, width = tokens.shape
    sums = tokens.sum(axis=1, keepdims=True)
    share = np.divide(tokens, sums, out=np.full(tokens.shape, np.nan), where=sums > 0)
    frame = pl.DataFrame(
        {
            "layer": np.repeat(np.arange(layers), width),
            **{name: np.tile(values, layers) for name, values in columns.items()},
            "tokens": tokens.ravel(),
            "share": share.ravel(),
        }
    )
    value = pl.col("share")
    width_of_range = value.max() - value.min()
    frame = frame.with_columns(value.fill_nan(None)).with_columns(
        pl.lit(view).alias("view"),
        pl.lit(period).alias("period"),
        # A map of one colour has no range: all its cells are at the bottom.
        pl.when(width_of_range > 0)
        .then((value - value.min()) / width_of_range)
        .when(value.is_not_null())
        .then(0.0)
        .alias("relative"),
    )
    schema = SCHEMAS["expert_heat"]
    return frame.select(
        [(pl.col(n) if n in frame.columns else pl.lit(None)).cast(t).alias(n) for n, t in schema.items()]
    )
