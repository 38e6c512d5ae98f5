"""Where the time of one request went, told instant by instant: slow, and by plain loops over its rounds.

Written from the definitions, for rounds of a domain that follow each other, and clocks that agree.
"""

from __future__ import annotations

from collections import defaultdict
from itertools import pairwise

from lbtui.analysis.latency_parts import Lives, Rounds

Sums = dict[tuple[str, str | None], tuple[int, int]]  # (part, place): µs up to the first token, µs
_SLACK = 1000  # µs by which a pull may lie outside of the hand-off


class Round:
    """One round, as `Rounds` has it."""

    def __init__(self, rounds: Rounds, number: int) -> None:
        self.number = number
        self.domain = int(rounds.domain[number])
        self.place = rounds.places[self.domain]
        self.host = rounds.hosts[self.domain]
        self.takes_over = bool(rounds.decoders[self.domain])
        self.first, self.last = int(rounds.forward_start[number]), int(rounds.forward_end[number])
        # Where times are cut to ms a pass may end after its round.
        self.start, self.end = int(rounds.start[number]), max(int(rounds.end[number]), self.last)
        self.middle = (self.start + int(rounds.end[number])) // 2
        self.kind = int(rounds.prefills[number])
        self.lock = int(rounds.lock_end[number])
        self.waited = rounds.places[rounds.waited_for[number]] if self.lock != -1 else None
        self.inside, self.coupled = bool(rounds.waits_inside[number]), bool(rounds.coupled[number])

    @property
    def done(self) -> int:
        """When its domain no longer waits for others."""
        return self.end if self.lock == -1 or self.inside else max(self.end, self.lock)

    def label(self, time: int, compute: str) -> tuple[str, str | None]:
        """Return what an instant of the round, or of the wait after it, is."""
        if self.first <= time < self.last:
            return compute, self.place
        if self.inside and self.last <= time < self.lock:
            return "lockstep", self.waited
        if self.end <= time < self.done:
            return "lockstep", self.waited
        return "gaps", self.place


class Life:
    """One request: its rounds in their order, and the rounds of its domains."""

    def __init__(self, lives: Lives, rounds: Rounds, request: int, skewed: tuple[str, ...] = ()) -> None:
        self.begin, self.first, self.end = (
            int(values[request]) for values in (lives.begin, lives.first, lives.end)
        )
        own = lives.members.filter(request=request)["round"].to_list()
        self.rounds = sorted(
            (Round(rounds, number) for number in own), key=lambda one: (one.takes_over, one.start, one.number)
        )
        self.all = rounds
        self.skewed = skewed
        self._took = lives.taken.filter(request=request)["time"].to_list()
        pulls = lives.pulls.filter(request=request)
        self.pull = (min(pulls["start"]), max(pulls["end"])) if pulls.height else None
        self._absent = [self._between(at) for at in range(len(self.rounds) - 1)]

    def _between(self, at: int) -> list[Round]:
        """Return the rounds of its domain that it is not in, after its round `at` and before the next."""
        one, next_ = self.rounds[at : at + 2]
        if one.domain != next_.domain:
            return []
        return [Round(self.all, number) for number in range(one.number + 1, next_.number)]

    def taken(self, at: int) -> int:
        """Return when it was last taken up before its round `at`; else when that begins."""
        start = self.rounds[at].start
        return max((time for time in self._took if time <= start), default=start)

    def prefilled(self, at: int) -> bool:
        """Return whether it is prefilled in its round `at`."""
        one = self.rounds[at]
        return one.kind == 1 or (one.kind == -1 and (at == 0 or self.first >= one.middle))

    def label(self, time: int) -> tuple[str, str | None]:
        """Return the part and the place of an instant."""
        if not self.rounds or time >= self.rounds[-1].end:
            return "not_recorded", None
        if time < self.rounds[0].start:
            if not self.prefilled(0):
                return "not_recorded", None
            return ("prefill_wait" if time < self.taken(0) else "gaps"), self.rounds[0].place
        at = max(at for at, one in enumerate(self.rounds) if one.start <= time)
        own = self.rounds[at]
        if time < own.end:
            if own.coupled:
                return own.label(time, "compute_or_lockstep")
            return own.label(time, "prefill" if self.prefilled(at) else "decode")
        next_ = self.rounds[at + 1]
        if own.domain != next_.domain and self.prefilled(at + 1) and not next_.takes_over:
            return ("prefill_wait" if time < self.taken(at + 1) else "gaps"), next_.place
        if own.domain != next_.domain:
            return self._handed_over(time, own, next_), next_.place
        if time < own.done:
            return "lockstep", own.waited
        absent = self._absent[at]
        if any(one.kind != 1 for one in absent):
            return "preempted", own.place
        for one in absent:
            if one.start <= time < one.done:
                return one.label(time, "held_by_prefills")
        return "gaps", own.place

    def _handed_over(self, time: int, own: Round, next_: Round) -> str:
        if self.pull is None or {own.host, next_.host} & set(self.skewed):
            return "handoff"
        start, end = self.pull
        if start < own.end - _SLACK or end > next_.start + _SLACK:
            return "handoff"
        return "handoff_wait" if time < start else "pull" if time < end else "first_decode_wait"

    def sums(self) -> Sums:
        """Return the µs of each part and place."""
        edges = {self.begin, self.end, self.first, *(self.pull or ()), *self._took}
        for one in [*self.rounds, *(one for many in self._absent for one in many)]:
            edges |= {one.start, one.end, one.first, one.last, one.lock, one.done}
        inside = sorted({edge for edge in edges if self.begin <= edge <= self.end} | {self.begin, self.end})
        found: dict[tuple[str, str | None], list[int]] = defaultdict(lambda: [0, 0])
        for low, high in pairwise(inside):
            kept = found[self.label(low)]
            kept[0] += high - low if self.first != -1 and high <= self.first else 0
            kept[1] += high - low
        return {key: (before, total) for key, (before, total) in found.items()}
