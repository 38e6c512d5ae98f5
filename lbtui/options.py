"""The options of the command line, and what is said where they are wrong."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NoReturn

from lbtui import __version__
from lbtui.codes import OPENED, UNWRITTEN, USAGE
from lbtui.completion import SHELLS, completion
from lbtui.language import LANGUAGES
from lbtui.lines import broken
from lbtui.manual import json_schema
from lbtui.output import CannotWrite, complain, write_out
from lbtui.text import _, in_list, visible

if TYPE_CHECKING:
    from lbtui.render.capabilities import Background, Colors
    from lbtui.thresholds import Entry
    from lbtui.ui.kit.at import View

REPORTS = ("text", "markdown")
EXPORTS = ("csv", "parquet")
SQL_FORMATS = ("table", "csv", "json")
WHAT_IFS = ("EPLB", "routing", "ratio")
MOST_SIZE = 1e9
_NUMBER = re.compile(r"[0-9]{1,12}(?:\.[0-9]{0,12})?|\.[0-9]{1,12}")
_COLORS: tuple[Colors, ...] = ("truecolor", "256", "16", "none")
_BACKGROUNDS: tuple[Literal["auto"] | Background, ...] = ("auto", "dark", "light")


class _Formatter(argparse.HelpFormatter):
    """One that breaks lines as everything here does; argparse knows nothing of Chinese."""

    def _split_lines(self, text: str, width: int) -> list[str]:
        return broken(" ".join(text.split()), width)

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        return "\n".join(indent + line for line in self._split_lines(text, width - len(indent)))


class _Parser(argparse.ArgumentParser):
    """One that shows what was typed without obeying it."""

    def error(self, message: str) -> NoReturn:
        complain(f"{self.format_usage()}lbtui: {_('error: ')}{visible(message)}\n")
        raise SystemExit(USAGE)


class _Print(argparse.Action):
    """Print a text and end; argparse's own actions would end with 0 where nothing could be printed.

    With `choices` the text is of the one that is named.
    """

    def __init__(self, *, text: Callable[..., str], **options: Any) -> None:
        super().__init__(**options, nargs=None if "choices" in options else 0)
        self._text = text

    def __call__(self, _parser: object, _namespace: object, chosen: Any, _option: object = None) -> NoReturn:
        try:
            write_out(self._text(chosen) if self.choices else self._text())
        except CannotWrite as error:
            complain(f"lbtui: {error}\n")
            raise SystemExit(UNWRITTEN) from error
        raise SystemExit(OPENED)


def parser() -> argparse.ArgumentParser:
    """Return the parser of all options.

    It raises `SystemExit` with the exit code after `--help`, `--version` and wrong usage.
    """
    known = _Parser(
        prog="lbtui",
        description=_(
            "Show where an LLM serving cluster's load is unbalanced, from the parsed output of Ascend's "
            "msServiceProfiler."
        ),
        add_help=False,
        formatter_class=_Formatter,
    )
    known.add_argument("-h", "--help", action=_Print, text=known.format_help, help=_("print this, and end"))
    # In the order in which the help lists them.
    _add_inputs(known)
    _add_reports(known)
    _add_many(known)
    _add_what_if(known)
    _add_sql(known)
    _add_export(known)
    _add_screen(known)
    _add_state(known)
    _add_about(known)
    return known


def _add_inputs(known: argparse.ArgumentParser) -> None:
    known.add_argument(
        "path",
        nargs="?",
        type=Path,
        help=_(
            "the parsed output: its folder, or a file in it; or a raw profile (a folder above "
            "ms_service_*.db); or a folder above several of these or of summaries (--summary), which are "
            "shown side by side; or, for experts alone, a MindIE expert dump, token counts (.npy, CSV, JSON) "
            "or a placement file (default: the output in the working directory, or below it)"
        ),
    )
    known.add_argument(
        "--baseline",
        type=Path,
        metavar="PATH",
        help=_(
            "compare with this earlier output: what became better or worse beyond chance; of many runs the "
            "one that all others are held against, also by its name below the folder"
        ),
    )
    known.add_argument(
        "--experts",
        type=Path,
        metavar="PATH",
        help=_(
            "take expert heat from this raw profile (the folder of ms_service_*.db), MindIE expert dump or "
            "file of token counts; a raw profile near the output is found by itself"
        ),
    )
    known.add_argument(
        "--placement",
        type=Path,
        metavar="FILE",
        help=_(
            "a placement of experts (JSON of msit, MindIE, vllm-ascend or SGLang): names the experts of "
            "slots where the loads do not, and can be compared with the placement in use"
        ),
    )
    known.add_argument(
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
    known.add_argument(
        "--raw",
        action="store_true",
        help=_(
            "open the raw profile at PATH (the folder above ms_service_*.db) where the parser's output lies "
            "there, too; without it that output is opened (O in the screen leads to the other)"
        ),
    )
    known.add_argument("--demo", action="store_true", help=_("open the bundled demo profile"))


def _add_reports(known: argparse.ArgumentParser) -> None:
    output = known.add_mutually_exclusive_group()
    output.add_argument(
        "--report",
        nargs="?",
        choices=REPORTS,
        const="text",
        help=_("print findings and overview as text (default) or as a Markdown page, and end"),
    )
    output.add_argument(
        "--json", action="store_true", help=_("print profile, metrics and findings as JSON, and end")
    )
    output.add_argument(
        "--get",
        action="append",
        metavar="NAME",
        help=_(
            "print one value of what --json prints, and end: dp.batch_size.par, slo.attainment, "
            "findings.dp.straggler.cost.value; several times for a line each (the manual's scripts)"
        ),
    )
    known.add_argument(
        "--fail-on",
        choices=("warning", "critical", "worse"),
        help=_(
            "report, and exit with 1 if the load has a finding of this severity or above, or (worse) if a "
            "headline of the comparison with --baseline is worse; its details do not count. Of many runs the "
            "newest counts"
        ),
    )
    known.add_argument(
        "--slo",
        type=_targets,
        metavar="ttft=MS,tpot=MS,e2e=MS",
        help=_(
            "what a request is to take at most, in ms: to its first token, per output token after that, from "
            "arrival to end; of one of them or more only these count (default: [slo] of the config; else p95 "
            "of this run for ttft and tpot)"
        ),
    )
    known.add_argument(
        "--config",
        type=Path,
        metavar="FILE",
        help=_(
            "thresholds, the shares of the load that domains and nodes are meant to carry ([expected]: "
            'domain."dp3".share = 0.5, node."IP:PORT".weight = 2; 1 is a peer without an entry), targets '
            '([slo] ttft = 500), and [screen] background = "light"; TOML '
            "(default: $XDG_CONFIG_HOME/lbtui/config.toml where there is one)"
        ),
    )


def _add_many(known: argparse.ArgumentParser) -> None:
    known.add_argument(
        "--summary",
        metavar="FILE",
        help=_(
            "write what a table of many runs needs of this one into the new FILE (JSON, some 100 kB), and "
            "end: where the runs lie on several machines such files are gathered in a folder and opened"
        ),
    )
    known.add_argument(
        "--no-cache",
        action="store_true",
        help=_(
            "of many runs read each anew, and keep none of their summaries (in $XDG_CACHE_HOME/lbtui) for "
            "the next time"
        ),
    )


def _add_what_if(known: argparse.ArgumentParser) -> None:
    known.add_argument(
        "--what-if",
        type=_what_if,
        metavar="|".join(WHAT_IFS),
        help=_(
            "print instead what another placement of experts would bring and cost (EPLB), or by replay other "
            "routing of requests or other numbers of P and D nodes (ratio), and end; --report markdown and "
            "--json choose its form"
        ),
    )
    known.add_argument(
        "--expert-mib",
        type=partial(_positive, _("MiB")),
        metavar="MIB",
        help=_("size of the weights of one expert in one layer, for the price that What-if of experts names"),
    )
    known.add_argument(
        "--link-gbps",
        type=partial(_positive, _("Gbit/s")),
        metavar="GBPS",
        help=_("gigabits a second at which a rank gets weights, for the same"),
    )


def _add_sql(known: argparse.ArgumentParser) -> None:
    known.add_argument(
        "--sql",
        metavar="QUERY",
        help=_(
            "print what this query of the canonical frames gives, and end: SELECT, WITH, SHOW TABLES or "
            "EXPLAIN, run in a process of its own that can open nothing (tables and columns: --manual sql)"
        ),
    )


def _add_export(known: argparse.ArgumentParser) -> None:
    known.add_argument(
        "--export", type=Path, metavar="DIR", help=_("write the canonical frames into DIR, and end")
    )
    known.add_argument(
        "--per-iteration",
        action="store_true",
        help=_("let --export write expert heat iteration by iteration, not only by EPLB period"),
    )
    known.add_argument(
        "--format",
        choices=("table", "csv", "json", "parquet"),
        help=_(
            "csv or parquet of --export (default: csv); table, csv or json of --sql (default: table on a "
            "terminal, else csv)"
        ),
    )
    known.add_argument(
        "--force", action="store_true", help=_("let --export replace files that are there already")
    )


def _add_screen(known: argparse.ArgumentParser) -> None:
    screen = known.add_argument_group(_("screen"))
    screen.add_argument(
        "--color",
        choices=("auto", *_COLORS),
        default="auto",
        help=_("depth of colour (default: auto, from NO_COLOR, COLORTERM and TERM)"),
    )
    screen.add_argument(
        "--background",
        choices=_BACKGROUNDS,
        help=_(
            "colours for this background of the terminal (default: the config's; else auto, which asks the "
            "terminal and takes what it says within 0.1 s, then COLORFGBG, then dark)"
        ),
    )
    screen.add_argument(
        "--watch",
        action="store_true",
        help=_(
            "look every second and a half whether the profile's files have changed or others came, as while "
            "it is being recorded, and show what is new (W in the screen)"
        ),
    )
    screen.add_argument(
        "--at",
        type=_view,
        metavar="VIEW",
        help=_(
            "show this first: a pane and what is chosen in it, as `dp;t=08:00:24.5;d=dp5;m=batch_size`. "
            "Ctrl-Y in the screen, or a click on its first line, gives the line that opens what is shown "
            "(the manual's links)"
        ),
    )
    screen.add_argument("--ascii", action="store_true", help=_("draw, and report, in ASCII only"))
    screen.add_argument("--no-mouse", action="store_true", help=_("leave the mouse to the terminal"))


def _add_state(known: argparse.ArgumentParser) -> None:
    known.add_argument(
        "--no-state",
        action="store_true",
        help=_(
            "neither read nor write what is remembered from one time to the next: where you were in this "
            "profile, filters, marks, notes on findings, what was copied (in $XDG_STATE_HOME/lbtui)"
        ),
    )


def _add_about(known: argparse.ArgumentParser) -> None:
    known.add_argument(
        "--lang",
        choices=LANGUAGES,
        help=_(
            "language of screen, reports, help and manual (default: the config's; else by LC_ALL, "
            "LC_MESSAGES or LANG; of --json and --get English unless this says otherwise)"
        ),
    )
    known.add_argument(
        "--log",
        type=Path,
        metavar="FILE",
        help=_(
            "add to FILE what helps to find a fault: versions, machine, terminal, files with their sizes, "
            "how long each was read, notes, tracebacks; of the data names and counts only (also "
            "LBTUI_LOG=FILE)"
        ),
    )
    known.add_argument(
        "--manual",
        nargs="?",
        const="",
        metavar="TOPIC",
        help=_("print the topics of the manual, or one of them, and end"),
    )
    known.add_argument(
        "--man",
        action=_Print,
        text=lambda: _man_page(known),
        help=_("print the man page (lbtui --man | man -l -), and end"),
    )
    known.add_argument(
        "--completion",
        action=_Print,
        choices=SHELLS,
        text=completion,
        help=_("print what completes lbtui in this shell, and end (the manual's scripts has where it goes)"),
    )
    known.add_argument(
        "--json-schema",
        action=_Print,
        text=json_schema,
        help=_("print the JSON Schema of --json, also with --what-if, and end"),
    )
    known.add_argument(
        "--config-example",
        action=_Print,
        text=_config_example,
        help=_("print a config file with every setting, its default and its meaning, and end"),
    )
    known.add_argument(
        "--version",
        action=_Print,
        text=lambda: f"lbtui {__version__}\n",
        help=_("print the version, and end"),
    )


# What few ask for is imported then: the first frame waits for all that stands above.


def _config_example() -> str:
    from lbtui.config_example import config_example

    return config_example()


def _man_page(known: argparse.ArgumentParser) -> str:
    from lbtui.manual.man import man_page

    return man_page(known, __version__)


def _capture(text: str) -> int | Literal["all"]:
    if text == "all":
        return "all"
    if text.isascii() and text.isdigit() and 0 < len(text) < 7 and int(text) > 0:
        return int(text)
    raise argparse.ArgumentTypeError(_("a number from 1 or `all` is wanted"))


def _view(text: str) -> View:
    """Return the view that a text tells."""
    from lbtui.ui.kit.at import NoView, parse_view

    try:
        return parse_view(text)
    except NoView as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _what_if(text: str) -> str:
    """Return the name of a what-if as it is written here, whichever way it was typed."""
    for name in WHAT_IFS:
        if text.lower() == name.lower():
            return name
    wanted = _("{name} is none; there is {known}")
    raise argparse.ArgumentTypeError(wanted.format(name=text or "“”", known=in_list(WHAT_IFS)))


def _positive(unit: str, text: str) -> float:
    # Not what `float` takes beside: nan, 1_000, blanks.
    if not _NUMBER.fullmatch(text) or not 0 < float(text) < MOST_SIZE:
        wanted = _("a number of {unit} above 0 is wanted, as 44.5")
        raise argparse.ArgumentTypeError(wanted.format(unit=unit))
    return float(text)


def _targets(text: str) -> tuple[Entry, ...]:
    """Return the targets of `ttft=500,tpot=50`, as `targets_of` does."""
    from lbtui.thresholds import targets_of

    try:
        return targets_of(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def told_apart(arguments: Sequence[str]) -> list[str]:
    """Return the arguments with the default report's name spelled out: what follows may be the path."""
    return [
        "--report=text" if argument == "--report" and following not in REPORTS else argument
        for argument, following in zip(arguments, [*arguments[1:], ""], strict=False)
    ]
