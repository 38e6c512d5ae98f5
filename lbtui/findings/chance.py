"""The chance that layers which place their experts independently all lie on one side."""

from __future__ import annotations

from statistics import NormalDist

import numpy as np

from lbtui.analysis.counts import binomial_tail
from lbtui.analysis.imbalance import Floats


def chance_above(values: Floats, level: float = 0.0) -> float:
    """Return the chance that the mean of `values` and the number of them above `level` are so large.

    The less certain of a normal test by the standard error of the mean and a sign test; 1 below two values.
    """
    known = values[np.isfinite(values)]
    if len(known) < 2:
        return 1.0
    error = float(known.std(ddof=1) / np.sqrt(len(known)))
    distance = float(known.mean()) - level
    by_mean = NormalDist().cdf(-distance / error) if error > 0 else float(distance <= 0)
    return max(by_mean, binomial_tail(int((known > level).sum()), len(known), 0.5))
