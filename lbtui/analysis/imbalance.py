"""How uneven loads are over ranks: the figures of FIELD.md's table, one definition each."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]


def par(loads: Floats, axis: int = -1) -> Floats:
    """Return peak-to-average, max / mean over `axis` (the ranks): 1 is even, NaN where all loads are 0.

    Missing loads (NaN) are left out. Used by vllm-ascend and MindIE; TensorRT-LLM's ratio is this less 1.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        known = ~np.isnan(loads)
        count = known.sum(axis=axis)
        total = np.where(known, loads, 0.0).sum(axis=axis)
        peak = np.where(known, loads, -np.inf).max(axis=axis)
        return np.where((count > 0) & (total > 0), peak * count / total, np.nan)


def known_mean(values: Floats, axis: int | None = None, *, keepdims: bool = False) -> Floats:
    """Return the mean of what is known (finite) along `axis`; NaN, without a warning, where nothing is."""
    known = np.isfinite(values)
    count = known.sum(axis=axis, keepdims=keepdims)
    total = np.where(known, values, 0.0).sum(axis=axis, keepdims=keepdims)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


@dataclass(frozen=True)
class WeightedPar:
    """PAR over time. `value` = Σ w·max / Σ w·mean; `chance` is what equal random loads would give."""

    value: float  # NaN when no instant counts
    chance: float | None
    share_counted: float  # of the time, after leaving out instants with too little load


def weighted_par(
    loads: Floats, weights: Floats, *, counts: bool, shares: tuple[float, ...] = ()
) -> WeightedPar:
    """Return the PAR of `loads` [domain, instant], each instant weighted by its duration.

    A ratio of sums, not a mean of ratios, so that near-idle instants do not dominate. For request counts
    (`counts`) instants with fewer requests than domains are left out: one request on eight domains would
    read 8.0. For these the chance figure is given too: of domains that are to carry `shares`, empty for equal
    ones.
    """
    total, domains, enough = _counted(loads, counts=counts)
    kept = weights * enough
    peaks, means = peaks_and_means(loads, counts=counts)
    denominator = float((weights * means).sum())
    if denominator <= 0:
        return WeightedPar(math.nan, None, 0.0)
    chance = _chance_par(total[enough], domains[enough], weights[enough], shares) if counts else None
    return WeightedPar(
        float((weights * peaks).sum()) / denominator,
        chance,
        float(kept.sum() / weights.sum()),
    )


def peaks_and_means(loads: Floats, *, counts: bool) -> tuple[Floats, Floats]:
    """Return max and mean over the domains of `loads` [domain, instant] at each instant, what PAR is made of.

    Both are 0 at instants that do not count: see `weighted_par`. Missing loads (NaN) are left out.
    """
    total, domains, enough = _counted(loads, counts=counts)
    peak = np.where(np.isnan(loads), -np.inf, loads).max(axis=0)
    return np.where(enough, peak, 0.0), np.where(enough, total / np.maximum(domains, 1), 0.0)


def _counted(loads: Floats, *, counts: bool) -> tuple[Floats, npt.NDArray[np.int_], npt.NDArray[np.bool_]]:
    """Return total load and number of known domains at each instant, and whether it counts."""
    total = np.nansum(loads, axis=0)
    domains = (~np.isnan(loads)).sum(axis=0)
    enough = total >= domains if counts else total > 0
    return total, domains, enough & (domains > 1)


def _chance_par(
    total: Floats, domains: npt.NDArray[np.int_], weights: Floats, shares: tuple[float, ...]
) -> float:
    """Return Σ w·E[max] / Σ w·mean when each domain holds a Poisson(total / domains) number of requests.

    Random arrivals with any service time give Poisson numbers in flight (M/G/∞). With `shares` the mean of
    each is its share of the total.
    """
    peak_sum = mean_sum = 0.0
    # As one number, pairs are found many times as fast.
    several = int(domains.max(initial=0)) + 1
    pairs = np.round(total).astype(np.int64) * several + domains
    unique, inverse = np.unique(pairs, return_inverse=True)
    weight = np.bincount(inverse, weights=weights, minlength=len(unique))
    for pair, w in zip(unique.tolist(), weight.tolist(), strict=True):
        requests, count = divmod(pair, several)
        mean = requests / count
        peak_sum += w * expected_maximum(mean, count, shares)
        mean_sum += w * mean
    return peak_sum / mean_sum


# From here on a Poisson number is as good as normal: E[max] of 300 is off by 1e-5 of itself.
_LARGE_MEAN = 100_000


@lru_cache(maxsize=4096)
def normal_maximum(count: int) -> float:
    """Return E[max] of `count` standard normal numbers: ∫ (1 − Φ^count) above 0, less ∫ Φ^count below."""
    step = 0.01
    z = np.arange(-10 + step / 2, 10, step)
    power = np.array([0.5 * math.erfc(-x / math.sqrt(2)) for x in z.tolist()]) ** count
    return float(np.where(z > 0, 1.0 - power, -power).sum() * step)


def expected_maximum(mean: float, count: int, shares: tuple[float, ...] = ()) -> float:
    """Return E[max] of `count` independent Poisson numbers, Σ_k 1 − Π F_i(k).

    Each is of mean `mean`, or with `shares` of `mean` × its share / their mean.
    """
    if mean <= 0:
        return 0.0
    means = mean * np.array(shares) / np.mean(shares) if shares else np.array([mean])
    most = float(means.max())
    if most > _LARGE_MEAN:
        # With shares so far apart that the largest is the maximum, or as good as alike.
        alike = int((means > most - 3 * math.sqrt(most)).sum()) if shares else count
        return most + math.sqrt(most) * normal_maximum(alike)
    limit = int(most + 12 * math.sqrt(most) + 20)
    k = np.arange(limit)
    log_factorial = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, limit)))])
    logs = k * np.log(means)[:, None] - means[:, None] - log_factorial
    cumulative = np.minimum(np.cumsum(np.exp(logs), axis=1), 1.0)
    none_above = cumulative.prod(axis=0) if shares else cumulative[0] ** count
    return float((1.0 - none_above).sum())
