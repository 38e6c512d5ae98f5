"""Find lanes that together carry more than the rest, which one lane beside its peers does not show.

Of a group of half the lanes each has half of its peers beside it: at twice the load of the rest it stands at
4/3 of its peers' mean. So the lanes of a window are put in order and parted where that parts them best.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from lbtui.analysis.expected import relative
from lbtui.analysis.imbalance import Floats
from lbtui.analysis.scan import Chance, share_that_reaches
from lbtui.thresholds import Shares

_REPLICAS = 999
_SEED = 20260102  # the same data give the same answer
_PARTS = (1, 2, 3)  # windows: the run, its halves, its thirds
_FEWEST_BINS = 4  # of a window
# Of the effect: how far each lane lies on its own side at least, and how far lanes of a side differ at most.
_OWN_SIDE = 0.25
_WITHIN = 0.5
_MOST_RATIO = 99.0


@dataclass(frozen=True)
class Group:
    """`lanes` carry more than the others in bins [first, last), each over the share expected of it."""

    lanes: tuple[int, ...]
    first: int
    last: int
    own: float  # mean load of one of its lanes
    others: float  # mean load of one of the other lanes, × what the group is expected to carry of that
    p_value: float

    @property
    def ratio(self) -> float:
        """Own load as a multiple of the others', at most 99: they may have none."""
        return self.own / max(self.others, self.own / _MOST_RATIO) if self.own > 0 else 1.0


def find_group(loads: Floats, chance: Chance, p_value: float) -> Group | None:
    """Return the group of at least two, and not all but one, of the lanes of `loads` [lane, bin], if any.

    A window in which n is carried, S of it by k lanes whose share is s, scores (S − n s) / √(n s (1 − s)):
    the lanes are the k highest, for the k that scores most. None where that is one lane, or all but one;
    where lanes of a side differ among themselves by as much as the sides do; or where `chance` makes groups
    that stand out as much with more than `p_value`, the search over k and the windows included.
    """
    lanes, bins = loads.shape
    if lanes < 4 or bins < _FEWEST_BINS or not loads.any():
        return None
    share = relative(chance.shares, lanes)
    windows = _windows(bins)
    scores, orders = _scored(loads[None], share, windows)
    best = scores[0]  # [window, k − 1]
    window = int(best[:, 1:-1].max(axis=1).argmax())
    k = int(best[window].argmax()) + 1
    if not 2 <= k <= lanes - 2:
        return None
    chosen = tuple(sorted(int(lane) for lane in orders[0, :k, window]))
    part = float(share[list(chosen)].sum() / share.sum())
    first, last = _refined(loads, chosen, part, windows[window])
    if not are_two(loads[:, first:last].mean(axis=1) / share, chosen):
        return None
    p = _chance_of(float(best[window, k - 1]), loads, chance, windows, p_value)
    return _measured(loads, chosen, (first, last), p, chance.shares) if p <= p_value else None


def measured_on(group: Group, loads: Floats, shares: Shares) -> Group:
    """Return the same group and window with the figures of other loads [lane, bin]."""
    return _measured(loads, group.lanes, (group.first, group.last), group.p_value, shares)


def _windows(bins: int) -> list[tuple[int, int]]:
    """Return the whole run, and windows of a half and a third of it that overlap by half."""
    found = set()
    for parts in _PARTS:
        width = bins // parts
        if width >= _FEWEST_BINS:
            found |= {(first, first + width) for first in range(0, bins - width + 1, max(1, width // 2))}
    return sorted(found | {(0, bins)})


def _scored(
    loads: Floats, share: Floats, windows: list[tuple[int, int]]
) -> tuple[Floats, np.ndarray[tuple[int, ...], np.dtype[np.intp]]]:
    """Return the scores [replica, window, k − 1] and the lanes in order [replica, place, window]."""
    running = np.zeros((*loads.shape[:-1], loads.shape[-1] + 1))
    np.cumsum(loads, axis=-1, out=running[..., 1:])
    firsts, lasts = (np.array(side) for side in zip(*windows, strict=True))
    sums = running[..., lasts] - running[..., firsts]  # [replica, lane, window]
    order = np.argsort(-sums / share[:, None], axis=1, kind="stable")
    ranked = np.cumsum(np.take_along_axis(sums, order, axis=1), axis=1)
    part = np.cumsum(share[order], axis=1) / share.sum()
    total = ranked[:, -1:, :]
    with np.errstate(divide="ignore", invalid="ignore"):
        scores = (ranked - total * part) / np.sqrt(total * part * (1 - part))
    kept = np.where(total > 0, scores, 0.0)[:, :-1, :]
    return np.moveaxis(kept, 1, 2), order


def _chance_of(
    score: float, loads: Floats, chance: Chance, windows: list[tuple[int, int]], p_value: float
) -> float:
    """Return the share of even draws, the data counted as one, with a group that scores as much."""
    rng = np.random.default_rng(_SEED)
    share = relative(chance.shares, len(loads))

    def best(count: int) -> Floats:
        scores, _order = _scored(chance.replicas(loads, count, rng), share, windows)
        highest: Floats = scores[:, :, 1:-1].max(axis=(1, 2))
        return highest

    return share_that_reaches(score, best, p_value, _REPLICAS)


def _refined(loads: Floats, lanes: tuple[int, ...], part: float, window: tuple[int, int]) -> tuple[int, int]:
    """Return the window with its ends moved to where the group scores most beside the others."""
    own = np.append(0.0, np.cumsum(loads[list(lanes)].sum(axis=0)))
    total = np.append(0.0, np.cumsum(loads.sum(axis=0)))
    bins = loads.shape[1]

    def best(firsts: Floats, lasts: Floats) -> int:
        a, b = firsts.astype(int), lasts.astype(int)
        n = total[b] - total[a]
        scores = (own[b] - own[a] - n * part) / np.sqrt(np.maximum(n, 1e-9))
        return int(scores.argmax())

    first, last = window
    for _turn in range(3):
        ends = np.arange(first + 2, bins + 1, dtype=float)
        last = int(ends[best(np.full(len(ends), float(first)), ends)])
        begins = np.arange(0, last - 1, dtype=float)
        first = int(begins[best(begins, np.full(len(begins), float(last)))])
    return first, last


def are_two(levels: Floats, lanes: tuple[int, ...]) -> bool:
    """Tell whether `lanes` and the others are alike among themselves beside what parts the two."""
    own, others = levels[list(lanes)], np.delete(levels, lanes)
    low, high = float(others.mean()), float(own.mean())
    effect = high - low
    near = max(low + _OWN_SIDE * effect - float(own.min()), float(others.max()) - high + _OWN_SIDE * effect)
    within = math.sqrt(float(np.concatenate([own - high, others - low]).var()))
    return effect > 0 and near <= 0 and within <= _WITHIN * effect


def _measured(
    loads: Floats, lanes: tuple[int, ...], window: tuple[int, int], p: float, shares: Shares
) -> Group:
    first, last = window
    share = relative(shares, len(loads))
    means = loads[:, first:last].mean(axis=1)
    chosen = list(lanes)
    others = float(np.delete(means, chosen).sum() / np.delete(share, chosen).sum() * share[chosen].mean())
    return Group(lanes, first, last, float(means[chosen].mean()), others, p)
