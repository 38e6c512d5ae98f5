"""Findings on expert parallelism."""

from __future__ import annotations

from collections.abc import Iterator

from lbtui.findings.ep_experts import find_hot_experts, without_experts_hot_everywhere
from lbtui.findings.ep_heat import ExpertHeat, expert_heats
from lbtui.findings.ep_ranks import find_hot_ranks, find_ineffective, find_skew
from lbtui.findings.ep_slow import find_slow_ranks
from lbtui.findings.evidence import Evidence
from lbtui.findings.model import Finding
from lbtui.findings.thresholds import Thresholds


def find_ep(evidence: Evidence, limits: Thresholds) -> Iterator[Finding]:
    """Yield the findings on the experts of every instance."""
    for heat in expert_heats(evidence):
        yield from _experts_and_ranks(evidence, limits, heat)
        yield from find_skew(evidence, limits, heat)
        yield from find_ineffective(evidence, limits, heat)
        yield from find_slow_ranks(evidence, limits, heat)


def _experts_and_ranks(evidence: Evidence, limits: Thresholds, heat: ExpertHeat) -> Iterator[Finding]:
    """Yield hot experts and hot ranks; ranks hot only by experts hot in most layers are under these."""
    ranks = list(find_hot_ranks(evidence, limits, heat))
    experts = list(find_hot_experts(evidence, limits, heat))
    everywhere = [f for f in experts if "layer" not in f.subject]
    if everywhere:
        eased = without_experts_hot_everywhere(limits, heat)
        alone = {f.subject["rank"] for f in find_hot_ranks(evidence, limits, eased)}
        first = max(everywhere, key=lambda f: f.excess)
        following = tuple(f for f in ranks if f.subject["rank"] not in alone)
        experts[experts.index(first)] = first.explaining(following)
        ranks = [f for f in ranks if f.subject["rank"] in alone]
    yield from ranks
    yield from experts
