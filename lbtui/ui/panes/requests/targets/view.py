"""Targets as rows: what was attained over time and by group, or a chart, and what is under the cursor."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.cells import cell_len
from rich.segment import Segment

from lbtui.overview.attained import Group, kind_words
from lbtui.overview.targets import counts
from lbtui.profile import dated, instant
from lbtui.render.axis import time_axis
from lbtui.render.canvas import Canvas, Scale
from lbtui.render.capabilities import Capabilities, Row
from lbtui.render.glyphs import glyphs
from lbtui.render.lanes import Marks, lane
from lbtui.render.palette import accent, dim, severity, strong
from lbtui.render.table import Cell, Column, Layout, first_visible, fitting, table
from lbtui.render.text import blank, fit, fit_parts, number, row
from lbtui.text import _
from lbtui.ui.kit.window import column_of
from lbtui.ui.panes.requests.targets.charts import ChartKey, Drawn, scatter_rows
from lbtui.ui.panes.requests.targets.data import TargetsData
from lbtui.ui.panes.requests.targets.state import TargetsState
from lbtui.ui.panes.requests.targets.words import (
    distribution_words,
    group_words,
    run_words,
    scatter_words,
    state_words,
    stretch_words,
)

LABEL = 12  # cells before a lane
_FIGURE = 16  # cells after it: its highest
_LEAST_PLOT = 20
HEAD = 2  # lines of words above everything
_BAR = 20  # cells of a bar, where there is room


@dataclass(frozen=True)
class Places:
    """Where the parts of the table of targets stand."""

    plot: int  # columns of the lanes
    lane_height: int
    lanes: int | None  # their first line
    header: int
    rows: int  # lines of the table below its header


@dataclass(frozen=True)
class Shown:
    """What is drawn: the data, what the user has made of it, and the instant chosen."""

    data: TargetsData
    state: TargetsState
    time: int | None = None


def places(data: TargetsData, width: int, height: int) -> Places:
    """Return where everything stands in this size: the table always, the lanes as there is room."""
    plot = width - LABEL - _FIGURE
    lane_height = 1 if height < 34 else 2
    lines = 2 * lane_height + 3
    lanes = bool(data.slo.stretches) and plot >= _LEAST_PLOT and height >= 14
    header = HEAD + (lines if lanes else 0)
    return Places(plot, lane_height, HEAD if lanes else None, header, max(0, height - header - 2))


def first_row(state: TargetsState, at: Places, total: int) -> int:
    """Return the first row of the table in view: the cursor's, as far down as it goes."""
    return first_visible(state.row, max(0, state.row - at.rows // 2), at.rows, total)


def draw_table(shown: Shown, canvas: Canvas) -> list[Row]:
    """Return the table of targets, with lanes over time above it: rows that fill the canvas."""
    width, height, caps = canvas.width, canvas.height, canvas.caps
    data, state, at = shown.data, shown.state, places(shown.data, width, height)
    lines = [*_head(data, state, None, canvas), *(_lanes(shown, at, canvas) if at.lanes is not None else [])]
    first = first_row(state, at, len(data.rows))
    layout = _layout(data, width)
    cells = [_cells(data, place, layout, caps) for place in range(first, len(data.rows))[: at.rows]]
    drawn = table(cells, layout, height=at.rows + 1, caps=caps, cursor=state.row - first)
    if data.slo.unplaced and len(cells) < at.rows:
        # Where the rows of places would be.
        why = _("no domains and nodes: {why}").format(why=data.slo.unplaced)
        drawn[len(cells) + 1] = fit(" " + why, width, caps=caps, style=dim(caps))
    lines += drawn
    lines.append(_reading(group_words(data, state.row), canvas))
    return [row(line, width=width) for line in lines[:height]]


def draw_chart(
    shown: Shown, key: ChartKey, found: Drawn | None, x: float | None, canvas: Canvas
) -> list[Row]:
    """Return a chart between its words; `x` is the cursor's place on its axis."""
    data, state = shown.data, shown.state
    body = canvas.sized(height=key.height)
    lines: list[Row] = [blank(canvas.width)] * key.height
    words = chart_words(shown, found, x)
    if found is None:
        lines[0] = fit(" " + _("drawing …"), canvas.width, caps=canvas.caps, style=dim(canvas.caps))
    elif found.chart is not None:
        chosen = key.rows.index(state.row) if state.row in key.rows and len(key.rows) > 1 else None
        lines = found.chart.marked(chosen, x, canvas.caps)
    elif found.points is not None:
        lines = scatter_rows(data, state, found, body)
    rows = [*_head(data, state, key, canvas), *lines, _reading(words, canvas)]
    return [row(line, width=canvas.width) for line in rows[: canvas.height]]


def chart_words(shown: Shown, found: Drawn | None, x: float | None) -> str:
    """Return what is under the cursor of a chart, of the cursor's group while it is drawn."""
    data, state = shown.data, shown.state
    if found is not None and found.chart is not None and x is not None:
        return distribution_words(state, found, found.scale.value(x))
    if found is not None and found.chart is None and found.points is not None:
        return scatter_words(data, state, found)
    return group_words(data, state.row)


def copied_text(shown: Shown) -> str:
    """Return the group under the cursor of the table in one line, and what was attained at the instant."""
    stretches = shown.data.slo.stretches
    chosen = stretch_at(shown.data, shown.time)
    words = [group_words(shown.data, shown.state.row)]
    if chosen is not None:
        window = stretches[0].begin, stretches[-1].end
        words.append(stretch_words(stretches[chosen], date=dated(window)))
    return " · ".join(words)


def chart_height(height: int) -> int:
    """Return how many lines a chart has of the pane."""
    return max(0, height - HEAD - 1)


def _head(data: TargetsData, state: TargetsState, key: ChartKey | None, canvas: Canvas) -> list[Row]:
    caps, width = canvas.caps, canvas.width
    words = state_words(data, state, key)
    return [
        fit_parts(" " + words, width, caps=caps, style=dim(caps)),
        fit_parts(" " + run_words(data), width, caps=caps, style=strong(caps)),
    ][: canvas.height]


def _reading(words: str, canvas: Canvas) -> Row:
    return fit_parts(" " + words, canvas.width, caps=canvas.caps, style=strong(canvas.caps))


# Over time


def _lanes(shown: Shown, at: Places, canvas: Canvas) -> list[Row]:
    """Return attainment and goodput of each stretch of time, what is under the cursor, and the axis."""
    caps, width = canvas.caps, canvas.width
    stretches = shown.data.slo.stretches
    window = stretches[0].begin, stretches[-1].end
    cursor = None if shown.time is None else column_of(shown.time, window, at.plot)
    chosen = stretch_at(shown.data, shown.time)
    words = "" if chosen is None else stretch_words(stretches[chosen], date=dated(window))
    shares = [one.attained.share for one in stretches]
    rates = [one.attained.goodput for one in stretches]
    most = max((rate for rate in rates if rate == rate), default=0.0)
    rows = [fit_parts(" " + words, width, caps=caps, style=accent(caps))]
    for label, values, high, figure in (
        (_("met"), shares, 1.0, "100 %"),
        (_("goodput"), rates, most, _("max {value} req/s").format(value=number(most))),
    ):
        marks = Marks(cursor, heat=[0.0] * at.plot)
        drawn = lane(
            _spread(values, shown.data, at.plot),
            Scale(0.0, high if high > 0 else 1.0),
            caps,
            height=at.lane_height,
            marks=marks,
        )
        for line, bars in enumerate(drawn):
            last = line == at.lane_height - 1
            name = fit(f" {label}" if last else "", LABEL, caps=caps)
            side = fit(figure if line == 0 else "", _FIGURE, align="right", caps=caps, style=dim(caps))
            rows.append(row(name, bars, side, width=width))
    axis = time_axis(instant(window[0]), instant(window[1]), at.plot, caps)
    return [*rows, row(" " * LABEL, axis, width=width), blank(width)]


def _spread(values: Sequence[float], data: TargetsData, columns: int) -> list[float]:
    """Return the values of the stretches as so many columns."""
    stretches = data.slo.stretches
    begin, end = stretches[0].begin, stretches[-1].end
    width = stretches[0].end - begin
    return [
        values[
            min((begin + (end - begin) * (2 * column + 1) // (2 * columns) - begin) // width, len(values) - 1)
        ]
        for column in range(columns)
    ]


def stretch_at(data: TargetsData, time: int | None) -> int | None:
    """Return which stretch holds an instant, None outside of the run."""
    found = (
        place
        for place, one in enumerate(data.slo.stretches)
        if time is not None and one.begin <= time < one.end
    )
    return next(found, None)


# By group


def _layout(data: TargetsData, width: int) -> Layout:
    names = max(cell_len(_label(group)) for group in data.rows)
    bar = min(_BAR, max(0, width - 80))
    columns = [
        Column(_("requests"), max(names, 12), "left"),
        Column(_("met"), 8),
        *([Column("", bar, "left", 1)] if bar else []),
        Column(_("95 % interval"), 13, "right", 1),
        Column(_("goodput"), 13, "right", 2),
        Column(_("met of judged"), 17, "right", 3),
        Column(_("unknown"), 9, "right", 4),
    ]
    return fitting(columns, width)


def _label(group: Group | None) -> str:
    return " " + (_("all") if group is None else f"{kind_words(group.kind)} {group.name}")


def _cells(data: TargetsData, place: int, layout: Layout, caps: Capabilities) -> list[Cell]:
    group = data.rows[place]
    found = data.slo.run if group is None else group.attained
    share, *others = counts(found)
    style = None
    # All of the run may lie above it only by chance.
    if group is not None and found.judged and found.interval[1] < data.slo.run.share:
        style = severity(caps, "warning")
    cells: list[Cell] = [_label(group), Segment(share, style)]
    if len(layout.of) > 6:
        filled = "" if not found.judged else _bar(found.share, layout.of[2].width, caps)
        cells.append(Segment(filled, style or dim(caps)))
    return [*cells, *others]


def _bar(share: float, width: int, caps: Capabilities) -> str:
    eighths = glyphs(caps).eighths
    full, rest = divmod(round(share * width * len(eighths)), len(eighths))
    return eighths[-1] * full + (eighths[rest - 1] if rest else "")
