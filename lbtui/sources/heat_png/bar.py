"""The colour bar as a scale: which colour lies at which fraction of the map's range."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lbtui.sources.heat_png.geometry import Box, NotAHeatMap
from lbtui.sources.heat_png.viridis import VIRIDIS
from lbtui.text import _

# matplotlib's viridis is a table of 256 colours, and a value's colour is floor(256 × fraction).
LEVELS = 256
# viridis shows 254 of them; an image reduced to a palette shows fewer, but not this few.
_FEWEST_COLOURS = 32
# Part of the bar's channels that must agree before it is taken for viridis: all do, but for changes whose
# number is rounded the wrong way.
_SURE = 0.9
# Largest distance in one channel between a cell and the bar; 0 in every image upstream wrote.
_NEAR = 12


@dataclass(frozen=True)
class Bar:
    """A colour bar. `top` and `bottom`, its ends in px from the picture's top, hold to 0.15 px, mostly 0.02.

    `colours` are what a map beside it is painted with, as float64 [n, 3]; `fractions` are the middles of
    what each covers, 0 at the bottom, 1 at the top.
    """

    top: float
    bottom: float
    colours: NDArray[np.float64]
    fractions: NDArray[np.float64]

    def look_up(self, cells: NDArray[np.uint8]) -> NDArray[np.float64]:
        """Return the fractions, float64 [row, column], of colours given as uint8 [row, column, 3].

        Raises `NotAHeatMap` when a colour is not on the bar.
        """
        wanted, where = np.unique(_packed(cells), return_inverse=True)
        if len(wanted) > 4 * LEVELS:
            raise NotAHeatMap(_("a cell's colour is not on its colour bar"))
        distance = np.abs(_unpacked(wanted)[:, None, :] - self.colours[None, :, :]).max(axis=2)
        if distance.min(axis=1).max() > _NEAR:
            raise NotAHeatMap(_("a cell's colour is not on its colour bar"))
        # Colours that the table repeats (viridis 104 = 105, 137 = 138) get the middle of what they cover.
        near = distance == distance.min(axis=1, keepdims=True)
        fractions = (near * self.fractions).sum(axis=1) / near.sum(axis=1)
        return np.asarray(fractions[where].reshape(cells.shape[:2]), dtype=np.float64)


def read_bar(picture: NDArray[np.uint8], box: Box) -> Bar:
    """Return the scale of the colour bar that fills `box` of `picture` (uint8 [y, x, 3]).

    Raises `NotAHeatMap` when its colours do not run over a scale.
    """
    # Up the middle; the outermost pixels are mixed with the frame line.
    colours = _packed(picture[box.top + 1 : box.bottom, (box.left + box.right) // 2])[::-1]
    if len(colours) < LEVELS:
        raise NotAHeatMap(_("its colour bar is too small"))
    changes = np.flatnonzero(np.diff(colours)) + 1
    if not _FEWEST_COLOURS <= len(changes) <= 2 * LEVELS:
        raise NotAHeatMap(_("its colour bar does not run evenly over its colours"))
    # Heights of the colour changes, from the bottom of the bar up.
    edges = box.bottom - changes.astype(np.float64)
    top, bottom = _ends(edges, box)
    levels = _numbered(edges, top, bottom)
    starts, stops = np.append(0.0, levels), np.append(levels, float(LEVELS))
    seen = _unpacked(colours[np.concatenate(([0], changes))])
    middles = (starts + stops) / 2
    excess = seen - VIRIDIS[np.clip(middles.astype(np.int64), 0, LEVELS - 1)]
    if np.mean((excess >= 0) & (excess <= 1)) > _SURE:
        return Bar(top, bottom, VIRIDIS.astype(np.float64), (np.arange(LEVELS) + 0.5) / LEVELS)
    # Another colour map, or one reduced to a palette: the bar as it is, less the half its rounding adds.
    return Bar(top, bottom, np.asarray(seen - 0.5, dtype=np.float64), middles / LEVELS)


def _ends(edges: NDArray[np.float64], box: Box) -> tuple[float, float]:
    """Return the top and bottom of the bar whose colour changes are seen at the heights `edges`.

    Each change is rounded to a whole pixel, in a regular beat and not at random, so least squares would be
    off by up to 0.3 px. Instead: the middle of all ends that need no change to be more than half a pixel
    off, or as few as possible where a palette has moved some.
    """
    # The frame gives the ends to half a pixel, enough to number the changes.
    top, bottom = box.top - 0.5, box.bottom + 1.5
    for reach in (0.75, 0.3):
        steps = np.linspace(-reach, reach, 31)
        levels = _numbered(edges, top, bottom)
        tops = top + steps[:, None, None]
        bottoms = bottom + steps[None, :, None]
        residuals = np.abs(edges - bottoms + levels * (bottoms - tops) / LEVELS)
        misfits = (residuals > 0.5 + reach / 15).sum(axis=2)
        at_top, at_bottom = np.nonzero(misfits == misfits.min())
        top, bottom = top + float(steps[at_top].mean()), bottom + float(steps[at_bottom].mean())
    return top, bottom


def _numbered(edges: NDArray[np.float64], top: float, bottom: float) -> NDArray[np.float64]:
    """Return the level that begins at each height, 0 at `bottom`, 256 at `top`."""
    return np.clip(np.rint(LEVELS * (bottom - edges) / (bottom - top)), 0, LEVELS)


def _packed(colours: NDArray[np.uint8]) -> NDArray[np.int64]:
    wide = colours.astype(np.int64)
    packed: NDArray[np.int64] = (wide[..., 0] << 16) | (wide[..., 1] << 8) | wide[..., 2]
    return packed


def _unpacked(packed: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.stack(((packed >> 16) & 255, (packed >> 8) & 255, packed & 255), axis=-1)
