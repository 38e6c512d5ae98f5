"""The Requests pane as rows: queue states over time, percentiles, the table and a distribution."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from rich.segment import Segment

from lbtui.analysis.queue_states import STATES, StateWindow, state_window
from lbtui.render.axis import time_axis, time_pointer
from lbtui.render.capabilities import Capabilities, Row
from lbtui.render.glyphs import glyphs, shades
from lbtui.render.lanes import histogram, lane, runs
from lbtui.render.palette import accent, dim, selected, strong
from lbtui.render.table import Layout, first_visible, fitting, table
from lbtui.render.text import blank, fit, number, quantity, row, wrapped
from lbtui.text import _
from lbtui.ui.panes.requests_columns import BY_NAME, COLUMNS, NAMES, table_columns
from lbtui.ui.panes.requests_data import BINS, RequestsData, RequestsState, domain_shown, window_of
from lbtui.ui.panes.requests_time import Window, column_of, instant, micros
from lbtui.ui.panes.requests_words import Request, reading_line, speculation_words, state_line, summary
from lbtui.ui.selection import Selection

_LABEL = 10  # cells before a lane
_FIGURES = 21  # cells after it: now, mean, max
_WIDE = 120
_NARROWEST_PLOT = 20
_GAP = 3  # between table and panel
_PANEL = BINS  # least width of the panel: one cell per bin
_FACT = 24  # cells of a fact's name in the panel, half as many where it is narrow
_WORDS = 19  # cells beside the folded distribution
_BARS = 7  # lines of the panel's bars


@dataclass(frozen=True)
class Places:
    """Which line each part of the pane begins on; None for parts that this size has no room for."""

    lane_height: int
    plot: int  # columns of the lanes
    figures: int  # cells for the figures beside them
    pointer: int | None
    lanes: int | None
    life: int | None
    axis: int | None
    summary: int | None
    folded: int | None
    folded_height: int
    header: int
    rows: int  # lines of the table below its header
    reading: int | None
    layout: Layout
    panel: int  # width of the panel at the right

    def lane_column(self, x: int, y: int) -> int | None:
        """Return the column of the lanes at a cell, None beside them."""
        if self.lanes is None or self.pointer is None:
            return None
        over = self.pointer <= y < self.lanes + len(STATES) * self.lane_height
        return x - _LABEL if over and 0 <= x - _LABEL < self.plot else None


def places(data: RequestsData, state: RequestsState, width: int, height: int) -> Places:
    """Return where everything stands in this size: the table always, the rest as there is room."""
    figures = _FIGURES if width >= _LABEL + _NARROWEST_PLOT + _FIGURES else 0
    plot = max(0, width - _LABEL - figures)
    lanes = plot > 0 and height >= 14
    lane_height = 1 if height < 34 else 2 if height < 60 else 3
    keep = [NAMES.index(state.arranged.arrangement.sort)]
    columns = table_columns(data.longest_id)
    wide = width >= _WIDE
    layout = fitting(columns, width - _GAP - _PANEL if wide else width, keep=keep)
    line = 1
    taken: dict[str, int] = {}

    def take(part: str, lines: int, wanted: bool) -> None:
        nonlocal line
        if wanted:
            taken[part] = line
            line += lines

    take("pointer", 1, lanes and data.no_queues is None)
    take("lanes", len(STATES) * lane_height if data.no_queues is None else 1, lanes)
    take("life", 1, lanes and height >= 16)
    take("axis", 2 if height >= 26 else 1, lanes)
    take("summary", 1, height >= 8)
    folded_height = 3 if height < 40 else 5
    take("folded", folded_height, not wide and height >= 19 and data.no_requests is None)
    header = min(line, max(1, height - 1))
    rows = max(0, height - header - 2)
    return Places(
        lane_height=lane_height,
        plot=plot,
        figures=figures,
        pointer=taken.get("pointer"),
        lanes=taken.get("lanes"),
        life=taken.get("life"),
        axis=taken.get("axis"),
        summary=taken.get("summary"),
        folded=taken.get("folded"),
        folded_height=folded_height,
        header=header,
        rows=rows,
        reading=height - 1 if height >= 4 else None,
        layout=layout,
        panel=width - layout.width - _GAP if wide else 0,
    )


def draw(
    data: RequestsData,
    state: RequestsState,
    selection: Selection,
    width: int,
    height: int,
    caps: Capabilities,
) -> list[Row]:
    """Return the pane: exactly `height` rows of `width` cells."""
    at = places(data, state, width, height)
    request = request_at(data, state, state.cursor)
    lines = [blank(width) for _line in range(height)]

    def put(first: int | None, rows: list[Row]) -> None:
        if first is not None:
            lines[first : first + len(rows)] = rows

    put(0, [fit(" " + state_line(data, state, selection, at.plot), width, caps=caps, style=dim(caps))])
    window = window_of(data, selection)
    if data.no_queues is None:
        put(at.pointer, [_pointer(selection, window, at, width, caps)])
        put(at.lanes, _lanes(data, state, selection, window, at, width, caps))
    else:
        put(at.lanes, [fit(" " + data.no_queues, width, caps=caps)])
    put(at.life, [_life(request, window, at, width, caps)])
    put(at.axis, [_axis(window, at, width, caps)])
    if data.no_requests is not None:
        put(at.header, [fit(" " + data.no_requests, width, caps=caps)])
        return lines[:height]
    put(at.summary, [_summary(data, state, width, caps)])
    if at.folded is not None:
        put(at.folded, _folded(state, request, width, at.folded_height, caps))
    put(at.header, _table_and_panel(data, state, request, at, width, caps))
    if at.reading is not None:
        put(at.reading, [_reading(state, request, at, width, caps)])
    return lines[:height]


def request_at(data: RequestsData, state: RequestsState, place: int) -> Request | None:
    """Return the request at a place of the arrangement, None beyond its end."""
    rows = state.arranged.rows
    return data.table.row(int(rows[place]), named=True) if 0 <= place < len(rows) else None


# Queue states


def _pointer(selection: Selection, window: Window, at: Places, width: int, caps: Capabilities) -> Row:
    heads = [
        segment
        for name in (_("now"), _("mean"), _("max"))[: at.figures // 7]
        for segment in fit(name, 7, align="right", caps=caps, style=dim(caps))
    ]
    if selection.time is None:
        pointer = row(width=at.plot)
    else:
        column = column_of(selection.time, window, at.plot)
        decimals = 3 if window[1] - window[0] < 60_000_000 else 1
        pointer = time_pointer(instant(selection.time), column, at.plot, caps, decimals=decimals)
    return row(" " * _LABEL, pointer, heads, width=width)


def _lanes(
    data: RequestsData,
    state: RequestsState,
    selection: Selection,
    window: Window,
    at: Places,
    width: int,
    caps: Capabilities,
) -> list[Row]:
    domain = domain_shown(state, selection)
    shown = _window_of_states(data, domain, window, at.plot)
    cursor = None if selection.time is None else column_of(selection.time, window, at.plot)
    rows = []
    for index, name in enumerate(STATES):
        high = float(shown.peaks[index])
        drawn = lane(
            shown.highs[index].tolist(),
            low=0.0,
            high=high if high > 0 else 1.0,
            height=at.lane_height,
            caps=caps,
            cursor=cursor,
        )
        now = float("nan")
        if selection.time is not None and domain in data.lanes:
            now = data.lanes[domain][index].at(selection.time)
        figures = [now, float(shown.means[index]), high][: at.figures // 7]
        for line, bars in enumerate(drawn):
            last = line == at.lane_height - 1
            label = fit(" " + _label(name) if last else "", _LABEL, caps=caps)
            numbers = row(
                *(_figure(value, place, selection, caps) for place, value in enumerate(figures)),
                width=at.figures,
            )
            rows.append(row(label, bars, numbers if last else "", width=width))
    return rows


def _label(state: str) -> str:
    return {"waiting": _("waiting"), "running": _("running"), "swapped": _("swapped")}[state]


def _figure(value: float, place: int, selection: Selection, caps: Capabilities) -> Row:
    if place == 0 and selection.time is None:
        return blank(7)
    style = accent(caps) if place == 0 else None
    return fit(number(value, 6), 7, align="right", caps=caps, style=style)


@lru_cache(maxsize=8)
def _window_of_states(data: RequestsData, domain: str | None, window: Window, columns: int) -> StateWindow:
    """Return the lanes as drawn; kept, as most repaints only move a cursor."""
    return state_window(data.lanes.get(domain, ()), *window, columns)


def _life(request: Request | None, window: Window, at: Places, width: int, caps: Capabilities) -> Row:
    label = fit(" " + _("request"), _LABEL, caps=caps, style=accent(caps))
    waited, decoded = shades(caps)[1], shades(caps)[-1]
    legend = _("{waited} TTFT {decoded} decode").format(waited=waited, decoded=decoded) if at.figures else ""
    tail = fit("  " + legend, at.figures, caps=caps, style=dim(caps))
    if request is None or request["arrival"] is None:
        return row(label, " " * at.plot, tail, width=width)
    arrival = micros(request["arrival"])
    first = _later(arrival, request["ttft"])
    end = max(first, _later(arrival, request["duration"]))
    begin_column, first_column, end_column = (
        column_of(time, window, at.plot) for time in (arrival, first, end)
    )
    if end_column < 0 or begin_column >= at.plot:
        body = (
            fit(glyphs(caps).left + " " + _("before this window"), at.plot, caps=caps, style=dim(caps))
            if end_column < 0
            else fit(
                _("after this window") + " " + glyphs(caps).right,
                at.plot,
                caps=caps,
                align="right",
                style=dim(caps),
            )
        )
        return row(label, body, tail, width=width)
    text = [
        " " if not begin_column <= column <= end_column else waited if column < first_column else decoded
        for column in range(at.plot)
    ]
    return row(label, runs(text, [accent(caps)] * at.plot), tail, width=width)


def _later(time: int, milliseconds: float | None) -> int:
    return time if milliseconds is None else time + round(milliseconds * 1000)


def _axis(window: Window, at: Places, width: int, caps: Capabilities) -> Row:
    axis = time_axis(instant(window[0]), instant(window[1]), at.plot, caps)
    return row(" " * _LABEL, axis, width=width)


# Figures and distribution


def _summary(data: RequestsData, state: RequestsState, width: int, caps: Capabilities) -> Row:
    column = BY_NAME[state.arranged.arrangement.measure]
    parts: Row = [*fit(" " + column.measure, len(column.measure) + 1, caps=caps, style=strong(caps))]
    for name, value in summary(state, width - 1):
        parts += [Segment(f"  {name} ", dim(caps)), *fit(value, len(value), caps=caps)]
    if data.disaggregated and column.name == "queue_wait":
        parts += fit("  " + _("P and D queues together"), width, caps=caps, style=dim(caps))
    return row(parts, width=width)


def _bars(
    state: RequestsState, request: Request | None, width: int, height: int, caps: Capabilities
) -> list[Row]:
    column = BY_NAME[state.arranged.arrangement.measure]
    found = state.arranged.distribution
    return histogram(
        found.counts.tolist(),
        [column.scaled(float(edge)) for edge in found.edges],
        width=width,
        height=height,
        caps=caps,
        unit=column.unit,
        cursor=_bin(state, request),
    )


def _folded(
    state: RequestsState, request: Request | None, width: int, height: int, caps: Capabilities
) -> list[Row]:
    """Return the distribution above the table, its words at the right where there is room."""
    each = (width - 1 - _WORDS) // BINS
    if each < 1:
        return [row(" ", bars, width=width) for bars in _bars(state, request, width - 1, height, caps)]
    scale, where, count = bin_words(state, request)
    words = [(where, accent(caps)), (count, accent(caps)), (scale, dim(caps))]
    beside = [blank(_WORDS)] * (height - len(words)) + [
        fit("  " + text, _WORDS, caps=caps, style=style) for text, style in words
    ]
    bars = _bars(state, request, each * BINS, height, caps)
    return [row(" ", left, right, width=width) for left, right in zip(bars, beside, strict=True)]


def _panel(state: RequestsState, request: Request | None, at: Places, caps: Capabilities) -> list[Row]:
    """Return the distribution and the request under the cursor, beside the table."""
    column = BY_NAME[state.arranged.arrangement.measure]
    width, height = at.panel, at.rows + 1
    scale, where, count = bin_words(state, request)
    bars = min(_BARS, max(1, height - 4))
    rows = [
        row(
            fit(column.title, len(column.title), caps=caps, style=strong(caps)),
            fit(f" · {scale}", width, caps=caps, style=dim(caps)),
            width=width,
        ),
        *_bars(state, request, width, bars + 1, caps),
        fit(f"{where}: {count}", width, caps=caps, style=accent(caps)),
        blank(width),
    ]
    if request is not None:
        rows.append(fit(str(request["request_id"] or ""), width, caps=caps, style=selected(caps)))
        for fact in COLUMNS[1:]:
            value = request[fact.name]
            short = width < 2 * _FACT
            label = fit(fact.title if short else fact.words, _FACT // 2 if short else _FACT, caps=caps)
            text = fact.cell(value) if short else fact.spoken(value)
            rows.append(row(Segment.apply_style(label, dim(caps)), fit(text, width, caps=caps), width=width))
    if words := speculation_words(state):
        said = wrapped(words, max(1, width - 2), caps, None)
        rows += [blank(width), *(row(" ", line, width=width) for line in said)]
    rows += [blank(width)] * (height - len(rows))
    return rows[:height]


def _bin(state: RequestsState, request: Request | None) -> int | None:
    value = None if request is None else request[state.arranged.arrangement.measure]
    return None if value is None else state.arranged.distribution.bin_of(float(value))


def bin_words(state: RequestsState, request: Request | None) -> tuple[str, str, str]:
    """Return the scale, and the bin that holds the request under the cursor: its range and its count."""
    column = BY_NAME[state.arranged.arrangement.measure]
    found = state.arranged.distribution
    scale = _("logarithmic") if found.logarithmic else _("linear")
    place = _bin(state, request)
    if place is None:
        return scale, _("here unknown"), "–"
    low, high = (column.scaled(float(edge)) for edge in found.edges[place : place + 2])
    return (
        scale,
        f"{number(low)}–{quantity(high, column.unit)}",
        _("{count} of {total}").format(
            count=f"{int(found.counts[place]):,}", total=f"{int(found.counts.sum()):,}"
        ),
    )


# Table


def _table_and_panel(
    data: RequestsData,
    state: RequestsState,
    request: Request | None,
    at: Places,
    width: int,
    caps: Capabilities,
) -> list[Row]:
    arranged = state.arranged
    total = len(arranged.rows)
    first = first_visible(state.cursor, state.first, at.rows, total)
    seen = data.table[arranged.rows[first : first + at.rows]].select(NAMES)
    cells = [
        [column.cell(value) for column, value in zip(COLUMNS, values, strict=True)]
        for values in seen.iter_rows()
    ]
    drawn = table(
        table_columns(data.longest_id),
        cells,
        layout=at.layout,
        height=at.rows + 1,
        caps=caps,
        cursor=state.cursor - first,
        sort=(NAMES.index(arranged.arrangement.sort), arranged.arrangement.descending),
    )
    if not total and at.rows:
        drawn[1] = fit(" " + _("No request matches."), at.layout.width, caps=caps)
    if not at.panel:
        return [row(line, width=width) for line in drawn]
    panel = _panel(state, request, at, caps)
    return [row(line, " " * _GAP, beside, width=width) for line, beside in zip(drawn, panel, strict=True)]


def _reading(
    state: RequestsState, request: Request | None, at: Places, width: int, caps: Capabilities
) -> Row:
    if request is None:
        text = _("No request matches; Escape takes the filter off.")
    else:
        shown = [NAMES[place] for place, _x, _width in at.layout.columns]
        text = reading_line(request, state.cursor, len(state.arranged.rows), shown)
        # Folded, the panel's own words stand here.
        if not at.panel and (words := speculation_words(state)):
            text += " · " + words
    return fit(" " + text, width, caps=caps, style=strong(caps))
