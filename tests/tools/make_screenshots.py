"""Draw one picture of every pane from the demo data into screenshots/, as SVG and PNG, and of a comparison.

    python -m tests.tools.make_screenshots [DIRECTORY] [--profile PATH] [--size 140x40]
        [--background light] [--color 16]

What is compared with the demo is made anew in a temporary folder: the same service with its faults mended.
PNG needs rsvg-convert (Debian: librsvg2-bin, fonts-dejavu-core); without it only SVG is written.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.terminal_theme import SVG_EXPORT_THEME, TerminalTheme
from textual.app import App

import lbtui
from lbtui.render.capabilities import Capabilities
from lbtui.ui.app import LbtuiApp
from lbtui.ui.opening import Asked
from tests.tools import make_tuned
from tests.tools.driving import settled

DEMO = Path(lbtui.__file__).parent / "demo" / "output"
SIZE = (140, 40)
CAPS = Capabilities(colors="truecolor")
# What to press in each pane before its picture is taken.
PICTURES: dict[str, tuple[str, ...]] = {
    "overview": ("1",),
    "dp": ("2",),
    "dp-chart": ("2", "c"),
    "dp-round": ("2", "enter"),
    "pd": ("3",),
    "ep-rank": ("4",),
    "ep-expert": ("4", "v"),
    "ep-time": ("4", "v", "full_stop", "full_stop", "full_stop", "full_stop"),
    "what-if": ("4", "w"),
    "requests": ("5",),
    "help": ("2", "question_mark"),
}
# The same, of the mended service with the demo as its baseline; `5` of DP is where it was most loaded.
COMPARED: dict[str, tuple[str, ...]] = {
    "compare": ("6",),
    "compare-dp": ("2", "j", "j", "j", "b", "b"),
    "compare-pd": ("3", "b", "b"),
    "compare-ep": ("4", "b", "b"),
}

# xterm's sixteen colours on white.
WHITE = TerminalTheme(
    (255, 255, 255),
    (0, 0, 0),
    [
        (0, 0, 0), (205, 0, 0), (0, 205, 0), (205, 205, 0),
        (0, 0, 238), (205, 0, 205), (0, 205, 205), (229, 229, 229),
    ],
    [
        (127, 127, 127), (255, 0, 0), (0, 255, 0), (255, 255, 0),
        (92, 92, 255), (255, 0, 255), (0, 255, 255), (255, 255, 255),
    ],
)  # fmt: skip


async def screen(
    asked: Asked,
    keys: tuple[str, ...],
    size: tuple[int, int] = SIZE,
    caps: Capabilities = CAPS,
) -> str:
    """Return the screen as SVG after pressing the keys."""
    path, baseline = asked.path, asked.baseline
    app = LbtuiApp(asked, caps)
    async with app.run_test(size=size) as pilot:
        for key in ("", *keys):
            if key:
                await pilot.press(key)
            await settled(app, pilot)
        title = "lbtui --demo" if path == DEMO else f"lbtui {path.name}"
        title += f" --baseline {baseline.name}" if baseline is not None else ""
        return local_font(as_svg(app, title, WHITE if caps.light else SVG_EXPORT_THEME))


def as_svg(app: App[Any], title: str, theme: TerminalTheme) -> str:
    """Return what `App.export_screenshot` does, on a background of another colour."""
    width, height = app.size
    console = Console(
        file=io.StringIO(),
        width=width,
        height=height,
        force_terminal=True,
        color_system="truecolor",
        record=True,
    )
    console.print(app.screen._compositor.render_update(full=True))
    return console.export_svg(title=title, theme=theme)


def local_font(svg: str) -> str:
    """Return the SVG with a font that every Linux has instead of one from a web server.

    The cells are 12.2 px wide for Fira Code; DejaVu Sans Mono fills them at 20.27 px.
    """
    svg = re.sub(r"@font-face \{.*?\}\n?", "", svg, flags=re.DOTALL)
    svg = svg.replace("Fira Code", "DejaVu Sans Mono")
    # Without it rsvg-convert drops the blanks at the beginning of a run of text.
    svg = svg.replace("<text ", '<text xml:space="preserve" ')
    return re.sub(r"font-size: 20px", "font-size: 20.27px", svg)


def draw(
    directory: Path,
    asked: Asked,
    pictures: dict[str, tuple[str, ...]],
    size: tuple[int, int],
    caps: Capabilities,
) -> None:
    """Write every picture of what is asked for into `directory`."""
    directory.mkdir(parents=True, exist_ok=True)
    convert = shutil.which("rsvg-convert")
    for name, keys in pictures.items():
        svg = directory / f"{name}.svg"
        svg.write_text(asyncio.run(screen(asked, keys, size, caps)), encoding="utf-8")
        if convert:
            png = svg.with_suffix(".png")
            subprocess.run([convert, "--zoom", "0.8", "-o", str(png), str(svg)], check=True)


def main() -> None:
    """Draw the pictures of the demo, or of another profile."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directory", nargs="?", type=Path, default=Path(__file__).parents[2] / "screenshots")
    parser.add_argument("--profile", type=Path, default=DEMO)
    parser.add_argument("--size", default=f"{SIZE[0]}x{SIZE[1]}")
    parser.add_argument("--background", choices=("dark", "light"), default="dark")
    parser.add_argument("--color", choices=("truecolor", "256", "16", "none"), default="truecolor")
    options = parser.parse_args()
    caps = Capabilities(options.color, light=options.background == "light")
    columns, rows = (int(n) for n in options.size.split("x"))
    draw(options.directory, Asked(options.profile), PICTURES, (columns, rows), caps)
    if options.profile == DEMO:
        draw_compared(options.directory, (columns, rows), caps)


def draw_compared(directory: Path, size: tuple[int, int], caps: Capabilities) -> None:
    """Write the pictures of the mended service compared with the demo."""
    # The screen names both folders: by paths that are the same each time.
    folder = Path(tempfile.gettempdir(), "lbtui-pictures")
    shutil.rmtree(folder, ignore_errors=True)
    before, after = folder / "demo", folder / "tuned"
    shutil.copytree(DEMO, before)
    make_tuned.make(after)
    draw(directory, Asked(after, baseline=before), COMPARED, size, caps)
    shutil.rmtree(folder)


if __name__ == "__main__":
    main()
