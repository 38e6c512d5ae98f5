"""Findings on expert parallelism."""

from __future__ import annotations

from collections.abc import Iterator

from lbtui.findings.ep_experts import find_hot_experts
from lbtui.findings.ep_heat import expert_heats
from lbtui.findings.ep_ranks import find_hot_ranks, find_ineffective, find_skew
from lbtui.findings.ep_slow import find_slow_ranks
from lbtui.findings.evidence import Evidence
from lbtui.findings.model import Finding
from lbtui.findings.thresholds import Thresholds


def find_ep(evidence: Evidence, limits: Thresholds) -> Iterator[Finding]:
    """Yield the findings on the experts of every instance."""
    for heat in expert_heats(evidence):
        yield from find_hot_ranks(evidence, limits, heat)
        yield from find_skew(evidence, limits, heat)
        yield from find_hot_experts(evidence, limits, heat)
        yield from find_ineffective(evidence, limits, heat)
        yield from find_slow_ranks(evidence, limits, heat)
