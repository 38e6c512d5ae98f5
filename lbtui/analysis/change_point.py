"""When a series becomes larger for good, or for a while, and whether chance alone would do it.

The series is cut into blocks of equally many values, so that what neighbours have in common (a burst, a busy
link) counts once; each stretch of blocks is compared with the other blocks by the exact rank-sum test (Mann
and Whitney 1947) on their medians, times the stretches looked at (Bonferroni).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import numpy as np

from lbtui.analysis.imbalance import Floats

_BLOCKS = 24
_FEWEST_IN_BLOCK = 2
_FEWEST_BLOCKS = 3  # of a stretch, and of what it is compared with


@dataclass(frozen=True)
class Change:
    """Values [first, last) are larger than the others."""

    first: int
    last: int
    p_value: float


def rise(values: Floats) -> Change | None:
    """Return the stretch of a series that stands out most as larger, None for a series too short to tell.

    `values` are in order of time, without NaN. The ends of the stretch are those, within a block, that leave
    the least absolute deviation of the logarithms from the medians inside and outside.
    """
    if len(values) < _BLOCKS * _FEWEST_IN_BLOCK:
        return None
    edges = np.linspace(0, len(values), _BLOCKS + 1).astype(int)
    medians = np.array([np.median(values[a:b]) for a, b in pairwise(edges)])
    looks, best = 0, (1.1, 0, 0)
    for first in range(_BLOCKS):
        for last in range(first + _FEWEST_BLOCKS, _BLOCKS + 1):
            if _BLOCKS - (last - first) < _FEWEST_BLOCKS:
                continue
            looks += 1
            inside, outside = medians[first:last], np.r_[medians[:first], medians[last:]]
            best = min(best, (_rank_sum_tail(inside, outside), first, last))
    p, first, last = best
    level = tuple(
        float(np.median(part))
        for part in (
            values[edges[first] : edges[last]],
            np.r_[values[: edges[first]], values[edges[last] :]],
        )
    )
    begin = 0 if first == 0 else _edge(values, edges[first - 1], edges[first + 1], level, rising=True)
    end = len(values)
    if last < _BLOCKS:
        end = _edge(values, edges[last - 1], edges[last + 1], level, rising=False)
    return Change(begin, end, min(1.0, looks * p))


def _edge(values: Floats, begin: int, end: int, level: tuple[float, ...], *, rising: bool) -> int:
    """Return where in [begin, end) the values go from one level to the other."""
    logs = np.log(np.maximum(values[begin:end], 1e-9))
    high, low = (np.abs(logs - np.log(max(each, 1e-9))) for each in level)
    before, after = (low, high) if rising else (high, low)
    cost = np.r_[0.0, np.cumsum(before)] + np.r_[np.cumsum(after[::-1])[::-1], 0.0]
    return begin + int(np.argmin(cost))


def _rank_sum_tail(inside: Floats, outside: Floats) -> float:
    """Return P(U ≥ u) of the Mann–Whitney U if both came from one distribution; ties count half, down."""
    above = (inside[:, None] > outside[None, :]).sum() + 0.5 * (inside[:, None] == outside[None, :]).sum()
    return float(_tails(len(inside), len(outside))[int(above)])


@lru_cache(maxsize=128)
def _tails(m: int, n: int) -> Floats:
    """Return P(U ≥ u) for each u from 0 to m·n: the exact number of arrangements, by its recursion."""
    counts = np.zeros(m * n + 1)
    counts[0] = 1.0
    # Gaussian binomial coefficients: product over i of (1 − q^(n+i)) / (1 − q^i).
    for i in range(1, m + 1):
        up = counts.copy()
        if n + i < len(counts):
            up[n + i :] -= counts[: len(counts) - (n + i)]
        for u in range(i, len(up)):
            up[u] += up[u - i]
        counts = up
    tails: Floats = np.cumsum(counts[::-1])[::-1] / counts.sum()
    return tails
