"""What the environment says of language and characters; Python may say otherwise, to itself."""

from __future__ import annotations

from collections.abc import Mapping


def ctype_of(environment: Mapping[str, str], *, coerced: bool) -> str:
    """Return the locale of characters, as `zh_CN.GB18030`; empty for none.

    `coerced` says that Python itself replaced a C locale, or one that is not installed, by a UTF-8 one
    (`sys.flags.utf8_mode`): it sets LC_CTYPE then, of which the terminal knows nothing.
    """
    ctype = "" if coerced else environment.get("LC_CTYPE")
    return environment.get("LC_ALL") or ctype or environment.get("LANG") or ""


def messages_of(environment: Mapping[str, str]) -> str:
    """Return the locale of messages; empty for none."""
    return next((v for k in ("LC_ALL", "LC_MESSAGES", "LANG") if (v := environment.get(k))), "")


def codeset(locale: str) -> str:
    """Return the encoding that a locale names, empty where it names none."""
    return locale.partition(".")[2].partition("@")[0]
