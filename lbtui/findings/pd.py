"""Findings on prefill/decode disaggregation: nodes uneven or still, the P:D ratio, slow KV pulls."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import numpy as np

from lbtui.analysis.counts import binomial_tail, share_interval
from lbtui.analysis.prefill_decode import Node, NodeTable, node_table, stays_longer
from lbtui.findings.evidence import Evidence
from lbtui.findings.model import Cost, Finding
from lbtui.findings.pd_ratio import find_ratio
from lbtui.findings.pd_stalled import find_stalled
from lbtui.findings.pd_transfers import find_slow_transfers
from lbtui.findings.severity import severity_of
from lbtui.findings.thresholds import Thresholds
from lbtui.text import _, visible


def find_pd(evidence: Evidence, limits: Thresholds) -> Iterator[Finding]:
    """Yield the findings on P/D nodes, their ratio and the transfers between them."""
    nodes = evidence.frame("nodes")
    if not nodes.is_empty():
        table = node_table(nodes)
        for role in table.roles:
            yield from find_stalled(evidence, limits, table, role)
            yield from _node_skew(evidence, limits, table, role)
    yield from find_ratio(evidence, limits)
    yield from find_slow_transfers(evidence, limits)


def _node_skew(evidence: Evidence, limits: Thresholds, table: NodeTable, role: str) -> Iterator[Finding]:
    """A node that gets more than its role's equal share, over the run or over a half or third of it.

    Each request goes to one node, so its count is binomial; the chance is exact, times the nodes and
    windows looked at (Bonferroni).
    """
    columns = table.of_role(role)
    if len(columns) < 2:
        return
    added = np.nan_to_num(table.counts["added"])[:, columns]
    windows = _windows(len(table.times))
    looks = len(columns) * len(windows)
    for place, column in enumerate(columns):
        best: tuple[float, tuple[int, int], int, int] | None = None
        for first, last in windows:
            total = int(added[first:last].sum())
            own = int(added[first:last, place].sum())
            if not total:
                continue
            if own * len(columns) / total < limits.pd_node_ratio:
                continue
            p = min(1.0, looks * binomial_tail(own, total, 1 / len(columns)))
            if p > limits.p_value:
                continue
            if best is None or p < best[0]:
                best = (p, (first, last), own, total)
        if best is not None:
            yield _skewed_node(evidence, limits, table, table.nodes[column], len(columns), *best)


def _windows(bins: int) -> list[tuple[int, int]]:
    windows = {(0, bins)}
    for parts in (2, 3):
        width = bins // parts
        if width >= 3:
            windows |= {(first, first + width) for first in range(0, bins - width + 1, max(1, width // 2))}
    return sorted(windows)


def _skewed_node(
    evidence: Evidence,
    limits: Thresholds,
    table: NodeTable,
    node: Node,
    peers: int,
    p: float,
    bins: tuple[int, int],
    own: int,
    total: int,
) -> Finding:
    share = own / total
    low, high = share_interval(own, total)
    ratio = share * peers
    whole = bins == (0, len(table.times))
    step = timedelta(seconds=table.bin_seconds)
    extra = own - total / peers
    longer = stays_longer(table, table.nodes.index(node), *bins)
    cost_share = evidence.share_of_requests(longer) if longer > 0 else None
    return Finding(
        id="pd.node.skew",
        dimension="pd",
        severity=severity_of(cost_share, limits),
        subject={"address": node.address, "role": node.role},
        window=None if whole else (table.times[bins[0]], table.times[bins[1] - 1] + step),
        metric="requests added / mean of the role",
        value=ratio,
        threshold=limits.pd_node_ratio,
        cost=Cost(
            extra,
            "requests",
            _("{extra:.0f} requests beyond an equal share had to be served here").format(extra=extra)
            + (_("; its requests stay {s:.3g} s longer in all").format(s=longer) if cost_share else ""),
            cost_share,
        ),
        message=_(
            "{address} gets {own} of {total} {role} requests: {share:.0%} (95 % interval "
            "{low:.0%}–{high:.0%}), {ratio:.2f}× an equal share."
        ).format(
            address=visible(node.address),
            own=own,
            total=total,
            role=node.role,
            share=share,
            low=low,
            high=high,
            ratio=ratio,
        ),
        advice=_(
            "See how the coordinator chooses {role} nodes (its load balance policy and the nodes' weights), "
            "and whether the other nodes were up for the whole run."
        ).format(role=node.role),
        evidence=_("{file}: add_count of {address}").format(
            file=evidence.file("nodes"), address=visible(node.address)
        ),
        excess=ratio / limits.pd_node_ratio,
        p_value=p,
    )
