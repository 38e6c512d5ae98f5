"""Findings on prefill/decode disaggregation: uneven nodes, the P:D ratio, slow KV pulls."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import numpy as np
import polars as pl

from lbtui.analysis.counts import binomial_tail, share_interval
from lbtui.analysis.prefill_decode import Node, NodeTable, node_table
from lbtui.findings.evidence import Evidence
from lbtui.findings.model import Cost, Finding
from lbtui.findings.pd_ratio import find_ratio
from lbtui.findings.thresholds import Thresholds
from lbtui.text import _, visible


def find_pd(evidence: Evidence, limits: Thresholds) -> Iterator[Finding]:
    """Yield the findings on P/D nodes, their ratio and the transfers between them."""
    nodes = evidence.frame("nodes")
    if not nodes.is_empty():
        table = node_table(nodes)
        for role in table.roles:
            yield from _node_skew(evidence, limits, table, role)
    yield from find_ratio(evidence, limits)
    yield from _slow_transfers(evidence, limits)


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
    return Finding(
        id="pd.node.skew",
        dimension="pd",
        severity="critical" if ratio >= 1.6 or (peers == 2 and share >= 0.7) else "warning",
        subject={"address": node.address, "role": node.role},
        window=None if whole else (table.times[bins[0]], table.times[bins[1] - 1] + step),
        metric="requests added / mean of the role",
        value=ratio,
        threshold=limits.pd_node_ratio,
        cost=Cost(
            extra,
            "requests",
            _("{extra:.0f} requests beyond an equal share had to be served here").format(extra=extra),
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


_FEWEST_PULLS = 5


def _slow_transfers(evidence: Evidence, limits: Thresholds) -> Iterator[Finding]:
    """A rank whose KV pulls take longer than those of the others, also per token where these are known.

    Chance: a sign test of its pulls against the median of the others', times the ranks looked at.
    """
    pulls = evidence.frame("transfers").drop_nulls(["rank", "duration"])
    ranks = pulls["rank"].unique().sort().to_list()
    if len(ranks) < 2:
        return
    for rank in ranks:
        own = pulls.filter(pl.col("rank") == rank)
        if own.height < _FEWEST_PULLS:
            continue
        others = pulls.filter(pl.col("rank") != rank)
        middle = _median(others["duration"])
        if middle <= 0:
            continue
        mine = _median(own["duration"])
        per_token = _median(own["duration"] / own["tokens"]) / (
            _median(others["duration"] / others["tokens"]) or 1.0
        )
        least = min(mine / middle, per_token or mine / middle)
        p = min(1.0, len(ranks) * binomial_tail(int((own["duration"] > middle).sum()), own.height, 0.5))
        if least < limits.pd_transfer_ratio or p > limits.p_value:
            continue
        yield Finding(
            id="pd.transfer.slow",
            dimension="pd",
            severity="critical" if mine / middle >= 3 else "warning",
            subject={"rank": int(rank), "role": "decode"},
            window=None,
            metric="median KV pull time / median of the other ranks",
            value=mine / middle,
            threshold=limits.pd_transfer_ratio,
            cost=Cost(
                mine - middle,
                "ms/request",
                _("{ms:.1f} ms longer for each of its {count} requests").format(
                    ms=mine - middle, count=own.height
                ),
                evidence.share_of_requests((mine - middle) / 1000 * own.height),
            ),
            message=_(
                "KV pulls of decode rank {rank} take {own:.1f} ms on the median, those of the others "
                "{others:.1f}."
            ).format(rank=rank, own=mine, others=middle),
            advice=_(
                "Check the link of this rank's host (RoCE/HCCS errors, hccn_tool, switch port) and which P "
                "node it pulls from; the load of the rank does not slow a pull."
            ),
            evidence=_("{file}: during_time of rank {rank}").format(
                file=evidence.file("transfers"), rank=rank
            ),
            excess=mine / middle / limits.pd_transfer_ratio,
            p_value=p,
        )


def _median(values: pl.Series) -> float:
    """Return the median of what is known and finite, 0 without."""
    known = values.drop_nulls()
    median = known.filter(known.is_finite()).median()
    return float(median) if isinstance(median, int | float) else 0.0
