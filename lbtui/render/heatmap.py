"""Matrices as maps: what each cell shows, and its colour."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, TypeAlias

from rich.color import Color
from rich.segment import Segment
from rich.style import Style

from lbtui.render import palette
from lbtui.render.canvas import Canvas, Scale
from lbtui.render.capabilities import Capabilities, Row
from lbtui.render.glyphs import glyphs
from lbtui.render.heatmap_view import View, halves, place_of, span
from lbtui.render.lanes import runs
from lbtui.render.text import blank, row

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Matrix: TypeAlias = NDArray[np.float64]

# Codes of cells beside the levels 0, 1, 2 …; muted levels count on from _MUTED, levels of
# difference from _DIFFERENCE.
_OUTSIDE, _MISSING, _CURSOR, _MUTED, _DIFFERENCE = -3, -2, -1, 100, 1000


def reduce_max(values: Matrix, rows: int, columns: int) -> Matrix:
    """Return the largest of every `rows` × `columns` block, cut short at the ends; NaN where all are."""
    import numpy as np

    if 0 in values.shape:
        return values[::rows, ::columns]
    down = np.fmax.reduceat(values, np.arange(0, values.shape[0], rows), axis=0)
    across: Matrix = np.fmax.reduceat(down, np.arange(0, values.shape[1], columns), axis=1)
    return across


def reduce_extreme(values: Matrix, rows: int, columns: int) -> Matrix:
    """Return what is furthest from 0, sign kept, of every `rows` × `columns` block; NaN where all are."""
    import numpy as np

    most, least = reduce_max(values, rows, columns), -reduce_max(-values, rows, columns)
    return np.where(most >= -least, most, least)


@dataclass(frozen=True)
class Groups:
    """What is special in a matrix's columns.

    `boundaries` are those where a group (a rank) begins: a hairline at the left of cells that stay readable
    under it. Columns outside the half-open range `lit` turn grey. So do cells of nothing but columns
    `aside`, and others do not count what these hold.
    """

    boundaries: Sequence[int] = ()
    lit: tuple[int, int] | None = None
    aside: frozenset[int] = frozenset()


_NO_GROUPS = Groups()


def heatmap(
    values: Matrix,
    view: View,
    canvas: Canvas,
    scale: Scale,
    *,
    cursor: tuple[int, int] | None = None,
    groups: Groups = _NO_GROUPS,
) -> list[Row]:
    """Return the view of a matrix as rows that fill the canvas.

    Each cell is the largest of what it covers, of a difference what is furthest from 0; no data is a tick,
    or a gap beside data in a half block. `cursor` is a (layer, column).
    """
    width, caps, difference = canvas.width, canvas.caps, scale.kind == "difference"
    rows, columns = span(view, canvas)
    seen = values[view.top : view.top + rows, view.left : view.left + columns]
    aside = cells_aside(view, seen.shape[1], groups.aside)
    part = (reduce_extreme if difference else reduce_max)(
        without_aside(seen, view, groups.aside, aside), view.rows_per_cell, view.columns_per_cell
    )
    blocks = halves(caps) == 2
    if difference:
        codes = _difference_codes(part, scale.high, caps)
    else:
        codes = _codes(part, scale, palette.heat_levels(caps) if blocks else len(glyphs(caps).shades))
    if groups.lit is not None or aside:
        _mute(codes, view, groups.lit, aside)
    if cursor is not None and blocks:
        x, y, half = place_of(view, *cursor, caps)
        line, cell = y * 2 + half, x // view.cell_width
        if 0 <= line < len(codes) and 0 <= cell < len(codes[0]):
            codes[line][cell] = _CURSOR
    edges = {(first - view.left) // view.columns_per_cell for first in groups.boundaries if first > view.left}
    draw = _draw_blocks if blocks else _draw_ramp
    drawn = [row(line, width=width) for line in draw(codes, view.cell_width, edges, caps)]
    if cursor is not None and not blocks:
        _reverse(drawn, place_of(view, *cursor, caps), view.cell_width, width, caps)
    drawn.extend(blank(width) for _line in range(canvas.height - len(drawn)))
    return drawn


def _codes(part: Matrix, scale: Scale, levels: int) -> list[list[int]]:
    import numpy as np

    low, high = scale.low, scale.high
    if high > low:
        clipped = np.clip(part, low, high)
        scaled = (clipped / 2 - low / 2) / (high / 2 - low / 2)
    else:
        scaled = np.where(np.isnan(part), np.nan, np.where(part > low, 1.0, 0.0))
    codes = np.full(part.shape, _MISSING)
    known = ~np.isnan(scaled)
    codes[known] = np.clip((scaled[known] * levels).astype(int), 0, levels - 1)
    listed: list[list[int]] = codes.tolist()
    return listed


def _difference_codes(part: Matrix, reach: float, caps: Capabilities) -> list[list[int]]:
    import numpy as np

    # ASCII has five signs, however many colours there are.
    levels = palette.difference_levels(caps) if halves(caps) == 2 else len(glyphs(caps).signed)
    codes = np.full(part.shape, _MISSING)
    known = ~np.isnan(part)
    places = (np.clip(part[known] / reach, -1, 1) + 1) / 2 * (levels - 1) if reach > 0 else levels // 2
    codes[known] = _DIFFERENCE + np.rint(places).astype(int)
    listed: list[list[int]] = codes.tolist()
    return listed


def cells_aside(view: View, columns: int, aside: frozenset[int]) -> frozenset[int]:
    """Return which of the cells over `columns` of the view cover nothing but columns `aside`."""
    if not aside:
        return frozenset()
    each, left = view.columns_per_cell, view.left
    ends = [(left + at, left + min(at + each, columns)) for at in range(0, columns, each)]
    return frozenset(cell for cell, (first, last) in enumerate(ends) if aside.issuperset(range(first, last)))


def without_aside(seen: Matrix, view: View, aside: frozenset[int], cells: frozenset[int]) -> Matrix:
    """Return the values in view without the columns `aside`, but for those in `cells` of nothing else."""
    each = view.columns_per_cell
    mixed = [
        column - view.left
        for column in aside
        if 0 <= column - view.left < seen.shape[1] and (column - view.left) // each not in cells
    ]
    if not mixed:
        return seen
    kept: Matrix = seen.copy()
    kept[:, mixed] = math.nan
    return kept


def _mute(codes: list[list[int]], view: View, lit: tuple[int, int] | None, aside: frozenset[int]) -> None:
    for line in codes:
        for cell, code in enumerate(line):
            first = view.left + cell * view.columns_per_cell
            is_lit = lit is None or (first < lit[1] and first + view.columns_per_cell > lit[0])
            if code >= 0 and (cell in aside or not is_lit):
                line[cell] = code + _MUTED


def _draw_blocks(codes: list[list[int]], cell: int, edges: set[int], caps: Capabilities) -> list[Row]:
    """Draw two rows of codes a line.

    Equal halves are a space on their colour: one byte instead of three, and the place for a hairline, whose
    ink all such cells carry so that it does not end their run.
    """
    separator = glyphs(caps).separator
    nothing = [_OUTSIDE] * len(codes[0]) if codes else []
    rows = []
    for index in range(0, len(codes), 2):
        lower = codes[index + 1] if index + 1 < len(codes) else nothing
        text: list[str] = []
        styles: list[Style] = []
        for column, (top, bottom) in enumerate(zip(codes[index], lower, strict=True)):
            glyph, style = _block(top, bottom, caps)
            text.append(glyph * cell)
            if glyph == " " and column in edges:
                text[-1] = separator + glyph * (cell - 1)
            styles.append(style)
        rows.append(runs(text, styles))
    return rows


@lru_cache(maxsize=4096)
def _block(top: int, bottom: int, caps: Capabilities) -> tuple[str, Style]:
    upper, lower = _color(top, caps), _color(bottom, caps)
    grey = palette.dim(caps).color
    if upper is None and lower is None:
        return glyphs(caps).missing, palette.dim(caps)
    if upper is None:
        return "▄", Style(color=lower)
    if top == bottom:
        return " ", Style(color=grey, bgcolor=upper)
    return "▀", Style(color=upper, bgcolor=lower)


def _color(code: int, caps: Capabilities) -> Color | None:
    if code == _CURSOR:
        return palette.accent(caps).color
    if code < 0:
        return None
    if code >= _DIFFERENCE:
        # What is muted is left out of the comparison: as if nothing had changed.
        muted = code % _DIFFERENCE >= _MUTED
        return palette.difference_color(
            caps, palette.difference_levels(caps) // 2 if muted else code % _MUTED
        )
    return palette.level_color(caps, code % _MUTED, muted=code >= _MUTED)


def _draw_ramp(codes: list[list[int]], cell: int, edges: set[int], caps: Capabilities) -> list[Row]:
    """Draw one row of codes a line; hairlines stand in blank cells, so they hide nothing."""
    separator = glyphs(caps).column
    rows = []
    for line in codes:
        text: list[str] = []
        styles: list[Style] = []
        for column, code in enumerate(line):
            glyph, style = _shade(code, caps)
            text.append(glyph * cell)
            if glyph == " " and column in edges:
                text[-1] = separator + glyph * (cell - 1)
            styles.append(style)
        rows.append(runs(text, styles))
    return rows


@lru_cache(maxsize=1024)
def _shade(code: int, caps: Capabilities) -> tuple[str, Style]:
    ramp = glyphs(caps).shades
    level = code % _MUTED
    if code >= _DIFFERENCE:
        signs = glyphs(caps).signed
        if code % _DIFFERENCE >= _MUTED:
            return " ", palette.dim(caps)
        return signs[level], palette.difference_style(caps, level / (len(signs) // 2) - 1)
    if code < 0 or level == 0:
        return glyphs(caps).missing if code < 0 else " ", palette.dim(caps)
    if code >= _MUTED:
        return ramp[level], palette.dim(caps)
    return ramp[level], palette.heat_style(caps, level / (len(ramp) - 1))


def _reverse(rows: list[Row], place: tuple[int, int, int], cell: int, width: int, caps: Capabilities) -> None:
    x, y, _half = place
    if not (0 <= y < len(rows) and 0 <= x < width):
        return
    before, at, after = Segment.divide(rows[y], [x, min(x + cell, width), width])
    text = "".join(segment.text for segment in at)
    if caps.unicode:
        # A shade reversed is another shade.
        text = glyphs(caps).times * len(text)
    rows[y] = [*before, Segment(text, palette.cursor(caps)), *after]
