"""What a lane is to carry where the config expects shares of the load."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lbtui.analysis.imbalance import Floats
from lbtui.thresholds import Shares


def relative(shares: Shares, lanes: int) -> Floats:
    """Return the shares in multiples of their mean, [lane]; 1 each where all are the same."""
    return np.array(shares) / np.mean(shares) if shares else np.ones(lanes)


def expected_load(loads: Floats, lane: int, shares: Shares) -> Floats:
    """Return what `lane` is to carry beside the others, of `loads` [lane, …]: that of one lane.

    Its share × Σ of the others' loads / Σ of their shares; the mean of the others where all are the same.
    """
    others = np.delete(loads, lane, axis=0)
    if not shares:
        mean: Floats = others.mean(axis=0)
        return mean
    level: Floats = others.sum(axis=0) * expected_multiple(lane, shares) / len(others)
    return level


def expected_multiple(lane: int, shares: Shares) -> float:
    """Return what `lane` is to carry in multiples of the mean of the others; 1 where all are the same."""
    if not shares:
        return 1.0
    return shares[lane] * (len(shares) - 1) / (sum(shares) - shares[lane])


def expected_of(lanes: Sequence[int], shares: Shares) -> float | None:
    """Return what `lanes` are to carry on the mean × that of the others; None where all are the same."""
    if not shares:
        return None
    each = np.array(shares)
    return float(each[list(lanes)].mean() / np.delete(each, list(lanes)).mean())


def chance_of(lane: int, lanes: int, shares: Shares) -> float:
    """Return the probability of one request to be given to `lane` of so many by a random dispatch."""
    return shares[lane] / sum(shares) if shares else 1 / lanes
