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
from lbtui.ui.kit.rows import joined, missing_rows
from lbtui.ui.kit.sides import side_chip
from lbtui.ui.panes.pd import difference as pd_difference
from lbtui.ui.panes.pd.lanes import lane_rows
from lbtui.ui.panes.pd.layout import Shown
from lbtui.ui.panes.pd.table import TableDrawing
from lbtui.ui.panes.pd.transfers import transfer_reading, transfer_rows
from lbtui.ui.panes.pd.words import panel_rows, reading, reading_rows, state_row


def draw(shown: Shown, chart: Sequence[Row] | None, canvas: Canvas) -> list[Row]:
    """Return the pane's rows, filling the canvas. `chart` is the line chart, None while it is drawn."""
    width, height = canvas.width, canvas.height
    if shown.data.side == "difference":
        drawn = pd_difference.rows(shown, None if chart is None else list(chart), canvas)
        return (drawn + [blank(width)] * height)[:height]
    there = shown.data.table is not None
    rows = _with_nodes(shown, chart, canvas) if there else _without_nodes(shown, canvas)
    rows = [row(cells, width=width) for cells in rows[:height]]
    return rows + [blank(width)] * (height - len(rows))


def copied_text(shown: Shown) -> str:
    """Return what is under the cursor in one line, for the clipboard: a cell and its node, or a hand-off."""
    data = shown.data
    if data.side == "difference":
        return " · ".join(pd_difference.reading(shown))
    if data.table is None or shown.state.transfers:
        return " · ".join(transfer_reading(data, shown.state))
    return " · ".join(part for line in reading(shown) for part in line)


def _without_nodes(shown: Shown, canvas: Canvas) -> list[Row]:
    """Return hand-offs, and why there is no table."""
    data, placed = shown.data, shown.at
    width, height, caps = canvas.width, canvas.height, canvas.caps
    if not (data.stages or data.pulls):
        name = fit(_(" P/D"), width, caps=caps, style=palette.strong(caps))
        title = row(side_chip(data.side, caps), name, width=width)
        return [title, blank(width), *missing_rows(data.missing, width, caps)]
    rows = [state_row(shown, width, caps)]
    rows += transfer_rows(data, placed.state, placed.transfer_lines, canvas)
    rows += [blank(width), *missing_rows(data.missing, width, caps)]
    reading = [joined(transfer_reading(data, placed.state), width, caps)][: placed.reading]
    rows = rows[: max(0, height - len(reading))]
    return [*rows, *[blank(width)] * (height - len(reading) - len(rows)), *reading]


def _with_nodes(shown: Shown, chart: Sequence[Row] | None, canvas: Canvas) -> list[Row]:
    width, height, caps = canvas.width, canvas.height, canvas.caps
    data, placed, state = shown.data, shown.at, shown.state
    rows = [state_row(shown, width, caps)]
    if placed.chart:
        waiting = [fit(_(" drawing …"), width, caps=caps, style=palette.dim(caps))]
        drawn = list(waiting if chart is None else chart)[: placed.chart]
        rows += drawn + [blank(width)] * (placed.chart - len(drawn))
    elif placed.lanes:
        rows += lane_rows(shown, placed.lanes, canvas)
    if placed.grid:
        lower = TableDrawing(shown, placed.grid, caps).rows(placed.grid.width)
        if placed.panel:
            panel = panel_rows(shown, len(lower), caps)
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
    reading = _reading(shown, width, caps)
    rows = rows[: max(0, height - len(reading))]
    return [*rows, *[blank(width)] * (height - len(reading) - len(rows)), *reading]


def _reading(shown: Shown, width: int, caps: Capabilities) -> list[Row]:
    placed = shown.at
    if shown.state.transfers and placed.transfer_lines:
        lines = transfer_reading(shown.data, shown.state)
        first = joined(lines[:1], width, caps)
        return [first, joined(lines[1:], width, caps)][: placed.reading]
    return reading_rows(shown, width, caps)
