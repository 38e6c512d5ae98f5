"""The figures that support "no imbalance found"."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from lbtui.analysis.counts import share_interval
from lbtui.analysis.imbalance import known_mean
from lbtui.analysis.lanes import lanes_par
from lbtui.analysis.prefill_decode import node_shares, node_table
from lbtui.findings.batch_skew import what_stands_out
from lbtui.findings.ep_heat import expert_heats
from lbtui.findings.evidence import Evidence
from lbtui.findings.model import Dimension
from lbtui.findings.thresholds import Thresholds
from lbtui.profile import micros
from lbtui.text import _, visible


@dataclass(frozen=True)
class Figure:
    """One figure with what it is to be read against, and both as a sentence.

    `low` and `high` are the range that evenness allows: for DP from 1 to the PAR that chance gives at this
    load, for a node's share its 95 % interval (which holds 1 / nodes), for EP from 1 to the limit of PAR.
    """

    dimension: Dimension
    subject: str
    value: float
    low: float
    high: float
    text: str


def supporting_figures(evidence: Evidence, limits: Thresholds) -> tuple[Figure, ...]:
    """Return the figures of every instance, role and expert group that has any, DP first."""
    return (*_domains(evidence, limits), *_nodes(evidence, limits), *_experts(evidence, limits.ep_par_mild))


def _domains(evidence: Evidence, limits: Thresholds) -> Iterator[Figure]:
    """Yield Σ max / Σ mean of the batch size, the same as on the Overview, beside what chance gives.

    Where it is above that, the test says why this is no finding.
    """
    for instance, domains in evidence.instances.items():
        window = evidence.window
        if len(domains) < 2 or window is None:
            continue
        lanes = evidence.lanes("batch_size", domains)
        shares = limits.expected.of_domains(domains)
        whole = micros(window[0]), micros(window[1])
        par = lanes_par(lanes, whole, idle_is_zero=True, counts=True, shares=shares)
        if np.isnan(par.value) or par.chance is None:
            continue
        yield Figure(
            "dp",
            instance,
            par.value,
            1.0,
            par.chance,
            _(
                "{instance}: PAR of the batch size over {count} DP domains {value:.2f}; chance alone gives "
                "{chance:.2f} at this load."
            ).format(instance=visible(instance), count=len(domains), value=par.value, chance=par.chance)
            + (" " + what_stands_out(evidence, limits, domains) if par.value > par.chance else ""),
        )


def _nodes(evidence: Evidence, limits: Thresholds) -> Iterator[Figure]:
    """Yield each node's share of its role's requests with Wilson's 95 % interval."""
    nodes = evidence.frame("nodes")
    if nodes.is_empty():
        return
    table = node_table(nodes, limits.expected)
    shares = node_shares(table)
    peers = Counter(share.node.role for share in shares)
    totals: Counter[str] = Counter()
    for share in shares:
        totals[share.node.role] += share.added
    configured = {role for role in table.roles if table.shares_of(role)}
    for share in shares:
        total = totals[share.node.role]
        if peers[share.node.role] < 2 or not total:
            continue
        low, high = share_interval(share.added, total)
        yield Figure(
            "pd",
            share.node.address,
            share.share,
            low,
            high,
            (
                _(
                    "{address}: {share:.0%} of {total} {role} requests (95 % interval {low:.0%}–{high:.0%}, "
                    "expected by the config {equal:.0%})."
                )
                if share.node.role in configured
                else _(
                    "{address}: {share:.0%} of {total} {role} requests (95 % interval {low:.0%}–{high:.0%}, "
                    "an equal share is {equal:.0%})."
                )
            ).format(
                address=visible(share.node.address),
                share=share.share,
                total=total,
                role=share.node.role,
                low=low,
                high=high,
                equal=share.expected,
            ),
        )


def _experts(evidence: Evidence, limit: float) -> Iterator[Figure]:
    """Yield the mean over layers and periods of PAR over ranks, with the worst layer's."""
    for heat in expert_heats(evidence):
        mean, worst = float(known_mean(heat.pars)), float(np.nanmax(heat.pars))
        what = _("GroupedMatmul time") if heat.by_time else _("expert load")
        yield Figure(
            "ep",
            heat.instance,
            mean,
            1.0,
            limit,
            _(
                "{instance}: PAR of the {what} over ranks {mean:.2f} on average of {layers}, {worst:.2f} "
                "in the worst; even up to {limit:.2f}."
            ).format(
                instance=visible(heat.instance) or "EP",
                what=what,
                mean=mean,
                layers=heat.layers,
                worst=worst,
                limit=limit,
            ),
        )
