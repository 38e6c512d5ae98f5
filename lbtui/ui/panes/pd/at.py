"""The P/D pane's state in words, and back (`kit/at.py`): pure functions."""

from __future__ import annotations

from dataclasses import replace

from lbtui.analysis.prefill_decode import COUNTS, NodeTable, bin_at
from lbtui.ui.kit.parts import Taken, differing, time_words
from lbtui.ui.kit.selection import Selection
from lbtui.ui.kit.window import Window
from lbtui.ui.panes.pd import state as pd_state
from lbtui.ui.panes.pd.state import PdData, PdState

_VIEWS = ("lanes", "chart", "hand-offs", "chart+hand-offs")
_CELLS = ("one", "three")
_BOTH = "both"


def parts_of(data: PdData, state: PdState, selection: Selection, whole: Window | None) -> dict[str, str]:
    """Return the parts of a state, scrolled as it is drawn; the selection is in the times of the side."""
    view = 2 * state.transfers + state.chart
    found = {
        "m": state.count,
        "v": _VIEWS[view] if view else None,
        "f": state.text or None,
        "role": state.role,
        "cells": None if state.three is None else _CELLS[state.three],
        "row": str(state.line) if state.line else None,
        "under": str(state.first_line) if state.first_line else None,
        "top": str(state.first_bin) if state.first_bin else None,
        "left": str(state.first_node) if state.first_node else None,
    }
    if (table := data.table) is not None:
        follows = selection.time is not None and bin_at(table, selection.time) == state.bin
        begin, address = int(table.starts[state.bin]), table.nodes[state.node].address
        found["ct"] = None if follows else time_words(begin, whole)
        found["cn"] = None if address == selection.node else address
    return differing(found)


def with_parts(data: PdData, state: PdState, taken: Taken) -> PdState:
    """Return the state with the parts that are told; `ct` and `cn` are of the side shown."""
    if (count := taken.one_of("m", COUNTS)) is not None:
        state = replace(state, count=count)
    if (view := taken.one_of("v", _VIEWS)) is not None:
        place = _VIEWS.index(view)
        state = replace(state, transfers=place >= 2, chart=bool(place % 2))
    if (cells := taken.one_of("cells", _CELLS)) is not None:
        state = replace(state, three=cells == "three")
    last = max(0, len(data.stages) + len(data.pulls) - 1)
    line, first_line = taken.number("row", 0, last), taken.number("under", 0, last)
    first_bin, first_node = taken.number("top"), taken.number("left")
    state = replace(
        state,
        line=state.line if line is None else line,
        first_line=state.first_line if first_line is None else first_line,
        first_bin=state.first_bin if first_bin is None else first_bin,
        first_node=state.first_node if first_node is None else first_node,
    )
    return state if data.table is None else _on_table(data.table, state, taken)


def _on_table(table: NodeTable, state: PdState, taken: Taken) -> PdState:
    role, text = taken.one_of("role", [_BOTH, *table.roles]), taken.text("f")
    if role is not None or text is not None:
        first = state.first_node
        wanted = state.text if text is None else text
        wanted_role = state.role if role is None else None if role == _BOTH else role
        state = pd_state.with_filter(table, state, role=wanted_role, text=wanted)
        if state.text != wanted:
            taken.refuse("f")
        state = replace(state, first_node=first)
    if (time := taken.time("ct")) is not None:
        place = bin_at(table, time)
        state = state if place is None else replace(state, bin=place)
    if (address := taken.text("cn")) is not None:
        found = [i for i, node in enumerate(table.nodes) if node.address == address]
        if found:
            state = replace(state, node=found[0])
        else:
            taken.refuse("cn")
    return state
