"""Find when and on which lane a load stands out, and whether chance alone would do it.

A scan statistic (Kulldorff 1997): over many windows and all lanes, the largest excess of a lane over its
peers, in standard deviations of such a window. How large it gets by chance is simulated, the search
included, so that looking at many windows costs no false alarms. Neighbouring bins depend on each other;
for what has a memory whole stretches are shuffled (`ShuffledBlocks`), events that have none are drawn
anew (`RandomDispatch`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from lbtui.analysis.imbalance import Floats

_REPLICAS = 999
_AT_ONCE = 111  # replicas held in memory
_MOST_BLOCKS = 200
_SEED = 20260101  # the same data give the same answer
_LEAST_SPREAD = 0.25  # of a load; keeps an idle bin from weighing more than a busy one
_SHARES = (1.0, 0.75, 0.56, 0.42, 0.32, 0.24, 0.18)  # of the bins: the widths searched, then refined
_MOST_RATIO = 99.0


@dataclass(frozen=True)
class Excess:
    """Lane `lane` carries more than its peers in bins [first, last)."""

    lane: int
    first: int
    last: int
    own: float  # its mean load there
    peers: float  # mean load of the other lanes there
    p_value: float

    @property
    def ratio(self) -> float:
        """Own load as a multiple of the peers', at most 99: they may have none."""
        return self.own / max(self.peers, self.own / _MOST_RATIO) if self.own > 0 else 1.0


class Chance(Protocol):
    """A way to draw loads as they would be if no lane differed from the others."""

    def memory(self, loads: Floats) -> float:
        """Return the bins after which a lane's deviation has fallen to 1/e."""

    def replicas(self, loads: Floats, count: int, rng: np.random.Generator) -> Floats:
        """Return `count` even draws like `loads` [lane, bin] as [replica, lane, bin]."""


@dataclass(frozen=True)
class RandomDispatch:
    """Numbers of requests given to each lane if each request went to a random one.

    They are independent Poisson numbers, whatever happened before: their mean at any time is that of the
    lanes. Round robin varies less, so this errs towards finding nothing.
    """

    def memory(self, loads: Floats) -> float:
        """Return 0: where a request goes does not depend on where the last one went."""
        return 0.0

    def replicas(self, loads: Floats, count: int, rng: np.random.Generator) -> Floats:
        """Return `count` random dispatches of as many requests."""
        drawn: Floats = rng.poisson(loads.mean(axis=0), (count, *loads.shape)).astype(np.float64)
        return drawn


@dataclass(frozen=True)
class ShuffledBlocks:
    """Any loads, their lanes swapped at random for whole blocks of time (Künsch 1989).

    If lanes are exchangeable, which of them carries which load in a stretch of time is chance. Blocks are
    twice as long as deviations last.
    """

    def memory(self, loads: Floats) -> float:
        """Return `correlation_bins`."""
        return correlation_bins(loads)

    def replicas(self, loads: Floats, count: int, rng: np.random.Generator) -> Floats:
        """Return `count` shuffles of the loads."""
        lanes, bins = loads.shape
        block = max(1, min(2 * correlation_bins(loads), bins // 4), -(-bins // _MOST_BLOCKS))
        starts = np.arange(0, bins, block)
        lengths = np.diff(np.append(starts, bins))
        order = rng.permuted(np.tile(np.arange(lanes), (count, len(starts), 1)), axis=2)
        order = np.repeat(order, lengths, axis=1).transpose(0, 2, 1)
        shuffled: Floats = np.take_along_axis(np.broadcast_to(loads, order.shape), order, axis=1)
        return shuffled


def correlation_bins(loads: Floats) -> int:
    """Return how many bins a lane's deviation from the others lasts: the first lag below 1/e."""
    deviation = loads - loads.mean(axis=0, keepdims=True)
    deviation = deviation - deviation.mean(axis=1, keepdims=True)
    variance = float((deviation**2).sum())
    if variance <= 0:
        return 1
    limit = max(1, int(loads.shape[1]) // 4)
    for lag in range(1, limit):
        if float((deviation[:, lag:] * deviation[:, :-lag]).sum()) / variance < np.exp(-1):
            return lag
    return limit


def find_excess(
    loads: Floats,
    chance: Chance,
    *,
    least_ratio: float,
    least_excess: float,
    p_value: float,
    most: int = 4,
) -> list[Excess]:
    """Return where lanes stand out, most certain first; `loads` is [lane, bin], all known.

    A found stretch of a lane is set to its peers' level and the scan runs again, up to `most` times;
    stretches of a lane that touch are one.
    """
    lanes, bins = loads.shape
    if lanes < 2 or bins < 4 or not loads.any():
        return []
    rest = loads.astype(np.float64).copy()
    rng = np.random.default_rng(_SEED)
    found: list[Excess] = []
    for _round in range(most):
        deviations = _Deviations(chance.memory(rest), bins)
        sums = deviations.running_sums(rest)
        score, lane, first, last = deviations.largest(sums)
        p = _chance_of(score, rest, chance, deviations, p_value, rng)
        if p > p_value:
            break
        first, last = deviations.refined(sums[lane], first, last)
        excess = _measured(loads, lane, first, last, p)
        if excess.ratio >= least_ratio and excess.own - excess.peers >= least_excess:
            found = _joined(found, excess, loads)
        rest[lane, first:last] = np.delete(rest[:, first:last], lane, axis=0).mean(axis=0)
    return found


def _chance_of(
    score: float,
    loads: Floats,
    chance: Chance,
    deviations: _Deviations,
    p_value: float,
    rng: np.random.Generator,
) -> float:
    """Return the share of even draws, the data counted as one, whose best score reaches `score`.

    Stops once so many do that it must be above `p_value` (Besag & Clifford 1991).
    """
    reached, drawn = 1, 1
    while drawn <= _REPLICAS and reached <= p_value * (1 + _REPLICAS):
        scores = deviations.largest_scores(chance.replicas(loads, _AT_ONCE, rng))
        reached += int((scores >= score).sum())
        drawn += _AT_ONCE
    return reached / drawn


def _measured(loads: Floats, lane: int, first: int, last: int, p: float) -> Excess:
    own, peers = loads[lane, first:last], np.delete(loads[:, first:last], lane, axis=0)
    return Excess(lane, first, last, float(own.mean()), float(peers.mean()), p)


def _joined(found: list[Excess], new: Excess, loads: Floats) -> list[Excess]:
    """Return the findings and a new one, made one with those of its lane that it touches."""
    same = [e for e in found if e.lane == new.lane and e.first <= new.last and new.first <= e.last]
    first, last = min(e.first for e in (*same, new)), max(e.last for e in (*same, new))
    p = min(e.p_value for e in (*same, new))
    return [*(e for e in found if e not in same), _measured(loads, new.lane, first, last, p)]


class _Deviations:
    """Scores of windows: a lane's excess over its peers in standard deviations of such a sum.

    A number in flight varies like its square root; less the mean of L − 1 peers, by L / (L − 1) more. Sums
    over w bins vary by w + 2 Σ (w − k) ρ^k, with ρ = exp(−1 / memory).
    """

    def __init__(self, memory: float, bins: int) -> None:
        self.bins = bins
        rho = float(np.exp(-1 / max(memory, 1e-6)))
        lags = np.arange(1, bins)
        powers = rho**lags
        # Σ_{k<w} (w − k) ρ^k is the running sum of the running sums of ρ^k.
        twice = np.concatenate([[0.0, 0.0], np.cumsum(np.cumsum(powers))])[: bins + 1]
        self.deviation = np.sqrt(np.arange(bins + 1) + 2 * twice)
        self.widths = sorted({max(2, round(bins * share)) for share in _SHARES}, reverse=True)

    def running_sums(self, loads: Floats) -> Floats:
        """Return running sums [..., lane, bin + 1] of the scaled excess of `loads` [..., lane, bin]."""
        lanes = loads.shape[-2]
        total = loads.sum(axis=-2, keepdims=True)
        excess = loads - (total - loads) / (lanes - 1)
        spread = np.sqrt(np.maximum(total / lanes, _LEAST_SPREAD) * lanes / (lanes - 1))
        sums = np.zeros((*loads.shape[:-1], loads.shape[-1] + 1))
        np.cumsum(excess / spread, axis=-1, out=sums[..., 1:])
        return sums

    def largest(self, sums: Floats) -> tuple[float, int, int, int]:
        """Return the best window of `sums` [lane, bin + 1] as (score, lane, first, last)."""
        best = (-np.inf, 0, 0, self.bins)
        for width in self.widths:
            scores = (sums[:, width:] - sums[:, :-width]) / self.deviation[width]
            lane, first = np.unravel_index(int(scores.argmax()), scores.shape)
            if scores[lane, first] > best[0]:
                best = (float(scores[lane, first]), int(lane), int(first), int(first) + width)
        return best

    def largest_scores(self, replicas: Floats) -> Floats:
        """Return the best score of each of `replicas` [replica, lane, bin]."""
        sums = self.running_sums(replicas)
        scores = [
            (sums[..., width:] - sums[..., :-width]).max(axis=(1, 2)) / self.deviation[width]
            for width in self.widths
        ]
        best: Floats = np.max(np.stack(scores), axis=0)
        return best

    def refined(self, sums: Floats, first: int, last: int) -> tuple[int, int]:
        """Return the window with its ends moved, one after the other, to where the score is largest."""
        for _turn in range(3):
            ends = np.arange(first + 2, self.bins + 1)
            last = int(ends[np.argmax((sums[ends] - sums[first]) / self.deviation[ends - first])])
            begins = np.arange(0, last - 1)
            first = int(begins[np.argmax((sums[last] - sums[begins]) / self.deviation[last - begins])])
        return first, last
