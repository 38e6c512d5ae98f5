"""What a metric is measured from: a ratio of sums or a quantile, over pieces that follow in time."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from lbtui.analysis.imbalance import Floats
from lbtui.analysis.interval import (
    MOST_BINS,
    Estimate,
    Resampled,
    resampled_mean,
    resampled_noise,
    unvaried,
)

Places = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Course:
    """All that an estimate is made of: a value, and how what it is made of went on in time.

    `series` [piece] is of mean 0: of a ratio what each piece differs by, of a quantile by which share of the
    weight it lies more at or below it. Of a quantile the `share`, how many observations it is `told` by, and
    its distribution: `values` in ascending order with the share of the weight that they have `reached`;
    `half` is half a step of values. Of a ratio of things counted see `Ratio`.
    """

    value: float
    series: Floats
    counted: float = 0.0
    of_one: float = 0.0
    share: float = 0.0
    told: float = 0.0
    half: float = 0.0
    values: Floats | None = None
    reached: Floats | None = None

    def estimate(self, side: int) -> Estimate:
        """Return the value with how it varies; `side` (0, 1) seeds."""
        varied, noise = resampled_mean(self.series, side), resampled_noise(self.series, side)
        if self.values is None:
            found = _around(self.value, varied, noise)
            if not self.counted:
                return found
            # So many would give the ratio its error (Kish 1965).
            error = found.varied.error
            telling = min(self.of_one / error**2, self.counted) if error > 0 else self.counted
            return replace(found, independent=telling)
        return Estimate(self.value, self._moved, varied, noise, self._telling(varied))

    def _moved(self, by: float) -> float:
        """Return the quantile at another share, infinite beyond the ends of the distribution."""
        if by == 0:
            return self.value
        share = self.share + by
        if not 0 < share < 1 or self.values is None or self.reached is None:
            return math.copysign(math.inf, by)
        return _reached(self.values, self.reached, share) + math.copysign(self.half, by)

    def _telling(self, varied: Resampled) -> float:
        """Return how many independent observations tell the quantile: what lies on its rarer side, twice.

        p95 needs ten times as many as the median. So many would give the share its error: p (1 − p) / error²
        (Kish 1965).
        """
        count = self.told
        if varied.error > 0:
            count = min(count, self.share * (1 - self.share) / varied.error**2)
        return min(varied.independent, count * 2 * min(self.share, 1 - self.share))


@dataclass(frozen=True)
class Ratio:
    """Σ top / Σ bottom over equal pieces of time, or equal numbers of requests: arrays [piece], in order.

    Where the pieces count things of which each by itself is an observation, `counted` is how many there are
    and `of_one` the variance that one of them has in the ratio: a few pieces of many things tell much.
    """

    top: Floats
    bottom: Floats
    counted: float = 0.0
    of_one: float = 0.0

    @property
    def value(self) -> float:
        """The ratio, NaN where there is nothing below."""
        total = float(self.bottom.sum())
        return float(self.top.sum()) / total if total > 0 else math.nan

    def course(self) -> Course:
        """Return what its estimate is made of, linearised: ψ = (top − ratio · bottom) / mean bottom."""
        value = self.value
        series = (self.top - value * self.bottom) / self.bottom.mean()
        return Course(value, series, counted=self.counted, of_one=self.of_one)

    def estimate(self, side: int) -> Estimate:
        """Return the ratio with how it varies."""
        return self.course().estimate(side)


@dataclass(frozen=True)
class Quantile:
    """The value at or below which a share of the weight lies: arrays [observation]; `piece` counts from 0."""

    values: Floats
    weights: Floats
    piece: Places
    share: float

    @property
    def value(self) -> float:
        """The quantile of all observations."""
        return _reached(*self._distribution(), self.share)

    def course(self) -> Course:
        """Return what its estimate is made of (Woodruff 1952).

        The share of the weight at or below it is a mean over the pieces; where many values equal it, the
        share below it may vary more and is taken. Its interval is carried over by the observed distribution,
        to half a step beyond what it reaches: values are written in steps (whole ms), of which the smallest
        difference of two is taken. Beyond the distribution's ends the quantile is unknown: infinite.
        """
        values, reached = self._distribution()
        value = _reached(values, reached, self.share)
        series = max(
            (self._shares(self.values <= value), self._shares(self.values < value)),
            key=lambda shares: float(shares @ shares),
        )
        steps = np.diff(values)
        half = float(steps[steps > 0].min()) / 2 if values[0] < values[-1] else 0.0
        told = float(np.count_nonzero(self.weights))
        return Course(value, series, share=self.share, told=told, half=half, values=values, reached=reached)

    def estimate(self, side: int) -> Estimate:
        """Return the quantile with how it varies."""
        return self.course().estimate(side)

    def _shares(self, chosen: npt.NDArray[np.bool_]) -> Floats:
        """Return the share of the weight that the chosen have, piece by piece, less its mean."""
        weights = self.weights / self.weights.sum()
        gone = weights * (chosen - float(weights[chosen].sum()))
        count = int(self.piece.max()) + 1
        return summed(self.piece, gone, count) * count

    def _distribution(self) -> tuple[Floats, Floats]:
        """Return the values sorted, and the share of the weight at or below each."""
        order = np.argsort(self.values, kind="stable")
        cumulative = np.cumsum(self.weights[order])
        return self.values[order], cumulative / cumulative[-1]


Series: TypeAlias = Ratio | Quantile


@dataclass(frozen=True)
class Paired:
    """Before and after of the same things (layers): arrays [thing], neighbours side by side."""

    before: Floats
    after: Floats

    def estimates(self) -> tuple[Estimate, Estimate]:
        """Return both means; all that varies is put on the second: the difference of each thing."""
        gaps = self.after - self.before
        varied, still = resampled_mean(gaps - gaps.mean(), 1), unvaried(math.inf)
        # Things do not follow in time: they have no course, and each is an observation. How alike neighbours
        # are the interval counts.
        after = _around(float(self.after.mean()), varied, varied)
        return (
            _around(float(self.before.mean()), still, still),
            replace(after, independent=float(len(gaps))),
        )


def _reached(values: Floats, reached: Floats, share: float) -> float:
    """Return the value at which a distribution has reached a share of the weight."""
    return float(values[min(int(np.searchsorted(reached, share, side="left")), len(values) - 1)])


def _around(value: float, varied: Resampled, noise: Resampled) -> Estimate:
    """Return the estimate of a mean."""
    return Estimate(value, lambda by: value + by, varied, noise, varied.independent)


def pieces(count: int, most: int = MOST_BINS) -> int:
    """Return into how many pieces so many observations are cut: a third as many, `most` at most.

    What varies from one observation to the next alone would hide from the AR(1) how long the rest lasts: a
    piece averages it out. Short series keep 128 pieces, or one for each observation.
    """
    return max(min(max(count // 3, 128), count, most), 1)


def by_time(times: Places, begin: int, end: int, count: int) -> Places:
    """Return the piece of [begin, end), cut evenly into `count`, in which each time (µs) lies."""
    found = (times - begin) * count // max(end - begin, 1)
    return np.clip(found, 0, count - 1).astype(np.int64)


def by_order(length: int, most: int = MOST_BINS) -> Places:
    """Return the piece of each of `length` observations that follow each other."""
    return np.arange(length, dtype=np.int64) * pieces(length, most) // max(length, 1)


def summed(piece: Places, amounts: Floats, count: int) -> Floats:
    """Return the sum of the amounts in each piece."""
    return np.bincount(piece, weights=amounts, minlength=count).astype(np.float64)
