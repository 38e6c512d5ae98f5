"""The colours themselves: a scheme for each depth of colour, on a dark and on a light background.

What matters stands out from the background at 3:1 and more, text at 4.5:1, little is near it and much is far
from it; `tests/render/test_contrast.py` holds that. At 256 colours only entries of the colour cube and the
greys serve: 0..15 are whatever the user's theme says. At 16 those are all there is, and each was chosen by
what usual terminals make of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, TypeAlias

from rich.color import Color
from rich.style import Style

from lbtui.render.capabilities import Capabilities, Colors

Severity: TypeAlias = Literal["critical", "warning", "info"]


@dataclass(frozen=True)
class Scheme:
    """One colour for each job, ramps from little to much.

    `greys` is the ramp's lightness without its hue. `differences` has what is less first and about none in
    the middle. Thin glyphs cannot be read in colours near the background: they begin at level `thin` of the
    ramp, and `thin_difference` levels from the middle of `differences`.
    """

    ramp: tuple[Color, ...]
    greys: tuple[Color, ...]
    thin: int
    differences: tuple[Color, ...]
    thin_difference: int
    series: tuple[Style, ...]
    accent: Style
    dim: Style
    better: Style
    severity: dict[Severity, Style]
    # One object each: rows drawn twice are compared cell by cell, and what is identical is not looked into.
    cursor: Style
    selected: Style


def scheme(caps: Capabilities) -> Scheme:
    """Return the colours for this terminal."""
    return _made(caps.light, caps.colors)


@lru_cache(maxsize=8)
def _made(light: bool, colors: Colors) -> Scheme:
    return (_LIGHT if light else _DARK)[colors]()


def _exact(codes: str) -> tuple[Color, ...]:
    return tuple(map(Color.parse, codes.split()))


def _numbered(*numbers: int) -> tuple[Color, ...]:
    return tuple(map(Color.from_ansi, numbers))


def _greys(levels: Iterable[int]) -> tuple[Color, ...]:
    return tuple(Color.from_rgb(grey, grey, grey) for grey in levels)


def _scheme(
    ramps: tuple[tuple[Color, ...], tuple[Color, ...], tuple[Color, ...]],
    thin: tuple[int, int],
    series: tuple[Color, ...],
    jobs: tuple[Color, ...],
) -> Scheme:
    """Return a scheme of load, its greys and differences, and of the colours of six jobs.

    These are accent, dim, better, and the severities.
    """
    ramp, greys, differences = ramps
    accent, dim, better, critical, warning, info = jobs
    return Scheme(
        ramp,
        greys,
        thin[0],
        differences,
        thin[1],
        tuple(Style(color=color) for color in series),
        accent=Style(color=accent),
        dim=Style(color=dim),
        better=Style(color=better, bold=True),
        severity={
            "critical": Style(color=critical, bold=True),
            "warning": Style(color=warning),
            "info": Style(color=info),
        },
        cursor=Style(color=accent, reverse=True),
        selected=Style(color=accent, bold=True),
    )


_NONE = Scheme(
    ramp=(),
    greys=(),
    thin=0,
    differences=(),
    thin_difference=1,
    series=(
        Style(), Style(bold=True), Style(dim=True), Style(underline=True),
        Style(italic=True), Style(bold=True, underline=True), Style(dim=True, underline=True),
        Style(bold=True, italic=True),
    ),
    accent=Style(bold=True),
    dim=Style(dim=True),
    better=Style(bold=True),
    severity={
        "critical": Style(bold=True, underline=True),
        "warning": Style(bold=True),
        "info": Style(dim=True),
    },
    cursor=Style(reverse=True),
    selected=Style(bold=True),
)  # fmt: skip

# Load is viridis from just above black to yellow, or at least its hues. In differences less is blue and more
# orange, which no colour blindness confuses; both sides rise from a centre near the background by equal steps
# of OKLCH lightness (0.36 to 0.84, hues 245° and 60°). Lines of a chart are after Okabe and Ito, blue first;
# the two near red and amber last, as those mean severity elsewhere. The accent is pink: the one hue far from
# all of viridis, from red and from amber.
_DARK: dict[Colors, Callable[[], Scheme]] = {
    "truecolor": lambda: _scheme(
        (
            _exact(
                "#481769 #46337f #3d4d8a #33638d #2a788e #228d8d "
                "#1fa187 #32b67a #5ac864 #8ed645 #c8e020 #fde725"
            ),
            _greys(range(48, 204, 14)),
            _exact("#9cd1fe #4dacf6 #1f86cd #05629c #014069 #222222 #5c3001 #8a4c04 #bb6802 #e38d3d #ffba81"),
        ),
        (3, 2),
        _exact("#56b4e9 #f0e442 #009e73 #cc79a7 #bbbbbb #3a7fd5 #e69f00 #d55e00"),
        _exact("#ff5fd7 #8a8a8a #2ec4b6 #ff5f5f #ffaf00 #8a8a8a"),
    ),
    "256": lambda: _scheme(
        (
            _numbered(53, 55, 61, 31, 36, 77, 148, 226),
            _numbered(*range(236, 252, 2)),
            _numbered(117, 38, 25, 234, 94, 172, 215),
        ),
        (2, 1),
        _numbered(74, 227, 36, 175, 250, 32, 214, 166),
        _numbered(206, 245, 43, 203, 214, 245),
    ),
    "16": lambda: _scheme(
        (
            # Blue, cyan, bright green, bright yellow: plain green is no lighter than cyan.
            _numbered(4, 6, 10, 11),
            _numbered(0, 8, 7, 15),
            _numbered(14, 4, 0, 3, 11),
        ),
        (1, 2),
        _numbered(14, 11, 10, 13, 7, 12, 3, 9),
        _numbered(13, 8, 10, 9, 3, 8),
    ),
    "none": lambda: _NONE,
}

# Load runs from a pale green over teal and blue to a dark violet, by equal steps of OKLCH lightness (0.93 to
# 0.28): viridis from its other end, which begins too loud for a load of nothing. Differences as above, but
# darker to both sides (0.955 to 0.29).
_LIGHT: dict[Colors, Callable[[], Scheme]] = {
    "truecolor": lambda: _scheme(
        (
            _exact(
                "#dbeede #bbdecb #99cfbe #75bfb5 #4eaeb0 #259ab1 "
                "#0684b2 #1c6baf #3150a5 #3a3794 #3e1b7e #3b0062"
            ),
            _greys(range(226, 70, -14)),
            _exact("#002e4e #004f81 #0074b8 #399be3 #a3c7e7 #f0f0f0 #e2b99e #d47932 #a85500 #753900 #471f00"),
        ),
        (5, 2),
        _exact("#0072b2 #8f7700 #00795a #a8488a #6b6b6b #2f8fd0 #b36b00 #c04a00"),
        _exact("#d000a8 #6c6c6c #00796b #cc0000 #a85a00 #6c6c6c"),
    ),
    "256": lambda: _scheme(
        (
            _numbered(194, 151, 73, 31, 25, 55, 54, 17),
            _numbered(*range(253, 237, -2)),
            _numbered(25, 32, 153, 255, 223, 166, 94),
        ),
        (3, 2),
        _numbered(25, 100, 29, 133, 242, 32, 136, 166),
        _numbered(163, 242, 29, 160, 130, 242),
    ),
    # Yellow, cyan, green and white cannot be read on white, nor can their bright kin: text is blue, magenta,
    # red or grey. No amber is left for warnings, which are red too, but not bold.
    "16": lambda: _scheme(
        (
            _numbered(7, 6, 4, 0),
            _numbered(15, 7, 8, 0),
            _numbered(4, 6, 15, 3, 1),
        ),
        (1, 2),
        _numbered(4, 2, 5, 0, 12, 8, 13, 1),
        _numbered(5, 8, 4, 1, 1, 8),
    ),
    "none": lambda: _NONE,
}
