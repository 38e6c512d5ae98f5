"""Upstream's tables, the same from CSV or from profiler.db: which columns they have and what those mean."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Literal, TypeAlias

import polars as pl

from lbtui.profile import Note, Unreadable
from lbtui.sources import cells
from lbtui.sources.pieces import Pieces
from lbtui.text import _, visible

Kind: TypeAlias = Literal["text", "number", "milliseconds", "integer", "count", "epoch", "datetime"]

_CONVERT: dict[Kind, Callable[[pl.Series], pl.Series]] = {
    "text": cells.text,
    "number": cells.number,
    "milliseconds": cells.milliseconds,
    "integer": cells.integer,
    "count": cells.count,
    "epoch": cells.epoch,
    "datetime": cells.local_datetime,
}


@dataclass(frozen=True)
class Column:
    """One column: the headers it is known by (CSV, profiler.db, documentation) and the kind of its cells.

    A row whose `needed` column is null cannot be placed and is dropped, and counted.
    """

    headers: tuple[str, ...]
    kind: Kind
    needed: bool = False


def _named(*headers: str, kind: Kind = "text", needed: bool = False) -> Column:
    return Column(headers, kind, needed)


TABLES: dict[str, dict[str, Column]] = {
    "forward": {
        "prof_id": _named("prof_id", needed=True),
        "host": _named("hostname"),
        "dp_rank": _named("dp_rank", kind="count"),
        "forward_iter": _named("forward_iter", kind="count"),
        "batch_type": _named("batch_type"),
        "batch_size": _named("batch_size", kind="count"),
        "start": _named("start_time(ms)", "start_time", kind="epoch", needed=True),
        "end": _named("end_time(ms)", "end_time", kind="epoch", needed=True),
        "duration": _named("during_time(ms)", "during_time", kind="milliseconds"),
        "bubble": _named("bubble_time(ms)", "bubble_time", kind="number"),
    },
    "batch": {
        "name": _named("name", needed=True),
        "prof_id": _named("prof_id", needed=True),
        "dp_rank": _named("dp_rank", kind="count"),
        "batch_type": _named("batch_type"),
        "batch_size": _named("batch_size", kind="count"),
        "prefill_batch_size": _named("prefill_batch_size", kind="count"),
        "decode_batch_size": _named("decode_batch_size", kind="count"),
        "tokens": _named("total_scheduled_tokens", kind="count"),
        "start": _named("start_time(ms)", kind="epoch", needed=True),
        "end": _named("end_time(ms)", kind="epoch", needed=True),
        "total_blocks": _named("total_blocks", kind="count"),
        "used_blocks": _named("used_blocks", kind="count"),
        "free_blocks": _named("free_blocks", kind="count"),
        "usage": _named("kvcache_usage_rate", kind="number"),
        "res_list": _named("res_list"),
    },
    "kvcache": {
        "request_id": _named("rid"),
        "name": _named("name"),
        "time": _named("start_time", "start_datetime", kind="datetime", needed=True),
        "free_blocks": _named("device_kvcache_left", "free_blocks", kind="count"),
        "total_blocks": _named("total_blocks", kind="count"),
    },
    "request_status": {
        "host": _named("hostuid"),
        "pid": _named("pid", kind="integer", needed=True),
        "time": _named("start_datetime", kind="datetime", needed=True),
        "waiting": _named("waiting", kind="count"),
        "running": _named("running", kind="count"),
        "swapped": _named("swapped", kind="count"),
    },
    "request": {
        "request_id": _named("http_rid"),
        "arrival": _named("start_datetime", kind="datetime"),
        "input_tokens": _named("recv_token_size", kind="count"),
        "output_tokens": _named("reply_token_size", kind="count"),
        "ttft": _named("first_token_latency(ms)", "first_token_latency", kind="milliseconds"),
        "queue_wait": _named("queue_wait_time(ms)", "queue_wait_time", kind="milliseconds"),
        "duration": _named("execution_time(ms)", "execution_time", kind="milliseconds"),
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
        "request_id": _named("rid"),
        "rank": _named("rank", kind="count"),
        "sequence_lengths": _named("batch_seq_len", "seq_len"),
        "duration": _named("during_time(ms)", "during_time", kind="milliseconds"),
        "start": _named("start_time", "start_datetime", "start_datetime(ms)", kind="datetime", needed=True),
        "end": _named("end_time", "end_datetime", "end_datetime(ms)", kind="datetime"),
    },
    "pd_split_communication": {
        "request_id": _named("rid", needed=True),
        "arrival": _named("http_req_time(ms)", "http_req_time", kind="datetime"),
        "sent": _named("send_request_time(ms)", "send_request_time", kind="datetime"),
        "received": _named("send_request_succ_time(ms)", "send_request_succ_time", kind="datetime"),
        "prefill_done": _named("prefill_res_time(ms)", "prefill_res_time", kind="datetime"),
        "end": _named("request_end_time(ms)", "request_end_time", kind="datetime"),
    },
    "moe_analysis": {
        "process": _named("Dataset", kind="integer", needed=True),
        "mean": _named("Mean", kind="number"),
        "low": _named("CI_Lower", "CI Lower", kind="number"),
        "high": _named("CI_Upper", "CI Upper", kind="number"),
    },
    "spec_decode": {
        "request_id": _named("rid"),
        "iteration": _named("iter", kind="count"),
        "prof_id": _named("prof_id"),
        "start": _named("start_datetime", kind="datetime"),
        "end": _named("end_datetime", kind="datetime"),
        "proposed": _named("spec_tokens", kind="count"),
        "accepted": _named("accepted_tokens", kind="count"),
    },
}


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
class Headers:
    """Which header of a file holds each wanted column, and which columns it lacks."""

    header_of: dict[str, str]
    lacking: tuple[str, ...]


def match_headers(table: str, present: Collection[str], wanted: Collection[str], file: str) -> Headers:
    """Return where the `wanted` columns of `table` are among the headers `present`.

    Raises `Unreadable` when none is there, or not one without which no row can be placed.
    """
    header_of: dict[str, str] = {}
    lacking: list[str] = []
    for name in wanted:
        header = next((h for h in TABLES[table][name].headers if h in present), None)
        if header is None:
            lacking.append(name)
        else:
            header_of[name] = header
    needed = [name for name in lacking if TABLES[table][name].needed]
    if needed or not header_of:
        raise Unreadable(
            _("{file} has no column {column}; was it written by msServiceProfiler's parser?").format(
                file=file, column=TABLES[table][(needed or lacking)[0]].headers[0]
            )
        )
    return Headers(header_of, tuple(lacking))


def numeric_headers(table: str, headers: Headers) -> frozenset[str]:
    """Return the headers whose cells are nothing but numbers, where they say anything."""
    return frozenset(
        header
        for name, header in headers.header_of.items()
        if TABLES[table][name].kind not in ("text", "datetime")
    )


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
        nothing = pl.DataFrame(schema=dict.fromkeys(headers.header_of.values(), pl.String))
        self._taken = Pieces(self._typed(nothing))
        self._dropped = 0
        self._first_dropped = 0
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
        self._count_unreadable(raw, frame)
        kept = frame.drop_nulls(self._needed) if self._needed else frame
        if kept.height < frame.height:
            if not self._dropped:
                gaps = pl.any_horizontal(pl.col(self._needed).is_null())
                self._first_dropped = int(frame.filter(gaps)["row"][0]) + 1
            self._dropped += frame.height - kept.height
        self._rows += frame.height
        return kept

    def frame(self) -> pl.DataFrame:
        """Return all rows taken, in order."""
        return self._taken.frame()

    def notes(self) -> list[Note]:
        """Return what was left out, if anything."""
        return [*self._dropped_note(), *self._unreadable_notes()]

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
            bad = cells.is_unreadable(raw[header], typed[name])
            if count := int(bad.sum()):
                known, first = self._unreadable.get(header, (0, 0))
                self._unreadable[header] = (known + count, first or int(typed["row"].filter(bad)[0]) + 1)

    def _typed(self, raw: pl.DataFrame, row_numbers: pl.Series | None = None) -> pl.DataFrame:
        typed = {name: self._convert(name, raw[header]) for name, header in self._headers.header_of.items()}
        nothing = pl.Series([None], dtype=pl.String)
        for name in self._headers.lacking:
            typed[name] = self._convert(name, nothing).new_from_index(0, raw.height)
        if row_numbers is None:
            row_numbers = pl.int_range(self._rows, self._rows + raw.height, dtype=pl.Int64, eager=True)
        return pl.DataFrame(
            [
                *(column.alias(name) for name, column in typed.items()),
                row_numbers.cast(pl.Int64).alias("row"),
            ]
        )

    def _convert(self, name: str, column: pl.Series) -> pl.Series:
        return _CONVERT[self._columns[name].kind](column)
