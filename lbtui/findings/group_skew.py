"""`dp.batch_size.skew` of several DP domains at once: together they carry more than the rest."""

from __future__ import annotations

from collections.abc import Sequence

from lbtui.analysis.expected import relative
from lbtui.analysis.groups import Group, are_two, find_group, measured_on
from lbtui.analysis.scan import RandomDispatch
from lbtui.findings.dispatch import dispatched
from lbtui.findings.evidence import Binned, Evidence
from lbtui.findings.model import SubjectValue
from lbtui.findings.subject import ranges, subject_of
from lbtui.findings.thresholds import Thresholds
from lbtui.profile import Domain
from lbtui.text import _, visible

_LEAST_SHARE = 0.4  # of the run


def find_group_skew(evidence: Evidence, limits: Thresholds, binned: Binned) -> Group | None:
    """Return the domains to which more was sent together than a random dispatch would, None without any.

    The effect is that on the batch size, in which they are alike too, over much of the run. What they hold
    is no evidence by itself: slow domains hold requests longer, and long requests are remembered for long.
    """
    shares = limits.expected.of_domains(binned.domains)
    sent = dispatched(evidence, list(binned.domains), binned.edges)
    given = find_group(sent, RandomDispatch(shares), limits.p_value / 2)
    if given is None or given.last - given.first < _LEAST_SHARE * binned.loads.shape[1]:
        return None
    means = binned.loads[:, given.first : given.last].mean(axis=1)
    found = measured_on(given, binned.loads, shares)
    alike = are_two(means / relative(shares, len(means)), given.lanes)
    return found if alike and _is_large(limits, found) else None


def _is_large(limits: Thresholds, group: Group) -> bool:
    return group.ratio >= limits.dp_batch_ratio and group.own - group.others >= limits.dp_batch_excess


def subject_of_group(evidence: Evidence, domains: Sequence[Domain], group: Group) -> dict[str, SubjectValue]:
    """Return the keys that name the domains: their ranks (or pids), and the host or role that all have."""
    own = [subject_of(evidence, domains[lane]) for lane in group.lanes]
    shared: dict[str, SubjectValue] = {
        key: own[0][key]
        for key in ("instance", "host", "role")
        if key in own[0] and all(subject.get(key) == own[0][key] for subject in own)
    }
    ranks = [subject["dp_rank"] for subject in own if isinstance(subject.get("dp_rank"), int)]
    pids = [subject["pid"] for subject in own if isinstance(subject.get("pid"), int)]
    shared["dp_ranks" if len(ranks) == len(own) else "pids"] = tuple(
        int(str(each)) for each in (ranks if len(ranks) == len(own) else pids)
    )
    return shared


def who_of_group(domains: Sequence[Domain], group: Group) -> str:
    """Return the domains' names for sentences: the host if they are all of it, neighbours as a range."""
    own = [domains[lane] for lane in group.lanes]
    hosts = {domain.host for domain in own}
    names = ranges([domain.name for domain in own])
    if len(hosts) == 1 and sum(domain.host in hosts for domain in domains) == len(own):
        return _("Host {host} ({domains})").format(host=visible(own[0].host), domains=visible(names))
    return visible(names)


def is_member(group: Group, lane: int, window: tuple[int, int]) -> bool:
    """Tell whether what one lane carries more in a window is part of what the group does."""
    return lane in group.lanes and window[0] < group.last and group.first < window[1]
