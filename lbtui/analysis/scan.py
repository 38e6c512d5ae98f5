"""Find when and on which lane a load stands out, and whether chance alone would do it.

The test is a scan statistic under block permutation. If lanes are exchangeable, which of them carries which
load in a stretch of time is chance; so the lanes' labels are shuffled, whole blocks of time at once, since
neighbouring bins depend on each other. A window is real if its excess is above what almost all shuffles
reach anywhere. See Kulldorff (1997) for scan statistics, Künsch (1989) for blocks.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lbtui.analysis.imbalance import Floats

_SHUFFLES = 400
_MOST_BLOCKS = 200
_SEED = 20260101  # the same data give the same answer


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
        """Own load as a multiple of the peers'; infinite where they have none."""
        return self.own / self.peers if self.peers > 0 else float("inf")


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
    loads: Floats, *, least_ratio: float, least_excess: float, p_value: float, most: int = 4
) -> list[Excess]:
    """Return where lanes stand out, most certain first; `loads` is [lane, bin], all known.

    A found stretch of a lane is set to its peers' level and the scan runs again, up to `most` times.
    """
    lanes, bins = loads.shape
    if lanes < 2 or bins < 4:
        return []
    rest = loads.astype(np.float64).copy()
    block = max(1, min(2 * correlation_bins(rest), bins // 4))
    found: list[Excess] = []
    rng = np.random.default_rng(_SEED)
    for _round in range(most):
        score, lane, first, last = _largest(rest)
        if score <= 0:
            break
        chance = _shuffled_scores(rest, block, rng)
        p = (1 + int((chance >= score).sum())) / (1 + len(chance))
        own = float(rest[lane, first:last].mean())
        others = np.delete(rest[:, first:last], lane, axis=0)
        peers = float(others.mean())
        if p > p_value:
            break
        excess = Excess(lane, first, last, own, peers, p)
        if excess.ratio >= least_ratio and own - peers >= least_excess:
            found.append(excess)
        rest[lane, first:last] = others.mean(axis=0)
    return found


def _windows(bins: int) -> list[int]:
    shares = (1.0, 0.75, 0.6, 0.5, 0.4, 0.33, 0.25, 0.18, 0.125)
    return sorted({max(2, round(bins * share)) for share in shares}, reverse=True)


def _largest(loads: Floats) -> tuple[float, int, int, int]:
    """Return the best window as (score, lane, first, last)."""
    sums = _scaled_sums(loads)
    best = (0.0, 0, 0, 0)
    for width in _windows(loads.shape[1]):
        scores = (sums[:, width:] - sums[:, :-width]) / np.sqrt(width)
        lane, first = np.unravel_index(int(scores.argmax()), scores.shape)
        score = float(scores[lane, first])
        if score > best[0]:
            best = (score, int(lane), int(first), int(first) + width)
    return best


def _scaled_sums(loads: Floats) -> Floats:
    """Return running sums of each lane's deviation from its peers, in units of the load's chance spread.

    A number of requests in flight varies like its square root, so busy and quiet stretches count alike.
    """
    lanes = loads.shape[0]
    total = loads.sum(axis=0, keepdims=True)
    peers = (total - loads) / (lanes - 1)
    spread = np.sqrt(np.maximum(total / lanes, 0.25))
    return np.concatenate([np.zeros((lanes, 1)), np.cumsum((loads - peers) / spread, axis=1)], axis=1)


def _shuffled_scores(loads: Floats, block: int, rng: np.random.Generator) -> Floats:
    lanes, bins = loads.shape
    starts = np.arange(0, bins, max(block, -(-bins // _MOST_BLOCKS)))
    scores = np.empty(_SHUFFLES)
    for i in range(_SHUFFLES):
        order = _order(lanes, bins, starts, rng)
        scores[i] = _largest(np.take_along_axis(loads, order, axis=0))[0]
    return scores


def _order(
    lanes: int, bins: int, starts: npt.NDArray[np.int_], rng: np.random.Generator
) -> npt.NDArray[np.int_]:
    permutations = rng.permuted(np.tile(np.arange(lanes), (len(starts), 1)), axis=1)
    order: npt.NDArray[np.int_] = np.repeat(permutations, np.diff(np.append(starts, bins)), axis=0).T
    return order
