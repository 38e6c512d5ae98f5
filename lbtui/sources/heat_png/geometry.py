"""Where the map, its cells and the colour bar lie in the picture."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lbtui.text import _

# Every colour of viridis differs by at least 69 between its channels; text, frames and paper are grey.
_COLOURED = 25
# Ticks are 4.9 px long (3.5 pt at 100 dpi); from the frame outwards, this pixel is still on the tick.
TICK_DEPTH = 3
_DARK = 128


class NotAHeatMap(Exception):
    """The picture is not a heat map as upstream draws it; the text says why, to be put in brackets."""


@dataclass(frozen=True)
class Box:
    """A coloured rectangle, in whole pixels, both ends included; a black frame line surrounds it."""

    left: int
    right: int
    top: int
    bottom: int


@dataclass(frozen=True)
class Layout:
    """The two coloured boxes, and the pixel rows and columns of the map's cell centres."""

    bar: Box
    rows: NDArray[np.intp]
    columns: NDArray[np.intp]


def find_layout(picture: NDArray[np.uint8]) -> Layout:
    """Return where things are in `picture` (uint8 [y, x, 3]). Raises `NotAHeatMap`.

    The ticks stand at the cells' centres, to half a pixel, so they number and locate the cells at once.
    """
    heat, bar = _find_boxes(picture)
    below, beside = heat.bottom + 1 + TICK_DEPTH, heat.left - 1 - TICK_DEPTH
    if below >= picture.shape[0] or beside < 0:
        raise NotAHeatMap(_("no room for axis ticks"))
    columns = heat.left + dark_centres(picture[below, heat.left : heat.right + 1])
    rows = heat.top + dark_centres(picture[heat.top : heat.bottom + 1, beside])
    _check_spacing(columns, heat.left, heat.right)
    _check_spacing(rows, heat.top, heat.bottom)
    return Layout(bar, rows, columns)


def dark_centres(line: NDArray[np.uint8]) -> NDArray[np.intp]:
    """Return the middle of each run of dark pixels in `line` (uint8 [n, 3]), ascending."""
    dark = np.asarray(line.max(axis=1) < _DARK)
    return np.array([(start + stop - 1) // 2 for start, stop in _runs(dark)], dtype=np.intp)


def _find_boxes(picture: NDArray[np.uint8]) -> tuple[Box, Box]:
    red, green, blue = picture[:, :, 0], picture[:, :, 1], picture[:, :, 2]
    # Channel by channel: four times as fast as max(axis=2).
    highest = np.maximum(np.maximum(red, green), blue)
    coloured = np.asarray(highest - np.minimum(np.minimum(red, green), blue) > _COLOURED)
    areas = _runs(np.asarray(coloured.any(axis=0)))
    if len(areas) != 2:
        raise NotAHeatMap(_("a map and a colour bar were not found"))
    heat, bar = (_box(coloured, start, stop) for start, stop in areas)
    return heat, bar


def _box(coloured: NDArray[np.bool_], start: int, stop: int) -> Box:
    part = coloured[:, start:stop]
    lines = np.flatnonzero(part.any(axis=1))
    top, bottom = int(lines[0]), int(lines[-1])
    if not part[top : bottom + 1].all():
        raise NotAHeatMap(_("its coloured areas are not rectangles"))
    return Box(start, stop - 1, top, bottom)


def _runs(flags: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Return (start, stop) of each run of true values."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], flags, [False])).astype(np.int8)))
    return [(int(start), int(stop)) for start, stop in edges.reshape(-1, 2)]


def _check_spacing(ticks: NDArray[np.intp], first: int, last: int) -> None:
    """Raise `NotAHeatMap` unless `ticks` are the centres of equal cells between two frame lines.

    The centres of the frame lines, one pixel outside `first` and `last`, are the map's edges to half a pixel.
    """
    low, high = first - 0.5, last + 1.5
    count = len(ticks)
    if count == 0:
        raise NotAHeatMap(_("its axes have no ticks"))
    centres = low + (np.arange(count) + 0.5) * (high - low) / count
    # Half a pixel from the frame, half from the tick, and what the two line widths add.
    if np.abs(ticks + 0.5 - centres).max() > 1.5:
        raise NotAHeatMap(_("its axis ticks do not fit the map"))
