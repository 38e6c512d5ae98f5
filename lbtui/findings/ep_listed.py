"""Which hot experts are listed: the five that cost most, and under them how many more there are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lbtui.findings.ep_experts import HotExpert, joint_waste
from lbtui.findings.ep_heat import ExpertHeat
from lbtui.findings.ep_ranks import subject_of
from lbtui.findings.evidence import Evidence
from lbtui.findings.model import SEVERITIES, Cost, Finding
from lbtui.text import _, in_percent
from lbtui.thresholds import Thresholds

MOST_LISTED = 5
_UNIT = _("share of expert compute")


@dataclass(frozen=True)
class Found:
    """The hot experts of one instance."""

    heat: ExpertHeat
    experts: tuple[HotExpert, ...]


def listed(evidence: Evidence, limits: Thresholds, found: Sequence[Found]) -> dict[str, list[Finding]]:
    """Return by instance the findings on experts to be listed, the most costly first, then the rest as one.

    At most `MOST_LISTED` over all instances, and none that costs less than `ep_cost_listed`.
    """
    all_of_them = [expert for each in found for expert in each.experts]
    costly = [expert for expert in all_of_them if expert.share >= limits.ep_cost_listed]
    costly.sort(key=lambda expert: (SEVERITIES.index(expert.finding.severity), -expert.share))
    chosen = {id(expert) for expert in costly[:MOST_LISTED]}
    findings = {}
    for each in found:
        own = sorted((e for e in each.experts if id(e) in chosen), key=costly.index)
        rest = [e for e in each.experts if id(e) not in chosen]
        findings[each.heat.instance] = [
            *(expert.finding for expert in own),
            *([_rest(evidence, limits, each.heat, rest)] if rest else []),
        ]
    return findings


def _rest(evidence: Evidence, limits: Thresholds, heat: ExpertHeat, rest: Sequence[HotExpert]) -> Finding:
    """Return one finding in place of those that are not listed; a remark where none of them costs much."""
    most = max(rest, key=lambda expert: expert.finding.value).finding
    costly = [e.finding.severity for e in rest if e.share >= limits.ep_cost_listed]
    waste = joint_waste(heat, [cell for expert in rest for cell in expert.cells])
    return Finding(
        id="ep.expert.more",
        severity=min(costly, key=SEVERITIES.index, default="info"),
        subject=subject_of(heat),
        metric=_("hot experts that are not listed, one in several layers counted once for each"),
        value=float(len(rest)),
        threshold=1.0,
        cost=_cost(limits, waste),
        message=_(
            "{count} more{of_instance} are hot, up to {ratio:.1f}× their layer's mean; none of them costs "
            "more than {share} of expert compute."
        ).format(
            count=len(rest),
            of_instance=heat.of_instance,
            ratio=most.value,
            share=in_percent(max(limits.ep_cost_listed, *(expert.share for expert in rest)), 2),
        ),
        advice=_("See them in the map of experts; balance the layer as a whole rather than each of them."),
        evidence=_("{file}: all layers and periods").format(file=evidence.file("expert_heat")),
        excess=max(expert.finding.excess for expert in rest),
    )


def _cost(limits: Thresholds, waste: float) -> Cost:
    if waste < limits.ep_cost_listed:
        return Cost(None, _UNIT, _("next to nobody waits for them: other experts' ranks are fuller"))
    return Cost(
        waste,
        _UNIT,
        _(
            "{waste} of the ranks' expert time is waiting for them together (mean over layers of what "
            "max − mean falls by with all of them at the mean, / max)"
        ).format(waste=in_percent(waste, 2)),
        waste,
        of="experts",
    )
