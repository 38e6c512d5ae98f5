"""Words for people: translation, and text from files made harmless.

The lowest room of the house: everything may use it, it uses nothing of lbtui.
"""

from __future__ import annotations

import gettext
import os
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeAlias

Language: TypeAlias = Literal["en", "zh_CN"]

_LOCALE = Path(__file__).parent / "locale"
_STOPS = (".", "!", "?")
_WIDE_STOPS = ("。", "！", "？", "；", "：")


@dataclass
class _Spoken:
    """What this process speaks."""

    language: Language = "en"
    asked: bool = False
    catalogue: gettext.NullTranslations = field(default_factory=gettext.NullTranslations)


_spoken = _Spoken()


def speak(language: Language, *, asked: bool = False) -> None:
    """Have everything that this process says be said in a language; raises `OSError` without its catalogue.

    Once, before other modules are imported: much of what they say is translated as they are. `asked` says
    that the user named the language for this run, not only by locale or config.
    """
    if language != "en":
        # What argparse says comes from the same catalogue; it looks at this variable each time.
        gettext.bindtextdomain("lbtui", str(_LOCALE))
        gettext.textdomain("lbtui")
        os.environ["LANGUAGE"] = language
        _spoken.catalogue = gettext.translation("lbtui", _LOCALE, [language])
    _spoken.language, _spoken.asked = language, asked


def language() -> Language:
    """Return the language that this process speaks."""
    return _spoken.language


def is_asked() -> bool:
    """Tell whether the user named the language for this run."""
    return _spoken.asked


def _(message: str) -> str:
    """Return the translation of `message`; fill named placeholders in the result, never before."""
    return _spoken.catalogue.gettext(message)


def plural(one: str, many: str, count: int) -> str:
    """Return the translation of what is said of one thing, or of `count`, which fills `{count}`."""
    return _spoken.catalogue.ngettext(one, many, count).format(count=f"{count:,}")


# What code puts together of parts has the marks of the language, too.


def in_list(things: Iterable[str]) -> str:
    """Return several things, with the mark between them that the language has for a list."""
    return _("{first}, {second}").format(first="", second="").join(things)


def in_clauses(parts: Iterable[str]) -> str:
    """Return parts of a sentence that could each be one, with a semicolon between."""
    return _("{first}; {second}").format(first="", second="").join(parts)


def in_sentences(*parts: str) -> str:
    """Return sentences one after the other; empty ones are left out. After a full-width stop is no blank."""
    whole = ""
    for part in filter(None, parts):
        whole += (" " if whole and not whole.endswith(_WIDE_STOPS) else "") + part
    return whole


def in_series(things: Iterable[str]) -> str:
    """Return several things as a sentence lists them, an "and" before the last."""
    *first, last = list(things) or [""]
    return _("{first} and {last}").format(first=in_list(first), last=last) if first else last


def with_comma(text: str, more: str) -> str:
    """Return a text and what narrows it or goes on from it, with a comma between."""
    return _("{text}, {more}").format(text=text, more=more)


def with_label(label: str, text: str) -> str:
    """Return a text behind what it is about and a colon."""
    return _("{label}: {text}").format(label=label, text=text)


def with_brackets(text: str, more: str) -> str:
    """Return a text and, in round brackets behind it, what else is known of it."""
    return _("{text} ({more})").format(text=text, more=more)


def with_stop(text: str) -> str:
    """Return a sentence that ends as one: with a full stop, unless there is one or its like."""
    return text if text.endswith((*_STOPS, *_WIDE_STOPS)) else _("{sentence}.").format(sentence=text)


def without_stop(text: str) -> str:
    """Return a sentence without the full stop that it may end in."""
    return text.rstrip(".。")


def in_percent(share: float, decimals: int = 0) -> str:
    """Return a share as percent with so many decimals, a blank before the sign, as everywhere."""
    return f"{100 * share:.{decimals}f} %"


# Bidirectional controls and line separators reorder or break what stands around them.
_HARMFUL = {"Cc", "Cf", "Cs", "Zl", "Zp", "Co"}


def visible(text: str, limit: int = 2000) -> str:
    r"""Return text from a file with every control character shown as an escape such as `\x1b`.

    C0, C1, bidirectional and surrogate characters cannot reach the terminal this way. Text longer than
    `limit` characters is cut and ends in `…`.
    """
    if len(text) > limit:
        text = text[: limit - 1] + "…"
    if text.isprintable():
        return text
    return "".join(
        c.encode("unicode_escape").decode("ascii") if unicodedata.category(c) in _HARMFUL else c for c in text
    )


def error_words(error: BaseException | None) -> str:
    """Return the kind and the text of an error, harmless and at most 300 characters."""
    return visible(f"{type(error).__name__}: {error}", 300)
