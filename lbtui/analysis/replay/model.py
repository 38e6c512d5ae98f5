"""What is replayed: the load, and the service as it was fitted from its recording. Times are in ms."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Work: TypeAlias = Literal["both", "prefill", "decode"]
NO_LIMIT = 1 << 40


@dataclass(frozen=True)
class Load:
    """Requests in the order of their arrival, an entry each.

    `prompt` tokens are computed by its prefill (without what the prefix cache has), `context` tokens are
    then in the KV cache; `rounds` decode rounds follow the first token and bring `output` − 1 tokens.
    `first_domain` and `then_domain` are where it was prefilled and decoded (places in `Service.domains`; the
    same where a domain does both).
    """

    arrival: Floats
    prompt: Ints
    context: Ints
    rounds: Ints
    output: Ints
    first_domain: Ints
    then_domain: Ints

    def __len__(self) -> int:
        """Return how many requests there are."""
        return len(self.arrival)

    def part(self, chosen: slice) -> Load:
        """Return a stretch of the requests."""
        return Load(**{each.name: getattr(self, each.name)[chosen] for each in fields(self)})


@dataclass(frozen=True)
class Pace:
    """How long a forward pass takes: the base, and what tokens, requests and context add, ms.

    A prefill pass takes `prefill` + `token` × prompt tokens + `sequence` × requests, a decode pass `decode` +
    `request` × requests + `context` × tokens in their KV caches; a mixed one `decode` + both slopes. `spread`
    is the standard deviation of single passes about that, as a share; `error` that of the pace as a whole.
    """

    prefill: float = 0.0
    token: float = 0.0
    sequence: float = 0.0
    decode: float = 0.0
    request: float = 0.0
    context: float = 0.0
    spread: float = 0.0
    error: float = 0.0


@dataclass(frozen=True)
class ReplayDomain:
    """A DP domain: its forward passes take `factor` times the pace of its role.

    `rests` are ms of a prefill and of a decode round outside of the forward pass. Domains of one `step` begin
    each round at once; "" steps by itself. `most_running` requests and `kv_tokens` fit into it.
    """

    key: str
    node: str
    work: Work = "both"
    factor: float = 1.0
    rests: tuple[float, float] = (0.0, 0.0)
    step: str = ""
    most_running: int = NO_LIMIT
    kv_tokens: float = float("inf")


@dataclass(frozen=True)
class Scheduling:
    """How a scheduler makes batches: at most so many requests and prompt tokens in a prefill round.

    `mixed` rounds prefill and decode together, within `most_tokens`; else prefills go first.
    """

    mixed: bool = False
    most_prefills: int = NO_LIMIT
    most_tokens: int = NO_LIMIT
    block: int = 0  # tokens of a KV block; 0 where unknown


@dataclass(frozen=True)
class Handoff:
    """From the end of a prefill to where a decode domain can take the request up, ms: wait, then pull."""

    wait: float = 0.0
    pull: float = 0.0
    token: float = 0.0
    factors: dict[int, float] = field(default_factory=dict)  # of the pull, by decode domain


@dataclass(frozen=True)
class Service:
    """A recorded service.

    `between` is the time from the end of a common step to the begin of the next, by its name. Tokens are
    there when the domain's own round is over (`own_ends`), else when the common step is. `delay` goes from a
    request's arrival to where a scheduler can take it up, `answer` from the end of a round to its token.
    """

    domains: tuple[ReplayDomain, ...]
    paces: dict[Work, Pace]
    scheduling: dict[Work, Scheduling]
    between: dict[str, float] = field(default_factory=dict)
    own_ends: bool = True
    handoff: Handoff = field(default_factory=Handoff)
    delay: float = 0.0
    answer: float = 0.0

    @property
    def disaggregated(self) -> bool:
        """Whether prefill and decode have domains of their own."""
        return any(domain.work != "both" for domain in self.domains)

    def of(self, work: Work) -> tuple[int, ...]:
        """Return the places of the domains that do a work (by themselves or beside another)."""
        return tuple(k for k, domain in enumerate(self.domains) if domain.work in (work, "both"))


@dataclass(frozen=True)
class Outcome:
    """What a replay gave, an entry a request, ms: when it was taken up, got its first token and ended.

    Times count as `Load.arrival` does; `domain` is where it decoded.
    """

    taken: Floats
    first: Floats
    end: Floats
    domain: Ints
