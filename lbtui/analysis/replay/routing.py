"""Who gets a request: the policies of routing that are replayed, each as real dispatchers have it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, TypeAlias, get_args

import numpy as np

from lbtui.analysis.replay.engine import Replay, Router
from lbtui.analysis.replay.model import Floats, Ints, Load, Service
from lbtui.text import _

Policy: TypeAlias = Literal[
    "recorded",
    "round_robin",
    "least_requests",
    "least_tokens",
    "least_kv",
    "two_choices",
    "sticky",
    "share",
]
POLICIES: tuple[Policy, ...] = get_args(Policy)
POLICY_LABELS: dict[Policy, str] = {
    "recorded": _("as recorded"),
    "round_robin": _("round robin"),
    "least_requests": _("least requests"),
    "least_tokens": _("least tokens"),
    "least_kv": _("least KV use"),
    "two_choices": _("two random choices"),
    "sticky": _("session-sticky"),
    "share": _("fixed share"),
}
# vLLM's score of a DP engine (v1/engine/core_client.py: get_core_engine_for_request).
WAITING_WEIGHT = 4
# Sessions are not recorded: so many a domain, some busier than others, by Zipf's law.
SESSIONS, ZIPF = 32, 0.7
Pick: TypeAlias = Callable[[Replay, int, float], int]


def router(
    policy: Policy, service: Service, load: Load, seed: int = 0, shares: Sequence[float] | None = None
) -> Router:
    """Return what routes the requests of `load` by `policy`.

    Where prefill and decode have domains of their own, it chooses one of each. `shares` are of the domains
    that decode (fixed share; without: as recorded).
    """
    then = load.then_domain.tolist()
    first = load.first_domain.tolist()
    if policy == "recorded":
        return lambda _replay, request, _now: (first[request], then[request])
    domains = service.of("decode")
    pick = picker(policy, domains, load, seed, shares)
    if service.disaggregated:
        lead = picker(policy, service.of("prefill"), load, seed + 1)
        return lambda replay, request, now: (lead(replay, request, now), pick(replay, request, now))

    def route(replay: Replay, request: int, now: float) -> tuple[int, int]:
        chosen = pick(replay, request, now)
        return chosen, chosen

    return route


def picker(
    policy: Policy, domains: Sequence[int], load: Load, seed: int = 0, shares: Sequence[float] | None = None
) -> Pick:
    """Return what picks one of `domains` by a policy that is not the recorded assignment."""
    generator = np.random.default_rng([seed, 17])
    count, requests = len(domains), len(load)
    if policy == "round_robin":
        return lambda _replay, request, _now: domains[request % count]
    if policy == "share":
        return _fixed(generator.choice(count, requests, p=_shares(domains, load, shares)), domains)
    if policy == "sticky":
        return _fixed(_sessions(count, requests, generator), domains)
    if policy == "two_choices":
        return _of_two(domains, requests, generator)
    measure = _MEASURES[policy]

    def least(replay: Replay, request: int, now: float) -> int:
        values = [measure(replay, domain, now) for domain in domains]
        least_value = min(values)
        # Ties go round: the search begins at another domain each time.
        begin = request % count
        place = values.index(least_value, begin if least_value in values[begin:] else 0)
        return domains[place]

    return least


def _of_two(domains: Sequence[int], requests: int, generator: np.random.Generator) -> Pick:
    count = len(domains)
    one: list[int] = generator.integers(0, count, requests).tolist()
    other: list[int] = generator.integers(1, max(count, 2), requests).tolist()

    def pick(replay: Replay, request: int, _now: float) -> int:
        first = domains[one[request]]
        second = domains[(one[request] + other[request]) % count]
        return second if _score(replay, second) < _score(replay, first) else first

    return pick


def _fixed(places: Ints, domains: Sequence[int]) -> Pick:
    chosen: list[int] = np.array(domains)[places].tolist()
    return lambda _replay, request, _now: chosen[request]


def _score(replay: Replay, domain: int) -> int:
    return WAITING_WEIGHT * replay.waiting[domain] + replay.running[domain]


_MEASURES: dict[Policy, Callable[[Replay, int, float], float]] = {
    "least_requests": lambda replay, domain, _now: _score(replay, domain),
    "least_tokens": lambda replay, domain, now: replay.held(domain, now),
    "least_kv": lambda replay, domain, now: replay.kv_use(domain, now),
}


def recorded_shares(domains: Sequence[int], load: Load) -> list[float]:
    """Return which share of the requests each of `domains` had in the recording."""
    counts = np.bincount(load.then_domain, minlength=max(domains) + 1)[list(domains)]
    if not counts.sum():
        counts = np.bincount(load.first_domain, minlength=max(domains) + 1)[list(domains)]
    shares: list[float] = (counts / max(counts.sum(), 1)).tolist()
    return shares


def _shares(domains: Sequence[int], load: Load, shares: Sequence[float] | None) -> Floats:
    given = np.array(recorded_shares(domains, load) if shares is None else shares, dtype=np.float64)
    total = given.sum()
    return given / total if total > 0 else np.full(len(domains), 1 / len(domains))


def _sessions(count: int, requests: int, generator: np.random.Generator) -> Ints:
    """Return the domain of each request where each session has one, by chance."""
    sessions = SESSIONS * count
    weights = 1 / np.arange(1, sessions + 1) ** ZIPF
    of = generator.choice(sessions, requests, p=weights / weights.sum())
    placed: Ints = generator.integers(0, count, sessions)[of]
    return placed
