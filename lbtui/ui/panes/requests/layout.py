"""Which line each part of the Requests pane stands on, in every size."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache

from lbtui.analysis.queue_states import STATES
from lbtui.render.table import Layout, first_visible, fitting
from lbtui.ui.kit.selection import Selection
from lbtui.ui.kit.window import Window
from lbtui.ui.panes.requests.columns import table_columns
from lbtui.ui.panes.requests.data import (
    BINS,
    Request,
    RequestsData,
    RequestsState,
    domain_shown,
    request_at,
    window_of,
)

LABEL = 10  # cells before a lane
FIGURES = (10, 7, 7)  # cells after it: at cursor, mean, max
_WIDE = 120
_NARROWEST_PLOT = 20
GAP = 3  # between table and panel
_PANEL = BINS  # least width of the panel: one cell per bin


@dataclass(frozen=True)
class Places:
    """Which line each part of the pane begins on; None for parts that this size has no room for."""

    lane_height: int
    plot: int  # columns of the lanes
    figures: int  # cells for the figures beside them
    pointer: int | None
    lanes: int | None
    life: int | None
    axis: int | None
    summary: int | None
    folded: int | None
    folded_height: int
    header: int
    rows: int  # lines of the table below its header
    parts: int | None
    reading: int | None
    layout: Layout
    panel: int  # width of the panel at the right

    def lane_column(self, x: int, y: int) -> int | None:
        """Return the column of the lanes at a cell, None beside them."""
        if self.lanes is None or self.pointer is None:
            return None
        over = self.pointer <= y < self.lanes + len(STATES) * self.lane_height
        return x - LABEL if over and 0 <= x - LABEL < self.plot else None


@dataclass(frozen=True)
class Shown:
    """What is drawn: the data, what the user has made of it, what is selected, where all stands."""

    data: RequestsData
    state: RequestsState
    selection: Selection
    at: Places

    @property
    def window(self) -> Window:
        """The window shown: the selected one, else the whole."""
        return window_of(self.data, self.selection)

    @property
    def domain(self) -> str | None:
        """The domain whose queues are shown; None for all together."""
        return domain_shown(self.state, self.selection)

    @cached_property
    def request(self) -> Request | None:
        """The request under the cursor."""
        return request_at(self.data, self.state, self.state.cursor)

    @property
    def row(self) -> int | None:
        """Its row in the table, None without any."""
        rows = self.state.arranged.rows
        return int(rows[self.state.cursor]) if self.state.cursor < len(rows) else None

    @property
    def first(self) -> int:
        """The place of the first request in view."""
        return first_visible(self.state.cursor, self.state.first, self.at.rows, len(self.state.arranged.rows))


# As it was before a key, and as it is after.
@lru_cache(maxsize=2)
def places(data: RequestsData, sort: str, width: int, height: int) -> Places:
    """Return where everything stands in this size: the table always, the rest as there is room."""
    figures = sum(FIGURES) if width >= LABEL + _NARROWEST_PLOT + sum(FIGURES) else 0
    plot = max(0, width - LABEL - figures)
    lanes = plot > 0 and height >= 14
    lane_height = 1 if height < 34 else 2 if height < 60 else 3
    keep = [i for i, column in enumerate(data.columns) if column.name == sort]
    columns = table_columns(data.columns, data.longest, data.doubtful)
    wide = width >= _WIDE
    layout = fitting(columns, width - GAP - _PANEL if wide else width, keep=keep)
    line = 1
    taken: dict[str, int] = {}

    def take(part: str, lines: int, wanted: bool) -> None:
        nonlocal line
        if wanted:
            taken[part] = line
            line += lines

    take("pointer", 1, lanes and data.no_queues is None)
    take("lanes", len(STATES) * lane_height if data.no_queues is None else 1, lanes)
    take("life", 1, lanes and height >= 16)
    take("axis", 2 if height >= 26 else 1, lanes)
    take("summary", 1, height >= 8)
    folded_height = 3 if height < 40 else 5
    take("folded", folded_height, not wide and height >= 19 and data.no_requests is None)
    header = min(line, max(1, height - 1))
    parts = height >= 12 and data.no_requests is None
    rows = max(0, height - header - (3 if parts else 2))
    return Places(
        lane_height=lane_height,
        plot=plot,
        figures=figures,
        pointer=taken.get("pointer"),
        lanes=taken.get("lanes"),
        life=taken.get("life"),
        axis=taken.get("axis"),
        summary=taken.get("summary"),
        folded=taken.get("folded"),
        folded_height=folded_height,
        header=header,
        rows=rows,
        parts=height - 2 if parts else None,
        reading=height - 1 if height >= 4 else None,
        layout=layout,
        panel=width - layout.width - GAP if wide else 0,
    )
