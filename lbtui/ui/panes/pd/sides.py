"""The P/D pane's two profiles: one scale for both, and their difference node by node and bin by bin."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from lbtui.analysis.node_difference import NodeDifference, subtracted
from lbtui.analysis.prefill_decode import COUNTS, Count, NodeTable, Spread
from lbtui.text import _
from lbtui.ui.kit.selection import Selection, Side
from lbtui.ui.kit.sides import left_out_words
from lbtui.ui.panes.pd.state import PdData, PdState


def sides(after: PdData, before: PdData | None) -> dict[Side, PdData]:
    """Return what is drawn of each side; after alone without a baseline."""
    if before is None:
        return {"after": after}
    difference = _difference(after, before)
    a, b = after.table, before.table
    if a is not None and b is not None:
        after = replace(after, table=replace(a, ceiling=_peaks(b)))
        before = replace(before, table=replace(b, ceiling=_peaks(a)))
    return {
        "after": replace(after, side="after"),
        "before": replace(before, side="before"),
        "difference": difference,
    }


def _peaks(table: NodeTable) -> dict[tuple[Count, str], float]:
    return {(count, role): table.peak(count, role) for count in COUNTS for role in table.roles}


def _difference(after: PdData, before: PdData) -> PdData:
    table, left_out = None, _("one of both profiles has no requests per node")
    if after.table is not None and before.table is not None:
        if after.table.bin_seconds != before.table.bin_seconds:
            left_out = _("bins of {before} s before and {after} s after cannot be subtracted").format(
                before=before.table.bin_seconds, after=after.table.bin_seconds
            )
        else:
            table, left_out = _minus(after.table, before.table)
    stages, pulls = _same(after.stages, before.stages), _same(after.pulls, before.pulls)
    return replace(
        after,
        table=table,
        stages=tuple(a for a, _b in stages),
        pulls=tuple(a for a, _b in pulls),
        side="difference",
        ways=(),
        before=replace(before, stages=tuple(b for _a, b in stages), pulls=tuple(b for _a, b in pulls)),
        left_out=left_out,
    )


def _same(after: Sequence[Spread], before: Sequence[Spread]) -> list[tuple[Spread, Spread]]:
    others = {spread.label: spread for spread in before}
    return [(spread, others[spread.label]) for spread in after if spread.label in others]


def _minus(after: NodeTable, before: NodeTable) -> tuple[NodeDifference | None, str]:
    """Return the difference, None where no node is in both, and what is left out of it."""
    found = subtracted(after, before)
    bins = min(len(after.times), len(before.times))
    named = [
        [*(_name(table, i) for i in nodes), *_later(len(table.times) - bins)]
        for table, nodes in ((after, found.only_after), (before, found.only_before))
    ]
    return found.table, left_out_words(*named)


def _name(table: NodeTable, node: int) -> str:
    return f"{table.nodes[node].role[:1].upper()} {table.hosts[node]}"


def _later(bins: int) -> list[str]:
    return [_("the last {bins} bins").format(bins=bins)] if bins > 0 else []


def shift(data: dict[Side, PdData], side: Side) -> int:
    """Return how many µs later the bins of a side begin than those of after."""
    after = data["after"].table
    own = data[side].table if side in data else None
    if side != "before" or after is None or own is None or not len(after.starts) or not len(own.starts):
        return 0
    return int(own.starts[0]) - int(after.starts[0])


def shifted(selection: Selection, by: int) -> Selection:
    """Return a selection in the times of after as one in the times of the side shown."""
    window = selection.window and (selection.window[0] + by, selection.window[1] + by)
    return replace(selection, window=window, time=None if selection.time is None else selection.time + by)


def switched(old: NodeTable | None, new: NodeTable, state: PdState) -> PdState:
    """Return the state on another side's table: the same bin from the start, the same node if it is there."""
    node = min(state.node, len(new.nodes) - 1)
    if old is not None and state.node < len(old.nodes) and old.nodes[state.node] in new.nodes:
        node = new.nodes.index(old.nodes[state.node])
    return replace(state, node=node, bin=min(state.bin, len(new.times) - 1))


def furthest(table: NodeTable, count: Count) -> list[tuple[int, int]]:
    """Return (bin, node) of the greatest difference of a count of each node, the greatest first."""
    cells = np.nan_to_num(np.abs(table.counts[count]))
    nodes = np.argsort(-cells.max(axis=0), kind="stable").tolist()
    return [(int(np.argmax(cells[:, node])), node) for node in nodes]
