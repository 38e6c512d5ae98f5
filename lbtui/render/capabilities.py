"""What the terminal can show, decided once at the start and passed down to every drawing function."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from rich.segment import Segment

from lbtui.locales import ctype_of

Colors: TypeAlias = Literal["truecolor", "256", "16", "none"]
Background: TypeAlias = Literal["dark", "light"]

# One line of the screen: what every drawing function returns, a list of these being a picture.
Row: TypeAlias = list[Segment]


@dataclass(frozen=True)
class Capabilities:
    """Depth of colour, glyphs, and whether the background is light; with a size they are a `Canvas`."""

    colors: Colors = "256"
    unicode: bool = True
    light: bool = False


def detect(
    environ: Mapping[str, str],
    encoding: str | None,
    *,
    colors: Colors | None = None,
    ascii_only: bool = False,
    coerced: bool = False,
) -> Capabilities:
    """Return what a terminal with this environment and stream encoding can show.

    `colors` and `ascii_only` are the user's own choice and win over what is found. `coerced` says that Python
    itself replaced a C locale by a UTF-8 one (`sys.flags.utf8_mode`). Of the background
    only the environment is asked.
    """
    unicode = not ascii_only and _carries_glyphs(environ, encoding, coerced)
    return Capabilities(colors or _colors(environ), unicode, light=_light(environ))


def _colors(environ: Mapping[str, str]) -> Colors:
    """Return the depth of colour: COLORTERM rarely survives SSH, so 256 is the common case."""
    term = environ.get("TERM", "")
    if environ.get("NO_COLOR"):
        return "none"
    # GNU screen hands on the COLORTERM of the terminal around it, and can show less.
    if term == "linux" or term.partition(".")[0] == "screen":
        return "16"
    if environ.get("COLORTERM", "").lower() in ("truecolor", "24bit"):
        return "truecolor"
    if "256" in term or "kitty" in term or "ghostty" in term:
        return "256"
    return "16"


def _light(environ: Mapping[str, str]) -> bool:
    """Return whether COLORFGBG, which rxvt and Konsole set, names one of the light colours as background."""
    background = environ.get("COLORFGBG", "").rpartition(";")[2]
    return background in ("7", *map(str, range(9, 16)))


def _carries_glyphs(environ: Mapping[str, str], encoding: str | None, coerced: bool) -> bool:
    """Return whether glyphs arrive: over a UTF-8 stream and, as tmux replaces them else, in such a locale."""
    return "utf" in ctype_of(environ, coerced=coerced).lower() and "utf" in (encoding or "").lower()
