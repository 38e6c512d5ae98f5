"""A what-if by replay as rows: the answer, policies or shapes, the one under the cursor, the self-test."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.segment import Segment
from rich.style import Style

from lbtui.render.canvas import Canvas
from lbtui.render.capabilities import Row
from lbtui.render.intervals import interval_bar
from lbtui.render.palette import dim, severity, strong
from lbtui.render.table import Layout, first_visible, fitting, table
from lbtui.render.text import blank, fit, fit_parts, row, wrapped
from lbtui.text import _, in_sentences
from lbtui.ui.kit.rows import told_rows
from lbtui.ui.panes.replay.sheet import Block, Sheet, reach

_LEAST_BAR, _USUAL_BAR, _MOST_BAR = 11, 17, 41
_GAP = 4  # cells between two tables side by side
_READING = 3  # lines that tell what is under the cursor, where its table has no room
_ROOMY = 26  # lines from which blanks part what is shown
# Title, heads and so many rows of policies or shapes, or half of the room, come before what is below them.
_LEAST_ROWS = 8


@dataclass(frozen=True)
class Placed:
    """Where the table stands: its first line of rows, the first row that is shown, and how many are."""

    line: int
    first: int
    rows: int


def draw(sheet: Sheet, canvas: Canvas) -> list[Row]:
    """Return the pane as rows that fill the canvas."""
    return _drawn(sheet, canvas)[0]


def placed(sheet: Sheet, canvas: Canvas) -> Placed:
    """Return where the rows of the table stand."""
    return _drawn(sheet, canvas)[1]


def _drawn(sheet: Sheet, canvas: Canvas) -> tuple[list[Row], Placed]:
    width, height = canvas.width, canvas.height
    head = _head(sheet, canvas)
    gap = [blank(width)] if height >= _ROOMY else []
    head += gap
    left = max(0, height - len(head))
    wanted = sheet.table.height
    least = min(wanted, max(_LEAST_ROWS + 2, left // 2))
    below = _below(sheet, canvas.sized(height=max(0, left - least)))
    lines = max(0, min(wanted, left - len(below)))
    below += _assumed(sheet, canvas.sized(height=left - lines - len(below)))
    shown = max(0, lines - 2)
    first = first_visible(sheet.cursor, max(0, sheet.cursor - shown // 2), max(1, shown), len(sheet.names))
    at = Placed(len(head) + 2, first, shown)
    rows = [*head, *_list(sheet, canvas.sized(height=lines), at), *below]
    rows += [blank(width)] * (height - len(rows))
    return [row(line, width=width) for line in rows[:height]], at


def _head(sheet: Sheet, canvas: Canvas) -> list[Row]:
    caps, width = canvas.caps, canvas.width
    rows = [fit_parts(f" {sheet.title}", width, caps=caps, style=dim(caps))]
    if not sheet.sentences:
        return rows
    first, *others = sheet.sentences
    said = strong(caps) if sheet.advises else severity(caps, "warning")
    rows += _paragraph(first, canvas, said)
    return rows + _paragraph(in_sentences(*others), canvas) if others else rows


def _paragraph(text: str, canvas: Canvas, style: Style | None = None) -> list[Row]:
    width = canvas.width
    lines = wrapped(text, max(1, width - 2), canvas.caps, style)
    return [row(" ", line, width=width) for line in lines]


def _list(sheet: Sheet, canvas: Canvas, at: Placed) -> list[Row]:
    """Return the table with a bar a row at its right where there is room for one."""
    block, width = sheet.table, canvas.width
    if canvas.height < 2:
        return []
    layout = _layout(block, width)
    rows = _rows(block, layout, at, sheet.cursor, canvas)
    room = min(_MOST_BAR, width - layout.width - 4)
    room -= 1 - room % 2
    if room < _LEAST_BAR or not any(sheet.bars):
        return rows
    most, drawn = reach(sheet.bars), []
    for place, line in enumerate(rows):
        number = at.first + place - 2
        bar = sheet.bars[number] if 0 <= number < len(sheet.bars) and place > 1 else None
        side: Row = []
        if place == 1:
            side = fit(_("no difference"), room, caps=canvas.caps, align="center", style=dim(canvas.caps))
        elif bar is not None and number < at.first + at.rows:
            side = interval_bar(bar[0], reach=most, width=room, caps=canvas.caps, style=bar[1])
        drawn.append(row(row(line, width=layout.width + 1), "  ", side, width=width))
    return drawn


def _layout(block: Block, width: int) -> Layout:
    """Return where the columns stand: closer to each other where that leaves a bar its room."""
    keep = (0, *block.keep)
    alone = fitting(block.columns, width - 2, keep=keep)
    beside = fitting(block.columns, max(1, width - _USUAL_BAR - 4), keep=keep)
    return beside if len(beside.columns) == len(alone.columns) else alone


def _rows(block: Block, layout: Layout, at: Placed, cursor: int | None, canvas: Canvas) -> list[Row]:
    caps, width = canvas.caps, canvas.width
    sort = block.sort if block.sort and any(p == block.sort[0] for p, _x, _w in layout.columns) else None
    lines = table(
        block.rows[at.first : at.first + at.rows],
        layout,
        height=max(0, canvas.height - 1),
        caps=caps,
        cursor=None if cursor is None else cursor - at.first,
        sort=sort,
    )
    title = fit(f" {block.title}", width, caps=caps, style=strong(caps))
    return [title, *(row(" ", line, width=width) for line in lines)][: canvas.height]


def _whole(block: Block, canvas: Canvas) -> list[Row]:
    """Return a block with all its rows, in as much of the width as it takes."""
    layout = fitting(block.columns, max(1, canvas.width - 1), keep=(0, 1, 2, len(block.columns) - 1))
    at = Placed(0, 0, len(block.rows))
    return _rows(block, layout, at, None, canvas.sized(height=block.height))


def _below(sheet: Sheet, canvas: Canvas) -> list[Row]:
    """Return what stands under the table, as much as fits: tables, or each in a few lines."""
    width, height = canvas.width, canvas.height
    gap = [blank(width)] if height >= _ROOMY // 2 and sheet.table.height else []
    chosen, test = sheet.chosen, sheet.test
    told = _told(sheet, canvas)
    rows: list[Row] = []
    beside = chosen.height and test.height and chosen.width + test.least + _GAP <= width - 2
    if beside and len(gap) + max(chosen.height, test.height) <= height:
        rows = [*gap, *_side_by_side(chosen, test, canvas)]
    elif 2 * len(gap) + chosen.height + test.height <= height:
        rows = [*_apart(chosen, gap, canvas), *_apart(test, gap, canvas)]
    elif chosen.height and chosen.height + test.height <= height:
        rows = [*_apart(chosen, [], canvas), *_apart(test, [], canvas)]
    elif chosen.height and len(gap) + chosen.height + len(told[1]) <= height:
        rows = [*_apart(chosen, gap, canvas), *told[1]]
    elif test.height and not chosen.height and len(gap) + test.height <= height:
        rows = _apart(test, gap, canvas)
    else:
        rows = [*told[0], *told[1]][:height]
    return rows


def _assumed(sheet: Sheet, canvas: Canvas) -> list[Row]:
    """Return as many sentences of what is assumed as fit."""
    rows = [blank(canvas.width)]
    for text in sheet.assumed:
        more = _paragraph(text, canvas, dim(canvas.caps))
        if len(rows) + len(more) > canvas.height:
            break
        rows += more
    return rows if len(rows) > 1 else []


def _side_by_side(left: Block, right: Block, canvas: Canvas) -> list[Row]:
    width = canvas.width
    # Gaps widen to three cells where there is room.
    first = min(left.width + 2 * len(left.columns), max(left.width + 1, width - right.width - _GAP - 1))
    one, other = _whole(left, canvas.sized(first)), _whole(right, canvas.sized(width - first - _GAP))
    lines = max(len(one), len(other))
    one += [blank(first)] * (lines - len(one))
    other += [blank(1)] * (lines - len(other))
    return [row(a, " " * _GAP, b, width=width) for a, b in zip(one, other, strict=True)]


def _apart(block: Block, gap: Sequence[Row], canvas: Canvas) -> list[Row]:
    return [*gap, *_whole(block, canvas)] if block.height else []


def _told(sheet: Sheet, canvas: Canvas) -> tuple[list[Row], list[Row]]:
    """Return what is under the cursor in a few lines, and the self-test in as many as it takes."""
    reading: list[Row] = []
    if sheet.reading:
        head, *parts = sheet.reading
        reading = told_rows(head, parts, canvas.sized(height=_READING))
    said = sheet.tested if sheet.advises else ""
    return reading, _paragraph(said, canvas) if said else []


def page_parts(sheet: Sheet) -> list[tuple[str, list[list[str]] | str]]:
    """Return all that is known, for a page: tables with their titles, then what is assumed."""
    parts: list[tuple[str, list[list[str]] | str]] = []
    for block in (sheet.chosen, sheet.test):
        if block.rows:
            cells = [[column.title for column in block.columns]]
            cells += [
                [cell.text if isinstance(cell, Segment) else cell for cell in line] for line in block.rows
            ]
            parts.append((block.title, cells))
    parts += [("", sheet.tested)] if sheet.tested else []
    return parts + [(_("Assumed") if place == 0 else "", text) for place, text in enumerate(sheet.assumed)]
