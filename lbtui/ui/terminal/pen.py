"""Strips as terminal sequences, as few bytes as the terminal needs.

Textual writes a style's whole sequence before each run of cells and a reset behind it. Here only what differs
from the run before is written; blanks need no ink, and a line's blank end is erased instead of written; half
blocks are turned upside down where the terminal stands in the colours for that already. A heat map takes a
third of the bytes, which is felt over a slow line.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple, TypeAlias

from rich.cells import cell_len
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
_INK_ONLY = (("bold", "1"), ("dim", "2"), ("italic", "3"), ("blink", "5"), ("conceal", "8"))
# What a space shows too.
_SEEN = (("underline", "4"), ("reverse", "7"), ("strike", "9"), ("underline2", "21"), ("overline", "53"))
# From so many blanks on, erasing and moving the cursor takes fewer bytes.
_ERASED = 12
# Up to so many full blocks (three bytes each) take fewer bytes than changing the background.
_BLOCKS = 4


# A colour's code as foreground and as background.
_Hue: TypeAlias = tuple[str, str]
_DEFAULT: _Hue = ("39", "49")


class _Ink(NamedTuple):
    """How the terminal writes: codes of attributes (those that spaces show too apart), and colours."""

    attributes: frozenset[str] = frozenset()
    seen: frozenset[str] = frozenset()
    foreground: _Hue = _DEFAULT
    background: _Hue = _DEFAULT


_PLAIN = _Ink()


class Pen:
    """Writes runs of cells, knowing in which style the terminal stands."""

    def __init__(self, colors: Colors, width: int) -> None:
        self._colors = colors
        self._width = width
        self._ink = _PLAIN
        self._written: list[str] = []

    def write(self, x: int, y: int, segments: Iterable[Segment]) -> None:
        """Write segments from a cell on."""
        self._written.append(f"\x1b[{y + 1};{x + 1}H")
        for text, style, _control in segments:
            ink = _PLAIN if style is None else _ink(style, self._colors)
            if text and not text.strip("▀"):
                x += len(text)
                sequence, self._ink, half = _half(self._ink, ink)
                self._written.append(sequence + half * len(text))
                continue
            x += len(text) if text.isascii() else cell_len(text)
            if not text.strip(" ") and not ink.seen:
                self._space(len(text), ink.background, at_end=x >= self._width)
            else:
                self._turn(ink)
                self._written.append(text)

    def move(self, sequence: str) -> None:
        """Write a sequence that moves rows: what comes in is blank in the terminal's style."""
        self._turn(_PLAIN)
        self._written.append(sequence)

    def text(self) -> str:
        """Return all that was written; the terminal stands in no style behind it."""
        self._turn(_PLAIN)
        return "".join(self._written)

    def _turn(self, ink: _Ink) -> None:
        if ink != self._ink:
            self._written.append(change(self._ink, ink))
            self._ink = ink

    def _space(self, cells: int, background: _Hue, *, at_end: bool) -> None:
        now = self._ink
        inked = _DEFAULT != background == now.foreground and not now.attributes and not now.seen
        if inked and background != now.background and cells <= _BLOCKS:
            self._written.append("█" * cells)
            return
        # Of ink only what is there already matters.
        self._turn(_on(now, background))
        if background == _DEFAULT and at_end:
            self._written.append("\x1b[K")
        elif background == _DEFAULT and cells >= _ERASED:
            self._written.append(f"\x1b[{cells}X\x1b[{cells}C")
        else:
            self._written.append(" " * cells)


@lru_cache(maxsize=4096)
def _half(now: _Ink, ink: _Ink) -> tuple[str, _Ink, str]:
    """Return what leads to the ink, or to its colours exchanged, how it writes then, and which half block."""
    turned = ink._replace(foreground=ink.background, background=ink.foreground)
    whole = _DEFAULT not in ink and not ink.attributes and not ink.seen
    if whole and len(change(now, turned)) < len(change(now, ink)):
        return change(now, turned), turned, "▄"
    return change(now, ink), ink, "▀"


def _on(ink: _Ink, background: _Hue) -> _Ink:
    """Return the ink for spaces on a background, as near to what there is as may be."""
    if ink.seen:
        return _Ink(background=background)
    return ink if ink.background == background else ink._replace(background=background)


@lru_cache(maxsize=4096)
def change(old: _Ink, new: _Ink) -> str:
    """Return the sequence that leads from one ink to another."""
    if old == new:
        return ""
    if new == _PLAIN:
        return "\x1b[m"
    codes: list[str] = []
    if (old.attributes | old.seen) - (new.attributes | new.seen):
        # Attributes are switched off together: not every terminal knows how to do it one by one.
        codes.append("0")
        old = _PLAIN
    codes += sorted((new.attributes | new.seen) - (old.attributes | old.seen), key=int)
    codes += [new.foreground[0]] * (new.foreground != old.foreground)
    codes += [new.background[1]] * (new.background != old.background)
    return f"\x1b[{';'.join(codes)}m"


@lru_cache(maxsize=4096)
def _ink(style: Style, colors: Colors) -> _Ink:
    return _Ink(
        frozenset(code for name, code in _INK_ONLY if getattr(style, name)),
        frozenset(code for name, code in _SEEN if getattr(style, name)),
        _hue(style.color, colors),
        _hue(style.bgcolor, colors),
    )


def _hue(color: Color | None, colors: Colors) -> _Hue:
    system = _SYSTEMS[colors]
    if color is None or system is None or color.is_default:
        return _DEFAULT
    shown = color.downgrade(system)
    return ";".join(shown.get_ansi_codes(True)), ";".join(shown.get_ansi_codes(False))
