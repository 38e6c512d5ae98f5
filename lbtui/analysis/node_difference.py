"""Requests per P/D node of two profiles, subtracted node by node and bin by bin."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from lbtui.analysis.imbalance import Floats
from lbtui.analysis.prefill_decode import COUNTS, Count, NodeTable


@dataclass(frozen=True, eq=False)
class NodeDifference(NodeTable):
    """Counts of after − before, in the nodes and bins that both have, both from the start of their run.

    `times` are after's; `before` and `after` are the tables of the same nodes and bins.
    """

    before: NodeTable | None = None
    after: NodeTable | None = None

    @property
    def both(self) -> tuple[NodeTable, NodeTable]:
        """Before and after."""
        assert self.before is not None
        assert self.after is not None
        return self.before, self.after

    def peak(self, count: Count, role: str) -> float:
        """Return how far a count of a role lies from 0 at the most."""
        cells = np.abs(self.counts[count][:, self.of_role(role)])
        return float(np.nan_to_num(cells).max(initial=0.0))


@dataclass(frozen=True)
class Subtracted:
    """A difference, None where no node is in both; and the nodes that one table alone has."""

    table: NodeDifference | None
    only_after: tuple[int, ...]
    only_before: tuple[int, ...]


def subtracted(after: NodeTable, before: NodeTable) -> Subtracted:
    """Return after − before of the nodes and bins that both have, both from their first bin."""
    pairs = [pair for role in after.roles for pair in _paired(after, before, role)]
    here, there = [a for a, _b in pairs], [b for _a, b in pairs]
    only_after = tuple(i for i in range(len(after.nodes)) if i not in here)
    only_before = tuple(i for i in range(len(before.nodes)) if i not in there)
    if not pairs:
        return Subtracted(None, only_after, only_before)
    bins = min(len(after.times), len(before.times))
    ours, theirs = _part(after, here, bins), _part(before, there, bins)
    counts: dict[Count, Floats] = {count: ours.counts[count] - theirs.counts[count] for count in COUNTS}
    unknown = np.full(ours.written.shape, np.nan)
    table = NodeDifference(
        ours.nodes,
        ours.times,
        ours.starts,
        ours.bin_seconds,
        ours.even,
        counts,
        unknown,
        np.zeros(unknown.shape, dtype=np.bool_),
        before=theirs,
        after=ours,
    )
    return Subtracted(table, only_after, only_before)


def _paired(after: NodeTable, before: NodeTable, role: str) -> list[tuple[int, int]]:
    """Return which node after is which before: by address, or in their order where no address stayed.

    A restart in containers gives every node another address.
    """
    ours, theirs = after.of_role(role), before.of_role(role)
    place = {before.nodes[i].address: i for i in theirs}
    same = [(i, place[after.nodes[i].address]) for i in ours if after.nodes[i].address in place]
    if not same and len(ours) == len(theirs):
        return list(zip(ours, theirs, strict=True))
    return same


def _part(table: NodeTable, nodes: list[int], bins: int) -> NodeTable:
    return replace(
        table,
        nodes=tuple(table.nodes[i] for i in nodes),
        times=table.times[:bins],
        starts=table.starts[:bins],
        counts={count: cells[:bins, nodes] for count, cells in table.counts.items()},
        written=table.written[:bins, nodes],
        rebuilt=table.rebuilt[:bins, nodes],
    )
