"""How distances from the peers are coloured, in every pane alike."""

from __future__ import annotations

import numpy as np

from lbtui.analysis.imbalance import Floats

# What is drawn coldest of the ramp: less would not be seen on the background.
_COLDEST = 0.25


def heat_of(apart: Floats) -> list[float]:
    """Return the part of the ramp for distances from the peers, in multiples of what chance gives.

    Up to 1 all are the coldest that is drawn, from 2 on the hottest.
    """
    part = np.where(apart > 1, _COLDEST + (1 - _COLDEST) * (apart - 1), 0.0)
    found: list[float] = np.minimum(part, 1.0).tolist()
    return found
