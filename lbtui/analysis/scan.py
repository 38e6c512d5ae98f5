"""Find when and on which lane a load stands out, and whether chance alone would do it.

A scan statistic (Kulldorff 1997): over many windows and all lanes, the largest excess of a lane over its
peers. How large that gets by chance is simulated, the search included, so that looking at many windows costs
no false alarms. Numbers of requests given to lanes have no memory and are drawn anew (`RandomDispatch`);
numbers in flight remember as long as requests stay (`RandomStays`); what else has a memory is first averaged
over blocks of time longer than that (`find_held`), whose lanes then are shuffled (`ShuffledLanes`).

Lanes may be meant to carry unequal shares of the load: peers, chance and draws then are of these.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from lbtui.analysis.expected import expected_load, relative
from lbtui.analysis.imbalance import Floats
from lbtui.thresholds import Shares

_REPLICAS = 1999
_AT_ONCE = 100  # replicas held in memory
_FORGOTTEN = 0.15
# exp(−1.9) is 0.15: 1 / 1.9 of the memory would be the mean of exponential stays; longer is safer.
_STAYS_REMEMBERED = 1.3
# A block lasts three times as long as deviations are remembered: with shorter ones even loads were found up
# to ten times as often as they should. With fewer than 6 blocks nothing can be told from chance.
_BLOCK_MEMORIES = 3
_FEWEST_BLOCKS, _MOST_BLOCKS = 6, 32
_SEED = 20260101  # the same data give the same answer
_LEAST_SPREAD = 0.25  # of a load; keeps an idle bin from weighing more than a busy one
# Widths searched, of the bins; the ends of the best window are refined. The fewer, the sharper the test.
_SHARES = (1.0, 0.6, 0.36, 0.22)
_MOST_RATIO = 99.0

Places = npt.NDArray[np.int_]


@dataclass(frozen=True)
class Excess:
    """Lane `lane` carries more than its peers in bins [first, last)."""

    lane: int
    first: int
    last: int
    own: float  # its mean load there
    peers: float  # mean load of the other lanes there, × what it is expected to carry of that
    p_value: float

    @property
    def ratio(self) -> float:
        """Own load as a multiple of the peers', at most 99: they may have none."""
        return self.own / max(self.peers, self.own / _MOST_RATIO) if self.own > 0 else 1.0


class Chance(Protocol):
    """How a window's excess is scored, and how loads are drawn in which no lane differs from its share."""

    @property
    def shares(self) -> Shares:
        """What each lane is meant to carry, empty for equal shares."""

    def prepared(self, loads: Floats) -> Floats:
        """Return `loads` [..., lane, bin] as running sums [..., lane, bin + 1] for `scores`."""

    def scores(self, sums: Floats, first: Places, last: Places) -> Floats:
        """Return the excess of every lane in windows [first, last): [..., lane, window]."""

    def replicas(self, loads: Floats, count: int, rng: np.random.Generator) -> Floats:
        """Return `count` even draws like `loads` [lane, bin] as [replica, lane, bin]."""


@dataclass(frozen=True)
class RandomDispatch:
    """Numbers of requests given to each lane; chance gives each request to any lane alike.

    Round robin varies less than that, so this errs towards finding nothing. A window in which n requests
    were given, c of them to one lane of L, scores √(2 Λ) with Λ the log likelihood ratio of Kulldorff
    (1997), c ln(c / E) + (n − c) ln((n − c) / (n − E)), E = n × its share (n / L): right for small counts.
    """

    shares: Shares = ()

    def prepared(self, loads: Floats) -> Floats:
        """Return running sums of the requests."""
        return _running_sums(loads)

    def scores(self, sums: Floats, first: Places, last: Places) -> Floats:
        """Return √(2 Λ), 0 where a lane got no more than its share."""
        own = sums[..., last] - sums[..., first]
        total = own.sum(axis=-2, keepdims=True)
        rest = total - own
        share = self._chances(own.shape[-2])[:, None]
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = np.where(rest > 0, rest * np.log(rest / (total * (1 - share))), 0.0)
            ratio += np.where(own > 0, own * np.log(own / (total * share)), 0.0)
        scores: Floats = np.where(own > total * share, np.sqrt(2 * np.maximum(ratio, 0.0)), 0.0)
        return scores

    def replicas(self, loads: Floats, count: int, rng: np.random.Generator) -> Floats:
        """Return `count` random dispatches of the requests of each bin."""
        given = np.rint(loads.sum(axis=0)).astype(np.int64)
        drawn = rng.multinomial(np.broadcast_to(given, (count, len(given))), self._chances(len(loads)))
        replicas: Floats = drawn.transpose(0, 2, 1).astype(np.float64)
        return replicas

    def _chances(self, lanes: int) -> Floats:
        return relative(self.shares, lanes) / lanes


@dataclass(frozen=True)
class ShuffledLanes:
    """Any loads, their lanes swapped at random in each bin: bins must not depend on each other.

    If lanes are exchangeable, which of them carries which load is chance. A window scores the sum of the
    lane's deviations from its peers' mean over √width; a deviation counts in units of √load, the spread of
    a number of requests. Of lanes with unequal shares it is the loads over these that are swapped.
    """

    shares: Shares = ()

    def prepared(self, loads: Floats) -> Floats:
        """Return running sums of the scaled deviations."""
        lanes = loads.shape[-2]
        share = relative(self.shares, lanes)[:, None]
        total = loads.sum(axis=-2, keepdims=True)
        spread = np.sqrt(np.maximum(share * total / lanes, _LEAST_SPREAD))
        return _running_sums((loads - (total - loads) * share / (lanes - share)) / spread)

    def scores(self, sums: Floats, first: Places, last: Places) -> Floats:
        """Return Σ deviations / √width."""
        scores: Floats = (sums[..., last] - sums[..., first]) / np.sqrt(last - first)
        return scores

    def replicas(self, loads: Floats, count: int, rng: np.random.Generator) -> Floats:
        """Return `count` shuffles of the loads."""
        share = relative(self.shares, len(loads))[:, None]
        order = np.argsort(rng.random((count, *loads.shape)), axis=1)
        shuffled: Floats = np.take_along_axis(np.broadcast_to(loads / share, order.shape), order, axis=1)
        return shuffled * share


@dataclass(frozen=True)
class RandomStays(ShuffledLanes):
    """Requests in flight if each was sent to a random lane and stayed for a random time; scored as above.

    Random arrivals with independent stays are M/G/∞: numbers in flight are Poisson. Seen once a bin they
    follow the integer autoregression N' = binomial(N, r) + Poisson(μ' − r μ) (Al-Osh & Alzaid 1987) with μ
    the lanes' mean at that time (× their shares) and r = exp(−1 / stay), less where μ falls faster than that.
    Their deviations from μ are then spread to the variance seen, which full batches and queues make larger.
    """

    stay_bins: float = 1.0
    dispersion: float = 1.0  # variance / mean of a lane's deviations, at least 1

    @classmethod
    def like(cls, loads: Floats, shares: Shares = ()) -> RandomStays:
        """Return the stays and the dispersion seen in `loads` [lane, bin], each lane about its own mean."""
        lanes = len(loads)
        share = relative(shares, lanes)[:, None]
        deviation = loads - share * loads.mean(axis=0)
        deviation = deviation - deviation.mean(axis=1, keepdims=True)
        squares = float((deviation**2 / share).mean())
        seen = squares / max(float(loads.mean()), _LEAST_SPREAD) * lanes / (lanes - 1)
        return cls(shares, memory_bins(loads / share) / _STAYS_REMEMBERED, max(seen, 1.0))

    def replicas(self, loads: Floats, count: int, rng: np.random.Generator) -> Floats:
        """Return `count` simulated runs of the same total load."""
        level = relative(self.shares, len(loads))[:, None] * loads.mean(axis=0)
        total = loads.mean(axis=0)
        kept = float(np.exp(-1 / max(self.stay_bins, 1e-6)))
        drawn = np.empty((count, *loads.shape))
        now = rng.poisson(level[:, 0], (count, len(loads)))
        drawn[:, :, 0] = now
        for i in range(1, len(total)):
            r = min(kept, total[i] / total[i - 1]) if total[i - 1] > 0 else 0.0
            now = rng.binomial(now, r) + rng.poisson(
                np.maximum(level[:, i] - r * level[:, i - 1], 0.0), now.shape
            )
            drawn[:, :, i] = now
        spread: Floats = np.maximum(level + np.sqrt(self.dispersion) * (drawn - level), 0.0)
        return spread


def _running_sums(values: Floats) -> Floats:
    sums = np.zeros((*values.shape[:-1], values.shape[-1] + 1))
    np.cumsum(values, axis=-1, out=sums[..., 1:])
    return sums


def memory_bins(loads: Floats) -> int:
    """Return how many bins a lane's deviation from the others is remembered, at most half of them.

    That is the first lag at which its autocorrelation is below 0.15 of that at lag 1: what is gone after one
    bin is noise (steps of prefill among steps of decode), and a few long requests are remembered longer than
    the many short ones.
    """
    deviation = loads - loads.mean(axis=0, keepdims=True)
    deviation = deviation - deviation.mean(axis=1, keepdims=True)
    limit = max(1, int(loads.shape[1]) // 2)
    products = [float((deviation[:, lag:] * deviation[:, :-lag]).mean()) for lag in range(1, limit)]
    if not products or products[0] <= 0:
        return 1
    for lag, product in enumerate(products, start=1):
        if product < _FORGOTTEN * products[0]:
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
    windows = _windows(bins)
    found: list[Excess] = []
    for _round in range(most):
        sums = chance.prepared(rest)
        scores = chance.scores(sums, *windows)
        lane, window = np.unravel_index(int(scores.argmax()), scores.shape)
        p = _chance_of(float(scores[lane, window]), rest, chance, windows, p_value, rng)
        if p > p_value:
            break
        begin, end = (int(side[window]) for side in windows)
        first, last = _refined(chance, sums, int(lane), begin, end)
        excess = _measured(loads, int(lane), (first, last), p, chance.shares)
        if excess.ratio >= least_ratio and excess.own - excess.peers >= least_excess:
            found = _joined(found, excess, loads, chance.shares)
        rest[lane, first:last] = expected_load(rest[:, first:last], int(lane), chance.shares)
    return found


def strongest(loads: Floats, chance: Chance, p_value: float) -> Excess | None:
    """Return what stands out most in loads [lane, bin] with its p, however large; None without loads.

    A p that must be above `p_value` is told as soon as that is certain, so it is a rough one.
    """
    lanes, bins = loads.shape
    if lanes < 2 or bins < 4 or not loads.any():
        return None
    rng = np.random.default_rng(_SEED)
    windows = _windows(bins)
    sums = chance.prepared(loads)
    scores = chance.scores(sums, *windows)
    lane, window = np.unravel_index(int(scores.argmax()), scores.shape)
    p = _chance_of(float(scores[lane, window]), loads, chance, windows, p_value, rng)
    begin, end = (int(side[window]) for side in windows)
    return _measured(loads, int(lane), _refined(chance, sums, int(lane), begin, end), p, chance.shares)


def find_held(
    loads: Floats, *, least_ratio: float, least_excess: float, p_value: float, shares: Shares = ()
) -> list[Excess]:
    """Return where lanes stand out in loads [lane, bin] whose neighbouring bins depend on each other.

    Chance is judged on the means of blocks that hardly do (Künsch 1989); then the ends of each window are
    refined on the bins. Returns nothing where loads last too long for enough blocks.
    """
    lanes, bins = loads.shape
    if lanes < 2:
        return []
    memory = memory_bins(loads / relative(shares, lanes)[:, None])
    blocks = min(_MOST_BLOCKS, bins // (_BLOCK_MEMORIES * memory))
    if blocks < _FEWEST_BLOCKS:
        return []
    edges = np.linspace(0, bins, blocks + 1).astype(int)
    means = np.add.reduceat(loads, edges[:-1], axis=1) / np.diff(edges)
    chance = ShuffledLanes(shares)
    sums = chance.prepared(loads)
    found: list[Excess] = []
    for rough in find_excess(means, chance, least_ratio=1.0, least_excess=0.0, p_value=p_value):
        ends = _refined(chance, sums, rough.lane, int(edges[rough.first]), int(edges[rough.last]))
        excess = _measured(loads, rough.lane, ends, rough.p_value, shares)
        if excess.ratio >= least_ratio and excess.own - excess.peers >= least_excess:
            found = _joined(found, excess, loads, shares)
    return found


def _windows(bins: int) -> tuple[Places, Places]:
    """Return the first and the last bin (excluded) of all windows searched."""
    widths = sorted({max(2, round(bins * share)) for share in _SHARES})
    pairs = [(first, first + width) for width in widths for first in range(bins - width + 1)]
    first, last = np.array(pairs).T
    return first, last


def _chance_of(
    score: float,
    loads: Floats,
    chance: Chance,
    windows: tuple[Places, Places],
    p_value: float,
    rng: np.random.Generator,
) -> float:
    """Return the share of even draws, the data counted as one, whose best score reaches `score`."""

    def best(count: int) -> Floats:
        scores = chance.scores(chance.prepared(chance.replicas(loads, count, rng)), *windows)
        highest: Floats = scores.max(axis=(1, 2))
        return highest

    return share_that_reaches(score, best, p_value, _REPLICAS)


def share_that_reaches(score: float, best: Callable[[int], Floats], p_value: float, replicas: int) -> float:
    """Return the share of `replicas` draws, the data counted as one, whose best score reaches `score`.

    `best` makes so many draws and returns the best score of each. Stops once so many reach it that the share
    must be above `p_value` (Besag & Clifford 1991).
    """
    reached, drawn = 1, 1
    while drawn <= replicas and reached <= p_value * (1 + replicas):
        count = min(_AT_ONCE, 1 + replicas - drawn)
        reached += int((best(count) >= score).sum())
        drawn += count
    return reached / drawn


def _refined(chance: Chance, sums: Floats, lane: int, first: int, last: int) -> tuple[int, int]:
    """Return the window with its ends moved, one after the other, to where the lane's score is largest."""
    bins = sums.shape[-1] - 1
    for _turn in range(3):
        ends = np.arange(first + 2, bins + 1)
        last = int(ends[np.argmax(chance.scores(sums, np.full_like(ends, first), ends)[lane])])
        begins = np.arange(0, last - 1)
        first = int(begins[np.argmax(chance.scores(sums, begins, np.full_like(begins, last))[lane])])
    return first, last


def _measured(loads: Floats, lane: int, window: tuple[int, int], p: float, shares: Shares) -> Excess:
    first, last = window
    own, peers = loads[lane, first:last], expected_load(loads[:, first:last], lane, shares)
    return Excess(lane, first, last, float(own.mean()), float(peers.mean()), p)


def _joined(found: list[Excess], new: Excess, loads: Floats, shares: Shares) -> list[Excess]:
    """Return the findings and a new one, made one with those of its lane that it touches."""
    same = [e for e in found if e.lane == new.lane and e.first <= new.last and new.first <= e.last]
    first, last = min(e.first for e in (*same, new)), max(e.last for e in (*same, new))
    p = min(e.p_value for e in (*same, new))
    return [*(e for e in found if e not in same), _measured(loads, new.lane, (first, last), p, shares)]
