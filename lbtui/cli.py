"""The command line: options, exit codes, and the choice between screen and report."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from lbtui import __version__
from lbtui.text import _, visible

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
    if options.json or options.export or not _has_screen():
        return _without_screen(path, options)
    return _on_screen(path)


def _has_screen() -> bool:
    # A dumb terminal would show the screen's escape sequences as text.
    return sys.stdout.isatty() and sys.stdin.isatty() and os.environ.get("TERM", "dumb") not in ("", "dumb")


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
    # Polars is not imported for --help and --version.
    from lbtui.analysis.overview import overview
    from lbtui.profile import Unreadable
    from lbtui.report import CannotExport, as_json, as_text, export
    from lbtui.sources import SeveralOutputs, open_profile

    ascii_only = "utf" not in (sys.stdout.encoding or "").lower()
    try:
        profile = open_profile(path)
        if options.export:
            # What JSON is piped into must not see these lines.
            told = sys.stderr if options.json else sys.stdout
            for written in export(profile, options.export, options.format):
                told.write(
                    _("{file}: {rows} rows").format(file=visible(str(written.path)), rows=written.rows) + "\n"
                )
        if options.json:
            sys.stdout.write(as_json(overview(profile), ascii_only=ascii_only) + "\n")
        elif not options.export:
            sys.stdout.write(as_text(overview(profile), ascii_only=ascii_only))
        sys.stdout.flush()
    except SeveralOutputs as several:
        folders = "".join(f"  {visible(str(folder))}\n" for folder in several.folders)
        return _failed(f"{several}\n{folders}", USAGE)
    except Unreadable as error:
        return _failed(str(error), UNREADABLE)
    except CannotExport as error:
        return _failed(str(error), USAGE)
    except BrokenPipeError:
        # `lbtui PATH | head` is no error; Python must not complain as it closes the stream.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return OPENED


def _failed(sentence: str, code: int) -> int:
    sys.stderr.write(f"lbtui: {sentence.rstrip()}\n")
    return code
