"""How uneven the ranks are, iteration by iteration, and the same in as many columns as a screen has."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from lbtui.analysis.eplb.policies import Ints
from lbtui.analysis.expert_parallel import REBALANCE_PAR
from lbtui.analysis.imbalance import Floats, known_mean, par
from lbtui.profile import ExpertSeries

# So many iterations are looked at together: enough for numpy, few enough to stay in the cache.
CHUNK = 64


@dataclass(frozen=True)
class OverTime:
    """One figure an iteration; NaN where an iteration has no tokens."""

    mean: Floats  # PAR over ranks, mean over layers
    worst: Floats  # PAR over ranks of the worst layer
    worst_layer: Ints  # which that is, -1 without tokens
    balance: Floats  # upstream's balance ratio: std over ranks of tokens, mean over layers
    tokens: Floats  # of a rank in a layer, mean over both
    changes: tuple[int, ...]  # iterations with which another EPLB period, and so another table, begins


def over_time(series: ExpertSeries) -> OverTime:
    """Return the figures of every iteration. The std is that of a population (numpy's)."""
    count = len(series.period)
    mean, worst, balance, tokens = (np.full(count, np.nan) for _figure in range(4))
    worst_layer = np.full(count, -1)
    for part, loads in rank_loads(series, 0, count):
        pars = par(loads, axis=2)
        known = np.nan_to_num(pars, nan=-np.inf)
        mean[part] = known_mean(pars, axis=1)
        worst_layer[part] = np.where(np.isfinite(mean[part]), known.argmax(axis=1), -1)
        worst[part] = np.where(np.isfinite(mean[part]), known.max(axis=1), np.nan)
        balance[part] = np.where(np.isfinite(mean[part]), loads.std(axis=2).mean(axis=1), np.nan)
        tokens[part] = loads.mean(axis=(1, 2))
    changes = np.flatnonzero(np.diff(series.period)) + 1
    return OverTime(mean, worst, worst_layer, balance, tokens, tuple(changes.tolist()))


def par_top(figures: OverTime) -> float:
    """Return the PAR of the hottest colour: the largest of all iterations, at least `REBALANCE_PAR`."""
    return _largest(figures.worst, REBALANCE_PAR)


def balance_top(figures: OverTime) -> float:
    """Return the balance ratio of the hottest colour, in tokens: the largest of all iterations.

    At least `REBALANCE_PAR` − 1 of the mean tokens of a rank in a layer, so that even ranks look even.
    """
    floor = (REBALANCE_PAR - 1) * float(known_mean(figures.tokens))
    return _largest(figures.balance, 0.0 if np.isnan(floor) else floor)


def _largest(values: Floats, least: float) -> float:
    return float(np.nan_to_num(values, nan=least).max(initial=least))


def rank_loads(series: ExpertSeries, first: int, last: int) -> Iterator[tuple[slice, Floats]]:
    """Yield stretches of the iterations [first, last) with their tokens [iteration, layer, rank]."""
    for begin in range(first, last, CHUNK):
        part = slice(begin, min(begin + CHUNK, last))
        tokens = series.tokens[part]
        by_rank = tokens.reshape(*tokens.shape[:2], len(series.ranks), series.slots_per_rank)
        yield part, by_rank.sum(axis=3, dtype=np.int64).astype(np.float64)


@dataclass(frozen=True)
class Columns:
    """`OverTime` in columns: column c covers the iterations edges[c] up to edges[c + 1], of one EPLB period.

    Where there are more periods than columns, a column covers several.
    """

    edges: Ints  # [column + 1]
    mean: Floats  # mean of its iterations
    worst: Floats  # the largest of them
    worst_layer: Ints  # where that is; -1 without tokens
    balance: Floats  # mean of its iterations
    changed: tuple[bool, ...]  # another table begins in this column

    def column_of(self, iteration: int) -> int:
        """Return the column that an iteration lies in."""
        return max(0, min(int(np.searchsorted(self.edges, iteration, side="right")) - 1, len(self.mean) - 1))


def in_columns(figures: OverTime, width: int) -> Columns:
    """Return the figures in at most `width` columns."""
    edges = column_edges(len(figures.mean), figures.changes, max(1, width))
    begins = edges[:-1]
    changes = np.array(figures.changes, dtype=np.int64)
    changed = np.searchsorted(changes, edges[1:]) > np.searchsorted(changes, begins)
    ranked = np.nan_to_num(figures.worst, nan=-np.inf)
    worst = np.array([a + int(ranked[a:b].argmax()) for a, b in pairwise(edges.tolist())], dtype=np.int64)
    return Columns(
        edges,
        _means(figures.mean, edges),
        figures.worst[worst],
        figures.worst_layer[worst],
        _means(figures.balance, edges),
        tuple(changed.tolist()),
    )


def column_edges(count: int, changes: tuple[int, ...], width: int) -> Ints:
    """Return the edges of at most `width` columns over `count` iterations.

    Periods share the columns by their lengths, each getting at least one, so that none covers two; equal
    columns where there are more periods than columns.
    """
    if count <= width:
        return np.arange(count + 1)
    stretches = np.array([0, *changes, count])
    lengths = np.diff(stretches)
    if len(lengths) > width:
        return np.arange(width + 1) * count // width
    shares = 1 + (width - len(lengths)) * lengths // count
    parts = [
        begin + np.arange(columns) * length // columns
        for begin, length, columns in zip(stretches.tolist(), lengths.tolist(), shares.tolist(), strict=False)
    ]
    return np.concatenate([*parts, [count]]).astype(np.int64)


def _means(values: Floats, edges: Ints) -> Floats:
    known = np.isfinite(values)
    if not len(values):
        return values
    total = np.add.reduceat(np.where(known, values, 0.0), edges[:-1])
    count = np.add.reduceat(known.astype(np.int64), edges[:-1])
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)
