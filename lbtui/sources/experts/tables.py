"""The expert tables of one instance, joined from its ranks' (see `expert_rows`)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from lbtui.profile import UNPLACED, Note
from lbtui.sources.experts.routing import Placed, Placement, join_routing
from lbtui.sources.experts.rows import ProcessExperts, Table
from lbtui.text import _, in_list

# The largest model served in 2026 has 61 layers and 320 ranks of 1 to 9 slots, a tenth of this. A stray rank
# number must not make a map of billions of empty cells.
_MOST_CELLS = 2_000_000
# An EPLB period lasts minutes.
_MOST_PERIODS = 500
_Key = TypeVar("_Key", bound=Hashable)


@dataclass(frozen=True)
class ExpertTables:
    """The expert tables of one instance.

    `periods[p]` is int64 [layer, place × slots_per_rank + slot] of tokens, places being those of `ranks`
    (ascending); `placements[p]` is int32 of the same shape, the model expert of each slot or `UNPLACED`, or
    None when the period has no usable routing table. `experts` is how many model experts these name.
    `processes` are those of `ranks`, in their order, with all they read.
    """

    periods: tuple[Table, ...]
    placements: tuple[Placement | None, ...]
    slots_per_rank: int
    ranks: tuple[int, ...]
    notes: tuple[Note, ...]
    processes: tuple[ProcessExperts, ...] = ()
    experts: int = 0


def combine(processes: Iterable[ProcessExperts], file: str, absent: Collection[int] = ()) -> ExpertTables:
    """Return the tables of one instance from its processes.

    Processes that do not fit the majority (number of periods, shape) are left out, each kind with a note;
    without any usable process there are no periods. Ranks `absent` are known to be no part of it.
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
        return ExpertTables((), (), 0, (), notes.all())
    ranks = tuple(process.rank for process in kept)
    missing = sorted(set(range(ranks[-1] + 1)) - {*ranks, *absent}) if ranks[-1] < 1 << 16 else []
    if missing:
        notes.add(_("EP ranks {ranks} are missing; shares are of the others."), ranks=listing(missing))
    layers, slots = _shape(kept[0])
    periods: list[Table] = []
    placements: list[Placement | None] = []
    experts = 0
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
        routing = [part.placement for part in parts]
        placed = join_routing(routing, layers, ranks, slots)
        placements.append(placed.placement if placed else None)
        experts = max(experts, placed.experts if placed else 0)
        if placed:
            _tell_doubts(placed, periods[-1], number, notes)
        elif any(table is not None for table in routing):
            notes.add(
                _("The routing table of EPLB period {period} has other layers: left out."), period=number
            )
    return ExpertTables(tuple(periods), tuple(placements), slots, ranks, notes.all(), tuple(kept), experts)


def _possible(processes: list[ProcessExperts], notes: _Notes) -> list[ProcessExperts]:
    """Leave out ranks, the highest first, of which no map could be drawn."""
    if not processes:
        return []
    layers, slots = _shape(processes[0])
    most = max(_MOST_CELLS // (layers * slots), 1)
    absurd = [process.rank for process in processes if process.rank >= most]
    if absurd:
        notes.add(_("EP ranks {ranks} are left out: no model has so many ranks."), ranks=listing(absurd))
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
        restarts = sum(len(period.restarts) for process in processes for period in process.periods)
        if restarts:
            self.add(_("Counters fell {count} times: they are taken to have begun anew."), count=restarts)
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
    notes.add(sentence, ranks=listing([p.rank for p in processes if key(p) != winner]))
    return [process for process in processes if key(process) == winner]


def _shape(process: ProcessExperts) -> tuple[int, int]:
    layers, slots = next(period.tokens.shape for period in process.periods if period.tokens is not None)
    return layers, slots


def listing(ranks: Sequence[int]) -> str:
    """Return the first eight ranks as text, and `…` for more."""
    shown = in_list(map(str, ranks[:8]))
    return shown if len(ranks) <= 8 else f"{shown}, …"


def _tell_doubts(placed: Placed, tokens: Table, number: int, notes: _Notes) -> None:
    if placed.disputed:
        notes.add(
            _("In EPLB period {period} {count} slots are named for several experts: the first counts."),
            period=number,
            count=placed.disputed,
        )
    unnamed = int(((placed.placement == UNPLACED) & (tokens > 0)).sum())
    if unnamed:
        notes.add(
            _(
                "In EPLB period {period} {count} slots have tokens though no routing table names them; maps "
                "count them to the last model expert, as the parser does."
            ),
            period=number,
            count=unnamed,
        )
