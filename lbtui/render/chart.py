"""Line charts, drawn by plotext and recoloured with the palette."""

from __future__ import annotations

import math
import re
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style

from lbtui.render import palette
from lbtui.render.axis import nice_ticks
from lbtui.render.canvas import Canvas
from lbtui.render.capabilities import Capabilities, Row
from lbtui.render.glyphs import glyphs
from lbtui.render.text import blank, fit, merge, number, printable, row
from lbtui.text import _

# plotext keeps one figure in module globals.
_PLOTEXT = threading.Lock()

_CODES = re.compile(r"\x1b\[([\d;]*)m")
_FRAME = str.maketrans("┌┐└┘├┤┬┴┼─│", "+++++++++-|")

_FRAME_LINE = re.compile(r"^ *[┌└+][─┬+-]*[┐┘+] *$")
_BOLD = Style(bold=True)

# Lines are drawn in these colours of the 256 and told apart by them afterwards.
_TAG = 16
_TAGS = 216

_LEAST_WIDTH, _LEAST_HEIGHT = 16, 4
_LINES_PER_TICK = 4

Line = tuple[list[float], list[float]]


@dataclass(frozen=True)
class Chart:
    """A drawn chart: its rows, where the plot is, and each line's name: its row, first cell and last + 1."""

    rows: list[Row]
    names: tuple[tuple[int, int, int], ...] = ()
    # First line, line after the last, first column and columns of what the axes enclose, and the lowest and
    # highest x of it; None without a plot.
    plot: tuple[int, int, int, int, float, float] | None = None

    def marked(self, chosen: int | None, x: float | None, caps: Capabilities) -> list[Row]:
        """Return the rows with the line chosen lit, by name and where there is colour in the plot, and with
        the cursor at x.
        """
        rows = list(self.rows)
        # A name may have no line in too small an area.
        if chosen is not None and chosen < len(self.names) and self.names[chosen][0] < len(rows):
            line = palette.series(caps, chosen)
            if self.plot and caps.colors != "none":
                first, last = self.plot[:2]
                rows[first:last] = [
                    [Segment(s.text, line + _BOLD if s.style == line else s.style) for s in cells]
                    for cells in rows[first:last]
                ]
            at, begin, end = self.names[chosen]
            # The mark before it keeps the line's colour: a colour of its own would be of no line.
            begin = min(begin + cell_len(_mark(chosen, caps)) + 1, end)
            rows[at] = _restyled(rows[at], begin, end, palette.selected(caps))
        if x is not None and self.plot is not None:
            first, last, left, columns, low, high = self.plot
            if low <= x <= high and columns:
                column = left + round((x - low) / ((high - low) or 1.0) * (columns - 1))
                for at in range(first, last):
                    rows[at] = _restyled(
                        rows[at], column, column + 1, palette.accent(caps), glyphs(caps).column
                    )
        return rows


def _restyled(cells: Row, begin: int, end: int, style: Style, blank: str = " ") -> Row:
    """Return a row with cells [begin, end) in another style, and `blank` where they are blank."""
    width = sum(cell_len(segment.text) for segment in cells)
    before, under, after = Segment.divide(cells, [begin, end, width])
    text = "".join(segment.text for segment in under).replace(" ", blank)
    return merge([*before, Segment(text, style), *after])


def line_chart(
    series: Sequence[tuple[str, Sequence[float], Sequence[float]]],
    canvas: Canvas,
    *,
    title: str = "",
    x_label: str = "",
    y_label: str = "",
    x_ticks: Sequence[tuple[float, str]] | None = None,
) -> Chart:
    """Return lines through (name, xs, ys) as rows that fill the canvas.

    Above stand the title with the quantity of y and the names with their colours, as many lines of these as
    they take, below the quantity of x. Points that are not finite break the line. Too small an area shows
    only what is above.
    """
    width, caps = canvas.width, canvas.caps
    above: list[Row] = []
    if title or y_label:
        above.append(
            row(
                Segment(printable(title, caps), palette.strong(caps)),
                Segment(printable(f"  {y_label}" if y_label else "", caps), palette.dim(caps)),
                width=width,
            )
        )
    below = [fit(x_label, width, align="right", caps=caps, style=palette.dim(caps))] if x_label else []
    return _chart(series, canvas, (above, below), x_ticks, 0.0)


def line_chart_from(
    low: float,
    series: Sequence[tuple[str, Sequence[float], Sequence[float]]],
    canvas: Canvas,
    x_ticks: Sequence[tuple[float, str]] | None = None,
) -> Chart:
    """Return what `line_chart` does, its axis of y beginning at `low`, or at what is lowest, instead of 0."""
    return _chart(series, canvas, ([], []), x_ticks, low)


def _chart(
    series: Sequence[tuple[str, Sequence[float], Sequence[float]]],
    canvas: Canvas,
    around: tuple[list[Row], list[Row]],
    x_ticks: Sequence[tuple[float, str]] | None,
    low: float,
) -> Chart:
    """Return lines through points, `around` them what stands above and below."""
    width, height, caps = canvas.width, canvas.height, canvas.caps
    above, below = around
    places: list[tuple[int, int, int]] = []
    if any(name for name, _xs, _ys in series):
        lines_of_names, places = _names([name for name, _xs, _ys in series], width, caps)
        places = [(at + len(above), begin, end) for at, begin, end in places]
        above += lines_of_names
    grey = palette.dim(caps)
    room = height - len(above) - len(below)
    lines = [_pieces(xs, ys, width) for _name, xs, ys in series]
    where = None
    if room < _LEAST_HEIGHT or width < _LEAST_WIDTH:
        plot = [blank(width)] * max(0, room)
    elif not any(lines):
        plot = [blank(width)] * room
        plot[room // 2] = fit(_("no data"), width, align="center", caps=caps, style=grey)
    else:
        plot = _plot(lines, canvas.sized(height=room), x_ticks, low)
        xs = [x for pieces in lines for piece, _ys in pieces for x in piece]
        where = _enclosed(plot, len(above), min(xs), max(xs))
    return Chart([*above, *plot, *below][:height], tuple(places), where)


def _enclosed(
    plot: Sequence[Row], above: int, low: float, high: float
) -> tuple[int, int, int, int, float, float] | None:
    """Return `Chart.plot`, by the frame that plotext drew."""
    texts = ["".join(segment.text for segment in cells) for cells in plot]
    frames = [at for at, text in enumerate(texts) if _FRAME_LINE.match(text)]
    if len(frames) < 2:
        return None
    top = texts[frames[0]].rstrip()
    left = len(top) - len(top.lstrip()) + 1
    return above + frames[0] + 1, above + frames[-1], left, len(top) - 1 - left, low, high


def _names(
    names: Sequence[str], width: int, caps: Capabilities
) -> tuple[list[Row], list[tuple[int, int, int]]]:
    """Return lines with the names, and where each is."""
    lines: list[list[Segment]] = [[]]
    places = []
    for index, name in enumerate(names):
        text = f"{_mark(index, caps)} {printable(name, caps)}"
        used, own = sum(cell_len(segment.text) for segment in lines[-1]), cell_len(text)
        if used and used + own > width:
            lines.append([])
            used = 0
        places.append((len(lines) - 1, min(used, width), min(used + own, width)))
        lines[-1] += [Segment(text, palette.series(caps, index)), Segment("  ")]
    return [row(parts, width=width) for parts in lines], places


def _mark(index: int, caps: Capabilities) -> str:
    """Return what stands before a line's name."""
    return _point(index, caps) if _by_points(caps) else glyphs(caps).rule * 2


def _by_points(caps: Capabilities) -> bool:
    return not caps.unicode or caps.colors == "none"


def _point(index: int, caps: Capabilities) -> str:
    points = glyphs(caps).points
    return points[index % len(points)]


def _pieces(xs: Sequence[float], ys: Sequence[float], width: int) -> list[Line]:
    """Return the unbroken pieces of a line, thinned to at most 2 × `width` points in all."""
    pieces: list[list[tuple[float, float]]] = [[]]
    for x, y in zip(xs, ys, strict=True):
        if math.isfinite(x) and math.isfinite(y):
            pieces[-1].append((float(x), float(y)))
        elif pieces[-1]:
            pieces.append([])
    pieces = [piece for piece in pieces if piece]
    total = sum(map(len, pieces))
    if total > 2 * width:
        if len(pieces) > width // 2:
            # Gaps this dense cannot be seen.
            pieces = [list(chain.from_iterable(pieces))]
        share = width - len(pieces)
        pieces = [_thin(piece, 1 + share * len(piece) // total) for piece in pieces]
    return [([x for x, _y in piece], [y for _x, y in piece]) for piece in pieces]


def _thin(points: list[tuple[float, float]], buckets: int) -> list[tuple[float, float]]:
    """Return the lowest and the highest point of each bucket, in order, so that peaks stay."""
    kept: list[tuple[float, float]] = []
    for bucket in range(buckets):
        start, end = bucket * len(points) // buckets, (bucket + 1) * len(points) // buckets
        if start < end:
            order = sorted(range(start, end), key=lambda index: points[index][1])
            kept.extend(points[index] for index in sorted({order[0], order[-1]}))
    return kept


def _plot(
    lines: Sequence[Sequence[Line]],
    canvas: Canvas,
    x_ticks: Sequence[tuple[float, str]] | None,
    low: float,
) -> list[Row]:
    # 40 ms, and only charts need it.
    import plotext

    width, height, caps = canvas.width, canvas.height, canvas.caps

    with _PLOTEXT:
        plotext.clear_figure()
        plotext.limit_size(False, False)
        plotext.plotsize(width, height)
        for paint in (plotext.canvas_color, plotext.axes_color, plotext.ticks_color):
            paint("default")
        for index, pieces in enumerate(lines):
            for xs, ys in pieces:
                plotext.plot(
                    xs,
                    ys,
                    marker=_point(index, caps) if _by_points(caps) else "braille",
                    color=_TAG + index % _TAGS,
                )
        _set_axes(plotext, lines, canvas, x_ticks, low)
        drawn = plotext.build()
        plotext.clear_figure()
    rows = [_recolor(line, width, caps) for line in drawn.split("\n")[:height]]
    return rows + [blank(width)] * (height - len(rows))


def _set_axes(
    plotext: Any,
    lines: Sequence[Sequence[Line]],
    canvas: Canvas,
    x_ticks: Sequence[tuple[float, str]] | None,
    low: float,
) -> None:
    height, caps = canvas.height, canvas.caps
    ys = [y for pieces in lines for _xs, piece in pieces for y in piece]
    low, high = min(low, *ys), max(low, *ys)
    if low == high:
        high = low + 1
    ticks = nice_ticks(low, high, max(2, height // _LINES_PER_TICK))
    plotext.ylim(low, high)
    plotext.yticks(ticks, [printable(number(tick), caps) for tick in ticks])
    if x_ticks is not None:
        plotext.xticks([x for x, _text in x_ticks], [printable(text, caps) for _x, text in x_ticks])
        return
    xs = [x for pieces in lines for piece, _ys in pieces for x in piece]
    marks = nice_ticks(min(xs), max(xs), 8)
    plotext.xticks(marks, [printable(number(mark), caps) for mark in marks])


def _recolor(line: str, width: int, caps: Capabilities) -> Row:
    """Return a line of plotext's ANSI output with the palette's styles in place of its colours."""
    segments: Row = []
    style = palette.dim(caps)
    for index, part in enumerate(_CODES.split(line)):
        if index % 2:
            tag = part.rpartition(";")[2]
            tagged = part.startswith("38;5;")
            style = palette.series(caps, int(tag) - _TAG) if tagged else palette.dim(caps)
        else:
            segments.append(Segment(part if caps.unicode else part.translate(_FRAME), style))
    return row(segments, width=width)
