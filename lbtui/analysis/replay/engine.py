"""A discrete-event replay: continuous batching of recorded requests on a fitted service.

Between two events (a request arrives, is prefilled, or ends; the KV pool is full) a domain's decode rounds
are alike, and are taken as one stretch: the work grows with the requests, not with their tokens. Domains that
step together share one clock, on which each step takes as long as the longest of theirs.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from heapq import heappop, heappush
from typing import TypeAlias

import numpy as np

from lbtui.analysis.imbalance import normal_maximum
from lbtui.analysis.replay.kv_pool import KvPool
from lbtui.analysis.replay.model import Load, Outcome, Scheduling, Service

# What picks the domains that prefill and decode request `place` when it arrives, ms.
Router: TypeAlias = Callable[["Replay", int, float], tuple[int, int]]
_NEVER = 1 << 60  # rounds
_NOISE, _NOISE_APART = 1 << 14, 2741  # residuals drawn at once; where those of the next group begin
_STRETCH = 32  # rounds after which the growth of contexts is looked at
_ASK_EVERY = 4096  # events
_HAND_OVER = -1


class Replay:
    """One replay. What routers may look at: `waiting`, `running`, `held`, `kv_use`; all by domain."""

    def __init__(self, load: Load, service: Service, seed: int = 0, pace: float = 1.0) -> None:
        self._service = service
        count, domains = len(load), service.domains
        self.size = len(domains)
        self._arrival = (load.arrival + service.delay).tolist()
        self._prompt, self._context = load.prompt.tolist(), load.context.tolist()
        self._rounds = load.rounds.tolist()
        self._taken, self._first, self._end = ([math.nan] * count for _ in range(3))
        self._where = [0] * count
        self._then = [0] * count
        each = range(self.size)
        # Requests of a domain, and how many: assigned and not yet taken up; decoding, or being prefilled.
        self._queue: list[deque[int]] = [deque() for _ in each]
        self.waiting, self.running = [0] * self.size, [0] * self.size
        self._decoding: list[list[tuple[int, int]]] = [
            [] for _ in each
        ]  # heaps of (own round of its end, request)
        self._order: list[dict[int, int]] = [{} for _ in each]  # request → own round of its end, by admission
        self._away: list[deque[tuple[int, int]]] = [deque() for _ in each]  # swapped out, with rounds left
        self._prefills: list[list[int]] = [[] for _ in each]
        self._chunks: list[deque[list[int]]] = [deque() for _ in each]  # [request, prompt tokens left]
        self._lag = [0] * self.size  # rounds of the group that the domain did not decode in
        self._tokens = [0.0] * self.size  # in the KV cache, as of `_counted` own rounds
        self._counted = [0] * self.size
        self._waiting_tokens = [0] * self.size
        # Groups of domains that step together.
        self._group = _groups(service)
        groups = max(self._group) + 1 if domains else 0
        self._members = [[d for d in each if self._group[d] == g] for g in range(groups)]
        self._place = [self._members[self._group[d]].index(d) for d in each]
        self._durations = [[0.0] * len(members) for members in self._members]
        self._dues = [[_NEVER] * len(members) for members in self._members]
        self._round, self._planned = [0] * groups, [0] * groups
        self._since, self._step = [0.0] * groups, [0.0] * groups
        self._longest = [1.0] * groups  # of the domains' rounds, without what lies between steps
        self._version = [0] * groups
        self._touched: list[set[int]] = [set() for _ in range(groups)]
        self._idle = [True] * groups
        self._heap: list[tuple[float, int, int, int]] = []
        # Per domain: what its rounds take.
        self._paces = [service.paces[domain.work] for domain in domains]
        self._plans = [service.scheduling[domain.work] for domain in domains]
        self._factors = [domain.factor * pace for domain in domains]
        self._rests = [domain.rests for domain in domains]
        self._most = [domain.most_running for domain in domains]
        self._pools = [self._pool(domain.kv_tokens, service.scheduling[domain.work]) for domain in domains]
        self._half = [plan.block / 2 for plan in self._plans]  # what is unused of a last block, on average
        self._between = [service.between.get(domains[members[0]].step, 0.0) for members in self._members]
        self._own_ends = service.own_ends
        self._spread = [self._paces[members[0]].spread for members in self._members]
        self._maxima = [normal_maximum(n) if n > 1 else 0.0 for n in range(self.size + 1)]
        generator = np.random.default_rng(seed)
        self._noise = generator.standard_normal(_NOISE).tolist()
        # Each group has residuals of its own: what one does draws nothing from another's.
        self._drawn = [group * _NOISE_APART % _NOISE for group in range(groups)]

    def _pool(self, tokens: float, plan: Scheduling) -> KvPool | None:
        if tokens == math.inf or not plan.block:
            return None
        return KvPool(int(tokens) // plan.block, plan.block, self._context, self._rounds)

    # What routers look at

    def held(self, domain: int, now: float) -> float:
        """Return the tokens of a domain's requests: prompts, and what they have generated."""
        return self._waiting_tokens[domain] + self._cached(domain, now)

    def kv_use(self, domain: int, now: float) -> float:
        """Return the share of a domain's KV pool in use; of one without a known pool the tokens."""
        tokens, pool = self._cached(domain, now), self._pools[domain]
        return tokens if pool is None else tokens / (pool.blocks * pool.block)

    def _cached(self, domain: int, now: float) -> float:
        group = self._group[domain]
        done = self._round[group] - self._lag[domain] - self._counted[domain]
        if not self._idle[group] and self._step[group] > 0 and not self._prefills[domain]:
            done += int((now - self._since[group]) / self._step[group])
        return self._tokens[domain] + done * len(self._order[domain])

    # The clock

    def run(self, route: Router, stop: Callable[[], None] | None = None) -> Outcome:
        """Replay all requests; `stop` is called now and then, and may raise to cancel."""
        arrivals, heap = self._arrival, self._heap
        count, place, events = len(arrivals), 0, 0
        while place < count or heap:
            if stop is not None and not events % _ASK_EVERY:
                stop()
            events += 1
            if heap and (place == count or heap[0][0] <= arrivals[place]):
                now, _order, group, version = heappop(heap)
                if group == _HAND_OVER:
                    self._enter(version, self._then[version], now)
                elif version == self._version[group]:
                    self._boundary(group, now)
                continue
            now = arrivals[place]
            first, self._then[place] = route(self, place, now)
            self._where[place] = self._then[place]
            if first != self._then[place]:
                self.waiting[self._then[place]] += 1
                self._waiting_tokens[self._then[place]] += self._context[place]
            self.waiting[first] += 1
            self._waiting_tokens[first] += self._context[place]
            self._enter(place, first, now)
            place += 1
        answer = self._service.answer
        return Outcome(
            np.array(self._taken),
            np.array(self._first) + answer,
            np.array(self._end) + answer,
            np.array(self._where, dtype=np.int64),
        )

    def _enter(self, request: int, domain: int, now: float) -> None:
        """Let a request wait at a domain, which looks at it when its present round is over."""
        self._queue[domain].append(request)
        group = self._group[domain]
        self._touched[group].add(domain)
        if self._idle[group]:
            self._since[group] = now
            self._decide(group, now)
        elif self.running[domain] < self._most[domain]:
            self._cut(group, now)

    def _cut(self, group: int, now: float) -> None:
        """End a stretch of rounds with the round that is under way."""
        rounds = int((now - self._since[group]) / self._step[group]) + 1
        if rounds < self._planned[group]:
            self._planned[group] = rounds
            self._push(group)

    def _push(self, group: int) -> None:
        self._version[group] += 1
        until = self._since[group] + self._planned[group] * self._step[group]
        heappush(self._heap, (until, 1, group, self._version[group]))

    def _boundary(self, group: int, now: float) -> None:
        """End a group's rounds, and begin the next."""
        self._round[group] += self._planned[group]
        self._since[group] = now
        self._decide(group, now)

    def _decide(self, group: int, now: float) -> None:
        """Settle all domains that something happens to, and plan the next rounds of the group."""
        members, durations, done = self._members[group], self._durations[group], self._round[group]
        spread = self._spread[group]
        if len(members) == 1:
            domain = members[0]
            self._settle(domain, now, done)
            longest, due = self._next(domain, now, done)
            durations[0] = longest
        else:
            longest, due = self._decide_common(group, now)
            if spread:
                near = longest * (1 - spread)
                longest *= 1 + spread * self._maxima[sum([each > near for each in durations])]
        self._idle[group] = longest <= 0
        if longest <= 0:
            return
        planned = max(1, due - done)
        drawn = self._drawn[group]
        noise = 1 + spread * self._noise[drawn] / math.sqrt(planned)
        self._drawn[group] = (drawn + 1) % _NOISE
        self._longest[group] = longest
        self._step[group] = longest * max(noise, 0.1) + self._between[group]
        self._planned[group] = planned
        self._push(group)

    def _decide_common(self, group: int, now: float) -> tuple[float, int]:
        """Return how long the next step of domains is that step together, and when to look at one again."""
        members, dues = self._members[group], self._dues[group]
        durations, done = self._durations[group], self._round[group]
        touched = self._touched[group]
        if min(dues) <= done:
            touched.update([member for member, due in zip(members, dues, strict=True) if due <= done])
        for domain in sorted(touched):
            place = self._place[domain]
            self._settle(domain, now, done)
            durations[place], dues[place] = self._next(domain, now, done)
        touched.clear()
        return max(durations), min(dues)

    # What happens in a domain

    def _settle(self, domain: int, now: float, done: int) -> None:
        """Count the rounds since the last look: who was prefilled, who ended."""
        batch, chunks, decoding = self._prefills[domain], self._chunks[domain], self._decoding[domain]
        if batch or chunks or (decoding and decoding[0][0] <= done - self._lag[domain]):
            now = self._own_end(domain, now)
        if batch:
            self._prefills[domain] = []
            self._lag[domain] += 1
            for request in batch:
                self._prefilled(request, domain, now, done)
        elif chunks:
            self._chunked(domain, now, done)
        own = done - self._lag[domain]
        order = self._order[domain]
        if not order:
            # Without requests no round is decoded.
            self._counted[domain] = own
            return
        self._tokens[domain] += (own - self._counted[domain]) * len(order)
        self._counted[domain] = own
        while decoding and decoding[0][0] <= own:
            due, request = heappop(decoding)
            if order.get(request) != due:
                continue  # swapped out since
            del order[request]
            self.running[domain] -= 1
            self._end[request] = now
            self._tokens[domain] -= self._context[request] + self._rounds[request] + self._half[domain]

    def _own_end(self, domain: int, now: float) -> float:
        """Return when a domain's last round was over, where it does not wait for the others in it."""
        group = self._group[domain]
        between = self._between[group]
        own = self._durations[group][self._place[domain]]
        if not self._own_ends or own <= 0:
            return now - between
        return now - between - (self._step[group] - between) * (1 - own / self._longest[group])

    def _prefilled(self, request: int, domain: int, now: float, done: int) -> None:
        """Give a request its first token, and let it decode, here or elsewhere."""
        self._first[request] = now
        rounds, then = self._rounds[request], self._then[request]
        if then != domain:
            self.running[domain] -= 1
            self._tokens[domain] -= self._context[request] + self._half[domain]
            if rounds <= 0:
                self._end[request] = now
                self.waiting[then] -= 1
                self._waiting_tokens[then] -= self._context[request]
                return
            over = self._service.handoff
            pull = (over.pull + over.token * self._context[request]) * over.factors.get(then, 1.0)
            heappush(self._heap, (now + over.wait + pull, 0, _HAND_OVER, request))
        elif rounds <= 0:
            self._end[request] = now
            self.running[domain] -= 1
            self._tokens[domain] -= self._context[request] + self._half[domain]
        else:
            self._join(request, domain, done - self._lag[domain] + rounds)

    def _join(self, request: int, domain: int, due: int) -> None:
        """Let a request decode until the domain's own round `due`; its tokens are counted already."""
        order = self._order[domain]
        own = due - self._rounds[request]
        if own > self._counted[domain]:
            self._tokens[domain] += (own - self._counted[domain]) * len(order)
            self._counted[domain] = own
        order[request] = due
        heappush(self._decoding[domain], (due, request))

    def _next(self, domain: int, now: float, done: int) -> tuple[float, int]:
        """Return how long the domain's next round takes (0: none), and in which it must be looked at."""
        queue, plan = self._queue[domain], self._plans[domain]
        pace, factor = self._paces[domain], self._factors[domain]
        decodes_only = self._service.domains[domain].work == "decode"
        if queue and not self._away[domain]:
            if decodes_only:
                self._take_over(domain, now, done)
            elif plan.mixed:
                self._take_chunks(domain, now)
            elif tokens := self._take(domain, now):
                forward = pace.prefill + pace.token * tokens + pace.sequence * len(self._prefills[domain])
                return factor * forward + self._rests[domain][0], done + 1
        away = len(self._away[domain])
        self._swap(domain, done)
        running, own = len(self._order[domain]), done - self._lag[domain]
        if chunks := self._chunks[domain]:
            room = max(1, plan.most_tokens - running)
            tokens = min(room, sum(left for _request, left in chunks))
            forward = pace.decode + pace.token * tokens + pace.request * running
            return factor * forward + self._rests[domain][0], done + 1
        if not running:
            return 0.0, _NEVER
        decoding, order = self._decoding[domain], self._order[domain]
        while order.get(decoding[0][1]) != decoding[0][0]:
            heappop(decoding)
        due = decoding[0][0]
        pool = self._pools[domain]
        if len(self._away[domain]) > away or (away and queue and not self._away[domain]):
            due = own + 1  # there is room for others now
        if pool is not None:
            tight = pool.tight(self._tokens[domain], running)
            due = min(due, own + (pool.lasts(order, own) if tight else pool.block // 4 + 1))
        forward = pace.decode + pace.request * running
        if pace.context:
            due = min(due, own + _STRETCH)
            forward += pace.context * (self._tokens[domain] + running * (due - own) / 2)
        return factor * forward + self._rests[domain][1], due + self._lag[domain]

    def _take(self, domain: int, now: float) -> int:
        """Take waiting requests into a prefill round; return the tokens that it computes, 0 if none fits."""
        queue, plan = self._queue[domain], self._plans[domain]
        batch, tokens = self._prefills[domain], 0
        while queue and len(batch) < plan.most_prefills and self._fits(domain, queue[0]):
            prompt = self._prompt[queue[0]]
            if batch and tokens + prompt > plan.most_tokens:
                break
            batch.append(self._admit(domain, now))
            tokens += max(prompt, 1)
        return tokens

    def _take_chunks(self, domain: int, now: float) -> None:
        queue = self._queue[domain]
        while queue and self._fits(domain, queue[0]):
            request = self._admit(domain, now)
            self._chunks[domain].append([request, max(self._prompt[request], 1)])

    def _chunked(self, domain: int, now: float, done: int) -> None:
        """Count the prompt tokens of a mixed round; who has all of them gets its first token."""
        chunks = self._chunks[domain]
        room = max(1, self._plans[domain].most_tokens - len(self._order[domain]))
        while chunks and room > 0:
            used = min(room, chunks[0][1])
            chunks[0][1] -= used
            room -= used
            if chunks[0][1] == 0:
                self._prefilled(chunks.popleft()[0], domain, now, done)

    def _take_over(self, domain: int, now: float, done: int) -> None:
        """Let requests that were prefilled elsewhere decode, as far as they fit."""
        queue = self._queue[domain]
        while queue and self._fits(domain, queue[0]):
            request = self._admit(domain, now)
            self._join(request, domain, done - self._lag[domain] + self._rounds[request])

    def _fits(self, domain: int, request: int) -> bool:
        if self.running[domain] >= self._most[domain]:
            return False
        pool, running = self._pools[domain], self.running[domain]
        # What is larger than the pool runs alone.
        if pool is None or not running:
            return True
        if not pool.tight(self._tokens[domain] + self._context[request], running + 1):
            return True
        held = pool.held(self._order[domain], self._counted[domain])
        held += pool.of_prompts(self._prefills[domain])
        held += pool.of_prompts(request for request, _left in self._chunks[domain])
        return held + pool.of_prompts((request,)) <= pool.blocks

    def _admit(self, domain: int, now: float) -> int:
        request = self._queue[domain].popleft()
        self.waiting[domain] -= 1
        self.running[domain] += 1
        self._waiting_tokens[domain] -= self._context[request]
        self._tokens[domain] += self._context[request] + self._half[domain]
        if math.isnan(self._taken[request]):
            self._taken[request] = now
        return request

    def _swap(self, domain: int, done: int) -> None:
        """Swap out the youngest while the pool is too small for the next round; swap in what fits again."""
        pool, away, order = self._pools[domain], self._away[domain], self._order[domain]
        if pool is None or (not away and not pool.tight(self._tokens[domain], len(order))):
            return
        own = done - self._lag[domain]
        before = set(order)
        room = self._most[domain] - self.running[domain]
        for request, due in pool.swap(order, away, own, room):
            heappush(self._decoding[domain], (due, request))
            self._hold(domain, request, due - own, 1)
        for request, left in away:
            if request in before:
                self._hold(domain, request, left, -1)

    def _hold(self, domain: int, request: int, left: int, sign: int) -> None:
        """Count a request that decodes with so many rounds `left`, or, `sign` −1, does no more."""
        tokens = self._context[request] + self._rounds[request] - left + self._half[domain]
        self._tokens[domain] += sign * tokens
        self.running[domain] += sign


def _groups(service: Service) -> list[int]:
    """Return the group of each domain: one for those of a role that step together, else one each."""
    found: list[int] = []
    numbers: dict[str, int] = {}
    count = 0
    for domain in service.domains:
        if domain.step:
            if domain.step not in numbers:
                numbers[domain.step] = count
                count += 1
            found.append(numbers[domain.step])
        else:
            found.append(count)
            count += 1
    return found
