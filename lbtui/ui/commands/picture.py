"""The screen as a picture that any browser shows, and that asks no server for anything."""

from __future__ import annotations

import re
from typing import Any

from textual.app import App

# Rich has it name a font on a server of the web.
_FONT_FACES = re.compile(r"@font-face \{.*?\}\n?", re.DOTALL)
_FONT = "Fira Code"


def as_svg(app: App[Any]) -> str:
    """Return the screen as SVG."""
    svg = _FONT_FACES.sub("", app.export_screenshot(title="lbtui"))
    # 20 px of what every Linux has fill 12.2 px a cell at this size; without the attribute some drop blanks.
    svg = svg.replace(_FONT, "DejaVu Sans Mono").replace("font-size: 20px", "font-size: 20.27px")
    return svg.replace("<text ", '<text xml:space="preserve" ')
