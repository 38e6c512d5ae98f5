"""The Requests pane as rows: queue states over time, percentiles, the table and a distribution."""

from __future__ import annotations

from lbtui.render.canvas import Canvas
from lbtui.render.capabilities import Capabilities, Row
from lbtui.render.palette import dim, strong
from lbtui.render.table import first_visible, table
from lbtui.render.text import blank, fit, row
from lbtui.text import _
from lbtui.ui.kit.selection import Selection
from lbtui.ui.panes.requests.columns import COLUMNS, NAMES
from lbtui.ui.panes.requests.data import RequestsData, RequestsState, window_of
from lbtui.ui.panes.requests.distribution import folded_rows, panel_rows, summary_row
from lbtui.ui.panes.requests.lanes import axis_row, lane_rows, life_row, pointer_row
from lbtui.ui.panes.requests.layout import GAP, Places, places
from lbtui.ui.panes.requests.words import Request, reading_line, speculation_words, state_line


def draw(
    data: RequestsData,
    state: RequestsState,
    selection: Selection,
    canvas: Canvas,
) -> list[Row]:
    """Return the pane: rows that fill the canvas exactly."""
    width, height, caps = canvas.width, canvas.height, canvas.caps
    at = places(data, state, width, height)
    request = request_at(data, state, state.cursor)
    lines = [blank(width) for _line in range(height)]

    def put(first: int | None, rows: list[Row]) -> None:
        if first is not None:
            lines[first : first + len(rows)] = rows

    put(0, [fit(" " + state_line(data, state, selection, at.plot), width, caps=caps, style=dim(caps))])
    window = window_of(data, selection)
    if data.no_queues is None:
        put(at.pointer, [pointer_row(selection, window, at, width, caps)])
        put(at.lanes, lane_rows(data, state, selection, window, at, canvas))
    else:
        put(at.lanes, [fit(" " + data.no_queues, width, caps=caps)])
    put(at.life, [life_row(request, window, at, width, caps)])
    put(at.axis, [axis_row(window, at, width, caps)])
    if data.no_requests is not None:
        put(at.header, [fit(" " + data.no_requests, width, caps=caps)])
        return lines[:height]
    put(at.summary, [summary_row(data, state, width, caps)])
    if at.folded is not None:
        put(at.folded, folded_rows(state, request, width, at.folded_height, caps))
    put(at.header, _table_and_panel(data, state, request, at, width, caps))
    if at.reading is not None:
        put(at.reading, [_reading(data, state, request, at, width, caps)])
    return lines[:height]


def request_at(data: RequestsData, state: RequestsState, place: int) -> Request | None:
    """Return the request at a place of the arrangement, None beyond its end."""
    rows = state.arranged.rows
    return data.table.row(int(rows[place]), named=True) if 0 <= place < len(rows) else None


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
        cells,
        at.layout,
        height=at.rows + 1,
        caps=caps,
        cursor=state.cursor - first,
        sort=(NAMES.index(arranged.arrangement.sort), arranged.arrangement.descending),
    )
    if not total and at.rows:
        drawn[1] = fit(" " + _("No request matches."), at.layout.width, caps=caps)
    if not at.panel:
        return [row(line, width=width) for line in drawn]
    panel = panel_rows(state, request, at, caps)
    return [row(line, " " * GAP, beside, width=width) for line, beside in zip(drawn, panel, strict=True)]


def _reading(
    data: RequestsData,
    state: RequestsState,
    request: Request | None,
    at: Places,
    width: int,
    caps: Capabilities,
) -> Row:
    if request is None:
        text = _("No request matches; Escape takes the filter off.")
    else:
        shown = [NAMES[place] for place, _x, _width in at.layout.columns]
        text = reading_line(request, state.cursor, len(state.arranged.rows), shown)
        # Folded, the panel's own words stand here.
        if not at.panel and (words := speculation_words(state)):
            text += " · " + words
        if data.doubtful:
            text += _(" · ?: {doubt}").format(doubt=data.doubt)
    return fit(" " + text, width, caps=caps, style=strong(caps))
