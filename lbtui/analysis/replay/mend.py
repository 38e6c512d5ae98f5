"""A service with the cause of a finding taken out."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

import numpy as np

from lbtui.analysis.replay.asked import Asked, Route, Run, as_recorded
from lbtui.analysis.replay.engine import Replay, Router
from lbtui.analysis.replay.model import Handoff, Load, ReplayDomain, Service
from lbtui.analysis.replay.routing import picker

# What can be taken out: slower passes, longer rests around them, slower pulls, a smaller pool, an uneven way
# of choosing who decodes (or does both), or who prefills.
Cause: TypeAlias = Literal["slow", "gap", "pulls", "pool", "dispatch", "dispatch_prefill"]

_SHOWN = 1.05  # × the others: from there on the fitted service has the cause in it
_SHOWN_MS = 0.5


@dataclass(frozen=True)
class Mend:
    """A cause and the domains (places in `Service.domains`) that have it."""

    cause: Cause
    domains: tuple[int, ...]


def mended(asked: Asked, mend: Mend) -> Run | None:
    """Return the replay without a cause; None where the fitted service does not show it."""
    service = asked.fitted.service
    if mend.cause in ("dispatch", "dispatch_prefill"):
        return asked.run(service, _even(mend.cause))
    other = without(service, mend)
    return None if other is None else asked.run(other, as_recorded)


def without(service: Service, mend: Mend) -> Service | None:
    """Return a service whose `mend.domains` are as the median of their peers; None where they are already.

    Peers do the same work. With a faster pass or a shorter rest only, never a slower one.
    """
    chosen = set(mend.domains)
    if mend.cause == "pulls":
        return _even_pulls(service, chosen)
    domains = list(service.domains)
    for place in sorted(chosen):
        own = domains[place]
        peers = [
            domain for k, domain in enumerate(service.domains) if k not in chosen and domain.work == own.work
        ]
        if peers:
            domains[place] = _like(own, peers, mend.cause)
    changed = tuple(domains)
    return None if changed == service.domains else replace(service, domains=changed)


def _like(own: ReplayDomain, peers: list[ReplayDomain], cause: Cause) -> ReplayDomain:
    if cause == "slow":
        usual = float(np.median([peer.factor for peer in peers]))
        return replace(own, factor=usual) if own.factor > _SHOWN * usual else own
    if cause == "gap":
        usual_rests = [float(np.median([peer.rests[k] for peer in peers])) for k in (0, 1)]
        least = [min(one, other) for one, other in zip(own.rests, usual_rests, strict=True)]
        longer = max(one - other for one, other in zip(own.rests, least, strict=True))
        return replace(own, rests=(least[0], least[1])) if longer > _SHOWN_MS else own
    usual_pool = float(np.median([peer.kv_tokens for peer in peers]))
    return replace(own, kv_tokens=usual_pool) if usual_pool > _SHOWN * own.kv_tokens else own


def _even_pulls(service: Service, chosen: Collection[int]) -> Service | None:
    over = service.handoff
    others = [factor for place, factor in over.factors.items() if place not in chosen]
    if not others:
        return None
    usual = float(np.median(others))
    factors = {
        place: usual if place in chosen and factor > _SHOWN * usual else factor
        for place, factor in over.factors.items()
    }
    if factors == over.factors:
        return None
    return replace(service, handoff=Handoff(over.wait, over.pull, over.token, factors))


def _even(cause: Cause) -> Route:
    """Return the recorded way of choosing, but for one that goes round."""

    def route(service: Service, load: Load, seed: int) -> Router:
        first, then = load.first_domain.tolist(), load.then_domain.tolist()
        apart = service.disaggregated
        turns = picker(
            "round_robin", service.of("prefill" if cause == "dispatch_prefill" else "decode"), load
        )

        def choose(replay: Replay, request: int, now: float) -> tuple[int, int]:
            chosen = turns(replay, request, now)
            if not apart:
                return chosen, chosen
            if cause == "dispatch_prefill":
                return chosen, then[request]
            return first[request], chosen

        return choose

    return route
