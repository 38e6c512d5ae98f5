"""How a finding names a DP domain."""

from __future__ import annotations

from collections.abc import Sequence

from lbtui.analysis.apart import Apart
from lbtui.findings.evidence import Evidence
from lbtui.findings.model import SubjectValue
from lbtui.profile import Domain
from lbtui.text import _, visible


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


def subject_of_lanes(evidence: Evidence, domains: Sequence[Domain], apart: Apart) -> dict[str, SubjectValue]:
    """Return the keys that name a DP domain of `domains`, or the host of which all domains are apart."""
    first = domains[apart.lanes[0]]
    if apart.host is None:
        return subject_of(evidence, first)
    return {"instance": first.instance, "host": first.host}


def who_of_lanes(domains: Sequence[Domain], apart: Apart) -> str:
    """Return the name of the domain or the host, for sentences."""
    first = domains[apart.lanes[0]]
    if apart.host is None:
        return name_of(first)
    names = ", ".join(domains[lane].name for lane in apart.lanes)
    return _("Host {host} ({domains})").format(host=visible(first.host), domains=visible(names))


def name_of(domain: Domain) -> str:
    """Return a domain's name with its host, for sentences."""
    return visible(f"{domain.name} ({domain.host})")
