"""What the terminal can show, decided once at the start and passed down to every drawing function."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from rich.segment import Segment

Colors: TypeAlias = Literal["truecolor", "256", "16", "none"]

# One line of the screen: what every drawing function returns, a list of these being a picture.
Row: TypeAlias = list[Segment]


@dataclass(frozen=True)
class Capabilities:
    """Depth of colour and glyphs; size is passed to each drawing function by its caller."""

    colors: Colors = "256"
    unicode: bool = True


def detect(environ: Mapping[str, str], encoding: str | None) -> Capabilities:
    """Return what a terminal with this environment and stream encoding can show.

    COLORTERM rarely survives SSH, so 256 colours are the common case. Glyphs need a UTF-8 stream and, as
    tmux replaces them otherwise, a UTF-8 locale.
    """
    term = environ.get("TERM", "")
    if environ.get("NO_COLOR"):
        colors: Colors = "none"
    elif environ.get("COLORTERM", "").lower() in ("truecolor", "24bit"):
        colors = "truecolor"
    elif "256" in term or "kitty" in term or "ghostty" in term:
        colors = "256"
    else:
        colors = "16"
    locale = environ.get("LC_ALL") or environ.get("LC_CTYPE") or environ.get("LANG") or ""
    utf8 = "utf" in locale.lower() and "utf" in (encoding or "").lower()
    return Capabilities(colors=colors, unicode=utf8)
