"""The figures that support "no imbalance found"."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
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
from lbtui.profile import micros
from lbtui.text import _, in_percent, in_sentences, visible, with_comma
from lbtui.thresholds import Thresholds


@dataclass(frozen=True)
class Figure:
    """One figure with what it is to be read against, both as a sentence, and `short` in a few words.

    `low` and `high` are the range that evenness allows: for DP from 1 to the PAR that chance gives at this
    load, for a node's share its 95 % interval (which holds 1 / nodes), for EP from 1 to the limit of PAR.
    """

    dimension: Dimension
    subject: str
    value: float
    low: float
    high: float
    text: str
    short: str = ""
    agrees: bool = True  # whether evenness allows it; if not, `short` has the p of the test

    @staticmethod
    def telling(figures: Sequence[Figure]) -> Figure | None:
        """Return the figure to show where there is room for one: none that looks uneven without a test."""
        tested = [figure for figure in figures if figure.agrees or figure.dimension == "dp"]
        return next((figure for figure in tested if figure.agrees), tested[0] if tested else None)


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
        text = _(
            "{instance}: PAR of the batch size over {count} DP domains {value:.2f}; chance alone gives "
            "{chance:.2f} at this load."
        ).format(instance=visible(instance), count=len(domains), value=par.value, chance=par.chance)
        short = _("PAR {value:.2f}, chance {chance:.2f}").format(value=par.value, chance=par.chance)
        if par.value > par.chance:
            said, p = what_stands_out(evidence, limits, domains)
            text = in_sentences(text, said)
            short = with_comma(short, _("too little load for a test") if p is None else f"p = {p:.2g}")
        short = _("{figures} ({count} DP domains)").format(figures=short, count=len(domains))
        agrees = par.value <= par.chance
        yield Figure("dp", instance, par.value, 1.0, par.chance, text, short, agrees)


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
        words = (
            _(
                "{address}: {share} of {total} {role} requests (95 % interval {low}–{high}, "
                "expected by the config {equal})."
            )
            if share.node.role in configured
            else _(
                "{address}: {share} of {total} {role} requests (95 % interval {low}–{high}, "
                "an equal share is {equal})."
            )
        )
        said = {
            "address": visible(share.node.address),
            "share": in_percent(share.share),
            "total": total,
            "role": share.node.role,
            "low": in_percent(low),
            "high": in_percent(high),
            "equal": in_percent(share.expected),
        }
        short = _("{address} {share} of {total} {role} requests, {equal} expected")
        yield Figure(
            "pd",
            share.node.address,
            share.share,
            low,
            high,
            words.format(**said),
            short.format(**said),
            low <= share.expected <= high,
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
            _("PAR of the {what} over ranks {mean:.2f}, even up to {limit:.2f}").format(
                what=what, mean=mean, limit=limit
            ),
            mean <= limit,
        )
