"""Text broken into lines of so many cells, in both languages: at blanks, and between Chinese characters."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

# Chinese characters, and marks as wide as they are, for a class of a regular expression.
WIDE = r"\u2e80-\u9fff\uf900-\ufaff\uff00-\uff60"
_PIECE = rf"[{WIDE}]|[^{WIDE}]+"
# No line begins with one of these, and none ends with one of those.
_CLOSES = frozenset("，。、；：！？）】》〉」』％”’…%)],.;:!?")
_OPENS = frozenset("（【《〈「『“‘([")


def broken(text: str, width: int) -> list[str]:
    """Return text in lines of at most `width` cells, at least one; no control character may be in it.

    What has no place to break at in a whole line, such as a path, is broken where it must be.
    """
    measured, chopped = (len, _chopped) if text.isascii() else _in_cells()
    lines = [""]
    for word in text.split(" "):
        before = " " if lines[-1] else ""
        for piece in _pieces(word):
            if measured(lines[-1]) + len(before) + measured(piece) <= width:
                lines[-1] += before + piece
            else:
                first, *rest = chopped(piece, max(width, 1)) or [""]
                lines[-1:] = [lines[-1], first] if lines[-1] else [first]
                lines += rest
            before = ""
    return lines


def _in_cells() -> tuple[Callable[[str], int], Callable[[str, int], list[str]]]:
    # What is only printed, in English, must not wait for rich.
    from rich.cells import cell_len, chop_cells

    return cell_len, chop_cells


def _chopped(text: str, width: int) -> list[str]:
    return [text[at : at + width] for at in range(0, len(text), width)]


def unbroken(lines: Iterable[str]) -> str:
    """Return lines of a paragraph as one: with a blank between, but none between Chinese characters."""
    whole = ""
    for line in lines:
        stripped = " ".join(line.split())
        between = whole and stripped and not (_is_wide(whole[-1]) and _is_wide(stripped[0]))
        whole += (" " if between else "") + stripped
    return whole


def _is_wide(character: str) -> bool:
    return re.match(f"[{WIDE}]", character) is not None


def _pieces(word: str) -> list[str]:
    """Return what of a word must stay together, in order."""
    if word.isascii():
        return [word]
    found = [""]
    for piece in re.findall(_PIECE, word):
        if not found[-1] or found[-1][-1] in _OPENS or piece[0] in _CLOSES:
            found[-1] += piece
        else:
            found.append(piece)
    return found
