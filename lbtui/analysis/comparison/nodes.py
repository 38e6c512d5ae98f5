"""P/D: how evenly requests reach the nodes of a role, and how long hand-offs and KV pulls take."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import polars as pl

from lbtui.analysis.comparison import metrics
from lbtui.analysis.comparison.measured import Measured, Source
from lbtui.analysis.comparison.requests import percentiles_of
from lbtui.analysis.comparison.series import Ratio, by_order, pieces, summed
from lbtui.analysis.prefill_decode import STAGES, NodeTable, node_table
from lbtui.text import _


def roles_of(source: Source) -> dict[str, Measured]:
    """Return how even the requests over the nodes of each role are."""
    frame = source.frames["nodes"]
    if frame.is_empty():
        return {}
    table = node_table(frame)
    return {role: _role(table, role) for role in table.roles}


def _role(table: NodeTable, role: str) -> Measured:
    added = np.nan_to_num(table.counts["added"][:, table.of_role(role)])
    if added.shape[1] < 2:
        return Measured(metrics.NODE_PAR, absent=_("one node, nothing to compare it with"))
    if not added.sum() > 0:
        return Measured(metrics.NODE_PAR, absent=_("no request reached a node of this role"))
    # The node that received most over the whole run, as the P/D pane counts it.
    fullest = int(np.argmax(added.sum(axis=0)))
    piece, count = by_order(len(added)), pieces(len(added))
    return Measured(
        metrics.NODE_PAR,
        Ratio(summed(piece, added[:, fullest], count), summed(piece, added.mean(axis=1), count)),
    )


def handoff_times(source: Source) -> Iterator[Measured]:
    """Yield the percentiles of each stage of the hand-offs, in the order of arrival."""
    handoffs = source.frames["handoffs"].sort("arrival", nulls_last=True)
    for label, begin, end in STAGES:
        took = handoffs.select((pl.col(end) - pl.col(begin)).dt.total_microseconds() / 1000).to_series()
        yield from percentiles_of(
            f"handoff.{begin}_to_{end}",
            _("hand-off {stage}").format(stage=label),
            took,
            _("no hand-off shows both ends of this stage"),
            "pd",
        )


def pull_times(source: Source) -> Iterator[Measured]:
    """Yield the percentiles of the time of a KV pull, in the order of their start."""
    yield from percentiles_of(
        "transfer",
        _("KV pull"),
        source.frames["transfers"].sort("start")["duration"],
        _("no KV pull is recorded"),
        "pd",
    )
