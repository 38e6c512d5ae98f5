"""In which language this process speaks, decided before anything that speaks is imported."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from io import TextIOWrapper
from typing import NoReturn

from lbtui.config_file import content_of, path_of
from lbtui.locales import codeset, ctype_of, messages_of
from lbtui.output import has_screen
from lbtui.text import Language, speak, visible

# As `--lang` and the config's `[screen] language` have them.
LANGUAGES: Mapping[str, Language] = {"en": "en", "zh": "zh_CN"}
# Locales of simplified characters; of others English is better understood than these.
_CHINESE = ("zh", "zh_cn", "zh_sg", "zh_hans", "zh_hans_cn", "zh_hans_sg")
# What a stream must carry: the first characters of every sentence and of its marks.
_SAMPLE = "中，。"
# Options that print something and end: all but `_FOR_PROGRAMS` in the user's language.
_FOR_PROGRAMS = ("--json", "--get")
_PRINTS = (
    *("--report", "--fail-on", "--what-if", "--sql", "--export"),
    *("--help", "--manual", "--man", "--completion", "--json-schema", "--config-example", "--version"),
)


class _Silent(argparse.ArgumentParser):
    """One that ends nothing: the whole parser tells what is wrong."""

    def error(self, message: str) -> NoReturn:
        raise argparse.ArgumentError(None, message)


def choose(arguments: Sequence[str], environment: Mapping[str, str]) -> str:
    """Have this process speak as it is asked to; return a sentence where it cannot, else nothing."""
    asked = _asked(arguments)
    wanted = _wanted(asked, environment)
    if wanted == "en":
        return ""
    locale = ctype_of(environment, coerced=bool(sys.flags.utf8_mode))
    for stream in (sys.stdout, sys.stderr):
        _declare(stream, locale, environment)
    if asked.ascii:
        sentence = "Chinese cannot be written in ASCII (--ascii): English is spoken."
    elif environment.get("TERM") == "linux" and sys.stdout is not None and sys.stdout.isatty():
        sentence = "the Linux console cannot show Chinese: English is spoken."
    elif has_screen() and not any(getattr(asked, name.strip("-").replace("-", "_")) for name in _PRINTS):
        sentence = _why_not_on_screen(locale)
    else:
        encoding = getattr(sys.stdout, "encoding", None) or "ascii"
        sentence = "" if _carries(encoding) else f"{encoding} has no Chinese characters: English is spoken."
    if not sentence:
        try:
            speak(wanted, asked=asked.lang is not None)
        except OSError:
            sentence = f"this installation has no catalogue {wanted}: English is spoken."
    return sentence


def of_locale(locale: str) -> Language:
    """Return the language of a locale, English where there is no catalogue for it."""
    name = locale.partition(".")[0].partition("@")[0].lower().replace("-", "_")
    return "zh_CN" if name in _CHINESE else "en"


def of_config(path: str | os.PathLike[str] | None) -> Language | None:
    """Return the language that a config sets; None where it sets none, or is wrong, which is told later."""
    if path is None:
        return None
    if sys.version_info >= (3, 11):
        import tomllib
    else:  # pragma: no cover - the same code under its older name
        import tomli as tomllib
    with suppress(OSError, ValueError, RecursionError):
        screen = tomllib.loads(content_of(path).decode("utf-8")).get("screen")
        return LANGUAGES.get(str(screen.get("language"))) if isinstance(screen, dict) else None
    return None


def _asked(arguments: Sequence[str]) -> argparse.Namespace:
    """Return what of the arguments decides."""
    known = _Silent(add_help=False)
    known.add_argument("--lang")
    known.add_argument("--config")
    known.add_argument("--ascii", action="store_true")
    known.add_argument("-h", dest="help", action="store_true")
    for name in (*_FOR_PROGRAMS, *_PRINTS):
        known.add_argument(name, action="store_true")
    # `--report=text` has a value, which is not looked at.
    bare = [one if one.startswith(("--l", "--c")) else one.partition("=")[0] for one in arguments]
    found = argparse.Namespace()
    with suppress(argparse.ArgumentError):
        known.parse_known_args(bare, found)
    return found


def _wanted(asked: argparse.Namespace, environment: Mapping[str, str]) -> Language:
    if asked.lang in LANGUAGES:
        return LANGUAGES[asked.lang]
    # What programs read stays the same wherever it is run.
    if any(getattr(asked, name.strip("-")) for name in _FOR_PROGRAMS):
        return "en"
    return of_config(asked.config or path_of(environment)) or of_locale(messages_of(environment))


def _declare(stream: object, locale: str, environment: Mapping[str, str]) -> None:
    """Have a stream write as the locale has it, where Python took UTF-8 since the locale is not installed."""
    own = sys.flags.utf8_mode and not environment.keys() & {"PYTHONUTF8", "PYTHONIOENCODING"}
    if own and isinstance(stream, TextIOWrapper) and _carries(codeset(locale)):
        stream.reconfigure(encoding=codeset(locale))


def _carries(encoding: str) -> bool:
    try:
        _SAMPLE.encode(encoding)
    except (LookupError, ValueError):
        return False
    return True


def _why_not_on_screen(locale: str) -> str:
    if "utf" in locale.lower():
        return ""
    told = visible(locale, 60) or "C"
    return (
        f"the screen is drawn in UTF-8, and the locale is {told}: English is spoken. If the terminal is one "
        "of UTF-8, LC_ALL=zh_CN.UTF-8 says so; --report speaks Chinese in GB18030, too."
    )
