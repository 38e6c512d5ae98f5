"""What the terminal can show, decided once at the start and passed down to every drawing function."""

from __future__ import annotations

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
