"""The Requests pane as rows: queue states over time, percentiles, the table and a distribution."""

from __future__ import annotations

from lbtui.render.canvas import Canvas
from lbtui.render.capabilities import Capabilities, Row
from lbtui.render.palette import dim, strong
from lbtui.render.table import table
from lbtui.render.text import blank, fit, fit_parts, row, wrapped
from lbtui.text import _
from lbtui.ui.panes.requests.distribution import folded_rows, panel_rows, summary_row
from lbtui.ui.panes.requests.lanes import axis_row, lane_rows, life_row, pointer_row, queue_words
from lbtui.ui.panes.requests.layout import GAP, Shown
from lbtui.ui.panes.requests.parts import parts_row
from lbtui.ui.panes.requests.words import nothing_matches, reading_line, speculation_words, state_line


def draw(shown: Shown, canvas: Canvas) -> list[Row]:
    """Return the pane: rows that fill the canvas exactly."""
    width, height, caps = canvas.width, canvas.height, canvas.caps
    data, at = shown.data, shown.at
    lines = [blank(width) for _line in range(height)]

    def put(first: int | None, rows: list[Row]) -> None:
        if first is not None:
            lines[first : first + len(rows)] = rows

    put(0, [fit_parts(" " + state_line(shown), width, caps=caps, style=dim(caps))])
    if data.no_queues is None:
        put(at.pointer, [pointer_row(shown, width, caps)])
        put(at.lanes, lane_rows(shown, canvas))
    else:
        put(at.lanes, [fit(" " + data.no_queues, width, caps=caps)])
    put(at.life, [life_row(shown, width, caps)])
    put(at.axis, [axis_row(shown, width, caps)])
    if data.no_requests is not None:
        why = wrapped(data.no_requests, max(1, width - 1), caps, None)
        put(at.header, [row(" ", line, width=width) for line in why])
        return lines[:height]
    put(at.summary, [summary_row(data, shown.state, width, caps)])
    if at.folded is not None:
        put(at.folded, folded_rows(shown, width, caps))
    put(at.header, _table_and_panel(shown, width, caps))
    if at.parts is not None:
        put(at.parts, [parts_row(data.told, shown.row, canvas)])
    if at.reading is not None:
        put(at.reading, [_reading(shown, width, caps)])
    return lines[:height]


def copied_text(shown: Shown) -> str:
    """Return what is under the cursor, for the clipboard: the id of a request, alone.

    Of a request without an id it is what is known of it, without requests the queues at the instant.
    """
    request = shown.request
    if request is None:
        return queue_words(shown)
    if request["request_id"]:
        return str(request["request_id"])
    return reading_line(request, shown.state.cursor, len(shown.state.arranged.rows), ())


def _table_and_panel(shown: Shown, width: int, caps: Capabilities) -> list[Row]:
    data, state, at = shown.data, shown.state, shown.at
    arranged, first = state.arranged, shown.first
    total = len(arranged.rows)
    seen = data.table[arranged.rows[first : first + at.rows]].select(data.sortable)
    # Where requests ran is not known before it is asked for.
    cells = [
        [column.cell(values[column.name]) if column.name in values else "…" for column in data.columns]
        for values in seen.iter_rows(named=True)
    ]
    names = [column.name for column in data.columns]
    drawn = table(
        cells,
        at.layout,
        height=at.rows + 1,
        caps=caps,
        cursor=state.cursor - first,
        sort=(names.index(arranged.arrangement.sort), arranged.arrangement.descending),
    )
    if not total and at.rows:
        drawn[1] = fit(" " + nothing_matches(data, arranged.arrangement), at.layout.width, caps=caps)
    if not at.panel:
        return [row(line, width=width) for line in drawn]
    panel = panel_rows(shown, caps)
    return [row(line, " " * GAP, beside, width=width) for line, beside in zip(drawn, panel, strict=True)]


def _reading(shown: Shown, width: int, caps: Capabilities) -> Row:
    data, state, at, request = shown.data, shown.state, shown.at, shown.request
    if request is None:
        text = _("No request matches; Escape takes the filter off.")
    else:
        seen = [data.columns[place].name for place, _x, _width in at.layout.columns]
        text = reading_line(request, state.cursor, len(state.arranged.rows), seen)
        # Folded, the panel's own words stand here.
        if not at.panel and (words := speculation_words(state)):
            text += " · " + words
        if data.doubtful:
            text += _(" · ?: {doubt}").format(doubt=data.doubt)
    # A doubt is cut rather than left out.
    return (fit if data.doubtful else fit_parts)(" " + text, width, caps=caps, style=strong(caps))
