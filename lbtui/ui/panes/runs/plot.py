"""Points over a line chart, and the course of a figure over the runs as a line of bars."""

from __future__ import annotations

from collections.abc import Sequence

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style

from lbtui.render import palette
from lbtui.render.capabilities import Capabilities, Row
from lbtui.render.chart import Chart
from lbtui.render.glyphs import glyphs
from lbtui.render.lanes import sparkline
from lbtui.render.text import merge

Ends = tuple[float, float]
_DOTS = 4  # of Braille, one above the other


def course(values: Sequence[float | None], width: int, low: float | None, caps: Capabilities) -> Row:
    """Return values in order of time as bars, fewer than there are cells at the right, in grey.

    What is high is not bad by itself, and heat is of loads at one time.
    """
    blanks = max(0, width - len(values))
    drawn = sparkline(values, caps=caps, width=width - blanks, low=low, parted=True)
    bars = "".join(segment.text for segment in drawn)
    return merge([Segment(" " * blanks), Segment(bars, palette.dim(caps))])


def cell_of(chart: Chart, point: Ends, ys: Ends, caps: Capabilities) -> tuple[int, int] | None:
    """Return line and column of a point in a chart whose y goes from end to end; None without plot."""
    if chart.plot is None:
        return None
    first, last, left, columns, low, high = chart.plot
    # One point alone stands in the middle.
    across = (point[0] - low) / (high - low) if high > low else 0.5
    up = (point[1] - ys[0]) / ((ys[1] - ys[0]) or 1.0)
    # As the line is drawn: of dots of which a cell has four, or of signs of which it has one.
    each = 1 if _by_sign(caps) else _DOTS
    line = last - 1 - int(0.5 + up * (each * (last - first) - 1)) // each
    return line, left + round(across * (columns - 1))


def _by_sign(caps: Capabilities) -> bool:
    return not caps.unicode or caps.colors == "none"


def put(drawn: Row, column: int, sign: str, ink: Style) -> Row:
    """Return a row with one cell replaced."""
    width = sum(cell_len(segment.text) for segment in drawn)
    if not 0 <= column < width:
        return drawn
    before, _under, after = Segment.divide(drawn, [column, column + 1, width])
    return merge([*before, Segment(sign, ink), *after])


def without(chart: Chart, index: int, caps: Capabilities) -> list[Row]:
    """Return the rows of a chart without the points of a line, for which signs are put there."""
    rows = list(chart.rows)
    if chart.plot is None:
        return rows
    ink = palette.series(caps, index)
    sign = glyphs(caps).points[index % len(glyphs(caps).points)]
    for line in range(chart.plot[0], chart.plot[1]):
        if _by_sign(caps):
            rows[line] = [Segment(s.text.replace(sign, " "), s.style) for s in rows[line]]
        else:
            rows[line] = [Segment(" " * len(s.text), s.style) if s.style == ink else s for s in rows[line]]
    return rows
