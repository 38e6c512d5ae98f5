"""From a heat map's file to its numbers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lbtui.profile import Unreadable
from lbtui.sources.heat_png.bar import LEVELS, Bar, read_bar
from lbtui.sources.heat_png.geometry import Box, NotAHeatMap, find_layout
from lbtui.sources.heat_png.heat_map import HeatMap
from lbtui.sources.heat_png.names import parse_heat_name
from lbtui.sources.heat_png.picture import read_picture
from lbtui.sources.heat_png.scale import Unscaled, read_ticks, solve
from lbtui.text import _, visible


def read(path: Path) -> HeatMap:
    """Return the numbers that the heat map at `path` was drawn from; raises `Unreadable`."""
    name = parse_heat_name(path.name)
    if name is None:
        raise Unreadable(
            _(
                "{file} is not named like an expert heat map; "
                "name it <instance>_eplb_<period>_summed_hot_map_by_<rank, expert or model_expert>.png."
            ).format(file=visible(path.name))
        )
    picture = read_picture(path)
    try:
        layout = find_layout(picture)
        bar = read_bar(picture, layout.bar)
        relative = bar.look_up(picture[layout.rows[:, None], layout.columns[None, :]])
    except NotAHeatMap as refusal:
        raise Unreadable(
            _(
                "{file} is not an expert heat map as msServiceProfiler draws it ({reason}); "
                "remove it or parse the profile again."
            ).format(file=visible(path.name), reason=refusal)
        ) from refusal
    if np.ptp(relative) == 0 and abs(relative[0, 0] - 0.5) < 1 / LEVELS:
        # matplotlib widens an empty range evenly to both sides, so the one value is exactly in the middle.
        relative = np.full_like(relative, 0.5)
    try:
        shares, vmin, vmax = _shares(picture, layout.bar, bar, relative)
    except Unscaled as doubt:
        note = _(
            "{file}: the scale could not be verified ({reason}), "
            "so heat is shown relative to this map's range."
        ).format(file=visible(path.name), reason=doubt)
        return HeatMap(name, relative, None, None, None, note)
    return HeatMap(name, relative, shares, vmin, vmax, None)


def _shares(
    picture: NDArray[np.uint8], box: Box, bar: Bar, relative: NDArray[np.float64]
) -> tuple[NDArray[np.float64], float, float]:
    """Return the shares [layer, column] and the (vmin, vmax) of the colour bar. Raises `Unscaled`."""
    ticks = read_ticks(picture, box)
    # A layer all of the lowest colour beside others that are not: upstream draws a layer without tokens so.
    idle = (relative < 1 / LEVELS).all(axis=1)
    if idle.all():
        raise Unscaled(_("it shows one colour only"))
    vmin, vmax = solve(relative[~idle], bar, ticks)
    shares = vmin + (vmax - vmin) * relative
    shares[idle] = 0.0
    return shares, vmin, vmax
