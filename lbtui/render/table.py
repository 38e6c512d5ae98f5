"""A table's visible rows: headers, alignment, widths, cursor row and sort mark.

Takes only the cells of the rows that are seen, so that its cost does not depend on how long the table is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from rich.segment import Segment

from lbtui.render.capabilities import Capabilities, Row
from lbtui.render.glyphs import glyphs
from lbtui.render.palette import cursor as cursor_style
from lbtui.render.palette import dim, strong
from lbtui.render.text import blank, fit, row

# A cell is text from anywhere, or text with a style of its own.
Cell: TypeAlias = str | Segment

_WIDEST_GAP = 3


@dataclass(frozen=True)
class Column:
    """One column. `width` holds its title, the sort mark and its longest cell; longer cells are cut."""

    title: str
    width: int
    align: Literal["left", "right"] = "right"
    priority: int = 0  # where room is short, columns of the highest number are left out first


@dataclass(frozen=True)
class Layout:
    """Where each column stands: `(place, x, width)` from left to right, `place` being its number in `of`."""

    of: tuple[Column, ...]
    columns: tuple[tuple[int, int, int], ...]
    width: int  # of the whole table

    def column_at(self, x: int) -> int | None:
        """Return the number of the column at a cell, None beside all columns."""
        return next((place for place, start, width in self.columns if start <= x < start + width), None)


def fitting(columns: Sequence[Column], room: int, *, keep: Sequence[int] = ()) -> Layout:
    """Return which columns fit into `room` cells, and where.

    Those in `keep` are left out last. What room is left widens the gaps, up to three cells.
    """
    shown = list(range(len(columns)))

    def used(gap: int) -> int:
        return sum(columns[place].width for place in shown) + gap * (len(shown) - 1)

    while len(shown) > 1 and used(1) > room:
        shown.remove(max(shown, key=lambda place: (place not in keep, columns[place].priority, place)))
    gap = next((gap for gap in range(_WIDEST_GAP, 1, -1) if used(gap) <= room), 1)
    placed = []
    x = 0
    for place in shown:
        width = max(0, min(columns[place].width, room - x))
        placed.append((place, x, width))
        x += width + gap
    return Layout(tuple(columns), tuple(placed), max(0, min(x - gap, room)))


def first_visible(cursor: int, first: int, height: int, total: int) -> int:
    """Return the first row to show of `total` in `height` lines so that `cursor` is seen, moving least."""
    first = max(min(first, cursor), cursor - height + 1)
    return max(0, min(first, total - height))


def table(
    cells: Sequence[Sequence[Cell]],
    layout: Layout,
    *,
    height: int,
    caps: Capabilities,
    cursor: int | None = None,
    sort: tuple[int, bool] | None = None,
) -> list[Row]:
    """Return `height` rows of `layout.width` cells: the header, then the visible rows.

    `cells` holds one entry per column for each visible row, `cursor` is the place of the cursor's row among
    them, `sort` the column sorted by and whether it descends.
    """
    if height < 1:
        return []
    rows = [_header(layout, sort, caps)]
    for place, values in enumerate(cells[: height - 1]):
        rows.append(_line(values, layout, caps, lit=place == cursor))
    return rows + [blank(layout.width)] * (height - len(rows))


def _header(layout: Layout, sort: tuple[int, bool] | None, caps: Capabilities) -> Row:
    parts: Row = []
    x = 0
    for place, start, width in layout.columns:
        column = layout.of[place]
        title, style = column.title, dim(caps)
        if sort is not None and sort[0] == place:
            title += glyphs(caps).down if sort[1] else glyphs(caps).up
            style = strong(caps)
        parts += [Segment(" " * (start - x)), *fit(title, width, align=column.align, caps=caps, style=style)]
        x = start + width
    return row(parts, width=layout.width)


def _line(values: Sequence[Cell], layout: Layout, caps: Capabilities, *, lit: bool) -> Row:
    over = cursor_style(caps) if lit else None
    parts: Row = []
    x = 0
    for place, start, width in layout.columns:
        value = values[place]
        text, style = (value.text, value.style) if isinstance(value, Segment) else (value, None)
        parts.append(Segment(" " * (start - x), over))
        parts += fit(text, width, align=layout.of[place].align, caps=caps, style=over or style)
        x = start + width
    return row(parts, width=layout.width)
