"""Draw one picture of every pane from the demo data into screenshots/, as SVG and PNG, and of a comparison.

    python -m tests.tools.make_screenshots [DIRECTORY] [--profile PATH] [--size 140x40]
        [--background light] [--color 16] [--scenes dp,pd | --scenes all]

Scenes are those of `screens.SCENES`.
In Chinese: `python -m tests.tools.in_chinese make_screenshots …`.
PNG needs rsvg-convert (Debian: librsvg2-bin, fonts-dejavu-core, fonts-noto-cjk); without it SVG alone.
"""

from __future__ import annotations

import argparse
import asyncio
import html
import io
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.cells import cell_len
from rich.console import Console
from rich.terminal_theme import SVG_EXPORT_THEME, TerminalTheme
from textual.app import App

from lbtui.lines import WIDE
from lbtui.render.capabilities import Capabilities
from lbtui.ui.opening import Asked
from tests.sources.engines import raw_of
from tests.tools.replay import Replay, times_of
from tests.tools.screens import SCENES, Size, folders, same_name, standing

SIZE = (140, 40)
_CELL = 12.2  # px of Rich's SVG
# Those that the README shows, and more.
PICTURES = (
    *("overview", "dp", "dp-chart", "dp-round", "pd", "ep-rank", "ep-expert", "ep-time"),
    *("what-if", "what-if-routing", "what-if-ratio", "requests", "targets", "targets-distribution", "help"),
    *("timeline", "timeline-blocks", "timeline-only"),
    *("compare", "compare-dp", "compare-pd", "compare-ep"),
    *("runs", "runs-trend", "runs-sweep"),
)

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


async def screen(asked: Asked, keys: Sequence[str], size: Size, caps: Capabilities) -> str:
    """Return the screen as SVG after pressing the keys."""
    path, baseline = asked.path, asked.baseline
    async with standing(asked, keys, size, caps) as (app, _pilot):
        title = "lbtui --demo" if path.parts[-2:] == ("demo", "output") else f"lbtui {path.name}"
        title += f" --baseline {baseline.name}" if baseline is not None else ""
        title += " --watch" if asked.watch else ""
        return same_name(
            local_font(in_cells(as_svg(app, title, WHITE if caps.light else SVG_EXPORT_THEME))), asked
        )


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


def in_cells(svg: str) -> str:
    """Return the SVG with each run of wide characters where its cells are; Rich takes them for narrow."""

    def parted(found: re.Match[str]) -> str:
        before, x, between, after, text = found.groups()
        plain = html.unescape(text)
        if cell_len(plain) == len(plain):
            return found[0]
        at, made = float(x), ""
        # rsvg-convert knows no list of places: each wide character is a text of its own.
        for piece in re.findall(f"[{WIDE}]|[^{WIDE}]+", plain):
            length = cell_len(piece) * _CELL
            shown = html.escape(piece).replace(" ", "&#160;")
            made += f'{before}x="{at:g}"{between}textLength="{length:g}"{after}{shown}</text>'
            at += length
        return made

    pattern = r'(<text [^>]*?)x="([0-9.]+)"( y="[0-9.]+" )textLength="[0-9.]+"([^>]*>)([^<]*)</text>'
    return re.sub(pattern, parted, svg)


def draw(directory: Path, name: str, asked: Asked, size: Size, caps: Capabilities) -> None:
    """Write the picture of a scene into `directory`."""
    keep(directory / f"{name}.svg", asyncio.run(screen(asked, SCENES[name].keys, size, caps)))


def draw_watching(directory: Path, size: Size, caps: Capabilities) -> None:
    """Write the picture of a recording that goes on: 60 % of one, as if its last event were just now."""
    with tempfile.TemporaryDirectory() as folder:
        recorded, path = raw_of("mindie_pd_even", Path(folder) / "recorded"), Path(folder) / "PROF_DIR"
        first, last = times_of(recorded)
        until = first + (last - first) * 6 // 10
        later = time.time_ns() - until
        replay = Replay(recorded, path, lambda time_ns: time_ns + later)
        replay.until(until)
        keep(directory / "watching.svg", asyncio.run(screen(Asked(path, watch=True), ("2",), size, caps)))
        replay.close()


def keep(svg: Path, picture: str) -> None:
    """Write a picture as SVG and, where that can be had, as PNG."""
    svg.write_text(picture, encoding="utf-8")
    if convert := shutil.which("rsvg-convert"):
        subprocess.run([convert, "--zoom", "0.8", "-o", str(svg.with_suffix(".png")), str(svg)], check=True)


def main() -> None:
    """Draw the pictures of the demo, or of another profile."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directory", nargs="?", type=Path, default=Path(__file__).parents[2] / "screenshots")
    parser.add_argument("--profile", type=Path)
    parser.add_argument("--size", default=f"{SIZE[0]}x{SIZE[1]}")
    parser.add_argument("--background", choices=("dark", "light"), default="dark")
    parser.add_argument("--color", choices=("truecolor", "256", "16", "none"), default="truecolor")
    parser.add_argument("--scenes", default=",".join(PICTURES))
    options = parser.parse_args()
    caps = Capabilities(options.color, light=options.background == "light")
    columns, rows = (int(n) for n in options.size.split("x"))
    names = list(SCENES) if options.scenes == "all" else options.scenes.split(",")
    options.directory.mkdir(parents=True, exist_ok=True)
    with folders() as made:
        for name in names:
            if options.profile is None:
                draw(options.directory, name, made[SCENES[name].of], (columns, rows), caps)
            elif SCENES[name].of == "demo":
                draw(options.directory, name, Asked(options.profile), (columns, rows), caps)
    if options.profile is None and names == list(PICTURES):
        draw_watching(options.directory, (columns, rows), caps)


if __name__ == "__main__":
    main()
