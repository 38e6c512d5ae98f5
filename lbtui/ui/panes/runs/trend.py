"""What changed over the runs as rows: the metrics with their course, a chart of one, the changes in words."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import TypeAlias

from rich.segment import Segment
from rich.style import Style

from lbtui.render import palette
from lbtui.render.canvas import Canvas
from lbtui.render.capabilities import Capabilities, Row
from lbtui.render.chart import Chart, line_chart_from
from lbtui.render.glyphs import glyphs
from lbtui.render.table import first_visible
from lbtui.render.text import blank, fit, fit_parts, printable, row, wrapped
from lbtui.runs.together import Series
from lbtui.text import _, in_sentences
from lbtui.ui.panes.compare.view import verdict_style
from lbtui.ui.panes.compare.words import MARKS
from lbtui.ui.panes.runs.data import RunsData
from lbtui.ui.panes.runs.plot import cell_of, course, put
from lbtui.ui.panes.runs.state import Kept, point_of, series_of
from lbtui.ui.panes.runs.words import (
    begun_words,
    change_mark,
    change_sentences,
    load_words,
    point_words,
    series_label,
    short_label,
    trend_line,
)

_Line: TypeAlias = tuple[str, Sequence[float], Sequence[float]]
_ABOVE = 2  # lines: what is shown, the load
_GAP = 2
_PLAIN_FROM = 0.7  # of the largest: no axis is shorter
_TICK_TEXT = 12  # characters of one
_TICK = 14  # cells that a tick of the chart takes


def sizes(width: int, height: int) -> tuple[int, int, int]:
    """Return the cells of the list at the left, the lines of list and chart, and those of the words below."""
    listed = min(52, max(26, width * 3 // 10))
    below = min(max(0, height - _ABOVE - 4), 3 if height < 17 else 5 if height < 36 else 8)
    return min(listed, width), max(0, height - _ABOVE - below), below


def in_view(data: RunsData, state: Kept, size: tuple[int, int]) -> int:
    """Return the first series in view."""
    return first_visible(series_of(data, state), state.series_first, sizes(*size)[1], len(data.series))


def draw(data: RunsData, state: Kept, canvas: Canvas) -> list[Row]:
    """Return rows that fill the canvas exactly."""
    width, height, caps = canvas.width, canvas.height, canvas.caps
    if not data.series:
        return _nothing(data, canvas)
    at = series_of(data, state)
    series = data.series[at]
    listed, lines, below = sizes(width, height)
    changed = any(one.changes for one in data.series if one.is_load and one.shape == series.shape)
    ink = palette.severity(caps, "warning") if changed else palette.dim(caps)
    top = [
        fit_parts(f" {trend_line(data, series)}", width, caps=caps, style=palette.dim(caps)),
        fit(f" {load_words(data, series)}", width, caps=caps, style=ink),
    ]
    beside = max(0, width - listed - _GAP)
    chart = chart_rows(data, state, canvas.sized(beside, lines))
    names = _list(data, state, canvas.sized(listed, lines))
    middle = [row(name, " " * _GAP, plot, width=width) for name, plot in zip(names, chart, strict=True)]
    return [*top, *middle, *_below(data, state, canvas.sized(height=below))][:height]


def _nothing(data: RunsData, canvas: Canvas) -> list[Row]:
    width, height, caps = canvas.width, canvas.height, canvas.caps
    said = in_sentences(*(() if data.trends is None else data.trends.notes)) or _(
        "No course yet: it is made of the figures of the runs, which are still to be read."
    )
    lines = [row(" ", line, width=width) for line in wrapped(said, max(1, width - 2), caps, None)]
    return [*lines, *[blank(width)] * height][:height]


# The list


def _list(data: RunsData, state: Kept, canvas: Canvas) -> list[Row]:
    """Return the metrics in view, each with its course and what it comes to."""
    width, height, caps = canvas.width, canvas.height, canvas.caps
    here = series_of(data, state)
    first = first_visible(here, state.series_first, height, len(data.series))
    seen = range(first, min(first + height, len(data.series)))
    drawn = [_list_row(data, at, at == here, width, caps) for at in seen]
    return [*drawn, *[blank(width)] * (height - len(drawn))]


def _list_row(data: RunsData, at: int, here: bool, width: int, caps: Capabilities) -> Row:
    series = data.series[at]
    mark = change_mark(series)
    cells = 12 if width >= 36 else 0
    label = max(0, width - cells - 5)
    ink = palette.selected(caps) if here else None
    style = verdict_style(caps, mark) if mark is not None else palette.dim(caps)
    return row(
        Segment(glyphs(caps).right[-1] if here else " ", palette.selected(caps)),
        Segment(printable("" if mark is None else MARKS[mark], caps), style),
        " " * (3 - (0 if mark is None else len(MARKS[mark]))),
        fit(short_label(data, series), label, caps=caps, style=ink),
        " " * (width - 4 - label - cells),
        _course(data, at, cells, caps),
        width=width,
    )


@lru_cache(maxsize=512)
def _course(data: RunsData, at: int, width: int, caps: Capabilities) -> Row:
    series = data.series[at]
    values = [point.value for point in series.points]
    low = 1.0 if series.metric.unit == _("max/mean") else None
    return course(values, width, low, caps)


# The chart


def chart_rows(data: RunsData, state: Kept, canvas: Canvas) -> list[Row]:
    """Return the chart of the series shown, a sign at each run where there is room for it."""
    series, caps = data.series[series_of(data, state)], canvas.caps
    chart = chart_of(data, series_of(data, state), canvas)
    here = point_of(data, state)
    rows = chart.marked(None, float(here) if len(series.points) > 1 else None, caps)
    rows += [blank(canvas.width)] * (canvas.height - len(rows))
    if chart.plot is not None:
        lines = _lines(series, canvas.width)
        ends = _ends(lines)
        crowded = 2 * len(series.points) > chart.plot[3]
        for place, point in enumerate(series.points):
            cell = cell_of(chart, (float(place), point.value), ends, caps)
            if cell is not None and (place == here or not crowded):
                own = palette.series(caps, len(lines) - 1)
                ink = palette.cursor(caps) if place == here else own
                rows[cell[0]] = put(rows[cell[0]], cell[1], glyphs(caps).point, ink)
    return rows[: canvas.height]


@lru_cache(maxsize=8)
def chart_of(data: RunsData, at: int, canvas: Canvas) -> Chart:
    """Return the chart of a series: the level or slope found, the runs' own intervals, their values."""
    series = data.series[at]
    lines = _lines(series, canvas.width)
    return line_chart_from(_ends(lines)[0], lines, canvas, _ticks(data, series, canvas.width))


def _lines(series: Series, width: int) -> list[_Line]:
    """Return the lines of a chart; the values come last, to stand on top."""
    xs = [float(place) for place in range(len(series.points))]
    lines: list[_Line] = []
    if levels := _levels(series):
        lines.append((_("level found"), [x for x, _y in levels], [y for _x, y in levels]))
    bars = [
        (x, point)
        for x, point in zip(xs, series.points, strict=True)
        if math.isfinite(point.low) and math.isfinite(point.high)
    ]
    # More than one in three columns would be an area in which the line drowns.
    if bars and 3 * len(bars) <= width:
        ends = [(x, y) for x, point in bars for y in (point.low, point.high, math.nan)]
        lines.append((_("95 % interval"), [x for x, _y in ends], [y for _x, y in ends]))
    return [*lines, (series_label(series), xs, [point.value for point in series.points])]


def _ends(lines: Sequence[_Line]) -> tuple[float, float]:
    """Return where the axis begins and ends: changes are to be seen, but not the noise of what stays."""
    values = [y for _name, _xs, ys in lines for y in ys if math.isfinite(y)]
    if not values:
        return 0.0, 1.0
    low, high = min(values), max(values)
    return max(0.0, min(low - (high - low) / 2, _PLAIN_FROM * high)), high


def _levels(series: Series) -> list[tuple[float, float]]:
    """Return the line of what was found: levels before and behind a step, the slope of a drift."""
    found: list[tuple[float, float]] = []
    for change in series.changes:
        if change.kind == "drift":
            found += [(change.first, change.before), (change.last, change.after), (math.nan, math.nan)]
        else:
            begin, end = change.at - 1, change.at
            found += [(change.first, change.before), (begin, change.before), (math.nan, math.nan)]
            found += [(end, change.after), (change.last, change.after), (math.nan, math.nan)]
    return found


def _ticks(data: RunsData, series: Series, width: int) -> list[tuple[float, str]]:
    """Return which runs are named under the chart: when each began, else its name, as many as have room."""
    count = len(series.points)
    step = max(1, math.ceil(count / max(1, (width - 8) // _TICK)))
    seen = range(0, count, step)
    runs = [data.known[series.points[place].run].run for place in seen]
    texts = [begun_words(run, short=True) or run.name for run in runs]
    if len(set(texts)) < len(texts):
        texts = [run.name for run in runs]
    # plotext places a text by its characters.
    return [
        (float(place), text[:_TICK_TEXT] if text.isascii() else f"#{place + 1}")
        for place, text in zip(seen, texts, strict=True)
    ]


def point_at(data: RunsData, state: Kept, size: tuple[int, int], x: int, y: int) -> int | None:
    """Return the point of the series that is drawn nearest to a cell of the chart; None beside it."""
    listed, lines, _below_count = sizes(*size)
    canvas_width = max(0, size[0] - listed - _GAP)
    left = x - listed - _GAP
    if left < 0 or not _ABOVE <= y < _ABOVE + lines:
        return None
    chart = chart_of(data, series_of(data, state), Canvas(canvas_width, lines, Capabilities()))
    if chart.plot is None:
        return None
    _first, _last, begin, columns, low, high = chart.plot
    part = (left - begin) / max(1, columns - 1)
    count = len(data.series[series_of(data, state)].points)
    return max(0, min(count - 1, round(low + part * (high - low))))


def series_at(data: RunsData, state: Kept, size: tuple[int, int], x: int, y: int) -> int | None:
    """Return the series whose line is at a cell; None where there is none."""
    listed, lines, _below_count = sizes(*size)
    at = in_view(data, state, size) + y - _ABOVE
    return at if x < listed and _ABOVE <= y < _ABOVE + lines and at < len(data.series) else None


# Below


def _below(data: RunsData, state: Kept, canvas: Canvas) -> list[Row]:
    """Return the changes of the series in words, and the run under the cursor."""
    width, height, caps = canvas.width, canvas.height, canvas.caps
    series = data.series[series_of(data, state)]
    drawn: list[Row] = []
    if height > 3:
        drawn.append(row(Segment(glyphs(caps).rule * width, palette.dim(caps)), width=width))
    mark = change_mark(series)
    ink = None if mark is None else verdict_style(caps, mark)
    texts: list[tuple[str, Style | None]] = []
    if series.points:
        texts.append((point_words(data, series, point_of(data, state)), palette.strong(caps)))
    texts += [(text, ink) for text in change_sentences(data, series)]
    # That the load changed is said above already.
    said = any(one.changes for one in data.series if one.is_load)
    notes = data.trends.notes[said:] if data.trends is not None else ()
    texts += [(note, palette.dim(caps)) for note in notes]
    texts.append((series.metric.formula, palette.dim(caps)))
    lines = [
        row(" ", line, width=width)
        for text, style in texts
        for line in wrapped(text, max(1, width - 2), caps, style)
    ]
    return [*drawn, *lines, *[blank(width)] * height][:height]


def copied(data: RunsData, state: Kept) -> str:
    """Return the series shown in words: the run under the cursor, what changed."""
    series = data.series[series_of(data, state)]
    point = [point_words(data, series, point_of(data, state))] if series.points else []
    return "\n".join([*point, *change_sentences(data, series)])
