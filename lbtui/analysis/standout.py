"""Where one lane carries more than its peers for long enough to matter."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

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


def standouts(excess: Floats, limit: int, bests: Sequence[Standout] | None = None) -> list[Standout]:
    """Return at most `limit` places of `excess` [lane, bin], the most outstanding first, none overlapping.

    `bests` are the `lane_bests` of `excess`, where these are known.

    A place is the interval that maximises Σ excess / √bins, the likelihood-ratio scan for a shifted mean
    in noise: a short spike needs to be higher than a long one, a long one covers no more than it fills.
    """
    bins = excess.shape[1]
    waiting: list[tuple[float, int, int, int, Standout]] = []

    def keep(found: Standout, begin: int, end: int) -> None:
        if found.score > 0:
            heapq.heappush(waiting, (-found.score, found.lane, begin, end, found))

    def search(lane: int, begin: int, end: int) -> None:
        if end > begin:
            (found,) = _best(excess[lane : lane + 1, begin:end])
            shifted = replace(
                found,
                lane=lane,
                first=found.first + begin,
                last=found.last + begin,
                centre=found.centre + begin,
            )
            keep(shifted, begin, end)

    for found in lane_bests(excess) if bests is None else bests:
        keep(found, 0, bins)
    places: list[Standout] = []
    while waiting and len(places) < limit:
        _score, _lane, begin, end, place = heapq.heappop(waiting)
        places.append(place)
        search(place.lane, begin, place.first)
        search(place.lane, place.last, end)
    return places


def lane_bests(excess: Floats) -> list[Standout]:
    """Return each lane's place that stands out most, by whatever score; none where no lane has any."""
    return _best(excess) if (excess > 0).any() else []


def lane_scores(excess: Floats, bests: Sequence[Standout] | None = None) -> list[float]:
    """Return each lane's best score of `standouts`: how far it stands out at its worst; 0 if nowhere."""
    found = lane_bests(excess) if bests is None else bests
    return [max(0.0, best.score) for best in found] or [0.0] * len(excess)


def _best(excess: Floats) -> list[Standout]:
    """Return each lane's best interval; none where there are no bins."""
    lanes, bins = excess.shape
    if not bins or not lanes:
        return []
    roots = np.array([length**0.5 for length in range(1, bins + 1)])
    found = []
    for lane in range(lanes):
        total = np.concatenate([[0.0], np.cumsum(excess[lane])])
        # Sums of all intervals [length - 1, first bin] at once; those beyond the end count for nothing.
        ends = sliding_window_view(np.append(total[1:], np.full(bins - 1, -np.inf)), bins)
        sums = ends - total[:-1]
        firsts = sums.argmax(axis=1)
        scores = sums[np.arange(bins), firsts] / roots
        longest = int(scores.argmax())
        begin, end = int(firsts[longest]), int(firsts[longest]) + longest + 1
        gathered = np.cumsum(excess[lane, begin:end])
        centre = begin + int(np.argmax(gathered >= gathered[-1] / 2))
        score = float(scores[longest])
        found.append(Standout(lane, begin, end, centre, score / (end - begin) ** 0.5, score))
    return found
