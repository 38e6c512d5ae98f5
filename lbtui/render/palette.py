"""Colours with few jobs: a ramp for load, a diverging one for differences, red and amber for severity, teal
for what got better, one accent for cursor and selection.

Everything else is the terminal's own foreground or a grey, on the terminal's own background.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Literal, TypeAlias

from rich.color import Color
from rich.style import Style

from lbtui.render.capabilities import Capabilities, Colors

Severity: TypeAlias = Literal["critical", "warning", "info"]

# Viridis from just above black to yellow. At 256 colours only entries of the colour cube serve: 0..15 are
# whatever the user's theme says, and these eight keep viridis' hues while each is lighter than the last.
_VIRIDIS = (
    "#481769", "#46337f", "#3d4d8a", "#33638d", "#2a788e", "#228d8d",
    "#1fa187", "#32b67a", "#5ac864", "#8ed645", "#c8e020", "#fde725",
)  # fmt: skip
_RAMPS: dict[Colors, tuple[Color, ...]] = {
    "truecolor": tuple(Color.parse(code) for code in _VIRIDIS),
    "256": tuple(Color.from_ansi(index) for index in (53, 55, 61, 31, 36, 77, 148, 226)),
    # Blue, cyan, bright green, bright yellow: plain green is no lighter than cyan.
    "16": tuple(Color.from_ansi(index) for index in (4, 6, 10, 11)),
    "none": (),
}
# The same lightness without the hue: load outside what is selected.
_GREYS: dict[Colors, tuple[Color, ...]] = {
    "truecolor": tuple(Color.from_rgb(grey, grey, grey) for grey in range(48, 204, 14)),
    "256": tuple(Color.from_ansi(index) for index in range(236, 252, 2)),
    "16": tuple(Color.from_ansi(index) for index in (0, 8, 7, 15)),
    "none": (),
}
# Less is blue, more is orange, which no colour blindness confuses; from a centre near the background
# both sides rise by equal steps of OKLCH lightness (0.36 to 0.84, hues 245° and 60°).
_DIFFERENCES: dict[Colors, tuple[Color, ...]] = {
    "truecolor": tuple(
        Color.parse(code)
        for code in (
            "#9cd1fe", "#4dacf6", "#1f86cd", "#05629c", "#014069", "#222222",
            "#5c3001", "#8a4c04", "#bb6802", "#e38d3d", "#ffba81",
        )
    ),
    "256": tuple(Color.from_ansi(index) for index in (117, 38, 25, 234, 94, 172, 215)),
    "16": tuple(Color.from_ansi(index) for index in (14, 4, 0, 3, 11)),
    "none": (),
}  # fmt: skip
# After Okabe and Ito, blue first; the two near red and amber last, as those mean severity elsewhere.
_SERIES: dict[Colors, tuple[Style, ...]] = {
    "truecolor": tuple(
        Style(color=code)
        for code in (
            "#56b4e9", "#f0e442", "#009e73", "#cc79a7", "#bbbbbb", "#3a7fd5", "#e69f00", "#d55e00",
        )
    ),
    "256": tuple(
        Style(color=Color.from_ansi(index)) for index in (74, 227, 36, 175, 250, 32, 214, 166)
    ),
    "16": tuple(Style(color=Color.from_ansi(index)) for index in (14, 11, 10, 13, 7, 12, 3, 9)),
    "none": (
        Style(), Style(bold=True), Style(dim=True), Style(underline=True),
        Style(italic=True), Style(bold=True, underline=True), Style(dim=True, underline=True),
        Style(bold=True, italic=True),
    ),
}  # fmt: skip

# Pink: the one hue far from all of viridis, from red and from amber.
_ACCENT: dict[Colors, Color | None] = {
    "truecolor": Color.parse("#ff5fd7"),
    "256": Color.from_ansi(206),
    "16": Color.from_ansi(13),
    "none": None,
}
_GREY: dict[Colors, Color | None] = {
    "truecolor": Color.parse("#8a8a8a"),
    "256": Color.from_ansi(245),
    "16": Color.from_ansi(8),
    "none": None,
}
_BETTER: dict[Colors, Style] = {
    "truecolor": Style(color="#2ec4b6", bold=True),
    "256": Style(color=Color.from_ansi(43), bold=True),
    "16": Style(color=Color.from_ansi(10), bold=True),
    "none": Style(bold=True),
}
_SEVERITY: dict[Colors, dict[Severity, Style]] = {
    "truecolor": {
        "critical": Style(color="#ff5f5f", bold=True),
        "warning": Style(color="#ffaf00"),
        "info": Style(color="#8a8a8a"),
    },
    "256": {
        "critical": Style(color=Color.from_ansi(203), bold=True),
        "warning": Style(color=Color.from_ansi(214)),
        "info": Style(color=Color.from_ansi(245)),
    },
    "16": {
        "critical": Style(color=Color.from_ansi(9), bold=True),
        "warning": Style(color=Color.from_ansi(3)),
        "info": Style(color=Color.from_ansi(8)),
    },
    "none": {
        "critical": Style(bold=True, underline=True),
        "warning": Style(bold=True),
        "info": Style(dim=True),
    },
}


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
    return len(_RAMPS[caps.colors]) or 1


def heat_level(caps: Capabilities, fraction: float) -> int:
    """Return which colour of the ramp stands for `fraction` of the range, 0 being the coldest."""
    levels = heat_levels(caps)
    return max(0, min(levels - 1, int(fraction * levels)))


def level_color(caps: Capabilities, level: int, *, muted: bool = False) -> Color | None:
    """Return colour `level` of the ramp, as a grey of rising lightness if `muted`; None without colour."""
    ramp = (_GREYS if muted else _RAMPS)[caps.colors]
    return ramp[level] if ramp else None


def heat(caps: Capabilities, fraction: float, *, muted: bool = False) -> Color | None:
    """Return the colour of a load at `fraction` of the range; None where there is no colour."""
    return level_color(caps, heat_level(caps, fraction), muted=muted)


def heat_style(
    caps: Capabilities, fraction: float, *, background: bool = False, muted: bool = False
) -> Style:
    """Return the style of a load at `fraction` of the range, as foreground or as background.

    As background it sets a readable foreground too, so that numbers can stand on it. As foreground it leaves
    out the darkest quarter of the ramp, in which thin glyphs cannot be read.
    """
    return _level_style(caps, heat_level(caps, fraction), background, muted)


@lru_cache(maxsize=256)
def _level_style(caps: Capabilities, level: int, background: bool, muted: bool) -> Style:
    if not background:
        level = max(level, heat_levels(caps) // 4)
    color = level_color(caps, level, muted=muted)
    if color is None:
        return Style()
    if not background:
        return Style(color=color)
    bright = level >= heat_levels(caps) / 2
    ink = Color.parse("#000000" if bright else "#ffffff") if caps.colors == "truecolor" else None
    if ink is None:
        numbers = (16, 231) if caps.colors == "256" else (0, 15)
        ink = Color.from_ansi(numbers[0 if bright else 1])
    return Style(color=ink, bgcolor=color)


def signed_fraction(value: float | None, reach: float) -> float | None:
    """Return where a difference lies from −`reach` to `reach`, kept in −1..1; None where there is none."""
    part = None if value is None else fraction(abs(value), 0.0, reach)
    return None if part is None else math.copysign(part, value or 0.0)


def difference_levels(caps: Capabilities) -> int:
    """Return how many levels differences have, an odd number; the middle one is about none.

    Without colour they are told apart by `glyphs.signed`, of as many glyphs.
    """
    return len(_DIFFERENCES[caps.colors]) or 5


def difference_level(caps: Capabilities, fraction: float) -> int:
    """Return the level of a difference at `fraction` (−1..1) of the range, 0 being far less."""
    levels = difference_levels(caps)
    return max(0, min(levels - 1, round((fraction + 1) / 2 * (levels - 1))))


def difference_color(caps: Capabilities, level: int) -> Color | None:
    """Return the colour of a level of difference; None without colour."""
    ramp = _DIFFERENCES[caps.colors]
    return ramp[level] if ramp else None


def difference_style(caps: Capabilities, fraction: float, *, background: bool = False) -> Style:
    """Return the style of a difference at `fraction` (−1..1), as foreground or as background.

    As background it sets a readable foreground too. As foreground it leaves out the darkest levels of both
    sides, in which thin glyphs cannot be read; none at all is dim.
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
        level = middle + sign * max(abs(level - middle), middle // 2)
    color = difference_color(caps, level)
    if color is None:
        return Style(bold=level in (0, 2 * middle))
    if not background:
        return Style(color=color)
    bright = abs(level - middle) > middle / 2
    if caps.colors == "truecolor":
        return Style(color="#000000" if bright else "#ffffff", bgcolor=color)
    ink = (16, 231) if caps.colors == "256" else (0, 15)
    return Style(color=Color.from_ansi(ink[0 if bright else 1]), bgcolor=color)


def better(caps: Capabilities) -> Style:
    """Return the style of what got better; what got worse is as severe as a finding."""
    return _BETTER[caps.colors]


def accent(caps: Capabilities) -> Style:
    """Return the style of what belongs to the cursor or the selection without being it: labels, guides."""
    return _PLAIN_ACCENT[caps.colors]


def cursor(caps: Capabilities) -> Style:
    """Return the style of the cell or column under the cursor: the accent, reversed."""
    return _CURSOR[caps.colors]


def selected(caps: Capabilities) -> Style:
    """Return the style of what is selected: the accent, bold."""
    return _SELECTED[caps.colors]


# One object each: rows drawn twice are compared cell by cell, and what is identical is not looked into.
_PLAIN_ACCENT = {name: Style(color=c) if c else Style(bold=True) for name, c in _ACCENT.items()}
_DIM = {name: Style(color=c) if c else Style(dim=True) for name, c in _GREY.items()}
_CURSOR = {name: Style(color=color, reverse=True) for name, color in _ACCENT.items()}
_SELECTED = {name: Style(color=color, bold=True) for name, color in _ACCENT.items()}


def dim(caps: Capabilities) -> Style:
    """Return the style of what is there for orientation only."""
    return _DIM[caps.colors]


def strong(caps: Capabilities) -> Style:
    """Return the style of titles and of the one number that matters: bold, no colour."""
    return _STRONG


_STRONG = Style(bold=True)


def severity(caps: Capabilities, level: Severity) -> Style:
    """Return the style of a finding of this severity, the only use of red and amber."""
    return _SEVERITY[caps.colors][level]


def series(caps: Capabilities, index: int) -> Style:
    """Return the style of line `index` of a chart; eight are distinct, then they repeat."""
    styles = _SERIES[caps.colors]
    return styles[index % len(styles)]
