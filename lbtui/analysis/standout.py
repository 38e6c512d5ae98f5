"""Where one lane carries more than its peers for long enough to matter."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lbtui.analysis.imbalance import Floats


@dataclass(frozen=True)
class Standout:
    """Bins [first, last) in which lane `lane` differs from its group's mean.

    `centre` is the bin by whose end half of the excess has gathered: unlike the worst bin it lies well
    inside, and unlike the middle never in a lull.
    """

    lane: int
    first: int
    last: int
    centre: int
    excess: float  # mean over the bins of value − mean of the group's lanes, in the lanes' unit
    score: float  # excess × √bins


def excess_over_peers(loads: Floats, groups: Sequence[str]) -> Floats:
    """Return `loads` [lane, bin] less the mean of the lanes of the same group (instance) in each bin.

    0 where a value is unknown: it neither stands out nor hides what does.
    """
    excess = np.zeros_like(loads)
    for group in dict.fromkeys(groups):
        rows = [i for i, g in enumerate(groups) if g == group]
        part = loads[rows]
        known = ~np.isnan(part)
        level = np.where(known, part, 0.0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
        excess[rows] = np.where(known, part - level, 0.0)
    return excess


def standouts(excess: Floats, limit: int) -> list[Standout]:
    """Return at most `limit` places of `excess` [lane, bin], the most outstanding first, none overlapping.

    A place is the interval that maximises Σ excess / √bins, the likelihood-ratio scan for a shifted mean
    in noise: a short spike needs to be higher than a long one, a long one covers no more than it fills.
    """
    lanes, bins = excess.shape
    waiting: list[tuple[float, int, int, int, Standout]] = []

    def search(lane: int, begin: int, end: int) -> None:
        if end > begin and (found := _best(excess[lane], lane, begin, end)).score > 0:
            heapq.heappush(waiting, (-found.score, lane, begin, end, found))

    for lane in range(lanes):
        search(lane, 0, bins)
    places: list[Standout] = []
    while waiting and len(places) < limit:
        _score, _lane, begin, end, place = heapq.heappop(waiting)
        places.append(place)
        search(place.lane, begin, place.first)
        search(place.lane, place.last, end)
    return places


def lane_scores(excess: Floats) -> list[float]:
    """Return each lane's best score of `standouts`: how far it stands out at its worst; 0 if nowhere."""
    bins = excess.shape[1]
    if not bins:
        return [0.0] * len(excess)
    return [max(0.0, _best(row, lane, 0, bins).score) for lane, row in enumerate(excess)]


def _best(row: Floats, lane: int, begin: int, end: int) -> Standout:
    total = np.concatenate([[0.0], np.cumsum(row[begin:end])])
    best = (-np.inf, 0, 1)
    for length in range(1, end - begin + 1):
        sums = total[length:] - total[:-length]
        at = int(sums.argmax())
        score = float(sums[at]) / length**0.5
        if score > best[0]:
            best = (score, at, length)
    score, at, length = best
    first, last = begin + at, begin + at + length
    gathered = np.cumsum(row[first:last])
    centre = first + int(np.argmax(gathered >= gathered[-1] / 2))
    return Standout(lane, first, last, centre, score / length**0.5, score)
