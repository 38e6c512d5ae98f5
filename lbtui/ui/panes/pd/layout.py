"""Where everything stands on the P/D pane, and what is under a mouse click."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache

import numpy as np
from rich.cells import cell_len

from lbtui.analysis.prefill_decode import COUNTS, Count, NodeTable, window_loads
from lbtui.profile.time import ZONE_OFFSET_US
from lbtui.render.text import number
from lbtui.text import _
from lbtui.ui.kit.selection import Selection
from lbtui.ui.panes.pd.state import PdData, PdState, count_head, lit_bins, node_names, scrolled, shown_nodes

TOTAL_LINES = 2  # sums, shares
HEADER_LINES = 2  # node, count
_SECTION_LINES = 2  # headings of stages and ranks
_TALLEST_LANE = 4
_LEAST_UPPER, _LEAST_LOWER = 3, 8
_LEAST_CHART = 10
_PANEL = 34
_SHARE = 6  # "100 %" and the cell of the mark
_STATISTICS = 26  # beside a lane: total, share, ratio, mark


@dataclass(frozen=True)
class Lanes:
    """The lanes: each `lane_height` lines, with a heading line for each role, then the axis."""

    items: tuple[str | int, ...]  # what stands there from the top: a role's heading, or a node
    lane_height: int
    label: int  # cells before the lanes
    columns: int  # cells of the lanes themselves
    statistics: int  # cells after them; 0 where there is no room
    ways: int = 0  # lanes of hand-offs, a line each, between the nodes and the axis

    @property
    def height(self) -> int:
        """The number of lines, the axis included."""
        return sum(1 if isinstance(item, str) else self.lane_height for item in self.items) + self.ways + 1

    def bin_of(self, column: int, bins: int) -> int:
        """Return the first bin that a column of the lanes covers."""
        return column * bins // self.columns

    def column_of(self, bin: int, bins: int) -> int:
        """Return the column in the middle of a bin, or the one that covers it among others."""
        if bins >= self.columns:
            return ((bin + 1) * self.columns - 1) // bins
        return (bin * self.columns // bins + ((bin + 1) * self.columns - 1) // bins) // 2

    def span(self, first: int, last: int, bins: int) -> tuple[int, int]:
        """Return the half-open range of columns that shows bins [first, last)."""
        if bins >= self.columns:
            return self.column_of(first, bins), self.column_of(last - 1, bins) + 1
        return first * self.columns // bins, last * self.columns // bins


@dataclass(frozen=True)
class Grid:
    """The table: a time, one group of counts per node, then one group per role."""

    counts: tuple[Count, ...]
    digits: tuple[int, ...]  # cells of each count's number; one more follows for its mark
    time: int  # cells of the time
    decimals: int  # of its seconds
    group: int  # cells of a node's group, without the gap behind it
    nodes: tuple[int, ...]  # the nodes in view
    hidden: int  # nodes that the filter leaves and the width does not
    rows: int  # bins in view
    width: int  # of the whole table

    @property
    def height(self) -> int:
        """The number of lines, headers and totals included."""
        return HEADER_LINES + self.rows + TOTAL_LINES


@dataclass(frozen=True)
class Layout:
    """The pane from top to bottom: state line, lanes or chart, table or hand-offs, reading lines."""

    state: PdState  # with its scrolling settled for this size
    lanes: Lanes | None
    chart: int  # lines of the chart; 0: none
    grid: Grid | None
    transfer_lines: int  # entries of the hand-offs in view
    panel: int  # cells of the details at the right of the table; 0: none
    reading: int  # lines

    @property
    def upper(self) -> int:
        """Lines of lanes or chart."""
        return self.chart or (self.lanes.height if self.lanes else 0)


@dataclass(frozen=True)
class Shown:
    """What is drawn: the data of a side, where all stands, what is selected in the times of that side."""

    data: PdData
    at: Layout
    selection: Selection

    @property
    def state(self) -> PdState:
        """What the user has chosen, with its scrolling settled."""
        return self.at.state

    @property
    def table(self) -> NodeTable:
        """The requests per node, where there are any."""
        assert self.data.table is not None
        return self.data.table

    @cached_property
    def lit(self) -> tuple[int, int] | None:
        """The half-open range of bins that the shared window touches, None if none or no window.

        Where bins follow the window, these are all bins, and none is lit.
        """
        return None if self.data.events is not None else lit_bins(self.table, self.selection)

    @property
    def extent(self) -> str:
        """What sums and shares are over."""
        return _("lit bins") if self.lit else _("bins shown") if self.data.zoomed else _("whole run")

    @property
    def window(self) -> tuple[int, int]:
        """The bins that are summed up: those lit, else all."""
        return self.lit or (0, len(self.table.times))


# As it was before a key, and as it is after.
@lru_cache(maxsize=2)
def layout(data: PdData, state: PdState, width: int, height: int) -> Layout:
    """Return where everything stands in an area of this size."""
    reading = 0 if height < 4 else 1 if height < 18 else 2
    room = max(0, height - 1 - reading)
    if data.table is None:
        return _settled_lines(data, Layout(state, None, 0, None, 0, 0, reading), room)
    wanted = (
        len(data.stages) + len(data.pulls) + _SECTION_LINES
        if state.transfers
        else HEADER_LINES + len(data.table.times) + TOTAL_LINES
    )
    lanes = None
    chart = 0
    if state.chart:
        chart = max(room - wanted, room // 2)
        chart = chart if chart >= _LEAST_CHART and room - chart >= min(_LEAST_LOWER, wanted) else room
    else:
        lanes = _lanes(data, data.table, (width, room), state, wanted)
    placed = Layout(state, lanes, chart, None, 0, 0, reading)
    room -= placed.upper
    if state.transfers:
        return _settled_lines(data, placed, room)
    return _with_grid(data.table, placed, width, room)


def _lanes(
    data: PdData, table: NodeTable, size: tuple[int, int], state: PdState, wanted: int
) -> Lanes | None:
    """Return the lanes above a lower part of `wanted` lines; in less than half of the room if need be."""
    width, room = size
    shown = shown_nodes(table, state)
    roles = [role for role in table.roles if any(table.nodes[i].role == role for i in shown)]
    items: list[str | int] = []
    for role in roles:
        items += [role, *(i for i in shown if table.nodes[i].role == role)]
    # Hand-offs are no table to scroll in: they have the room they want before the lanes.
    share = (room - wanted if state.transfers else max(room - wanted, room // 2)) - 1
    if share + 1 < _LEAST_UPPER or room - share - 1 < min(_LEAST_LOWER, wanted) or not shown:
        return None
    if state.transfers and share < len(items):
        return None
    ways = len(data.ways) if share - len(data.ways) >= len(items) else 0
    share -= ways
    lane_height = max(1, min(_TALLEST_LANE, (share - len(roles)) // len(shown)))
    if len(items) > share:
        cursor = items.index(state.node) if state.node in items else 0
        first = scrolled(cursor - share // 2, cursor, share, len(items))
        items = items[first : first + share]
    names = [*(table.hosts[i] for i in shown), *(way.name for way in data.ways[:ways])]
    label, columns, statistics = lane_cells(names, width)
    bins = len(table.times)
    if bins <= columns:
        columns = columns // bins * bins
    return Lanes(tuple(items), lane_height, label, columns, statistics, ways)


def lane_cells(names: Sequence[str], width: int) -> tuple[int, int, int]:
    """Return the cells before lanes of these names, of the lanes themselves, and of what stands behind."""
    label = min(max(map(len, names)) + 2, max(6, width // 4))
    statistics = _STATISTICS if width - label - _STATISTICS >= 20 else 0
    return label, max(1, width - label - statistics), statistics


def _with_grid(table: NodeTable, placed: Layout, width: int, room: int) -> Layout:
    state = placed.state
    shown = shown_nodes(table, state)
    rows = max(0, min(room - HEADER_LINES - TOTAL_LINES, len(table.times)))
    if rows < 1 or not shown:
        return placed
    three = _grid(table, COUNTS, shown, rows)
    fits = three.width <= width
    grid = (
        three if state.three or (state.three is None and fits) else _grid(table, (state.count,), shown, rows)
    )
    first_node = 0
    if grid.width > width:
        fixed = grid.width - len(shown) * (grid.group + 1)
        visible = max(1, (width - fixed) // (grid.group + 1))
        place = shown.index(state.node) if state.node in shown else 0
        first_node = scrolled(state.first_node, place, visible, len(shown))
        seen = tuple(shown[first_node : first_node + visible])
        grid = replace(
            grid, nodes=seen, hidden=len(shown) - len(seen), width=fixed + len(seen) * (grid.group + 1)
        )
    first_bin = scrolled(state.first_bin, state.bin, rows, len(table.times))
    panel = width - grid.width - 2
    return replace(
        placed,
        state=replace(state, first_bin=first_bin, first_node=first_node),
        grid=grid,
        panel=min(panel, 60) if panel >= _PANEL and rows >= 5 else 0,
    )


def _grid(table: NodeTable, counts: tuple[Count, ...], shown: list[int], rows: int) -> Grid:
    digits = tuple(_digits(table, count) for count in counts)
    names = node_names(table)
    least = min(9, max(len(names[i]) for i in shown))
    group = max(sum(digits) + len(digits), least, _SHARE)
    days = {(int(start) + ZONE_OFFSET_US) // 86_400_000_000 for start in table.starts[[0, -1]]}
    decimals = second_digits(table)
    time = (15 if len(days) > 1 else 9) + (decimals + 1 if decimals else 0)
    width = time + (len(shown) + len(table.roles)) * (group + 1)
    return Grid(counts, digits, time, decimals, group, tuple(shown), 0, rows, width)


def second_digits(table: NodeTable) -> int:
    """Return how many decimals of seconds tell one bin from the next."""
    return next((digits for digits in range(6) if round(table.bin_seconds * 10**digits, 6) >= 1), 6)


@lru_cache(maxsize=16)
def _digits(table: NodeTable, count: Count) -> int:
    """Return the cells of a count's title and its longest number, its sums over a role included."""
    cells = table.counts[count]
    by_role = [np.nansum(cells[:, table.of_role(role)], axis=1).max(initial=0) for role in table.roles]
    sums = [0.0]
    if count != "running":
        loads = np.nan_to_num(window_loads(table, count))
        sums = [float(loads[table.of_role(role)].sum()) for role in table.roles]
    least = float(np.nanmin(cells, initial=0))
    # Where there are negative counts, positive ones have a sign too.
    sign = 1 if least < 0 else 0
    return max(cell_len(count_head(count)), *(len(number(float(v))) + sign for v in (*by_role, *sums, least)))


def _settled_lines(data: PdData, placed: Layout, room: int) -> Layout:
    total = len(data.stages) + len(data.pulls)
    visible = max(0, min(room - _SECTION_LINES, total))
    first = scrolled(placed.state.first_line, placed.state.line, visible, total) if visible else 0
    return replace(placed, state=replace(placed.state, first_line=first), transfer_lines=visible)


def clicked(table: NodeTable, placed: Layout, x: int, y: int) -> PdState | None:
    """Return the state after a click at a cell of the pane, None where there is nothing to click."""
    state, y = placed.state, y - 1
    if placed.lanes and 0 <= y < placed.lanes.height:
        return _clicked_lane(table, placed.lanes, state, x, y)
    y -= placed.upper
    grid = placed.grid
    if grid is None or not 0 <= y - HEADER_LINES < grid.rows:
        return None
    place = (x - grid.time) // (grid.group + 1)
    node = grid.nodes[place] if 0 <= place < len(grid.nodes) else state.node
    return replace(state, bin=state.first_bin + y - HEADER_LINES, node=node)


def _clicked_lane(table: NodeTable, lanes: Lanes, state: PdState, x: int, y: int) -> PdState | None:
    for item in lanes.items:
        y -= 1 if isinstance(item, str) else lanes.lane_height
        if y < 0:
            if isinstance(item, str):
                return None
            column = x - lanes.label
            inside = 0 <= column < lanes.columns
            bin = lanes.bin_of(column, len(table.times)) if inside else state.bin
            return replace(state, node=item, bin=bin)
    return None
