"""The lab's simulator on one clock: the same arrivals under any routing, ratio of P to D nodes, or noise.

    python -m tests.bench.service_lab LAB [--policy NAME] [--requests FILE] [--no-write]
                                      [options of LAB/make_raw.py, --out at least]

writes the raw profile and, as FILE, a line of JSON per request with what truly became of it, then a last line
on the run. Beside make_raw:

- `--seed` gives arrivals, lengths and clients, whatever the policy, the nodes and the noise. Pids, the
  dispatch (`--dispatch-seed`) and the service (`--noise-seed`) draw from generators of their own. `--load 2`
  has the same requests come twice as fast.
- `--policy` decides by the state at the moment of dispatch (`service_policies`): in one instance half a ms
  after arrival; with P and D nodes on arrival, of the P node and of the decode domain alike.
- Prefill and decode nodes run in the order of time, so that a P node's KV pool is freed by its pulls, and
  either may be what holds a request up. `--lockstep 0` has the decode domains step on their own too.
- `--no-write` keeps no rows, for the truth only; what happens is the same.

Domains that die or join late, dispatch windows (`--fault-batch-*`) and draft tokens are not supported.
"""

from __future__ import annotations

import argparse
import heapq
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from lbtui.analysis.imbalance import Floats, peaks_and_means
from tests.bench.request_truth import load_lab
from tests.bench.service_policies import NAMES, Desk, Dispatch, Sent

_NS = 1_000_000_000
_MS = 1_000_000


class Pass(NamedTuple):
    """A forward pass of a domain that decodes, in ns: so many requests from start to end."""

    start: float
    end: float
    size: int


@dataclass
class Group:
    """Ranks that step together. Asleep, no step of it is due."""

    ranks: list[Any]
    pick: Callable[[Any, float], tuple[list[Any], bool]]  # what a rank runs next, and whether that is prefill
    ended: Callable[[Any, list[Any], bool, float], None]
    role: str
    lockstep: bool
    asleep: bool = True


@dataclass
class Outcome:
    """What became of each request, in the order of arrival: ms; domains and P nodes by number."""

    rids: list[str]
    arrival: Floats  # s from the start
    domain: npt.NDArray[np.int64]
    p: npt.NDArray[np.int64]
    d: npt.NDArray[np.int64]
    input: npt.NDArray[np.int64]
    output: npt.NDArray[np.int64]
    ttft: Floats
    tpot: Floats
    e2e: Floats
    sizes: Floats  # [domain] mean batch over time
    par: float  # of the batch size over time, as lbtui has it
    seconds: float  # from the first arrival to the last end

    @property
    def run(self) -> dict[str, Any]:
        """What is told of the whole run."""
        return {
            "requests": len(self.rids),
            "seconds": self.seconds,
            "throughput": len(self.rids) / self.seconds,
            "output_tokens_per_second": float(self.output.sum() / self.seconds),
            "sizes": self.sizes.tolist(),
            "par_of_sizes": float(self.sizes.max() / self.sizes.mean()),
            "par": self.par,
        }

    def lines(self) -> list[dict[str, Any]]:
        """Return a row per request, then one of the run."""
        rows = [
            {
                "rid": rid,
                "arrival": round(float(self.arrival[i]), 6),
                "domain": int(self.domain[i]),
                "p": int(self.p[i]) if self.p[i] >= 0 else None,
                "d": int(self.d[i]) if self.d[i] >= 0 else None,
                "input": int(self.input[i]),
                "output": int(self.output[i]),
                **{name: round(float(getattr(self, name)[i]), 4) for name in ("ttft", "tpot", "e2e")},
            }
            for i, rid in enumerate(self.rids)
        ]
        return [*rows, {"run": self.run}]


def par_over_time(passes: list[list[Pass]]) -> float:
    """Return lbtui's PAR of the batch size: Σ w·max / Σ w·mean, w the time, 0 outside of passes.

    Instants with fewer requests than domains do not count; a batch holds over a bubble as long as its pass.
    """
    edges = np.unique([edge for lane in passes for one in lane for edge in (one.start, one.end)])
    sizes = np.zeros((len(passes), len(edges)))
    for lane, row in zip(passes, sizes, strict=True):
        if lane:
            starts, ends, held = (np.array(column) for column in zip(*lane, strict=True))
            gaps = np.append(starts[1:] - ends[:-1], 0.0)
            ends = np.where(gaps <= ends - starts, ends + gaps, ends)
            place = np.searchsorted(starts, edges, side="right") - 1
            row[:] = np.where((place >= 0) & (edges < ends[place]), held[place], 0)
    weights = np.append(np.diff(edges), 0.0)
    peaks, means = peaks_and_means(sizes, counts=True)
    whole = float((weights * means).sum())
    return float((weights * peaks).sum()) / whole if whole else float("nan")


def service_class(module: ModuleType) -> Any:
    """Return the simulator's cluster as a class that runs on one clock, by `--policy`."""

    class Silent(module.ProcDb):  # type: ignore[misc, name-defined]
        def span(self, *_: Any, **__: Any) -> None: ...

        def event(self, *_: Any, **__: Any) -> None: ...

        def write(self) -> None: ...

    class Service(module.Cluster):  # type: ignore[misc, name-defined]
        def __init__(self, options: Any) -> None:
            super().__init__(options)
            _refuse(options, self.faults)
            seed = options.seed
            # A stream each: what one draws more of changes none of the others.
            self._arrivals, self._pids, self._rows = (np.random.default_rng([seed, k]) for k in (1, 2, 3))
            noise = seed if options.noise_seed is None else options.noise_seed
            self.rng = np.random.default_rng([noise, 4])
            self._dispatch_seed = seed if options.dispatch_seed is None else options.dispatch_seed
            self._due: list[tuple[float, int, Callable[..., None], tuple[Any, ...]]] = []
            self._number = 0
            self._left = 0
            self._last_queue: dict[int, int] = {}
            self.first: dict[str, float] = {}
            self.end: dict[str, float] = {}
            self.asked: list[Any] = []

        # ---- the simulator's own parts, each with its random numbers ----------------------------
        def _drawn_from(self, random: Any, call: Callable[..., Any], *given: Any) -> Any:
            kept, self.rng = self.rng, random
            try:
                return call(*given)
            finally:
                self.rng = kept

        def pid(self):
            return self._drawn_from(self._pids, super().pid)

        def requests(self):
            asked = self._drawn_from(self._arrivals, super().requests)
            for r in asked:
                r.arrive = self.t0 + (r.arrive - self.t0) / self.a.load
                r.hit = self.a.prefix_all and float(
                    np.clip(self.a.prefix_all + 0.05 * self._arrivals.standard_normal(), 0, 0.95)
                )
            self.asked = asked
            return asked

        def db(self, host, ppid=1, fmt=None, meta=None, sub="", pid=None):
            if not self.a.no_write:
                return super().db(host, ppid, fmt, meta, sub, pid)
            return Silent(self.a.out, host, 0, ppid, fmt or self.a.raw_format)

        def kv(self, rank, t, name, rid, delta):
            if self.a.no_write:
                rank.free -= delta
            else:
                super().kv(rank, t, name, rid, delta)

        def run_batch(self, rank, t, batch, prefill, barrier=None, plan=None):
            if not self.a.no_write:
                given = (rank, t, batch, prefill, barrier, plan)
                return self._drawn_from(self._rows, super().run_batch, *given)
            # As the simulator's, without the rows.
            until = max(*plan["ends"], barrier or 0)
            ends = [end + self.a.couple * (until - end) for end in plan["ends"]]
            if prefill:
                rank.free -= sum(r.blocks for r in batch)
            else:
                for r in batch:
                    more = self.need(r.plen + r.it + 1) - r.blocks
                    if more > 0:
                        r.blocks += more
                        rank.free -= more
            return max(ends) + plan["tail"]

        # ---- the clock --------------------------------------------------------------------------
        def _at(self, time: float, call: Callable[..., None], *given: Any) -> None:
            self._number += 1
            heapq.heappush(self._due, (time, self._number, call, given))

        def _run_clock(self) -> None:
            self._left = len(self.asked)
            while self._left:
                if not self._due:
                    raise RuntimeError(f"{self._left} requests are never served: a pool is too small")
                time, _, call, given = heapq.heappop(self._due)
                call(time, *given)

        def _wake(self, group: Group, time: float) -> None:
            if group.asleep:
                group.asleep = False
                self._at(time, self._step, group)

        def _step(self, time: float, group: Group) -> None:
            """Run what each rank of a group has to run."""
            todo = []
            for rank in group.ranks:
                batch, prefill = group.pick(rank, time)
                if batch:
                    plan = self.plan_batch(rank, time, batch, prefill, group.role)
                    todo.append((rank, batch, prefill, plan))
            barrier = max((max(plan["ends"]) for *_, plan in todo), default=None) if group.lockstep else None
            ends = []
            for rank, batch, prefill, plan in todo:
                end = self.run_batch(rank, time, batch, prefill, barrier, plan)
                ends.append(end)
                self._at(end, self._ended, group, rank, batch, prefill)
                if rank.passes is not None:
                    natural = plan["ends"][0]
                    held = self.a.couple * (max(*plan["ends"], barrier or 0) - natural)
                    rank.passes.append(Pass(plan["f0"], natural + held, len(batch)))
                self._log(rank, time, batch, prefill, plan)
            number = int((time - self.t0) // (self.a.queue_ms * _MS))
            for rank in group.ranks:
                if self._last_queue.get(id(rank)) != number and not self.a.no_write:
                    self._last_queue[id(rank)] = number
                    self.queue_ev(rank, time + 12_000)
            if ends:
                self._at(max(ends) + self.rng.uniform(0.05, 0.15) * _MS, self._step, group)
            else:
                group.asleep = True

        def _ended(self, time: float, group: Group, rank: Any, batch: list[Any], prefill: bool) -> None:
            group.ended(rank, batch, prefill, time)

        def _log(self, rank: Any, time: float, batch: list[Any], prefill: bool, plan: dict[str, Any]) -> None:
            """Keep what the simulator's own `--truth` tells of."""
            if not self.a.truth or rank.passes is None:
                return
            second = (time - self.t0) / _NS
            self.wait_log.append((second, rank.idx, len(rank.waiting), len(rank.running), False))
            tokens = sum(r.plen - r.cached for r in batch) if prefill else 0
            lasts = [(plan[key] - time) / _MS for key in ("x", "x_clean")]
            self.log.append((second, rank.idx, *lasts, len(batch), tokens, prefill))

        # ---- what both modes do ------------------------------------------------------------------
        def _new_rank(self, idx, host, total, most, dbs):
            sched, worker, *cards = dbs
            rank = module.Rank(idx, host, total, most, sched, worker, cards)
            rank.desk = Desk(rank)
            rank.passes = []
            return rank

        def _weights(
            self, kind: str, r: Any, count: int, by: str, given: list[float] | None = None
        ) -> Floats:
            """Return the desks' weights for a request: as given for a share, else as faults put in."""
            if self.a.policy == "share":
                weights = np.array(given or [1.0] * count, float)
            else:
                weights = np.array([self.of(kind, r.arrive, **{by: i}) for i in range(count)])
            return weights / weights.sum()

        def _landed(self, r: Any, rank: Any) -> None:
            """Have a request be what lands on a domain: longer by a fault, with a share from the cache."""
            r.dp = rank.idx
            r.plen = int(r.plen * self.of("hog", r.arrive, rank=rank.idx))
            r.olen = int(r.olen * self.of("longout", r.arrive, rank=rank.idx))
            self.sent.setdefault(rank.idx, []).append((r.arrive - self.t0) / _NS)

        def _joined(self, rank: Any, time: float) -> None:
            """Have those that have come by now wait in line."""
            while rank.inbox and rank.inbox[0][0] <= time:
                rank.waiting.append(rank.inbox.pop(0)[1])

        def _admitted(self, rank: Any, time: float, limit: int) -> list[Any]:
            batch = self.admit(rank, time, limit)
            rank.desk.waiting -= len(batch)
            rank.desk.running += len(batch)
            for r in batch if self.a.flavour == "mindie" else ():
                attrs = {"rid": r.rid, "status": "waiting", "QueueSize=": len(rank.waiting)}
                rank.sched.event(time, "Dequeue", "Schedule", attrs)
            return batch

        def _told(self, rank, batch, time, on_first, on_done):
            """Give each of a batch its token, and return those that go on."""
            rank.desk.tokens += len(batch)
            kept = self.finish_tokens(rank, batch, time, on_first, on_done)
            if len(kept) < len(batch):
                going = {id(r) for r in kept}
                for r in batch:
                    if id(r) not in going:
                        rank.desk.running -= 1
                        rank.desk.tokens -= r.plen + r.it
                        self.end[r.rid] = time + (400_000 if self.a.flavour == "mindie" else 350_000)
                        self._left -= 1
            return kept

        def _groups(self, ranks, pick, ended, role="decode"):
            """Return the ranks in groups that step together."""
            lockstep = bool(self.a.lockstep) and role == "decode"
            parts = [ranks] if lockstep else [[rank] for rank in ranks]
            groups = [Group(part, pick, ended, role, lockstep) for part in parts]
            for group in groups:
                for rank in group.ranks:
                    rank.group = group
            return groups

        # ---- one instance whose domains run prefill and decode ------------------------------------
        def simulate_mixed(self):
            a = self.a
            hosts = a.hosts or ["node-0"]
            front = {host: self.db(host) for host in hosts}
            self.ranks = []
            for i in range(a.dp):
                host = hosts[i * len(hosts) // a.dp]
                sched = self.db(host, front[host].pid, meta={"dpRankId": i})
                meta = {"dpRankId": i} if a.flavour == "vllm" else {}
                cards = [self.db(host, sched.pid, meta=meta) for _ in range(a.tp)]
                self.ranks.append(self._new_rank(i, host, self.pool(i), a.max_batch, [sched, *cards]))
            self._api = front[hosts[0]]
            self._groups(self.ranks, self._pick_mixed, self._ended_mixed)
            desks = [rank.desk for rank in self.ranks]
            self._domains = Dispatch(a.policy, desks, self._dispatch_seed)
            for r in self.requests():
                self._at(r.arrive + 500_000, self._arrived_mixed, r)
            self._run_clock()

        def _arrived_mixed(self, time: float, r: Any) -> None:
            weights = self._weights("send", r, self.a.dp, "rank", self.a.share)
            rank = self.ranks[self._domains.choose(Sent(r.client, weights))]
            self._landed(r, rank)
            r.cached = int(r.plen * r.hit) // self.a.block_size * self.a.block_size
            api, sched, size = self._api, rank.sched, len(rank.waiting) + len(rank.inbox) + 1
            hit = {"rid": r.rid, "hitCache": r.hit}
            if self.a.flavour == "mindie":
                api.event(r.arrive, "httpReq", "Request", {"rid": r.rid, "recvTokenSize=": r.plen})
                attrs = {"rid": r.rid, "status": "waiting", "QueueSize=": size}
                sched.event(time, "Enqueue", "Schedule", attrs)
                sched.event(time + 50_000, "CacheHitRate", "KVCache", hit)
            else:
                api.event(r.arrive, "httpReq", "Engine", {"rid": r.rid})
                api.event(r.arrive + 1000, "tokenize", "Engine", {"rid": r.rid})
                attrs = {"rid": r.rid, "QueueSize=": size, "scope#QueueName": "WAITING"}
                sched.event(time, "Enqueue", "Schedule", attrs)
                sched.event(time + 50_000, "CacheHitRate", "Schedule.KVCache", hit)
            rank.inbox.append((time + 100_000, r))
            rank.desk.waiting += 1
            rank.desk.tokens += r.plen
            self._wake(rank.group, time + 100_000)

        def _pick_mixed(self, rank: Any, time: float) -> tuple[list[Any], bool]:
            self._joined(rank, time)
            batch = self._admitted(rank, time, self.a.max_prefill)
            if not batch:
                self.make_room(rank, time + 4_000)
                return list(rank.running), False
            if self.a.flavour == "vllm":
                ids = [r.rid for r in batch]
                more = {"rid": ids, "QueueSize=": len(rank.running) + len(ids), "scope#QueueName": "RUNNING"}
                less = {"rid": ids, "QueueSize=": len(rank.waiting), "scope#QueueName": "WAITING"}
                rank.sched.event(time + 9000, "Enqueue", "Schedule", more)
                rank.sched.event(time + 9500, "Dequeue", "Schedule", less)
            return batch, True

        def _ended_mixed(self, rank: Any, batch: list[Any], prefill: bool, time: float) -> None:
            kept = self._told(rank, batch, time, self._first_mixed, self._done_mixed)
            rank.running = rank.running + kept if prefill else kept

        def _first_mixed(self, r: Any, time: float) -> None:
            self.first[r.rid] = time + 300_000
            if self.a.flavour == "mindie":
                self._api.event(time + 300_000, "sendResponse", "Request", {"rid": r.rid})
            else:
                self._api.event(time + 300_000, "detokenize", "Engine", {"rid": [r.rid]})

        def _done_mixed(self, r: Any, time: float) -> None:
            api = self._api
            if self.a.flavour == "mindie":
                api.event(time + 300_000, "sendResponse", "Request", {"rid": r.rid, "endFlag": 1})
                api.event(time + 400_000, "httpRes", "Request", {"rid": r.rid, "replyTokenSize=": r.olen})
            else:
                attrs = {"rid": r.rid, "recvTokenSize=": r.plen, "replyTokenSize=": r.olen}
                api.event(time + 350_000, "httpRes", "Engine", attrs)
                api.event(time + 400_000, "detokenize", "Engine", {"rid": [r.rid]})

        # ---- prefill and decode nodes ---------------------------------------------------------------
        def simulate_pd(self):
            a = self.a
            p_hosts, d_hosts = (
                given or _names(role, n)
                for given, role, n in ((a.p_hosts, "p", a.p_nodes), (a.d_hosts, "d", a.d_nodes))
            )
            self.d_hostnames = d_hosts
            self._co = self.db("mindie-coordinator-0", fmt=a.coordinator_format)
            self._p_ends, self._d_ends = ([self.db(host) for host in hosts] for hosts in (p_hosts, d_hosts))
            self._p_ranks, self.ranks = [], []
            for i, host in enumerate(p_hosts):
                dbs = self._dbs(host, self._p_ends[i], i)
                rank = self._new_rank(i, host, a.kv_blocks, a.max_prefill, dbs)
                rank.passes = None
                self._p_ranks.append(rank)
            for i in range(a.dp):
                node = i * a.d_nodes // a.dp
                dbs = self._dbs(d_hosts[node], self._d_ends[node], i)
                rank = self._new_rank(i, d_hosts[node], self.pool(i), a.max_batch, dbs)
                rank.node = node
                self.ranks.append(rank)
            self._groups(self._p_ranks, self._pick_p, self._ended_p, "prefill")
            self._groups(self.ranks, self._pick_d, self._ended_d)
            self._nodes, self._domains = (
                Dispatch(a.policy, [rank.desk for rank in ranks], self._dispatch_seed, salt)
                for salt, ranks in ((1, self._p_ranks), (2, self.ranks))
            )
            for r in self.requests():
                self._at(r.arrive, self._arrived_pd, r)
            self._run_clock()

        def _dbs(self, host: str, end: Any, idx: int) -> list[Any]:
            sched = self.db(host, end.pid, meta={"dpRankId": idx})
            return [sched, *(self.db(host, sched.pid) for _ in range(self.a.tp))]

        def _arrived_pd(self, time: float, r: Any) -> None:
            a = self.a
            weights = self._weights("pnode", r, a.p_nodes, "p", a.p_share)
            p = self._p_ranks[self._nodes.choose(Sent(r.client, weights))]
            weights = self._weights("send", r, a.dp, "rank", a.share)
            if a.policy != "share":
                weights = weights * [self.of("dnode", r.arrive, d=rank.node) for rank in self.ranks]
                weights /= weights.sum()
            d = self.ranks[self._domains.choose(Sent(r.client, weights))]
            r.p, r.d = p.idx, d.node
            self._landed(r, d)
            for key in (f"p{r.p}", f"d{r.d}"):
                self.sent.setdefault(key, []).append((r.arrive - self.t0) / _NS)
            address = {
                "PrefillAddress": f"10.20.0.{11 + r.p}:1025",
                "DecodeAddress": f"10.20.1.{11 + r.d}:1025",
            }
            self._co.event(r.arrive, "RequestDispatch", "Coordinator", {"rid": r.rid, **address})
            end = self._p_ends[r.p]
            end.event(r.arrive + _MS, "httpReq", "Request", {"rid": r.rid, "recvTokenSize=": r.plen})
            end.event(r.arrive + _MS, "receiveReq", "Communication", {"rid": r.rid})
            attrs = {"rid": r.rid, "status": "waiting", "QueueSize=": len(p.waiting) + len(p.inbox) + 1}
            p.sched.event(r.arrive + 1.5 * _MS, "Enqueue", "Schedule", attrs)
            p.inbox.append((time + 2 * _MS, r))
            for desk in (p.desk, d.desk):
                desk.waiting += 1
                desk.tokens += r.plen
            self._wake(p.group, time + 2 * _MS)

        def _pick_p(self, rank: Any, time: float) -> tuple[list[Any], bool]:
            self._joined(rank, time)
            return self._admitted(rank, time, self.a.max_prefill), True

        def _ended_p(self, rank: Any, batch: list[Any], prefill: bool, time: float) -> None:
            for r in batch:
                rank.desk.running -= 1
                rank.desk.tokens -= r.plen
                end = self._p_ends[r.p]
                end.event(time + 100_000, "prefillRes", "Communication", {"rid": r.rid})
                end.event(time + 200_000, "sendReqToD", "Communication", {"rid": r.rid})
                sent = time + self._rows.uniform(0.5, 1.5) * _MS
                end.event(sent, "sendReqToDSucc", "Communication", {"rid": r.rid})
                end.event(time + 300_000, "sendResponse", "Request", {"rid": r.rid})
                attrs = {"rid": r.rid, "Phase": "prefill"}
                self._co.event(time + 500_000, "GenerateToken", "Coordinator", attrs)
                self.first[r.rid] = time + 300_000
                self._pull(r, time + self.rng.uniform(2, 4) * _MS)

        def _pull(self, r: Any, start: float) -> None:
            clean = (1.5 + r.plen / 400) * _MS * (1 + 0.2 * abs(self.rng.standard_normal()))
            lasts = clean * self.of("pull", start, rank=r.dp)
            lasts *= self.of("pair", start, p=r.p, rank=r.dp, d=r.d)
            self.pull_log.append((r.p, r.dp, lasts / _MS, clean / _MS))
            self._at(start + lasts, self._pulled, r, start)

        def _pulled(self, time: float, r: Any, start: float) -> None:
            p, d = self._p_ranks[r.p], self.ranks[r.dp]
            self.kv(p, time, "Free", r.rid, -r.blocks)
            tables = [[int(2886795281 + r.p), [0], list(range(min(4, r.blocks)))]]
            attrs = {"rid": [r.rid], "rank": d.idx, "batch_seq_len": [r.plen], "block_tables": tables}
            d.worker.span(start, time, "PullKVCache", "PullKVCache", attrs)
            attrs = {"rid": r.rid, "status": "waiting", "QueueSize=": len(d.waiting) + 1}
            d.sched.event(time, "Enqueue", "Schedule", attrs)
            r.it = 1
            d.desk.tokens += 1
            d.waiting.append(r)
            self._wake(d.group, time)
            self._wake(p.group, time)

        def _pick_d(self, rank: Any, time: float) -> tuple[list[Any], bool]:
            for r in self._admitted(rank, time, self.a.max_batch):
                self.kv(rank, time + 5_000, "Allocate", r.rid, r.blocks)
                rank.running.append(r)
            self.make_room(rank, time + 6_000)
            return list(rank.running), False

        def _ended_d(self, rank: Any, batch: list[Any], prefill: bool, time: float) -> None:
            rank.running = self._told(rank, batch, time, lambda *_: None, self._done_pd)

        def _done_pd(self, r: Any, time: float) -> None:
            end = self._d_ends[r.d]
            end.event(time + 100_000, "decodeRes", "Communication", {"rid": r.rid})
            end.event(time + 300_000, "sendResponse", "Request", {"rid": r.rid, "endFlag": 1})
            end.event(time + 400_000, "httpRes", "Request", {"rid": r.rid, "replyTokenSize=": r.olen})
            self._co.event(time + 600_000, "ReqFinish", "Coordinator", {"rid": r.rid})

        # ---- what became of it -------------------------------------------------------------------
        def outcome(self) -> Outcome:
            asked = self.asked
            split = bool(self.a.p_nodes and self.a.d_nodes)
            begin = np.array([r.arrive + split * _MS - self.t0 for r in asked])  # httpReq
            first, end = (np.array([at[r.rid] - self.t0 for r in asked]) for at in (self.first, self.end))
            output = np.array([r.olen for r in asked])
            passes = [rank.passes for rank in self.ranks]
            whole = end.max() - begin.min()
            sizes = [sum((one.end - one.start) * one.size for one in lane) / whole for lane in passes]
            return Outcome(
                [r.rid for r in asked],
                np.array([(r.arrive - self.t0) / _NS for r in asked]),
                *(
                    np.array([-1 if v is None else v for v in values])
                    for values in ([r.dp for r in asked], [r.p for r in asked], [r.d for r in asked])
                ),
                np.array([r.plen for r in asked]),
                output,
                (first - begin) / _MS,
                (end - first) / _MS / (output - 1),
                (end - begin) / _MS,
                np.array(sizes),
                par_over_time(passes),
                float(whole) / _NS,
            )

    return Service


def _names(role: str, count: int) -> list[str]:
    return [f"mindie-server-{role}0-{'worker' if i else 'master'}-{max(0, i - 1)}" for i in range(count)]


def _refuse(options: Any, faults: list[dict[str, Any]]) -> None:
    """Raise where something is asked for that the one clock does not do."""
    found = [f["kind"] for f in faults if f["kind"] in ("dead", "late", "deadp", "hits")]
    found += [name for name in ("fault_batch_rank", "fault_p_node", "spec_tokens") if getattr(options, name)]
    if found:
        raise NotImplementedError(f"not supported: {', '.join(found)}")


def options_of(module: ModuleType, given: list[str]) -> argparse.Namespace:
    """Return the simulator's options with those of the service."""
    parser = module.parser()
    parser.add_argument("--policy", choices=NAMES, default="random")
    parser.add_argument("--dispatch-seed", type=int, help="default: --seed")
    parser.add_argument("--noise-seed", type=int, help="default: --seed")
    parser.add_argument("--load", type=float, default=1.0, help="the same requests, so many times as fast")
    parser.add_argument("--p-share", type=float, nargs="*", help="--policy share: weights of the P nodes")
    parser.add_argument("--no-write", action="store_true", help="the truth only")
    parser.add_argument("--requests", type=Path, help="write what became of each request")
    # Every run has clients, sticky or not: else the arrivals would not be the same ones.
    parser.set_defaults(sticky=120, sticky_zipf=0.7)
    options = parser.parse_args(given)
    options.raw_format = options.raw_format or ("slice" if options.flavour == "vllm" else "mstx")
    return options


def simulate(module: ModuleType, given: list[str]) -> Outcome:
    """Run the service, write its raw profile unless told not to, and return what became of each request."""
    options = options_of(module, given)
    service = service_class(module)(options)
    service.run()
    outcome = service.outcome()
    if options.requests:
        options.requests.write_text("".join(f"{json.dumps(line)}\n" for line in outcome.lines()))
    return outcome


def main() -> None:
    """Simulate as asked."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("lab", type=Path)
    asked, options = parser.parse_known_args()
    outcome = simulate(load_lab(asked.lab), options)
    values = [outcome.ttft, outcome.tpot, outcome.e2e]
    p50, p95 = (np.quantile(values, q, axis=1).round(2) for q in (0.5, 0.95))
    print(json.dumps({**outcome.run, "p50": p50.tolist(), "p95": p95.tolist()}), file=sys.stderr)


if __name__ == "__main__":
    main()
