"""Words and numbers in exactly so many cells."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Literal

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from rich.style import Style

from lbtui.lines import broken
from lbtui.render.capabilities import Capabilities, Row
from lbtui.render.glyphs import glyphs, spell
from lbtui.text import visible

# Characters of a text that may be remembered with its cells: a few lines of a screen.
_KEPT_TEXT = 512
# What stands between the parts of a line.
_BETWEEN = " · "
_SUFFIXES = ((1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))


def printable(text: str, caps: Capabilities) -> str:
    """Return text as this terminal can show it: no control characters, ASCII only if need be.

    Its width is the sum of its characters' widths, so it can be cut and joined anywhere.
    """
    text = visible(text)
    if not caps.unicode:
        return spell(text)
    if text.isascii():
        return text
    # Characters of no width of their own (joiners, accents set apart) change what stands next to them.
    return "".join(character for character in text if cell_len(character) > 0)


def fit(
    text: str,
    width: int,
    *,
    caps: Capabilities,
    align: Literal["left", "right", "center"] = "left",
    style: Style | None = None,
) -> Row:
    """Return `text` in exactly `width` cells: padded, or cut with an ellipsis."""
    # From one frame to the next nearly every text stays; a file's longest need not be kept for that.
    fitted = _fit if len(text) <= _KEPT_TEXT else _fit.__wrapped__
    return list(fitted(text, width, caps, align, style))


def fit_parts(text: str, width: int, *, caps: Capabilities, style: Style | None = None) -> Row:
    """Return the first of the parts that stand between ` · `, as many as fit, padded.

    The first one is cut if even that has no room. None after one that is left out is shown: the parts may be
    a list, in which it would stand for something else.
    """
    shown, *rest = text.split(_BETWEEN)
    for part in rest:
        longer = f"{shown}{_BETWEEN}{part}"
        if cell_len(printable(longer, caps)) > width:
            break
        shown = longer
    return fit(shown, width, caps=caps, style=style)


@lru_cache(maxsize=4096)
def _fit(
    text: str,
    width: int,
    caps: Capabilities,
    align: Literal["left", "right", "center"],
    style: Style | None,
) -> tuple[Segment, ...]:
    text = printable(text, caps)
    excess = cell_len(text) - width
    if excess > 0:
        ellipsis = glyphs(caps).ellipsis
        room = width - len(ellipsis)
        text = set_cell_size(text, room) + ellipsis if room > 0 else ellipsis[: max(width, 0)]
    elif align == "right":
        text = " " * -excess + text
    elif align == "center":
        text = " " * (-excess // 2) + text
    return tuple(merge([Segment(set_cell_size(text, max(width, 0)), style)]))


def padded(text: str, width: int) -> str:
    """Return text with blanks behind it up to so many cells; as it is where it takes more."""
    return text + " " * (width - cell_len(text))


def right(text: str, width: int) -> str:
    """Return text with blanks before it up to so many cells; as it is where it takes more."""
    return " " * (width - cell_len(text)) + text


def wrapped(text: str, width: int, caps: Capabilities, style: Style | None) -> list[Row]:
    """Return text broken between words into rows of at most `width` cells, at least one."""
    if width < 1:
        return []
    lines = broken(printable(text, caps), width)
    return [fit(line, width, caps=caps, style=style) for line in lines]


def row(*parts: str | Segment | Iterable[Segment], width: int, caps: Capabilities | None = None) -> Row:
    """Return the parts side by side as one row of exactly `width` cells, cut or padded at the right.

    With `caps`, strings among the parts are made printable; without, they must be the caller's own.
    """
    segments: Row = []
    for part in parts:
        if isinstance(part, Segment):
            segments.append(part)
        elif isinstance(part, str):
            segments.append(Segment(printable(part, caps) if caps else part))
        else:
            segments.extend(part)
    missing = width - sum(len(s.text) if s.text.isascii() else cell_len(s.text) for s in segments)
    if missing > 0:
        segments.append(Segment(" " * missing))
    elif missing < 0:
        segments = Segment.adjust_line_length(segments, max(width, 0), pad=True)
    return merge(segments)


def blank(width: int) -> Row:
    """Return a row of `width` spaces."""
    return [Segment(" " * width)] if width > 0 else []


def merge(segments: Iterable[Segment]) -> Row:
    """Return the same row with neighbours of equal style joined: fewer bytes over SSH."""
    merged: Row = []
    for segment in segments:
        if not segment.text:
            continue
        style = merged[-1].style if merged else None
        if merged and (style is segment.style or (style or None) == (segment.style or None)):
            merged[-1] = Segment(merged[-1].text + segment.text, style)
        else:
            merged.append(segment)
    return merged


def plain(rows: Iterable[Row]) -> str:
    """Return the rows' text, a line each, spaces at their ends cut."""
    return "\n".join("".join(segment.text for segment in row).rstrip() for row in rows)


def number(value: float | None, width: int | None = None) -> str:
    """Return a number for people: three significant digits, thousands separated, `–` for none.

    Whole numbers keep all their digits; below 0 stands the minus sign. With `width` it is right-aligned, and
    shortened (`1.23M`) if too
    long; `#` fills a width in which not even that has room.
    """
    text = _full(value)
    if width is None:
        return minus(text)
    if len(text) > width:
        text = next((short for short in _shorter(value) if len(short) <= width), "#" * max(width, 0))
    return minus(text).rjust(width)


def minus(text: str) -> str:
    """Return a written number with the minus sign where it has a hyphen for one."""
    return f"−{text[1:]}" if text.startswith("-") else text


def fixed(value: float, decimals: int) -> str:
    """Return a number ≥ 0 with so many decimals; `<0.1` where these would make 0 of what is not nothing."""
    text = f"{value:,.{decimals}f}"
    return f"<{10.0**-decimals:.{decimals}f}" if value > 0 and not text.strip("0.") else text


def behind(unit: str) -> str:
    """Return a unit as it stands behind its number: `×` at once, any other behind a space."""
    return unit if unit.startswith("×") else f" {unit}"


def quantity(value: float | None, unit: str, width: int | None = None) -> str:
    """Return a number with its unit behind a space; no unit where there is no number."""
    if value is None or math.isnan(value) or not unit:
        return number(value, width)
    room = None if width is None else max(width - cell_len(unit) - 1, 0)
    return f"{number(value, room)}{behind(unit)}"


def _full(value: float | None) -> str:
    if value is None or math.isnan(value):
        return "–"
    if math.isinf(value):
        return "∞" if value > 0 else "-∞"
    size = abs(value)
    if size >= 1e15 or 0 < size < 1e-4:
        return f"{value:.2e}"
    if value == int(value):
        return f"{int(value):,}"
    return f"{value:,.{_decimals(size)}f}"


def _decimals(size: float) -> int:
    """Return how many decimals leave three significant digits, rounding up to the next power counted in."""
    exponent = math.floor(math.log10(float(f"{size:.2e}")))
    return max(0, 2 - exponent)


def _shorter(value: float | None) -> Iterable[str]:
    """Yield ever shorter writings of a number."""
    if value is None or not math.isfinite(value):
        return
    size = abs(value)
    for scale, suffix in _SUFFIXES:
        # Nearly a thousand of a unit is already one of the next when written with three digits.
        if size >= scale * 0.9995:
            scaled = value / scale
            digits = _decimals(abs(scaled))
            yield from (f"{scaled:.{decimals}f}{suffix}" for decimals in range(digits, -1, -1))
            return
    texts = [f"{value:.{decimals}f}" for decimals in range(_decimals(size) if size else 0, -1, -1)]
    # What is not nothing is written as 0 only where nothing else has room.
    yield from (text for text in texts if text.strip("-0.") or not size)
    yield f"{value:.0e}"
    yield from texts


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return rows of cells as lines with their columns under each other."""
    table = [tuple(map(visible, row)) for row in rows]
    widths = [max(cell_len(row[column]) for row in table) for column in range(len(table[0]))] if table else []
    lines = []
    for row in table:
        filled = (cell + " " * (width - cell_len(cell)) for cell, width in zip(row, widths, strict=True))
        lines.append("  ".join(filled).rstrip())
    return lines
