"""The records of a raw profile in bulk: SQLite joins the JSON of many rows into one text, polars reads it.

A process writes one `ms_service_<host>-<pid>.db`, in one of two layouts: a record is JSON in `Mstx.message`
(in old ones with `^` for `"`, or without its braces), or stands in `slice`, with its name and domain in
columns of their own and the rest as JSON in `args`.
"""

from __future__ import annotations

import io
import json
import sqlite3
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Any, TypeAlias

import polars as pl
from polars.exceptions import PolarsError

from lbtui.profile import Note, Progress, SourceFile, Unreadable, host_and_pid
from lbtui.profile.schema import TIME
from lbtui.sources.failure import unreadable_note
from lbtui.sources.limits import LATEST
from lbtui.sources.tables import database
from lbtui.sources.tables.database import Database, as_blob
from lbtui.sources.tables.joined_rows import ranges
from lbtui.sources.together import Together
from lbtui.text import _, visible

_AT_ONCE = 2  # files
_CHUNK_BYTES = 16 << 20  # of JSON in one piece
_MOST_ROWS = 200_000  # in one piece
_HELD_BYTES = 64 << 20  # of records as they are, by each that reads
_ROW_BYTES = 64  # the least that a record takes in the file, for a file of which nothing else is known


@dataclass(frozen=True)
class Process:
    """One process of a raw profile; `dp_rank` is what it said of itself, null where it did not."""

    file: SourceFile
    prof_id: str
    host: str
    pid: int
    dp_rank: int | None
    layout: str  # the table that holds its records
    records: int  # the last of their rowids, as of when the process was read


@dataclass(frozen=True)
class Wanted:
    """Which records: those of these names or domains; and of which of their `fields` the values.

    Of a process that has none of them those of the names `instead`.
    """

    names: frozenset[str]
    domains: frozenset[str]
    fields: tuple[str, ...]
    instead: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Records:
    """Records of processes, in the order of these and of their writing.

    Columns: `process` (its place), `row` (in its table), `start`, `end`, `name`, `domain`, and the wanted
    fields as text: a text as it is, all else as JSON. `unusable` counts records that are no JSON object or
    have no time.
    """

    frame: pl.DataFrame
    unusable: int
    notes: tuple[Note, ...] = ()


def read_processes(
    files: Sequence[SourceFile], progress: Progress
) -> tuple[tuple[Process, ...], tuple[Note, ...]]:
    """Return the processes that these files are of, without those that hold no records; and notes."""
    found: list[Process] = []
    notes: list[Note] = []
    whole = Together(progress, max(sum(file.size for file in files), 1))
    for file in files:
        if not file.size:  # to SQLite it is a database without tables
            continue
        try:
            with database.connect(file.path, whole) as opened:
                process = _process(opened, file)
        except Unreadable as error:
            notes.append(unreadable_note(visible(file.path.name), error))
        else:
            if process is not None:
                found.append(process)
    return tuple(found), (*notes, *_recorded_twice(found))


def _recorded_twice(found: Sequence[Process]) -> list[Note]:
    folders = Counter(process.prof_id for process in found)
    twice = [prof_id for prof_id, count in folders.items() if count > 1]
    if not twice:
        return []
    text = _(
        "{count} processes have a file of the same name in several folders: recordings of several runs lie "
        "here, and all are read as one. Give the folder of one run to see it by itself."
    )
    return [Note(visible(f"{twice[0]}.db"), text.format(count=len(twice)))]


def _process(opened: Database, file: SourceFile) -> Process | None:
    tables = opened.tables()
    layout = _layout(opened, tables)
    if layout is None:
        return None
    records = opened.connection.execute(f"SELECT max(rowid) FROM {layout}").fetchone()[0]
    told: dict[str, str] = {}
    if "Meta" in tables:
        rows = opened.connection.execute(
            "SELECT name, CAST(value AS TEXT) FROM Meta WHERE name IN ('hostname', 'dpRankId') LIMIT 100"
        )
        told = {name: value.strip() for name, value in rows if isinstance(value, str) and value.strip()}
    named = host_and_pid(file.path.stem)
    host = told.get("hostname") or (named[0] if named else "")
    rank = told.get("dpRankId", "")
    return Process(
        file,
        file.path.stem,
        host or _("unknown host"),
        named[1] if named else 0,
        int(rank) if rank.isascii() and rank.isdigit() and len(rank) <= 9 else None,
        layout,
        records if isinstance(records, int) else 0,
    )


def _layout(opened: Database, tables: Collection[str]) -> str | None:
    """Return the table of the records: of two, the one that has any."""
    known = [name for name in ("Mstx", "slice") if name in tables]
    if "slice" in known and not {"cat", "args", "end_time"} <= set(opened.columns("slice")):
        known.remove("slice")
    for name in known:
        if opened.connection.execute(f"SELECT 1 FROM {name} LIMIT 1").fetchone():
            return name
    return None


def read_records(
    processes: Sequence[Process],
    wanted: Wanted,
    progress: Progress,
    reduced: Callable[[pl.DataFrame], pl.DataFrame] = lambda records: records,
) -> Records:
    """Return the `wanted` records of all processes, each piece of them as `reduced` makes it.

    The JSON of all together need not fit into memory. Raises `Cancelled` when `progress` does.
    """
    whole = Together(progress, max(sum(process.file.size for process in processes), 1))
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        read = list(pool.map(partial(_of_group, wanted, reduced, whole), _groups(processes)))
    nothing = reduced(pl.DataFrame(schema=_columns(wanted)))
    return Records(
        pl.concat([nothing, *(records.frame for records in read)]),
        sum(records.unusable for records in read),
        tuple(note for records in read for note in records.notes),
    )


_Placed: TypeAlias = "tuple[int, Process]"  # its place among all


def _groups(processes: Sequence[Process]) -> list[list[_Placed]]:
    """Return the processes in groups of some size, in order: what is made of few rows costs more a row."""
    total = sum(process.file.size for process in processes)
    most = min(total // (2 * _AT_ONCE), _HELD_BYTES)
    groups: list[list[_Placed]] = [[]]
    size = 0
    for placed in enumerate(processes):
        if groups[-1] and size + placed[1].file.size > most:
            groups.append([])
            size = 0
        groups[-1].append(placed)
        size += placed[1].file.size
    return groups


def _of_group(
    wanted: Wanted,
    reduced: Callable[[pl.DataFrame], pl.DataFrame],
    progress: Progress,
    group: Sequence[_Placed],
) -> Records:
    held, made = [pl.DataFrame(schema=_columns(wanted))], []
    notes: list[Note] = []
    unusable = 0
    for place, process in group:
        try:
            for frame, bad in _pieces(wanted, progress, process):
                unusable += bad
                held.append(frame.select(pl.lit(place, pl.Int32).alias("process"), pl.all()))
                if sum(piece.estimated_size() for piece in held) > _HELD_BYTES:
                    made.append(reduced(pl.concat(held)))
                    del held[1:]
        except Unreadable as error:
            # What stands before the break is used.
            notes.append(unreadable_note(visible(process.file.path.name), error))
        progress.advance(process.file.path.name, process.file.size, process.file.size)
    return Records(pl.concat([*made, reduced(pl.concat(held))]), unusable, tuple(notes))


def _pieces(wanted: Wanted, progress: Progress, process: Process) -> Iterator[tuple[pl.DataFrame, int]]:
    """Yield the records of a process, and how many were unusable; of those `instead` where there are none."""
    none, parts = True, _parts(process, progress)
    for between in parts:
        for piece in _piece(wanted, progress, process, between):
            none = none and piece[0].is_empty()
            yield piece
    if none and wanted.instead:
        others = replace(wanted, names=wanted.instead)
        for between in parts:
            yield from _piece(others, progress, process, between)


def _piece(
    wanted: Wanted, progress: Progress, process: Process, between: tuple[int, int]
) -> list[tuple[pl.DataFrame, int]]:
    """Return what `_Reader.piece` yields; a process that ends meanwhile must be able to tidy up its files."""
    with database.connect(process.file.path, progress) as opened:
        return list(_Reader(opened, process, wanted).piece(between))


@dataclass(frozen=True)
class Record:
    """One record; `fields` are the wanted ones, as in `Records`."""

    name: str
    start: datetime
    end: datetime
    fields: dict[str, str | None]


def read_record(process: Process, row: int, wanted: Wanted, progress: Progress) -> Record | None:
    """Return the record at a row of a process' table, read now; None where it is no wanted one.

    Raises `Unreadable`.
    """
    either = replace(wanted, names=wanted.names | wanted.instead)
    with database.connect(process.file.path, progress) as opened:
        found = [frame for frame, _bad in _Reader(opened, process, either).piece((row, row))]
    if not found or found[0].height != 1:
        return None
    cells = found[0].row(0, named=True)
    return Record(cells["name"], cells["start"], cells["end"], {name: cells[name] for name in wanted.fields})


def _columns(wanted: Wanted) -> pl.Schema:
    fixed = {
        "process": pl.Int32(),
        "row": pl.Int64(),
        "start": TIME,
        "end": TIME,
        "name": pl.String(),
        "domain": pl.String(),
    }
    return pl.Schema({**fixed, **dict.fromkeys(wanted.fields, pl.String())})


def _parts(process: Process, progress: Progress) -> list[tuple[int, int]]:
    """Return the first and last rowid of each piece of the records that were there at first."""
    each = max(process.file.size // max(process.records, 1), _ROW_BYTES)
    rows = min(max(_CHUNK_BYTES // each, 1), _MOST_ROWS)
    with database.connect(process.file.path, progress) as opened:
        found = list(ranges(opened.connection, process.layout, rows))
    return [(first, min(last, process.records)) for first, last in found if first <= process.records]


class _Reader:
    """Reads records of one process."""

    def __init__(self, opened: Database, process: Process, wanted: Wanted) -> None:
        self._opened = opened
        self._process = process
        self._wanted = wanted
        self._schema = _columns(wanted)
        self._message = pl.Struct(dict.fromkeys(("name", "domain", *wanted.fields), pl.String()))
        times = {"r": pl.Int64(), "s": pl.Int64(), "e": pl.Int64()}
        self._line = pl.Schema({**times, "n": pl.String(), "d": pl.String(), "m": self._message})
        # A span may have no attributes.
        self._text = "message" if process.layout == "Mstx" else "ifnull(nullif(args, ''), '{}')"
        self._where, self._words = self._condition()

    def _condition(self) -> tuple[str, list[str]]:
        """Return SQL that holds of every wanted record, and of few others, with its parameters."""
        names, domains = sorted(self._wanted.names), sorted(self._wanted.domains)
        if self._process.layout == "slice":
            return f"name IN ({_marks(names)}) OR cat IN ({_marks(domains)})", [*names, *domains]
        quote = self._quote()
        words = [f"{quote}{word}{quote}" for word in (*names, *domains)]
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
        try:
            lines = pl.read_ndjson(io.BytesIO(joined or b""), schema=self._line)
        except PolarsError:
            lines = None
        if lines is None or lines.height != count:  # a record that is no JSON object, or over several lines
            lines = self._one_by_one(between)
        yield self._known(lines, count)

    def _joined(self, between: tuple[int, int]) -> tuple[int, bytes | None]:
        sql = f"""
        SELECT count(line), group_concat(line, char(10)) FROM (
            SELECT {self._as_line()} AS line FROM {self._process.layout} NOT INDEXED
            WHERE rowid BETWEEN ? AND ? AND ({self._where})
        )"""
        connection = self._opened.connection
        text_factory, connection.text_factory = connection.text_factory, bytes
        try:
            count, joined = connection.execute(sql, (*between, *self._words)).fetchone()
        finally:
            connection.text_factory = text_factory
        return count, joined

    def _as_line(self) -> str:
        """Return SQL of a record as one line of JSON."""
        plain = self._text
        if self._process.layout == "Mstx":
            old = """replace(rtrim(message, ', '), '^', '"')"""
            plain = f"""CASE WHEN message >= '{{"' AND message < '{{#' THEN message
            WHEN message LIKE '{{%' THEN {old} ELSE '{{' || {old} || '}}' END"""
        start, end = self._times()
        parts = [f"""'{{"r":' || rowid || ',"s":' || {_number(start)} || ',"e":' || {_number(end)}"""]
        if self._process.layout == "slice":
            parts.append(f"""',"n":"' || {_escaped("name")} || '","d":"' || {_escaped("cat")} || '"'""")
        return " || ".join([*parts, f"""',"m":' || {plain} || '}}'"""])

    def _times(self) -> tuple[str, str]:
        if self._process.layout == "Mstx":
            return "timestamp", "endTimestamp"
        return "timestamp", "coalesce(end_time, timestamp + duration)"

    def _one_by_one(self, between: tuple[int, int]) -> pl.DataFrame:
        """Return the lines of those records that can be read."""
        names = ("name", "cat") if self._process.layout == "slice" else ("NULL", "NULL")
        start, end = self._times()
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
                cells = {field: _as_text(message.get(field)) for field in self._message.to_schema()}
                rows.append((row, begin, finish, _as_text(name), _as_text(domain), cells))
        return pl.DataFrame(rows, schema=self._line, orient="row")

    def _known(self, lines: pl.DataFrame, count: int) -> tuple[pl.DataFrame, int]:
        """Return the wanted records of the lines, of which there were `count`, and how many were unusable."""
        ns = {name: pl.when(pl.col(name).is_between(1, LATEST * 1000)).then(pl.col(name)) for name in "se"}
        start = (ns["s"] // 1000).cast(TIME)
        named = {
            "name": pl.coalesce("n", pl.col("m").struct.field("name")),
            "domain": pl.coalesce("d", pl.col("m").struct.field("domain")),
        }
        names, domains = list(self._wanted.names), list(self._wanted.domains)
        records = lines.select(
            pl.col("r").alias("row"),
            start.alias("start"),
            # An event has one time.
            pl.coalesce((ns["e"] // 1000).cast(TIME), start).alias("end"),
            *(column.alias(name) for name, column in named.items()),
            *(pl.col("m").struct.field(field) for field in self._wanted.fields),
        )
        meant = records.filter(pl.col("name").is_in(names) | pl.col("domain").is_in(domains))
        placed = meant.drop_nulls("start")
        return placed, count - lines.height + meant.height - placed.height


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
    return f"ifnull(CAST({cell} AS INTEGER), 'null')"


def _escaped(cell: str) -> str:
    return f"""replace(replace(ifnull({cell}, ''), '\\', '\\\\'), '"', '\\"')"""


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
    """Return a value of JSON as polars does: a text as it is, else its JSON."""
    if value is None or isinstance(value, str):
        return value if value is None else value.encode("utf-8", "replace").decode()
    return json.dumps(value)
