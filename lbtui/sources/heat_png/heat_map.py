"""What is read out of one heat-map image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lbtui.sources.heat_png.names import HeatName

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True)
class HeatMap:
    """One heat map as numbers. Matrices are float64 [layer, column], layer 0 first.

    `relative` is 0..1 of the map's own range, known to half a colour step (1/512). `shares` are shares of
    the layer's tokens: a row sums to 1 within the colour steps, a layer without tokens to 0. `vmin` and
    `vmax` are the shares at the two ends of the colour bar. All three are None when the scale could not be
    verified; `note` then says why in one sentence.
    """

    name: HeatName
    relative: NDArray[np.float64]
    shares: NDArray[np.float64] | None
    vmin: float | None
    vmax: float | None
    note: str | None
