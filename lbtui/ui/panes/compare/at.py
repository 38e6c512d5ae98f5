"""The Compare pane's state in words, and back (`kit/at.py`): pure functions."""

from __future__ import annotations

from dataclasses import replace

from lbtui.comparison import Comparison
from lbtui.ui.kit.parts import ALL, Taken, differing
from lbtui.ui.panes.compare.view import CompareState, moved, shown_rows

_CHANGED = "changed"


def parts_of(state: CompareState) -> dict[str, str]:
    """Return the parts of a state."""
    return differing(
        {
            "f": state.text or None,
            "only": _CHANGED if state.changed_only else None,
            "row": str(state.cursor),
        }
    )


def with_parts(comparison: Comparison, state: CompareState, taken: Taken) -> CompareState:
    """Return the state with the parts that are told."""
    if (text := taken.text("f")) is not None:
        state = replace(state, text=text)
    if (only := taken.one_of("only", (_CHANGED, ALL))) is not None:
        state = replace(state, changed_only=only == _CHANGED)
    row = taken.number("row", 0, max(0, len(shown_rows(comparison, state)) - 1))
    return moved(comparison, state if row is None else replace(state, cursor=row), 0)
