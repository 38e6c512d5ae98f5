"""A what-if by replay in words, and back (`kit/at.py`): pure functions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from lbtui.ui.kit.parts import Taken
from lbtui.ui.panes.replay.state import Measure, ReplayState


def parts_of(state: ReplayState, names: Sequence[str]) -> dict[str, str]:
    """Return the parts of a state; the row is told by its name where it has one."""
    found = {"m": str(state.measure)}
    return {**found, "row": state.chosen} if state.chosen in names else found


def with_parts(
    state: ReplayState, taken: Taken, measures: Sequence[Measure], names: Sequence[str]
) -> ReplayState:
    """Return the state with the parts that are told."""
    measure, row = taken.one_of("m", measures), taken.one_of("row", names)
    return replace(state, measure=measure or state.measure, chosen=row or state.chosen)
