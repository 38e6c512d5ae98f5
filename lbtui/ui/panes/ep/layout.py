"""Where the parts of the EP pane stand, which part of the map is in view, and what a click hits."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

from lbtui.render.canvas import Canvas, Scale
from lbtui.render.capabilities import Capabilities
from lbtui.render.heatmap_view import View, cell_at, fit_view, follow, halves, span
from lbtui.ui.panes.ep.data import EpData, EpMap, ViewName
from lbtui.ui.panes.ep.intervals import first_interval
from lbtui.ui.panes.ep.moment import at_place
from lbtui.ui.panes.ep.shown import EpState, column_of, current_map, over_of
from lbtui.ui.panes.ep.state import go_to_block

# Holds "mean p12".
GUTTER = 9
_WIDEST_CELL = 8
# How wide cells must be for their column's mean in numbers: 1.5× mean, 0.15 ms.
_NUMBER_CELLS = {"rank": 4, "times": 5}
_SIDE_FROM = 120
# From which height on how many lines show the iterations: words and one figure, or all with an axis.
_TIME_LINES = ((26, 5), (16, 2))
# On a tall screen each of the three figures has several; before that come so many lines of bars.
_TALLEST_LANE, _BARS = 3, 9


@dataclass(frozen=True)
class Layout:
    """Where the parts stand: widths in cells, heights in lines; 0 is absent."""

    main: int  # gutter and map
    side: int
    map_width: int
    ruler: int
    slots: int  # second ruler: the experts in a rank's slots
    map_height: int
    means: int
    legend: int
    fold: int  # the side panel's first lines, where there is no side panel
    time: int  # figures over iterations, just above the reading line
    lane: int  # lines of each of these figures

    @property
    def map_top(self) -> int:
        """The line of the map's first row, the state line being line 0."""
        return 1 + self.ruler + self.slots

    def map_canvas(self, caps: Capabilities) -> Canvas:
        """What the map has to itself."""
        return Canvas(self.map_width, self.map_height, caps)


@dataclass(frozen=True)
class Shown:
    """A map as it is drawn: on which scale, what part is in view, where it stands."""

    data: EpData
    state: EpState
    map: EpMap
    scale: Scale
    view: View
    place: Layout


def layout(data: EpData, state: EpState, width: int, height: int) -> Layout:
    """Return how the pane's room is shared; what matters least goes first as it shrinks."""
    shown = current_map(data, state)
    shape = None if shown is None else shown.shape
    over = state.view in ("rank", "expert", "model_expert") and over_of(data, state) is not None
    return _layout(state.view, shape, state.zoom > 0, over, width, height)


@lru_cache(maxsize=4)
def _layout(
    view: ViewName, shape: tuple[int, int] | None, zoomed: bool, over: bool, width: int, height: int
) -> Layout:
    side = min(60, max(38, width * 26 // 100)) if width >= _SIDE_FROM and height >= 14 else 0
    main = width - side - (2 if side else 0)
    map_width = max(1, main - GUTTER)
    least = _NUMBER_CELLS.get(view)
    few = shape is not None and least is not None and map_width // shape[1] >= least
    has_ruler, has_legend = int(height >= 5), int(height >= 6)
    slots = int(height >= 12 and view == "expert" and zoomed)
    fold = int(not side and height >= 8)
    means = int(few and height >= 12)
    time = next((lines for least, lines in _TIME_LINES if height >= least), 0) if over else 0
    lane = 1
    # The state line and the reading line are always there.
    room = height - 2 - has_ruler - has_legend - slots - fold - means - time
    if shape is not None and time == _TIME_LINES[0][1]:
        # What a map of two layers a line and the bars under it leave.
        lane += max(0, min(_TALLEST_LANE - 1, (room - -(-shape[0] // 2) - _BARS) // 3))
        time, room = time + 3 * (lane - 1), room - 3 * (lane - 1)
    return Layout(main, side, map_width, has_ruler, slots, max(0, room), means, has_legend, fold, time, lane)


def zoom_steps(shape: tuple[int, int], place: Layout, caps: Capabilities) -> list[View]:
    """Return the views from the whole map to single wide cells, each half as coarse as the one before."""
    view = fit_view(shape, place.map_canvas(caps))
    steps = [view]
    while view.cell_width < _WIDEST_CELL:
        if view.rows_per_cell > 1 or view.columns_per_cell > 1:
            view = replace(
                view,
                rows_per_cell=-(-view.rows_per_cell // 2),
                columns_per_cell=-(-view.columns_per_cell // 2),
            )
        else:
            view = replace(view, cell_width=min(_WIDEST_CELL, view.cell_width * 2))
        steps.append(view)
    return steps


def zoom_for_rank(data: EpData, state: EpState, canvas: Canvas) -> int:
    """Return the closest zoom of the expert view that shows all slots of the cursor's rank."""
    slots = replace(state, view="expert", zoom=1)
    shown = current_map(data, slots)
    if shown is None:
        return 0
    place = layout(data, slots, canvas.width, canvas.height)
    columns = len(shown.columns_of_rank(state.rank))
    fitting = [
        zoom
        for zoom, view in enumerate(zoom_steps(shown.shape, place, canvas.caps))
        if span(view, place.map_canvas(canvas.caps))[1] >= columns
    ]
    return max(fitting, default=0)


def zoomed(data: EpData, state: EpState, step: int, canvas: Canvas) -> EpState:
    """Return the state `step` zoom levels nearer, the whole map for 0."""
    shown = current_map(data, state)
    if shown is None:
        return state
    place = layout(data, state, canvas.width, canvas.height)
    last = len(zoom_steps(shown.shape, place, canvas.caps)) - 1
    zoom = 0 if step == 0 else max(0, min(min(state.zoom, last) + step, last))
    return replace(state, zoom=zoom, skipped=())


def viewport(data: EpData, state: EpState, previous: View | None, canvas: Canvas) -> View:
    """Return the part of the map in view: as before if the cursor is in it, else moved to hold it."""
    shown = current_map(data, state)
    if shown is None:
        return View()
    place = layout(data, state, canvas.width, canvas.height)
    room = place.map_canvas(canvas.caps)
    steps = zoom_steps(shown.shape, place, canvas.caps)
    wanted = steps[min(state.zoom, len(steps) - 1)]
    grain = (wanted.rows_per_cell, wanted.columns_per_cell, wanted.cell_width)
    seen = span(wanted, room)
    layer, column = state.layer, column_of(state)
    if previous is not None and grain == (
        previous.rows_per_cell,
        previous.columns_per_cell,
        previous.cell_width,
    ):
        first = previous
    else:
        first = replace(
            wanted,
            top=_middle(layer, seen[0], wanted.rows_per_cell),
            left=_middle(column, seen[1], wanted.columns_per_cell),
        )
    if state.inside and (own := shown.columns_of_rank(state.rank)) and len(own) <= seen[1]:
        first = replace(first, left=own[0] // wanted.columns_per_cell * wanted.columns_per_cell)
    return follow(first, shown.shape, layer, column, room)


def _middle(at: int, seen: int, step: int) -> int:
    return max(0, at - seen // 2) // step * step


def block_at(
    data: EpData, state: EpState, view: View, x: int, y: int, canvas: Canvas
) -> tuple[tuple[int, int], tuple[int, int]] | None:
    """Return the (first, count) of layers and of columns that the character at (x, y) of the pane shows."""
    place = layout(data, state, canvas.width, canvas.height)
    x, y = x - GUTTER, y - place.map_top
    shown = current_map(data, state)
    if shown is None or not (0 <= x < place.map_width and 0 <= y < place.map_height):
        return None
    layer, column = cell_at(view, x, y, canvas.caps)
    if layer >= shown.shape[0] or column >= shown.shape[1]:
        return None
    return (layer, view.rows_per_cell * halves(canvas.caps)), (column, view.columns_per_cell)


def process_at(data: EpData, state: EpState, y: int, height: int) -> int | None:
    """Return the process whose interval is drawn at line `y` of the pane."""
    order = [interval.column for interval in data.intervals]
    count = max(0, height - 4)
    place = order.index(state.process) if state.process in order else 0
    index = first_interval(place, len(order), count) + y - 3
    return order[index] if 0 <= y - 3 < count and 0 <= index < len(order) else None


def clicked(data: EpData, state: EpState, view: View, x: int, y: int, canvas: Canvas) -> EpState:
    """Return the state with the cursor where the pane was clicked; as it is where nothing is drawn."""
    width, height = canvas.width, canvas.height
    if state.view == "intervals":
        process = process_at(data, state, y, height)
        return state if process is None else replace(state, process=process, skipped=())
    place = layout(data, state, width, height)
    if place.time and height - 1 - place.time < y < height - 1 and 0 <= x - GUTTER < place.map_width:
        return at_place(data, state, place.map_width, x - GUTTER)
    block = block_at(data, state, view, x, y, canvas)
    return state if block is None else go_to_block(data, state, *block)
