"""What the user has chosen in the Runs pane, and what a key changes of it: pure functions."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Final, Literal, TypeAlias

from lbtui.ui.panes.runs.columns import NAME, START, RunColumn
from lbtui.ui.panes.runs.data import (
    Key,
    RunsData,
    matching,
    shown_at_first,
    sort_value,
    verdict_counts,
)

View: TypeAlias = Literal["table", "trend", "sweep"]
VIEWS: Final[tuple[View, ...]] = ("table", "trend", "sweep")
_MOST_MARKS = 2  # Compare is of two


@dataclass(frozen=True)
class Kept:
    """What is chosen and seen: what the app keeps of the pane while a run is open.

    Runs are told by where they lie (`data.key_of`), columns and figures by name. `order` is a column with
    whether it goes down, `chosen` None as long as no columns were. `series` is what the trend shows
    (`RunsData.series_ids`). `tried` is a place in the sweep, `down` the latency that it shows. Where the
    cursor or `tried` is None, the first row is under it.
    """

    view: View = "table"
    cursor: Key | None = None
    column: str = START
    first: int = 0  # row in view
    left: int = 1  # column in view, beside the name
    order: tuple[str, bool] = (START, True)
    text: str = ""
    chosen: tuple[str, ...] | None = None
    marks: tuple[Key, ...] = ()
    baseline: Key | None = None
    series: str = ""
    series_first: int = 0
    tried: int | None = None
    tried_first: int = 0
    tried_column: int = 0
    tried_left: int = 1
    tried_order: tuple[int, bool] | None = None
    down: str = ""


# The table


@lru_cache(maxsize=4)
def _rows(data: RunsData, text: str, order: tuple[str, bool]) -> tuple[int, ...]:
    name, descending = order
    left = set(matching(data, text))
    places = [place for place in data.in_time if place in left]
    if (name, descending) == (START, True):
        places.reverse()  # of runs that began together, too, the last stands first
    # Of one column all are numbers, or texts.
    values: dict[int, Any] = {place: sort_value(data, place, name) for place in places}
    known = [place for place in places if values[place] is not None]
    known.sort(key=values.__getitem__, reverse=descending)
    return (*known, *(place for place in places if values[place] is None))


def rows(data: RunsData, state: Kept) -> tuple[int, ...]:
    """Return the places of the runs that are shown, in the order of the table; unknown values stand last."""
    return _rows(data, state.text, state.order)


@lru_cache(maxsize=4)
def _row_of(data: RunsData, text: str, order: tuple[str, bool]) -> dict[int, int]:
    return {place: row for row, place in enumerate(_rows(data, text, order))}


def row_of(data: RunsData, state: Kept) -> int:
    """Return the row under the cursor; the first where its run is not shown."""
    place = data.places.get(state.cursor or "")
    return 0 if place is None else _row_of(data, state.text, state.order).get(place, 0)


def place_of(data: RunsData, state: Kept) -> int | None:
    """Return the place of the run under the cursor; None where no run is shown."""
    shown = rows(data, state)
    return shown[row_of(data, state)] if shown else None


@lru_cache(maxsize=8)
def _columns(data: RunsData, chosen: tuple[str, ...] | None, judged: bool) -> tuple[RunColumn, ...]:
    names = shown_at_first(data, judged=judged) if chosen is None else (NAME, *chosen)
    return tuple(data.columns[name] for name in dict.fromkeys(names) if name in data.columns)


def columns(data: RunsData, state: Kept) -> tuple[RunColumn, ...]:
    """Return the columns that are shown, the name first."""
    return _columns(data, state.chosen, state.baseline is not None)


def column_of(data: RunsData, state: Kept) -> int:
    """Return the number of the column under the cursor; the name's where that is not shown."""
    names = [column.name for column in columns(data, state)]
    return names.index(state.column) if state.column in names else 0


def moved(data: RunsData, state: Kept, down: int, right: int) -> Kept:
    """Move the cursor, as far as there are rows and columns."""
    shown, named = rows(data, state), columns(data, state)
    if shown:
        row = max(0, min(row_of(data, state) + down, len(shown) - 1))
        state = replace(state, cursor=data.known[shown[row]].key)
    column = max(0, min(column_of(data, state) + right, len(named) - 1))
    return replace(state, column=named[column].name)


def settled(data: RunsData, state: Kept) -> Kept:
    """Return the state with its cursor on a run that is there: without one on that of the first row.

    As long as the user has done nothing it is on none, and what stands on top is under it.
    """
    if state.cursor in data.places or not data.known:
        return state
    shown = rows(data, state)
    return replace(state, cursor=data.known[shown[0]].key) if shown else state


def sorted_by(data: RunsData, state: Kept, name: str) -> Kept:
    """Sort by a column, the worst, newest or most on top; the other way where it is sorted so already."""
    column = data.columns[name]
    down = not state.order[1] if state.order[0] == name else column.worst_down
    return replace(state, order=(name, down), first=0)


def reversed_(state: Kept) -> Kept:
    """Reverse the order."""
    return replace(state, order=(state.order[0], not state.order[1]), first=0)


def filtered(data: RunsData, state: Kept, text: str) -> Kept:
    """Show only what matches; the cursor stays on its run, or goes to the first."""
    state = replace(state, text=text, first=0)
    shown = rows(data, state)
    if shown and data.places.get(state.cursor or "") not in shown:
        state = replace(state, cursor=data.known[shown[0]].key)
    return state


def stands_out(data: RunsData, place: int) -> bool:
    """Tell whether a run is worse than the baseline, or has a critical finding."""
    counts = verdict_counts(data, place)
    if counts is not None and counts["worse"]:
        return True
    summary = data.known[place].run.summary
    return summary is not None and summary.worst is not None and summary.worst.severity == "critical"


def next_hot(data: RunsData, state: Kept, step: int) -> Kept:
    """Move the cursor to the next run that stands out, or the one before; nowhere without one."""
    shown, row = rows(data, state), row_of(data, state)
    ahead = range(row + 1, len(shown)) if step > 0 else range(row - 1, -1, -1)
    found = next((at for at in ahead if stands_out(data, shown[at])), None)
    return state if found is None else replace(state, cursor=data.known[shown[found]].key)


def marked(state: Kept, key: Key) -> Kept:
    """Mark a run for Compare, or no more; the first of three is dropped."""
    if key in state.marks:
        return replace(state, marks=tuple(one for one in state.marks if one != key))
    return replace(state, marks=(*state.marks, key)[-_MOST_MARKS:])


def pair(data: RunsData, state: Kept) -> tuple[int, int] | None:
    """Return the places of the two runs marked, the earlier first; None where two are not marked."""
    places = [data.places[key] for key in state.marks if key in data.places]
    if len(places) != _MOST_MARKS:
        return None
    first, last = sorted(places, key=data.order.__getitem__)
    return first, last


def chosen_columns(data: RunsData, state: Kept, names: Iterable[str]) -> Kept:
    """Show these columns, in the order in which all stand; the cursor stays on its own where that is."""
    wanted = set(names)
    chosen = tuple(name for name in data.columns if name in wanted and name != NAME)
    return replace(state, chosen=chosen, left=1)


# The trend


def series_of(data: RunsData, state: Kept) -> int:
    """Return the number of the series that is shown: that chosen, else the first that changed."""
    if state.series in data.series_ids:
        return data.series_ids.index(state.series)
    changed = (at for at, one in enumerate(data.series) if one.changes and not one.is_load)
    return next(changed, 0)


def moved_series(data: RunsData, state: Kept, step: int) -> Kept:
    """Show another series."""
    if not data.series:
        return state
    at = max(0, min(series_of(data, state) + step, len(data.series) - 1))
    return replace(state, series=data.series_ids[at])


def next_change(data: RunsData, state: Kept, step: int) -> Kept:
    """Show the next series that changed, or the one before; the same without one."""
    at = series_of(data, state)
    ahead = range(at + 1, len(data.series)) if step > 0 else range(at - 1, -1, -1)
    found = next((one for one in ahead if data.series[one].changes), None)
    return state if found is None else moved_series(data, state, found - at)


def point_of(data: RunsData, state: Kept) -> int:
    """Return which point of the series shown is under the cursor: its run's, else the nearest in time."""
    points = data.series[series_of(data, state)].points if data.series else ()
    place = data.places.get(state.cursor or "")
    if not points or place is None:
        return max(0, len(points) - 1)
    order = data.order
    return min(range(len(points)), key=lambda at: abs(order[points[at].run] - order[place]))


def moved_point(data: RunsData, state: Kept, step: int) -> Kept:
    """Move the cursor over the runs of the series."""
    points = data.series[series_of(data, state)].points if data.series else ()
    if not points:
        return state
    at = max(0, min(point_of(data, state) + step, len(points) - 1))
    return replace(state, cursor=data.known[points[at].run].key)
