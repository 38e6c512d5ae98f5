"""A service step by step: every round of every domain, as a replay would be told to a child. Slow, and plain.

No stretches, no heap of events, no counters that catch up: what `engine.Replay` must give without residuals.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from lbtui.analysis.replay.model import Load, Service


@dataclass
class _Domain:
    queue: list[int] = field(default_factory=list)
    running: list[int] = field(default_factory=list)  # by admission
    away: list[int] = field(default_factory=list)


@dataclass(frozen=True)
class Round:
    """A round that was run: times in ms, its requests, and whether it prefilled them."""

    group: int
    domain: int
    start: float
    end: float
    rest: float
    prefills: bool
    who: tuple[int, ...]


@dataclass
class Plain:
    """Times of each request, by its place, and every round."""

    taken: dict[int, float] = field(default_factory=dict)
    first: dict[int, float] = field(default_factory=dict)
    end: dict[int, float] = field(default_factory=dict)
    rounds: list[Round] = field(default_factory=list)
    pulls: dict[int, tuple[float, float]] = field(default_factory=dict)


class RoundByRound:
    """Groups of domains take turns: the one whose next round begins first is looked at."""

    def __init__(self, load: Load, service: Service) -> None:
        self.load, self.service, self.told = load, service, Plain()
        self.domains = [_Domain() for _ in service.domains]
        names = [domain.step or f"alone {place}" for place, domain in enumerate(service.domains)]
        self.groups = {
            name: [k for k, own in enumerate(names) if own == name] for name in dict.fromkeys(names)
        }
        self.coming = [
            (float(at) + service.delay, place, int(load.first_domain[place]))
            for place, at in enumerate(load.arrival)
        ]
        self.free = dict.fromkeys(self.groups, 0.0)  # when the group's last round was over
        self.left = load.rounds.tolist()
        self.steps = 0

    def run(self) -> Plain:
        """Return the times of all requests."""
        while len(self.told.end) < len(self.load):
            begin, name = min(
                (begin, name) for name in self.groups if (begin := self._next_begin(name)) is not None
            )
            self._round(name, begin)
        return self.told

    def _next_begin(self, name: str) -> float | None:
        own = [self.domains[k] for k in self.groups[name]]
        if any(domain.running or domain.away or domain.queue for domain in own):
            return self.free[name]
        coming = [at for at, _request, domain in self.coming if domain in self.groups[name]]
        return max(self.free[name], min(coming)) if coming else None

    def _round(self, name: str, now: float) -> None:
        for at, request, domain in sorted(self.coming):
            if at <= now and domain in self.groups[name]:
                self.domains[domain].queue.append(request)
                self.coming.remove((at, request, domain))
        work = [(k, *self._plan(k, now)) for k in self.groups[name]]
        longest = max((took for _k, _kind, _who, took in work), default=0.0)
        if longest == 0:
            raise AssertionError("a round in which nothing happens")
        between = self.service.between.get(self.service.domains[self.groups[name][0]].step, 0.0)
        self.steps += 1
        for k, kind, who, took in work:
            if who:
                rest = self.service.domains[k].rests[kind == "decode"]
                told = Round(self.steps, k, now, now + took, rest, kind == "prefill", tuple(who))
                self.told.rounds.append(told)
            end = now + (took if self.service.own_ends else longest)
            self._done(k, kind, who, end)
        self.free[name] = now + longest + between

    def _plan(self, k: int, now: float) -> tuple[str, list[int], float]:
        state, domain = self.domains[k], self.service.domains[k]
        pace, plan = self.service.paces[domain.work], self.service.scheduling[domain.work]
        admitted: list[int] = []
        while state.queue and not state.away:
            if domain.work != "decode" and len(admitted) >= plan.most_prefills:
                break
            if not self._fits(k, state.queue[0], admitted):
                break
            tokens = sum(int(self.load.prompt[r]) for r in [*admitted, state.queue[0]])
            if admitted and domain.work != "decode" and tokens > plan.most_tokens:
                break
            admitted.append(state.queue.pop(0))
            self.told.taken.setdefault(admitted[-1], now)
            if domain.work == "decode":
                state.running.append(admitted.pop())
        if admitted:
            prompt = sum(max(int(self.load.prompt[r]), 1) for r in admitted)
            forward = pace.prefill + pace.token * prompt + pace.sequence * len(admitted)
            return "prefill", admitted, domain.factor * forward + domain.rests[0]
        self._swap(k)
        if not state.running:
            return "idle", [], 0.0
        forward = pace.decode + pace.request * len(state.running)
        return "decode", list(state.running), domain.factor * forward + domain.rests[1]

    def _blocks(self, k: int, request: int, ahead: int) -> int:
        block = self.service.scheduling[self.service.domains[k].work].block
        done = int(self.load.rounds[request]) - self.left[request]
        return -(-(int(self.load.context[request]) + done + ahead) // block)

    def _pool(self, k: int) -> float:
        domain = self.service.domains[k]
        block = self.service.scheduling[domain.work].block
        return domain.kv_tokens // block if block and domain.kv_tokens < float("inf") else float("inf")

    def _fits(self, k: int, request: int, admitted: list[int]) -> bool:
        state = self.domains[k]
        count = len(state.running) + len(admitted)
        if count >= self.service.domains[k].most_running:
            return False
        if self._pool(k) == float("inf") or not count:
            return True
        held = sum(self._blocks(k, other, 1) for other in (*state.running, *admitted))
        return held + self._blocks(k, request, 1) <= self._pool(k)

    def _swap(self, k: int) -> None:
        state, pool = self.domains[k], self._pool(k)
        if pool == float("inf"):
            return
        room = self.service.domains[k].most_running - len(state.running)
        while state.away and room > 0:
            held = sum(self._blocks(k, other, 1) for other in state.running)
            if state.running and held + self._blocks(k, state.away[0], 1) + 2 > pool:
                break
            state.running.append(state.away.pop(0))
            room -= 1
        while len(state.running) > 1 and sum(self._blocks(k, r, 2) for r in state.running) > pool:
            state.away.append(state.running.pop())

    def _done(self, k: int, kind: str, who: list[int], end: float) -> None:
        state, over = self.domains[k], self.service.handoff
        for request in who:
            if kind == "prefill":
                self.told.first[request] = end
                then = int(self.load.then_domain[request])
                if self.left[request] <= 0:
                    self.told.end[request] = end
                elif then == k:
                    state.running.append(request)
                else:
                    pull = over.pull + over.token * int(self.load.context[request])
                    begin = end + over.wait
                    self.told.pulls[request] = (begin, begin + pull * over.factors.get(then, 1.0))
                    self.coming.append((self.told.pulls[request][1], request, then))
                continue
            self.left[request] -= 1
            if self.left[request] == 0:
                self.told.end[request] = end
                state.running.remove(request)


def arrays(told: Plain, count: int, answer: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return when each request was taken up, got its first token, and ended."""
    return (
        np.array([told.taken[k] for k in range(count)]),
        np.array([told.first[k] for k in range(count)]) + answer,
        np.array([told.end[k] for k in range(count)]) + answer,
    )
