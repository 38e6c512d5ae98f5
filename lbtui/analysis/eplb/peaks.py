"""The fullest rank's tokens iteration by iteration, under the tables in use or under another placement.

All are reckoned alike: of an expert's tokens each of its copies gets an equal part, what stays (shared and
unknown experts) stays on its rank. What copies in use get unequally is so held against none.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lbtui.analysis.eplb.policies import Ints, copies_of
from lbtui.analysis.eplb.recorded import places_of_period
from lbtui.analysis.imbalance import Floats
from lbtui.profile import ExpertSeries

_CHUNK = 128  # iterations


@dataclass(frozen=True, eq=False)
class Table:
    """A placement [layer, slot] -> place of an expert, -1 for what stays, over so many ranks."""

    placed: Ints
    ranks: int


def fullest(series: ExpertSeries, chosen: Ints, ids: Ints, table: Table | None = None) -> Floats:
    """Return the tokens of the fullest rank, summed over layers, of each of the iterations `chosen`.

    Layers wait for each other, so that this is what an iteration's expert time follows. `ids` are the model
    experts that can move, by whose places tables name them. Without a table those in use are meant.
    """
    found = np.zeros(len(chosen))
    periods = series.period[chosen]
    ranks = len(series.ranks)
    for period in np.unique(periods).tolist():
        places = places_of_period(series, period, ids)
        flows = _flows(places, Table(places, ranks) if table is None else table, ranks, len(ids))
        own = np.flatnonzero(periods == period)
        for begin in range(0, len(own), _CHUNK):
            part = own[begin : begin + _CHUNK]
            # [layer, iteration, slot] @ [layer, slot, rank]
            tokens = series.tokens[chosen[part]].transpose(1, 0, 2).astype(np.float64)
            found[part] = (tokens @ flows).max(axis=2).sum(axis=0)
    return found


def mean_rank(series: ExpertSeries, chosen: Ints, ranks: int) -> Floats:
    """Return the tokens of the mean of so many ranks, summed over layers, of each of the iterations."""
    tokens: Floats = series.tokens[chosen].sum(axis=(1, 2), dtype=np.int64) / ranks
    return tokens


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


def _flows(places: Ints, table: Table, ranks: int, experts: int) -> Floats:
    """Return which part of the tokens counted in a slot each rank gets, [layer, slot, rank]."""
    layers, slots = places.shape
    held = np.zeros((layers, experts + 1, table.ranks))
    layer, rank, named = _cells(table)
    named = np.where(named < 0, experts, named)
    np.add.at(held, (layer, named, rank), 1.0)
    held /= np.maximum(copies_of(named, experts + 1), 1)[:, :, None]
    flows = held[layer, np.where(places < 0, experts, places)]
    own = np.zeros((slots, table.ranks))
    if table.ranks == ranks:
        own[np.arange(slots), np.arange(slots) // (slots // ranks)] = 1.0
    else:
        own[:] = 1 / table.ranks  # over another number of ranks what stays is shared evenly
    result: Floats = np.where((places < 0)[:, :, None], own, flows)
    return result
