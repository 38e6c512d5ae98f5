"""Strips as terminal sequences, as few bytes as the terminal needs.

Textual writes a style's whole sequence before each run of cells and a reset behind it. Here only what differs
from the run before is written, blanks need no colour, and a line's blank end is erased instead of written: a
heat map takes half the bytes, which is felt over a slow line.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from rich.color import Color, ColorSystem
from rich.segment import Segment
from rich.style import Style

from lbtui.render.capabilities import Colors

_SYSTEMS: dict[Colors, ColorSystem | None] = {
    "truecolor": ColorSystem.TRUECOLOR,
    "256": ColorSystem.EIGHT_BIT,
    "16": ColorSystem.STANDARD,
    "none": None,
}
_ATTRIBUTES = (
    ("bold", "1"), ("dim", "2"), ("italic", "3"), ("underline", "4"), ("blink", "5"), ("reverse", "7"),
    ("conceal", "8"), ("strike", "9"), ("underline2", "21"), ("overline", "53"),
)  # fmt: skip
# From so many blanks on, erasing and moving the cursor takes fewer bytes.
_ERASED = 12
_PLAIN = Style()


class Pen:
    """Writes runs of cells, knowing in which style the terminal stands."""

    def __init__(self, colors: Colors, width: int) -> None:
        self._colors = colors
        self._width = width
        self._style = _PLAIN
        self._written: list[str] = []

    def write(self, x: int, y: int, segments: Iterable[Segment]) -> None:
        """Write segments from a cell on."""
        self._written.append(f"\x1b[{y + 1};{x + 1}H")
        for text, style, _control in segments:
            style = style or _PLAIN
            if not _is_blank(style) or text.strip(" "):
                self._turn(style)
                self._written.append(text)
                x += len(text) if text.isascii() else Segment(text).cell_length
            else:
                x += len(text)
                self._leave_blank(len(text), at_end=x >= self._width)

    def text(self) -> str:
        """Return all that was written; the terminal stands in no style behind it."""
        self._turn(_PLAIN)
        return "".join(self._written)

    def _turn(self, style: Style) -> None:
        if style is not self._style:
            self._written.append(_change(self._style, style, self._colors))
            self._style = style

    def _leave_blank(self, cells: int, *, at_end: bool) -> None:
        if at_end or cells >= _ERASED:
            # Some terminals erase in the colour they stand in, others in none.
            if not _is_blank(self._style) or self._style.bgcolor is not None:
                self._turn(_PLAIN)
            self._written.append("\x1b[K" if at_end else f"\x1b[{cells}X\x1b[{cells}C")
        else:
            if not _is_blank(self._style):
                self._turn(_PLAIN)
            self._written.append(" " * cells)


@lru_cache(maxsize=4096)
def _is_blank(style: Style) -> bool:
    """Return whether a space in this style shows nothing but the terminal's background."""
    background = style.bgcolor
    return (background is None or background.is_default) and not (
        style.reverse or style.underline or style.underline2 or style.overline or style.strike
    )


@lru_cache(maxsize=16384)
def _change(old: Style, new: Style, colors: Colors) -> str:
    """Return the sequence that leads from one style to another."""
    before, after = _codes(old, colors), _codes(new, colors)
    if before == after:
        return ""
    if after == (frozenset(), "39", "49"):
        return "\x1b[m"
    codes: list[str] = []
    if before[0] - after[0]:
        # Attributes are switched off together: not every terminal knows how to do it one by one.
        codes.append("0")
        before = (frozenset(), "39", "49")
    codes += sorted(after[0] - before[0], key=int)
    codes += [
        new_code for old_code, new_code in zip(before[1:], after[1:], strict=True) if old_code != new_code
    ]
    return f"\x1b[{';'.join(codes)}m"


@lru_cache(maxsize=4096)
def _codes(style: Style, colors: Colors) -> tuple[frozenset[str], str, str]:
    """Return the codes of a style's attributes, foreground and background."""
    attributes = frozenset(code for name, code in _ATTRIBUTES if getattr(style, name))
    return attributes, _color(style.color, colors, True), _color(style.bgcolor, colors, False)


def _color(color: Color | None, colors: Colors, foreground: bool) -> str:
    system = _SYSTEMS[colors]
    if color is None or system is None or color.is_default:
        return "39" if foreground else "49"
    return ";".join(color.downgrade(system).get_ansi_codes(foreground))
