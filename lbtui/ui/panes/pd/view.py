"""The P/D pane as rows: joins analysis and drawing, knows no Textual."""

from __future__ import annotations

from collections.abc import Sequence

from rich.segment import Segment

from lbtui.render import palette
from lbtui.render.canvas import Canvas
from lbtui.render.capabilities import Capabilities, Row
from lbtui.render.glyphs import glyphs
from lbtui.render.text import blank, fit, row
from lbtui.text import _
from lbtui.ui.kit.rows import joined
from lbtui.ui.kit.selection import Selection
from lbtui.ui.kit.sides import side_chip
from lbtui.ui.panes.pd import difference as pd_difference
from lbtui.ui.panes.pd.lanes import lane_rows
from lbtui.ui.panes.pd.layout import Layout, layout
from lbtui.ui.panes.pd.state import PdData, PdState, lit_bins
from lbtui.ui.panes.pd.table import TableDrawing
from lbtui.ui.panes.pd.transfers import transfer_reading, transfer_rows
from lbtui.ui.panes.pd.words import missing_rows, panel_rows, reading_rows, state_row


def draw(
    data: PdData,
    state: PdState,
    selection: Selection,
    chart: Sequence[Row] | None,
    canvas: Canvas,
) -> list[Row]:
    """Return the pane's rows, filling the canvas. `chart` is the line chart, None while it is drawn."""
    width, height = canvas.width, canvas.height
    placed = layout(data, state, width, height)
    if data.side == "difference":
        lit = None if data.table is None else lit_bins(data.table, selection)
        drawn = pd_difference.rows(data, placed, lit, None if chart is None else list(chart), canvas)
        return (drawn + [blank(width)] * height)[:height]
    rows = _without_nodes(data, placed, canvas)
    if rows is None:
        rows = _with_nodes(data, placed, selection, chart, canvas)
    rows = [row(cells, width=width) for cells in rows[:height]]
    return rows + [blank(width)] * (height - len(rows))


def _without_nodes(data: PdData, placed: Layout, canvas: Canvas) -> list[Row] | None:
    """Return hand-offs, and why there is no table; None if there is one."""
    width, height, caps = canvas.width, canvas.height, canvas.caps
    if data.table is not None:
        return None
    if not (data.stages or data.pulls):
        name = fit(_(" P/D"), width, caps=caps, style=palette.strong(caps))
        title = row(side_chip(data.side, caps), name, width=width)
        return [title, blank(width), *missing_rows(data.missing, width, caps)]
    rows = [state_row(data, placed, Selection(), width, caps)]
    rows += transfer_rows(data, placed.state, placed.transfer_lines, canvas)
    rows += [blank(width), *missing_rows(data.missing, width, caps)]
    reading = [joined(transfer_reading(data, placed.state), width, caps)][: placed.reading]
    rows = rows[: max(0, height - len(reading))]
    return [*rows, *[blank(width)] * (height - len(reading) - len(rows)), *reading]


def _with_nodes(
    data: PdData,
    placed: Layout,
    selection: Selection,
    chart: Sequence[Row] | None,
    canvas: Canvas,
) -> list[Row]:
    width, height, caps = canvas.width, canvas.height, canvas.caps
    table, state = data.table, placed.state
    assert table is not None
    lit = lit_bins(table, selection)
    rows = [state_row(data, placed, selection, width, caps)]
    if placed.chart:
        waiting = [fit(_(" drawing …"), width, caps=caps, style=palette.dim(caps))]
        drawn = list(waiting if chart is None else chart)[: placed.chart]
        rows += drawn + [blank(width)] * (placed.chart - len(drawn))
    elif placed.lanes:
        rows += lane_rows(table, state, placed.lanes, lit, canvas)
    if placed.grid:
        lower = TableDrawing(table, state, placed.grid, lit, caps).rows(placed.grid.width)
        if placed.panel:
            panel = panel_rows(table, state, lit, placed.panel, len(lower), caps)
            panel += [blank(placed.panel)] * (len(lower) - len(panel))
            line = Segment(f"{glyphs(caps).column} ", palette.dim(caps))
            lower = [
                row(cells, line, details, width=width) for cells, details in zip(lower, panel, strict=True)
            ]
        rows += lower
    elif placed.transfer_lines:
        rows += transfer_rows(data, state, placed.transfer_lines, canvas)
    elif state.transfers:
        rows += missing_rows(data.missing, width, caps)
    reading = _reading(data, placed, lit, width, caps)
    rows = rows[: max(0, height - len(reading))]
    return [*rows, *[blank(width)] * (height - len(reading) - len(rows)), *reading]


def _reading(
    data: PdData, placed: Layout, lit: tuple[int, int] | None, width: int, caps: Capabilities
) -> list[Row]:
    table, state = data.table, placed.state
    assert table is not None
    if state.transfers and placed.transfer_lines:
        lines = transfer_reading(data, state)
        first = joined(lines[:1], width, caps)
        return [first, joined(lines[1:], width, caps)][: placed.reading]
    return reading_rows(table, state, lit, placed.reading, width, caps)
