"""Intervals of a difference drawn around zero, all on one scale."""

from __future__ import annotations

import math
from typing import NamedTuple

from rich.style import Style

from lbtui.render import palette
from lbtui.render.capabilities import Capabilities, Row
from lbtui.render.glyphs import glyphs
from lbtui.render.lanes import runs
from lbtui.render.text import row


class Interval(NamedTuple):
    """A value, and between which two its true one lies."""

    low: float
    value: float
    high: float


def interval_bar(interval: Interval, *, reach: float, width: int, caps: Capabilities, style: Style) -> Row:
    """Return `width` cells from −`reach` to `reach`: zero in the middle, the interval, its value as a point.

    An interval that leaves zero out never touches the middle, one that holds it always covers it, however
    coarse the cells. What lies beyond an end is `<` or `>`. Nothing but the middle where numbers are missing.
    """
    if width < 1:
        return []
    middle = (width - 1) // 2
    ends = 2 * middle
    text = [" "] * width
    styles = [palette.dim(caps)] * width
    text[middle] = glyphs(caps).column
    if any(math.isnan(number) for number in interval) or reach <= 0:
        return row(runs(text, styles), width=width)
    first, point, last = (_cell(number, interval, reach, middle) for number in interval)
    for cell in range(max(first, 0), min(last, ends) + 1):
        text[cell], styles[cell] = glyphs(caps).span, style
    if 0 <= point <= ends:
        text[point], styles[point] = glyphs(caps).point, style
    if first < 0:
        text[0], styles[0] = "<", style
    if last > ends:
        text[ends], styles[ends] = ">", style
    return row(runs(text, styles), width=width)


def _cell(number: float, interval: Interval, reach: float, middle: int) -> int:
    """Return the cell of a number; beside the middle for all of an interval that leaves zero out."""
    scaled = max(-2.0, min(2.0, number / reach)) * middle
    cell = middle + round(scaled)
    if interval.low > 0:
        return max(cell, middle + 1)
    if interval.high < 0:
        return min(cell, middle - 1)
    return cell
