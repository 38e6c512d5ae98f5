"""Matrices as maps: where the view lies, what each cell covers, and the drawing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, TypeAlias

from rich.cells import cell_len
from rich.color import Color
from rich.segment import Segment
from rich.style import Style

from lbtui.render import palette
from lbtui.render.capabilities import Capabilities, Row
from lbtui.render.glyphs import glyphs
from lbtui.render.lanes import runs
from lbtui.render.text import blank, fit, number, printable, row

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Matrix: TypeAlias = NDArray[np.float64]

# Codes of cells beside the levels 0, 1, 2 …; muted levels count on from _MUTED, levels of
# difference from _DIFFERENCE.
_OUTSIDE, _MISSING, _CURSOR, _MUTED, _DIFFERENCE = -3, -2, -1, 100, 1000

_WIDEST_CELL = 8


@dataclass(frozen=True)
class View:
    """Which part of a matrix is drawn, and how coarsely.

    `top` and `left` are its first row (layer) and column; a cell covers `rows_per_cell` ×
    `columns_per_cell` of the matrix and is `cell_width` characters wide.
    """

    top: int = 0
    left: int = 0
    rows_per_cell: int = 1
    columns_per_cell: int = 1
    cell_width: int = 1


def halves(caps: Capabilities) -> int:
    """Return how many rows of cells share a line: two where half blocks in colour can be shown."""
    return 2 if caps.unicode and caps.colors != "none" else 1


def span(view: View, width: int, height: int, caps: Capabilities) -> tuple[int, int]:
    """Return how many rows and columns of the matrix a drawing of this size covers."""
    cells = max(0, width) // view.cell_width
    return max(0, height) * halves(caps) * view.rows_per_cell, cells * view.columns_per_cell


def fit_view(shape: tuple[int, int], width: int, height: int, caps: Capabilities) -> View:
    """Return the finest view in which the whole matrix can be seen; few columns become wide cells."""
    rows, columns = shape
    lines = max(1, height) * halves(caps)
    width = max(1, width)
    return View(
        rows_per_cell=max(1, -(-rows // lines)),
        columns_per_cell=max(1, -(-columns // width)),
        cell_width=max(1, min(_WIDEST_CELL, width // max(1, columns))),
    )


def follow(
    view: View, shape: tuple[int, int], layer: int, column: int, width: int, height: int, caps: Capabilities
) -> View:
    """Return the view moved as little as needed to show (layer, column), never beyond the matrix."""
    rows, columns = span(view, width, height, caps)
    return replace(
        view,
        top=_slide(view.top, layer, rows, shape[0], view.rows_per_cell),
        left=_slide(view.left, column, columns, shape[1], view.columns_per_cell),
    )


def _slide(start: int, wanted: int, seen: int, total: int, step: int) -> int:
    seen = max(seen, step)
    if wanted < start:
        start = wanted // step * step
    elif wanted >= start + seen:
        start = -(-(wanted + 1 - seen) // step) * step
    # The end of the view may pass the matrix by less than a cell, so that views keep to whole cells.
    return max(0, min(start, -(-max(0, total - seen) // step) * step))


def cell_at(view: View, x: int, y: int, caps: Capabilities, *, half: int = 0) -> tuple[int, int]:
    """Return the first (layer, column) that the cell at character `x`, line `y` covers.

    Where two cells share a line, `half` 0 is the upper.
    """
    return (
        view.top + (y * halves(caps) + half) * view.rows_per_cell,
        view.left + x // view.cell_width * view.columns_per_cell,
    )


def place_of(view: View, layer: int, column: int, caps: Capabilities) -> tuple[int, int, int]:
    """Return (x, y, half) of the cell showing (layer, column): first character, line, 0 upper or 1 lower.

    May be negative or beyond the drawing where the view does not show it.
    """
    line, half = divmod((layer - view.top) // view.rows_per_cell, halves(caps))
    return (column - view.left) // view.columns_per_cell * view.cell_width, line, half


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


def heatmap(
    values: Matrix,
    view: View,
    *,
    width: int,
    height: int,
    low: float,
    high: float,
    caps: Capabilities,
    cursor: tuple[int, int] | None = None,
    boundaries: Sequence[int] | None = None,
    lit_columns: tuple[int, int] | None = None,
    difference: bool = False,
) -> list[Row]:
    """Return the view of a matrix as `height` rows of `width` cells.

    Each cell is the largest of what it covers; no data is a tick, or a gap beside data in a half block.
    `cursor` is a (layer, column). `boundaries` are the columns where a group (a rank) begins: a hairline at
    the left of cells that stay readable under it. Columns outside the half-open `lit_columns` turn grey.
    A `difference` is drawn from `low` = −`high` in the diverging colours, each cell what is furthest from 0.
    """
    rows, columns = span(view, width, height, caps)
    part = (reduce_extreme if difference else reduce_max)(
        values[view.top : view.top + rows, view.left : view.left + columns],
        view.rows_per_cell,
        view.columns_per_cell,
    )
    blocks = halves(caps) == 2
    if difference:
        codes = _difference_codes(part, high, caps)
    else:
        codes = _codes(part, low, high, palette.heat_levels(caps) if blocks else len(glyphs(caps).shades))
    if lit_columns is not None:
        _mute(codes, view, lit_columns)
    if cursor is not None and blocks:
        x, y, half = place_of(view, *cursor, caps)
        line, cell = y * 2 + half, x // view.cell_width
        if 0 <= line < len(codes) and 0 <= cell < len(codes[0]):
            codes[line][cell] = _CURSOR
    edges = {(first - view.left) // view.columns_per_cell for first in boundaries or () if first > view.left}
    draw = _draw_blocks if blocks else _draw_ramp
    drawn = [row(line, width=width) for line in draw(codes, view.cell_width, edges, caps)]
    if cursor is not None and not blocks:
        _reverse(drawn, place_of(view, *cursor, caps), view.cell_width, width, caps)
    drawn.extend(blank(width) for _line in range(height - len(drawn)))
    return drawn


def _codes(part: Matrix, low: float, high: float, levels: int) -> list[list[int]]:
    import numpy as np

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


def _mute(codes: list[list[int]], view: View, lit: tuple[int, int]) -> None:
    for line in codes:
        for cell, code in enumerate(line):
            first = view.left + cell * view.columns_per_cell
            covers_lit = first < lit[1] and first + view.columns_per_cell > lit[0]
            if code >= 0 and not covers_lit:
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


def ruler(
    view: View,
    width: int,
    labels: Mapping[int, str],
    caps: Capabilities,
    *,
    cursor: int | None = None,
) -> Row:
    """Return the line above a map: each label over the matrix column it belongs to, as many as have room.

    `cursor` is the column under the cursor: a pointer in the accent.
    """
    cells: list[str] = []
    for first in sorted(labels):
        x = (first - view.left) // view.columns_per_cell * view.cell_width
        text = printable(labels[first], caps)
        used = sum(map(cell_len, cells))
        if x < 0 or x + cell_len(text) > width or (cells and x < used + 1):
            continue
        cells.extend([" " * (x - used), text])
    line = row(Segment("".join(cells), palette.dim(caps)), width=width)
    if cursor is None:
        return line
    x = (cursor - view.left) // view.columns_per_cell * view.cell_width
    if not 0 <= x < width:
        return line
    before, _at, after = Segment.divide(line, [x, x + 1, width])
    return row(before, Segment(glyphs(caps).down, palette.accent(caps)), after, width=width)


def gutter(
    view: View, rows: int, *, width: int, height: int, caps: Capabilities, cursor: int | None = None
) -> list[Row]:
    """Return the column beside a map: the first layer of each line, of `rows` in all.

    The line with layer `cursor` shows that layer in the accent.
    """
    drawn = []
    at = None if cursor is None else place_of(view, cursor, 0, caps)[1]
    for line in range(height):
        layer, _column = cell_at(view, 0, line, caps)
        if line == at:
            text, style = str(cursor), palette.accent(caps)
        else:
            text, style = str(layer) if layer < rows else "", palette.dim(caps)
        drawn.append(fit(text, width, align="right", caps=caps, style=style))
    return drawn


def legend(
    low: float,
    high: float,
    *,
    width: int,
    caps: Capabilities,
    unit: str = "",
    text: Callable[[float], str] = number,
    clipped: bool = False,
    difference: bool = False,
) -> Row:
    """Return the scale: its colours or glyphs between the numbers of its ends.

    `clipped` says that the hottest colour also stands for what lies above `high`. A `difference` runs from
    `low` = −`high` in the diverging colours.
    """
    symbols = glyphs(caps)
    if difference:
        swatch = _difference_swatch(caps)
    elif halves(caps) == 2:
        swatch = [
            Segment("█" * 2, Style(color=palette.level_color(caps, level)))
            for level in range(palette.heat_levels(caps))
        ]
    else:
        ramp = symbols.shades
        swatch = [
            Segment(glyph * 2, palette.heat_style(caps, index / (len(ramp) - 1)))
            for index, glyph in enumerate(ramp)
        ]
    grey = palette.dim(caps)
    end = f"{'≥ ' if clipped else ''}{'+' if difference else ''}{text(high)}{' ' if unit else ''}{unit}"
    return row(
        printable(f"{'≤ ' if difference and clipped else ''}{text(low)} ", caps),
        Segment(symbols.frame_left, grey),
        swatch,
        Segment(symbols.frame_right, grey),
        printable(f" {end}", caps),
        width=width,
    )


def _difference_swatch(caps: Capabilities) -> list[Segment]:
    if halves(caps) == 2:
        levels = range(palette.difference_levels(caps))
        return [Segment("█" * 2, Style(color=palette.difference_color(caps, level))) for level in levels]
    signs = glyphs(caps).signed
    middle = len(signs) // 2
    return [
        Segment(sign * 2, palette.difference_style(caps, level / middle - 1))
        for level, sign in enumerate(signs)
    ]


def minimap(
    shape: tuple[int, int],
    view: View,
    visible: tuple[int, int],
    *,
    width: int,
    height: int,
    caps: Capabilities,
) -> list[Row]:
    """Return where the view lies in the whole, `visible` being the rows and columns it covers (`span`)."""
    lines = _covered(shape[0], view.top, visible[0], height)
    columns = _covered(shape[1], view.left, visible[1], width)
    outside, inside = glyphs(caps).shades[1], glyphs(caps).shades[-1]
    rows = []
    for line in range(height):
        chosen = [line in lines and column in columns for column in range(width)]
        rows.append(
            runs(
                [inside if here else outside for here in chosen],
                [palette.accent(caps) if here else palette.dim(caps) for here in chosen],
            )
        )
    return rows


def _covered(total: int, start: int, seen: int, cells: int) -> range:
    """Return which of `cells` equal parts of `total` the stretch touches."""
    total = max(total, 1)
    end = min(start + max(seen, 1), total)
    return range(start * cells // total, -(-end * cells // total))
