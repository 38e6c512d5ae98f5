"""What a what-if starts from: the tokens of every expert in two halves of the iterations, and its place."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lbtui.analysis.eplb.policies import Impossible, Ints, copies_of
from lbtui.analysis.imbalance import Floats, known_mean
from lbtui.profile import UNPLACED, ExpertSeries, PlacementFile
from lbtui.text import _


@dataclass(frozen=True)
class Half:
    """Tokens of one half of the iterations."""

    experts: Floats  # [layer, movable expert], summed over its copies
    fixed: Floats  # [layer, rank], of slots whose content stays: shared experts, unknown ones
    ranks: Floats  # [layer, rank], all of them, as counted
    iterations: int


# vllm-ascend's FlashLB re-balances above this PAR.
_WORTH_BALANCING = 1.18


@dataclass(frozen=True)
class Check:
    """Does load follow its experts? The fullest rank of each layer under all tables but the first.

    Its load / mean of the ranks, mean over layers: as `counted`, and as `predicted` by the loads of experts
    counted under the first table, a copy taking its equal part.
    """

    predicted: float
    counted: float
    iterations: int

    @property
    def fails(self) -> bool:
        """Tell whether ranks are uneven and less than half of that follows their experts."""
        return self.counted >= _WORTH_BALANCING and self.counted - 1 > 2 * (self.predicted - 1)


@dataclass(frozen=True)
class Recorded:
    """The recorded load of one instance. Experts are named by their place in `experts`."""

    experts: Ints  # ids of the movable model experts, or of slots where no placement is known
    ranks: tuple[int, ...]
    in_use: Ints  # [layer, slot] -> place in `experts`, -1 for what stays; when the first half ends
    first: Half
    second: Half
    placed: bool  # False: no placement is known, each slot is taken as an expert of its own
    check: Check | None = None  # None where the table never changed
    file: Ints | None = None  # a placement file's [layer, rank, slot] -> place in `experts`, -1 for others

    @property
    def slots_in_use(self) -> int:
        """The most movable slots that all ranks together have in a layer."""
        return int((self.in_use >= 0).sum(axis=1).max(initial=0))


def recorded(series: Sequence[ExpertSeries], file: PlacementFile | None = None) -> Recorded:
    """Return what the series of one instance hold (prefill and decode are added; their ranks must agree).

    The first half of each series' iterations, and the rest. Where some period has a placement, iterations of
    periods without one are left out. `file` is a placement to judge too, if it has as many layers. Raises
    `Impossible` where there is nothing to fit or to judge by.
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
    in_use = _places(one, int(one.period[halves[0][0][-1]]), ids, placed)
    check = _check(one, np.concatenate(halves[0]), ids) if placed and len(series) == 1 else None
    fits = placed and file is not None and len(file.experts) == one.tokens.shape[1]
    table = None if file is None else file.experts if file.has_ranks else file.over(len(one.ranks))
    candidate = _places_of(table, ids) if table is not None and fits else None
    return Recorded(ids, one.ranks, in_use, parts[0], parts[1], placed, check, candidate)


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
    if not placed:
        return np.arange(series[0].tokens.shape[2])
    ids: Ints = np.unique(np.concatenate([table.ravel() for each in series for table in _tables(each)]))
    return ids[~np.isin(ids, [UNPLACED, *shared_ids(series)])]


def shared_ids(series: Sequence[ExpertSeries]) -> frozenset[int]:
    """Return the model experts that every rank holds in every layer of every placement.

    Slots that no routing table names are taken for the last expert, as upstream counts them.
    """
    tables = [(each, table) for each in series for table in _tables(each)]
    if not tables or any(len(each.ranks) < 2 for each in series):
        return frozenset()
    experts = max(each.experts for each in series)
    everywhere = np.ones(experts, dtype=bool)
    for each, table in tables:
        layers, slots = table.shape
        ranks = len(each.ranks)
        named = np.where(table == UNPLACED, each.experts - 1, table)
        held = np.zeros((layers, ranks, experts), dtype=bool)
        held[np.arange(layers)[:, None], np.arange(slots) // (slots // ranks), named] = True
        everywhere &= held.all(axis=(0, 1))
    return frozenset(np.flatnonzero(everywhere).tolist())


def _places(series: ExpertSeries, period: int, ids: Ints, placed: bool) -> Ints:
    """Return [layer, slot] -> place in `ids`, -1 for what stays."""
    shape = series.tokens.shape[1:]
    table = series.placements[period] if placed else None
    if table is None:
        return np.tile(np.arange(shape[1]), (shape[0], 1))
    return _places_of(table, ids)


def places_of_period(series: ExpertSeries, period: int, ids: Ints) -> Ints:
    """Return [layer, slot] -> place in `ids` (of `Recorded.experts`) in a period, -1 for what stays."""
    return _places(series, period, ids, any(table is not None for table in series.placements))


def usable_iterations(series: ExpertSeries) -> tuple[Ints, Ints]:
    """Return the iterations of either half that `recorded` takes."""
    return _halves(series, any(table is not None for table in series.placements))


def experts_between(series: ExpertSeries, chosen: Ints, ids: Ints) -> Floats:
    """Return the tokens [layer, expert] of the iterations `chosen` (ascending, of stretches of periods)."""
    found = np.zeros((series.tokens.shape[1], len(ids)))
    row = np.arange(series.tokens.shape[1])[:, None]
    periods = series.period[chosen]
    for period in np.unique(periods).tolist():
        tokens = series.tokens[chosen[periods == period]].sum(axis=0, dtype=np.int64)
        places = places_of_period(series, period, ids)
        held = np.zeros((len(tokens), len(ids) + 1))
        np.add.at(held, (np.broadcast_to(row, places.shape), places), tokens)
        found += held[:, :-1]
    return found


def _places_of(table: npt.NDArray[np.int32], ids: Ints) -> Ints:
    """Return the place in `ids` of every expert of a table, -1 for those not among them."""
    if not len(ids):
        return np.full(table.shape, -1)
    place = np.searchsorted(ids, table)
    found = ids[np.minimum(place, len(ids) - 1)] == table
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


def _check(series: ExpertSeries, usable: Ints, ids: Ints) -> Check | None:
    """Return how well the experts' loads under the first table tell the ranks' loads under the others."""
    tables = {period: _places(series, period, ids, True) for period, _part in _by_period(series, usable)}
    first = next(iter(tables.values()))
    alike = [period for period, table in tables.items() if np.array_equal(table, first)]
    is_first = np.isin(series.period[usable], alike)
    learnt = _half(series, usable[is_first], ids, True)
    later = usable[~is_first]
    if not len(later):
        return None
    total = learnt.experts.sum(axis=1, keepdims=True)
    shares = np.divide(learnt.experts, total, out=np.zeros_like(learnt.experts), where=total > 0)
    predicted, counted = np.zeros_like(learnt.ranks), np.zeros_like(learnt.ranks)
    for period, part in _by_period(series, later):
        own = _half(series, np.arange(part.start, part.stop), ids, True)
        # One place more takes what stays, which is counted, not predicted.
        named = np.where(tables[period] >= 0, tables[period], len(ids))
        copies = np.maximum(copies_of(named, len(ids) + 1), 1)
        loads = shares * own.experts.sum(axis=1, keepdims=True)
        each = np.hstack([loads, np.zeros((len(loads), 1))]) / copies
        by_slot = np.take_along_axis(each, named, axis=1).reshape(*learnt.ranks.shape, -1)
        predicted += by_slot.sum(axis=2) + own.fixed
        counted += own.ranks
    fullest = counted.argmax(axis=1)[:, None]
    means = [
        float(known_mean(np.take_along_axis(_multiples(loads), fullest, axis=1)))
        for loads in (predicted, counted)
    ]
    return Check(means[0], means[1], len(later))


def _multiples(loads: Floats) -> Floats:
    mean = loads.mean(axis=1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(mean > 0, loads / mean, np.nan)


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
