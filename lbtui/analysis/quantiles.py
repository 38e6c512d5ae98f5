"""Quantiles that are values which occur, each weighted, without sorting where it can be avoided."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from lbtui.analysis.imbalance import Floats


def weighted_quantiles(values: Floats, weights: Floats, shares: Sequence[float]) -> list[float]:
    """Return of at least one value the smallest at or below which each of the shares of the weight lies."""
    if _are_small_counts(values):
        # As exact, and several times as fast as sorting.
        cumulative = np.cumsum(np.bincount(values.astype(np.int64), weights))
        found = np.searchsorted(cumulative, np.array(shares) * cumulative[-1], side="left")
        return [float(value) for value in found]
    order = np.argsort(values)
    cumulative = np.cumsum(weights[order])
    places = np.searchsorted(cumulative, np.array(shares) * cumulative[-1], side="left")
    return [float(values[order[min(int(place), len(values) - 1)]]) for place in places]


def quantiles(values: Floats, shares: Sequence[float]) -> list[float]:
    """Return `weighted_quantiles` where all weights are equal."""
    places = [min(max(math.ceil(share * len(values)) - 1, 0), len(values) - 1) for share in shares]
    return [float(value) for value in np.partition(values, places)[places]]


def _are_small_counts(values: Floats) -> bool:
    """Tell whether values, at least one, are whole numbers from 0 that are no larger than they are many."""
    return bool(values.min() >= 0 and values.max() <= len(values) and (np.floor(values) == values).all())
