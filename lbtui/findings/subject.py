"""How a finding names a DP domain."""

from __future__ import annotations

from lbtui.findings.evidence import Evidence
from lbtui.findings.model import SubjectValue
from lbtui.profile import Domain
from lbtui.text import visible


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


def name_of(domain: Domain) -> str:
    """Return a domain's name with its host, for sentences."""
    return visible(f"{domain.name} ({domain.host})")
