"""Writers of the files that msServiceProfiler's parser writes, in its exact columns, units and quirks.

Each CSV has a row class and a `write_…_csv(path, rows)`; a caller gives times as whole nanoseconds since
1970 and the writer derives what the parser derives (durations, `forward_iter`, `bubble_time`, the usage rate
of the KV cache, the 5-second bins of the coordinator). Quirks are kept on purpose: `batch.csv` says `(ms)`
and holds microseconds, `coordinator.csv` says 0 running requests in bins without events, datetimes are in
Asia/Shanghai with a colon before the fraction.
"""

from __future__ import annotations

import csv
import json
import math
import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path

HEADERS: dict[str, str] = {
    "batch.csv": (
        "name,res_list,start_datetime,end_datetime,during_time(ms),batch_type,prof_id,batch_size,"
        "prefill_batch_size,decode_batch_size,prefill_scheduled_tokens,decode_scheduled_tokens,"
        "total_scheduled_tokens,dp_rank,start_time(ms),end_time(ms)"
    ),
    "forward.csv": (
        "name,relative_start_time(ms),start_datetime,end_datetime,during_time(ms),bubble_time(ms),batch_size,"
        "batch_type,forward_iter,dp_rank,prof_id,hostname,start_time(ms),end_time(ms)"
    ),
    "request.csv": (
        "http_rid,start_datetime,recv_token_size,reply_token_size,execution_time(ms),queue_wait_time(ms),"
        "first_token_latency(ms),cache_hit_rate,start_time(ms)"
    ),
    "request_status.csv": (
        "hostuid,pid,start_datetime,relative_timestamp(ms),waiting,running,swapped,timestamp(ms)"
    ),
    "kvcache.csv": "rid,name,start_time,device_kvcache_left,kvcache_usage_rate",
    "coordinator.csv": "time,address,node_type,add_count,end_count,running_count",
    "pd_split_communication.csv": (
        "rid,http_req_time(ms),send_request_time(ms),send_request_succ_time(ms),prefill_res_time(ms),"
        "request_end_time(ms)"
    ),
    "pd_split_kvcache.csv": (
        "domain,rank,rid,block_tables,batch_seq_len,during_time(ms),start_time,end_time"
    ),
    "moe_analysis.csv": "Dataset,Mean,CI_Lower,CI_Upper",
}

_SHANGHAI = timezone(timedelta(hours=8))
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
COORDINATOR_BIN_NS = 5_000_000_000


# ---- times --------------------------------------------------------------------------------------------


def microseconds(ns: int) -> float:
    """Return `ns` as the parser keeps times: float microseconds (0.25 us steps at today's epoch)."""
    return ns / 1000


def datetime_text(us: float) -> str:
    """Return `2026-01-01 08:00:00:000012`: Asia/Shanghai, a colon before the whole microseconds."""
    moment = _EPOCH + timedelta(microseconds=math.floor(us))
    return moment.astimezone(_SHANGHAI).strftime("%Y-%m-%d %H:%M:%S:%f")


def datetime_text_ms(us: float) -> str:
    """Return the text of the pd_split files: as `datetime_text`, cut to milliseconds."""
    return datetime_text(us)[:-3]


def prof_id(host: str, pid: int) -> str:
    """Return the name the parser gives a process: its raw file's, without `.db`."""
    return f"ms_service_{host}-{pid}"


# ---- rows ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Scheduled:
    """One request in one step: `iteration` 0 is the prefill."""

    rid: str
    iteration: int
    tokens: int


@dataclass(frozen=True)
class BatchRow:
    """One row of batch.csv. `batch_type` is None on `Execute` rows; the counts come from `requests`."""

    name: str
    requests: tuple[Scheduled, ...]
    start_ns: int
    end_ns: int
    batch_type: str | None
    prof_id: str
    dp_rank: int | None


@dataclass(frozen=True)
class ForwardRow:
    """One forward pass on one card."""

    start_ns: int
    end_ns: int
    batch_size: int
    batch_type: str
    dp_rank: int | None
    host: str
    pid: int


@dataclass(frozen=True)
class RequestRow:
    """One request as request.csv has it; `queue_wait_ns` sums the waits of both queues of a P/D request."""

    rid: str
    start_ns: int
    end_ns: int
    first_token_ns: int
    queue_wait_ns: int
    input_tokens: int
    output_tokens: int


@dataclass(frozen=True)
class QueueSample:
    """The queue lengths of one scheduler at one time; request_status.csv has three rows for it."""

    host: str
    pid: int
    time_ns: int
    waiting: int
    running: int
    swapped: int


@dataclass(frozen=True)
class KvEvent:
    """`Allocate`, `AppendSlot` or `Free`, and the blocks its domain has free afterwards."""

    rid: str
    name: str
    time_ns: int
    free_blocks: int
    dp_rank: int
    pid: int


@dataclass(frozen=True)
class NodeEvent:
    """The coordinator adds a request to a node, or the request ends there."""

    time_ns: int
    address: str
    node_type: str  # prefill, decode
    added: bool


@dataclass(frozen=True)
class Handoff:
    """The five moments of a request's way from P to D; None where the event is missing."""

    rid: str
    http_req_ns: int | None
    send_request_ns: int | None
    send_request_succ_ns: int | None
    prefill_res_ns: int | None
    request_end_ns: int | None


@dataclass(frozen=True)
class Pull:
    """One decode rank fetches the KV blocks of one request."""

    rid: str
    rank: int
    tokens: int
    source: int  # the P node's number in block_tables
    blocks: int
    start_ns: int
    end_ns: int


# ---- CSV files ----------------------------------------------------------------------------------------


def _write(path: Path, header: str, rows: Iterable[Sequence[object]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header.split(","))
        writer.writerows(rows)


def write_batch_csv(path: Path, rows: Iterable[BatchRow], null: str = "") -> None:
    """Write batch.csv in MindIE's 16 columns. `null` is `None` where the parser wrote a db as well."""
    lines = []
    for row in sorted(rows, key=lambda r: (r.start_ns, r.end_ns, r.prof_id)):
        start, end = microseconds(row.start_ns), microseconds(row.end_ns)
        prefill = [r for r in row.requests if r.iteration == 0]
        decode = [r for r in row.requests if r.iteration > 0]
        prefill_tokens, decode_tokens = sum(r.tokens for r in prefill), sum(r.tokens for r in decode)
        lines.append(
            (
                row.name,
                str(
                    [
                        {"rid": r.rid, "iter": r.iteration, "num_scheduled_tokens=": r.tokens}
                        for r in row.requests
                    ]
                ),
                datetime_text(start),
                datetime_text(end),
                (end - start) / 1000,
                null if row.batch_type is None else row.batch_type,
                row.prof_id,
                float(len(row.requests)),
                len(prefill),
                len(decode),
                prefill_tokens,
                decode_tokens,
                prefill_tokens + decode_tokens,
                null if row.dp_rank is None else row.dp_rank,
                start,
                end,
            )
        )
    _write(path, HEADERS["batch.csv"], lines)


def write_forward_csv(path: Path, rows: Iterable[ForwardRow], null: str = "") -> None:
    """Write forward.csv; forward_iter and bubble_time count per process, relative_start_time per host."""
    ordered = sorted(rows, key=lambda r: (r.start_ns, r.end_ns, r.pid))
    first: dict[str, float] = {}
    following: dict[int, float] = {}
    last_of: dict[str, int] = {}
    iteration: defaultdict[str, int] = defaultdict(int)
    for index, row in enumerate(ordered):
        key, start = prof_id(row.host, row.pid), microseconds(row.start_ns)
        first.setdefault(row.host, start / 1000)
        if key in last_of:
            following[last_of[key]] = start / 1000
        last_of[key] = index
    lines = []
    for index, row in enumerate(ordered):
        key, start, end = prof_id(row.host, row.pid), microseconds(row.start_ns), microseconds(row.end_ns)
        iteration[key] += 1
        lines.append(
            (
                "forward",
                round(start / 1000 - first[row.host], 2),
                datetime_text(start),
                datetime_text(end),
                (end - start) / 1000,
                round(following[index] - end / 1000, 2) if index in following else "",
                row.batch_size,
                row.batch_type,
                iteration[key],
                null if row.dp_rank is None else row.dp_rank,
                key,
                row.host,
                start / 1000,
                end / 1000,
            )
        )
    _write(path, HEADERS["forward.csv"], lines)


def write_request_csv(path: Path, rows: Iterable[RequestRow]) -> None:
    """Write request.csv as for MindIE, whose cache_hit_rate is N/A on every row."""
    lines = []
    for row in sorted(rows, key=lambda r: r.start_ns):
        start, end = microseconds(row.start_ns), microseconds(row.end_ns)
        lines.append(
            (
                row.rid,
                datetime_text(start),
                float(row.input_tokens),
                float(row.output_tokens),
                float(end // 1000 - start // 1000),
                round(row.queue_wait_ns / 250) / 4000,
                (microseconds(row.first_token_ns) - start) / 1000,
                "N/A",
                float(start // 1000),
            )
        )
    _write(path, HEADERS["request.csv"], lines)


def write_request_status_csv(path: Path, samples: Iterable[QueueSample]) -> None:
    """Write request_status.csv: three rows a sample, each with one of the three lengths."""
    first: dict[tuple[str, int], float] = {}
    lines: list[tuple[object, ...]] = []
    for row in sorted(samples, key=lambda r: (r.time_ns, r.pid)):
        us = microseconds(row.time_ns)
        relative = round(us / 1000 - first.setdefault((row.host, row.pid), us / 1000), 2)
        head, tail = (row.host, row.pid, datetime_text(us), relative), (round(us / 1000, 2),)
        lines.append((*head, float(row.waiting), "", "", *tail))
        lines.append((*head, "", float(row.running), "", *tail))
        lines.append((*head, "", "", float(row.swapped), *tail))
    _write(path, HEADERS["request_status.csv"], lines)


def write_kvcache_csv(path: Path, events: Iterable[KvEvent], whole_seconds: bool = False) -> None:
    """Write kvcache.csv as for MindIE: no domain, and a rate relative to the largest `Free` of all domains.

    `whole_seconds` cuts the times as the parser does when it writes a db in the same run.
    """
    ordered = sorted(events, key=lambda e: e.time_ns)
    most = max((e.free_blocks for e in ordered if e.name == "Free"), default=0)
    lines = []
    for event in ordered:
        text = datetime_text(microseconds(event.time_ns))
        lines.append(
            (
                event.rid,
                event.name,
                text[:19] if whole_seconds else text,
                float(event.free_blocks),
                (most - event.free_blocks) / most if most else 0.0,
            )
        )
    _write(path, HEADERS["kvcache.csv"], lines)


def coordinator_rows(events: Iterable[NodeEvent]) -> list[tuple[str, str, str, int, int, int]]:
    """Return coordinator.csv's rows: a full grid of 5 s bins by node, 0 running in bins without events."""
    counts: defaultdict[tuple[int, str], list[int]] = defaultdict(lambda: [0, 0])
    role: dict[str, str] = {}
    for event in events:
        role[event.address] = event.node_type
        counts[event.time_ns // COORDINATOR_BIN_NS, event.address][0 if event.added else 1] += 1
    if not counts:
        return []
    bins = [key[0] for key in counts]
    running = dict.fromkeys(sorted(role), 0)
    rows = []
    for number in range(min(bins), max(bins) + 1):
        text = datetime_text(microseconds(number * COORDINATOR_BIN_NS))[:19]
        for address in running:
            added, ended = counts.get((number, address), (0, 0))
            running[address] += added - ended
            written = running[address] if added or ended else 0
            rows.append((text, address, role[address], added, ended, written))
    return rows


def write_coordinator_csv(path: Path, events: Iterable[NodeEvent]) -> None:
    """Write coordinator.csv."""
    _write(path, HEADERS["coordinator.csv"], coordinator_rows(events))


def write_pd_split_communication_csv(path: Path, rows: Iterable[Handoff]) -> None:
    """Write pd_split_communication.csv: ordered by request id as text, 0 for a missing event."""
    lines = []
    for row in sorted(rows, key=lambda r: r.rid):
        times = (
            row.http_req_ns,
            row.send_request_ns,
            row.send_request_succ_ns,
            row.prefill_res_ns,
            row.request_end_ns,
        )
        lines.append((row.rid, *("0" if t is None else datetime_text_ms(microseconds(t)) for t in times)))
    _write(path, HEADERS["pd_split_communication.csv"], lines)


def write_pd_split_kvcache_csv(path: Path, rows: Iterable[Pull]) -> None:
    """Write pd_split_kvcache.csv."""
    lines = []
    for row in sorted(rows, key=lambda r: (r.start_ns, r.rid)):
        start, end = microseconds(row.start_ns), microseconds(row.end_ns)
        lines.append(
            (
                "PullKVCache",
                float(row.rank),
                row.rid,
                str([[2886795281 + row.source, [0], list(range(min(4, row.blocks)))]]),
                str([row.tokens]),
                (end - start) / 1000,
                datetime_text_ms(start),
                datetime_text_ms(end),
            )
        )
    _write(path, HEADERS["pd_split_kvcache.csv"], lines)


def write_ep_balance_csv(path: Path, columns: Mapping[int, Sequence[int]]) -> None:
    """Write ep_balance.csv: a column of ns per process, ordered by pid as text; a row is a layer."""
    names = sorted(map(str, columns))
    _write(path, ",".join(names), zip(*(columns[int(name)] for name in names), strict=True))


def moe_analysis_rows(calls: Mapping[int, Sequence[float]]) -> list[tuple[str, float, float, float]]:
    """Return (pid, mean, low, high) in ns of each process's calls, with the mean's 95 % t-interval."""
    rows = []
    for pid in sorted(calls, key=str):
        n = len(calls[pid])
        mean = math.fsum(calls[pid]) / n
        t = 1.959964 + 2.372 / (n - 1)  # the 97.5 % quantile of t, to 1e-4 above some 100 calls
        deviation = math.sqrt(math.fsum((x - mean) ** 2 for x in calls[pid]) / (n - 1))
        half = t * deviation / math.sqrt(n)
        rows.append((str(pid), mean, mean - half, mean + half))
    return rows


def write_moe_analysis_csv(path: Path, calls: Mapping[int, Sequence[float]]) -> None:
    """Write moe_analysis.csv."""
    _write(path, HEADERS["moe_analysis.csv"], moe_analysis_rows(calls))


# ---- profiler.db --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Process:
    """One row of `process`; `label` is `host` or `host,dp2`, None for processes of experts.

    Processes known from MSPTI alone are not `listed`: they have no place in the order.
    """

    pid: int
    name: str
    label: str | None
    listed: bool = True


@dataclass(frozen=True)
class Slice:
    """One event or span of the trace; `category` and pid make its thread, `Schedule(10041)`."""

    start_ns: int
    end_ns: int
    name: str
    category: str
    pid: int
    args: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class Table:
    """A further table: its column declarations, such as `"time" TIMESTAMP`, and rows."""

    name: str
    columns: tuple[str, ...]
    rows: Sequence[Sequence[object]]


COORDINATOR_COLUMNS = (
    '"time" TIMESTAMP',
    '"address" TEXT',
    '"node_type" TEXT',
    '"add_count" INTEGER',
    '"end_count" INTEGER',
    '"running_count" INTEGER',
)
MOE_COLUMNS = ('"Dataset" TEXT', '"Mean" REAL', '"CI_Lower" REAL', '"CI_Upper" REAL')

_SCHEMA = """
CREATE TABLE process (pid TEXT PRIMARY KEY, process_name TEXT, label TEXT, process_sort_index INTEGER);
CREATE TABLE thread
        (track_id INTEGER PRIMARY KEY, tid TEXT, pid TEXT, thread_name TEXT, thread_sort_index INTEGER);
CREATE TABLE slice
        (id INTEGER PRIMARY KEY AUTOINCREMENT, timestamp INTEGER, duration INTEGER, name TEXT, depth INTEGER,
        track_id INTEGER, cat TEXT, args TEXT, cname TEXT, end_time INTEGER, flag_id TEXT);
CREATE TABLE counter
        (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT, pid TEXT,timestamp INTEGER, cat TEXT, args TEXT);
"""
_EMPTY_THREADS = 8  # the parser's first eight rows of `thread` have neither tid nor pid


def write_profiler_db(
    path: Path,
    processes: Sequence[Process],
    slices: Iterable[Slice],
    kv_events: Iterable[KvEvent] = (),
    tables: Sequence[Table] = (),
) -> None:
    """Write profiler.db with its trace tables, KV counters and `tables`.

    The counters hold 0.0, as the parser writes them for MindIE: only owner and time are of use.
    JSON is written without blanks after `,` and `:` for size. The journal is not WAL, so that the file opens
    from a read-only folder.
    """
    path.unlink(missing_ok=True)
    connection = sqlite3.connect(path)
    try:
        connection.executescript(_SCHEMA)
        connection.executemany(
            "INSERT INTO process VALUES (?,?,?,?)",
            [(str(p.pid), p.name, p.label, i if p.listed else None) for i, p in enumerate(processes)],
        )
        connection.executemany(
            "INSERT INTO thread VALUES (?,NULL,NULL,NULL,?)", [(i + 1, i) for i in range(_EMPTY_THREADS)]
        )
        tracks: dict[tuple[str, int], int] = {}
        for item in sorted(slices, key=lambda s: s.start_ns):
            track = tracks.setdefault((item.category, item.pid), _EMPTY_THREADS + 1 + len(tracks))
            args = {
                **item.args,
                "start_datetime": datetime_text(microseconds(item.start_ns)),
                "end_datetime": datetime_text(microseconds(item.end_ns)),
                "tid": item.pid,
            }
            connection.execute(
                "INSERT INTO slice (timestamp,duration,name,track_id,args,end_time) VALUES (?,?,?,?,?,?)",
                (
                    item.start_ns,
                    item.end_ns - item.start_ns,
                    item.name,
                    track,
                    json.dumps(args, separators=(",", ":")),
                    item.end_ns,
                ),
            )
        connection.executemany(
            "INSERT INTO thread VALUES (?,?,?,?,0)",
            [(t, f"{cat}({pid})", str(pid), f"{cat}({pid})") for (cat, pid), t in tracks.items()],
        )
        connection.executemany(
            "INSERT INTO counter (name,pid,timestamp,args) VALUES (?,?,?,?)",
            [
                (f"KVCache-dp{e.dp_rank}", str(e.pid), e.time_ns, '{"Device Block": 0.0}')
                for e in sorted(kv_events, key=lambda e: e.time_ns)
            ],
        )
        for table in tables:
            connection.execute(f'CREATE TABLE "{table.name}" ({", ".join(table.columns)})')
            marks = ",".join("?" * len(table.columns))
            connection.executemany(f'INSERT INTO "{table.name}" VALUES ({marks})', table.rows)
        connection.commit()
        connection.execute("VACUUM")
    finally:
        connection.close()
