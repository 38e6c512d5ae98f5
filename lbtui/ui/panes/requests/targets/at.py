"""The Targets pane's state in words, and back (`kit/at.py`): pure functions."""

from __future__ import annotations

from dataclasses import replace

from lbtui.overview.attained import Group
from lbtui.ui.kit.parts import Taken, differing
from lbtui.ui.panes.requests.targets import state as states
from lbtui.ui.panes.requests.targets.data import MEASURES, TargetsData
from lbtui.ui.panes.requests.targets.state import TargetsState, View

_VIEWS: tuple[View, ...] = ("table", "cdf", "scatter")
_ALL = "all"


def _name(group: Group | None) -> str:
    return _ALL if group is None else f"{group.kind}:{group.key}"


def parts_of(data: TargetsData, state: TargetsState) -> dict[str, str]:
    """Return the parts of a state; a row is told by its kind and key."""
    return differing(
        {
            "v": state.view,
            "m": state.measure,
            "row": _name(data.rows[state.row]),
            "col": None if state.column is None else str(state.column),
        }
    )


def with_parts(data: TargetsData, state: TargetsState, taken: Taken) -> TargetsState:
    """Return the state with the parts that are told."""
    view, measure = taken.one_of("v", _VIEWS), taken.one_of("m", MEASURES)
    state = replace(state, view=view or state.view, measure=measure or state.measure)
    names = [_name(group) for group in data.rows]
    if (name := taken.one_of("row", names)) is not None:
        state = replace(state, row=names.index(name))
    if (column := taken.number("col")) is not None:
        state = replace(state, column=column)
    return states.viewed(data, state, state.view)
