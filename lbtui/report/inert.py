"""Text that reads as it stands where Markdown is expected, in every usual ticket system.

GitHub, GitLab and Jira act on far more than Markdown: names after @, numbers after # or !, addresses, words
between colons, commands at the start of a line. A backslash stops none of these, a code span all.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import NamedTuple

from lbtui.text import visible

# What no ticket system acts on: words, numbers with their unit, times, and signs between spaces.
_LETTERS = r"(?![a-f]{7,}\b)[^\W\d_]+"  # seven of a to f may name a commit
_WORD = rf"{_LETTERS}(?:['’/-]{_LETTERS})*['’]?|[^\W\d_]{{1,3}}\d{{1,3}}"
_NUMBER = r"[-+−<>≤≥]?(?:∞|\d{1,6}(?:,\d{3})*(?:\.\d{1,6})?[×%]?)"
_TIME = r"\d{4}-\d\d-\d\d|\d\d:\d\d:\d\d(?:\.\d+)?(?:–\d\d:\d\d:\d\d(?:\.\d+)?)?|[+-]\d\d:\d\d"
_SIGN = r"[·→–—×=/%…−≤]"
_PLAIN = re.compile(
    rf"[(“\"]?(?:{_WORD}|{_NUMBER}|{_TIME}|{_SIGN}|{_NUMBER}–{_NUMBER})[)”\"]?[.,;:!?]?[)”\"]?"
)
# Chinese has no blanks between words; nothing acts on its characters and marks.
_CHINESE = r"\u4e00-\u9fff，。、；：！？（）"
_PIECE = re.compile(rf"(?P<chinese>[{_CHINESE}“”…]+)|[^{_CHINESE}“”…]+")
# A full stop or `!` is the end of a sentence only with a blank behind it; `ms/` may stand before a word.
_BESIDE_CHINESE = re.compile(rf"(?!.*[.!]$)(?:{_PLAIN.pattern})|(?:{_WORD})/")
# Would begin a list or a quotation, or make a heading of the line above.
_BEGINS = re.compile(rf"\d+[.)]|(?!…){_SIGN}\W*|>.*")


def inert(text: str, *, in_table: bool = False) -> str:
    """Return text in one line with everything but plain words and numbers in code spans.

    In a table a `|` would end the cell even there, and is escaped.
    """
    pieces = list(_pieces(visible(text)))
    if pieces and not in_table and _BEGINS.fullmatch(pieces[0].text):
        pieces[0] = pieces[0]._replace(plain=False)
    line = ""
    for plain, run in groupby(pieces, key=lambda piece: piece.plain):
        whole = "".join(piece.blank + piece.text for piece in run)
        line += whole if plain else _coded(whole)
    return line.replace("|", "\\|") if in_table else line


class _Piece(NamedTuple):
    """A word, or of Chinese what is all Chinese or has none; the blank before; whether it may stand so."""

    blank: str
    text: str
    plain: bool


def _pieces(text: str) -> Iterator[_Piece]:
    blank = ""
    for word in text.split():
        if not re.search(f"[{_CHINESE}]", word):
            yield _Piece(blank, word, _PLAIN.fullmatch(word) is not None)
        else:
            for found in _PIECE.finditer(word):
                plain = found["chinese"] or _BESIDE_CHINESE.fullmatch(found[0])
                yield _Piece(blank, found[0], bool(plain))
                blank = ""
        blank = " "


def fence(text: str, least: int) -> str:
    """Return backticks, `least` or more, that do not occur in text."""
    longest = max(map(len, re.findall("`+", text)), default=0)
    return "`" * max(least, longest + 1)


def _coded(run: str) -> str:
    text = run.lstrip(" ")
    return run[: len(run) - len(text)] + _code(text)


def _code(text: str) -> str:
    kept = text.rstrip(".,;:") or text
    text, closing = kept, text[len(kept) :]
    around = fence(text, 1)
    # A backtick at an edge would be taken for a part of the fence.
    space = " " if text.startswith("`") or text.endswith("`") else ""
    return f"{around}{space}{text}{space}{around}{closing}"


def table_of(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """Yield the lines of a table; the heads stand as they are."""
    yield f"| {' | '.join(heads)} |"
    yield "|---" * len(heads) + "|"
    for cells in rows:
        yield f"| {' | '.join(inert(cell, in_table=True) for cell in cells)} |"
