"""Points over a plane: many as dots of Braille, where there is none a sign for how many lie in a cell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from rich.segment import Segment

from lbtui.render import palette
from lbtui.render.canvas import Canvas
from lbtui.render.capabilities import Capabilities, Row
from lbtui.render.glyphs import glyphs
from lbtui.render.lanes import runs
from lbtui.render.text import blank, fit, printable, row

Tick = tuple[float, str]  # where on an axis, 0..1, and what stands there
Part = npt.NDArray[np.float64]  # of a side of the plane, 0..1 each
Cells = npt.NDArray[np.bool_]

_ACROSS, _DOWN = 2, 4  # dots of a cell
_BRAILLE = 0x2800
# The bit of each dot of a cell, a line of dots after the other.
_BITS = np.array([[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]])
_MANY = ".:*#"  # for one or two dots of a cell, up to all eight
_LEAST_WIDTH, _LEAST_HEIGHT = 16, 4


@dataclass(frozen=True, eq=False)
class Plane:
    """Points as dots in a room of `width` × `height` cells, and of these the `marked`, which stand out."""

    width: int
    height: int
    dots: Cells  # [4 × height, 2 × width], the top line first
    marked: Cells


@dataclass(frozen=True)
class Axes:
    """What stands beside and under a plane, and in it: a line at a height, and the part of x that is lit."""

    x_ticks: Sequence[Tick] = ()
    y_ticks: Sequence[Tick] = ()
    line: float | None = None
    lit: tuple[float, float] | None = None


def room(canvas: Canvas, y_ticks: Sequence[Tick]) -> tuple[int, int]:
    """Return the cells that a plane with these axes has of a canvas; 0 × 0 where that is too small."""
    width, height = canvas.width - _margin(y_ticks, canvas.caps), canvas.height - 2
    return (width, height) if width >= _LEAST_WIDTH and height >= _LEAST_HEIGHT else (0, 0)


def plane(xs: Part, ys: Part, marked: Cells, size: tuple[int, int]) -> Plane:
    """Return points, x from the left and y from below, as dots of a room of so many cells."""
    width, height = size
    dots = np.zeros((_DOWN * height, _ACROSS * width), dtype=bool)
    standing_out = dots.copy()
    if dots.size:
        across = np.clip((xs * _ACROSS * width).astype(np.int64), 0, _ACROSS * width - 1)
        down = np.clip(((1 - ys) * _DOWN * height).astype(np.int64), 0, _DOWN * height - 1)
        dots[down, across] = True
        standing_out[down[marked], across[marked]] = True
    return Plane(width, height, dots, standing_out)


def scatter(points: Plane, axes: Axes, canvas: Canvas) -> list[Row]:
    """Return the rows of a plane with its axes; those that stand out are red, or without colour a ×."""
    caps, margin = canvas.caps, _margin(axes.y_ticks, canvas.caps)
    if not points.width:
        return [blank(canvas.width)] * canvas.height
    labels = {_line_of(at, points.height): text for at, text in reversed(axes.y_ticks)}
    dots = _by_cell(points.dots).astype(np.int64)
    counts, bits = dots.sum(axis=(2, 3)).tolist(), (dots * _BITS).sum(axis=(2, 3)).tolist()
    hot = (_by_cell(points.marked).astype(np.int64).sum(axis=(2, 3)) > 0).tolist()
    target = None if axes.line is None else _line_of(axes.line, points.height)
    rows = []
    for line in range(points.height):
        label = fit(labels.get(line, ""), margin - 1, align="right", caps=caps, style=palette.dim(caps))
        cells = _cells(bits[line], counts[line], hot[line], caps)
        body = _row(cells, hot[line], axes.lit, line == target, caps)
        rows.append(row(label, Segment(glyphs(caps).column, palette.dim(caps)), body, width=canvas.width))
    rule = Segment(glyphs(caps).rule * points.width, palette.dim(caps))
    rows += [row(" " * margin, rule, width=canvas.width), _under(axes.x_ticks, margin, canvas)]
    return rows + [blank(canvas.width)] * (canvas.height - len(rows))


def _margin(y_ticks: Sequence[Tick], caps: Capabilities) -> int:
    return max((len(printable(text, caps)) for _at, text in y_ticks), default=0) + 2


def _line_of(at: float, height: int) -> int:
    return min(max(int((1 - at) * height), 0), height - 1)


def _by_cell(dots: Cells) -> Cells:
    """Return dots as [line, column, line in the cell, column in it]."""
    lines, columns = dots.shape
    found: Cells = dots.reshape(lines // _DOWN, _DOWN, columns // _ACROSS, _ACROSS).transpose(0, 2, 1, 3)
    return found


def _cells(bits: list[int], counts: list[int], hot: list[bool], caps: Capabilities) -> list[str]:
    if caps.unicode and caps.colors != "none":
        return [chr(_BRAILLE + one) if one else " " for one in bits]
    # Where there is no colour, what stands out has a sign of its own; in ASCII the others tell how many.
    alone = [
        chr(_BRAILLE + one) if caps.unicode else _MANY[(count - 1) // 2]
        for one, count in zip(bits, counts, strict=True)
    ]
    return [
        " " if not count else glyphs(caps).times if red else sign
        for count, red, sign in zip(counts, hot, alone, strict=True)
    ]


def _row(
    cells: list[str], hot: list[bool], lit: tuple[float, float] | None, target: bool, caps: Capabilities
) -> Row:
    count = len(cells)
    first, last = (0, count) if lit is None else (round(lit[0] * count), round(lit[1] * count))
    grey, red, own = palette.dim(caps), palette.severity(caps, "critical"), palette.series(caps, 0)
    rule = glyphs(caps).rule
    texts = [rule if target and cell == " " else cell for cell in cells]
    styles = [own if first <= column < last else grey for column in range(count)]
    for column, (cell, one) in enumerate(zip(cells, hot, strict=True)):
        if one:
            styles[column] = red
        elif target and cell == " ":
            styles[column] = palette.accent(caps)
    return runs(texts, styles)


def _under(ticks: Sequence[Tick], margin: int, canvas: Canvas) -> Row:
    text = ""
    for at, label in ticks:
        shown = printable(label, canvas.caps)
        begin = margin + round(at * (canvas.width - margin))
        begin = min(begin, canvas.width - len(shown))
        if begin >= len(text) + (1 if text else 0):
            text = text.ljust(begin) + shown
    return row(Segment(text, palette.dim(canvas.caps)), width=canvas.width)
