"""The records of a raw profile in bulk: SQLite joins the JSON of many rows into one text, polars reads it.

A process writes one `ms_service_<host>-<pid>.db`, in one of two layouts: a record is JSON in `Mstx.message`
(in old ones with `^` for `"`, or without its braces), or stands in `slice`, with its name and domain in
columns of their own and the rest as JSON in `args`.
"""

from __future__ import annotations

import io
import json
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import polars as pl
from polars.exceptions import PolarsError

from lbtui.profile.schema import TIME
from lbtui.sources.limits import LATEST
from lbtui.sources.raw.processes import Process
from lbtui.sources.tables.database import Database, as_blob


@dataclass(frozen=True)
class Wanted:
    """Which records: those of these names or domains; and of which of their `fields` the values.

    In `Mstx` also those without a name that have a value under one of the `keys`, which are fields. Of a
    process that has none of the names `unless` there are also those of the names `instead`. `every` takes all
    records, whatever their names.
    """

    names: frozenset[str]
    domains: frozenset[str]
    fields: tuple[str, ...]
    instead: frozenset[str] = frozenset()
    unless: frozenset[str] = frozenset()
    keys: frozenset[str] = frozenset()
    every: bool = False


def columns(wanted: Wanted) -> pl.Schema:
    """Return the columns of the wanted records, as in `Records`."""
    fixed = {
        "process": pl.Int32(),
        "row": pl.Int64(),
        "start": TIME,
        "end": TIME,
        "name": pl.String(),
        "domain": pl.String(),
    }
    return pl.Schema({**fixed, **dict.fromkeys(wanted.fields, pl.String())})


_BETWEEN = "\x1f"
# None where a text has what stands between two.
_Joined: TypeAlias = "list[bytes] | None"


class Reader:
    """Reads records of one process."""

    def __init__(self, opened: Database, process: Process, wanted: Wanted) -> None:
        self._opened = opened
        self._process = process
        self._wanted = wanted
        self._schema = columns(wanted)
        self._message = pl.Schema(dict.fromkeys(("name", "domain", *wanted.fields), pl.String()))
        # What stands in columns of its own; no field is called so.
        self._beside = pl.Schema(dict.fromkeys(("_row", "_start", "_end"), pl.Int64()))
        if process.layout == "slice":
            self._beside |= dict.fromkeys(("_name", "_domain"), pl.String())
        # A span may have no attributes.
        self._text = "message" if process.layout == "Mstx" else "ifnull(nullif(args, ''), '{}')"
        self._where, self._words = self._condition()

    def _condition(self) -> tuple[str, list[str]]:
        """Return SQL that holds of every wanted record, and of few others, with its parameters."""
        names, domains = sorted(self._wanted.names), sorted(self._wanted.domains)
        if self._wanted.every:
            return "1", []
        if self._process.layout == "slice":
            return f"name IN ({_marks(names)}) OR cat IN ({_marks(domains)})", [*names, *domains]
        quote = self._quote()
        words = [f"{quote}{word}{quote}" for word in (*names, *domains, *sorted(self._wanted.keys))]
        anywhere = " OR ".join("instr(message, ?)" for _word in words)
        if domains:
            return anywhere, words
        # As a rule the name comes first: a comparison is cheaper than a search.
        first = f"{{{quote}name{quote}:{quote}"
        named, bounds = _any_of(sorted(f"{first}{name}{quote}" for name in names))
        begins = "message >= ? AND message < ?"
        return f"CASE WHEN {begins} THEN {named} ELSE {anywhere} END", [*_range(first), *bounds, *words]

    def _quote(self) -> str:
        """Return what the process' messages have for a quotation mark."""
        first = self._opened.connection.execute("SELECT message FROM Mstx LIMIT 1").fetchone()
        return "^" if first and isinstance(first[0], str) and first[0].lstrip("{").startswith("^") else '"'

    def piece(self, between: tuple[int, int]) -> Iterator[tuple[pl.DataFrame, int]]:
        """Yield the records from one rowid to another, and how many were unusable."""
        try:
            count, joined = self._joined(between)
        except sqlite3.DataError:  # longer than SQLite lets a text be
            first, last = between
            if first == last:
                yield pl.DataFrame(schema=self._schema).drop("process"), 1
                return
            middle = (first + last) // 2
            yield from self.piece((first, middle))
            yield from self.piece((middle + 1, last))
            return
        if not count:
            return
        lines = self._side_by_side(count, joined)
        if lines is None:
            lines = self._one_by_one(between)
        yield self._known(lines, count)

    def _joined(self, between: tuple[int, int]) -> tuple[int, _Joined]:
        """Return how many records there are, the JSON of all, a line each, and what stands beside it.

        SQLite joins each column by itself: what makes new texts of several takes its one lock for each.
        """
        beside = self._cells()
        texts = [name for name, kind in self._beside.items() if kind == pl.String]
        odd = " + ".join(["instr(line, char(10))", *(f"instr({name}, '{_BETWEEN}')" for name in texts)])
        sql = f"""
        SELECT count(*), total({odd}), group_concat(line, char(10)),
               {", ".join(f"group_concat({name}, '{_BETWEEN}')" for name in beside)}
        FROM (
            SELECT {self._as_json()} AS line, {", ".join(f"{sql} AS {name}" for name, sql in beside.items())}
            FROM {self._process.layout} NOT INDEXED WHERE rowid BETWEEN ? AND ? AND ({self._where})
        )"""
        connection = self._opened.connection
        text_factory, connection.text_factory = connection.text_factory, bytes
        try:
            count, odd_ones, *joined = connection.execute(sql, (*between, *self._words)).fetchone()
        finally:
            connection.text_factory = text_factory
        return count, None if odd_ones else joined

    def _side_by_side(self, count: int, joined: _Joined) -> pl.DataFrame | None:
        """Return the records, None where one is no JSON object: which of them, their lines do not tell."""
        if joined is None:
            return None
        try:
            messages = pl.read_ndjson(io.BytesIO(joined[0]), schema=self._message)
            texts = [text.decode() for text in joined[1:]]
            beside = pl.DataFrame([texts], schema=list(self._beside), orient="row").select(
                pl.col(name).str.split(_BETWEEN).explode(empty_as_null=True).cast(kind)
                for name, kind in self._beside.items()
            )
        except (PolarsError, UnicodeDecodeError):
            return None
        return messages.hstack(beside) if messages.height == beside.height == count else None

    def _as_json(self) -> str:
        """Return SQL of what a record says as JSON."""
        if self._process.layout == "slice":
            return self._text
        old = """replace(rtrim(message, ', '), '^', '"')"""
        return f"""CASE WHEN message >= '{{"' AND message < '{{#' THEN message
            WHEN message LIKE '{{%' THEN {old} ELSE '{{' || {old} || '}}' END"""

    def _cells(self) -> dict[str, str]:
        """Return SQL of what stands in a record's other columns, never null, by its names here."""
        start, end = self._times()
        cells = {"_row": "rowid", "_start": _number(start), "_end": _number(end)}
        if self._process.layout == "slice":
            cells |= {"_name": "ifnull(name, '')", "_domain": "ifnull(cat, '')"}
        return cells

    def _times(self) -> tuple[str, str]:
        if self._process.layout == "Mstx":
            return "timestamp", "endTimestamp"
        return "timestamp", "coalesce(end_time, timestamp + duration)"

    def _one_by_one(self, between: tuple[int, int]) -> pl.DataFrame:
        """Return the lines of those records that can be read."""
        names = ("name", "cat") if self._process.layout == "slice" else ("NULL", "NULL")
        start, end = self._times()
        schema = pl.Schema({**self._message, **self._beside})
        sql = f"""
        SELECT rowid, CAST({start} AS INTEGER), CAST({end} AS INTEGER), {", ".join(names)},
               {as_blob(self._text)}
        FROM {self._process.layout} NOT INDEXED WHERE rowid BETWEEN ? AND ? AND ({self._where})"""
        rows = []
        for row, begin, finish, name, domain, text in self._opened.connection.execute(
            sql, (*between, *self._words)
        ):
            message = _object(text)
            if message is not None:
                cells = [_as_text(message.get(field)) for field in self._message]
                rows.append([*cells, row, begin, finish, _as_text(name), _as_text(domain)][: len(schema)])
        return pl.DataFrame(rows, schema=schema, orient="row")

    def _known(self, lines: pl.DataFrame, count: int) -> tuple[pl.DataFrame, int]:
        """Return the wanted records of the lines, of which there were `count`, and how many were unusable."""
        ns = {
            name: pl.when(pl.col(name).is_between(1, LATEST * 1000)).then(pl.col(name))
            for name in ("_start", "_end")
        }
        start = (ns["_start"] // 1000).cast(TIME)
        own = "_" if self._process.layout == "slice" else ""
        names, domains = list(self._wanted.names), list(self._wanted.domains)
        records = lines.lazy().select(
            pl.col("_row").alias("row"),
            start.alias("start"),
            # An event has one time.
            pl.coalesce((ns["_end"] // 1000).cast(TIME), start).alias("end"),
            pl.col(f"{own}name").alias("name"),
            pl.col(f"{own}domain").alias("domain"),
            *self._wanted.fields,
        )
        nameless = pl.col("name").is_null() & pl.any_horizontal(
            pl.lit(False), *(pl.col(key).is_not_null() for key in self._wanted.keys)
        )
        by_name = pl.col("name").is_in(names) | pl.col("domain").is_in(domains) | self._wanted.every
        meant = records.filter(by_name.fill_null(False) | nameless).collect()
        placed = meant.drop_nulls("start") if meant["start"].null_count() else meant
        return placed, count - lines.height + meant.height - placed.height


def read_object(opened: Database, process: Process, row: int) -> dict[str, Any]:
    """Return what the record at a row says, empty where it is no JSON object."""
    column = "message" if process.layout == "Mstx" else "args"
    sql = f"SELECT {as_blob(column)} FROM {process.layout} WHERE rowid = ?"
    found = opened.connection.execute(sql, (row,)).fetchone()
    return (_object(found[0]) if found else None) or {}


def _any_of(heads: list[str]) -> tuple[str, list[str]]:
    """Return SQL that tells whether a message begins with one of the sorted `heads`, and its parameters."""
    if len(heads) == 1:
        return "message >= ? AND message < ?", list(_range(heads[0]))
    middle = len(heads) // 2
    (left, before), (right, after) = _any_of(heads[:middle]), _any_of(heads[middle:])
    return f"CASE WHEN message < ? THEN {left} ELSE {right} END", [heads[middle], *before, *after]


def _range(head: str) -> tuple[str, str]:
    """Return the least text that begins with `head`, and the least that comes after all of these."""
    return head, head[:-1] + chr(ord(head[-1]) + 1)


def _marks(words: Sequence[str]) -> str:
    return ", ".join("?" for _word in words) or "NULL"


def _number(cell: str) -> str:
    """Return SQL of an integer, 0 for what is none: no time."""
    return f"ifnull(CAST({cell} AS INTEGER), 0)"


def _object(text: object) -> dict[str, Any] | None:
    if not isinstance(text, bytes):
        return None
    if text.startswith((b"{^", b"^")):
        text = text.replace(b"^", b'"')
    if not text.lstrip().startswith(b"{"):
        text = b"{%b}" % text.rstrip(b", ")
    try:
        message = json.loads(text.decode("utf-8", "replace"))
    except (ValueError, RecursionError):
        return None
    return message if isinstance(message, dict) else None


def _as_text(value: Any) -> str | None:
    """Return a value of JSON as polars does: a text as it is, else its JSON; and a blob as a text."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if value is None or isinstance(value, str):
        return value if value is None else value.encode("utf-8", "replace").decode()
    return json.dumps(value)
