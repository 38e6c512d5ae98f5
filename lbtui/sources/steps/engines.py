"""Which DP domains are of one engine: only these share its load, and are compared.

Upstream names instances by host alone, so a service on hosts of plain names is one: its prefill and its
decode domains, and engines that have nothing to do with each other. An engine has one role, and every
dp_rank once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from lbtui.profile.roles import Role


class Placed(Protocol):
    """A DP domain with where it runs."""

    dp_rank: int | None
    hosts: set[str]

    @property
    def host(self) -> str:
        """The host of its first process."""

    @property
    def pid(self) -> int:
        """The pid of its first process."""


def engine_names(domains: Sequence[Placed], roles: Mapping[int, Role], instance: str) -> list[str]:
    """Return the name of the engine of each of the domains of an instance; `roles` by place among them.

    One engine keeps the instance's name. Several are named by their first host, and by role or first pid too
    where hosts are shared.
    """
    engines = [
        engine for role, part in _by_role(domains, roles).items() for engine in _by_rank(domains, part, role)
    ]
    if len(engines) == 1:
        return [instance] * len(domains)
    names = [""] * len(domains)
    for (_role, places), name in zip(engines, _names(domains, engines), strict=True):
        for place in places:
            names[place] = name
    return names


_Engine = tuple["Role | None", list[int]]


def _by_role(domains: Sequence[Placed], roles: Mapping[int, Role]) -> dict[Role | None, list[int]]:
    """Return the places of the domains by role; one without a role goes with all the others of its host."""
    if len(set(roles.values())) < 2:
        return {None: list(range(len(domains)))}
    on_host: dict[str, set[Role]] = {}
    for place, known in roles.items():
        on_host.setdefault(domains[place].host, set()).add(known)
    parts: dict[Role | None, list[int]] = {}
    for place, domain in enumerate(domains):
        near = on_host.get(domain.host, set())
        role = roles.get(place) or (next(iter(near)) if len(near) == 1 else None)
        parts.setdefault(role, []).append(place)
    return parts


def _by_rank(domains: Sequence[Placed], places: Sequence[int], role: Role | None) -> list[_Engine]:
    """Return the engines of domains of one role: in the order of hosts and pids, each rank once in one."""
    engines: list[_Engine] = []
    ranks: list[set[int]] = []
    for place in sorted(places, key=lambda p: (domains[p].host, domains[p].pid)):
        rank = domains[place].dp_rank
        at = next((n for n, taken in enumerate(ranks) if rank is None or rank not in taken), None)
        if at is None:
            at = len(engines)
            engines.append((role, []))
            ranks.append(set())
        engines[at][1].append(place)
        if rank is not None:
            ranks[at].add(rank)
    return engines


def _names(domains: Sequence[Placed], engines: Sequence[_Engine]) -> list[str]:
    hosts = [set().union(*(domains[place].hosts for place in places)) for _role, places in engines]
    found = []
    for number, (role, places) in enumerate(engines):
        first = min(domains[place].host for place in places)
        sharing = [n for n, of in enumerate(hosts) if n != number and of & hosts[number]]
        if not sharing:
            found.append(first)
        elif role is not None and all(engines[n][0] != role for n in sharing):
            found.append(f"{first} {role}")
        else:
            found.append(f"{first}:{min(domains[place].pid for place in places)}")
    return found
