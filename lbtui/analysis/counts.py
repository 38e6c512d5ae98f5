"""Exact chances of small counts."""

from __future__ import annotations

import math

_NEGLIGIBLE = 1e-20


def binomial_tail(successes: int, trials: int, probability: float) -> float:
    """Return P(X ≥ successes) for X ~ Binomial(trials, probability), by summing the exact terms."""
    if successes <= 0:
        return 1.0
    log_p, log_q = math.log(probability), math.log1p(-probability)
    terms: list[float] = []
    for k in range(successes, trials + 1):
        term = math.exp(
            math.lgamma(trials + 1)
            - math.lgamma(k + 1)
            - math.lgamma(trials - k + 1)
            + k * log_p
            + (trials - k) * log_q
        )
        terms.append(term)
        # Beyond the mode each term is smaller than the one before by more than it was.
        if k > trials * probability and term <= terms[0] * _NEGLIGIBLE:
            break
    return min(1.0, math.fsum(terms))


def share_interval(successes: int, trials: int) -> tuple[float, float]:
    """Return Wilson's 95 % interval of a share (Wilson 1927), (0, 1) without trials."""
    if trials == 0:
        return 0.0, 1.0
    z = 1.959963984540054
    share = successes / trials
    scale = 1 + z * z / trials
    middle = (share + z * z / (2 * trials)) / scale
    half = z * math.sqrt(share * (1 - share) / trials + z * z / (4 * trials**2)) / scale
    return max(0.0, middle - half), min(1.0, middle + half)
