"""Which domain a simulated service sends a request to, told from the state at that moment.

A `Desk` is what a policy sees of a domain. A request waits from being sent until it is admitted, on a decode
domain while it is prefilled and pulled too; one that is swapped out is still admitted.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

WAITING_WEIGHT = 4  # of a waiting request, as vLLM's balancer of data parallel ranks weighs it


@dataclass
class Desk:
    """A domain as a policy sees it; `rank` is the simulator's, whose pool is asked for blocks."""

    rank: Any
    waiting: int = 0
    running: int = 0
    tokens: int = 0  # input and output so far of all that are sent here and have not ended

    @property
    def requests(self) -> float:
        return WAITING_WEIGHT * self.waiting + self.running

    @property
    def used(self) -> float:
        """Share of the KV blocks that are really allocated."""
        return float((self.rank.total - self.rank.free) / self.rank.total)


@dataclass(frozen=True)
class Sent:
    """What a policy may ask of a request: its client, and each desk's weight at the moment (sum 1)."""

    client: int
    weights: npt.NDArray[np.float64]


@dataclass
class Dispatch:
    """Chooses among the desks of one role; `seed` and `salt` give each role random numbers of its own."""

    policy: str
    desks: Sequence[Desk]
    seed: int
    salt: int = 0

    def __post_init__(self) -> None:
        self._random = np.random.default_rng([self.seed, self.salt, 1])
        self._homes: dict[int, int] = {}
        self._turn = -1

    def choose(self, sent: Sent) -> int:
        """Return the number of the desk that a request goes to."""
        self._turn = (self._turn + 1) % len(self.desks)
        return _POLICIES[self.policy](self, sent)

    def _in_turn(self, sent: Sent) -> int:
        return self._turn

    def _by_weight(self, sent: Sent) -> int:
        return int(self._random.choice(len(self.desks), p=sent.weights))

    def _home(self, sent: Sent) -> int:
        if sent.client not in self._homes:
            random = np.random.default_rng([self.seed, self.salt, sent.client])
            self._homes[sent.client] = int(random.integers(len(self.desks)))
        return self._homes[sent.client]

    def _two_choices(self, sent: Sent) -> int:
        if len(self.desks) < 2:
            return 0
        pair = [int(i) for i in self._random.choice(len(self.desks), 2, replace=False)]
        return min(pair, key=lambda i: self.desks[i].requests)

    def _least(self, load: Callable[[Desk], float]) -> int:
        """Return the least loaded, of equal ones the next in turn."""
        count = len(self.desks)
        return min(range(count), key=lambda i: (load(self.desks[i]), (i - self._turn) % count))

    def _least_requests(self, sent: Sent) -> int:
        return self._least(lambda desk: desk.requests)

    def _least_tokens(self, sent: Sent) -> int:
        return self._least(lambda desk: desk.tokens)

    def _least_kv(self, sent: Sent) -> int:
        return self._least(lambda desk: desk.used)


_POLICIES: Mapping[str, Callable[[Dispatch, Sent], int]] = {
    "rr": Dispatch._in_turn,
    "random": Dispatch._by_weight,  # by the weights that faults put in
    "least_requests": Dispatch._least_requests,
    "least_tokens": Dispatch._least_tokens,
    "least_kv": Dispatch._least_kv,
    "two_choices": Dispatch._two_choices,
    "sticky": Dispatch._home,
    "share": Dispatch._by_weight,  # by --share
}
NAMES = tuple(_POLICIES)
