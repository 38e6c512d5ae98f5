"""The SQL pane as rows, and what a key changes of it: pure functions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import polars as pl
from rich.segment import Segment

from lbtui.render.canvas import Canvas
from lbtui.render.capabilities import Row
from lbtui.render.palette import cursor, dim, selected, severity, strong
from lbtui.render.table import Cell, Layout, first_visible, table
from lbtui.render.text import blank, fit, fit_parts, printable, row, wrapped
from lbtui.text import _, plural, visible
from lbtui.ui.panes.sql.data import SqlData

_GAP = 2
_ABOVE = 3  # lines above the rows: what it is, the query, the header


@dataclass(frozen=True)
class SqlState:
    """Where the cursor is, what is in view, the order: a column, whether it goes down, with its rows."""

    row: int = 0
    column: int = 0
    first: int = 0  # row in view
    left: int = 0  # column in view
    order: tuple[int, bool] | None = None
    rows: pl.Series | None = None
    busy: bool = False  # whether another order is still to come


def moved(data: SqlData, state: SqlState, down: int, right: int) -> SqlState:
    """Move the cursor, as far as there are rows and columns."""
    return replace(
        state,
        row=max(0, min(state.row + down, data.frame.height - 1)),
        column=max(0, min(state.column + right, data.frame.width - 1)),
    )


def next_order(state: SqlState) -> tuple[int, bool]:
    """Return the order by the column under the cursor: upwards, and downwards when asked for again."""
    return state.column, state.order == (state.column, False)


def ordered(state: SqlState, order: tuple[int, bool], rows: pl.Series) -> SqlState:
    """Show the rows in an order, from the first on."""
    return replace(state, order=order, rows=rows, row=0, first=0, busy=False)


def row_at(state: SqlState, place: int) -> int:
    """Return the number of the row that stands at a place."""
    return place if state.rows is None else int(state.rows[place])


def layout(data: SqlData, left: int, width: int) -> Layout:
    """Return which columns stand where, from one on: as many as have room, at least one."""
    placed: list[tuple[int, int, int]] = []
    x = 1
    for place in range(left, data.frame.width):
        wanted = data.columns[place].width
        if placed and x + wanted > width:
            break
        placed.append((place, x, max(0, min(wanted, width - x))))
        x += wanted + _GAP
    return Layout(data.columns, tuple(placed), width)


def in_view(data: SqlData, state: SqlState, width: int, height: int) -> SqlState:
    """Return the state with the cursor in view, what is in view being moved least."""
    first = first_visible(state.row, state.first, _rows(height), data.frame.height)
    left = min(state.left, state.column)
    while left < state.column and state.column not in _whole(data, left, width):
        left += 1
    return replace(state, first=first, left=left)


def _whole(data: SqlData, left: int, width: int) -> list[int]:
    """Return the columns that stand whole, from one on; the first counts for whole."""
    return [place for place, _x, _width in layout(data, left, width).columns]


def _rows(height: int) -> int:
    return max(0, height - _ABOVE - 1)


def place_at(data: SqlData, state: SqlState, width: int, height: int, y: int) -> int | None:
    """Return the place of the row that is drawn in line `y`; -1 of the header, None where there is none."""
    if y == _ABOVE - 1:
        return -1
    place = in_view(data, state, width, height).first + y - _ABOVE
    return place if _ABOVE <= y < height - 1 and place < data.frame.height else None


def draw(data: SqlData, state: SqlState, canvas: Canvas) -> list[Row]:
    """Return rows that fill the canvas exactly."""
    width, height, caps = canvas.width, canvas.height, canvas.caps
    query = fit(" " + " ".join(data.query.split()), width, caps=caps, style=strong(caps))
    if data.why:
        why = wrapped(data.why, max(1, width - 1), caps, severity(caps, "critical"))
        lines = [query, blank(width), *(row(" ", line, width=width) for line in why)]
        return [*lines, *([blank(width)] * (height - len(lines)))][:height]
    state = in_view(data, state, width, height)
    at = layout(data, state.left, width)
    seen = slice(state.first, state.first + _rows(height))
    cells: list[Sequence[Cell]] = [*data.cells(seen if state.rows is None else state.rows[seen])]
    here = state.row - state.first
    if 0 <= here < len(cells):
        inks = [
            cursor(caps) if place == state.column else selected(caps) for place in range(data.frame.width)
        ]
        cells[here] = [
            Segment(printable(str(cell), caps), ink) for cell, ink in zip(cells[here], inks, strict=True)
        ]
    drawn = table(
        cells,
        at,
        height=_rows(height) + 1,
        caps=caps,
        sort=state.order,
    )
    if not data.frame.height and _rows(height):
        drawn[1] = fit(" " + _("No row."), width, caps=caps)
    said = fit_parts(" " + state_words(data, state, at), width, caps=caps, style=dim(caps))
    reading = fit_parts(" " + reading_words(data, state), width, caps=caps, style=strong(caps))
    return [said, query, *drawn, reading][:height]


def state_words(data: SqlData, state: SqlState, at: Layout) -> str:
    """Return what is shown: how many rows and columns, which of these, in which order."""
    parts = [
        plural("1 row", "{count} rows", data.frame.height),
        plural("1 column", "{count} columns", data.frame.width),
    ]
    if len(at.columns) < data.frame.width:
        parts.append(
            _("{first} to {last} in view").format(first=at.columns[0][0] + 1, last=at.columns[-1][0] + 1)
        )
    if state.busy:
        parts.append(_("sorting …"))
    elif state.order is not None:
        words = _("by {column}, downwards") if state.order[1] else _("by {column}, upwards")
        parts.append(words.format(column=data.names[state.order[0]]))
    if data.notes:
        parts.append(plural("1 note (i)", "{count} notes (i)", len(data.notes)))
    return " · ".join(parts)


def reading_words(data: SqlData, state: SqlState) -> str:
    """Return the row under the cursor: the value under it first, whole; then the others."""
    if not data.frame.height or not data.frame.width:
        return data.notes[0] if data.notes else _("no row")
    values = data.values(row_at(state, state.row))
    place = _("row {place} of {total}").format(place=f"{state.row + 1:,}", total=f"{data.frame.height:,}")
    order = [state.column, *(at for at in range(len(values)) if at != state.column)]
    return " · ".join([place, *(f"{data.names[at]}: {values[at] or '–'}" for at in order)])


def cell_words(data: SqlData, state: SqlState) -> str:
    """Return the value under the cursor, whole and alone."""
    if not data.frame.height or not data.frame.width:
        return ""
    return data.values(row_at(state, state.row))[state.column]


def page_words(data: SqlData, state: SqlState) -> str:
    """Return all there is: the query, what is to be minded, and the row under the cursor whole."""
    lines = [visible(data.query.strip(), 1 << 16), ""]
    lines += [*data.notes, *([""] * bool(data.notes))]
    if data.frame.height and data.frame.width:
        room = max(map(len, data.names))
        values = data.values(row_at(state, state.row))
        lines += [f"{name:<{room}}  {value or '–'}" for name, value in zip(data.names, values, strict=True)]
    return "\n".join(lines)
