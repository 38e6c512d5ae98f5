"""A large chrome_tracing.json and profiler.db as the parser writes them: spans, counters, flows; seeded.

The rounds are those of `inputs`, with the same domain whose batch doubles; every round of a domain is
BatchSchedule, Execute and its cards' preprocess, forward and sample, a KV counter, queue lengths, and a flow
from each span for each of its requests.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tests.bench.inputs import CARDS, DOMAINS, HOST, rounds
from tests.tools.parser_format import HEADERS

_BEGIN_US = 1_767_225_600_000_000
_ROUND_US = 30_000
_MINUTE_US = 60_000_000
_PER_ROUND = 146_000  # bytes of JSON, some
_PER_ROUND_OF_DATABASE = 137_000


@dataclass(frozen=True)
class Event:
    """One element of the trace; `name` is the request where it is a flow."""

    kind: str  # X, I, C, t
    name: str
    start: float  # µs
    length: float  # µs
    pid: int
    thread: str
    args: str = ""


def _scheduler(domain: int) -> int:
    return 9_000 + domain


def _card(domain: int, card: int) -> int:
    return 10_000 + domain * CARDS + card


def _wall(time: float) -> str:
    minute, rest = divmod(int(time) - _BEGIN_US, _MINUTE_US)
    return f"2026-01-{1 + (8 * 60 + minute) // 1440:02} {(8 + minute // 60) % 24:02}:{minute % 60:02}:" + (
        f"{rest // 1_000_000:02}:{rest % 1_000_000:06}"
    )


def _events(total: int, seed: int) -> Iterator[list[Event]]:
    """Yield the events of one round of all domains after another."""
    random = np.random.default_rng(seed + 2)
    for first, sizes in rounds(total, seed):
        jitter = random.integers(0, 1_200, (len(sizes), DOMAINS, CARDS)) / 4
        for number, (of_round, late) in enumerate(zip(sizes.tolist(), jitter.tolist(), strict=True), first):
            yield [
                event
                for domain, size in enumerate(of_round)
                for event in _round(number, domain, size, late[domain])
            ]


def _round(number: int, domain: int, size: int, late: list[float]) -> Iterator[Event]:
    begin = _BEGIN_US + _ROUND_US * number + 900.0 * domain
    length = 20_000.0 + 250 * size
    pid = _scheduler(domain)
    # Requests stay for some twenty rounds.
    ids = [f"endpoint_common_{domain}_{(number + 20 * i // size) // 20}_{i}" for i in range(size)]
    lists = ", ".join(f'{{"rid": "{r}", "iter": {number % 97}, "num_scheduled_tokens=": 1}}' for r in ids)
    names = ", ".join(f'"{r}"' for r in ids)

    def args(at: float, end: float, pid: int, head: str, rest: str) -> str:
        return (
            f'{{{head}"start_datetime": "{_wall(at)}", "end_datetime": "{_wall(end)}", "tid": {pid}, '
            f'"batch_size": "{size}"{rest}}}'
        )

    def spans() -> Iterator[Event]:
        schedule = begin - 400
        rest = f', "batch_type": "Decode", "res_list": [{lists}]'
        yield Event(
            "X", "BatchSchedule", schedule, 330.0, pid, f"Schedule({pid})",
            args(schedule, schedule + 330, pid, '"batchType": 1, ', rest),
        )  # fmt: skip
        end = begin + length + 800
        yield Event(
            "X", "Execute", begin - 60, end - begin + 60, pid, f"ModelExecute({pid})",
            args(begin - 60, end, pid, "", f', "res_list": [{lists}]'),
        )  # fmt: skip
        for card, behind in enumerate(late):
            own = _card(domain, card)
            thread = f"ModelExecute({own})"
            for name, at, lasts, head in (
                ("preprocess", begin - 50, 40.0, ""),
                ("forward", begin + behind / 16, length + behind, f'"blocks": [4], "dp_rank": "{domain}", '),
                ("sample", begin + length + 310, 390.5, ""),
            ):
                text = args(at, at + lasts, own, head, f', "res_list": [{names}]')
                yield Event("X", name, at, lasts, own, thread, text)

    yield Event("C", f"KVCache-dp{domain}", begin - 30, 0.0, pid, "KVCache", '{"Device Block": 0.0}')
    for status, count in (("waiting", number % 5), ("swapped", 0), ("running", size)):
        text = args(begin - 20, begin - 20, pid, f'"status": "{status}", "QueueSize=": {count}, ', "")
        yield Event("I", "Queue", begin - 20, 0.0, pid, f"Schedule({pid})", text)
    for span in spans():
        yield span
        for request in ids[:3]:  # as many as the recorded profiles have for each span
            yield Event("t", request, span.start, 0.0, span.pid, span.thread)


def _labels() -> list[tuple[int, str, str]]:
    """Return pid, name and label of each process."""
    schedulers = [(_scheduler(d), "forward", f"{HOST},dp{d}") for d in range(DOMAINS)]
    return [*schedulers, *((_card(d, c), "forward", HOST) for d in range(DOMAINS) for c in range(CARDS))]


def write_trace(path: Path, size: int, seed: int = 1) -> Path:
    """Write chrome_tracing.json of some `size` bytes: counters, then spans, flows, and who is who last."""
    target = path / "chrome_tracing.json"
    with ExitStack() as files:
        parts = {kind: files.enter_context((path / f"part-{kind}").open("w+b")) for kind in ("C", "XI", "t")}
        for events in _events(max(size // _PER_ROUND, 1), seed):
            for kinds, part in parts.items():
                part.write("".join(_json(e) + ", " for e in events if e.kind in kinds).encode())
        with target.open("wb") as out:
            out.write(b"[")
            for kinds, part in parts.items():
                part.seek(0)
                shutil.copyfileobj(part, out)
                (path / f"part-{kinds}").unlink()
            labels = [
                json.dumps({"name": what, "ph": "M", "pid": pid, "args": value})
                for pid, name, label in _labels()
                for what, value in (("process_name", {"name": name}), ("process_labels", {"labels": label}))
            ]
            out.write(f"{', '.join(labels)}]".encode())
    return target


def _json(event: Event) -> str:
    at = f'"ph": "{event.kind}", "ts": {event.start}, '
    if event.kind == "t":
        return (
            f'{{"name": "flow_{event.name}", {at}"id": "{event.name}", "cat": "{event.name}", '
            f'"pid": {event.pid}, "tid": "{event.thread}"}}'
        )
    length = f'"dur": {event.length}, ' if event.kind != "C" else ""
    return (
        f'{{"name": "{event.name}", {at}{length}"pid": {event.pid}, "tid": "{event.thread}", '
        f'"args": {event.args}}}'
    )


_SCHEMA = """
CREATE TABLE process (pid TEXT PRIMARY KEY, process_name TEXT, label TEXT, process_sort_index INTEGER);
CREATE TABLE thread (track_id INTEGER PRIMARY KEY, tid TEXT, pid TEXT, thread_name TEXT,
    thread_sort_index INTEGER);
CREATE TABLE slice (id INTEGER PRIMARY KEY AUTOINCREMENT, timestamp INTEGER, duration INTEGER, name TEXT,
    depth INTEGER, track_id INTEGER, cat TEXT, args TEXT, cname TEXT, end_time INTEGER, flag_id TEXT);
CREATE TABLE counter (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT, pid TEXT, timestamp INTEGER, cat TEXT,
    args TEXT);
CREATE TABLE flow (id INTEGER PRIMARY KEY AUTOINCREMENT, flow_id TEXT, name TEXT, cat TEXT, track_id INTEGER,
    timestamp INTEGER, type TEXT);
CREATE TABLE forward (name TEXT, relative_start_time REAL, start_datetime TEXT, end_datetime TEXT,
    during_time REAL, bubble_time REAL, batch_size TEXT, batch_type TEXT, forward_iter INTEGER, dp_rank TEXT,
    prof_id TEXT, hostname TEXT, start_time REAL, end_time REAL);
CREATE TABLE batch (name TEXT, res_list TEXT, start_datetime TEXT, end_datetime TEXT, during_time REAL,
    batch_type TEXT, prof_id TEXT, batch_size REAL, prefill_batch_size INTEGER, decode_batch_size INTEGER,
    prefill_scheduled_tokens INTEGER, decode_scheduled_tokens INTEGER, total_scheduled_tokens INTEGER,
    dp_rank TEXT, "start_time(ms)" REAL, "end_time(ms)" REAL);
"""


def write_database(path: Path, size: int, seed: int = 1) -> Path:
    """Write profiler.db of some `size` bytes: the same events, and the tables `forward` and `batch`."""
    target = path / "profiler.db"
    connection = sqlite3.connect(target)
    connection.executescript("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;" + _SCHEMA)
    tracks: dict[tuple[int, str], int] = {}
    connection.executemany(
        "INSERT INTO process VALUES (?, ?, ?, ?)",
        [(str(pid), name, label, place) for place, (pid, name, label) in enumerate(_labels())],
    )
    for number, events in enumerate(_events(max(size // _PER_ROUND_OF_DATABASE, 1), seed)):
        _insert(connection, events, tracks, number)
    connection.executemany(
        "INSERT INTO thread VALUES (?, ?, ?, ?, 0)",
        [(track, thread, str(pid), thread) for (pid, thread), track in tracks.items()],
    )
    connection.commit()
    connection.close()
    return target


def _insert(
    connection: sqlite3.Connection, events: list[Event], tracks: dict[tuple[int, str], int], number: int
) -> None:
    def track(event: Event) -> int:
        return tracks.setdefault((event.pid, event.thread), len(tracks) + 1)

    def insert(table: str, rows: list[tuple[object, ...]]) -> None:
        connection.executemany(f"INSERT INTO {table} VALUES ({', '.join('?' * len(rows[0]))})", rows)

    spans = [e for e in events if e.kind in "XI"]
    nano = 1000
    insert(
        "slice",
        [
            (
                None, int(e.start * nano), int(e.length * nano), e.name, None, track(e), None, e.args, None,
                int((e.start + e.length) * nano), None,
            )
            for e in spans
        ],
    )  # fmt: skip
    insert(
        "counter",
        [(None, e.name, str(e.pid), int(e.start * nano), None, e.args) for e in events if e.kind == "C"],
    )
    insert(
        "flow",
        [
            (None, e.name, f"flow_{e.name}", e.name, track(e), int(e.start * nano), "t")
            for e in events
            if e.kind == "t"
        ],
    )
    # The parser writes these by start.
    spans.sort(key=lambda e: e.start)
    insert("forward", [_forward_row(e, number) for e in spans if e.name == "forward"])
    insert("batch", [_batch_row(e) for e in spans if e.name in ("BatchSchedule", "Execute")])


def _forward_row(event: Event, number: int) -> tuple[object, ...]:
    args = json.loads(event.args)
    end = event.start + event.length
    row = {
        "name": "forward",
        "relative_start_time(ms)": round((event.start - _BEGIN_US) / 1000, 2),
        "start_datetime": args["start_datetime"],
        "end_datetime": args["end_datetime"],
        "during_time(ms)": event.length / 1000,
        "bubble_time(ms)": round((_ROUND_US - event.length) / 1000, 2),
        "batch_size": args["batch_size"],
        "batch_type": "Decode",
        "forward_iter": number + 1,
        "dp_rank": args["dp_rank"],
        "prof_id": f"ms_service_{HOST}-{event.pid}",
        "hostname": HOST,
        "start_time(ms)": event.start / 1000,
        "end_time(ms)": end / 1000,
    }
    return tuple(row[name] for name in HEADERS["forward.csv"].split(","))


def _batch_row(event: Event) -> tuple[object, ...]:
    args = json.loads(event.args)
    size = int(args["batch_size"])
    row = {
        "name": event.name,
        "res_list": str(args["res_list"]),
        "start_datetime": args["start_datetime"],
        "end_datetime": args["end_datetime"],
        "during_time(ms)": event.length / 1000,
        "batch_type": args.get("batch_type", "None"),
        "prof_id": f"ms_service_{HOST}-{event.pid}",
        "batch_size": float(size),
        "prefill_batch_size": 0,
        "decode_batch_size": size,
        "prefill_scheduled_tokens": 0,
        "decode_scheduled_tokens": size,
        "total_scheduled_tokens": size,
        "dp_rank": str(event.pid - _scheduler(0)),
        # Named ms, they are µs.
        "start_time(ms)": event.start,
        "end_time(ms)": event.start + event.length,
    }
    return tuple(row[name] for name in HEADERS["batch.csv"].split(","))
