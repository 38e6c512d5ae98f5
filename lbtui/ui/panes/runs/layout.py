"""Which column and which line of the table of runs stands where, in every size."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

from rich.cells import cell_len

from lbtui.render.table import Column, Layout, first_visible
from lbtui.text import visible
from lbtui.ui.panes.runs.columns import NAME, SHAPE, START, VERDICT, WORST, RunColumn
from lbtui.ui.panes.runs.data import RunsData, engine_words
from lbtui.ui.panes.runs.state import Kept, column_of, columns, row_of, rows

GUTTER = 4  # cells before the names: the cursor, whether it is the baseline, whether it is marked
_WIDE = 120
_SORT_MARK = 1


@dataclass(frozen=True)
class Lines:
    """Which line each part of the table begins on; None for what this size has no room for.

    `course` is the line over the runs of the column under the cursor, `courses` that of all columns.
    """

    course: int | None
    header: int
    courses: int | None
    rows: int  # the first
    count: int  # of lines for rows
    reading: int | None
    reading_count: int


@lru_cache(maxsize=8)
def lines(width: int, height: int) -> Lines:
    """Return where everything stands in this size: the table always, the rest as there is room."""
    reading = 1 if height < 10 else 3 if height < 17 else 6 if height < 36 else 7
    reading = min(reading, max(0, height - 3))
    wide = width >= _WIDE
    course = 1 if not wide and height >= 12 else None
    header = 1 if course is None else 2
    courses = header + 1 if wide and height >= 12 else None
    first = header + 1 if courses is None else courses + 1
    return Lines(
        course=course,
        header=header,
        courses=courses,
        rows=first,
        count=max(0, height - first - reading),
        reading=height - reading if reading else None,
        reading_count=reading,
    )


@lru_cache(maxsize=8)
def _widths(data: RunsData, shown: tuple[RunColumn, ...], width: int) -> tuple[Column, ...]:
    """Return the columns as they are drawn: texts get the room that they need, within reason."""
    most = {NAME: 18 if width < _WIDE else 24 if width < 200 else 36, SHAPE: 28, WORST: 22}
    found = []
    for column in shown:
        cells = column.width
        if column.name in most:
            cells = max(cells, min(most[column.name], _longest(data, column.name)))
        cells = max(cells, cell_len(column.title) + _SORT_MARK)
        text = column.kind == "text" or column.name in (START, VERDICT, WORST)
        found.append(Column(column.title, cells, "left" if text else "right"))
    return tuple(found)


@lru_cache(maxsize=8)
def _longest(data: RunsData, name: str) -> int:
    found = 0
    for known in data.known:
        if name == NAME:
            text = visible(known.run.name)
        elif name == SHAPE:
            text = engine_words(known.run)
        else:
            summary = known.run.summary
            text = "" if summary is None or summary.worst is None else f"!! {summary.worst.id}"
        found = max(found, cell_len(text))
    return found


def layout(data: RunsData, state: Kept, width: int) -> Layout:
    """Return which columns stand where: the name, then from the first in view as many as have room."""
    of = _widths(data, columns(data, state), width)
    if not of:
        return Layout((), (), width)
    # Where all fit with it, the gap is wide.
    all_cells = GUTTER + sum(column.width for column in of)
    gap = 2 if all_cells + 2 * (len(of) - 1) <= width else 1
    placed = [(0, GUTTER, max(0, min(of[0].width, width - GUTTER)))]
    x = GUTTER + of[0].width + gap
    for place in range(max(1, state.left), len(of)):
        wanted = of[place].width
        if len(placed) > 1 and x + wanted > width:
            break
        if x >= width:
            break
        placed.append((place, x, max(0, min(wanted, width - x))))
        x += wanted + gap
    return Layout(of, tuple(placed), width)


def in_view(data: RunsData, state: Kept, width: int, height: int) -> Kept:
    """Return the state with the cursor in view, what is in view being moved least."""
    first = first_visible(
        row_of(data, state), state.first, lines(width, height).count, len(rows(data, state))
    )
    column, count = column_of(data, state), len(columns(data, state))
    left = max(1, min(state.left, count - 1))
    if column:
        left = min(left, column)
    state = replace(state, first=first, left=left)
    while column and left < column and column not in _whole(data, state, width):
        left += 1
        state = replace(state, left=left)
    # Where columns went or the screen grew, no room stays empty that one before has.
    while left > 1 and count - 1 in _whole(data, replace(state, left=left - 1), width):
        left -= 1
        state = replace(state, left=left)
    return state


def _whole(data: RunsData, state: Kept, width: int) -> list[int]:
    """Return the columns that stand whole; the first beside the name counts for whole."""
    at = layout(data, state, width)
    return [
        place
        for number, (place, _x, cells) in enumerate(at.columns)
        if number == 1 or cells == at.of[place].width
    ]


def row_at(data: RunsData, state: Kept, size: tuple[int, int], y: int) -> int | None:
    """Return the row that is drawn in line `y`; -1 of the header, None where there is none."""
    at = lines(*size)
    if y in (at.header, at.courses):
        return -1
    row = state.first + y - at.rows
    return row if at.rows <= y < at.rows + at.count and row < len(rows(data, state)) else None
