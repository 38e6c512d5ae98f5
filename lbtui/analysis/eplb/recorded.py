"""What a what-if starts from: the tokens of every expert in two halves of the iterations, and its place."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from lbtui.analysis.eplb.policies import Impossible, Ints
from lbtui.analysis.imbalance import Floats
from lbtui.profile import UNPLACED, ExpertSeries
from lbtui.text import _


@dataclass(frozen=True)
class Half:
    """Tokens of one half of the iterations."""

    experts: Floats  # [layer, movable expert], summed over its copies
    fixed: Floats  # [layer, rank], of slots whose content stays: shared experts, unknown ones
    ranks: Floats  # [layer, rank], all of them, as counted
    iterations: int


@dataclass(frozen=True)
class Recorded:
    """The recorded load of one instance. Experts are named by their place in `experts`."""

    experts: Ints  # ids of the movable model experts, or of slots where no placement is known
    ranks: tuple[int, ...]
    in_use: Ints  # [layer, slot] -> place in `experts`, -1 for what stays; when the first half ends
    first: Half
    second: Half
    placed: bool  # False: no placement is known, each slot is taken as an expert of its own

    @property
    def slots_in_use(self) -> int:
        """The most movable slots that all ranks together have in a layer."""
        return int((self.in_use >= 0).sum(axis=1).max(initial=0))


def recorded(series: Sequence[ExpertSeries]) -> Recorded:
    """Return what the series of one instance hold (prefill and decode are added; their ranks must agree).

    The first half of each series' iterations, and the rest. Where some period has a placement, iterations of
    periods without one are left out. Raises `Impossible` where there is nothing to fit or to judge by.
    """
    if not series:
        raise Impossible(_("There is no expert heat by iteration to fit a placement on."))
    one = series[0]
    if any((s.ranks, s.slots_per_rank) != (one.ranks, one.slots_per_rank) for s in series):
        raise Impossible(_("Prefill and decode have other ranks: choose one of them."))
    placed = any(_tables(each) for each in series)
    halves = [_halves(each, placed) for each in series]
    if not all(len(first) and len(second) for first, second in halves):
        raise Impossible(_("At least two iterations are needed: one half to fit on, one to judge by."))
    ids = _movable(series, placed)
    parts = [
        _sum([_half(each, own[part], ids, placed) for each, own in zip(series, halves, strict=True)])
        for part in (0, 1)
    ]
    if not all(part.experts.any() for part in parts):
        raise Impossible(_("A half of the iterations holds no tokens of experts that could be moved."))
    last = one.period[halves[0][0][-1]]
    return Recorded(ids, one.ranks, _places(one, int(last), ids, placed), parts[0], parts[1], placed)


def _tables(series: ExpertSeries) -> list[Ints]:
    return [table.astype(np.int64) for table in series.placements if table is not None]


def _halves(series: ExpertSeries, placed: bool) -> tuple[Ints, Ints]:
    """Return the iterations of either half."""
    usable = np.arange(len(series.period))
    if placed:
        known = np.array([table is not None for table in series.placements], dtype=bool)
        usable = usable[known[series.period]]
    middle = len(usable) // 2
    return usable[:middle], usable[middle:]


def _movable(series: Sequence[ExpertSeries], placed: bool) -> Ints:
    """Return the ids of experts that some rank does without: shared ones, on every rank, cannot move."""
    one = series[0]
    if not placed:
        return np.arange(one.tokens.shape[2])
    tables = [table for each in series for table in _tables(each)]
    ids: Ints = np.unique(np.concatenate([table.ravel() for table in tables]))
    stay = [UNPLACED, *shared_ids(tables, len(one.ranks))]
    return ids[~np.isin(ids, stay)]


def shared_ids(tables: Sequence[Ints], ranks: int) -> frozenset[int]:
    """Return the model experts that every rank holds in every layer of all placements [layer, slot]."""
    if ranks < 2 or not tables:
        return frozenset()
    most = max(int(table.max()) for table in tables) + 1
    everywhere = np.ones(most + 1, dtype=bool)
    everywhere[UNPLACED] = False
    for table in tables:
        layers, slots = table.shape
        held = np.zeros((layers, ranks, most + 1), dtype=bool)
        held[np.arange(layers)[:, None], np.arange(slots) // (slots // ranks), table] = True
        everywhere &= held.all(axis=(0, 1))
    return frozenset(np.flatnonzero(everywhere).tolist())


def _places(series: ExpertSeries, period: int, ids: Ints, placed: bool) -> Ints:
    """Return [layer, slot] -> place in `ids`, -1 for what stays."""
    shape = series.tokens.shape[1:]
    table = series.placements[period] if placed else None
    if table is None:
        return np.tile(np.arange(shape[1]), (shape[0], 1))
    place = np.searchsorted(ids, table)
    found = ids[np.minimum(place, len(ids) - 1)] == table if len(ids) else np.zeros(shape, dtype=bool)
    places: Ints = np.where(found, place, -1).astype(np.int64)
    return places


def _half(series: ExpertSeries, chosen: Ints, ids: Ints, placed: bool) -> Half:
    layers, columns = series.tokens.shape[1:]
    experts = np.zeros((layers, len(ids)))
    fixed, every = np.zeros((layers, columns)), np.zeros((layers, columns))
    row = np.broadcast_to(np.arange(layers)[:, None], (layers, columns))
    for period, part in _by_period(series, chosen):
        tokens = series.tokens[part].sum(axis=0, dtype=np.int64)
        places = _places(series, period, ids, placed)
        stays = places < 0
        np.add.at(experts, (row[~stays], places[~stays]), tokens[~stays])
        fixed[stays] += tokens[stays]
        every += tokens
    ranks = (layers, len(series.ranks), series.slots_per_rank)
    return Half(experts, fixed.reshape(ranks).sum(axis=2), every.reshape(ranks).sum(axis=2), len(chosen))


def _by_period(series: ExpertSeries, chosen: Ints) -> Iterator[tuple[int, slice]]:
    """Yield each period with its stretch of the chosen iterations; periods rise, so each is one stretch."""
    periods = series.period[chosen]
    for period in np.unique(periods):
        own = chosen[periods == period]
        yield int(period), slice(int(own[0]), int(own[-1]) + 1)


def _sum(halves: Sequence[Half]) -> Half:
    return Half(
        np.sum([half.experts for half in halves], axis=0),
        np.sum([half.fixed for half in halves], axis=0),
        np.sum([half.ranks for half in halves], axis=0),
        sum(half.iterations for half in halves),
    )
