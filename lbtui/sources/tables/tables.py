"""Upstream's tables, the same from CSV or from profiler.db: which columns they have and what those mean.

A column is known by the names that versions of the parser and its documentation give it, in whatever unit and
capitals.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

import polars as pl

from lbtui.profile import Note, Unreadable
from lbtui.profile.time import ZONE_OFFSET_US
from lbtui.sources.tables import cells
from lbtui.sources.tables.pieces import Pieces
from lbtui.text import _, in_list, visible

Kind: TypeAlias = Literal[
    "text", "id", "number", "milliseconds", "gap", "integer", "count", "rank", "epoch", "datetime"
]

_CONVERT: dict[Kind, Callable[[pl.Series], pl.Series]] = {
    "text": cells.text,
    "id": cells.identity,
    "number": cells.number,
    "milliseconds": cells.milliseconds,
    "gap": cells.number,  # milliseconds that may be negative
    "integer": cells.integer,
    "count": cells.count,
    "rank": cells.count,
}
# The usual columns of numbers and of texts; either may hold the other.
TIMES: tuple[Kind, ...] = ("epoch", "datetime")
_DURATIONS: tuple[Kind, ...] = ("milliseconds", "gap")
_NOTHING: dict[Kind, tuple[str, ...]] = {
    "epoch": ("0", "0.0"),  # an event that was not seen
    "datetime": ("0", "0.0"),
    "rank": ("-1", "-1.0"),  # vLLM without a parallel configuration
}
_UNIT = re.compile(r"\s*\((\w+)\)$")
_MS_PER_UNIT = {"s": 1e3, "second": 1e3, "ms": 1.0, "us": 1e-3, "microsecond": 1e-3, "ns": 1e-6}


@dataclass(frozen=True)
class Column:
    """One column: the names it is known by, the best first, and the kind of its cells.

    A row whose `needed` column is null cannot be placed and is dropped, and counted. No table can be read
    without such a column, unless it `may_lack`.
    """

    names: tuple[str, ...]
    kind: Kind
    needed: bool = False
    may_lack: bool = False


def _named(*names: str, kind: Kind = "text", needed: bool = False, may_lack: bool = False) -> Column:
    return Column(names, kind, needed, may_lack)


TABLES: dict[str, dict[str, Column]] = {
    "forward": {
        "prof_id": _named("prof_id", needed=True),
        "host": _named("hostname"),
        "dp_rank": _named("dp_rank", kind="rank"),
        "forward_iter": _named("forward_iter", kind="count"),
        "batch_type": _named("batch_type"),
        "batch_size": _named("batch_size", kind="count"),
        "start": _named("start_time", "start_datetime", kind="epoch", needed=True),
        "end": _named("end_time", "end_datetime", kind="epoch", needed=True),
        "duration": _named("during_time", kind="milliseconds"),
        "bubble": _named("bubble_time", kind="gap"),
        "relative": _named("relative_start_time", kind="gap"),
    },
    "batch": {
        "name": _named("name", needed=True),
        # The parser of CANN 8.x named none.
        "prof_id": _named("prof_id", needed=True, may_lack=True),
        "dp_rank": _named("dp_rank", kind="rank"),
        "batch_type": _named("batch_type"),
        "batch_size": _named("batch_size", "total_batch_size", kind="count"),
        "prefill_batch_size": _named("prefill_batch_size", kind="count"),
        "decode_batch_size": _named("decode_batch_size", kind="count"),
        "tokens": _named("total_scheduled_tokens", kind="count"),
        "start": _named("start_time", "start_datetime", kind="epoch", needed=True),
        "end": _named("end_time", "end_datetime", kind="epoch", needed=True),
        "duration": _named("during_time", kind="milliseconds"),
        "total_blocks": _named("total_blocks", kind="count"),
        "used_blocks": _named("used_blocks", kind="count"),
        "free_blocks": _named("free_blocks", kind="count"),
        "usage": _named("kvcache_usage_rate", kind="number"),
        "res_list": _named("res_list"),
    },
    "kvcache": {
        "request_id": _named("rid", kind="id"),
        "name": _named("name"),
        "time": _named("start_time", "start_datetime", "timestamp", kind="datetime", needed=True),
        "free_blocks": _named("device_kvcache_left", "free_blocks", kind="count"),
        "total_blocks": _named("total_blocks", kind="count"),
    },
    "request_status": {
        "host": _named("hostuid"),
        "pid": _named("pid", kind="integer", needed=True),
        "time": _named("start_datetime", "timestamp", kind="datetime", needed=True),
        "waiting": _named("waiting", kind="count"),
        "running": _named("running", kind="count"),
        "swapped": _named("swapped", kind="count"),
    },
    "request": {
        "request_id": _named("http_rid", kind="id"),
        "arrival": _named("start_datetime", "start_time", "start_time_httpReq", kind="datetime"),
        "input_tokens": _named("recv_token_size", kind="count"),
        "output_tokens": _named("reply_token_size", kind="count"),
        "ttft": _named("first_token_latency", kind="milliseconds"),
        "queue_wait": _named("queue_wait_time", kind="milliseconds"),
        "duration": _named("execution_time", kind="milliseconds"),
        "cache_hit_rate": _named("cache_hit_rate", kind="number"),
    },
    "coordinator": {
        "time": _named("time", kind="datetime", needed=True),
        "address": _named("address", needed=True),
        "role": _named("node_type", needed=True),
        "added": _named("add_count", kind="count"),
        "ended": _named("end_count", kind="count"),
        "running_written": _named("running_count", kind="integer"),
    },
    "pd_split_kvcache": {
        "request_id": _named("rid", kind="id"),
        "rank": _named("rank", kind="count"),
        "block_tables": _named("block_tables"),
        "sequence_lengths": _named("batch_seq_len", "seq_len"),
        "duration": _named("during_time", kind="milliseconds"),
        "start": _named("start_time", "start_datetime", kind="datetime", needed=True),
        "end": _named("end_time", "end_datetime", kind="datetime"),
    },
    "pd_split_communication": {
        "request_id": _named("rid", kind="id", needed=True),
        "arrival": _named("http_req_time", kind="datetime"),
        "sent": _named("send_request_time", kind="datetime"),
        "received": _named("send_request_succ_time", kind="datetime"),
        "prefill_done": _named("prefill_res_time", kind="datetime"),
        "end": _named("request_end_time", kind="datetime"),
    },
    "moe_analysis": {
        "process": _named("Dataset", kind="integer", needed=True),
        "mean": _named("Mean", kind="number"),
        "low": _named("CI_Lower", "CI Lower", kind="number"),
        "high": _named("CI_Upper", "CI Upper", kind="number"),
    },
    "spec_decode": {
        "request_id": _named("rid", kind="id"),
        "iteration": _named("iter", kind="count"),
        "prof_id": _named("prof_id"),
        "start": _named("start_datetime", kind="datetime"),
        "end": _named("end_datetime", kind="datetime"),
        "proposed": _named("spec_tokens", kind="count"),
        "accepted": _named("accepted_tokens", kind="count"),
    },
}
# Columns that are read only when they are asked for: long, or of use where others are broken.
_SELDOM = frozenset({"res_list", "relative"})


def usual_columns(table: str) -> tuple[str, ...]:
    """Return the columns of a table that are read unless others are asked for."""
    return tuple(name for name in TABLES[table] if name not in _SELDOM)


# profiler.db's request_status says neither pid nor host: all processes are one list.
ONLY_CSV = frozenset({"request_status", "spec_decode"})

# How exact a table's values are, in words.
PRECISION: dict[str, str] = {
    "forward": _("1 µs; bubble 0.01 ms"),
    "batch": _("1 µs"),
    "kvcache": _("1 µs"),
    "request_status": _("1 µs"),
    "request": _("1 µs; duration between times cut to 1 ms"),
    "coordinator": _("5 s bins"),
    "pd_split_kvcache": _("1 ms; duration 1 µs"),
    "pd_split_communication": _("1 ms"),
    "moe_analysis": _("1 ns"),
    "spec_decode": _("1 µs"),
}


@dataclass(frozen=True)
class Clock:
    """What the times of one file mean: its texts are the wall clock of a zone `zone_us` ahead of UTC.

    `headers` tell which of several that the file has for a column is the right one, `texts` the columns that
    are texts there, `unknown` those that are too coarse, or in no known unit, to be of use. Durations are to
    be multiplied by `factor`.
    """

    zone_us: int = ZONE_OFFSET_US
    headers: Mapping[str, str] = field(default_factory=dict)
    texts: frozenset[str] = frozenset()
    unknown: frozenset[str] = frozenset()
    factor: float = 1.0
    microseconds: tuple[str, ...] = ()  # headers of times that state another unit


SHANGHAI = Clock()  # whatever the machine that parsed


@dataclass(frozen=True)
class Headers:
    """Which header of a file holds each wanted column, and which columns it lacks.

    `unit` is the one of durations that name none.
    """

    header_of: dict[str, str]
    lacking: tuple[str, ...]
    clock: Clock = SHANGHAI
    unit: str = "ms"

    def milliseconds_per_unit(self, name: str) -> float:
        """Return how many ms the unit of a duration has."""
        unit = _base_and_unit(self.header_of[name])[1] or self.unit
        return _MS_PER_UNIT.get(unit, 1.0) * self.clock.factor


def match_headers(
    table: str, present: Collection[str], wanted: Collection[str], file: str, clock: Clock = SHANGHAI
) -> Headers:
    """Return where the `wanted` columns of `table` are among the headers `present`.

    Raises `Unreadable` when none is there, or not one without which no row can be placed.
    """
    header_of: dict[str, str] = {}
    lacking: list[str] = []
    for name in wanted:
        found = [] if name in clock.unknown else matching(table, name, present)
        chosen = clock.headers.get(name)
        if not found:
            lacking.append(name)
        else:
            header_of[name] = chosen if chosen in found else found[0]
    columns = TABLES[table]
    needed = [name for name in lacking if columns[name].needed and not columns[name].may_lack]
    if needed or not header_of:
        if clock.unknown.intersection(needed):
            raise Unreadable(
                _("the times of {file} are rounded, as a spreadsheet does when it saves a file").format(
                    file=file
                )
            )
        text = _(
            "{file} has no column {column}, nor one that stands for it in another version of the parser; it "
            "has {columns}."
        )
        if "span_name" in present:
            text = _("{file} is written by `parse --span`: parse again without --span.")
        raise Unreadable(
            text.format(
                file=file,
                column=TABLES[table][(needed or lacking)[0]].names[0],
                columns=visible(in_list(present), 200),
            )
        )
    units = {_base_and_unit(header)[1] for header in present}
    # A header without a unit has that of the others: upstream renamed whole tables at once.
    return Headers(header_of, tuple(lacking), clock, "microsecond" if "microsecond" in units else "ms")


def matching(table: str, name: str, present: Collection[str]) -> list[str]:
    """Return the headers among those `present` that column `name` of `table` is known by, the best first."""
    names = [known.lower() for known in TABLES[table][name].names]
    bases = ((header, _base_and_unit(header)[0]) for header in present)
    found = [(names.index(base), header) for header, base in bases if base in names]
    return [header for _place, header in sorted(found, key=lambda pair: pair[0])]


def _base_and_unit(header: str) -> tuple[str, str | None]:
    """Return a header in lower case without its unit, and that."""
    unit = _UNIT.search(header)
    base = header[: unit.start()] if unit else header
    return base.strip().lower(), unit[1].lower() if unit else None


def stated_unit(header: str) -> float:
    """Return how many ms the unit has that a header states, or that it has where it states none."""
    return _MS_PER_UNIT.get(_base_and_unit(header)[1] or "ms", 1.0)


def numeric_headers(table: str, headers: Headers) -> frozenset[str]:
    """Return the headers whose cells are nothing but numbers, where they say anything."""
    return frozenset(
        header
        for name, header in headers.header_of.items()
        if TABLES[table][name].kind not in ("text", "id", "datetime")
        and not (TABLES[table][name].kind == "epoch" and "datetime" in header)
    )


def header_rows(raw: pl.DataFrame) -> pl.Series:
    """Tell of each row of texts whether it is the header once more, as where files were put together."""
    again: pl.Series = pl.Series([False]).new_from_index(0, raw.height)
    if any(kind != pl.String for kind in raw.dtypes):
        return again
    for place, header in enumerate(raw.columns):
        names = raw[header].str.strip_chars(" \ufeff")
        again = (names == header.strip(" \ufeff")).fill_null(False) & (again if place else True)
        if not again.any():
            break
    return again


def header_again_note(file: str, rows: list[int]) -> Note:
    """Return the note on data rows that are the header."""
    text = _(
        "The header stands {count} × more among the rows (first as data row {first}): outputs were put "
        "together in one file, and all of them are read."
    )
    return Note(file, text.format(count=len(rows), first=rows[0]))


class Conversion:
    """Turns raw cells, batch by batch, into typed columns plus `row`, the 0-based place in the file.

    Columns the file lacks come back as null; rows that cannot be placed are left out and counted.
    """

    def __init__(self, table: str, headers: Headers, file: str) -> None:
        self._columns = TABLES[table]
        self._headers = headers
        self._file = file
        self._needed = [name for name in headers.header_of if self._columns[name].needed]
        self._rows = 0
        null = pl.Series([None], dtype=pl.String)
        self._lacking = {name: self._convert(name, null) for name in headers.lacking}
        nothing = pl.DataFrame(schema=dict.fromkeys(headers.header_of.values(), pl.String))
        self._taken = Pieces(self._typed(nothing))
        self._dropped = 0
        self._first_dropped = 0
        self._headers_again: list[int] = []  # the rows that say the header once more
        self._unreadable: dict[str, tuple[int, int]] = {}  # header: how many cells, and the first's row

    def take(self, raw: pl.DataFrame, row_numbers: pl.Series | None = None) -> None:
        """Take the next rows, with the file's own headers; `row_numbers` if they do not simply count up."""
        self._taken.add(self.converted(raw, row_numbers))

    def pass_over(self, rows: int) -> None:
        """Count the next rows as converted elsewhere."""
        self._rows += rows

    def converted(self, raw: pl.DataFrame, row_numbers: pl.Series | None = None) -> pl.DataFrame:
        """Return the next rows typed, without keeping them; what is dropped or unreadable is counted."""
        frame = self._typed(raw, row_numbers)
        self._rows += raw.height
        if (again := header_rows(raw)).any():
            self._headers_again += (frame["row"].filter(again) + 1).to_list()
            raw, frame = raw.filter(~again), frame.filter(~again)
        self._count_unreadable(raw, frame)
        kept = frame.drop_nulls(self._needed) if self._needed else frame
        if kept.height < frame.height:
            if not self._dropped:
                gaps = pl.any_horizontal(pl.col(self._needed).is_null())
                self._first_dropped = int(frame.filter(gaps)["row"][0]) + 1
            self._dropped += frame.height - kept.height
        return kept

    def frame(self) -> pl.DataFrame:
        """Return all rows taken, in order."""
        return self._taken.frame()

    def notes(self) -> list[Note]:
        """Return what was left out, if anything."""
        again = [header_again_note(self._file, self._headers_again)] if self._headers_again else []
        return [*again, *self._dropped_note(), *self._unreadable_notes()]

    def _dropped_note(self) -> list[Note]:
        if not self._dropped:
            return []
        text = _(
            "{dropped} of {rows} rows lack a readable {columns} (the first is data row {first}) "
            "and are left out."
        ).format(
            dropped=self._dropped,
            rows=self._rows,
            columns=" / ".join(self._headers.header_of[name] for name in self._needed),
            first=self._first_dropped,
        )
        return [Note(self._file, text, lost=True)]

    def _unreadable_notes(self) -> list[Note]:
        text = _(
            "{count} cells of {column} hold no usable value (the first in data row {first}) and count as "
            "unknown."
        )
        return [
            Note(self._file, text.format(count=count, column=visible(header, 100), first=first), lost=True)
            for header, (count, first) in self._unreadable.items()
        ]

    def _count_unreadable(self, raw: pl.DataFrame, typed: pl.DataFrame) -> None:
        """Count cells that say something which is lost; those without which a row is dropped count there."""
        for name, header in self._headers.header_of.items():
            if self._columns[name].needed:
                continue
            nothing = _NOTHING.get(self._columns[name].kind, ())
            bad = cells.is_unreadable(raw[header], typed[name], nothing)
            if count := int(bad.sum()):
                known, first = self._unreadable.get(header, (0, 0))
                self._unreadable[header] = (known + count, first or int(typed["row"].filter(bad)[0]) + 1)

    def _typed(self, raw: pl.DataFrame, row_numbers: pl.Series | None = None) -> pl.DataFrame:
        typed = {name: self._convert(name, raw[header]) for name, header in self._headers.header_of.items()}
        for name, nothing in self._lacking.items():
            typed[name] = nothing.new_from_index(0, raw.height)
        if row_numbers is None:
            row_numbers = pl.int_range(self._rows, self._rows + raw.height, dtype=pl.Int64, eager=True)
        return pl.DataFrame(
            [
                *(column.alias(name) for name, column in typed.items()),
                row_numbers.cast(pl.Int64).alias("row"),
            ]
        )

    def _convert(self, name: str, column: pl.Series) -> pl.Series:
        kind = self._columns[name].kind
        if kind in TIMES:
            return cells.time(column, self._headers.clock.zone_us)
        converted = _CONVERT[kind](column)
        if kind in _DURATIONS and name in self._headers.header_of:
            factor = self._headers.milliseconds_per_unit(name)
            return converted if factor == 1 else converted * factor
        return converted
