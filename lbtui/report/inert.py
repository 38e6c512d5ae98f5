"""Text that reads as it stands where Markdown is expected, in every usual ticket system.

GitHub, GitLab and Jira act on far more than Markdown: names after @, numbers after # or !, addresses, words
between colons, commands at the start of a line. A backslash stops none of these, a code span all.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import groupby

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
# Would begin a list or a quotation, or make a heading of the line above.
_BEGINS = re.compile(rf"\d+[.)]|{_SIGN}|>.*")


def inert(text: str, *, in_table: bool = False) -> str:
    """Return text in one line with everything but plain words and numbers in code spans.

    In a table a `|` would end the cell even there, and is escaped.
    """
    pieces = list(_pieces(visible(text)))
    plain = [
        is_plain and (place > 0 or in_table or not _BEGINS.fullmatch(piece))
        for place, (_blank, piece, is_plain) in enumerate(pieces)
    ]
    line = ""
    for is_plain, run in groupby(zip(pieces, plain, strict=True), key=lambda pair: pair[1]):
        (blank, whole, _plain), *others = (piece for piece, _plain in run)
        whole += "".join(between + piece for between, piece, _plain in others)
        line += blank + (whole if is_plain else _code(whole))
    return line.replace("|", "\\|") if in_table else line


def _pieces(text: str) -> Iterator[tuple[str, str, bool]]:
    """Yield the words of a text, of Chinese what has no Chinese in it and what is all Chinese.

    The blank before it, the piece, and whether it may stand as it is.
    """
    blank = ""
    for word in text.split():
        if not re.search(f"[{_CHINESE}]", word):
            yield blank, word, _PLAIN.fullmatch(word) is not None
        else:
            for found in _PIECE.finditer(word):
                is_plain = found["chinese"] or _PLAIN.fullmatch(found[0].removesuffix("/"))
                yield blank, found[0], bool(is_plain)
                blank = ""
        blank = " "


def fence(text: str, least: int) -> str:
    """Return backticks, `least` or more, that do not occur in text."""
    longest = max(map(len, re.findall("`+", text)), default=0)
    return "`" * max(least, longest + 1)


def _code(text: str) -> str:
    kept = text.rstrip(".,;:") or text
    text, closing = kept, text[len(kept) :]
    around = fence(text, 1)
    # A backtick at an edge would be taken for a part of the fence.
    space = " " if text.startswith("`") or text.endswith("`") else ""
    return f"{around}{space}{text}{space}{around}{closing}"
