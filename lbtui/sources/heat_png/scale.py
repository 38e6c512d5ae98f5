"""The shares at the ends of the colour bar, from its tick labels and from rows that sum to 1."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lbtui.sources.heat_png.bar import LEVELS, Bar
from lbtui.sources.heat_png.digits import read_text
from lbtui.sources.heat_png.geometry import TICK_DEPTH, Box, dark_centres
from lbtui.text import _

# Where text is, in px: labels begin 9.7 px right of the frame and are 10 px high, centred on their ticks; a
# common factor or summand stands on the bar, from 3 to 20 px above its frame, and ends where the bar ends.
_LABEL_START = 6
_LABEL_REACH = 120
_HALF_LINE = 8
_ABOVE = (20, 3)
_ABOVE_REACH = 180
_WORD_GAP = 8

_NUMBER = re.compile(r"-?\d+(\.\d+)?")
_FACTOR = re.compile(r"(1e-?\d{1,2})?([+-]\d+(?:\.\d+)?(?:e-?\d{1,2})?)?")
# matplotlib sets about ten ticks.
_MOST_TICKS = 30
# Uncertainty of one quantised fraction: uniform within one colour step.
_STEP_DEVIATION = 1 / LEVELS / np.sqrt(12)
# Tick marks are rounded to whole pixels; the bar's ends are known far better, mostly to 0.02 px.
_ROUNDING = 0.5
_SOFTNESS = 0.03
# How far, in px on the bar, the worst tick may be off in a scale that is believed.
_MISFIT = 0.75


class Unscaled(Exception):
    """The scale is unknown or contradicts the rows; the text says why, to be put after a colon."""


@dataclass(frozen=True)
class Tick:
    """One tick of the colour bar: its height in px from the picture's top, and the number beside it."""

    height: float
    value: float


def read_ticks(picture: NDArray[np.uint8], box: Box) -> list[Tick]:
    """Return the labelled ticks of the colour bar in `box` whose numbers can be read, from the top down.

    Raises `Unscaled` when fewer than two can.
    """
    right = box.right + 1
    if right + TICK_DEPTH >= picture.shape[1]:
        raise Unscaled(_("the colour bar has no labels"))
    heights = box.top - 1 + dark_centres(picture[box.top - 1 : box.bottom + 2, right + TICK_DEPTH])
    if len(heights) > _MOST_TICKS:
        raise Unscaled(_("the colour bar's labels cannot be read"))
    factor, summand = _common(picture, box)
    ticks = []
    for height in heights.tolist():
        area = picture[max(height - _HALF_LINE, 0) : height + _HALF_LINE + 1, right + _LABEL_START :]
        text = read_text(_first_word(_ink(area[:, :_LABEL_REACH])))
        if text is not None and _NUMBER.fullmatch(text):
            # A tick at y is drawn on the pixel between y − 0.5 and y + 0.5 counted from its upper edge (found
            # by drawing, matplotlib 3.7 and 3.11): its rounding is centred on that edge.
            ticks.append(Tick(float(height), summand + factor * float(text)))
    ticks = _regular(ticks)
    if len(ticks) < 2:
        raise Unscaled(_("the colour bar's labels cannot be read"))
    return ticks


def solve(relative: NDArray[np.float64], bar: Bar, ticks: list[Tick]) -> tuple[float, float]:
    """Return (vmin, vmax), the shares at the bottom and top of `bar`.

    `relative` is float64 [layer, column] without layers that have no tokens: each row of shares sums to 1,
    so mean(relative) × (vmax − vmin) + vmin = 1 / columns. That pins the share at one height of the bar to
    far below a pixel; the ticks, each rounded to a whole pixel, give the slope. The answer is the mean over
    all scales that both allow.

    Raises `Unscaled` when the rows are not equally long, or no scale fits rows and ticks.
    """
    # A row's mean is off by at most half a colour step, and half another where viridis repeats a colour.
    if np.ptp(relative.mean(axis=1)) > 2 / LEVELS:
        raise Unscaled(_("its layers do not add up to the same"))
    length = bar.bottom - bar.top
    pinned_share = 1 / relative.shape[1]
    mean, mean_deviation = _mean(relative)
    pinned = bar.bottom - length * mean
    deviation = max(length * mean_deviation, 0.02)

    shares = np.array([tick.value for tick in ticks]) - pinned_share
    heights = np.array([tick.height for tick in ticks])
    # One over the variance; that of rounding to a whole pixel is 1/12.
    weights = np.append(np.full(len(ticks), 12.0), 1 / deviation**2)
    # px per unit of share, negative since heights are measured downwards.
    slope, height = np.polyfit(np.append(shares, 0.0), np.append(heights, pinned), 1, w=np.sqrt(weights))
    residuals = height + slope * shares - heights
    if slope >= 0 or np.abs(residuals).max() > 2 * _MISFIT or abs(height - pinned) > 1 + 4 * deviation:
        raise Unscaled(_("its layers do not add up to 1 on the scale of its labels"))

    lever = np.abs(shares).max()
    slopes = slope + np.linspace(-1.5, 1.5, 601)[:, None] / lever
    pins = pinned + deviation * np.linspace(-4, 4, 33)[None, :]
    off = np.abs(pins[..., None] + slopes[..., None] * shares - heights)
    vmins = pinned_share + (bar.bottom - pins) / slopes
    cost = (np.clip(off - _ROUNDING, 0, None) ** 2).sum(axis=2) / _SOFTNESS**2
    # Shares are not negative.
    cost += (np.clip(-vmins * -slopes, 0, None) / _SOFTNESS) ** 2
    likely = np.exp(-0.5 * (cost + ((pins - pinned) / deviation) ** 2))
    if off.max(axis=2)[cost <= cost.min() + 1e-9].min() > _MISFIT or likely.sum() == 0:
        raise Unscaled(_("its layers do not add up to 1 on the scale of its labels"))
    likely /= likely.sum()
    vmaxs = vmins - length / slopes
    return max(float((likely * vmins).sum()), 0.0), float((likely * vmaxs).sum())


def _mean(relative: NDArray[np.float64]) -> tuple[float, float]:
    """Return the mean over all cells of the fractions behind `relative`, and its standard deviation."""
    columns = relative.shape[1]
    levels = np.clip((relative * LEVELS).astype(np.int64), 0, LEVELS - 1)
    counts = np.bincount(levels.ravel(), minlength=LEVELS) / relative.size
    # The rounding of equal cells adds up: layers may repeat, and many cells (experts without tokens) may
    # lie on vmin itself, at the very edge of the lowest colour.
    different = len(np.unique(levels * columns + np.arange(columns)))
    return float(relative.mean()), float(
        _STEP_DEVIATION * np.sqrt(counts[0] ** 2 + counts[-1] ** 2 + 1 / different)
    )


def _common(picture: NDArray[np.uint8], box: Box) -> tuple[float, float]:
    """Return the (factor, summand) written above the bar, such as `1e-7+6.25e-2`; (1, 0) if none is.

    The map's title may stand there too, and hide them: then the rows will contradict the scale.
    """
    top, bottom = max(box.top - 1 - _ABOVE[0], 0), box.top - 1 - _ABOVE[1]
    right = box.right + 3
    ink = _ink(picture[top : max(bottom, top), max(right - _ABOVE_REACH, 0) : right])
    text = read_text(_first_word(ink[:, ::-1])[:, ::-1])
    match = _FACTOR.fullmatch(text) if text else None
    if match is None:
        return 1.0, 0.0
    return float(match[1] or 1), float(match[2] or 0)


def _ink(area: NDArray[np.uint8]) -> NDArray[np.float64]:
    ink: NDArray[np.float64] = 1 - area.max(axis=2, initial=0) / 255.0
    return ink


def _first_word(ink: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return `ink` up to the first wide gap after some ink."""
    inked = np.flatnonzero((ink > 0.3).any(axis=0)) if ink.size else np.array([], dtype=np.intp)
    gaps = np.flatnonzero(np.diff(inked) > _WORD_GAP)
    end = int(inked[gaps[0]]) + 3 if len(gaps) else ink.shape[1]
    return ink[:, :end]


def _regular(ticks: list[Tick]) -> list[Tick]:
    """Return the ticks that lie on one straight scale, the most there are: a misread label is left out."""
    best: list[Tick] = []
    for first in ticks:
        for other in ticks:
            if other.height <= first.height or other.value >= first.value:
                continue
            slope = (other.height - first.height) / (other.value - first.value)
            on_line = [
                tick for tick in ticks
                if abs(first.height + slope * (tick.value - first.value) - tick.height) <= 1.5
            ]  # fmt: skip
            if len(on_line) > len(best):
                best = on_line
    return best
