"""The Overview's state in words, and back (`kit/at.py`): pure functions.

An entry is named by what it is, not by its words, which are of a language, nor by its place, which moves as
findings come.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from lbtui.ui.kit.parts import Taken, differing
from lbtui.ui.panes.overview.data import Entry, State


def names_of(entries: Sequence[Entry]) -> list[str]:
    """Return a name for each entry: a finding's id, a line's key, else its kind; others of it numbered."""
    seen: Counter[str] = Counter()
    names = []
    for entry in entries:
        name = entry.found.finding.id if entry.found else entry.line.key if entry.line else entry.kind
        seen[name] += 1
        names.append(name if seen[name] == 1 else f"{name}:{seen[name]}")
    return names


def parts_of(entries: Sequence[Entry], state: State) -> dict[str, str]:
    """Return the parts of a state."""
    place = min(state.entry, len(entries) - 1)
    return differing(
        {"row": names_of(entries)[place], "col": None if state.column is None else str(state.column)}
    )


def with_parts(entries: Sequence[Entry], state: State, taken: Taken) -> State:
    """Return the state with the parts that are told."""
    names = names_of(entries)
    if (name := taken.one_of("row", names)) is not None:
        state = State(names.index(name))
    line = entries[min(state.entry, len(entries) - 1)].line
    last = 0 if line is None else len(line.values) - 1
    column = taken.number("col", 0, max(0, last))
    return state if column is None else replace(state, column=column)
