"""A profiler.db as large as you like, its slices as upstream's parser writes them; the Timeline on it.

    python -m tests.bench.timeline_large [--bytes 2e9] [--folder DIR] [--alone] [--size 200x50]

The file is made if it is not there, and stays. Printed: how long the first view takes once the pane is
opened, how long the index and how much memory; per key the time and the bytes, as `key_latency`
measures them. With `--alone` the tables forward and batch are left out, so that no other pane reads.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sqlite3
import statistics
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from tests.bench.key_latency import answer
from tests.tools.person import Person
from tests.tools.terminal import Terminal

_HOSTS, _RANKS = 8, 8  # of each host
_BATCH = 3  # requests a round, on average
_BEGIN = 1_767_225_600_000_000_000  # ns
_BYTES_OF_STEP = 6_300  # of one forward pass with all around it, measured
_ZONE = timezone(timedelta(hours=8))
_SCHEMA = """
CREATE TABLE process (pid TEXT PRIMARY KEY, process_name TEXT, label TEXT, process_sort_index INTEGER);
CREATE TABLE thread (track_id INTEGER PRIMARY KEY, tid TEXT, pid TEXT, thread_name TEXT,
    thread_sort_index INTEGER);
CREATE TABLE slice (id INTEGER PRIMARY KEY AUTOINCREMENT, timestamp INTEGER, duration INTEGER, name TEXT,
    depth INTEGER, track_id INTEGER, cat TEXT, args TEXT, cname TEXT, end_time INTEGER, flag_id TEXT);
CREATE TABLE flow (id INTEGER PRIMARY KEY AUTOINCREMENT, flow_id TEXT, name TEXT, cat TEXT, track_id INTEGER,
    timestamp INTEGER, type TEXT);
CREATE TABLE forward (name TEXT, relative_start_time REAL, start_datetime TEXT, end_datetime TEXT,
    during_time REAL, bubble_time REAL, batch_size TEXT, batch_type TEXT, forward_iter INTEGER, dp_rank TEXT,
    prof_id TEXT,    hostname TEXT, start_time REAL, end_time REAL);
CREATE TABLE batch (name TEXT, res_list TEXT, start_datetime TEXT, end_datetime TEXT, during_time REAL,
    batch_type TEXT, prof_id TEXT, batch_size REAL, prefill_batch_size INTEGER, decode_batch_size INTEGER,
    prefill_scheduled_tokens INTEGER, decode_scheduled_tokens INTEGER, total_scheduled_tokens INTEGER,
    dp_rank TEXT, "start_time(ms)" REAL, "end_time(ms)" REAL);
"""


def _text(ns: int) -> str:
    return f"{datetime.fromtimestamp(ns / 1e9, _ZONE):%Y-%m-%d %H:%M:%S}:{ns // 1000 % 1_000_000:06d}"


class _Domain:
    """One DP domain: its scheduler, its card, and the requests that it runs."""

    def __init__(self, rank: int, random_: random.Random) -> None:
        self.rank, self.random = rank, random_
        self.host = f"mindie-server-d0-worker-{rank // _RANKS}"
        self.scheduler, self.card = 10_000 + rank, 20_000 + rank
        self.tracks = [1 + 4 * rank + k for k in range(4)]
        self.time = _BEGIN + random_.randrange(1_000_000)
        self.running: list[list[Any]] = []
        self.next = 0
        self.iteration = 0

    def step(self) -> Iterator[tuple[str, tuple[Any, ...]]]:
        """Yield the rows of one round, each with its table."""
        schedule, execute, card, front = self.tracks
        begin = self.time
        new = len(self.running) < _BATCH + self.random.randrange(3)
        if new:
            rid = f"endpoint_common_{self.rank * 1_000_000 + self.next}"
            self.next += 1
            self.running.append([rid, 0, self.random.randrange(20, 200)])
            yield from self._slice("httpReq", begin - 900_000, 0, front, [rid], {"recvTokenSize=": 421})
            for name in ("Enqueue", "Dequeue"):
                yield from self._slice(
                    name, begin - 500_000, 0, schedule, [rid], {"status": "waiting", "QueueSize=": 0}
                )
        rids = [each[0] for each in self.running]
        for status in ("waiting", "running", "swapped"):
            yield from self._slice(
                "Queue", begin, 0, schedule, [], {"status": status, "QueueSize=": len(rids)}
            )
        scheduled = [
            {"rid": rid, "iter": at, "num_scheduled_tokens=": 1 if at else 421}
            for rid, at, _last in self.running
        ]
        kind = {"batchType": 0 if new else 1, "batch_type": "Prefill" if new else "Decode"}
        length = 20_000_000 + self.random.randrange(4_000_000)
        yield from self._slice("BatchSchedule", begin, 300_000, schedule, rids, kind, scheduled)
        yield from self._slice("Execute", begin + 310_000, length + 900_000, execute, rids, {}, scheduled)
        yield from self._slice("preprocess", begin + 350_000, 400_000, card, rids, {})
        forward = begin + 760_000
        blocks = {"blocks": [4] * len(rids), "dp_rank": str(self.rank)}
        yield from self._slice("forward", forward, length, card, rids, blocks)
        yield from self._slice("sample", forward + length + 10_000, 300_000, card, rids, {})
        self.iteration += 1
        yield "forward", (
            "forward", (forward - _BEGIN) / 1e6, _text(forward), _text(forward + length), length / 1e6, 1.5,
            str(len(rids)), kind["batch_type"], self.iteration, str(self.rank),
            f"ms_service_{self.host}-{self.card}", self.host, forward / 1e6, (forward + length) / 1e6,
        )  # fmt: skip
        tokens = sum(each["num_scheduled_tokens="] for each in scheduled)
        for name, start, lasts in (
            ("BatchSchedule", begin, 300_000), ("Execute", begin + 310_000, length + 900_000)
        ):  # fmt: skip
            yield "batch", (
                name, str(scheduled), _text(start), _text(start + lasts), lasts / 1e6, kind["batch_type"],
                f"ms_service_{self.host}-{self.scheduler}", float(len(rids)), int(new), len(rids) - new,
                421 * new, len(rids) - new, tokens, str(self.rank), start / 1e3, (start + lasts) / 1e3,
            )  # fmt: skip
        self.time = begin + 310_000 + length + 900_000 + 200_000 + self.random.randrange(2_000_000)
        for each in self.running:
            each[1] += 1
        for each in [each for each in self.running if each[1] >= each[2]]:
            yield from self._slice("httpRes", self.time, 0, front, [each[0]], {"replyTokenSize=": each[2]})
            self.running.remove(each)

    def _slice(
        self,
        name: str,
        start: int,
        length: int,
        track: int,
        rids: list[str],
        args: dict[str, Any],
        listed: Any = None,
    ) -> Iterator[tuple[str, tuple[Any, ...]]]:
        told = {
            **args,
            "start_datetime": _text(start),
            "end_datetime": _text(start + length),
            "tid": 10_000 + self.rank,
            "batch_size": str(len(rids)),
            "res_list": rids if listed is None else listed,
        }
        yield "slice", (start, length, name, track, json.dumps(told), start + length)
        for rid in rids:
            yield "flow", (rid, f"flow_{rid}", rid, track, start, "t")


_INSERT = {
    "slice": "INSERT INTO slice (timestamp, duration, name, track_id, args, end_time) "
    "VALUES (?, ?, ?, ?, ?, ?)",
    "flow": "INSERT INTO flow (flow_id, name, cat, track_id, timestamp, type) VALUES (?, ?, ?, ?, ?, ?)",
    "forward": f"INSERT INTO forward VALUES ({', '.join('?' * 14)})",
    "batch": f"INSERT INTO batch VALUES ({', '.join('?' * 16)})",
}


def make(path: Path, size: int, *, alone: bool) -> None:
    """Write a profiler.db of about so many bytes."""
    chance = random.Random(7)
    domains = [_Domain(rank, chance) for rank in range(_HOSTS * _RANKS)]
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = OFF")
        connection.execute("PRAGMA synchronous = OFF")
        connection.executescript(_SCHEMA)
        for one in domains:
            names = (
                f"Schedule({one.scheduler})",
                f"ModelExecute({one.scheduler})",
                f"ModelExecute({one.card})",
                "Request",
            )
            for track, name in zip(one.tracks, names, strict=True):
                pid = one.card if track == one.tracks[2] else one.scheduler
                connection.execute("INSERT INTO thread VALUES (?, ?, ?, ?, 0)", (track, name, str(pid), name))
            for pid, label in ((one.scheduler, f"{one.host},dp{one.rank}"), (one.card, one.host)):
                connection.execute("INSERT INTO process VALUES (?, 'forward', ?, 0)", (str(pid), label))
        steps = max(1, size // (_BYTES_OF_STEP * len(domains)))
        for at in range(steps):
            rows: dict[str, list[tuple[Any, ...]]] = {table: [] for table in _INSERT}
            for one in domains:
                for table, row in one.step():
                    rows[table].append(row)
            rows["slice"].sort(key=lambda row: row[0])
            for table, found in rows.items():
                if not (alone and table in ("forward", "batch")):
                    connection.executemany(_INSERT[table], found)
            if at % 200 == 0:
                connection.commit()
        connection.commit()


def _memory(pid: int) -> float:
    """Return the memory of a process in MB."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1000
    return 0.0


KEYS = (
    ("right", "\x1b[C"), ("left", "\x1b[D"), ("down", "\x1b[B"), ("up", "\x1b[A"), ("page down", "\x1b[6~"),
    ("n", "n"), ("0", "0"), ("+", "+"), ("-", "-"),
)  # fmt: skip


def main() -> None:
    """Make the file, if need be, and measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bytes", type=float, default=2e9)
    parser.add_argument("--folder", type=Path, default=Path("/tmp/lbtui-timeline"))
    parser.add_argument("--alone", action="store_true")
    parser.add_argument("--size", default="200x50")
    parser.add_argument("--repeat", type=int, default=10)
    options = parser.parse_args()
    path = options.folder / f"{options.bytes:.0e}{'-alone' if options.alone else ''}" / "profiler.db"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        begun = time.monotonic()
        make(path, int(options.bytes), alone=options.alone)
        print(f"made {path} in {time.monotonic() - begun:.0f} s")
    with closing(sqlite3.connect(f"file:{path}?mode=ro&immutable=1", uri=True)) as connection:
        counts = {
            t: connection.execute(f"SELECT max(rowid) FROM {t}").fetchone()[0] for t in ("slice", "flow")
        }
    print(f"{path.stat().st_size / 1e9:.2f} GB, {counts['slice']:,} slices, {counts['flow']:,} flow events")
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    columns, rows = (int(n) for n in options.size.split("x"))
    with Terminal([sys.executable, "-m", "lbtui", str(path.parent)], columns, rows) as terminal:
        person = Person(terminal, columns, rows)
        person.sees("7 Timeline")
        person.sees("2 DP")
        person.awaits(lambda text: "Opening" not in text, "opened")
        begun = time.monotonic()
        person.press("7")
        person.sees("a sample")
        print(f"first view (a marked sample): {time.monotonic() - begun:.2f} s after the key")
        person.awaits(lambda text: "a sample" not in text and " slices" in text, "indexed", 600)
        print(
            f"all slices: {time.monotonic() - begun:.1f} s after the key, {_memory(terminal.pid):.0f} MB then"
        )
        terminal.rest(600)
        print(f"at rest {time.monotonic() - begun:.1f} s after the key, {_memory(terminal.pid):.0f} MB")
        print(f"{'key':<12} {'median ms':>10} {'p95 ms':>8} {'bytes':>8}")
        for name, key in KEYS:
            measured = [answer(terminal, key) for _turn in range(options.repeat)]
            times = sorted(1000 * each.seconds for each in measured)
            p95 = times[min(len(times) - 1, int(0.95 * len(times)))]
            sent = int(statistics.median(each.size for each in measured))
            print(f"{name:<12} {statistics.median(times):>10.1f} {p95:>8.1f} {sent:>8}")
        for _turn in range(3):
            os.write(terminal.fd, b"0")
            terminal.settle(0.3)
            taken, sent, _processor = answer(terminal, "z")
            print(f"{'z from all':<12} {1000 * taken:>10.1f} {'':>8} {sent:>8}")
        print(f"load {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
