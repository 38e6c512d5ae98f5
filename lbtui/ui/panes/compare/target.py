"""Where Enter on a compared row leads: a pane, what is selected there, and what it is to show."""

from __future__ import annotations

import math

from lbtui.comparison import Row
from lbtui.ui.kit.places import PANES, Target
from lbtui.ui.kit.selection import Aim, Side

# The DP pane's metric of a compared one, by the first part of its key.
_DP_METRICS = {
    "batch_size": "batch_size",
    "tokens": "tokens",
    "step_time": "duration",
    "waiting": "waiting",
    "usage": "kv_usage",
}


def target_of(row: Row) -> Target:
    """Return where a row is to be seen: the metric's pane with its subject under the cursor."""
    metric, subject = row.metric, row.subject
    quantity = metric.key.partition(".")[0]
    pane = PANES[metric.dimension]
    if metric.dimension in ("dp", "kv"):
        aim = Aim(metric=_DP_METRICS.get(quantity), instance=subject.instance)
        return Target(pane, {} if subject.domain is None else {"domain": subject.domain}, aim)
    if metric.dimension == "pd":
        aim = Aim(handoffs=quantity in ("handoff", "transfer"), role=subject.role)
        return Target(pane, {} if subject.address is None else {"node": subject.address}, aim)
    if metric.dimension == "ep":
        chosen = {"instance": subject.instance, "rank": subject.rank, "layer": subject.layer}
        return Target(
            pane, {name: value for name, value in chosen.items() if value is not None}, Aim(metric="rank")
        )
    return Target(pane, {}, Aim())


def side_of(row: Row) -> Side:
    """Return which side shows a row best: the difference where both profiles have it."""
    return "after" if math.isnan(row.difference) else "difference"
