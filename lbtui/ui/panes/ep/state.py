"""Where the EP pane's cursor is and what each key does to it: pure functions from state to state."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from lbtui.analysis.expert_parallel import outstanding_column
from lbtui.analysis.imbalance import Floats
from lbtui.render.heatmap_view import View
from lbtui.ui.panes.ep.data import VIEWS, EpData, EpMap
from lbtui.ui.panes.ep.shown import EpState, column_of, current_map

# How far a jump goes where columns belong to no rank.
_JUMP = 10


def start(data: EpData) -> EpState | None:
    """Return the first state: the rank that stands out most over layers and periods, at its worst layer.

    None where there is nothing to show at all.
    """
    instance = data.instances[0] if data.instances else None
    views = data.views(instance)
    if not views:
        return None
    state = EpState(instance, views[0], data.periods[instance][0] if instance is not None else 0)
    if data.times is not None:
        state = replace(state, process=outstanding_column([data.times.values]))
    elif data.intervals:
        state = replace(state, process=data.intervals[0].column)
    return state if instance is None else _at_outstanding(data, state)


def _at_outstanding(data: EpData, state: EpState) -> EpState:
    for view in ("rank", "expert", "model_expert"):
        maps = [m for (i, v, _p), m in data.maps.items() if (i, v) == (state.instance, view)]
        if not maps:
            continue
        shown = data.maps.get((state.instance or "", view, state.period), maps[0])
        same = [m.heat for m in maps if m.shape[1] == shown.shape[1]]
        shared = sorted(shown.shared)
        column = outstanding_column([_blanked(values, shared) for values in same])
        layer = _hottest_layer(shown, column)
        if view == "rank":
            rank = shown.ranks[column] if shown.ranks else column
            state = replace(state, layer=layer, rank=rank)
            state = replace(state, slot=slot_of_rank(data, state))
        elif view == "expert" and state.view == "expert":
            state = at_cell(data, replace(state, layer=layer), layer, column)
        elif view == "model_expert":
            state = replace(state, expert=column)
            if state.view == "model_expert":
                state = replace(state, layer=layer)
    return in_bounds(data, state)


def _blanked(values: Floats, columns: list[int]) -> Floats:
    kept: Floats = values.copy()
    kept[:, columns] = np.nan
    return kept


def _hottest_layer(shown: EpMap, column: int) -> int:
    return int(np.argmax(np.nan_to_num(shown.heat[:, column], nan=-np.inf)))


def slot_of_rank(data: EpData, state: EpState) -> int:
    """Return the hottest slot of the cursor's rank in its layer; the same slot where ranks are unknown."""
    slots = data.maps.get((state.instance or "", "expert", state.period))
    if slots is None:
        return state.slot
    columns = slots.columns_of_rank(state.rank)
    if not columns:
        return state.slot
    layer = min(state.layer, slots.shape[0] - 1)
    return columns[int(np.argmax(np.nan_to_num(slots.heat[layer, list(columns)], nan=-np.inf)))]


def at_cell(data: EpData, state: EpState, layer: int, column: int) -> EpState:
    """Return the state with the cursor at a cell of the view shown; other columns follow where known."""
    state = replace(state, layer=layer, hot=-1, skipped=())
    shown = current_map(data, state)
    if state.view == "rank":
        state = replace(state, rank=column)
        return replace(state, slot=slot_of_rank(data, state))
    if state.view == "expert":
        rank = shown.ranks[column] if shown is not None and shown.ranks else state.rank
        experts = shown.experts[layer] if shown is not None and shown.experts else ()
        expert = experts[column] if experts else None
        return replace(state, slot=column, rank=rank, expert=state.expert if expert is None else expert)
    if state.view == "model_expert":
        return replace(state, expert=column)
    return replace(state, process=column)


def is_there(data: EpData, state: EpState) -> bool:
    """Tell whether data have the instance, the view and the period of a state."""
    if state.view not in data.views(state.instance):
        return False
    return state.instance is None or state.period in data.periods.get(state.instance, ())


def in_bounds(data: EpData, state: EpState) -> EpState:
    """Return the state with its cursor kept inside the map that is shown."""
    shown = current_map(data, state)
    if shown is None:
        return state
    layers, columns = shown.shape
    layer = max(0, min(state.layer, layers - 1))
    column = max(0, min(column_of(state), columns - 1))
    if (layer, column) == (state.layer, column_of(state)):
        return state
    return replace(at_cell(data, state, layer, column), hot=state.hot, skipped=state.skipped)


def move(data: EpData, state: EpState, view: View, down: int, right: int) -> EpState:
    """Move by cells as drawn. A cell that covers several is entered at its hottest, whose value it shows."""
    if state.view == "intervals":
        return _move_interval(data, state, down)
    shown = current_map(data, state)
    if shown is None:
        return state
    row, rows = state.layer // view.rows_per_cell, -(-shown.shape[0] // view.rows_per_cell)
    cell, cells = column_of(state) // view.columns_per_cell, -(-shown.shape[1] // view.columns_per_cell)
    new_row, new_cell = max(0, min(row + down, rows - 1)), max(0, min(cell + right, cells - 1))
    if (new_row, new_cell) == (row, cell):
        return state
    return go_to_block(
        data,
        state,
        (new_row * view.rows_per_cell, view.rows_per_cell),
        (new_cell * view.columns_per_cell, view.columns_per_cell),
    )


def go_to_block(data: EpData, state: EpState, layers: tuple[int, int], columns: tuple[int, int]) -> EpState:
    """Put the cursor at the hottest cell of a block, given as (first, count) of layers and of columns."""
    shown = current_map(data, state)
    if shown is None:
        return state
    block = shown.heat[layers[0] : layers[0] + layers[1], columns[0] : columns[0] + columns[1]]
    if not block.size:
        return state
    row, column = divmod(int(np.argmax(np.nan_to_num(block, nan=-np.inf))), block.shape[1])
    return at_cell(data, state, layers[0] + row, columns[0] + column)


def _move_interval(data: EpData, state: EpState, down: int) -> EpState:
    order = [interval.column for interval in data.intervals]
    place = order.index(state.process) if state.process in order else 0
    return replace(state, process=order[max(0, min(place + down, len(order) - 1))], skipped=())


def jump_rank(data: EpData, state: EpState, step: int) -> EpState:
    """Go to the first column of the next or previous rank; by ten columns where there are no ranks."""
    shown = current_map(data, state)
    if shown is None:
        return _move_interval(data, state, step)
    if state.view == "expert" and shown.boundaries:
        firsts = list(shown.boundaries)
        at = sum(first <= state.slot for first in firsts) - 1
        return at_cell(data, state, state.layer, firsts[max(0, min(at + step, len(firsts) - 1))])
    step *= _JUMP if state.view in ("expert", "model_expert") else 1
    column = max(0, min(column_of(state) + step, shown.shape[1] - 1))
    return at_cell(data, state, state.layer, column)


def next_hottest(data: EpData, state: EpState, step: int) -> EpState:
    """Go down (or back up) the list of cells ordered by heat; it begins anew after any other move."""
    if state.view == "intervals":
        return _move_interval(data, state, step)
    shown = current_map(data, state)
    if shown is None or not shown.order:
        return state
    hot = max(0, min(state.hot + step, len(shown.order) - 1))
    return replace(at_cell(data, state, *shown.order[hot]), hot=hot)


def next_view(data: EpData, state: EpState) -> EpState:
    """Show the next view that exists; those passed by are named in `skipped`."""
    there = data.views(state.instance)
    at = VIEWS.index(state.view)
    ring = [VIEWS[(at + step) % len(VIEWS)] for step in range(1, len(VIEWS) + 1)]
    chosen = next((view for view in ring if view in there), state.view)
    skipped = tuple(ring[: ring.index(chosen)])
    moved = replace(state, view=chosen, zoom=0, inside=False, hot=-1)
    return replace(in_bounds(data, moved), skipped=skipped)


def change_period(data: EpData, state: EpState, step: int) -> EpState:
    """Show the map of the next or previous EPLB period that the instance has."""
    if state.instance is None:
        return state
    numbers = data.periods[state.instance]
    at = numbers.index(state.period) if state.period in numbers else 0
    period = numbers[max(0, min(at + step, len(numbers) - 1))]
    if period == state.period:
        return state
    return in_bounds(data, replace(state, period=period, span=None, hot=-1, skipped=()))


def next_instance(data: EpData, state: EpState) -> EpState:
    """Show the next instance that has expert heat, where it stands out."""
    if state.instance is None or len(data.instances) < 2:
        return state
    at = data.instances.index(state.instance)
    return _for_instance(data, state, data.instances[(at + 1) % len(data.instances)])


def _for_instance(data: EpData, state: EpState, instance: str) -> EpState:
    numbers = data.periods[instance]
    period = state.period if state.period in numbers or not numbers else numbers[0]
    views = data.views(instance)
    view = state.view if state.view in views or not views else views[0]
    moved = replace(
        state,
        instance=instance,
        period=period,
        view=view,
        span=None,
        zoom=0,
        inside=False,
        hot=-1,
        skipped=(),
    )
    return _at_outstanding(data, moved)


def enter_rank(data: EpData, state: EpState, zoom: int) -> EpState:
    """Show the experts of the rank under the cursor, at `zoom`; nothing where its slots are unknown."""
    slots = data.maps.get((state.instance or "", "expert", state.period))
    if state.view != "rank" or slots is None or not slots.columns_of_rank(state.rank):
        return state
    entered = replace(state, view="expert", zoom=zoom, inside=True, hot=-1, skipped=())
    return at_cell(data, entered, state.layer, slot_of_rank(data, entered))


def leave_rank(state: EpState) -> EpState:
    """Go back from a rank's experts to the ranks."""
    return replace(state, view="rank", zoom=0, inside=False, hot=-1, skipped=())


def follow_selection(
    data: EpData,
    state: EpState,
    *,
    instance: str | None,
    rank: int | None,
    layer: int | None,
    period: int | None,
) -> EpState:
    """Go where another pane's selection points, as far as it exists here."""
    if instance is not None and instance in data.periods and instance != state.instance:
        state = _for_instance(data, state, instance)
    if state.instance is None:
        return state
    if period is not None and period in data.periods[state.instance] and period != state.period:
        state = replace(state, period=period, span=None, hot=-1, skipped=())
    if layer is not None and layer != state.layer:
        state = replace(state, layer=layer, hot=-1, skipped=())
    if rank is not None and rank != state.rank:
        state = replace(state, rank=rank, hot=-1, skipped=())
        state = replace(state, slot=slot_of_rank(data, state))
    return in_bounds(data, state)


def aimed_at(data: EpData, state: EpState, view: str | None, expert: int | None) -> EpState:
    """Return the state in a view, where it exists, at the cursor's rank or at an expert of its layer.

    Of an expert's copies the most loaded is taken; where slots do not tell their experts, its column in the
    view of model experts, else the rank's most loaded slot. Times are of processes, whose pid order is the
    guess at the rank.
    """
    chosen = next((name for name in data.views(state.instance) if name == view), None)
    if chosen is None:
        return state
    state = replace(state, view=chosen, zoom=0, inside=False, hot=-1, skipped=())
    if chosen == "times":
        return in_bounds(data, replace(state, process=state.rank))
    shown = current_map(data, state)
    if chosen != "expert" or shown is None:
        return in_bounds(data, state)
    layer = min(state.layer, shown.shape[0] - 1)
    copies = [c for c, owner in enumerate(shown.experts[layer]) if owner == expert] if shown.experts else []
    if expert is not None and not copies and "model_expert" in data.views(state.instance):
        return in_bounds(data, replace(state, view="model_expert", expert=expert))
    if expert is None or not copies:
        return at_cell(data, state, layer, slot_of_rank(data, state))
    loads = np.nan_to_num(shown.heat[layer, copies], nan=-np.inf)
    return at_cell(data, state, layer, copies[int(np.argmax(loads))])
