"""Who is who: hosts, processes, instances and DP domains."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from typing import NamedTuple

from lbtui.text import _

# The instance of experts of which no file tells whose they are.
UNNAMED_EXPERTS: str = _("experts")

# From so many characters on a part that all names have in their middle is left out.
_LONG = 8
_NAMELESS = re.compile(r":(?P<pid>\d{1,18})/dp\?$")
_PROF_ID = re.compile(r"^(ms_service|ascend_service_profiler)_(?P<host>.+)-(?P<pid>\d+)$")


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
    """Return the host and pid in a `prof_id` such as `ms_service_node-a-10041`, or None if it is not one.

    The names of MSPTI's databases, `ascend_service_profiler_node-a-10041`, are understood too.
    """
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


def short_names(names: Iterable[str], *, lettered: bool = False, dotted: bool = False) -> dict[str, str]:
    """Return hosts or instances by what tells them apart.

    What all begin with, up to a `-`, is left out; so are the domain that all end in (from a `.` on, where
    it has letters) and long parts in their middle that all have, in whose place stands `…`. `lettered` asks
    for names that begin with a letter: between numbers `node-0` must not be called 0. `dotted` leaves out
    what all begin with up to a `.` too: of addresses behind a letter, the parts of their network.
    """
    known = set(names)
    if len(known) < 2:
        return {name: name for name in known}
    first, last = min(known), max(known)
    common = next((i for i, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), len(first))
    cut = _last_mark(first[:common], dotted)
    while lettered and cut and not all(name[cut : cut + 1].isalpha() for name in known):
        cut = _last_mark(first[: cut - 1], dotted)
    end = _common_domain(known)
    return _without_middle({name: name[cut : len(name) - end] for name in known})


def _last_mark(text: str, dotted: bool) -> int:
    """Return the place behind the last `-` of a text, or `.` if that parts names too; 0 without one."""
    return max(text.rfind("-"), text.rfind(".") if dotted else -1) + 1


def _common_domain(names: Collection[str]) -> int:
    """Return the length of the domain that all hosts end in; 0 where it has no letter, as of addresses."""
    ends = {name.partition(".")[2] for name in names}
    domain = ends.pop()
    return len(domain) + 1 if not ends and any(c.isalpha() for c in domain) else 0


def _without_middle(names: dict[str, str]) -> dict[str, str]:
    """Return the names without the longest run of `-` parts that all have at one place in their middle."""
    parts = {name: short.split("-") for name, short in names.items()}
    counts = {len(each) for each in parts.values()}
    if len(counts) > 1 or min(counts) < 3:
        return names
    columns = list(zip(*parts.values(), strict=True))
    runs = [
        (a, b)
        for a in range(1, len(columns) - 1)
        for b in range(a + 1, len(columns))
        if all(len(set(column)) == 1 for column in columns[a:b])
    ]
    a, b = max(runs, key=lambda run: len("-".join(c[0] for c in columns[run[0] : run[1]])), default=(0, 0))
    if len("-".join(column[0] for column in columns[a:b])) < _LONG:
        return names
    return {name: "-".join([*own[:a], "…", *own[b:]]) for name, own in parts.items()}
