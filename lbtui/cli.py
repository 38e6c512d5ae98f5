"""The command: the choice between screen and report, and what comes of either as an exit code."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from lbtui.codes import OPENED, UNWRITTEN, USAGE
from lbtui.config_file import path_of
from lbtui.options import EXPORTS, SQL_FORMATS, parser, told_apart
from lbtui.output import CannotWrite, complain, has_screen, write_out
from lbtui.printing import failed, is_named, prints, takes_unicode, without_screen
from lbtui.text import _, in_list, visible

if TYPE_CHECKING:
    from argparse import Namespace

    from lbtui.analysis.eplb.policies import Ints
    from lbtui.render.capabilities import Background
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
            return failed(str(error), UNWRITTEN)
    config = options.config or path_of(os.environ)
    thresholds, background = None, options.background
    keys: Mapping[str, str] = {}
    if config is not None:
        from lbtui.config import BadConfig, from_file

        try:
            found = from_file(config)
        except BadConfig as error:
            return failed(str(error), USAGE)
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
        return without_screen(path, options, thresholds)
    return _on_screen(path, options, thresholds, background or "auto", keys)


def _reports(options: Namespace) -> bool:
    """Tell whether something is asked for that is made without a screen."""
    others = prints(options) or options.what_if or options.export or options.fail_on or options.summary
    return options.sql is not None or bool(others)


def _wrong_query(options: Namespace) -> str:
    """Return what is wrong with `--sql`, `--format` and what stands beside them, else nothing."""
    wanted, of = (EXPORTS, "--export") if options.sql is None else (SQL_FORMATS, "--sql")
    if options.format and options.format not in wanted:
        return _("{option} has the formats {known}, not {name}").format(
            option=of, known=in_list(wanted), name=options.format
        )
    others = prints(options) or options.what_if or options.export or options.fail_on or options.baseline
    if options.sql is not None and others:
        return _("--sql prints that alone: no other report or export goes with it (JSON: --format json)")
    return ""


def _print_manual(topic: str, config: Path | None, *, ascii_only: bool) -> int:
    """Print a topic of the manual, or their list; that on keys as the config has them."""
    from lbtui.manual import TOPICS, text_of, topics

    if topic and topic not in TOPICS:
        sentence = _("the manual has no topic {topic}; it has {known}.")
        return failed(
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
    if ascii_only or not takes_unicode():
        from lbtui.render.glyphs import spell

        text = spell(text)
    try:
        write_out(text)
    except CannotWrite as error:
        return failed(str(error), UNWRITTEN)
    return OPENED


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
    from lbtui.runs.ahead import start_ahead
    from lbtui.ui.terminal.enquiry import Enquiry, may_be_asked

    caps = detect(
        os.environ,
        sys.stdout.encoding,
        colors=None if options.color == "auto" else options.color,
        ascii_only=options.ascii,
        coerced=bool(sys.flags.utf8_mode),
    )
    with ExitStack() as stack:
        # Up to the first frame next to nothing becomes garbage; then `LbtuiApp` begins to look for it.
        gc.disable()
        stack.callback(gc.enable)
        start_ahead(path)
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
            named=is_named(options),
            raw=options.raw,
            watch=options.watch,
            at=options.at,
            given=tuple(_given(options)),
            keys=keys,
            cached=not options.no_cache,
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
    from decimal import Decimal

    text = format(Decimal(repr(number)), "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def _here() -> Path:
    """Return the working directory, which may be gone."""
    try:
        return Path.cwd()
    except OSError:
        return Path()
