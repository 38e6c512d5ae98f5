"""Where everything of the DP picture stands, for any size of terminal."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal, TypeAlias

from lbtui.analysis.data_parallel import Metric, MetricKey
from lbtui.profile import short_names
from lbtui.text import _
from lbtui.ui.kit import window as windows
from lbtui.ui.kit.selection import Selection, Side
from lbtui.ui.panes.dp.data import DpData, Measured, Scene

Statistic: TypeAlias = Literal["mean", "worst"]

# Cells of one figure beside a lane, a blank before it among them.
FIGURE = 8
_LEAST_COLUMNS = 12
# The shortest window: below, a step is wider than the screen.


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
    top: int = 0  # first lane shown
    side: Side | None = None  # which of two profiles; None: there is one


@dataclass(frozen=True)
class Layout:
    """Cells of each part. Lanes stand at row `lanes_top`, each `lane_height` lines and `gap` blank ones."""

    label: int
    columns: int
    figures: int  # how many of now, mean, p95, max, × mean
    pointer: bool
    axis: bool
    evenness_rows: int  # lines of all evenness lanes
    evenness_height: int  # lines of one
    reading: int
    lanes_top: int
    lane_height: int
    gap: int
    shown: int  # lanes

    @property
    def lane_rows(self) -> int:
        """Lines from one lane to the next."""
        return self.lane_height + self.gap


@lru_cache(maxsize=4)
def layout(measured: Measured, width: int, height: int) -> Layout:
    """Return the layout of a size; below 80 columns there are fewer figures, below 15 lines fewer parts."""
    names = short_names(d.host for d in measured.domains)
    said = [f"{names[d.host]} {d.name}" for d in measured.domains]
    natural = max(map(len, [*said, *evenness_labels(measured).values()]), default=4)
    narrow = max((len(d.name) for d in measured.domains), default=3)
    label = min(natural, 24 if width >= 100 else 15) if width >= 60 else narrow
    figures = 5 if width >= 110 else 3 if width >= 80 else 1 if width >= 50 else 0
    columns = width - label - 1 - FIGURE * figures
    if columns < _LEAST_COLUMNS:
        label, columns = 0, max(1, width)
    count = len(measured.domains)
    reading = 3 if height >= 40 or (height >= 18 and width < 110) else 2 if height >= 12 else 1
    pointer, axis = height >= 5, height >= 7
    several = sum(1 for i in measured.instances if len(measured.lanes_of(i)) > 1)
    evenness_height = 2 if height >= 40 else 1
    evenness_rows = several * evenness_height
    if evenness_rows > height // 5:
        # Only that of the cursor's instance.
        evenness_rows = evenness_height if several and height >= 9 else 0
    room = height - 1 - pointer - axis - evenness_rows - reading
    if height < 3:
        reading, room = max(0, height - 2), 1
    slot = max(1, room // max(count, 1))
    lane_height, gap = (min(slot - 1, 3), 1) if slot >= 3 else (slot, 0)
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
        max(1, min(count, (room + gap) // (lane_height + gap))),
    )


@dataclass(frozen=True)
class Shown:
    """What is drawn: the lanes of a metric in a window, the state scrolled to the size, where all stands."""

    data: DpData
    measured: Measured
    view: Scene
    state: DpState
    at: Layout

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


def lane_order(measured: Measured, by_score: bool) -> list[int]:
    """Return the lanes from top to bottom: by instance and rank, or by how far they stand out.

    Lanes of an instance stay together: only they are compared with one another.
    """
    order = list(range(len(measured.domains)))
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
    """Return the state with what is selected elsewhere; what lies outside this pane's data is left."""
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
    if selection.domain is not None and any(d.key == selection.domain for d in data.domains):
        domain = selection.domain
    return reaching(replace(state, window=window, time=time, domain=domain), data)


def zoomed(state: DpState, data: DpData, factor: float) -> DpState:
    """Return the state with its window `factor` times as long, the cursor at the same place of it."""
    return replace(state, window=windows.zoomed(factor, view_window(state, data), whole(data), state.time))


def lane_moved(state: DpState, measured: Measured, lanes: int) -> DpState:
    """Return the state after the cursor went down by `lanes`."""
    order = lane_order(measured, state.by_score)
    at = order.index(measured.index(state.domain) or 0)
    at = max(0, min(len(order) - 1, at + lanes))
    return replace(state, domain=measured.domains[order[at]].key)


def scrolled(state: DpState, measured: Measured, shown: int) -> DpState:
    """Return the state with `top` changed no more than needed to show the cursor's lane."""
    order = lane_order(measured, state.by_score)
    at = order.index(measured.index(state.domain) or 0)
    top = max(at - shown + 1, min(state.top, at))
    return replace(state, top=max(0, min(top, len(order) - shown)))


def place_moved(state: DpState, data: DpData, measured: Measured, by: int) -> DpState:
    """Return the state with the cursor at the place `by` ranks further among those that stand out.

    From where nothing stands out it goes to the first, or back to the last.
    """
    here = place_here(state, measured)
    if here is None:
        here = -1 if by > 0 else 0
    return at_place(state, data, measured, here + by)


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
    slot, order = (y - at.lanes_top) // at.lane_rows, lane_order(measured, state.by_score)
    if y < at.lanes_top or slot >= at.shown or state.top + slot >= len(order):
        return None, time
    return measured.domains[order[state.top + slot]].key, time
