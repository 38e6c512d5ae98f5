"""Where the view of a matrix lies, and what each of its cells covers."""

from __future__ import annotations

from dataclasses import dataclass, replace

from lbtui.render.canvas import Canvas
from lbtui.render.capabilities import Capabilities

_WIDEST_CELL = 16


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


def span(view: View, canvas: Canvas) -> tuple[int, int]:
    """Return how many rows and columns of the matrix a drawing of this size covers."""
    cells = max(0, canvas.width) // view.cell_width
    return max(0, canvas.height) * halves(canvas.caps) * view.rows_per_cell, cells * view.columns_per_cell


def fit_view(shape: tuple[int, int], canvas: Canvas) -> View:
    """Return the finest view in which the whole matrix can be seen; few columns become wide cells."""
    rows, columns = shape
    lines = max(1, canvas.height) * halves(canvas.caps)
    width = max(1, canvas.width)
    return View(
        rows_per_cell=max(1, -(-rows // lines)),
        columns_per_cell=max(1, -(-columns // width)),
        cell_width=max(1, min(_WIDEST_CELL, width // max(1, columns))),
    )


def follow(view: View, shape: tuple[int, int], layer: int, column: int, canvas: Canvas) -> View:
    """Return the view moved as little as needed to show (layer, column), never beyond the matrix."""
    rows, columns = span(view, canvas)
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
