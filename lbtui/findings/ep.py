"""Findings on expert parallelism."""

from __future__ import annotations

from collections.abc import Iterator

from lbtui.findings.ep_eplb import find_ineffective, find_worse
from lbtui.findings.ep_experts import find_hot_experts, without_experts_hot_everywhere
from lbtui.findings.ep_heat import ExpertHeat, expert_heats
from lbtui.findings.ep_listed import Found, listed
from lbtui.findings.ep_moves import find_moves
from lbtui.findings.ep_ranks import find_hot_ranks, find_skew
from lbtui.findings.ep_slow import find_slow_ranks
from lbtui.findings.ep_tables import tables_of
from lbtui.findings.evidence import Evidence
from lbtui.findings.model import Finding
from lbtui.thresholds import Thresholds


def find_ep(evidence: Evidence, limits: Thresholds) -> Iterator[Finding]:
    """Yield the findings on the experts of every instance; where several explain another, the first does."""
    heats = list(expert_heats(evidence))
    experts = listed(
        evidence, limits, [Found(heat, tuple(find_hot_experts(evidence, limits, heat))) for heat in heats]
    )
    for heat in heats:
        tables = list(_tables(evidence, limits, heat, len(heats)))
        yield from tables
        yield from _experts_and_ranks(evidence, limits, heat, experts[heat.instance])
        yield from find_skew(evidence, limits, heat)
        if not any(f.id == "ep.eplb.worse" for f in tables):
            yield from find_ineffective(evidence, limits, heat)
        yield from find_slow_ranks(evidence, limits, heat)


def _tables(evidence: Evidence, limits: Thresholds, heat: ExpertHeat, instances: int) -> Iterator[Finding]:
    """Yield that the heat moves between EPLB's periods, and that its tables made the ranks less even."""
    moves = list(find_moves(evidence, limits, heat, instances))
    worse = list(find_worse(evidence, limits, heat, instances))
    tables = tables_of(heat)
    if worse and not moves and tables is not None and tables.suit_first:
        # With the heat of the first period, which stays, the tables are even: something else grew.
        worse = []
    yield from moves
    yield from worse


def _experts_and_ranks(
    evidence: Evidence, limits: Thresholds, heat: ExpertHeat, experts: list[Finding]
) -> Iterator[Finding]:
    """Yield hot ranks and hot experts; ranks hot only by experts hot in most layers are under these."""
    ranks = list(find_hot_ranks(evidence, limits, heat))
    everywhere = [f for f in experts if f.id == "ep.expert.hot" and "layer" not in f.subject]
    if everywhere:
        eased = without_experts_hot_everywhere(limits, heat)
        alone = {f.subject["rank"] for f in find_hot_ranks(evidence, limits, eased)}
        first = max(everywhere, key=lambda f: f.excess)
        following = tuple(f for f in ranks if f.subject["rank"] not in alone)
        experts = [f.explaining(following) if f is first else f for f in experts]
        ranks = [f for f in ranks if f.subject["rank"] in alone]
    yield from ranks
    yield from experts
