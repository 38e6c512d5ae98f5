"""How far each lane stands from its peers, measured by what chance gives."""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np

from lbtui.analysis.expert_parallel import REBALANCE_PAR
from lbtui.analysis.imbalance import Floats, known_mean

# In so many of the columns chance alone lifts any of the lanes that far.
CHANCE = 0.2
# Chance is taken for no less than this share of the mean, or the least noise of what is all but constant
# would count: the double of it is where MindIE begins to re-balance.
LEAST_SHARE = (REBALANCE_PAR - 1) / 2
# Of the time, in parts: values so far from each other have forgotten each other, a long fault not itself.
_APART = 8


def lump(loads: Floats) -> float:
    """Return the size of the lumps in which the load of `loads` [lane, bin] comes, 0 if it does not vary.

    Load that comes in lumps of q at random times (compound Poisson) has the variance q × mean. Against the
    lanes' mean m it is taken from r = (value − m) / √m: half the mean square of what r changes by within an
    eighth of the time, of the middle lane, n / (n − 1) times that. So neither a lane that stands apart all
    the time counts, nor one of several that does for a while.
    """
    count, bins = loads.shape
    lag = bins // _APART
    if count < 2 or not lag:
        return 0.0
    mean = known_mean(loads, axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        residuals = np.where(mean > 0, (loads - mean) / np.sqrt(mean), np.nan)
    squares = known_mean((residuals[:, lag:] - residuals[:, :-lag]) ** 2, axis=1)
    known = squares[~np.isnan(squares)]
    return float(np.median(known)) / 2 * count / (count - 1) if len(known) else 0.0


def by_chance(means: Floats, lumps: float, count: int) -> Floats:
    """Return how far above its mean chance lifts one of `count` lanes in one column of five.

    The quantile of a Poisson number of lumps, by Cornish and Fisher z·√(q·m) + q·(z² − 1) / 6, z that of the
    normal distribution; at least 15 % of the mean.
    """
    z = NormalDist().inv_cdf((1 - CHANCE) ** (1 / count))
    return np.maximum(z * np.sqrt(lumps * means) + lumps * (z * z - 1) / 6, LEAST_SHARE * means)


def beyond_peers(loads: Floats, lumps: float, shares: tuple[float, ...] = ()) -> Floats:
    """Return value − mean of the lanes of each [lane, column], as a multiple of what chance gives.

    With `shares` each lane is compared with its share of the load. 0 where the lanes carry nothing or there
    is but one, NaN where a value is unknown.
    """
    if len(loads) < 2:
        return np.where(np.isnan(loads), math.nan, 0.0)
    mean = known_mean(loads, axis=0)
    weights = np.array(shares or (1.0,) * len(loads))
    if shares:
        carried = np.where(np.isnan(loads), 0.0, weights[:, None]).sum(axis=0)
        known = (~np.isnan(loads)).sum(axis=0)
        with np.errstate(invalid="ignore", divide="ignore"):
            mean = np.where(carried > 0, mean * known / carried, 0.0)
    own = weights[:, None] * np.nan_to_num(mean)[None, :]
    chance = by_chance(own, lumps, len(loads))
    with np.errstate(invalid="ignore", divide="ignore"):
        found = np.where(own > 0, (loads - own) / chance, 0.0)
    return np.where(np.isnan(loads), math.nan, found)
