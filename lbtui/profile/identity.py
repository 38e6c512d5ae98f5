"""Who is who: hosts, processes, instances and DP domains."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

_NAMELESS = re.compile(r":(?P<pid>\d{1,18})/dp\?$")
_PROF_ID = re.compile(r"^ms_service_(?P<host>.+)-(?P<pid>\d+)$")


class Domain(NamedTuple):
    """One DP domain. `key` names it in every frame; `dp_rank` alone repeats between instances."""

    key: str
    instance: str
    host: str
    dp_rank: int | None

    @property
    def pid(self) -> int | None:
        """The process it is named by, where no rank is known and its host has several such domains."""
        match = _NAMELESS.search(self.key) if self.dp_rank is None else None
        return int(match["pid"]) if match else None

    @property
    def name(self) -> str:
        """The short name shown beside a lane."""
        if self.dp_rank is not None:
            return f"dp{self.dp_rank}"
        return "dp?" if self.pid is None else f"pid {self.pid}"


def host_and_pid(prof_id: str) -> tuple[str, int] | None:
    """Return the host and pid in a `prof_id` such as `ms_service_node-a-10041`, or None if it is not one."""
    match = _PROF_ID.match(prof_id)
    return (match["host"], int(match["pid"])) if match else None


def instance_names(hosts: Iterable[str]) -> dict[str, str]:
    """Return the instance of each host, by upstream's rule.

    The instance is the host's name without its last two `-` parts; if any host has fewer than three parts,
    all hosts are one instance named after the first. Hosts of the same name in another order give the
    same answer because the first is the smallest.
    """
    names = sorted(set(hosts))
    if any(name.count("-") < 2 for name in names):
        return dict.fromkeys(names, names[0])
    return {name: name.rsplit("-", 2)[0] for name in names}


def short_names(names: Iterable[str], *, lettered: bool = False) -> dict[str, str]:
    """Return hosts or instances without what all begin with, up to a `-`.

    `lettered` asks for names that begin with a letter: between numbers `node-0` must not be called 0.
    """
    known = set(names)
    if len(known) < 2:
        return {name: name for name in known}
    first, last = min(known), max(known)
    common = next((i for i, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), len(first))
    cut = first.rfind("-", 0, common) + 1
    while lettered and cut and not all(name[cut : cut + 1].isalpha() for name in known):
        cut = first.rfind("-", 0, cut - 1) + 1
    return {name: name[cut:] for name in known}
