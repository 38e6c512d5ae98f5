"""The command line: options, exit codes, and the choice between screen and report."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from lbtui import __version__
from lbtui.text import _, visible

if TYPE_CHECKING:
    from lbtui.analysis.eplb.policies import Ints
    from lbtui.findings import Finding, Thresholds
    from lbtui.profile import Profile
    from lbtui.render.capabilities import Colors
    from lbtui.report import Written

OPENED, FOUND, USAGE, UNREADABLE = 0, 1, 2, 3
_REPORTS = ("text", "markdown")
_COLORS: tuple[Colors, ...] = ("truecolor", "256", "16", "none")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="lbtui",
        description=_(
            "Show where an LLM serving cluster's load is unbalanced, from the parsed output of Ascend's "
            "msServiceProfiler."
        ),
    )
    parser.add_argument(
        "path",
        nargs="?",
        type=Path,
        help=_(
            "the parsed output: its folder, or a file in it; or, for experts alone, a raw profile, a "
            "MindIE expert dump, token counts (.npy, CSV, JSON) or a placement file"
        ),
    )
    parser.add_argument(
        "--baseline",
        type=Path,
        metavar="PATH",
        help=_("compare with this earlier output: what became better or worse beyond chance"),
    )
    parser.add_argument(
        "--experts",
        type=Path,
        metavar="PATH",
        help=_(
            "take expert heat from this raw profile (the folder of ms_service_*.db), MindIE expert dump or "
            "file of token counts; a raw profile near the output is found by itself"
        ),
    )
    parser.add_argument(
        "--placement",
        type=Path,
        metavar="FILE",
        help=_(
            "a placement of experts (JSON of msit, MindIE, vllm-ascend or SGLang): names the experts of "
            "slots where the loads do not, and can be compared with the placement in use"
        ),
    )
    parser.add_argument(
        "--capture",
        type=_capture,
        metavar="N",
        help=_(
            "show this one of several captures in the files, counted from 1 in order of time, or with `all` "
            "everything on one axis (default: the one with most steps and rounds). Captures are parted where "
            "nothing is recorded for more than 10 minutes and more than 10 times as long as the longer of "
            "both; fewer than 20 rows by themselves are rows with a broken time. --export writes all"
        ),
    )
    parser.add_argument("--demo", action="store_true", help=_("open the bundled demo profile"))
    output = parser.add_mutually_exclusive_group()
    output.add_argument(
        "--report",
        nargs="?",
        choices=_REPORTS,
        const="text",
        help=_("print findings and overview as text (default) or as a Markdown page, and end"),
    )
    output.add_argument(
        "--json", action="store_true", help=_("print profile, metrics and findings as JSON, and end")
    )
    parser.add_argument(
        "--fail-on",
        choices=("warning", "critical", "worse"),
        help=_(
            "report, and exit with 1 if the load has a finding of this severity or above, or (worse) if a "
            "headline of the comparison with --baseline is worse; its details do not count"
        ),
    )
    parser.add_argument(
        "--config",
        type=Path,
        metavar="FILE",
        help=_(
            "thresholds, and the shares of the load that domains and nodes are meant to carry ([expected]: "
            'domain."dp3".share = 0.5, node."IP:PORT".weight = 2; 1 is a peer without an entry), TOML '
            "(default: $XDG_CONFIG_HOME/lbtui/config.toml where there is one)"
        ),
    )
    parser.add_argument(
        "--export", type=Path, metavar="DIR", help=_("write the canonical frames into DIR, and end")
    )
    parser.add_argument(
        "--per-iteration",
        action="store_true",
        help=_("let --export write expert heat iteration by iteration, not only by EPLB period"),
    )
    parser.add_argument(
        "--format", choices=("csv", "parquet"), default="csv", help=_("format of --export (default: csv)")
    )
    parser.add_argument(
        "--force", action="store_true", help=_("let --export replace files that are there already")
    )
    screen = parser.add_argument_group(_("screen"))
    screen.add_argument(
        "--color",
        choices=("auto", *_COLORS),
        default="auto",
        help=_("depth of colour (default: auto, from NO_COLOR, COLORTERM and TERM)"),
    )
    screen.add_argument("--ascii", action="store_true", help=_("draw, and report, in ASCII only"))
    screen.add_argument("--no-mouse", action="store_true", help=_("leave the mouse to the terminal"))
    parser.add_argument("--version", action="version", version=f"lbtui {__version__}")
    return parser


def _capture(text: str) -> int | Literal["all"]:
    if text == "all":
        return "all"
    if text.isascii() and text.isdigit() and 0 < len(text) < 7 and int(text) > 0:
        return int(text)
    raise argparse.ArgumentTypeError(_("a number from 1 or `all` is wanted"))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run lbtui; return the exit code.

    0 opened or reported, 1 findings at or above `--fail-on`, 2 usage, 3 nothing readable at either path.
    """
    parser = _parser()
    options = parser.parse_args(_told_apart(sys.argv[1:] if arguments is None else arguments))
    if options.demo == (options.path is not None):
        parser.error(_("give the path of a parsed output, or --demo"))
    if options.per_iteration and options.export is None:
        parser.error(_("--per-iteration needs --export"))
    if options.fail_on == "worse" and options.baseline is None:
        parser.error(_("--fail-on worse needs --baseline"))
    path: Path = Path(__file__).parent / "demo" / "output" if options.demo else options.path
    config = options.config or _user_config()
    thresholds = None
    if config is not None:
        # Imports polars, which the screen else does without for its first frame.
        from lbtui.findings import BadThresholds, from_file

        try:
            thresholds = from_file(config)
        except BadThresholds as error:
            return _failed(str(error), USAGE)
    reporting = options.report or options.json or options.export or options.fail_on
    if reporting or not _has_screen():
        return _without_screen(path, options, thresholds)
    return _on_screen(path, options, thresholds)


def _told_apart(arguments: Sequence[str]) -> list[str]:
    """Return the arguments with the default report's name spelled out: what follows may be the path."""
    return [
        "--report=text" if argument == "--report" and following not in _REPORTS else argument
        for argument, following in zip(arguments, [*arguments[1:], ""], strict=False)
    ]


def _user_config() -> Path | None:
    home = os.environ.get("HOME")
    base = os.environ.get("XDG_CONFIG_HOME") or (Path(home, ".config") if home else None)
    path = Path(base, "lbtui", "config.toml") if base else None
    # Not `exists`: it raises where a folder above may not be entered.
    return path if path and os.access(path, os.F_OK) else None


def _has_screen() -> bool:
    # A dumb terminal would show the screen's escape sequences as text.
    return sys.stdout.isatty() and sys.stdin.isatty() and os.environ.get("TERM", "dumb") not in ("", "dumb")


def _save(name: str, placement: Ints, ranks: int, profile: Path) -> str | None:
    from lbtui.report import placement_json
    from lbtui.report.save import save_new

    return save_new(name, placement_json(placement, ranks), profile)


def _on_screen(path: Path, options: argparse.Namespace, thresholds: Thresholds | None) -> int:
    # Half a second of imports that a report does not need.
    from lbtui.render.capabilities import detect
    from lbtui.ui.run import run

    caps = detect(
        os.environ,
        sys.stdout.encoding,
        colors=None if options.color == "auto" else options.color,
        ascii_only=options.ascii,
        coerced=bool(sys.flags.utf8_mode),
    )
    return run(
        path,
        caps,
        thresholds,
        mouse=not options.no_mouse,
        baseline=options.baseline,
        experts=options.experts,
        placement=options.placement,
        capture=options.capture,
        save=_save,
    )


def _without_screen(path: Path, options: argparse.Namespace, thresholds: Thresholds | None) -> int:
    # Polars is not imported for --help and --version.
    from lbtui.profile import Unreadable
    from lbtui.report import CannotExport, export
    from lbtui.sources import SeveralOutputs, open_profile

    failed = False
    try:
        profile = open_profile(path, options.experts, options.placement, options.capture)
        profile.require_rows()
        baseline = None if options.baseline is None else open_profile(options.baseline)
        if baseline is not None:
            baseline.require_rows()
        if isinstance(options.capture, int) and (only := _captures_fewer(profile, options.capture)):
            return _failed(only, USAGE)
        if options.export:
            # What a report is piped into must not see these lines.
            told = sys.stderr if options.json or options.report else sys.stdout
            for written in export(
                profile,
                options.export,
                options.format,
                force=options.force,
                per_iteration=options.per_iteration,
            ):
                told.write(_exported(written) + "\n")
        if options.json or options.report or options.fail_on or not options.export:
            failed = _report(profile, baseline, options, thresholds)
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
    return FOUND if failed else OPENED


def _captures_fewer(profile: Profile, number: int) -> str:
    """Return what to say where there is no capture of that number, else nothing."""
    captures = profile.captures()
    count = 0 if captures is None else len(captures.parts)
    if number <= count:
        return ""
    return _("there is no capture {number}: the files hold {count}").format(number=number, count=count)


def _exported(written: Written) -> str:
    sentence = (
        _("{file}: {rows} rows; {cells} cells that a spreadsheet would execute begin with ' now")
        if written.defused
        else _("{file}: {rows} rows")
    )
    return sentence.format(file=visible(str(written.path)), rows=written.rows, cells=written.defused)


def _report(
    profile: Profile, baseline: Profile | None, options: argparse.Namespace, thresholds: Thresholds | None
) -> bool:
    """Write the report asked for and tell whether it holds what `--fail-on` names."""
    from lbtui.analysis.comparison import compare
    from lbtui.analysis.overview import overview
    from lbtui.findings import Thresholds
    from lbtui.findings.diagnosis import diagnose
    from lbtui.findings.doubts import comparable, doubt_of, with_doubt
    from lbtui.report import as_json, as_markdown, as_text

    ascii_only = options.ascii or "utf" not in (sys.stdout.encoding or "").lower()
    known = overview(profile, expected=None if thresholds is None else thresholds.expected)
    diagnosis = diagnose(profile, known.window, thresholds)
    known = with_doubt(known, diagnosis.findings)
    limits = thresholds or Thresholds()
    comparison = None
    if baseline is not None:
        sides = doubt_of(baseline, limits), doubt_of(profile, limits)
        comparison = comparable(compare(baseline, profile), *sides)
    if options.json:
        sys.stdout.write(as_json(known, diagnosis.findings, comparison, ascii_only=ascii_only) + "\n")
    elif not options.export or options.report:
        write = as_markdown if options.report == "markdown" else as_text
        sys.stdout.write(write(known, diagnosis, comparison, ascii_only=ascii_only))
    if options.fail_on == "worse":
        return comparison is not None and comparison.is_worse
    return _fails(diagnosis.findings, options.fail_on)


def _fails(found: Sequence[Finding], least: str | None) -> bool:
    """Tell whether a finding on the load, not on the data, has the severity `least` or a higher one."""
    failing = {"critical": ("critical",), "warning": ("critical", "warning")}.get(least or "", ())
    return any(f.severity in failing and f.dimension != "data" for f in found)


def _failed(sentence: str, code: int) -> int:
    sys.stderr.write(f"lbtui: {sentence.rstrip()}\n")
    return code
