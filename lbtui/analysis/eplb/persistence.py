"""Whether a hot spot stays or moves: in how many iterations each rank, slot and expert is hot."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lbtui.analysis.eplb.over_time import CHUNK, rank_loads
from lbtui.analysis.eplb.policies import Ints
from lbtui.analysis.imbalance import Floats, par
from lbtui.profile import UNPLACED, ExpertSeries


@dataclass(frozen=True)
class HotSpot:
    """Which column of a layer is the fullest while the layer is hot.

    It stays if one column is the fullest in more than half of these iterations, else it moves.
    """

    hot: int  # iterations in which the layer is hot
    column: int  # most often the fullest in them; -1 if the layer never is hot
    fullest: int  # in how many of them that is
    turns: int  # how often the fullest was another than in the hot iteration before

    @property
    def stays(self) -> bool:
        """Tell whether one column is the fullest in most hot iterations."""
        return 2 * self.fullest > self.hot


@dataclass(frozen=True)
class Persistence:
    """One EPLB period. Counts of iterations; hot is `ratio` × the mean of the layer in that iteration."""

    iterations: int
    ranks: Ints  # [layer, rank]
    spots: tuple[HotSpot, ...]  # by layer, over ranks
    slots: Ints  # [layer, column of the expert view]; the mean is over all slots
    experts: Ints | None  # [layer, model expert], the mean without shared ones; None without a placement


def persistence(
    series: ExpertSeries, period: int, *, rank_ratio: float, expert_ratio: float, shared: Sequence[int] = ()
) -> Persistence:
    """Return how often what is hot in one EPLB period."""
    first, last = np.searchsorted(series.period, [period, period + 1]).tolist()
    layers, columns = series.tokens.shape[1:]
    ranks = np.zeros((layers, len(series.ranks)), dtype=np.int64)
    fullest = np.full((last - first, layers), -1)
    for part, loads in rank_loads(series, first, last):
        means = loads.mean(axis=2, keepdims=True)
        ranks += ((loads >= rank_ratio * means) & (means > 0)).sum(axis=0)
        hot = np.nan_to_num(par(loads, axis=2)) >= rank_ratio
        fullest[part.start - first : part.stop - first] = np.where(hot, loads.argmax(axis=2), -1)
    table = series.placements[period]
    kept = [expert for expert in range(series.experts) if expert not in shared]
    slots = np.zeros((layers, columns), dtype=np.int64)
    experts = None if table is None or not kept else np.zeros((layers, series.experts), dtype=np.int64)
    for begin in range(first, last, CHUNK):
        tokens = series.tokens[begin : min(begin + CHUNK, last)]
        slots += _hot(tokens, tokens.mean(axis=2), expert_ratio)
        if experts is not None and table is not None:
            of_experts = by_expert(tokens, table.astype(np.int64), series.experts)
            experts += _hot(of_experts, of_experts[:, :, kept].mean(axis=2), expert_ratio)
    return Persistence(last - first, ranks, tuple(_spot(row) for row in fullest.T), slots, experts)


def _hot(tokens: np.ndarray, means: Floats, ratio: float) -> Ints:
    """Return in how many iterations each cell reaches `ratio` × its layer's mean, [layer, column]."""
    # No count reaches the threshold of a layer without tokens.
    least = np.where(means > 0, np.ceil(ratio * means), np.iinfo(np.int32).max).astype(np.int64)
    hot: Ints = (tokens >= least[:, :, None]).sum(axis=0)
    return hot


def _spot(fullest: Ints) -> HotSpot:
    hot = fullest[fullest >= 0]
    if not len(hot):
        return HotSpot(0, -1, 0, 0)
    counts = np.bincount(hot)
    column = int(counts.argmax())
    return HotSpot(len(hot), column, int(counts[column]), int((hot[1:] != hot[:-1]).sum()))


def by_expert(tokens: np.ndarray, table: Ints, experts: int) -> Ints:
    """Return tokens [iteration, layer, column] summed by model expert, [iteration, layer, expert].

    `table` is [layer, column] -> expert; slots it does not tell count to the last expert, as upstream does.
    """
    layers = len(table)
    named = np.where(table == UNPLACED, experts - 1, table)
    flat = (named + np.arange(layers)[:, None] * experts).ravel()
    order = np.argsort(flat, kind="stable")
    of_slot = flat[order]
    begins = np.append(True, of_slot[1:] != of_slot[:-1])
    copy = np.arange(len(of_slot)) - np.maximum.accumulate(np.where(begins, np.arange(len(of_slot)), 0))
    by_slot = tokens.reshape(len(tokens), -1)
    sums = np.zeros((len(tokens), layers * experts), dtype=np.int64)
    # First copies, then second ones, …: three times as fast as adding up runs.
    for number in range(int(copy.max(initial=-1)) + 1):
        own = copy == number
        sums[:, of_slot[own]] += by_slot.take(order[own], axis=1)
    return sums.reshape(len(tokens), layers, experts)


@dataclass(frozen=True)
class Together:
    """Two columns of one rank that were hot in the same iterations, and in how many."""

    columns: tuple[int, int]
    iterations: int


def co_hot(
    series: ExpertSeries, period: int, layer: int, columns: range, ratio: float
) -> tuple[Together, ...]:
    """Return the pairs among `columns` (the slots of a rank) hot together in a period, most often first."""
    first, last = np.searchsorted(series.period, [period, period + 1]).tolist()
    tokens = series.tokens[first:last, layer]
    means = tokens.mean(axis=1, keepdims=True)
    own = tokens[:, columns.start : columns.stop]
    hot = ((own >= ratio * means) & (means > 0)).astype(np.int64)
    both = np.triu(hot.T @ hot, k=1)
    pairs = [
        Together((columns.start + a, columns.start + b), int(both[a, b]))
        for a, b in np.argwhere(both).tolist()
    ]
    return tuple(sorted(pairs, key=lambda pair: -pair.iterations))
