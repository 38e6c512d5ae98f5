"""The Runs pane's state in words, and back (`kit/at.py`): pure functions."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from lbtui.ui.kit.at import listed, parted
from lbtui.ui.kit.parts import ALL, Taken, differing
from lbtui.ui.panes.runs import sweep
from lbtui.ui.panes.runs.columns import NAME
from lbtui.ui.panes.runs.data import Key, RunsData, filter_error
from lbtui.ui.panes.runs.state import (
    VIEWS,
    Kept,
    chosen_columns,
    column_of,
    columns,
    filtered,
    moved,
    place_of,
    series_of,
)

_NONE = "none"


def parts_of(data: RunsData, state: Kept) -> dict[str, str]:
    """Return the parts of a state: what is chosen of the table, and of the view that is shown."""
    named = names(data)
    place = place_of(data, state)
    name, down = state.order
    marks = [named[key] for key in state.marks if key in named]
    tried = state.view == "sweep"
    own = {
        "v": state.view,
        "o": f"-{name}" if down else name,
        "f": state.text or None,
        "row": None if place is None else named[data.known[place].key],
        "col": str(column_of(data, state)),
        "top": str(state.first) if state.first else None,
        "left": str(state.left) if state.left > 1 else None,
        "columns": None if state.chosen is None else listed(state.chosen),
        "marked": listed(marks) if marks else None,
        "base": named.get(state.baseline or ""),
    }
    if state.view == "trend" and data.series:
        own["m"] = data.series_ids[series_of(data, state)]
    if tried:
        order = state.tried_order
        own |= {
            "m": sweep.down_of(data, state) or None,
            "tried": str(sweep.place_of(data, state) or 0),
            "field": str(state.tried_column),
            "by": None if order is None else f"{'-' if order[1] else ''}{order[0]}",
        }
    return differing(own)


def names(data: RunsData) -> dict[Key, str]:
    """Return what each run is told by: its name where it is the only one of it, else its place too."""
    count = Counter(known.run.name for known in data.known)
    return {
        known.key: known.run.name if count[known.run.name] == 1 else f"{known.run.name}#{place}"
        for place, known in enumerate(data.known)
    }


def with_parts(data: RunsData, state: Kept, taken: Taken) -> Kept:
    """Return the state with the parts that are told."""
    keys = {name: key for key, name in names(data).items()}
    if (text := taken.text("columns")) is not None:
        chosen = [name for name in parted(text) if name != NAME]
        if any(name not in data.columns for name in chosen):
            taken.refuse("columns")
        state = chosen_columns(data, state, chosen)
        state = replace(state, chosen=None) if text == ALL else state
    every = list(data.columns)
    if (order := taken.one_of("o", [*every, *(f"-{name}" for name in every)])) is not None:
        state = replace(state, order=(order.removeprefix("-"), order.startswith("-")))
    if (text := taken.text("f")) is not None:
        if filter_error(data, text):
            taken.refuse("f")
        else:
            state = filtered(data, state, " ".join(text.split()))
    if (base := taken.one_of("base", [*keys, _NONE])) is not None:
        state = replace(state, baseline=keys.get(base))
    if (text := taken.text("marked")) is not None:
        if any(name not in keys for name in parted(text)):
            taken.refuse("marked")
        state = replace(state, marks=tuple(keys[name] for name in parted(text) if name in keys)[-2:])
    if (row := taken.one_of("row", list(keys))) is not None:
        state = replace(state, cursor=keys[row])
    column = taken.number("col", 0, len(columns(data, state)) - 1)
    if column is not None:
        state = replace(state, column=columns(data, state)[column].name)
    first, left = taken.number("top"), taken.number("left", 1)
    state = replace(
        state,
        first=state.first if first is None else first,
        left=state.left if left is None else left,
    )
    if (view := taken.one_of("v", VIEWS)) is not None:
        state = replace(state, view=view)
    return moved(data, _with_view(data, state, taken), 0, 0)


def _with_view(data: RunsData, state: Kept, taken: Taken) -> Kept:
    """Return the state with the parts of the trend and the sweep."""
    if state.view == "trend":
        series = taken.one_of("m", data.series_ids)
        return state if series is None else replace(state, series=series)
    if state.view != "sweep":
        return state
    if (down := taken.one_of("m", sweep.latencies(data))) is not None:
        state = replace(state, down=down)
    tried = taken.number("tried", 0, max(0, len(data.sweep.tried) - 1) if data.sweep else 0)
    column = taken.number("field", 0)
    order = taken.text("by")
    if order is not None and order.removeprefix("-").isdecimal():
        state = replace(state, tried_order=(int(order.removeprefix("-")), order.startswith("-")))
    elif order is not None:
        taken.refuse("by")
    return replace(
        state,
        tried=state.tried if tried is None else tried,
        tried_column=state.tried_column if column is None else column,
    )
