"""Write the text of every screen anew: `python -m tests.tools.redraw_goldens [NAME …]`.

Names are those of `screens.SCENES`; without one all are written, and what is of no scene any more is removed.
Look at the difference before you commit it. `python -m tests.tools.in_chinese redraw_goldens` writes those in
Chinese; with `--check` names of screens that differ are printed, and nothing is written.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from lbtui.render.capabilities import Capabilities
from lbtui.text import language
from tests.tools.reading_once import reading_once
from tests.tools.screens import SCENES, SIZES, Size, folders, texts

_GOLDEN = Path(__file__).parents[1] / "ui" / "golden"
GOLDENS, CHINESE = _GOLDEN / "screens", _GOLDEN / "screens_zh_CN"
# In Chinese in the sizes of a desktop's window, and of a terminal as it comes.
CHINESE_SIZES: tuple[Size, ...] = ((200, 50), (80, 24))
# Shades can be read in a text file, colours cannot.
CAPS = Capabilities("none")


def golden(name: str, size: Size) -> Path:
    """Return the file of a scene in a size, in the language that is spoken."""
    return (GOLDENS if language() == "en" else CHINESE) / f"{name}_{size[0]}x{size[1]}.txt"


def main() -> None:
    """Write the goldens of the scenes named, or all; with `--check` only tell which differ."""
    check = "--check" in sys.argv
    given = [name for name in sys.argv[1:] if name != "--check"]
    names = given or list(SCENES)
    sizes = SIZES if language() == "en" else CHINESE_SIZES
    if not given and not check:
        folder = golden("", sizes[0]).parent
        folder.mkdir(exist_ok=True)
        for stale in set(folder.iterdir()) - {golden(name, size) for name in SCENES for size in sizes}:
            stale.unlink()
    with folders() as asked, reading_once():
        for name in names:
            scene = SCENES[name]
            for size, text in asyncio.run(texts(asked[scene.of], scene.keys, sizes, CAPS)).items():
                file = golden(name, size)
                if not check:
                    file.write_text(text, encoding="utf-8")
                elif not file.exists() or file.read_text(encoding="utf-8") != text:
                    print(file.name, flush=True)


if __name__ == "__main__":
    main()
