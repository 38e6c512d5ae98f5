"""What the requests of a run attained of their targets, as plain data: for all, by place, length and time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import polars as pl

from lbtui.analysis.request_places import PLACE_COLUMNS
from lbtui.analysis.slo import (
    Attained,
    Stretch,
    Targets,
    attained,
    class_end,
    domains_of,
    input_classes,
    met,
    of_groups,
    over_time,
    seconds_of,
)
from lbtui.profile import Domain
from lbtui.profile.identity import short_names
from lbtui.text import _, visible

Kind: TypeAlias = Literal["domain", "prefill", "decode", "input"]
KINDS: tuple[Kind, ...] = ("domain", "prefill", "decode", "input")


@dataclass(frozen=True)
class Group:
    """The requests of one DP domain, P/D node or class of input lengths, by its `key`, and as it is shown."""

    kind: Kind
    key: str | int  # `Domain.key`, address, least number of tokens
    name: str
    attained: Attained


@dataclass(frozen=True)
class Slo:
    """What the run attained, each of its groups, and over time the requests by their end.

    A request counts in each DP domain that served it. `unplaced` says why no place is known, if that has a
    reason of its own.
    """

    targets: Targets
    run: Attained
    groups: tuple[Group, ...] = ()
    stretches: tuple[Stretch, ...] = ()
    unplaced: str = ""
    doubt: str = ""  # why a time that has a target may be off, a sentence

    def of(self, kind: Kind) -> tuple[Group, ...]:
        """Return the groups of a kind, in order."""
        return tuple(group for group in self.groups if group.kind == kind)


def slo_of(
    table: pl.DataFrame,
    targets: Targets,
    domains: Sequence[Domain],
    unplaced: str = "",
    seconds: float | None = None,
) -> Slo:
    """Return what the requests of a request table attained; by place where it has `PLACE_COLUMNS`.

    `seconds` are those that the run took, if the table does not hold all of its requests.
    """
    told, seconds = met(table, targets), seconds or seconds_of(table)
    names = domain_names(domains)
    groups = [
        Group(kind, key, group_name(kind, key, names), found)
        for kind in KINDS
        if (of := groups_of(table, kind)) is not None
        for key, found in of_groups(told, of, seconds).items()
    ]
    return Slo(targets, attained(told, seconds), tuple(groups), tuple(over_time(table, told)), unplaced)


def groups_of(table: pl.DataFrame, kind: Kind) -> pl.Series | None:
    """Return the group of each request, or the list of its groups; None where the table does not tell."""
    if kind == "input":
        return input_classes(table["input_tokens"])
    if PLACE_COLUMNS[0] not in table.columns:
        return None
    return domains_of(table) if kind == "domain" else table[f"{kind}_node"]


def group_name(kind: Kind, key: str | int, names: dict[str, str]) -> str:
    """Return what a group is called; `names` are those of `domain_names`."""
    if isinstance(key, int):
        return f"{key:,}–{class_end(key):,}"
    return visible(names.get(key, key) if kind == "domain" else key)


def domain_names(domains: Sequence[Domain]) -> dict[str, str]:
    """Return a name for each domain by its key: its own, behind instance or host if it repeats."""
    own = [domain.name for domain in domains]
    if len(set(own)) == len(own):
        return {domain.key: domain.name for domain in domains}
    short = short_names(domain.instance for domain in domains)
    longer = {domain.key: f"{short[domain.instance]}/{domain.name}" for domain in domains}
    if len(set(longer.values())) == len(longer):
        return longer
    short = short_names(domain.host for domain in domains)
    return {domain.key: f"{short[domain.host]}/{domain.name}" for domain in domains}


def kind_words(kind: Kind) -> str:
    """Return what the groups of a kind are, one of them."""
    return {
        "domain": _("DP domain"),
        "prefill": _("P node"),
        "decode": _("D node"),
        "input": _("input tokens"),
    }[kind]
