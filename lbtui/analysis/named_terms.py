"""Terms of a filter that name something: `name=value`, or of several values with commas between one."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from lbtui.text import _


def named_term(word: str, names: Collection[str]) -> tuple[str, list[str]] | None:
    """Return which of `names` (in lower case) a term asks for, and its values; None if it asks for none."""
    name, sign, text = word.partition("=")
    if not sign or name.lower() not in names:
        return None
    return name.lower(), [each for each in text.split(",") if each]


def values_of(name: str, values: Sequence[str]) -> Sequence[str]:
    """Return the values behind a name. Raises `ValueError` with a sentence where there is none."""
    if not values:
        raise ValueError(_("{place}= wants a name behind it.").format(place=name))
    return values


def ranks_of(values: Sequence[str]) -> list[int]:
    """Return the values behind `dp=` as ranks. Raises `ValueError` with a sentence where one is none."""
    for value in values:
        if not is_whole(value):
            raise ValueError(_("“{name}” after dp= is no rank.").format(name=value))
    return [int(value) for value in values_of("dp", values)]


def is_whole(text: str) -> bool:
    """Tell whether a text is a whole number from 0 on, of digits that a rank or a layer may have."""
    return text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS


# `int` refuses thousands of digits.
_MOST_DIGITS = 18
