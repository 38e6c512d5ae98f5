"""The bins of the P/D pane: a column of its lanes long, where events have times of their own."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from functools import lru_cache

from lbtui.analysis.node_events import LEAST_BIN, binned
from lbtui.render.axis import nice_step
from lbtui.ui.kit import window as windows
from lbtui.ui.kit.window import Window
from lbtui.ui.panes.pd.layout import lane_cells
from lbtui.ui.panes.pd.state import PdData
from lbtui.ui.panes.pd.ways import ways_of

_KEPT = 4


def in_view(data: PdData, window: Window | None, width: int) -> PdData:
    """Return the data of a pane of that width, with the bins of the window, of all time without one.

    Where requests are known by upstream's bins alone, that is the data as it is.
    """
    if data.table is None or data.events is None:
        return data
    names = [*data.table.hosts, *(way.name for way in data.ways)]
    return _binned(data, windows.within(window, data.events.whole), lane_cells(names, width)[1])


# As it was before a key, and as it is after.
@lru_cache(maxsize=_KEPT)
def _binned(data: PdData, window: Window, columns: int) -> PdData:
    assert data.table is not None
    assert data.events is not None
    table = binned(data.table, data.events, window, bin_width(window, columns))
    ways = () if data.pulled is None else ways_of(table, data.pulled, data.handoffs)
    return replace(data, table=table, ways=ways, zoomed=window != data.events.whole)


def bin_width(window: Window, columns: int) -> int:
    """Return the shortest round length (µs) of which the window has no more bins than there are columns."""
    least = -(-(window[1] - window[0]) // max(columns, 1))
    return nice_step(timedelta(microseconds=max(least, LEAST_BIN))) // timedelta(microseconds=1)
