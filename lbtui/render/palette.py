"""Colours with few jobs: a ramp for load, a diverging one for differences, red and amber for severity, teal
for what got better, one accent for cursor and selection.

Everything else is the terminal's own foreground or a grey, on the terminal's own background. Which colours
these are on a terminal is in `scheme`.
"""

from __future__ import annotations

import math
from functools import lru_cache

from rich.color import Color
from rich.style import Style

from lbtui.render.capabilities import Capabilities
from lbtui.render.luminance import is_light
from lbtui.render.scheme import Severity, scheme

__all__ = ["Severity"]
# Of the sixteen those on which white is read better than black, on every usual terminal.
_DEEP = (0, 1, 4, 5, 8)


def fraction(value: float | None, low: float, high: float) -> float | None:
    """Return where `value` lies between `low` and `high`, kept in 0..1; None where there is no value.

    Of an empty range everything up to `low` is 0 and everything above is 1.
    """
    if value is None or math.isnan(value):
        return None
    if value <= low:
        return 0.0
    if value >= high:
        return 1.0
    # Halved so that a range as wide as floats go does not overflow.
    return (value / 2 - low / 2) / (high / 2 - low / 2)


def heat_levels(caps: Capabilities) -> int:
    """Return how many colours the ramp has here; 1 where there is no colour."""
    return len(scheme(caps).ramp) or 1


def heat_level(caps: Capabilities, fraction: float) -> int:
    """Return which colour of the ramp stands for `fraction` of the range, 0 being the coldest."""
    levels = heat_levels(caps)
    return max(0, min(levels - 1, int(fraction * levels)))


def level_color(caps: Capabilities, level: int, *, muted: bool = False) -> Color | None:
    """Return colour `level` of the ramp, as a grey of that lightness if `muted`; None without colour."""
    ramp = scheme(caps).greys if muted else scheme(caps).ramp
    return ramp[level] if ramp else None


def heat(caps: Capabilities, fraction: float, *, muted: bool = False) -> Color | None:
    """Return the colour of a load at `fraction` of the range; None where there is no colour."""
    return level_color(caps, heat_level(caps, fraction), muted=muted)


def heat_style(
    caps: Capabilities, fraction: float, *, background: bool = False, muted: bool = False
) -> Style:
    """Return the style of a load at `fraction` of the range, as foreground or as background.

    As background it sets a readable foreground too, so that numbers can stand on it. As foreground it leaves
    out the levels next to the background, in which thin glyphs cannot be read.
    """
    return _level_style(caps, heat_level(caps, fraction), background, muted)


@lru_cache(maxsize=256)
def _level_style(caps: Capabilities, level: int, background: bool, muted: bool) -> Style:
    if not background:
        level = max(level, scheme(caps).thin)
    color = level_color(caps, level, muted=muted)
    if color is None:
        return Style()
    if not background:
        return Style(color=color)
    return Style(color=_ink(color, caps), bgcolor=color)


def _ink(ground: Color, caps: Capabilities) -> Color:
    """Return black or white, whichever is read better on a colour."""
    if caps.colors == "16":
        return Color.from_ansi(15 if ground.number in _DEEP else 0)
    black = is_light(ground.get_truecolor())
    if caps.colors == "256":
        return Color.from_ansi(16 if black else 231)
    return Color.parse("#000000" if black else "#ffffff")


def signed_fraction(value: float | None, reach: float) -> float | None:
    """Return where a difference lies from −`reach` to `reach`, kept in −1..1; None where there is none."""
    part = None if value is None else fraction(abs(value), 0.0, reach)
    return None if part is None else math.copysign(part, value or 0.0)


def difference_levels(caps: Capabilities) -> int:
    """Return how many levels differences have, an odd number; the middle one is about none.

    Without colour they are told apart by `glyphs.signed`, of as many glyphs.
    """
    return len(scheme(caps).differences) or 5


def difference_level(caps: Capabilities, fraction: float) -> int:
    """Return the level of a difference at `fraction` (−1..1) of the range, 0 being far less."""
    levels = difference_levels(caps)
    return max(0, min(levels - 1, round((fraction + 1) / 2 * (levels - 1))))


def difference_color(caps: Capabilities, level: int) -> Color | None:
    """Return the colour of a level of difference; None without colour."""
    ramp = scheme(caps).differences
    return ramp[level] if ramp else None


def difference_style(caps: Capabilities, fraction: float, *, background: bool = False) -> Style:
    """Return the style of a difference at `fraction` (−1..1), as foreground or as background.

    As background it sets a readable foreground too. As foreground it leaves out the levels of both
    sides that are next to the background, in which thin glyphs cannot be read; none at all is dim.
    """
    return _difference_style(
        caps, difference_level(caps, fraction), (fraction > 0) - (fraction < 0), background
    )


@lru_cache(maxsize=256)
def _difference_style(caps: Capabilities, level: int, sign: int, background: bool) -> Style:
    middle = difference_levels(caps) // 2
    if not background:
        if not sign:
            return dim(caps)
        level = middle + sign * max(abs(level - middle), scheme(caps).thin_difference)
    color = difference_color(caps, level)
    if color is None:
        return Style(bold=level in (0, 2 * middle))
    if not background:
        return Style(color=color)
    return Style(color=_ink(color, caps), bgcolor=color)


def better(caps: Capabilities) -> Style:
    """Return the style of what got better; what got worse is as severe as a finding."""
    return scheme(caps).better


def accent(caps: Capabilities) -> Style:
    """Return the style of what belongs to the cursor or the selection without being it: labels, guides."""
    return scheme(caps).accent


def cursor(caps: Capabilities) -> Style:
    """Return the style of the cell or column under the cursor: the accent, reversed."""
    return scheme(caps).cursor


def selected(caps: Capabilities) -> Style:
    """Return the style of what is selected: the accent, bold."""
    return scheme(caps).selected


def dim(caps: Capabilities) -> Style:
    """Return the style of what is there for orientation only."""
    return scheme(caps).dim


def strong(caps: Capabilities) -> Style:
    """Return the style of titles and of the one number that matters: bold, no colour."""
    return _STRONG


_STRONG = Style(bold=True)


def severity(caps: Capabilities, level: Severity) -> Style:
    """Return the style of a finding of this severity, the only use of red and amber."""
    return scheme(caps).severity[level]


def series(caps: Capabilities, index: int) -> Style:
    """Return the style of line `index` of a chart; eight are distinct, then they repeat."""
    styles = scheme(caps).series
    return styles[index % len(styles)]


@lru_cache(maxsize=64)
def filled(caps: Capabilities, index: int) -> Style:
    """Return the style of an area in the colour of line `index` of a chart, on which words can be read."""
    return Style(color=series(caps, index).color, reverse=True)
