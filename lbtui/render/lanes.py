"""One value per column: lanes over time, sparklines, bars, small distributions."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import TypeVar

from rich.segment import Segment
from rich.style import Style

from lbtui.render import palette
from lbtui.render.canvas import Canvas, Scale
from lbtui.render.capabilities import Capabilities, Row
from lbtui.render.glyphs import glyphs
from lbtui.render.palette import fraction
from lbtui.render.text import blank, fit, quantity, row
from lbtui.text import _

_T = TypeVar("_T")
_S = TypeVar("_S")

_UNDERLINE = Style(underline=True)
_BOLD = Style(bold=True)
_FAINT = Style(dim=True)
_PLAIN = Style()


@dataclass(frozen=True)
class Marks:
    """What is special in a lane.

    `cursor` is a column: a guide in the accent, bold in the lane the cursor is in (`here`); without colour
    all of that lane is bold, and the guide reversed. Columns `underlined` are that. `lit` is the half-open
    range of columns selected: the others lose their colour, and so do the columns `aside`. A column's colour
    is that of its value, or of its `heat` (0..1), which without colour is bold from the middle on.
    """

    cursor: int | None = None
    here: bool = False
    underlined: Sequence[bool] | None = None
    lit: tuple[int, int] | None = None
    aside: frozenset[int] = frozenset()
    heat: Sequence[float] | None = None


_NO_MARKS = Marks()


def lane(
    values: Sequence[float | None],
    scale: Scale,
    caps: Capabilities,
    *,
    height: int = 1,
    marks: Marks = _NO_MARKS,
    parted: bool = False,
) -> list[Row]:
    """Return a lane of bars, one column per value, `height` lines, top line first.

    The scale's lowest is drawn as the lowest bar, no data (None, NaN) as a dim tick. `parted` leaves the top
    eighth of a line free, so that a lane never merges with the one above it.
    """
    parts = [fraction(value, scale.low, scale.high) for value in values]
    lit, heat = marks.lit, marks.heat
    hot, grey = _lane_styles(caps, lit is not None, marks.here), palette.dim(caps)
    if heat is not None and caps.colors == "none":
        hot = (*hot, hot[0] + _BOLD)
    last = len(hot) - 1
    # `palette.heat_level` written out: a frame does this for every column of every lane.
    styles = [
        grey if part is None else hot[min(last, int(own * len(hot)))]
        for part, own in zip(parts, (part or 0.0 for part in parts) if heat is None else heat, strict=True)
    ]
    if lit is not None:
        styles = [style if lit[0] <= column < lit[1] else grey for column, style in enumerate(styles)]
    for column in marks.aside:
        styles[column] = grey
    steps = len(glyphs(caps).vertical) - 1
    most = steps * height - (parted and caps.unicode)
    heights = [0 if part is None else max(1, round(part * most)) for part in parts]
    rows = []
    for line in reversed(range(height)):
        glyph = _bars(caps, line, height)
        line_styles = styles
        if marks.underlined is not None and line == 0:
            line_styles = [
                style + _UNDERLINE if marked else style
                for style, marked in zip(styles, marks.underlined, strict=True)
            ]
        rows.append(runs([glyph[level] for level in heights], line_styles))
    return pointed(rows, caps, marks)


def banded_lane(
    band: tuple[Sequence[float], Sequence[float], Sequence[float]],
    scale: Scale,
    caps: Capabilities,
    *,
    height: int = 1,
    marks: Marks = _NO_MARKS,
) -> list[Row]:
    """Return a lane of values that are known to lie in a band: low, value and high of each column.

    Solid as far as the low end reaches whole cells, dim from there up to the high end; of one line the value.
    """
    low, values, high = band
    if height == 1:
        return lane(values, scale, caps, marks=marks)
    solid = lane(low, scale, caps, height=height, marks=marks)
    faint = lane(high, scale, caps, height=height, marks=marks)
    full = glyphs(caps).vertical[-1]
    rows = []
    for line, over in zip(solid, faint, strict=True):
        cells = [
            (cell, style) if cell == full else (end, end_style + _FAINT)
            for (cell, style), (end, end_style) in zip(_cells(line), _cells(over), strict=True)
        ]
        rows.append(runs([cell for cell, _style in cells], [style for _cell, style in cells]))
    return rows


def _cells(line: Row) -> list[tuple[str, Style]]:
    """Return each cell of a line with its style."""
    return [(cell, segment.style or _PLAIN) for segment in line for cell in segment.text]


def pointed(rows: Sequence[Row], caps: Capabilities, marks: Marks) -> list[Row]:
    """Return the lines of a lane, drawn without a cursor, with the guide at the cursor if that is in it."""
    if marks.cursor is None:
        return list(rows)
    # Reversed, a full bar would be a hole; without colour that is all there is.
    reverse = marks.here and caps.colors == "none"
    own = palette.cursor if reverse else palette.selected
    style = (own if marks.here else palette.accent)(caps)
    return [_guided(line, marks.cursor, style, " " if reverse else glyphs(caps).column) for line in rows]


def _guided(line: Row, cursor: int, style: Style, guide: str) -> Row:
    """Return a line whose cell at the cursor is in that style, the guide where nothing is drawn."""
    begin = 0
    for index, segment in enumerate(line):
        at = cursor - begin
        if 0 <= at < len(segment.text):
            text = segment.text
            cells = [(text[:at], segment.style), (guide if text[at] == " " else text[at], style)]
            cells.append((text[at + 1 :], segment.style))
            return [*line[:index], *(Segment(t, s) for t, s in cells if t), *line[index + 1 :]]
        begin += len(segment.text)
    return list(line)


def signed_lane(
    values: Sequence[float | None],
    *,
    reach: float,
    height: int = 1,
    caps: Capabilities,
    cursor: int | None = None,
    lit_row: bool = False,
) -> list[Row]:
    """Return a lane of differences, `height` lines: from a zero line in the middle what is more stands, what
    is less hangs, as far as its part of `reach`.

    Of an odd height the line at the top is left blank. Of one line there is half a cell for either, and
    colour tells how much. Without block glyphs (ASCII) a column has one sign, above the zero line or below:
    `=` far less, `-` less, `+` more, `#` far more. No data is a dim tick.
    """
    fractions = [palette.signed_fraction(value, reach) for value in values]
    styles = [
        palette.dim(caps) if part is None else palette.difference_style(caps, part) for part in fractions
    ]
    half, faint = height // 2, palette.dim(caps)
    rows = []
    for line in reversed(range(-half, height - half)):
        if height == 1:
            text = [_signed_cell(caps, part) for part in fractions]
        else:
            text = [_signed_glyph(caps, part, line, half) for part in fractions]
        # Where nothing stands or hangs, the zero line is for orientation only.
        line_styles = [style if glyph else faint for glyph, style in zip(text, styles, strict=True)]
        zero = " " if height > 1 and line != -1 else glyphs(caps).zero if height > 1 else glyphs(caps).middle
        text = [glyph or zero for glyph in text]
        if cursor is not None and 0 <= cursor < len(text):
            line_styles[cursor] = (palette.selected if lit_row else palette.accent)(caps)
            if text[cursor] == " ":
                text[cursor] = glyphs(caps).column
        rows.append(runs(text, line_styles))
    return rows


def _signed_cell(caps: Capabilities, part: float | None) -> str:
    """Return the glyph of a column of a lane of one line, nothing where there is next to no difference."""
    symbols = glyphs(caps)
    if part is None:
        return symbols.missing
    level = round((part + 1) / 2 * (len(symbols.signed) - 1))
    if not caps.unicode:
        return symbols.signed[level].strip()
    if level == len(symbols.signed) // 2:
        return ""
    return symbols.upper_half if part > 0 else symbols.vertical[len(symbols.vertical) // 2]


def _signed_glyph(caps: Capabilities, part: float | None, line: int, half: int) -> str:
    """Return the glyph of a column in a line, 0 the one on the zero line; nothing where none is due."""
    symbols = glyphs(caps)
    if part is None:
        return symbols.missing if line == -1 else ""
    above = line >= 0
    if (part > 0) != above:
        return ""
    if not caps.unicode:
        sign = symbols.signed[round((part + 1) / 2 * (len(symbols.signed) - 1))]
        return sign.strip() if line in (0, -1) else ""
    ramp = symbols.vertical if above else symbols.hanging
    steps, away = len(ramp) - 1, line if above else -1 - line
    return ramp[max(0, min(steps, round((abs(part) * half - away) * steps)))].strip()


def runs(text: Sequence[str], styles: Sequence[Style]) -> Row:
    """Return characters and their styles as a row, equal neighbours joined."""
    segments: Row = []
    start = 0
    for column in range(1, len(text) + 1):
        if column == len(text) or (styles[column] is not styles[start] and styles[column] != styles[start]):
            segments.append(Segment("".join(text[start:column]), styles[start]))
            start = column
    return segments


def sparkline(
    values: Sequence[float | None],
    *,
    caps: Capabilities,
    width: int | None = None,
    low: float | None = None,
    high: float | None = None,
    parted: bool = False,
) -> Row:
    """Return the values as one line of bars; `parted` as of `lane`.

    Without `low` and `high` it runs from 0 (or the least, if negative) to the largest. More values than
    `width` are drawn as the largest of what each column covers; fewer are padded at the right.
    """
    known = [value for value in values if value is not None and math.isfinite(value)]
    low = min([0.0, *known]) if low is None else low
    high = max([0.0, *known]) if high is None else high
    width = len(values) if width is None else width
    if len(values) > width:
        values = _squeeze(values, width, _largest)
    return row(*lane(values, Scale(low, high), caps, parted=parted), width=width)


def bar(fraction: float | None, width: int, caps: Capabilities, style: Style | None = None) -> Row:
    """Return a horizontal bar filling `fraction` of `width`; a tick where there is no data.

    Without `style` it takes the heat of its fraction.
    """
    part = palette.fraction(fraction, 0, 1)
    if part is None:
        return row(Segment(glyphs(caps).missing, palette.dim(caps)), width=width)
    parts = glyphs(caps).eighths
    full, rest = divmod(round(part * width * len(parts)), len(parts))
    text = parts[-1] * full + (parts[rest - 1] if rest else "")
    return row(Segment(text, palette.heat_style(caps, part) if style is None else style), width=width)


def histogram(
    counts: Sequence[int],
    edges: Sequence[float],
    canvas: Canvas,
    *,
    unit: str = "",
    cursor: int | None = None,
) -> list[Row]:
    """Return a distribution filling the canvas: bars, then a line with its ends and its largest count.

    `edges` has one more entry than `counts`. An empty bin is blank above a dim baseline. Bin `cursor` is in
    the accent.
    """
    width, height, caps = canvas.width, canvas.height, canvas.caps
    if height < 1 or width < 1 or not counts:
        return [blank(width) for _line in range(height)]
    bins = list(counts) if len(counts) <= width else _squeeze(counts, width, sum)
    each = max(1, width // max(1, len(bins)))
    columns = [count for count in bins for _column in range(each)]
    peak = max(bins)
    steps = len(glyphs(caps).vertical) - 1
    lines = height - 1
    # A bin that holds anything is never as low as an empty one.
    heights = [
        1 if not count else max(2, round(count / peak * steps * lines)) if lines else 0 for count in columns
    ]
    styles = [palette.dim(caps) if not count else _PLAIN for count in columns]
    if cursor is not None:
        lit = cursor * len(bins) // len(counts)
        styles[lit * each : (lit + 1) * each] = [palette.accent(caps)] * each
    rows = []
    for line in reversed(range(lines)):
        glyph = _bars(caps, line, lines)
        rows.append(row(runs([glyph[level] for level in heights], styles), width=width))
    used = each * len(bins)
    third = used // 3
    rows.append(
        row(
            fit(quantity(edges[0], unit), third, caps=caps, style=palette.dim(caps)),
            fit(
                _("peak {count}").format(count=quantity(peak, "")),
                used - 2 * third,
                align="center",
                caps=caps,
                style=palette.dim(caps),
            ),
            fit(quantity(edges[-1], unit), third, align="right", caps=caps, style=palette.dim(caps)),
            width=width,
        )
    )
    return rows


@lru_cache(maxsize=64)
def _lane_styles(caps: Capabilities, choosing: bool, bold: bool) -> tuple[Style, ...]:
    """Return the style of each colour of the ramp, coldest first, in a lane."""
    levels = palette.heat_levels(caps)
    styles = [palette.heat_style(caps, (level + 0.5) / levels) for level in range(levels)]
    # Without colour, bold is all that can light the chosen columns or lane. With it bold blocks look like
    # others, and to have them so a move to another lane would send both anew.
    lit = (bold or choosing) and caps.colors == "none"
    return tuple(style + _BOLD if lit else style for style in styles)


@lru_cache(maxsize=256)
def _bars(caps: Capabilities, line: int, height: int) -> tuple[str, ...]:
    """Return what a bar of each height (in steps) shows in a line, 0 the lowest; height 0 is no data."""
    ramp = glyphs(caps).vertical
    steps = len(ramp) - 1
    missing = glyphs(caps).missing if line == 0 else " "
    return missing, *(ramp[max(0, min(steps, n - line * steps))] for n in range(1, steps * height + 1))


def _largest(values: Sequence[float | None]) -> float | None:
    return max((value for value in values if value is not None and not math.isnan(value)), default=None)


def _squeeze(values: Sequence[_T], width: int, summary: Callable[[Sequence[_T]], _S]) -> list[_S]:
    """Return `width` summaries of equal shares of the values."""
    cuts = [column * len(values) // width for column in range(width + 1)] if width > 0 else []
    return [summary(values[start:end]) for start, end in pairwise(cuts)]
