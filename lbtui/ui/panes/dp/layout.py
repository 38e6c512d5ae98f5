"""Where everything of the DP picture stands, for any size of terminal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal, TypeAlias

from rich.cells import cell_len

from lbtui.analysis.data_parallel import Metric, MetricKey
from lbtui.findings.words import short_hosts
from lbtui.profile import short_names
from lbtui.text import _
from lbtui.ui.kit import window as windows
from lbtui.ui.kit.selection import Selection, Side
from lbtui.ui.panes.dp.data import DpData, Measured, Scene
from lbtui.ui.panes.dp.filtered import lanes_left, places_left
from lbtui.ui.panes.dp.glance import Glanced
from lbtui.ui.panes.dp.marks import Mark

Statistic: TypeAlias = Literal["mean", "worst"]
# One lane a domain, two, or one of differences, which has its zero in the middle.
Kind: TypeAlias = Literal["single", "paired", "signed"]
# What is drawn below a domain's lane where there is room: the original's figures 1 and 3 at once.
PARTNERS: Mapping[MetricKey, MetricKey] = {"batch_size": "kv_usage", "kv_usage": "batch_size"}

# Cells of one figure beside a lane, a blank before it among them.
FIGURE = 8
# The heading of the first, "at cursor", is longer; it needs these cells more where there is room.
_HEADING = 2
# A blank and the mark of a finding behind a lane's name.
MARK = 3
_LEAST_COLUMNS = 12
# Lines of the tallest lane, and where words need what lanes leave.
_TALLEST_LANE, _TALL_LANE = 12, 3
# Lines of a pane in a terminal of 40.
_TALL = 37


@dataclass(frozen=True)
class DpState:
    """What the user has chosen in this pane."""

    metric: MetricKey = "batch_size"
    statistic: Statistic = "mean"
    window: tuple[int, int] | None = None  # µs; None is all
    time: int = 0  # µs, the cursor
    domain: str = ""  # `Domain.key`, the cursor
    by_score: bool = False
    chart: bool = False
    text: str = ""  # filter: which lanes are shown
    top: int = 0  # first lane shown
    side: Side | None = None  # which of two profiles; None: there is one


@dataclass(frozen=True)
class Layout:
    """Cells of each part. Lanes stand at row `lanes_top`, each `lane_height` lines, `partner_height` lines of
    another metric of the domain, and `gap` blank ones.
    """

    label: int
    columns: int
    figures: int  # how many of at cursor, mean, p95, max, × mean
    pointer: bool
    axis: bool
    evenness_rows: int  # lines of all evenness lanes
    evenness_height: int  # lines of one
    reading: int
    lanes_top: int
    lane_height: int
    gap: int
    shown: int  # lanes
    partner_height: int = 0

    @property
    def lane_rows(self) -> int:
        """Lines from one domain to the next."""
        return self.lane_height + self.partner_height + self.gap

    @property
    def evenness_gap(self) -> int:
        """Blank lines above each evenness lane, counted with it."""
        return 1 if self.evenness_height > 2 else 0

    @property
    def figure_widths(self) -> tuple[int, ...]:
        """Cells of each figure."""
        first = FIGURE + _HEADING if self.figures == 5 else FIGURE
        return (first, *[FIGURE] * (self.figures - 1))[: self.figures]


def may_pair(height: int) -> bool:
    """Tell whether a pane of so many lines may have two lanes a domain."""
    return height >= _TALL


@lru_cache(maxsize=4)
def layout(measured: Measured, width: int, height: int, kind: Kind = "single", text: str = "") -> Layout:
    """Return the layout of a size; below 80 columns there are fewer figures, below 15 lines fewer parts.

    Two lanes a domain are drawn only where all that the filter `text` leaves have room; its columns are those
    of all lanes.
    """
    names = short_hosts([d.host for d in measured.domains])
    said = [f"{names[d.host]} {d.name}" for d in measured.domains]
    natural = max(map(len, [*said, *evenness_labels(measured).values()]), default=4)
    narrow = max((cell_len(d.name) for d in measured.domains), default=3)
    label = (min(natural, 24 if width >= 100 else 15) if width >= 60 else narrow) + MARK
    figures = 5 if width >= 110 else 3 if width >= 80 else 1 if width >= 50 else 0
    columns = width - label - 1 - FIGURE * figures - (_HEADING if figures == 5 else 0)
    if columns < _LEAST_COLUMNS:
        label, columns = 0, max(1, width)
    count = len(lanes_left(measured, text))
    reading = 3 if height >= 40 or (height >= 18 and width < 110) else 2 if height >= 12 else 1
    pointer, axis = height >= 5, height >= 7
    several = sum(1 for i in measured.instances if len(measured.lanes_of(i)) > 1)
    evenness_height = 2 if may_pair(height) else 1
    evenness_rows = several * evenness_height
    if evenness_rows > height // 5:
        # Only that of the cursor's instance.
        evenness_rows = evenness_height if several and height >= 9 else 0
    room = height - 1 - pointer - axis - evenness_rows - reading
    if height < 3:
        reading, room = max(0, height - 2), 1
    tallest = _TALLEST_LANE if may_pair(height) else _TALL_LANE
    if kind == "paired" and not may_pair(height):
        kind = "single"
    lane_height, partner_height, gap = _heights(room // max(count, 1), kind, tallest)
    slot = lane_height + partner_height + gap
    shown = max(1, min(count, (room + gap) // slot))
    if may_pair(height) and evenness_rows:
        # What no lane takes; the words below have three lines more.
        spare = (room + gap - shown * slot - 3) // several
        evenness_height += max(0, min(2, spare))
        evenness_rows = several * evenness_height
    return Layout(
        label,
        columns,
        figures if label else 0,
        pointer,
        axis,
        evenness_rows,
        evenness_height,
        reading,
        1 + pointer,
        lane_height,
        gap,
        shown,
        partner_height,
    )


def _heights(slot: int, kind: Kind, tallest: int) -> tuple[int, int, int]:
    """Return the lines of a domain's lane, of its second, and between domains, for `slot` lines a domain."""
    if kind == "paired" and slot >= 2:
        gap = 1 if slot >= 3 else 0
        both = min(slot - gap, 2 * tallest)
        return both - both // 2, both // 2, gap
    if kind == "signed":
        height = min(max(1, slot - 1), tallest)
        # As much above the zero line as below it.
        return height - (height % 2 if height > 1 else 0), 0, 1 if slot > 1 else 0
    return (min(slot - 1, tallest), 0, 1) if slot >= 3 else (max(1, slot), 0, 0)


@dataclass(frozen=True)
class Shown:
    """What is drawn: the lanes of a metric in a window, the state scrolled to the size, where all stands."""

    data: DpData
    measured: Measured
    view: Scene
    state: DpState
    at: Layout
    marks: tuple[Mark, ...] = ()
    partner: Shown | None = None  # the same of the metric drawn below each lane
    glance: tuple[Glanced, ...] = ()  # the metrics that have data
    sample: str = ""  # of a sample: of what, and how far reading is

    @classmethod
    def of(cls, data: DpData, measured: Measured, view: Scene, state: DpState, at: Layout) -> Shown:
        """Return what is drawn in a layout, with the cursor's lane in it."""
        return cls(data, measured, view, scrolled(state, measured, at.shown), at)

    @property
    def cursor(self) -> int:
        """The column of the cursor."""
        return self.view.column_of(self.state.time)


def evenness_name(metric: Metric) -> str:
    """Return what the evenness lanes are called."""
    return _("PAR") if metric.more_is_load else _("min/mean")


def evenness_labels(measured: Measured) -> dict[str, str]:
    """Return what the evenness lane of each instance is called: with its name where there are several."""
    name, names = evenness_name(measured.metric), short_names(measured.instances, lettered=True)
    return {i: f"{name} {names[i]}" if len(names) > 1 else name for i in measured.instances}


def lane_order(measured: Measured, by_score: bool, text: str = "") -> list[int]:
    """Return the lanes that a filter leaves, top first: by instance and rank, or by how they stand out.

    Lanes of an instance stay together: only they are compared with one another.
    """
    order = list(lanes_left(measured, text))
    if not by_score:
        return order
    best = {i: max(measured.scores[lane] for lane in measured.lanes_of(i)) for i in measured.instances}
    return sorted(
        order,
        key=lambda i: (
            -best[measured.domains[i].instance],
            measured.domains[i].instance,
            -measured.scores[i],
            i,
        ),
    )


def whole(data: DpData) -> tuple[int, int]:
    """Return the window of everything."""
    return data.begin, data.end


def view_window(state: DpState, data: DpData) -> tuple[int, int]:
    """Return the window that is drawn."""
    return state.window or whole(data)


# Moves: each returns the state after a key.


def moved(state: DpState, data: DpData, view: Scene, columns: int) -> DpState:
    """Return the state after the cursor went `columns` to the right; at the edge the window goes along."""
    column = view.column_of(state.time) + columns
    if 0 <= column < view.columns:
        return replace(state, time=view.middle(column))
    begin, end = view.window
    time = state.time + round(columns * (end - begin) / view.columns)
    time = max(data.begin, min(data.end - 1, time))
    return reaching(replace(state, time=time), data)


def reaching(state: DpState, data: DpData) -> DpState:
    """Return the state with its window moved, by quarters of its length, until it holds the cursor."""
    if state.window is None:
        return state
    begin, end = state.window
    length = end - begin
    quarter = max(1, length // 4)
    if state.time < begin:
        begin -= -(-(begin - state.time) // quarter) * quarter
    elif state.time >= end:
        begin += ((state.time - end) // quarter + 1) * quarter
    begin = max(data.begin, min(begin, data.end - length))
    return replace(state, window=(begin, begin + length))


def following(state: DpState, selection: Selection, data: DpData) -> DpState:
    """Return the state with what is selected elsewhere; what lies outside this pane's data is left.

    So is a domain that the filter hides.
    """
    window = selection.window
    if window is not None:
        begin, end = max(window[0], data.begin), min(window[1], data.end)
        window = (begin, end) if end > begin else None
    time = state.time
    if selection.time is not None and data.begin <= selection.time < data.end:
        time = selection.time
    elif window is not None and not window[0] <= time < window[1]:
        time = (window[0] + window[1]) // 2
    domain = state.domain
    left = places_left(data.domains, state.text)
    if selection.domain is not None and any(data.domains[i].key == selection.domain for i in left):
        domain = selection.domain
    return reaching(replace(state, window=window, time=time, domain=domain), data)


def zoomed(state: DpState, data: DpData, factor: float) -> DpState:
    """Return the state with its window `factor` times as long, the cursor at the same place of it."""
    return replace(state, window=windows.zoomed(factor, view_window(state, data), whole(data), state.time))


def lane_moved(state: DpState, measured: Measured, lanes: int) -> DpState:
    """Return the state after the cursor went down by `lanes`, from the top if its own is not shown."""
    order = lane_order(measured, state.by_score, state.text)
    if not order:
        return state
    at = max(0, min(len(order) - 1, _place_in(order, state, measured) + lanes))
    return replace(state, domain=measured.domains[order[at]].key)


def _place_in(order: list[int], state: DpState, measured: Measured) -> int:
    """Return the place of the cursor's lane, the top where it is not shown."""
    lane = measured.index(state.domain)
    return order.index(lane) if lane in order else 0


def with_filter(state: DpState, measured: Measured, text: str) -> DpState:
    """Return the state with another filter, its cursor on a lane that is still shown."""
    return lane_moved(replace(state, text=text, top=0), measured, 0)


def scrolled(state: DpState, measured: Measured, shown: int) -> DpState:
    """Return the state with `top` changed no more than needed to show the cursor's lane."""
    order = lane_order(measured, state.by_score, state.text)
    at = _place_in(order, state, measured)
    top = max(at - shown + 1, min(state.top, at))
    return replace(state, top=max(0, min(top, len(order) - shown)))


def place_moved(state: DpState, data: DpData, measured: Measured, by: int) -> DpState:
    """Return the state with the cursor at the place `by` further among those that stand out in lanes shown.

    From where nothing stands out it goes to the first, or back to the last.
    """
    left = lanes_left(measured, state.text)
    ranks = [rank for rank, place in enumerate(measured.places) if place.lane in left]
    if not ranks:
        return state
    here = place_here(state, measured)
    at = ranks.index(here) if here in ranks else -1 if by > 0 else 0
    return at_place(state, data, measured, ranks[(at + by) % len(ranks)])


def at_place(state: DpState, data: DpData, measured: Measured, rank: int) -> DpState:
    """Return the state with the cursor at the place of this rank, counted round; as it was without any."""
    if not measured.places:
        return state
    place = measured.places[rank % len(measured.places)]
    return reaching(replace(state, time=place.centre, domain=measured.domains[place.lane].key), data)


def place_here(state: DpState, measured: Measured) -> int | None:
    """Return which place the cursor is in."""
    lane = measured.index(state.domain)
    return next(
        (i for i, p in enumerate(measured.places) if p.lane == lane and p.begin <= state.time < p.end), None
    )


def hit(
    at: Layout, state: DpState, measured: Measured, view: Scene, x: int, y: int
) -> tuple[str | None, int | None]:
    """Return the domain and the instant at a cell of the picture, None where it is none."""
    column = x - at.label - 1 if at.label else x
    time = view.middle(column) if 0 <= column < view.columns else None
    slot = (y - at.lanes_top) // at.lane_rows
    order = lane_order(measured, state.by_score, state.text)
    if y < at.lanes_top or slot >= at.shown or state.top + slot >= len(order):
        return None, time
    return measured.domains[order[state.top + slot]].key, time
