"""Findings on prefill/decode disaggregation: nodes uneven or still, the P:D ratio, slow KV pulls."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import NamedTuple

import numpy as np

from lbtui.analysis.counts import binomial_tail, share_interval
from lbtui.analysis.expected import chance_of, expected_multiple
from lbtui.analysis.prefill_decode import Node, NodeTable, node_table, stays_longer
from lbtui.findings.evidence import Evidence
from lbtui.findings.model import Cost, Finding
from lbtui.findings.pd_ratio import find_ratio
from lbtui.findings.pd_stalled import find_stalled
from lbtui.findings.pd_transfers import find_slow_transfers
from lbtui.findings.severity import severity_of
from lbtui.text import _, in_percent, visible
from lbtui.thresholds import Thresholds


def find_pd(evidence: Evidence, limits: Thresholds) -> Iterator[Finding]:
    """Yield the findings on P/D nodes, their ratio and the transfers between them."""
    nodes = evidence.frame("nodes")
    if not nodes.is_empty():
        table = node_table(nodes, limits.expected)
        for role in table.roles:
            yield from find_stalled(evidence, limits, table, role)
            yield from _node_skew(evidence, limits, table, role)
    yield from find_ratio(evidence, limits)
    yield from find_slow_transfers(evidence, limits)


def _node_skew(evidence: Evidence, limits: Thresholds, table: NodeTable, role: str) -> Iterator[Finding]:
    """A node that gets more than its equal, or expected, share, over the run or over a half or third of it.

    Each request goes to one node, so its count is binomial; the chance is exact, times the nodes and
    windows looked at (Bonferroni).
    """
    columns = table.of_role(role)
    if len(columns) < 2:
        return
    added = np.nan_to_num(table.counts["added"])[:, columns]
    shares = table.shares_of(role)
    windows = _windows(len(table.times))
    looks = len(columns) * len(windows)
    for place, column in enumerate(columns):
        share = chance_of(place, len(columns), shares)
        best: _Found | None = None
        for first, last in windows:
            total = int(added[first:last].sum())
            own = int(added[first:last, place].sum())
            if not total:
                continue
            if own / (share * total) < limits.pd_node_ratio:
                continue
            p = min(1.0, looks * binomial_tail(own, total, share))
            if p > limits.p_value:
                continue
            if best is None or p < best.p_value:
                multiple = expected_multiple(place, shares) if shares else None
                best = _Found(p, (first, last), own, total, share, multiple)
        if best is not None:
            yield _skewed_node(evidence, limits, table, table.nodes[column], best)


def _windows(bins: int) -> list[tuple[int, int]]:
    windows = {(0, bins)}
    for parts in (2, 3):
        width = bins // parts
        if width >= 3:
            windows |= {(first, first + width) for first in range(0, bins - width + 1, max(1, width // 2))}
    return sorted(windows)


class _Found(NamedTuple):
    """What a node got in bins [first, last), and what it is to get."""

    p_value: float
    bins: tuple[int, int]
    own: int
    total: int  # of its role
    share: float  # of it that it is to get
    multiple: float | None  # × the mean of its peers, where the config says so


def _skewed_node(
    evidence: Evidence, limits: Thresholds, table: NodeTable, node: Node, found: _Found
) -> Finding:
    p, bins, own, total, expected, multiple = found
    ratio = own / total / expected
    whole = bins == (0, len(table.times))
    step = timedelta(seconds=table.bin_seconds)
    extra = own - total * expected
    longer = stays_longer(table, table.nodes.index(node), *bins)
    cost_share = evidence.share_of_requests(longer) if longer > 0 else None
    return Finding(
        id="pd.node.skew",
        severity=severity_of(cost_share, limits),
        subject={"address": node.address, "role": node.role},
        window=None if whole else (table.times[bins[0]], table.times[bins[1] - 1] + step),
        metric=_("requests added / mean of the role")
        if multiple is None
        else _("requests added / its expected share"),
        over_expected=multiple is not None,
        value=ratio,
        threshold=limits.pd_node_ratio,
        cost=Cost(
            extra,
            _("requests"),
            (
                _("{extra:.0f} requests beyond an equal share had to be served here")
                if multiple is None
                else _("{extra:.0f} requests beyond its expected share had to be served here")
            ).format(extra=extra)
            + (_("; its requests stay {s:.3g} s longer in all").format(s=longer) if cost_share else ""),
            cost_share,
            of="requests",
        ),
        message=_skew_words(node, found),
        advice=_(
            "See how the coordinator chooses {role} nodes (its load balance policy and the nodes' weights), "
            "and whether the other nodes were up for the whole run."
        ).format(role=node.role),
        evidence=_("{file}: add_count of {address}").format(
            file=evidence.file("nodes"), address=visible(node.address)
        ),
        p_value=p,
        expected=multiple,
    )


def _skew_words(node: Node, found: _Found) -> str:
    low, high = share_interval(found.own, found.total)
    share = found.own / found.total
    text = (
        _(
            "{address} gets {own} of {total} {role} requests: {share} (95 % interval "
            "{low}–{high}), {ratio:.2f}× an equal share."
        )
        if found.multiple is None
        else _(
            "{address} gets {own} of {total} {role} requests: {share} (95 % interval "
            "{low}–{high}), {ratio:.2f}× its expected share: {multiple:.2f}× its peers' (config)."
        )
    )
    return text.format(
        multiple=found.multiple,
        address=visible(node.address),
        own=found.own,
        total=found.total,
        role=node.role,
        share=in_percent(share),
        low=in_percent(low),
        high=in_percent(high),
        ratio=share / found.share,
    )
