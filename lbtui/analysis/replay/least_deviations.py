"""Lines and planes through what has outliers: the one fit of what a replay takes from a recording."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from lbtui.analysis.replay.model import Floats

_MOST_FITTED = 10_000  # rows: more make no slope more certain than it need be


def least_deviations(design: npt.NDArray[np.float64], y: Floats) -> Floats:
    """Return the coefficients (none below 0) of the least absolute deviations, by weighted least squares.

    Of very many rows, those at even distances.
    """
    apart = -(-len(y) // _MOST_FITTED)
    design, y = design[::apart], y[::apart]
    scale = np.maximum(np.abs(design).max(axis=0), 1e-12)
    scaled = design / scale
    used = np.ones(design.shape[1], dtype=bool)
    found = np.zeros(design.shape[1])
    for _drop in range(design.shape[1]):
        weights = np.ones(len(y))
        for _turn in range(15):
            root = np.sqrt(weights)[:, None]
            found = np.zeros(design.shape[1])
            found[used] = np.linalg.lstsq(scaled[:, used] * root, y * root[:, 0], rcond=None)[0]
            weights = 1 / np.maximum(np.abs(y - scaled @ found), 1e-3 * max(float(np.median(y)), 1e-9))
        if (found >= 0).all():
            break
        used &= found >= 0
    slopes: Floats = np.maximum(found, 0.0) / scale
    return slopes
