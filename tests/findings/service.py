"""Small services in the parser's formats, each with the fault that a test asks for.

Times are ns since 1970. A group's domains step together: each step takes the longest of its cards, then the
next begins. All draws are seeded.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from lbtui.profile import Profile
from lbtui.sources import open_profile
from tests.tools import parser_format as fmt

START = 1_767_225_600_000_000_000
MS = 1_000_000
SECOND = 1_000 * MS


@dataclass(frozen=True)
class Group:
    """DP domains of one host that step together; what a fault changes are functions of domain and second."""

    host: str = "node-a"
    domains: int = 4
    cards: int = 1
    seconds: float = 40.0
    rate: Callable[[int, float], float] = lambda _dp, _second: 5.0  # requests a second given to a domain
    longer: Mapping[int, float] = field(default_factory=dict)  # domain -> × the steps its requests take
    slow: Mapping[tuple[int, int], float] = field(default_factory=dict)  # (domain, card) -> × its step time
    slow_when: tuple[float, float] = (0.0, 1e9)  # seconds
    couple: float = 0.0  # share of the wait for the slowest that is inside the forward pass
    late: Mapping[int, float] = field(default_factory=dict)  # domain -> ms by which its passes begin later
    prompt: Mapping[int, float] = field(default_factory=dict)  # domain -> × the prompt tokens and their time
    stands: Mapping[int, tuple[float, float]] = field(
        default_factory=dict
    )  # domain -> seconds without a step
    waiting: Callable[[int, float], int] | None = None
    pool: Callable[[int], int] = lambda _dp: 1000  # KV blocks
    blocks: Callable[[int], int] = lambda _dp: 4  # that each request takes
    prefill_only: bool = False
    decode_only: bool = False
    named_ranks: bool = True
    first_pid: int = 10_000
    seed: int = 7


@dataclass
class _Request:
    rid: str
    begin: int
    steps_left: int


class _Rows:
    def __init__(self) -> None:
        self.forwards: list[fmt.ForwardRow] = []
        self.batches: list[fmt.BatchRow] = []
        self.requests: list[fmt.RequestRow] = []
        self.samples: list[fmt.QueueSample] = []
        self.kv: list[fmt.KvEvent] = []

    def couple(self, share: float, first: int) -> None:
        """Let the passes from `first` on, those of one step, end `share` of their wait for the last later."""
        last = max((row.end_ns for row in self.forwards[first:]), default=0)
        self.forwards[first:] = [
            replace(row, end_ns=row.end_ns + int(share * (last - row.end_ns)))
            for row in self.forwards[first:]
        ]


def write_service(folder: Path, *groups: Group, kv: bool = False) -> Path:
    """Write forward, batch, request and, where a group has them, request_status and kvcache CSVs."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = _Rows()
    for group in groups:
        _run(group, rows)
    fmt.write_forward_csv(folder / "forward.csv", rows.forwards)
    fmt.write_batch_csv(folder / "batch.csv", rows.batches)
    fmt.write_request_csv(folder / "request.csv", rows.requests)
    if rows.samples:
        fmt.write_request_status_csv(folder / "request_status.csv", rows.samples)
    if kv:
        fmt.write_kvcache_csv(folder / "kvcache.csv", rows.kv)
    return folder


def service(folder: Path, *groups: Group, kv: bool = False) -> Profile:
    """Open what `write_service` writes."""
    return open_profile(write_service(folder, *groups, kv=kv))


def _run(group: Group, rows: _Rows) -> None:
    rng = random.Random(group.seed)
    running: list[list[_Request]] = [[] for _ in range(group.domains)]
    free = [group.pool(dp) for dp in range(group.domains)]
    time, count, step = START, 0, 0
    while time < START + group.seconds * SECOND:
        second = (time - START) / SECOND
        ends = []
        before = len(rows.forwards)
        for dp in range(group.domains):
            fresh = []
            while rng.random() < group.rate(dp, second) * 0.03 / 2:
                steps = round(rng.randint(15, 45) * group.longer.get(dp, 1.0))
                fresh.append(_Request(f"{group.host}-{count}", time, steps))
                count += 1
            for request in fresh:
                free[dp] -= group.blocks(dp)
                rows.kv.append(
                    fmt.KvEvent(request.rid, "Allocate", time, free[dp], dp, _scheduler(group, dp))
                )
            if group.decode_only:
                running[dp] += fresh
                fresh = []
            batch = fresh or running[dp]
            if group.waiting is not None and step % 4 == 0:
                sample = group.waiting(dp, second)
                rows.samples.append(
                    fmt.QueueSample(group.host, _scheduler(group, dp), time, sample, len(batch), 0)
                )
            first, last = group.stands.get(dp, (0.0, 0.0))
            if first <= second < last:
                running[dp] += fresh
                continue
            if batch:
                ends.append(_step(group, rows, rng, dp, time, batch, prefill=bool(fresh)))
            if group.prefill_only:
                _finish(group, rows, dp, free, fresh, time)
                continue
            if not fresh:
                for request in batch:
                    request.steps_left -= 1
                _finish(group, rows, dp, free, [r for r in batch if r.steps_left <= 0], time)
                running[dp] = [r for r in batch if r.steps_left > 0]
            running[dp] += fresh
        rows.couple(group.couple, before)
        time = (max(ends) if ends else time + 20 * MS) + 100_000
        step += 1


def _scheduler(group: Group, dp: int) -> int:
    return group.first_pid + 10 * dp


def _finish(group: Group, rows: _Rows, dp: int, free: list[int], done: Sequence[_Request], time: int) -> None:
    for request in done:
        free[dp] += group.blocks(dp)
        rows.kv.append(fmt.KvEvent(request.rid, "Free", time + MS, free[dp], dp, _scheduler(group, dp)))
        end = max(time, request.begin + MS)
        rows.requests.append(
            fmt.RequestRow(request.rid, request.begin, end, request.begin + 40 * MS, MS, 500, 30)
        )


def _step(
    group: Group, rows: _Rows, rng: random.Random, dp: int, time: int, batch: list[_Request], *, prefill: bool
) -> int:
    kind = "Prefill" if prefill else "Decode"
    tokens = round(500 * group.prompt.get(dp, 1.0))
    length = ((35 + 8 * len(batch) * tokens / 500) if prefill else (24 + 0.35 * len(batch))) * MS
    length *= 1 + 0.02 * rng.gauss(0, 1)
    rank = dp if group.named_ranks else None
    ends = []
    for card in range(group.cards):
        second = (time - START) / SECOND
        slow = group.slow.get((dp, card), 1.0) if group.slow_when[0] <= second < group.slow_when[1] else 1.0
        own = length * slow + 50_000 * rng.random()
        begin = time + MS + int(group.late.get(dp, 0.0) * MS)
        ends.append(begin + int(own))
        rows.forwards.append(
            fmt.ForwardRow(
                begin, ends[-1], len(batch), kind, rank, group.host, _scheduler(group, dp) + 1 + card
            )
        )
    scheduled = tuple(fmt.Scheduled(r.rid, 0 if prefill else 1, tokens if prefill else 1) for r in batch)
    scheduler = fmt.prof_id(group.host, _scheduler(group, dp))
    rows.batches.append(fmt.BatchRow("BatchSchedule", scheduled, time, time + MS // 4, kind, scheduler, rank))
    rows.batches.append(
        fmt.BatchRow("Execute", scheduled, time + MS // 4, max(ends) + MS // 4, None, scheduler, rank)
    )
    return max(ends) + MS // 2


# ---- experts ------------------------------------------------------------------------------------------


def write_experts(
    folder: Path,
    counts: Sequence[Sequence[Sequence[int]]],
    placements: Sequence[Sequence[Sequence[int]]] | None,
    slots: int,
) -> Path:
    """Write profiler.db with the tokens `counts` [period][layer][slot] of ranks of `slots` slots each.

    `placements` [period][layer][model expert] are the slots of the experts, None for a run without EPLB.
    """
    folder.mkdir(parents=True, exist_ok=True)
    ranks = len(counts[0][0]) // slots
    slices = []
    time = START

    def rows(name: str, tables: Sequence[object], at: int) -> None:
        for rank in range(ranks):
            args = {"rank": rank, name: tables[rank]}
            slices.append(
                fmt.Slice(at + rank * 1000, at + rank * 1000, name, "eplb_observe", 500 + rank, args)
            )

    def heat(table: Sequence[Sequence[int]]) -> list[list[list[int]]]:
        return [[list(layer[r * slots : (r + 1) * slots]) for layer in table] for r in range(ranks)]

    for period, table in enumerate(counts):
        if placements is not None:
            # The last expert is shared: each rank routes to its own copy, in its last slot.
            own = [
                [[*layer[:-1], r * slots + slots - 1] for layer in placements[period]] for r in range(ranks)
            ]
            rows("expert_routing", own, time)
        for part in (2, 1):
            time += SECOND
            rows("expert_hot", heat([[n // part for n in layer] for layer in table]), time)
        time += SECOND // 2
    rows("expert_hot", heat(counts[-1]), time)  # the parser drops the last mark
    fmt.write_profiler_db(
        folder / "profiler.db", [fmt.Process(500 + r, str(500 + r), None) for r in range(ranks)], slices
    )
    return folder
