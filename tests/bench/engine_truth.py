"""What a raw profile records, counted from its databases alone: nothing of lbtui and no parser is used.

A *scheduler* is a process that forms batches (`BatchSchedule`, `batchFrameworkProcessing`); its *rounds*
are its executions (`Execute`, `modelExec`), or its groupings where it executes nothing itself. Schedulers
of one host whose rounds hold the same requests, one after the other, are the ranks of one tensor parallel
group: one *domain*. TTFT is from a request's first `httpReq` to its first `detokenize` (to its beginning,
where it is a span) or `sendResponse`; where it goes to two engines (vLLM's prefill, then decode), to the
first after the second `httpReq`: the client gets none of the prefill engine's tokens. A request of a round
is prefilled if its `type` is 0; without a type if its `iter` is 0; without either if the round's
`batch_type` is prefill. The usage of a KV pool is used / total blocks; of which vLLM's own `UsagePercent`
leaves the null block out; where no total is recorded, 1 − free / the most ever free, a lower bound.
"""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal, NamedTuple

_GROUPING = {"BatchSchedule", "batchFrameworkProcessing"}
_EXECUTION = {"Execute", "modelExec"}
_SUFFIX = re.compile(r"-[0-9a-f]{8}$")  # of vLLM from 0.14 on, behind the id that httpReq has
_FIRST_TOKEN = {"detokenize", "sendResponse"}
_TOKENS = ("num_scheduled_tokens", "num_scheduled_tokens=")


class Event(NamedTuple):
    """One row of a raw database; times in ns."""

    start: int
    end: int
    name: str
    domain: str
    args: dict[str, Any]


class Pool(NamedTuple):
    """One reading of a KV pool, in blocks; the total is None where none is recorded."""

    free: int
    total: int | None


@dataclass(frozen=True)
class Process:
    """One `ms_service_*.db`."""

    prof_id: str
    host: str
    parent: str  # its pid
    dp_rank: int | None
    events: tuple[Event, ...]
    layout: Literal["Mstx", "slice"]

    @property
    def pid(self) -> str:
        return self.prof_id.rpartition("-")[2]


@dataclass(frozen=True)
class Domain:
    """One DP domain: what its schedulers did."""

    prof_ids: tuple[str, ...]
    host: str
    dp_rank: int | None
    batch_sizes: tuple[int, ...]
    prefills: int  # requests being prefilled, summed over the rounds
    tokens: int | None  # scheduled in all rounds
    kv_peak: float | None  # 0..1
    least_free: int | None  # blocks

    @property
    def mean(self) -> float:
        """Requests a round."""
        return sum(self.batch_sizes) / len(self.batch_sizes)


@dataclass(frozen=True)
class Truth:
    """What a profile holds; `ttft` in ms by request id, of requests that got a first token."""

    engine: str
    domains: tuple[Domain, ...]
    requests: int
    ttft: dict[str, float]
    idle_domains: int = 0  # beside those


def to_json(truth: Truth) -> str:
    """Return a truth as JSON, one domain a line."""
    held = asdict(truth)
    domains = ",\n".join(json.dumps(domain) for domain in held.pop("domains"))
    return f'{json.dumps(held)[:-1]},\n"domains": [\n{domains}]}}'


def from_json(text: str) -> Truth:
    """Return the truth that `to_json` wrote."""
    held = json.loads(text)
    return Truth(domains=tuple(Domain(**domain) for domain in held.pop("domains")), **held)


def read_truth(raw: Path) -> Truth:
    """Return what the raw profile below `raw` records."""
    processes = read_processes(raw)
    engine = _engine(processes)
    arrivals: dict[str, list[int]] = {}
    tokens: dict[str, list[int]] = {}
    for event in (event for process in processes for event in process.events):
        if event.name == "httpReq" or event.name in _FIRST_TOKEN:
            for rid in request_ids(event):
                kept, time = (arrivals if event.name == "httpReq" else tokens), event.start
                kept.setdefault(rid, []).append(time)
    ttft = {}
    for rid in [rid for rid in tokens if rid not in arrivals]:
        tokens.setdefault(_SUFFIX.sub("", rid), []).extend(tokens[rid])
    for rid, times in arrivals.items():
        if first := min((time for time in tokens.get(rid, []) if time >= max(times)), default=None):
            ttft[rid] = (first - min(times)) / 1e6
    idle = len(idle_schedulers(processes))
    return Truth(engine, tuple(_domains(processes, engine)), len(arrivals), ttft, idle)


def read_processes(raw: Path) -> list[Process]:
    """Return the processes of the raw profile below `raw`."""
    found = [_process(path) for path in sorted(raw.rglob("ms_service_*.db"))]
    of_workers: dict[tuple[str, str], set[int]] = {}
    for process in found:
        if process.dp_rank is not None:
            of_workers.setdefault((process.host, process.parent), set()).add(process.dp_rank)
    return [_ranked(process, of_workers.get((process.host, process.pid), set())) for process in found]


def _ranked(process: Process, of_workers: set[int]) -> Process:
    """Return a process with its rank: vLLM's engine core of one DP domain may name none, its workers do."""
    if process.dp_rank is not None or len(of_workers) != 1:
        return process
    return replace(process, dp_rank=next(iter(of_workers)))


def idle_schedulers(processes: list[Process]) -> list[Process]:
    """Return the schedulers that name a rank and write queues, and run nothing: domains without rounds."""
    return [
        process
        for process in processes
        if process.dp_rank is not None
        and any(event.name == "Queue" for event in process.events)
        and not _rounds(process)
    ]


def begun_anew(processes: list[Process]) -> set[str]:
    """Return the ids of requests that several schedulers prefilled: where one ended, they began anew."""
    of: dict[str, set[str]] = {}
    for process in processes:
        for event in _rounds(process):
            for rid in _prefilled(event):
                of.setdefault(rid, set()).add(process.prof_id)
    return {rid for rid, schedulers in of.items() if len(schedulers) > 1}


def request_ids(event: Event) -> list[str]:
    """Return the ids of an event's requests: `rid` is one, a list of them or a list of objects."""
    rid = event.args.get("rid")
    items = rid if isinstance(rid, list) else [] if rid is None else [rid]
    return [str(item["rid"] if isinstance(item, dict) else item) for item in items]


def _process(path: Path) -> Process:
    with closing(sqlite3.connect(f"file:{path}?mode=ro&immutable=1", uri=True)) as connection:
        meta = dict(connection.execute("SELECT name, value FROM Meta"))
        names = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        layout: Literal["Mstx", "slice"] = "slice" if ("slice",) in names.fetchall() else "Mstx"
        events = tuple(_events(connection, layout))
    rank = meta.get("dpRankId")
    known = None if rank is None or int(rank) < 0 else int(rank)
    return Process(path.stem, meta["hostname"], meta.get("ppid", ""), known, events, layout)


def _events(connection: sqlite3.Connection, layout: Literal["Mstx", "slice"]) -> Iterator[Event]:
    if layout == "slice":
        rows = connection.execute("SELECT timestamp, end_time, name, cat, args FROM slice ORDER BY id")
        for start, end, name, domain, args in rows:
            yield Event(start, end, name, domain, json.loads(args))
        return
    for start, end, message in connection.execute(
        "SELECT timestamp, endTimestamp, message FROM Mstx ORDER BY markId"
    ):
        args = json.loads(message.replace("^", '"'))
        yield Event(start, end, args["name"], args["domain"], args)


def _engine(processes: list[Process]) -> str:
    names = {(event.name, event.domain) for process in processes for event in process.events}
    if ("BatchSchedule", "Schedule") in names:
        return "MindIE"
    if ("batchFrameworkProcessing", "BatchSchedule") in names:
        return "vLLM v0"
    return "SGLang" if ("recvReq", "Schedule") in names else "vLLM v1"


def _domains(processes: list[Process], engine: str) -> Iterator[Domain]:
    groups: dict[tuple[str, tuple[tuple[str, ...], ...]], list[tuple[Process, list[Event]]]] = {}
    for process in processes:
        if rounds := _rounds(process):
            ids = tuple(tuple(request_ids(event)) for event in rounds)
            groups.setdefault((process.host, ids), []).append((process, rounds))
    for (host, _ids), members in groups.items():
        process, rounds = members[0]
        tokens = [_tokens(event) for event in rounds]
        pools = list(_pools(process, engine))
        most = max((pool.free for pool in pools), default=0)
        yield Domain(
            prof_ids=tuple(member.prof_id for member, _rounds in members),
            host=host,
            dp_rank=process.dp_rank,
            batch_sizes=tuple(len(request_ids(event)) for event in rounds),
            prefills=sum(len(_prefilled(event)) for event in rounds),
            tokens=sum(known) if len(known := [n for n in tokens if n is not None]) == len(tokens) else None,
            kv_peak=max((1 - pool.free / (pool.total or most) for pool in pools), default=None),
            least_free=min((pool.free for pool in pools), default=None),
        )


def _rounds(process: Process) -> list[Event]:
    if not any(event.name in _GROUPING for event in process.events):
        return []
    executed = [event for event in process.events if event.name in _EXECUTION]
    rounds = executed or [event for event in process.events if event.name in _GROUPING]
    return sorted(rounds, key=lambda event: event.start)


def _tokens(event: Event) -> int | None:
    """Return the tokens scheduled in a round; None where one of its requests carries no number."""
    found = [
        next((int(item[name]) for name in _TOKENS if name in item), None) if isinstance(item, dict) else None
        for item in event.args["rid"]
    ]
    known = [number for number in found if number is not None]
    return sum(known) if len(known) == len(found) else None


def _prefilled(event: Event) -> list[str]:
    """Return the ids of the requests of a round that are prefilled."""
    found = []
    for item, rid in zip(event.args["rid"], request_ids(event), strict=True):
        if isinstance(item, dict) and ("type" in item or "iter" in item):
            prefilled = item.get("type", item.get("iter")) == 0
        else:
            prefilled = str(event.args.get("batch_type")).lower() == "prefill"
        found += [rid] if prefilled else []
    return found


def _pools(process: Process, engine: str) -> Iterator[Pool]:
    for event in process.events:
        args = event.args
        if engine == "vLLM v1" and "TotalBlocks=" in args:
            yield Pool(args["FreeBlocks="], args["TotalBlocks="])
        elif engine == "vLLM v0" and "deviceFreeBlock" in args:
            yield Pool(args["deviceFreeBlock"], None)
        elif engine == "MindIE" and event.domain == "KVCache" and "deviceBlock=" in args:
            yield Pool(args["deviceBlock="], None)
        elif engine == "SGLang" and "FreeBlocks=" in args:
            yield Pool(args["FreeBlocks="], None)
