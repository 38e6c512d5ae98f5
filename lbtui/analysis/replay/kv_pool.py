"""The KV pool of a domain, in blocks: what fits, who is swapped out, and when it will be full."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

_TIGHT = 0.7  # of the pool, by the most that requests can hold: from there on blocks are counted
_SPARE = 2  # blocks that a request must find free beside its own to be swapped in


@dataclass
class KvPool:
    """A pool of `blocks`, each of `block` tokens; `context` and `rounds` are of all requests.

    `order` has the decoding requests by admission, each with the domain's own round in which it ends; `own`
    is the round that is over. A request holds blocks for its context, the tokens decoded and the one to come.
    """

    blocks: int
    block: int
    context: Sequence[int]
    rounds: Sequence[int]

    def tight(self, tokens: float, running: int) -> bool:
        """Tell whether the pool may become full: `tokens` are held by `running` requests."""
        return tokens + running * self.block > _TIGHT * self.blocks * self.block

    def held(self, order: dict[int, int], own: int, ahead: int = 1) -> int:
        """Return the blocks that decoding requests hold; with `ahead` 2 those of the next round."""
        context, rounds, block = self.context, self.rounds, self.block
        return sum(
            -(-(context[request] + rounds[request] - due + own + ahead) // block)
            for request, due in order.items()
        )

    def of_prompts(self, requests: Iterable[int]) -> int:
        """Return the blocks that requests hold whose prompts are computed."""
        return sum(-(-(self.context[request] + 1) // self.block) for request in requests)

    def swap(
        self, order: dict[int, int], away: deque[tuple[int, int]], own: int, room: int
    ) -> list[tuple[int, int]]:
        """Swap out the youngest until the next round fits, or swap in what fits again; at most `room` more.

        `away` has those swapped out, with the rounds that each has left. Returns who came back: with its end.
        """
        back: list[tuple[int, int]] = []
        free = self.blocks - self.held(order, own)
        while away and len(back) < room:
            request, left = away[0]
            blocks = -(-(self.context[request] + self.rounds[request] - left + 1) // self.block)
            if order and blocks + _SPARE > free:
                break
            free -= blocks
            away.popleft()
            order[request] = own + left
            back.append((request, own + left))
        while len(order) > 1 and self.held(order, own, 2) > self.blocks:
            request, due = order.popitem()
            away.append((request, due - own))
        return back

    def lasts(self, order: dict[int, int], own: int) -> int:
        """Return for how many rounds the pool lasts at least."""
        free = self.blocks - self.held(order, own, 2)
        if free >= len(order):
            return self.block
        context, rounds, block = self.context, self.rounds, self.block
        until = sorted(
            block - (context[request] + rounds[request] - due + own + 1) % block
            for request, due in order.items()
        )
        return max(1, until[max(free, 0)])
