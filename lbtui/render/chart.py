"""Line charts, drawn by plotext and recoloured with the palette."""

from __future__ import annotations

import math
import re
import threading
from collections.abc import Sequence
from itertools import chain
from typing import Any

from rich.segment import Segment

from lbtui.render import palette
from lbtui.render.axis import nice_ticks
from lbtui.render.canvas import Canvas
from lbtui.render.capabilities import Capabilities, Row
from lbtui.render.glyphs import glyphs
from lbtui.render.text import blank, fit, number, printable, row
from lbtui.text import _

# plotext keeps one figure in module globals.
_PLOTEXT = threading.Lock()

_CODES = re.compile(r"\x1b\[([\d;]*)m")
_FRAME = str.maketrans("┌┐└┘├┤┬┴┼─│", "+++++++++-|")

# Lines are drawn in these colours of the 256 and told apart by them afterwards.
_TAG = 16
_TAGS = 216

_LEAST_WIDTH, _LEAST_HEIGHT = 16, 4
_LINES_PER_TICK = 4

Line = tuple[list[float], list[float]]


def line_chart(
    series: Sequence[tuple[str, Sequence[float], Sequence[float]]],
    canvas: Canvas,
    *,
    title: str = "",
    x_label: str = "",
    y_label: str = "",
    x_ticks: Sequence[tuple[float, str]] | None = None,
) -> list[Row]:
    """Return lines through (name, xs, ys) as rows that fill the canvas.

    Above stand the title with the quantity of y and the names with their colours, below the quantity of x.
    Points that are not finite break the line. Too small an area shows only what is above.
    """
    width, height, caps = canvas.width, canvas.height, canvas.caps
    above = []
    if title or y_label:
        above.append(
            row(
                Segment(printable(title, caps), palette.strong(caps)),
                Segment(printable(f"  {y_label}" if y_label else "", caps), palette.dim(caps)),
                width=width,
            )
        )
    if any(name for name, _xs, _ys in series):
        above.append(_names([name for name, _xs, _ys in series], width, caps))
    grey = palette.dim(caps)
    below = [fit(x_label, width, align="right", caps=caps, style=grey)] if x_label else []
    room = height - len(above) - len(below)
    lines = [_pieces(xs, ys, width) for _name, xs, ys in series]
    if room < _LEAST_HEIGHT or width < _LEAST_WIDTH:
        plot = [blank(width)] * max(0, room)
    elif not any(lines):
        plot = [blank(width)] * room
        plot[room // 2] = fit(_("no data"), width, align="center", caps=caps, style=grey)
    else:
        plot = _plot(lines, width, room, caps, x_ticks)
    return [*above, *plot, *below][:height]


def _names(names: Sequence[str], width: int, caps: Capabilities) -> Row:
    parts: list[Segment] = []
    for index, name in enumerate(names):
        mark = _point(index, caps) if _by_points(caps) else glyphs(caps).rule * 2
        parts.append(Segment(f"{mark} {printable(name, caps)}  ", palette.series(caps, index)))
    return row(parts, width=width)


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
    width: int,
    height: int,
    caps: Capabilities,
    x_ticks: Sequence[tuple[float, str]] | None,
) -> list[Row]:
    # 40 ms, and only charts need it.
    import plotext

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
        _set_axes(plotext, lines, height, x_ticks, caps)
        drawn = plotext.build()
        plotext.clear_figure()
    rows = [_recolor(line, width, caps) for line in drawn.split("\n")[:height]]
    return rows + [blank(width)] * (height - len(rows))


def _set_axes(
    plotext: Any,
    lines: Sequence[Sequence[Line]],
    height: int,
    x_ticks: Sequence[tuple[float, str]] | None,
    caps: Capabilities,
) -> None:
    ys = [y for pieces in lines for _xs, piece in pieces for y in piece]
    low, high = min(0.0, *ys), max(0.0, *ys)
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
