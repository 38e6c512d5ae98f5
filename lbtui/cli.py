"""The command: the choice between screen and report, and what comes of either as an exit code."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from lbtui.codes import BROKEN, FOUND, NO_MEMORY, OPENED, UNKNOWN, UNREADABLE, UNWRITTEN, USAGE
from lbtui.config_file import path_of
from lbtui.options import EXPORTS, SQL_FORMATS, parser, told_apart
from lbtui.output import CannotWrite, complain, has_screen, write_out
from lbtui.text import _, in_list, visible

if TYPE_CHECKING:
    from argparse import Namespace

    from lbtui.analysis.eplb.policies import Ints
    from lbtui.findings import Finding
    from lbtui.profile import Profile
    from lbtui.remembered import FindingNote
    from lbtui.render.capabilities import Background
    from lbtui.report import Written
    from lbtui.report.values import Json
    from lbtui.thresholds import Thresholds
    from lbtui.ui.kit.outlets import Outlets


def main(arguments: Sequence[str] | None = None) -> int:
    """Run lbtui; return the exit code.

    Raises `SystemExit` with it after `--help`, `--version` and wrong usage.
    """
    known = parser()
    options = known.parse_args(told_apart(sys.argv[1:] if arguments is None else arguments))
    if options.manual is not None:
        return _print_manual(options.manual, options.config, ascii_only=options.ascii)
    if options.demo and options.path is not None:
        known.error(_("give the path of a parsed output, or --demo"))
    if options.per_iteration and options.export is None:
        known.error(_("--per-iteration needs --export"))
    if wrong := _wrong_query(options):
        known.error(wrong)
    if options.watch and _reports(options):
        known.error(_("--watch is of the screen: it goes with no report and no export"))
    if options.at and _reports(options):
        known.error(_("--at is of the screen: it goes with no report and no export"))
    if options.what_if and (options.baseline is not None or options.fail_on):
        known.error(_("--what-if prints that alone: it goes without --baseline and --fail-on"))
    if options.fail_on == "worse" and options.baseline is None:
        known.error(_("--fail-on worse needs --baseline"))
    # Without either an output is looked for here and below.
    path: Path = Path(__file__).parent / "demo" / "output" if options.demo else options.path or _here()
    if wanted := options.log or os.environ.get("LBTUI_LOG"):
        try:
            _begin_log(Path(wanted), path)
        except CannotWrite as error:
            return _failed(str(error), UNWRITTEN)
    config = options.config or path_of(os.environ)
    thresholds, background = None, options.background
    keys: Mapping[str, str] = {}
    if config is not None:
        from lbtui.config import BadConfig, from_file

        try:
            found = from_file(config)
        except BadConfig as error:
            return _failed(str(error), USAGE)
        thresholds, background = found.thresholds, background or found.background
        keys = found.keys
    if options.slo:
        from lbtui.thresholds import Thresholds

        thresholds = replace(thresholds or Thresholds(), targets=options.slo)
    if options.link_gbps or options.expert_mib:
        from lbtui.thresholds import Offer, Thresholds

        offer = Offer(options.expert_mib, options.link_gbps)
        thresholds = replace(thresholds or Thresholds(), offer=offer)
    if _reports(options) or not has_screen():
        return _without_screen(path, options, thresholds)
    return _on_screen(path, options, thresholds, background or "auto", keys)


def _reports(options: Namespace) -> bool:
    """Tell whether something is asked for that is made without a screen."""
    others = _prints(options) or options.what_if or options.export or options.fail_on
    return options.sql is not None or bool(others)


def _wrong_query(options: Namespace) -> str:
    """Return what is wrong with `--sql`, `--format` and what stands beside them, else nothing."""
    wanted, of = (EXPORTS, "--export") if options.sql is None else (SQL_FORMATS, "--sql")
    if options.format and options.format not in wanted:
        return _("{option} has the formats {known}, not {name}").format(
            option=of, known=in_list(wanted), name=options.format
        )
    others = _prints(options) or options.what_if or options.export or options.fail_on or options.baseline
    if options.sql is not None and others:
        return _("--sql prints that alone: no other report or export goes with it (JSON: --format json)")
    return ""


def _print_manual(topic: str, config: Path | None, *, ascii_only: bool) -> int:
    """Print a topic of the manual, or their list; that on keys as the config has them."""
    from lbtui.manual import TOPICS, text_of, topics

    if topic and topic not in TOPICS:
        sentence = _("the manual has no topic {topic}; it has {known}.")
        return _failed(
            sentence.format(topic=visible(topic, 100), known=in_list(TOPICS)),
            USAGE,
        )
    text = text_of(topic) if topic else topics()
    if topic == "keys" and (path := config or path_of(os.environ)):
        from lbtui.config import BadConfig, from_file
        from lbtui.manual.keys import with_keys

        try:
            text = with_keys(text, from_file(path).keys)
        except BadConfig as error:
            # Its mistake is told, and how it is mended is in what follows.
            complain(f"lbtui: {error}\n")
    if ascii_only or not _takes_unicode():
        from lbtui.render.glyphs import spell

        text = spell(text)
    try:
        write_out(text)
    except CannotWrite as error:
        return _failed(str(error), UNWRITTEN)
    return OPENED


def _takes_unicode() -> bool:
    return "utf" in (getattr(sys.stdout, "encoding", "") or "").lower()


def _begin_log(file: Path, profile: Path) -> None:
    """Log into a file from now on; raises `CannotWrite` where that cannot be, or must not."""
    from lbtui.log import log_into
    from lbtui.own_folder import in_profile

    shown = visible(str(file))
    try:
        if in_profile(file, profile):
            raise CannotWrite(
                _("{file} lies in the profile's folder, which stays as it is: log elsewhere.").format(
                    file=shown
                )
            )
        log_into(file)
    except OSError as error:
        why = visible(error.strerror or str(error), 200)
        raise CannotWrite(_("{file} cannot be written ({why}).").format(file=shown, why=why)) from error


def _save(name: str, placement: Ints, ranks: int, profile: Path) -> str | None:
    from lbtui.report import placement_json
    from lbtui.report.save import save_new

    return save_new(name, placement_json(placement, ranks), profile)


def _outlets() -> Outlets:
    """Return what writes files for the screen."""
    from lbtui.ui.kit.outlets import Outlets

    def late(name: str) -> Callable[..., str]:
        # Only by then is imported what writes them: the screen opens without.
        def write(*arguments: object) -> str:
            from lbtui.report import asked

            written: str = getattr(asked, name)(*arguments)
            return written

        return write

    return Outlets(_save, late("write_text"), late("write_rows"), late("write_report"), late("write_export"))


def _on_screen(
    path: Path,
    options: Namespace,
    thresholds: Thresholds | None,
    background: Literal["auto"] | Background,
    keys: Mapping[str, str],
) -> int:
    from lbtui.render.capabilities import detect
    from lbtui.ui.terminal.enquiry import Enquiry, may_be_asked

    caps = detect(
        os.environ,
        sys.stdout.encoding,
        colors=None if options.color == "auto" else options.color,
        ascii_only=options.ascii,
        coerced=bool(sys.flags.utf8_mode),
    )
    with ExitStack() as stack:
        enquiry = None
        if background == "auto" and may_be_asked(os.environ, caps):
            enquiry = stack.enter_context(Enquiry(sys.stdin.fileno(), sys.stdout.fileno()))
        # Half a second of imports that a report does not need, in which the terminal answers.
        from lbtui.remembered import Memory
        from lbtui.ui.opening import Asked
        from lbtui.ui.run import run

        if enquiry is not None:
            background = enquiry.answer() or background
        if background != "auto":
            caps = replace(caps, light=background == "light")
        inputs = (options.baseline, options.experts, options.placement, options.capture)
        asked = Asked(
            path,
            *inputs,
            thresholds,
            named=_is_named(options),
            raw=options.raw,
            watch=options.watch,
            at=options.at,
            given=tuple(_given(options)),
            keys=keys,
            memory=None if options.no_state else Memory.of(os.environ),
        )
        return run(asked, caps, mouse=not options.no_mouse, outlets=_outlets(), enquiry=enquiry)


def _given(options: Namespace) -> Iterator[str]:
    """Yield the options that shape what is shown as they were given, but with absolute paths."""
    for name in ("baseline", "experts", "placement", "config"):
        if (path := getattr(options, name)) is not None:
            yield from (f"--{name}", str(path.absolute()))
    if options.capture is not None:
        yield from ("--capture", str(options.capture))
    if options.slo:
        yield from ("--slo", ",".join(f"{name}={_plain(number)}" for name, number in options.slo))
    for name in ("expert_mib", "link_gbps"):
        if number := getattr(options, name):
            yield from (f"--{name.replace('_', '-')}", _plain(number))


def _plain(number: float) -> str:
    """Return a number without an exponent, exactly."""
    text = format(Decimal(repr(number)), "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def _here() -> Path:
    """Return the working directory, which may be gone."""
    try:
        return Path.cwd()
    except OSError:
        return Path()


def _is_named(options: Namespace) -> bool:
    """Tell whether the user said which output; else the one in the working directory is meant."""
    return options.demo or options.path is not None


def _without_screen(path: Path, options: Namespace, thresholds: Thresholds | None) -> int:
    # Polars is not imported for --help and --version.
    from lbtui.profile import Unreadable
    from lbtui.report import CannotExport, export
    from lbtui.report.single import NoSuchValue
    from lbtui.sources import SeveralOutputs, open_profile

    code = OPENED
    profile = None
    try:
        profile = open_profile(path, options.experts, options.placement, options.capture, options.raw)
        if options.sql is not None:
            return _query(path, profile, options)
        profile.require_rows()
        baseline = None if options.baseline is None else open_profile(options.baseline)
        if baseline is not None:
            baseline.require_rows()
        if isinstance(options.capture, int) and (only := _captures_fewer(profile, options.capture)):
            return _failed(only, USAGE)
        if options.export:
            written = export(
                profile,
                options.export,
                options.format or "csv",
                force=options.force,
                per_iteration=options.per_iteration,
            )
            # What a report is piped into must not see these lines.
            tell = complain if _prints(options) or options.what_if else write_out
            tell("".join(f"{_exported(one)}\n" for one in written))
        if options.what_if:
            code = _answer(profile, options, thresholds)
        elif _prints(options) or options.fail_on or not options.export:
            code = _report(profile, baseline, options, thresholds)
    except SeveralOutputs as several:
        folders = "".join(f"  {visible(str(folder))}\n" for folder in several.folders)
        return _failed(f"{several}\n{folders}", USAGE)
    except Unreadable as error:
        if not _is_named(options) and profile is None:
            sentence = _("no parsed output lies in {folder} or below; give its path, or --demo")
            return _failed(sentence.format(folder=visible(str(path))), USAGE)
        return _failed(str(error), UNREADABLE)
    except (CannotExport, NoSuchValue) as error:
        return _failed(str(error), USAGE)
    except CannotWrite as error:
        return _failed(str(error), UNWRITTEN)
    return code


def _prints(options: Namespace) -> bool:
    """Tell whether something is asked for that is printed of a profile, in whichever form."""
    return bool(options.json or options.report or options.get)


def _query(path: Path, profile: Profile, options: Namespace) -> int:
    """Print the answer to `--sql`; return the exit code."""
    from lbtui.report.sql_result import sql_csv, sql_json, sql_table
    from lbtui.sql import Asked, Refused, SqlError, ask, checked

    codes = {"unreadable": UNREADABLE, "memory": NO_MEMORY, "fault": BROKEN}
    try:
        query = checked(options.sql)
        if isinstance(options.capture, int) and (only := _captures_fewer(profile, options.capture)):
            return _failed(only, USAGE)
        inputs = (options.experts, options.placement, options.capture, options.raw)
        answered = ask(Asked(query, path, *inputs))
    except Refused as error:
        return _failed(str(error), USAGE)
    except SqlError as error:
        return _failed(str(error), codes.get(error.kind, USAGE))
    complain("".join(f"lbtui: {note}\n" for note in answered.notes))
    terminal = sys.stdout is not None and sys.stdout.isatty()
    form = options.format or ("table" if terminal else "csv")
    if form == "table":
        write_out(sql_table(answered.frame, ascii_only=options.ascii or not _takes_unicode()))
    elif form == "json":
        write_out(sql_json(answered.frame))
    else:
        text, defused = sql_csv(answered.frame)
        write_out(text)
        if defused:
            told = _("{cells} cells that a spreadsheet would execute begin with ' now")
            complain(f"lbtui: {told.format(cells=defused)}\n")
    return OPENED


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


def _answer(profile: Profile, options: Namespace, thresholds: Thresholds | None) -> int:
    """Write the answer to `--what-if` in the form asked for; return the exit code."""
    from lbtui.report.what_if.answer import Asked
    from lbtui.report.what_if.forms import what_if_document, what_if_json, what_if_markdown, what_if_text
    from lbtui.report.what_if.registry import ANSWERS
    from lbtui.thresholds import Thresholds

    answer = ANSWERS[options.what_if](profile, Asked(thresholds or Thresholds()))
    ascii_only = options.ascii or not _takes_unicode()
    if options.get:
        return _get(what_if_document(answer, str(profile.path)), options)
    if options.json:
        write_out(what_if_json(answer, str(profile.path), ascii_only=ascii_only) + "\n")
        return OPENED
    write = what_if_markdown if options.report == "markdown" else what_if_text
    write_out(write(answer, str(profile.path), ascii_only=ascii_only))
    return OPENED


def _get(document: Json, options: Namespace) -> int:
    """Write the values that `--get` asks for, a line each; return the exit code."""
    from lbtui.report.single import value_line, value_of

    values = [value_of(document, path) for path in options.get]
    ascii_only = options.ascii or not _takes_unicode()
    write_out("".join(f"{value_line(value, ascii_only=ascii_only)}\n" for value in values))
    return UNKNOWN if None in values else OPENED


def _report(
    profile: Profile, baseline: Profile | None, options: Namespace, thresholds: Thresholds | None
) -> int:
    """Write the report asked for; return the exit code: whether it holds what `--fail-on` names."""
    from lbtui.overview.run import overview
    from lbtui.report.as_json import document
    from lbtui.report.single import is_early
    from lbtui.report.whole import as_form, worked_out

    ascii_only = options.ascii or not _takes_unicode()
    known = overview(profile, expected=None if thresholds is None else thresholds.expected)
    if options.get and not options.fail_on:
        early = document(known, ())
        if all(is_early(early, path) for path in options.get):
            return _get(early, options)
    latency = _prints(options) or not options.export
    made = worked_out(profile, baseline, thresholds, known=known, latency=latency)
    if not options.no_state:
        made = made.with_notes(_notes(profile))
    diagnosis, comparison = made.diagnosis, made.comparison
    code = OPENED
    if options.json:
        write_out(as_form(made, "json", ascii_only=ascii_only))
    elif options.get:
        code = _get(document(made.known, diagnosis.findings, comparison, diagnosis.told), options)
    elif not options.export or options.report:
        markdown = options.report == "markdown"
        write_out(as_form(made, "markdown" if markdown else "text", ascii_only=ascii_only))
    if options.fail_on == "worse":
        return FOUND if comparison is not None and comparison.is_worse else code
    return FOUND if _fails(diagnosis.findings, options.fail_on) else code


def _notes(profile: Profile) -> Sequence[FindingNote]:
    """Return the user's notes on the findings of a profile; what is wrong with them is said, no error."""
    from lbtui.remembered import Memory
    from lbtui.sources import identity_of

    memory = Memory.of(os.environ)
    if memory is None:
        return ()
    found = memory.recall(identity_of(profile))
    if found.problem:
        complain(f"lbtui: {found.problem}\n")
    return found.remembered.notes


def _fails(found: Sequence[Finding], least: str | None) -> bool:
    """Tell whether a finding on the load, not on the data, has the severity `least` or a higher one."""
    failing = {"critical": ("critical",), "warning": ("critical", "warning")}.get(least or "", ())
    return any(f.severity in failing and f.dimension != "data" for f in found)


def _failed(sentence: str, code: int) -> int:
    complain(f"lbtui: {sentence.rstrip()}\n")
    return code
