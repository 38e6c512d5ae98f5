"""The command line: options, exit codes, and the choice between screen and report."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from lbtui import __version__
from lbtui.text import _

OPENED, USAGE, UNREADABLE = 0, 2, 3


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="lbtui",
        description=_(
            "Show where an LLM serving cluster's load is unbalanced, from the parsed output of Ascend's "
            "msServiceProfiler."
        ),
    )
    parser.add_argument(
        "path", nargs="?", type=Path, help=_("the parsed output: its folder, or a file in it")
    )
    parser.add_argument("--demo", action="store_true", help=_("open the bundled demo profile"))
    parser.add_argument("--json", action="store_true", help=_("print profile and metrics as JSON, and end"))
    parser.add_argument(
        "--export", type=Path, metavar="DIR", help=_("write the canonical frames into DIR, and end")
    )
    parser.add_argument(
        "--format", choices=("csv", "parquet"), default="csv", help=_("format of --export (default: csv)")
    )
    parser.add_argument("--version", action="version", version=f"lbtui {__version__}")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run lbtui; return the exit code: 0 opened or reported, 2 usage, 3 nothing readable at PATH."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.demo == (options.path is not None):
        parser.error(_("give the path of a parsed output, or --demo"))
    path: Path = Path(__file__).parent / "demo" / "output" if options.demo else options.path
    if options.json or options.export or not (sys.stdout.isatty() and sys.stdin.isatty()):
        return _without_screen(path, options)
    return _on_screen(path)


def _on_screen(path: Path) -> int:
    # Half a second of imports that a report does not need.
    from lbtui.render.capabilities import detect
    from lbtui.ui.app import LbtuiApp

    caps = detect(os.environ, sys.stdout.encoding)
    app = LbtuiApp(path, caps)
    code = app.run()
    if app.failure:
        sys.stderr.write(f"lbtui: {app.failure}\n")
    return OPENED if code is None else code


def _without_screen(path: Path, options: argparse.Namespace) -> int:
    return UNREADABLE
