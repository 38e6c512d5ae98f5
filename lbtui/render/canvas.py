"""What a drawing has to itself: room, what the terminal can show, and the scale of what is drawn."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from lbtui.render.capabilities import Capabilities

Kind: TypeAlias = Literal["load", "difference"]


@dataclass(frozen=True)
class Canvas:
    """Room of `width` cells by `height` lines on a terminal that can show what `caps` says."""

    width: int
    height: int
    caps: Capabilities

    def sized(self, width: int | None = None, height: int | None = None) -> Canvas:
        """Return a part of it."""
        return replace(
            self,
            width=self.width if width is None else width,
            height=self.height if height is None else height,
        )


@dataclass(frozen=True)
class Scale:
    """What numbers stand for the ends of the ramp.

    Of a `load` the higher is the hotter. A `difference` runs from `low` = −`high` in the diverging colours.
    `clipped` says that the hottest colour also stands for what lies above `high`.
    """

    low: float
    high: float
    kind: Kind = "load"
    clipped: bool = False
