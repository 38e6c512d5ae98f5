"""`dp.batch_size.skew` of several DP domains at once: together they carry more than the rest."""

from __future__ import annotations

from collections.abc import Sequence

from lbtui.analysis.groups import Group, find_group, measured_on
from lbtui.analysis.scan import RandomDispatch, RandomStays
from lbtui.findings.dispatch import dispatched
from lbtui.findings.evidence import Binned, Evidence
from lbtui.findings.model import SubjectValue
from lbtui.findings.subject import ranges, subject_of
from lbtui.findings.thresholds import Thresholds
from lbtui.profile import Domain
from lbtui.text import _, visible

# A group adds up what is left of its lanes' chance: how long that is remembered must be known well.
_STAYS = 10  # of a request, in the window


def find_group_skew(evidence: Evidence, limits: Thresholds, binned: Binned) -> Group | None:
    """Return the domains that carry more together, None if there are none.

    By what they hold, or by what they were sent (`find_batch_skew`), each at half the p-value; either way
    the effect is that on the batch size.
    """
    shares = limits.expected.of_domains(binned.domains)
    each = limits.p_value / 2
    stays = RandomStays.like(binned.loads, shares)
    found = find_group(binned.loads, stays, each)
    short = found is None or found.last - found.first < _STAYS * stays.stay_bins
    if found is None or short or not _is_large(limits, found):
        sent = dispatched(evidence, list(binned.domains), binned.edges)
        given = find_group(sent, RandomDispatch(shares), each)
        found = None if given is None else measured_on(given, binned.loads, shares)
    return found if found is not None and _is_large(limits, found) else None


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
