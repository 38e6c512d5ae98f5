"""Student's t distribution, without SciPy."""

from __future__ import annotations

import math
from functools import lru_cache
from statistics import NormalDist

import numpy as np

# Up to here the distribution is summed exactly; beyond, the expansion is exact to 1e-9.
_SUMMED = 200


@lru_cache
def two_sided_t(share: float, freedom: int) -> float:
    """Return the t > 0 with P(|T| ≤ t) = `share` for T of `freedom` ≥ 1 degrees of freedom.

    By Abramowitz and Stegun (1964), 26.7.3 and 26.7.4 up to 200 degrees, 26.7.5 above.
    """
    if freedom > _SUMMED:
        return _expanded(NormalDist().inv_cdf((1 + share) / 2), freedom)
    low, high = 0.0, math.pi / 2
    for _halving in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if _within(middle, freedom) < share else (low, middle)
    return math.sqrt(freedom) * math.tan(low)


def _within(angle: float, freedom: int) -> float:
    """Return P(|T| ≤ √freedom · tan angle)."""
    sine, cosine = math.sin(angle), math.cos(angle)
    if freedom == 1:
        return 2 * angle / math.pi
    if freedom % 2:
        k = np.arange(1, (freedom - 1) // 2)
        series = 1 + float(np.cumprod(2 * k / (2 * k + 1) * cosine**2).sum())
        return 2 / math.pi * (angle + sine * cosine * series)
    k = np.arange(1, freedom // 2)
    return sine * (1 + float(np.cumprod((2 * k - 1) / (2 * k) * cosine**2).sum()))


def _expanded(z: float, freedom: int) -> float:
    """Return the quantile as a series in 1 / freedom about that of the normal distribution, `z`."""
    terms = (
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160,
    )
    return z + math.fsum(term / freedom**power for power, term in enumerate(terms, start=1))
