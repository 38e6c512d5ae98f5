"""The interval of a difference between two means of autocorrelated series.

Each series is pre-whitened by an AR(1) (Andrews and Monahan 1992), the residuals are resampled in circular
moving blocks (Politis and Romano 1992) as long as their own autocorrelation asks for (Politis and White 2004,
as corrected in 2009), and the difference is studentised within each resample (Götze and Künsch 1996). The
uncertainty of the AR(1) itself enters by drawing its coefficient anew for each resample. Plain percentile
intervals call 12 % of equal AR(1) pairs (φ = 0.9, 1,000 steps) different; `tests/bench/comparison.py` prints
what these do.

Two questions are asked of a difference. The interval takes all that varies within a run for chance: would
another pair of runs differ so? A change that lasts for some of the run then hides itself, as its own level
looks like noise that lasts long (Crainiceanu and Vogelsang 2007). The p-value asks whether noise around the
runs as they went explains the difference; that noise is taken about a nonparametric fit of each run, as in
Juhl and Xiao (2009), here a running median, which keeps the edges of a level (Tukey 1977).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view

from lbtui.analysis.imbalance import Floats

SEED = 20260101
RESAMPLES = 4_999
CONFIDENCE = 0.95
MOST_BINS = 512
# The interval's blocks are no shorter than this share of a series.
FIXED_BLOCKS = 16
# The running median spans an eighth of a run: levels that hold for more than a sixteenth are its course.
STRETCHES = 8
_SHORTEST_STRETCH = 8

# Above, the long-run variance of a series cannot be told from that of a random walk (Andrews and Monahan).
_LARGEST_PHI = 0.97
_FEWEST_BLOCKS = 8
# Rounding leaves no exact 0 where a series is constant.
_NOTHING = 1e-24


@dataclass(frozen=True)
class Resampled:
    """How the mean of a series varies; `error` is its standard error, 0 for a constant.

    `deviations` and `scales` [resample] are a resample's distance from the mean, and its own standard error,
    both in standard errors. `independent` counts the independent observations that say as much.
    """

    error: float
    deviations: Floats
    scales: Floats
    independent: float


@dataclass(frozen=True)
class Estimate:
    """One side of a comparison: its value, and how it would vary if the same process ran again.

    `moved(x)` is the value when what was resampled moves by x: the mean itself, or a quantile's share. A
    quantile moves along its own distribution there, and is infinite beyond its ends. `noise` is how it varies
    about its own course, see `resampled_noise`. `independent` is the number of independent observations that
    would tell the value as well as this series does.
    """

    value: float
    moved: Callable[[float], float]
    varied: Resampled
    noise: Resampled
    independent: float

    @property
    def varies(self) -> bool:
        """False for a constant."""
        return self.varied.error > 0

    @property
    def spread(self) -> float:
        """The standard error, in the value's unit."""
        near = [abs(self.at(z) - self.value) for z in (-1.0, 1.0)]
        known = [distance for distance in near if math.isfinite(distance)]
        return sum(known) / len(known) if known else 0.0

    @property
    def about_course(self) -> Estimate:
        """The same value, of which only the noise about the run's course is chance."""
        return replace(self, varied=self.noise)

    def at(self, z: float) -> float:
        """Return the value z standard errors away."""
        return self.moved(z * self.varied.error)


@dataclass(frozen=True)
class Interval:
    """The difference's 95 % interval and its two-sided p-value, see this module's text."""

    low: float
    high: float
    p_value: float


def difference(before: Estimate, after: Estimate) -> Interval:
    """Return the interval of after − before, and the chance of such a difference about the runs' courses.

    The two sides' own intervals at the common critical value are joined as in MOVER (Zou and Donner 2008):
    low = d − √((after − after.low)² + (before.high − before)²), high likewise. For means this is
    d ± c·√(s² + s²).
    """
    low, high = _joined(before, after, float(np.quantile(_drawn(before, after), CONFIDENCE)))
    return Interval(low, high, _p_value(before.about_course, after.about_course))


def own_interval(estimate: Estimate) -> tuple[float, float]:
    """Return the 95 % interval of one side by itself, by its own studentised resamples.

    Both ends are the value where nothing varies.
    """
    drawn = np.abs(estimate.varied.deviations) / estimate.varied.scales
    critical = float(np.quantile(drawn, CONFIDENCE))
    return estimate.at(-critical), estimate.at(critical)


def _drawn(before: Estimate, after: Estimate) -> Floats:
    """Return how many standard errors each resample of the difference is off, in ascending order."""
    joint = math.hypot(before.spread, after.spread)
    # Quantiles of few distinct values need not move within one standard error: then both sides weigh alike.
    first, second = (before.spread, after.spread) if joint > 0 else (1.0, 1.0)
    one, other = before.varied, after.varied
    drawn = np.abs(second * other.deviations - first * one.deviations) / np.hypot(
        second * other.scales, first * one.scales
    )
    return np.sort(drawn)


def _p_value(before: Estimate, after: Estimate) -> float:
    """Return the share of resamples at least as far out as the narrowest interval that holds 0."""
    drawn = _drawn(before, after)
    inside, outside = 0, len(drawn)
    while inside < outside:
        middle = (inside + outside) // 2
        bounds = _joined(before, after, float(drawn[middle]))
        if bounds[0] <= 0 <= bounds[1]:
            outside = middle
        else:
            inside = middle + 1
    return (1 + len(drawn) - outside) / (1 + len(drawn))


def _joined(before: Estimate, after: Estimate, critical: float) -> tuple[float, float]:
    gap = after.value - before.value
    down = math.hypot(after.value - after.at(-critical), before.at(critical) - before.value)
    up = math.hypot(after.at(critical) - after.value, before.value - before.at(-critical))
    return gap - down, gap + up


def resampled_mean(series: Floats, side: int) -> Resampled:
    """Return how the mean of `series` [bin], of mean 0, varies under resampling; `side` (0, 1) seeds."""
    # What lasts long but is weak beside the noise shows in no single autocorrelation: no blocks are shorter
    # than a fixed share of the series (fixed-b, Kiefer and Vogelsang 2005).
    least = 1 << max((len(series) // FIXED_BLOCKS).bit_length() - 1, 0)
    return _resampled(series, len(series), side, least)


def resampled_noise(series: Floats, side: int) -> Resampled:
    """Return how the mean of `series` [bin] varies about its own course; too short a series has none.

    The course is the running median over an eighth of the series, which is mirrored at its ends.
    """
    stretch = len(series) / STRETCHES
    if stretch < _SHORTEST_STRETCH:
        return resampled_mean(series, side)
    half = int(stretch / 2)
    around = sliding_window_view(np.pad(series, half, mode="symmetric"), 2 * half + 1)
    noise = series - np.median(around, axis=1)
    return _resampled(noise - noise.mean(), stretch, side)


def _resampled(series: Floats, span: float, side: int, shortest: int = 1) -> Resampled:
    """Return how the mean of a series varies that is centred within each `span`; blocks are ≥ `shortest`."""
    count = len(series)
    variance = float(np.mean(series**2))
    if count < _FEWEST_BLOCKS or variance <= _NOTHING:
        return unvaried(count)
    phi = _autoregression(series, span)
    residuals = series[1:] - phi * series[:-1]
    length = max(block_length(residuals), shortest)
    blocks = len(residuals) // length
    centred = residuals - residuals.mean()
    ahead = np.concatenate([centred, centred[: length - 1]])
    sums = np.convolve(ahead, np.ones(length), mode="valid") / length
    error = math.sqrt(float(np.mean(sums**2)) / (blocks - 1))
    if error**2 <= _NOTHING:
        return unvaried(count)
    draws = _draws(len(sums), blocks, side)
    # In standard errors, in the draws' own precision: else the whole matrix would be converted.
    units = (sums / error).astype(np.float32)
    mean, square = (draws @ np.stack([units, units**2], axis=1) / blocks).astype(np.float64).T
    own = np.sqrt(np.maximum(square - mean**2, 0.0) / (blocks - 1))
    again = np.clip(phi + _normals(side) * math.sqrt((1 - phi**2) / count), 0.0, _LARGEST_PHI)
    whole = error / (1 - phi)
    return Resampled(
        whole,
        mean,
        np.maximum(own, 1e-9) * (1 - phi) / (1 - again),
        min(variance / whole**2, float(count)),
    )


def unvaried(count: float) -> Resampled:
    """Return what is known of the mean of so many equal values."""
    still = np.zeros(RESAMPLES)
    return Resampled(0.0, still, still + 1.0, count)


def _autoregression(series: Floats, span: float) -> float:
    """Return the AR(1) coefficient, 0 if negative, corrected for its bias −(1 + 3φ)/span (Kendall 1954)."""
    past = float(series[:-1] @ series[:-1])
    phi = float(series[1:] @ series[:-1]) / past if past > 0 else 0.0
    if phi <= 0:
        return 0.0
    return min(phi + (1 + 3 * phi) / span, _LARGEST_PHI)


def block_length(series: Floats) -> int:
    """Return the length of circular blocks that suits a series, rounded up to a power of two.

    Politis and White (2004), corrected by Patton, Politis and White (2009): b = (2G²/D)^⅓ n^⅓ with a flat-top
    window whose width follows from where the autocorrelation becomes insignificant. At most n / 8.
    """
    count = len(series)
    if count < 2 * _FEWEST_BLOCKS:
        return 1
    most = count // _FEWEST_BLOCKS
    lags = min(count - 1, max(5, math.isqrt(count)) + 5)
    centred = series - series.mean()
    covariance = np.array([centred[lag:] @ centred[: count - lag] for lag in range(lags + 1)]) / count
    if covariance[0] <= _NOTHING:
        return 1
    correlation = covariance / covariance[0]
    significant = np.abs(correlation[1:]) >= 2 * math.sqrt(math.log10(count) / count)
    # The first lag after which five in a row are insignificant.
    run = np.convolve(significant, np.ones(5), mode="valid")
    quiet = np.flatnonzero(run == 0)
    last = int(quiet[0]) if len(quiet) else int(np.flatnonzero(significant)[-1]) + 1
    width = min(2 * max(last, 1), lags)
    lag = np.arange(1, width + 1)
    window = np.clip(2 * (1 - lag / width), 0.0, 1.0)
    weighted = window * correlation[1 : width + 1]
    spectrum = float(1 + 2 * weighted.sum())
    slope = float(2 * (weighted * lag).sum())
    if spectrum <= 0:
        return most
    best = (2 * slope**2 / (4 / 3 * spectrum**2)) ** (1 / 3) * count ** (1 / 3)
    wanted = 1 << max(math.ceil(math.log2(max(best, 1.0))), 0)
    return min(wanted, 1 << (most.bit_length() - 1))


@lru_cache(maxsize=16)  # 10 MB each at most
def _draws(starts: int, blocks: int, side: int) -> npt.NDArray[np.float32]:
    """Return how often each of `starts` blocks is drawn in each resample of `blocks`: [resample, start]."""
    rng = np.random.default_rng((SEED, side, starts, blocks))
    chosen = rng.integers(starts, size=(RESAMPLES, blocks))
    chosen += np.arange(RESAMPLES)[:, None] * starts
    counts = np.bincount(chosen.ravel(), minlength=RESAMPLES * starts)
    return counts.reshape(RESAMPLES, starts).astype(np.float32)


@lru_cache(maxsize=2)
def _normals(side: int) -> Floats:
    return np.random.default_rng((SEED, 2 + side)).standard_normal(RESAMPLES)
