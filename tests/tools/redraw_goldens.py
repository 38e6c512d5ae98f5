"""Write the text of every screen anew: `python -m tests.tools.redraw_goldens [NAME …]`.

Names are those of `screens.SCENES`; without one all are written, and what is of no scene any more is removed.
Look at the difference before you commit it.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from lbtui.render.capabilities import Capabilities
from tests.tools.screens import SCENES, SIZES, Size, folders, texts

GOLDENS = Path(__file__).parents[1] / "ui" / "golden" / "screens"
# Shades can be read in a text file, colours cannot.
CAPS = Capabilities("none")


def golden(name: str, size: Size) -> Path:
    """Return the file of a scene in a size."""
    return GOLDENS / f"{name}_{size[0]}x{size[1]}.txt"


def main() -> None:
    """Write the goldens of the scenes named, or all."""
    names = sys.argv[1:] or list(SCENES)
    if not sys.argv[1:]:
        for stale in set(GOLDENS.iterdir()) - {golden(name, size) for name in SCENES for size in SIZES}:
            stale.unlink()
    with folders() as asked:
        for name in names:
            scene = SCENES[name]
            for size, text in asyncio.run(texts(asked[scene.of], scene.keys, SIZES, CAPS)).items():
                golden(name, size).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
