"""What stands around a map: ruler, gutter, legend, and where the view lies in the whole."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style

from lbtui.render import palette
from lbtui.render.canvas import Scale
from lbtui.render.capabilities import Capabilities, Row
from lbtui.render.glyphs import glyphs
from lbtui.render.heatmap_view import View, cell_at, halves, place_of
from lbtui.render.lanes import runs
from lbtui.render.text import fit, number, printable, row


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
    scale: Scale,
    *,
    width: int,
    caps: Capabilities,
    unit: str = "",
    text: Callable[[float], str] = number,
) -> Row:
    """Return the scale: its colours or glyphs between the numbers of its ends.

    `unit` follows the higher number at once: a blank between them is its own.
    """
    symbols, difference, clipped = glyphs(caps), scale.kind == "difference", scale.clipped
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
    end = f"{'≥ ' if clipped else ''}{'+' if difference else ''}{text(scale.high)}{unit}"
    return row(
        printable(f"{'≤ ' if difference and clipped else ''}{text(scale.low)} ", caps),
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
