"""Reads batch.csv's `res_list`: the Python repr of a list with one dict per scheduled request, or (SGLang)
its bare id."""

from __future__ import annotations

import re
from typing import NamedTuple

import polars as pl

from lbtui.profile.source import ScheduledRequest

LONGEST = 4 << 20  # characters; 4,000 requests at 100 characters are a tenth of it
DEEPEST = 16
_LONGEST_NUMBER = 18  # digits, so that it fits 64 bits

_STRING = r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*\""""
_TOKEN = re.compile(rf"\s*(?:(?P<text>{_STRING})|(?P<word>[\w.+-]+)|(?P<mark>[][(){{}}:,]))", re.DOTALL)
_ESCAPE = re.compile(r"\\(x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|.)", re.DOTALL)
_CONTROL = {"n": "\n", "t": "\t", "r": "\r"}
_CLOSING = {"[": "]", "(": ")", "{": "}"}
# The key's `=` marks a metric in MindIE's messages; vLLM's hooks leave it out.
_TOKEN_KEYS = ("num_scheduled_tokens=", "num_scheduled_tokens")


class ResList(NamedTuple):
    """The requests read from one `res_list`; `complete` is False where the rest could not be read."""

    requests: list[ScheduledRequest]
    complete: bool


def parse_res_list(text: str | None) -> ResList:
    """Return the requests that `text` holds, in order; an empty or null cell holds none and is complete.

    Never raises and never evaluates: text beyond `LONGEST` characters, nesting beyond `DEEPEST`, and
    anything after the first character that is no Python literal are left out. A dict without `rid` is
    passed over; of a bare id neither iteration nor tokens are known.
    """
    if not text:
        return ResList([], True)
    reader = _Reader()
    position = 0
    limit = min(len(text), LONGEST)
    while position < limit:
        match = _TOKEN.match(text, position, limit)
        if match is None:
            return ResList(reader.requests, reader.finished and not text[position:].strip())
        if not reader.take(match):
            return ResList(reader.requests, False)
        position = match.end()
    return ResList(reader.requests, reader.finished and limit == len(text))


class _Reader:
    """A stack machine over tokens; request dicts stand at depth two, bare ids at depth one."""

    def __init__(self) -> None:
        self.requests: list[ScheduledRequest] = []
        self.finished = False
        self._open: list[str] = []  # the closing marks awaited
        self._fields: dict[str, str | int | None] = {}
        self._key: str | int | None = None
        self._value: str | int | None = None

    def take(self, token: re.Match[str]) -> bool:
        """Digest one token; False when it cannot stand here."""
        if self.finished:
            return False
        mark = token["mark"]
        if mark is None:
            self._value = _unquote(token["text"]) if token["text"] else _number(token["word"])
            if len(self._open) == 1 and self._value is not None:
                self.requests.append(ScheduledRequest(str(self._value), None, None))
            return bool(self._open)
        if mark in _CLOSING:
            self._open.append(_CLOSING[mark])
            if len(self._open) == 2:
                self._fields = {}
            self._value = None
            return len(self._open) <= DEEPEST and (len(self._open) > 1 or mark == "[")
        if not self._open:
            return False
        if mark == ":":
            if len(self._open) == 2:
                self._key, self._value = self._value, None
            return self._open[-1] == "}"
        if len(self._open) == 2 and self._open[-1] == "}":
            self._keep_field()
        if mark == ",":
            return True
        return self._close(mark)

    def _keep_field(self) -> None:
        if isinstance(self._key, str):
            self._fields[self._key] = self._value
        self._key = self._value = None

    def _close(self, mark: str) -> bool:
        if self._open.pop() != mark:
            return False
        if len(self._open) == 1 and mark == "}":
            self._keep_request()
        self._value = None
        self.finished = not self._open
        return True

    def _keep_request(self) -> None:
        rid = self._fields.get("rid")
        if rid is None:
            return
        tokens = next((self._fields[key] for key in _TOKEN_KEYS if key in self._fields), None)
        iteration = self._fields.get("iter")
        self.requests.append(
            ScheduledRequest(
                str(rid),
                iteration if isinstance(iteration, int) else None,
                tokens if isinstance(tokens, int) else None,
            )
        )


def _unquote(literal: str) -> str:
    return _ESCAPE.sub(_unescape, literal[1:-1]) if "\\" in literal else literal[1:-1]


def _unescape(match: re.Match[str]) -> str:
    code = match[1]
    if len(code) > 1:
        number = int(code[1:], 16)
        # A lone surrogate cannot be stored or shown: leave the escape as written.
        return match[0] if 0xD800 <= number <= 0xDFFF or number > 0x10FFFF else chr(number)
    return _CONTROL.get(code, code)


def _number(word: str) -> int | None:
    word = word.removesuffix(".0")
    digits = word[1:] if word[:1] in "+-" else word
    return int(word) if digits.isascii() and digits.isdigit() and len(digits) <= _LONGEST_NUMBER else None


# Upstream's own test data, and older parsers, have numbers.
_ID = rf"(?:{_STRING}|\d+(?:\.0)?)"
_RID = rf"'rid': {_ID}"
_BARE = r"""^\s*\[\s*['"\d]"""  # how a list of bare ids begins
_BEFORE_ID = r"^(?:'rid': )?"


def request_ids(column: str) -> pl.Expr:
    r"""Return an expression: the request ids of each `res_list` in `column`, as list[str]; null stays null.

    Works on the text alone, for millions of rows: escapes of quotes and backslashes are resolved, others
    (`\n`, `\x..`) stay as written.
    """
    return _ids(pl.col(column))


def _ids(cell: pl.Expr) -> pl.Expr:
    element = pl.element()
    literals = (
        pl.when(cell.str.contains(_BARE))
        .then(cell.str.extract_all(f"(?s){_ID}"))
        .otherwise(cell.str.extract_all(f"(?s){_RID}"))
    )
    literal = element.str.replace(_BEFORE_ID, "")
    unquoted = literal.str.slice(1).str.head(-1).str.replace_all(r"""\\(['"\\])""", "${1}")
    number = literal.str.replace(r"\.0$", "")
    return literals.list.eval(pl.when(literal.str.contains(r"^\d")).then(number).otherwise(unquoted))


# Upstream's own rule: `type` 0, or where there is none (v0, MindIE) the first iteration, prefills; all others
# decode.
_PREFILLS = r"'type': 0\b"
_HAS_TYPE = "'type': "
_FIRST = r"'iter': 0\b"
_TOKENS = r"'num_scheduled_tokens=?': (\d{1,9})\b"


def _entries(cell: pl.Expr) -> pl.Expr:
    """Return the flat dicts of each `res_list`, as texts."""
    return cell.str.extract_all(r"\{[^{}]*\}")


def _is_prefill(entry: pl.Expr) -> pl.Expr:
    """Return whether the request of a flat dict is being prefilled, null where nothing in it tells."""
    with_type = pl.when(entry.str.contains(_HAS_TYPE, literal=True)).then(entry.str.contains(_PREFILLS))
    return with_type.when(entry.str.contains("'iter': ", literal=True)).then(entry.str.contains(_FIRST))


def prefilled_ids(column: str, *, alone: pl.Expr) -> pl.Expr:
    """Return an expression: the ids of the requests that each `res_list` in `column` prefills, as list[str].

    `alone` tells where the batch prefills only: there bare ids are of prefills.
    """
    cell, entry = pl.col(column), pl.element()
    prefilled = _entries(cell).list.eval(entry.filter(_is_prefill(entry))).list.join(",")
    bare = cell.str.contains(_BARE)
    return _ids(pl.when(~bare).then(prefilled).when(alone).then(cell))


def scheduled(column: str) -> dict[str, pl.Expr]:
    """Return expressions: of each `res_list` how many requests are prefilled and decoded, and the tokens.

    Int64, null where the list holds no request with the field that tells.
    """
    entries, entry = _entries(pl.col(column)), pl.element()
    kinds = entries.list.eval(_is_prefill(entry))
    tokens = entries.list.eval(entry.str.extract(_TOKENS).cast(pl.Int64))

    def complete(of: pl.Expr, total: pl.Expr) -> pl.Expr:
        known = (of.list.len() > 0) & (of.list.drop_nulls().list.len() == of.list.len())
        return pl.when(known).then(total.cast(pl.Int64))

    return {
        "prefill_batch_size": complete(kinds, kinds.list.sum()),
        "decode_batch_size": complete(kinds, kinds.list.len() - kinds.list.sum()),
        "tokens": complete(tokens, tokens.list.sum()),
    }
