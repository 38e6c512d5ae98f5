"""What a query is made of, as far as it must be known before an engine sees it: its kind and its tables.

This is the first wall, which gives a good sentence. The second is the child's, which can open no file
(`lbtui.sql.child`): what is written so that it passes here unseen opens nothing there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias, cast, get_args

from lbtui.profile import FrameName
from lbtui.text import _, visible

MOST_CHARACTERS = 50_000
FRAMES: tuple[FrameName, ...] = get_args(FrameName)

_Kind: TypeAlias = Literal["name", "quoted", "text", "sign"]
# They begin or end statements that change something. As the name of a column each can stand in double quotes.
_CHANGING = frozenset(
    (
        *("ALTER", "ATTACH", "CALL", "COPY", "CREATE", "DELETE", "DROP", "EXECUTE", "EXPORT", "GRANT"),
        *("INSERT", "INSTALL", "INTO", "MERGE", "PRAGMA", "TRUNCATE", "UPDATE"),
    )
)
_TOKEN = re.compile(
    r"""(?P<skip>\s+|--[^\n]*)
    |(?P<text>'(?:[^']|'')*')
    |(?P<quoted>"(?:[^"]|"")*"|`[^`]*`)
    |(?P<name>[^\W\d]\w*)
    |(?P<number>\d\w*)
    |(?P<sign>.)""",
    re.VERBOSE | re.DOTALL,
)
_COMMENT = re.compile(r"/\*|\*/")


class Refused(Exception):
    """A query that is not run; the text is one sentence that says why."""


@dataclass(frozen=True)
class Query:
    """A query that may be run: as it was written, and the frames that it names, in the schema's order."""

    text: str
    frames: tuple[FrameName, ...]
    shows_tables: bool = False


@dataclass(frozen=True)
class _Token:
    kind: _Kind
    text: str  # without the quotes


def checked(text: str) -> Query:
    """Return the query with the frames that it names; raises `Refused` where it does more than read."""
    if len(text) > MOST_CHARACTERS:
        sentence = _("the query is longer than {most:,} characters.")
        raise Refused(sentence.format(most=MOST_CHARACTERS))
    if "\0" in text:
        raise Refused(_("the query holds a character 0."))
    tokens = list(_tokens(text))
    while tokens and tokens[-1] == _Token("sign", ";"):
        tokens.pop()
    if not tokens:
        raise Refused(_("the query is empty."))
    _only_one(tokens)
    _only_reads(tokens)
    named = {
        token.text.lower()
        for token, after in zip(tokens, [*tokens[1:], None], strict=True)
        if token.kind in ("name", "quoted") and (after is None or after.text != "(")
    }
    shows = _word(tokens[0]) == "SHOW"
    return Query(text, tuple(name for name in FRAMES if name in named), shows)


def _tokens(text: str) -> Iterator[_Token]:
    at = 0
    while at < len(text):
        if text.startswith("/*", at):
            at = _behind_comment(text, at)
            continue
        found = _TOKEN.match(text, at)
        assert found is not None  # a sign is any character
        kind, whole = cast(str, found.lastgroup), found[0]
        at = found.end()
        if kind == "skip":
            continue
        if kind == "sign" and whole in "'\"`":
            raise Refused(_("a quote ({quote}) is not closed.").format(quote=whole))
        # Texts of other forms, $$…$$ and E'…', end elsewhere than they seem to.
        if whole == "$" or (kind in ("name", "number") and text.startswith("'", at)):
            raise Refused(_("texts stand in plain single quotes: 'dp3'."))
        if kind in ("text", "quoted"):
            yield _Token("text" if kind == "text" else "quoted", whole[1:-1])
        else:
            yield _Token("name" if kind == "name" else "sign", whole)


def _behind_comment(text: str, at: int) -> int:
    """Return where the comment that begins at a place ends; comments hold others, as the engine has it."""
    depth = 0
    for mark in _COMMENT.finditer(text, at):
        depth += 1 if mark[0] == "/*" else -1
        if depth == 0:
            return mark.end()
    raise Refused(_("a comment (/*) is not closed."))


def _only_one(tokens: list[_Token]) -> None:
    if _Token("sign", ";") in tokens:
        raise Refused(_("one statement at a time: there is a ; inside."))


def _only_reads(tokens: list[_Token]) -> None:
    first, *rest = (_word(token) for token in tokens)
    allowed = (
        first in ("SELECT", "WITH")
        or (first == "SHOW" and rest == ["TABLES"])
        or (first == "EXPLAIN" and rest[:1] in (["SELECT"], ["WITH"]))
    )
    if not allowed:
        sentence = _("only SELECT, WITH, SHOW TABLES and EXPLAIN (of SELECT or WITH) are run, not {word}.")
        said = " ".join(token.text for token in tokens[: 2 if first in ("SHOW", "EXPLAIN") else 1])
        raise Refused(sentence.format(word=visible(said, 60)))
    for token, after in zip(tokens, [*tokens[1:], None], strict=True):
        if _word(token) in _CHANGING:
            sentence = _('{word} is not run: nothing is changed. A column of that name stands in "…".')
            raise Refused(sentence.format(word=token.text.upper()))
        reads = token.kind in ("name", "quoted") and re.match(r"\s*(read|scan)_", token.text, re.IGNORECASE)
        if reads and after is not None and after.text == "(":
            sentence = _("{name}() is not run: a query reads frames of the profile, no files, no network.")
            raise Refused(sentence.format(name=visible(token.text, 60)))


def _word(token: _Token) -> str:
    return token.text.upper() if token.kind == "name" else ""
