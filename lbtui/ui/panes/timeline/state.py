"""What the Timeline pane's user has chosen, and how each key changes it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from lbtui.analysis.timeline import Bubble
from lbtui.ui.kit.window import Window, following
from lbtui.ui.panes.timeline.data import Line, TimelineData, lines_left

_SEEN = 2  # columns that a bubble must take to be seen
_AROUND = 12  # times its length are shown, if it is zoomed to


@dataclass(frozen=True)
class Mark:
    """An instant (µs) with a name."""

    name: str
    time: int


@dataclass(frozen=True, eq=False)
class Way:
    """The slices of a followed request in the order of its way, and at which of them the user is."""

    request: str
    slices: tuple[int, ...]
    step: int = 0

    @cached_property
    def members(self) -> frozenset[int]:
        """The slices, in no order."""
        return frozenset(self.slices)


@dataclass(frozen=True)
class TimelineState:
    """Which track the cursor is on, by its key, and what is pinned, shifted, marked, followed.

    `top` is the first track in view below those pinned. `shifts` are ns that a track is drawn later. `anchor`
    is what another track is to be aligned with: a track and an instant (ns). `picked` is the slice under the
    cursor where it was gone to: an instant alone may be in several.
    """

    track: str = ""
    top: int = 0
    text: str = ""
    pins: tuple[str, ...] = ()
    shifts: tuple[tuple[str, int], ...] = ()
    anchor: tuple[str, int] | None = None
    begin: int | None = None  # of the selected range, µs
    end: int | None = None  # None: it is still being selected
    marks: tuple[Mark, ...] = ()
    way: Way | None = None
    only: bool = False  # only the tracks of the followed request
    picked: int | None = None
    table: bool = False
    table_row: int = 0
    doing: str = ""  # what is being read

    def shift(self, key: str) -> int:
        """Return by how many ns a track is drawn later."""
        return dict(self.shifts).get(key, 0)


def shown_lines(data: TimelineData, state: TimelineState) -> tuple[Line, ...]:
    """Return the tracks in the order in which they stand: the pinned ones first."""
    left = lines_left(data, state.text)
    if state.only and state.way is not None:
        its = {data.slices.track_of(index) for index in state.way.slices}
        left = tuple(line for line in left if line.place in its)
    pinned = [data.by_key[key] for key in state.pins if key in data.by_key]
    return (*pinned, *(line for line in left if line not in pinned))


def row_of(data: TimelineData, state: TimelineState) -> int:
    """Return which of the tracks shown the cursor is on, the first where its track is not shown."""
    keys = [data.track(line).key for line in shown_lines(data, state)]
    return keys.index(state.track) if state.track in keys else 0


def at_row(data: TimelineData, state: TimelineState, row: int) -> TimelineState:
    """Return the state with the cursor on another of the tracks shown."""
    lines = shown_lines(data, state)
    if not lines:
        return state
    line = lines[max(0, min(row, len(lines) - 1))]
    key = data.track(line).key
    return state if key == state.track else replace(state, track=key, picked=None)


def pinned(state: TimelineState) -> TimelineState:
    """Return the state with the track under the cursor pinned, or no longer."""
    if state.track in state.pins:
        return replace(state, pins=tuple(key for key in state.pins if key != state.track))
    return replace(state, pins=(*state.pins, state.track))


def aligned(state: TimelineState, time: int) -> TimelineState:
    """Return the state with an anchor at an instant (ns), or with the track shifted to one that is there.

    On the anchor's own track it takes anchor and shift away.
    """
    others = tuple(each for each in state.shifts if each[0] != state.track)
    if state.anchor is None:
        return replace(state, anchor=(state.track, time + state.shift(state.track)))
    if state.anchor[0] == state.track:
        return replace(state, anchor=None, shifts=others)
    by = state.anchor[1] - time
    return replace(state, anchor=None, shifts=(*others, (state.track, by)) if by else others)


def ranged(state: TimelineState, time: int) -> TimelineState:
    """Return the state with a range begun at an instant (µs), ended there, or without one."""
    if state.begin is None:
        return replace(state, begin=time, end=None)
    if state.end is None and time != state.begin:
        begin, end = sorted((state.begin, time))
        return replace(state, begin=begin, end=end)
    return replace(state, begin=None, end=None)


def range_of(state: TimelineState, time: int | None) -> Window | None:
    """Return the selected range, one that is being selected up to the cursor; None without one."""
    if state.begin is None:
        return None
    end = state.end if state.end is not None else time if time is not None else state.begin
    begin, end = sorted((state.begin, end))
    return (begin, end) if end > begin else None


def marked(state: TimelineState, name: str, time: int) -> TimelineState:
    """Return the state with a mark; one of the same name is moved."""
    others = [mark for mark in state.marks if mark.name != name]
    return replace(state, marks=tuple(sorted([*others, Mark(name, time)], key=lambda mark: mark.time)))


def next_name(marks: Sequence[Mark]) -> str:
    """Return a name that no mark has: A, B, … Z, then numbers."""
    taken = {mark.name for mark in marks}
    letters = [chr(code) for code in range(ord("A"), ord("Z") + 1)]
    return next(name for name in (*letters, *map(str, range(1, len(marks) + 2))) if name not in taken)


def bubble_after(found: Sequence[Bubble], at: Bubble | None, by: int) -> Bubble | None:
    """Return the bubble `by` further among the longest; from none of them the first, or back the last."""
    if not found:
        return None
    here = found.index(at) if at in found else -1 if by > 0 else 0
    return found[(here + by) % len(found)]


def view_of(span: Window, window: Window, whole: Window, columns: int) -> Window:
    """Return the window in which a span (µs) is seen: moved as needed, zoomed out if it is longer."""
    length = span[1] - span[0]
    if length > window[1] - window[0]:
        size = max(columns, length * 5 // 4)
        begin = max(whole[0], min(span[0] - (size - length) // 2, whole[1] - size))
        return max(whole[0], begin), min(whole[1], begin + size)
    if window[0] <= span[0] and span[1] <= window[1]:
        return window
    return following(span[0], window, whole)


def close_to(span: Window, window: Window, whole: Window, columns: int) -> Window:
    """Return what `view_of` does; where the span would take less than some columns, zoomed in to it."""
    length = span[1] - span[0]
    if length * columns >= _SEEN * (window[1] - window[0]):
        return view_of(span, window, whole, columns)
    size = min(max(columns, length * _AROUND), whole[1] - whole[0])
    begin = max(whole[0], min(span[0] - (size - length) // 2, whole[1] - size))
    return begin, begin + size
