"""What the command does without a screen: reports, single values, queries, exports, and their exit codes."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from lbtui.codes import BROKEN, FOUND, NO_MEMORY, OPENED, UNKNOWN, UNREADABLE, UNWRITTEN, USAGE
from lbtui.output import CannotWrite, complain, write_out
from lbtui.text import _, visible, with_comma, with_label

if TYPE_CHECKING:
    from argparse import Namespace

    from lbtui.findings import Finding
    from lbtui.profile import Profile
    from lbtui.remembered import FindingNote
    from lbtui.report import Written
    from lbtui.report.values import Json
    from lbtui.runs.found import Together
    from lbtui.runs.many import Many
    from lbtui.runs.model import Run
    from lbtui.runs.reading import Asked
    from lbtui.thresholds import Thresholds


# The severities that `--fail-on` means by one of them.
_FAILING: Mapping[str, tuple[str, ...]] = {"critical": ("critical",), "warning": ("critical", "warning")}


def without_screen(path: Path, options: Namespace, thresholds: Thresholds | None) -> int:
    """Print, or write, what is asked for of a profile; return the exit code."""
    # Polars is not imported for --help and --version.
    from lbtui.profile import Unreadable
    from lbtui.report import CannotExport, export
    from lbtui.report.single import NoSuchValue
    from lbtui.sources import SeveralOutputs, open_profile

    code = OPENED
    profile = None
    try:
        if (together := _together(path, options)) is not None:
            return _side_by_side(together, options, thresholds)
        profile = open_profile(path, options.experts, options.placement, options.capture, options.raw)
        if options.sql is not None:
            return _query(path, profile, options)
        profile.require_rows()
        if options.summary:
            return _summarise(profile, options, thresholds)
        baseline = None if options.baseline is None else open_profile(options.baseline)
        if baseline is not None:
            baseline.require_rows()
        if isinstance(options.capture, int) and (only := _captures_fewer(profile, options.capture)):
            return failed(only, USAGE)
        if options.export:
            written = export(
                profile,
                options.export,
                options.format or "csv",
                force=options.force,
                per_iteration=options.per_iteration,
            )
            # What a report is piped into must not see these lines.
            tell = complain if prints(options) or options.what_if else write_out
            tell("".join(f"{_exported(one)}\n" for one in written))
        if options.what_if:
            code = _answer(profile, options, thresholds)
        elif prints(options) or options.fail_on or not options.export:
            code = _report(profile, baseline, options, thresholds)
    except SeveralOutputs as several:
        folders = "".join(f"  {visible(str(folder))}\n" for folder in several.folders)
        return failed(f"{several}\n{folders}", USAGE)
    except Unreadable as error:
        if not is_named(options) and profile is None:
            sentence = _("no parsed output lies in {folder} or below; give its path, or --demo")
            return failed(sentence.format(folder=visible(str(path))), USAGE)
        return failed(str(error), UNREADABLE)
    except (CannotExport, NoSuchValue) as error:
        return failed(str(error), USAGE)
    except CannotWrite as error:
        return failed(str(error), UNWRITTEN)
    return code


def _together(path: Path, options: Namespace) -> Together | None:
    """Return what lies side by side at or below a path, unless what is asked for is of one profile."""
    from lbtui.runs.found import together_at

    of_one = (options.export, options.what_if, options.experts, options.placement)
    if any(of_one) or options.sql is not None or options.capture is not None:
        return None
    return together_at(path, raw=options.raw)


def _side_by_side(together: Together, options: Namespace, thresholds: Thresholds | None) -> int:
    """Print what runs come to side by side; return the exit code."""
    from lbtui.report.runs.as_json import runs_document, runs_json
    from lbtui.report.runs.as_markdown import runs_markdown
    from lbtui.report.runs.as_text import runs_text
    from lbtui.runs.many import told_of
    from lbtui.runs.reading import Asked, read_all
    from lbtui.thresholds import Thresholds

    if options.summary:
        sentence = _("{path} holds {count} runs; a summary is of one of them.")
        count, folder = len(together.found.runs), visible(str(together.folder))
        return failed(sentence.format(path=folder, count=count), USAGE)
    asked = Asked(thresholds or Thresholds(), cached=not options.no_cache, look=False)
    runs = read_all(together.found, asked)
    if runs and not any(run.summary for run in runs):
        for run in runs:
            complain(f"lbtui: {with_label(visible(run.name), run.problem)}\n")
        return UNREADABLE
    baseline = None if options.baseline is None else _baseline(runs, options.baseline, asked)
    many = told_of(together, runs, baseline)
    if not options.no_state:
        many = replace(many, runs=tuple(map(_with_note, many.runs)))
    ascii_only, code = options.ascii or not takes_unicode(), OPENED
    if options.get:
        code = _get(runs_document(many), options)
    elif options.json:
        write_out(runs_json(many, ascii_only=ascii_only) + "\n")
    else:
        write = runs_markdown if options.report == "markdown" else runs_text
        write_out(write(many, ascii_only=ascii_only))
    return FOUND if _fails_of_many(many, options.fail_on) else code


def _baseline(runs: Sequence[Run], named: Path, asked: Asked) -> Run:
    """Return the run that all others are held against: one of them, or one elsewhere.

    Raises `Unreadable` where it is neither.
    """
    from lbtui.profile import Unreadable
    from lbtui.runs.found import baseline_among
    from lbtui.runs.reading import read_all
    from lbtui.sources.runs_below import runs_below

    if (own := baseline_among(runs, named)) is not None:
        found = own
    else:
        elsewhere = read_all(runs_below(named), asked)
        if len(elsewhere) != 1:
            sentence = _("baseline: {path} is none of the runs, and no single other run lies there")
            raise Unreadable(sentence.format(path=visible(str(named))))
        # As long as its name: another run may be called as it is.
        found = replace(elsewhere[0], name=str(named))
    if found.summary is None:
        raise Unreadable(_("baseline: {why}").format(why=found.problem))
    return found


def _with_note(run: Run) -> Run:
    """Return a run with the user's note on it."""
    from lbtui.remembered import Memory

    memory = Memory.of(os.environ)
    if memory is None or run.summary is None or not run.summary.identity:
        return run
    return replace(run, note=memory.recall(run.summary.identity).remembered.note)


def _fails_of_many(many: Many, least: str | None) -> bool:
    """Tell whether the newest run has what `--fail-on` names."""
    last = many.last
    if least == "worse" or last is None or last.summary is None:
        judged = None if last is None else many.judged.get(last.name)
        if least == "worse" and last is not None and judged is not None and judged.why:
            # That it passes must not look as if it had been held against the baseline.
            why = with_comma(_("not comparable"), judged.why)
            complain(f"lbtui: {with_label(visible(last.name), why)}\n")
        return least == "worse" and many.is_worse
    return any(last.summary.findings.get(severity, 0) for severity in _FAILING.get(least or "", ()))


def _summarise(profile: Profile, options: Namespace, thresholds: Thresholds | None) -> int:
    """Write what a table of many runs needs of a profile; return the exit code."""
    from lbtui.report.save import save_new
    from lbtui.runs.gathered import summary_bytes

    content = summary_bytes(profile, thresholds).decode("ascii")
    if (why := save_new(options.summary, content, profile.path)) is not None:
        raise CannotWrite(why)
    write_out(_("written: {file}").format(file=visible(str(Path(options.summary).absolute()))) + "\n")
    return OPENED


def prints(options: Namespace) -> bool:
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
            return failed(only, USAGE)
        inputs = (options.experts, options.placement, options.capture, options.raw)
        answered = ask(Asked(query, path, *inputs))
    except Refused as error:
        return failed(str(error), USAGE)
    except SqlError as error:
        return failed(str(error), codes.get(error.kind, USAGE))
    complain("".join(f"lbtui: {note}\n" for note in answered.notes))
    terminal = sys.stdout is not None and sys.stdout.isatty()
    form = options.format or ("table" if terminal else "csv")
    if form == "table":
        write_out(sql_table(answered.frame, ascii_only=options.ascii or not takes_unicode()))
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
    ascii_only = options.ascii or not takes_unicode()
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
    ascii_only = options.ascii or not takes_unicode()
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

    ascii_only = options.ascii or not takes_unicode()
    known = overview(profile, expected=None if thresholds is None else thresholds.expected)
    if options.get and not options.fail_on:
        early = document(known, ())
        if all(is_early(early, path) for path in options.get):
            return _get(early, options)
    latency = prints(options) or not options.export
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
    failing = _FAILING.get(least or "", ())
    return any(f.severity in failing and f.dimension != "data" for f in found)


def failed(sentence: str, code: int) -> int:
    """Say what went wrong; return the exit code."""
    complain(f"lbtui: {sentence.rstrip()}\n")
    return code


def is_named(options: Namespace) -> bool:
    """Tell whether the user said which output; else the one in the working directory is meant."""
    return options.demo or options.path is not None


def takes_unicode() -> bool:
    """Tell whether standard output takes every character."""
    return "utf" in (getattr(sys.stdout, "encoding", "") or "").lower()
