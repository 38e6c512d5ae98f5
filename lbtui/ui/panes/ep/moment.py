"""Moving along the iterations: pure functions from state to state."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from lbtui.ui.panes.ep.data import EpData
from lbtui.ui.panes.ep.iterations import cell_width, columns
from lbtui.ui.panes.ep.shown import EpState, Metric, over_of
from lbtui.ui.panes.ep.state import in_bounds


def step(data: EpData, state: EpState, width: int, by: int) -> EpState:
    """Go `by` columns along the iterations, as `width` cells show them.

    From a whole period it begins at the period's first column, or going back at its last.
    """
    over = over_of(data, state)
    if over is None or not len(over.series.period) or state.view in ("times", "intervals"):
        return state
    shown = columns(over, width)
    if state.span is not None:
        return at_column(data, state, width, shown.column_of(state.span[0]) + by)
    ends = np.searchsorted(over.series.period, [state.period, state.period + 1])
    first = int(ends[0]) if by > 0 else int(ends[1]) - 1
    return at_column(data, state, width, shown.column_of(first))


def goes_on(data: EpData, state: EpState, width: int) -> bool:
    """Tell whether a column after the one shown has tokens, as `width` cells show them."""
    over = over_of(data, state)
    if over is None:
        return False
    shown = columns(over, width)
    at = -1 if state.span is None else shown.column_of(state.span[0])
    return bool(np.isfinite(shown.mean[at + 1 :]).any())


def at_column(data: EpData, state: EpState, width: int, column: int) -> EpState:
    """Show the iterations of one of the columns that `width` cells hold, with their period."""
    over = over_of(data, state)
    if over is None or not len(over.series.period):
        return state
    edges = columns(over, width).edges
    column = max(0, min(column, len(edges) - 2))
    first = int(edges[column])
    period = over.period_of(first)
    # A column that covers several periods shows the first of them.
    last = min(int(edges[column + 1]), int(np.searchsorted(over.series.period, period, side="right")))
    return in_bounds(data, replace(state, span=(first, last), period=period, hot=-1, skipped=()))


def at_place(data: EpData, state: EpState, width: int, x: int) -> EpState:
    """Show the iterations of the column drawn at character `x` of the figures over iterations."""
    over = over_of(data, state)
    if over is None:
        return state
    return at_column(data, state, width, x // cell_width(columns(over, width), width))


def leave(state: EpState) -> EpState:
    """Show the whole period again."""
    return replace(state, span=None, hot=-1, skipped=())


def next_metric(state: EpState) -> EpState:
    """Show tokens instead of shares, or shares again."""
    metric: Metric = "tokens" if state.metric == "share" else "share"
    return replace(state, metric=metric, hot=-1, skipped=())
