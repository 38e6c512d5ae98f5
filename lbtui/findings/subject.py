"""How a finding names a DP domain."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from lbtui.analysis.apart import Apart
from lbtui.findings.evidence import Evidence
from lbtui.findings.model import SubjectValue
from lbtui.profile import Domain
from lbtui.text import _, in_list, visible, with_brackets


def subject_of(evidence: Evidence, domain: Domain) -> dict[str, SubjectValue]:
    """Return the keys that name a DP domain; its role where prefill and decode are apart."""
    subject: dict[str, SubjectValue] = {"instance": domain.instance, "host": domain.host}
    if domain.dp_rank is not None:
        subject["dp_rank"] = domain.dp_rank
    if domain.pid is not None:
        subject["pid"] = domain.pid
    if domain.key in evidence.roles:
        subject["role"] = evidence.roles[domain.key]
    return subject


def is_of(domain: Domain, subject: Mapping[str, SubjectValue]) -> bool:
    """Tell whether a subject names a DP domain: by itself, as one of several, or with all of its host."""
    which: tuple[tuple[str, int | None], ...] = (("dp_rank", domain.dp_rank), ("pid", domain.pid))
    for key, own in which:
        several = subject.get(f"{key}s")
        if (key in subject and subject[key] != own) or (isinstance(several, tuple) and own not in several):
            return False
    places = (("instance", domain.instance), ("host", domain.host))
    return all(subject.get(key, own) == own for key, own in places)


def subject_of_lanes(evidence: Evidence, domains: Sequence[Domain], apart: Apart) -> dict[str, SubjectValue]:
    """Return the keys that name a DP domain of `domains`, or the host of which all domains are apart."""
    first = domains[apart.lanes[0]]
    if apart.host is None:
        return subject_of(evidence, first)
    return {"instance": first.instance, "host": first.host}


def subject_of_group(
    evidence: Evidence, domains: Sequence[Domain], lanes: Sequence[int]
) -> dict[str, SubjectValue]:
    """Return the keys that name several of `domains`: their ranks (or pids), and the host or role of all."""
    own = [subject_of(evidence, domains[lane]) for lane in lanes]
    shared: dict[str, SubjectValue] = {
        key: own[0][key]
        for key in ("instance", "host", "role")
        if key in own[0] and all(subject.get(key) == own[0][key] for subject in own)
    }
    key = "dp_rank" if all("dp_rank" in subject for subject in own) else "pid"
    shared[f"{key}s"] = tuple(each for subject in own if isinstance(each := subject.get(key), int))
    return shared


def who_of_lanes(domains: Sequence[Domain], lanes: Sequence[int]) -> str:
    """Return the name of one of `domains`, or of several, with the host if they have one, for sentences."""
    own = [domains[lane] for lane in lanes]
    if len(own) == 1:
        return name_of(own[0])
    names, host = visible(ranges([domain.name for domain in own])), own[0].host
    if {domain.host for domain in own} != {host}:
        return names
    if sum(d.host == host for d in domains) > len(own):
        return with_brackets(names, visible(host))
    return _("Host {host} ({domains})").format(host=visible(host), domains=names)


def name_of(domain: Domain) -> str:
    """Return a domain's name with its host, for sentences."""
    return visible(with_brackets(domain.name, domain.host))


def ranges(names: Sequence[str]) -> str:
    """Return `dp0–dp3, dp6` for the names of lanes in order."""
    numbers = [int(name[2:]) if name[:2] == "dp" and name[2:].isdigit() else None for name in names]
    parts: list[list[int]] = []
    for place, number in enumerate(numbers):
        before = numbers[place - 1] if place else None
        if number is not None and before is not None and number == before + 1:
            parts[-1].append(place)
        else:
            parts.append([place])
    return in_list(
        f"{names[part[0]]}–{names[part[-1]]}" if len(part) > 2 else in_list(names[i] for i in part)
        for part in parts
    )
