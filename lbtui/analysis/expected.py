"""Which part of the load each DP domain and P/D node is meant to carry."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from lbtui.analysis.imbalance import Floats
from lbtui.profile import Domain

# A share of the load of each lane, in any unit; empty where all are to carry the same.
Shares: TypeAlias = tuple[float, ...]
Entry: TypeAlias = tuple[str, float]  # what the config names, and its share


@dataclass(frozen=True)
class Expected:
    """The shares that the config names: 1 is what a domain or node without an entry is to carry.

    A DP domain is named as its lane is (`dp3`), which means all domains of that name, or with its instance or
    host before it (`node-a/dp3`), which goes before the name alone; a node by its address.
    """

    domains: tuple[Entry, ...] = ()
    nodes: tuple[Entry, ...] = ()

    @property
    def entries(self) -> tuple[Entry, ...]:
        """All names with their shares."""
        return (*self.domains, *self.nodes)

    def of_domains(self, domains: Sequence[Domain]) -> Shares:
        """Return the share of each of the domains, empty where all are the same."""
        return _told_apart([self.of_domain(domain) or 1.0 for domain in domains])

    def of_domain(self, domain: Domain) -> float | None:
        """Return the share that an entry gives a domain, None without one."""
        shares = dict(self.domains)
        return next((shares[name] for name in _names(domain) if name in shares), None)

    def of_nodes(self, addresses: Sequence[str]) -> Shares:
        """Return the share of each of the nodes of a role, empty where all are the same."""
        shares = dict(self.nodes)
        return _told_apart([shares.get(address, 1.0) for address in addresses])

    def unknown(self, domains: Sequence[Domain], addresses: Sequence[str]) -> tuple[Entry, ...]:
        """Return the entries that name none of the domains or nodes."""
        known = {name for domain in domains for name in _names(domain)}
        return (
            *(entry for entry in self.domains if entry[0] not in known),
            *(entry for entry in self.nodes if entry[0] not in addresses),
        )


def _names(domain: Domain) -> tuple[str, ...]:
    """Return the names of a domain in a config, the most precise first."""
    return (f"{domain.host}/{domain.name}", f"{domain.instance}/{domain.name}", domain.name)


def _told_apart(shares: list[float]) -> Shares:
    return tuple(shares) if len(set(shares)) > 1 else ()


def relative(shares: Shares, lanes: int) -> Floats:
    """Return the shares in multiples of their mean, [lane]; 1 each where all are the same."""
    return np.array(shares) / np.mean(shares) if shares else np.ones(lanes)


def expected_load(loads: Floats, lane: int, shares: Shares) -> Floats:
    """Return what `lane` is to carry beside the others, of `loads` [lane, …]: that of one lane.

    Its share × Σ of the others' loads / Σ of their shares; the mean of the others where all are the same.
    """
    others = np.delete(loads, lane, axis=0)
    if not shares:
        mean: Floats = others.mean(axis=0)
        return mean
    level: Floats = others.sum(axis=0) * expected_multiple(lane, shares) / len(others)
    return level


def expected_multiple(lane: int, shares: Shares) -> float:
    """Return what `lane` is to carry in multiples of the mean of the others; 1 where all are the same."""
    if not shares:
        return 1.0
    return shares[lane] * (len(shares) - 1) / (sum(shares) - shares[lane])


def expected_of(lanes: Sequence[int], shares: Shares) -> float | None:
    """Return what `lanes` are to carry on the mean × that of the others; None where all are the same."""
    if not shares:
        return None
    each = np.array(shares)
    return float(each[list(lanes)].mean() / np.delete(each, list(lanes)).mean())


def chance_of(lane: int, lanes: int, shares: Shares) -> float:
    """Return the probability of one request to be given to `lane` of so many by a random dispatch."""
    return shares[lane] / sum(shares) if shares else 1 / lanes
