"""The fullest rank's tokens iteration by iteration, under the tables in use or under another placement.

All are reckoned alike: of an expert's tokens each of its copies gets an equal part, what stays (shared and
unknown experts) stays on its rank. What copies in use get unequally is so held against none.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lbtui.analysis.eplb.policies import Ints, copies_of
from lbtui.analysis.eplb.recorded import places_of_period
from lbtui.analysis.imbalance import Floats
from lbtui.profile import ExpertSeries

_CHUNK = 64  # iterations; more leave the cache


@dataclass(frozen=True, eq=False)
class Table:
    """A placement [layer, slot] -> place of an expert, -1 for what stays, over so many ranks."""

    placed: Ints
    ranks: int


@dataclass(frozen=True, eq=False)
class Loads:
    """The tokens of iterations, in single precision: of experts over their copies, and of what stays.

    `experts` is [iteration, layer, expert], `fixed` [iteration, layer, rank].
    """

    experts: npt.NDArray[np.float32]
    fixed: npt.NDArray[np.float32]

    def of_mean_rank(self) -> Floats:
        """Return the tokens of the mean rank, summed over layers, of each iteration."""
        every = self.experts.sum(axis=(1, 2), dtype=np.float64) + self.fixed.sum(
            axis=(1, 2), dtype=np.float64
        )
        mean: Floats = every / self.fixed.shape[2]
        return mean

    def of_fullest(self, part: Ints, table: Table) -> Floats:
        """Return the tokens of the fullest rank under a table, summed over layers, of some iterations.

        Layers wait for each other, so that this is what an iteration's expert time follows. The table is over
        as many ranks.
        """
        layers, experts = self.experts.shape[1:]
        named = np.where(table.placed < 0, experts, table.placed)
        copies = np.maximum(copies_of(named, experts + 1), 1).astype(np.float32)
        # One place more for what stays; a take from flat rows is the fastest that numpy has.
        taken = (named + np.arange(layers)[:, None] * (experts + 1)).ravel()
        found = np.zeros(len(part))
        for begin in range(0, len(part), _CHUNK):
            own = part[begin : begin + _CHUNK]
            each = np.zeros((len(own), layers, experts + 1), dtype=np.float32)
            each[:, :, :experts] = self.experts[own] / copies[:, :experts]
            slots = each.reshape(len(own), -1).take(taken, axis=1)
            by_rank = slots.reshape(len(own), layers, table.ranks, -1).sum(axis=3) + self.fixed[own]
            found[begin : begin + _CHUNK] = by_rank.max(axis=2).sum(axis=1, dtype=np.float64)
        return found


def loads_of(series: ExpertSeries, chosen: Ints, ids: Ints) -> Loads:
    """Return the tokens of the iterations `chosen`; `ids` are the experts that move, in their places."""
    layers, slots = series.tokens.shape[1:]
    ranks, experts = len(series.ranks), len(ids)
    found = Loads(
        np.zeros((len(chosen), layers, experts), dtype=np.float32),
        np.zeros((len(chosen), layers, ranks), dtype=np.float32),
    )
    on = np.arange(slots) // (slots // ranks)
    periods = series.period[chosen]
    for period in np.unique(periods).tolist():
        places = places_of_period(series, period, ids)
        # Experts first, then ranks, for what stays.
        width = experts + ranks
        target = np.where(places < 0, experts + on, places) + np.arange(layers)[:, None] * width
        for place in np.flatnonzero(periods == period).tolist():
            tokens = series.tokens[chosen[place]]
            summed = np.bincount(target.ravel(), weights=tokens.ravel(), minlength=layers * width)
            by_target = summed.reshape(layers, width)
            found.experts[place], found.fixed[place] = by_target[:, :experts], by_target[:, experts:]
    return found


def fullest_in_use(series: ExpertSeries, chosen: Ints, ids: Ints, loads: Loads) -> Floats:
    """Return `of_fullest` of the iterations that `loads` are of, each under the table of its own period."""
    found = np.zeros(len(chosen))
    periods = series.period[chosen]
    for period in np.unique(periods).tolist():
        own = np.flatnonzero(periods == period)
        table = Table(places_of_period(series, period, ids), len(series.ranks))
        found[own] = loads.of_fullest(own, table)
    return found


def arrivals(before: Table, after: Table) -> Ints | None:
    """Return how many slots of each rank get an expert that is not yet there, [layer, rank].

    None between different numbers of ranks.
    """
    if before.ranks != after.ranks:
        return None
    layers, ranks = len(after.placed), after.ranks
    experts = 1 + max(int(before.placed.max(initial=-1)), int(after.placed.max(initial=-1)))
    there = np.zeros((layers, ranks, experts + 1), dtype=bool)
    there[_cells(before)] = True
    there[:, :, -1] = True  # what stays does not move
    new = ~there[_cells(after)]
    found: Ints = new.reshape(layers, ranks, -1).sum(axis=2)
    return found


def _cells(table: Table) -> tuple[Ints, Ints, Ints]:
    """Return layer, rank and expert of every slot [layer, slot]."""
    layers, slots = table.placed.shape
    rank = np.arange(slots) // (slots // table.ranks)
    return np.arange(layers)[:, None], np.broadcast_to(rank, table.placed.shape), table.placed
