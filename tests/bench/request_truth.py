"""The lab's simulator, with an account of where each request's time went, by its own true clock.

    python -m tests.bench.request_truth LAB TRUTH [options of LAB/make_raw.py, --out at least]

writes the raw profile that make_raw would, byte by byte, and TRUTH: a line of JSON per request with `rid`,
`begin`, `first`, `end` (ns of the true clock: before any clock fault), `tokens`, and `parts`, rows of
`[part, host, dp_rank, role, µs up to the first token, µs after it]`; role is p, d, or m where a domain does
both. What is told are the plans that the simulator makes, nothing that a profile would have to be asked for:

- How long a forward pass takes by itself is the plan's, of its slowest card; what it takes longer, because
  domains meet inside it (`--couple`), is lockstep, waiting for the domain whose plan is the longest.
- preempted is from being swapped out to being swapped in. Between a pull and its first decode round a request
  may be swapped out as well: first_decode_wait. A request that no KV blocks are left for waits as any other:
  prefill_wait, on a decode node first_decode_wait.
- After the last round lockstep is of no concern: the rest is not_recorded.

The intervals of a request follow each other without a gap, from begin to end, or nothing is written.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import sys
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

_BEGIN = ("RequestDispatch", "httpReq")  # the first of them that a request has
_TOKEN = ("sendResponse", "detokenize")
_EXECUTE = ("Execute", "modelExec")


class Place(NamedTuple):
    """A domain: role is p (prefill), d (decode) or m (both)."""

    host: str
    dp_rank: int
    role: str

    @property
    def key(self) -> str:
        return f"{self.host}/dp{self.dp_rank}"


_NOWHERE = Place("", -1, "")


class Interval(NamedTuple):
    """A piece of a request's life, in ns."""

    part: str
    place: Place
    start: int
    end: int


@dataclass
class Step:
    """The rounds that wait for each other: who is last, by its plan in the forward pass and in the end."""

    natural: tuple[int, Place]
    end: tuple[int, Place]

    def join(self, round_: Round) -> None:
        self.natural = max(self.natural, (round_.natural, round_.place))
        self.end = max(self.end, (round_.x1, round_.place))


@dataclass
class Round:
    """One round of a domain, in ns: Execute from s1 to x1, forward from f0 to f1, by itself until natural."""

    place: Place
    prefill: bool
    rids: frozenset[str]
    s1: int
    f0: int
    natural: int
    f1: int
    x1: int
    step: Step | None = None


@dataclass
class Life:
    """The intervals of a request, as they are told one after the other."""

    rid: str
    begin: int
    now: int
    parts: list[Interval] = field(default_factory=list)

    def until(self, end: int, part: str, place: Place) -> None:
        """Label the time from the last interval's end to `end`."""
        if end < self.now:
            raise AssertionError(f"{self.rid}: {part} at {place.key} ends {self.now - end} ns too early")
        if end > self.now:
            self.parts.append(Interval(part, place, self.now, end))
            self.now = end


@dataclass
class Account:
    """What the simulator did, by domain and request."""

    rounds: dict[Place, list[Round]] = field(default_factory=lambda: defaultdict(list))
    of: dict[str, list[tuple[Place, int]]] = field(default_factory=lambda: defaultdict(list))  # its rounds
    out: dict[str, list[list[int]]] = field(default_factory=lambda: defaultdict(list))  # [swapped out, in]
    moments: dict[tuple[str, str], list[int]] = field(default_factory=lambda: defaultdict(list))
    pulls: dict[str, tuple[int, int]] = field(default_factory=dict)
    tokens: dict[str, int] = field(default_factory=dict)

    def add(self, round_: Round) -> None:
        for rid in round_.rids:
            self.of[rid].append((round_.place, len(self.rounds[round_.place])))
        self.rounds[round_.place].append(round_)

    def read(self, rows: list[tuple[Any, ...]]) -> None:
        """Keep the moments that requests begin, wait no more, get a token and end."""
        for start, end, name, _domain, attrs, *_ in rows:
            if name == "PullKVCache":
                self.pulls[attrs["rid"][0]] = (start, end)
            elif name in (*_BEGIN, *_TOKEN, "httpRes", "Dequeue"):
                rid = attrs["rid"]
                for one in rid if isinstance(rid, list) else [rid]:
                    self.moments[one, name].append(start)
                    if name == "httpRes":
                        self.tokens[one] = attrs["replyTokenSize="]

    def lives(self) -> Iterator[tuple[Life, int]]:
        """Yield each request's life with the time of its first token."""
        for rid in sorted({rid for rid, _ in self.moments}):
            begin = min(next(times for name in _BEGIN if (times := self.moments.get((rid, name)))))
            end = max(self.moments[rid, "httpRes"])
            first = min(time for name in _TOKEN for time in self.moments.get((rid, name), ()))
            life = Life(rid, begin, begin)
            self._told(life)
            life.until(end, "not_recorded", _NOWHERE)
            _check(life, end)
            yield life, first

    def _told(self, life: Life) -> None:
        """Label all up to the end of the last round."""
        own = self.of[life.rid]
        place, index = own[0]
        life.until(min(self.moments[life.rid, "Dequeue"]), "prefill_wait", place)
        if life.rid in self.pulls:
            for (where, k), (after, _) in zip(own, [*own[1:], (_NOWHERE, 0)], strict=True):
                if where != place:
                    break
                self._round(life, self.rounds[where][k], last=after != place)
            start, end = self.pulls[life.rid]
            place, index = next((where, k) for where, k in own if where != place)
            life.until(start, "handoff_wait", place)
            life.until(end, "pull", place)
            life.until(self.rounds[place][index].s1, "first_decode_wait", place)
        if any(where != place for where, k in own if k >= index and where.role != "p"):
            raise AssertionError(f"{life.rid} began anew elsewhere: no part is defined for that")
        last = own[-1][1]
        away = [pair for pair in self.out[life.rid] if pair[0] >= life.now]
        for k in range(index, last + 1):
            self._next(life, self.rounds[place][k], away, last=k == last)

    def _next(self, life: Life, round_: Round, away: list[list[int]], last: bool) -> None:
        """Label one round of a request's domain, with or without the request in it."""
        if away and round_.s1 > away[0][0]:
            if life.rid not in round_.rids:
                if not away[0][0] < round_.s1 < away[0][1]:
                    raise AssertionError(f"{life.rid} is in no round, and not swapped out either")
                return
            left, back = away.pop(0)
            life.until(left, "gaps", round_.place)
            life.until(back, "preempted", round_.place)
        self._round(life, round_, last)

    def _round(self, life: Life, round_: Round, last: bool) -> None:
        part = "prefill" if round_.prefill else "decode"
        if life.rid not in round_.rids:
            if not round_.prefill:
                raise AssertionError(f"{life.rid} is missing from a decode round")
            part = "held_by_prefills"
        life.until(round_.f0, "gaps", round_.place)
        life.until(round_.natural, part, round_.place)
        if round_.step is not None:
            life.until(round_.f1, "lockstep", round_.step.natural[1])
        life.until(round_.x1, "gaps", round_.place)
        if round_.step is not None and not last:
            life.until(round_.step.end[0], "lockstep", round_.step.end[1])


def _check(life: Life, end: int) -> None:
    """Assert that the intervals of a life follow each other, and sum to it."""
    assert (life.parts[0].start, life.parts[-1].end) == (life.begin, end), life.rid
    assert all(a.end == b.start for a, b in zip(life.parts, life.parts[1:], strict=False)), life.rid
    assert sum(piece.end - piece.start for piece in life.parts) == end - life.begin, life.rid


def load_lab(lab: Path) -> ModuleType:
    """Return the simulator's module."""
    spec = importlib.util.spec_from_file_location("lab_make_raw", lab / "make_raw.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def recording(module: ModuleType) -> Any:
    """Return the simulator's cluster, as a class that keeps an `account` and draws no other random number."""

    class Recording(module.Cluster):  # type: ignore[misc, name-defined]
        def __init__(self, options: Any) -> None:
            super().__init__(options)
            self.account = Account()
            self._steps: dict[float, Step] = {}
            self._split = bool(options.p_nodes and options.d_nodes)

        def run_batch(self, rank, t, batch, prefill, barrier=None, plan=None):
            plan = plan or self.plan_batch(rank, t, batch, prefill)
            dbs = [rank.sched, rank.worker, *rank.cards]
            before = [len(db.rows) for db in dbs]
            end = super().run_batch(rank, t, batch, prefill, barrier, plan)
            rows = [row for db, n in zip(dbs, before, strict=True) for row in db.rows[n:]]
            s1, x1 = next(row[:2] for row in rows if row[2] in _EXECUTE)
            forward = [row[:2] for row in rows if row[2] == "forward"]
            role = "m" if not self._split else "p" if prefill else "d"
            f0, f1 = min(start for start, _ in forward), max(end for _, end in forward)
            natural = min(int(max(plan["ends"])), f1)
            rids = frozenset(r.rid for r in batch)
            round_ = Round(Place(rank.host, rank.idx, role), prefill, rids, s1, f0, natural, f1, x1)
            if barrier is not None:  # they wait for each other
                round_.step = self._steps.setdefault(t, Step((natural, round_.place), (x1, round_.place)))
                round_.step.join(round_)
            self.account.add(round_)
            return end

        def make_room(self, rank, t):
            before = {r.rid for r in rank.swapped}
            super().make_room(rank, t)
            after = {r.rid for r in rank.swapped}
            for rid in after - before:
                self.account.out[rid].append([int(t), 0])
            for rid in before - after:
                self.account.out[rid][-1][1] = int(t)

        def simulate_mixed(self):
            super().simulate_mixed()
            self._read()

        def simulate_pd(self):
            super().simulate_pd()
            self._read()

        def _read(self) -> None:
            for db in self.dbs:  # here, since clock faults are put in when they are written
                self.account.read(db.rows)

    return Recording


def line_of(life: Life, first: int, tokens: int) -> dict[str, Any]:
    """Return a request as a line of the truth."""
    sums: dict[tuple[str, Place], list[int]] = {}
    for part, place, start, end in life.parts:
        found = sums.setdefault((part, place), [0, 0])
        found[0] += max(0, min(end, first) - start)
        found[1] += max(0, end - max(start, first))
    parts = [
        [part, place.host or None, None if place.dp_rank < 0 else place.dp_rank, place.role or None]
        + [round(ns / 1000, 3) for ns in sums[part, place]]
        for part, place in sums
    ]
    end = life.parts[-1].end
    return {
        "rid": life.rid,
        "begin": life.begin,
        "first": first,
        "end": end,
        "tokens": tokens,
        "parts": parts,
    }


def read_truth(path: Path) -> list[dict[str, Any]]:
    """Return the lines of a truth."""
    return [json.loads(line) for line in path.read_text().splitlines()]


def summed(truth: list[dict[str, Any]]) -> dict[tuple[str, str], float]:
    """Return the ms of each (part, domain) over all requests."""
    sums: dict[tuple[str, str], float] = defaultdict(float)
    for request in truth:
        for part, host, dp_rank, _role, before, after in request["parts"]:
            sums[part, f"{host}/dp{dp_rank}" if host else ""] += (before + after) / 1000
    return dict(sums)


def grown(twin: dict[tuple[str, str], float], run: dict[tuple[str, str], float]) -> list[tuple[Any, ...]]:
    """Return (ms more, part, domain) of a run against its twin, the most grown first."""
    more = [(run.get(k, 0.0) - twin.get(k, 0.0), *k) for k in sorted({*twin, *run})]
    return sorted(more, key=lambda row: -row[0])


def simulate(lab: Path, truth: Path, options: list[str]) -> int:
    """Simulate, write the raw profile and the truth, and return how many requests there were."""
    module = load_lab(lab)
    asked = module.parser().parse_args(options)
    asked.raw_format = asked.raw_format or ("slice" if asked.flavour == "vllm" else "mstx")
    cluster = recording(module)(asked)
    cluster.run()
    account = cluster.account
    lines = [line_of(life, first, account.tokens[life.rid]) for life, first in account.lives()]
    truth.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    return len(lines)


def main() -> None:
    """Simulate as asked."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("lab", type=Path)
    parser.add_argument("truth", type=Path)
    asked, options = parser.parse_known_args()
    print(f"{simulate(asked.lab, asked.truth, options)} requests", file=sys.stderr)


if __name__ == "__main__":
    main()
