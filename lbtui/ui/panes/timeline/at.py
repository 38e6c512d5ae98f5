"""The Timeline pane's state in words, and back (`kit/at.py`): pure functions."""

from __future__ import annotations

from dataclasses import replace

from lbtui.ui.kit.at import listed, listed_pairs, pairs, parted
from lbtui.ui.kit.parts import Taken, differing, time_of, time_words
from lbtui.ui.kit.window import Window
from lbtui.ui.panes.timeline.data import TimelineData, problem
from lbtui.ui.panes.timeline.state import Mark, TimelineState, Way

_VIEWS = ("tracks", "table")
_ONLY = ("way", "all")
_BETWEEN = ".."
_MOST = (1 << 63) - 1  # ns, or ns since 1970


def parts_of(state: TimelineState, whole: Window | None) -> dict[str, str]:
    """Return the parts of a state; which request is followed is selected in all panes."""
    way, marks = state.way, [(mark.name, time_words(mark.time, whole)) for mark in state.marks]
    shifts = [(key, str(by)) for key, by in state.shifts]
    anchor = [] if state.anchor is None else [(state.anchor[0], str(state.anchor[1]))]
    return differing(
        {
            "v": "table" if state.table else None,
            "f": state.text or None,
            "track": state.track or None,
            "top": str(state.top) if state.top else None,
            "pins": listed(state.pins) or None,
            "shift": listed_pairs(shifts) or None,
            "anchor": listed_pairs(anchor) or None,
            "range": _range_words(state, whole),
            "marks": listed_pairs(marks) or None,
            "only": "way" if state.only else None,
            "step": None if way is None else str(way.step),
            "slice": None if state.picked is None else str(state.picked),
            "row": str(state.table_row) if state.table and state.table_row else None,
        }
    )


def _range_words(state: TimelineState, whole: Window | None) -> str | None:
    if state.begin is None:
        return None
    end = "" if state.end is None else time_words(state.end, whole)
    return f"{time_words(state.begin, whole)}{_BETWEEN}{end}"


def with_parts(data: TimelineData, state: TimelineState, taken: Taken) -> TimelineState:
    """Return the state with the parts that are told; a step only of a request that is followed by now."""
    if (view := taken.one_of("v", _VIEWS)) is not None:
        state = replace(state, table=view == "table")
    if (text := taken.text("f")) is not None:
        if problem(data, text):
            taken.refuse("f")
        else:
            state = replace(state, text=" ".join(text.split()))
    if (track := taken.one_of("track", list(data.by_key))) is not None:
        state = replace(state, track=track)
    row, top = taken.number("row"), taken.number("top")
    state = replace(
        state,
        table_row=state.table_row if row is None else row,
        top=state.top if top is None else top,
    )
    return _picked(data, _followed(_marked(_pinned(state, taken), taken), taken), taken)


def _pinned(state: TimelineState, taken: Taken) -> TimelineState:
    """Return the state with what is pinned, shifted and to be aligned with, as far as it is told."""
    if (pins := taken.text("pins")) is not None:
        state = replace(state, pins=tuple(parted(pins)))
    if (shifts := taken.text("shift")) is not None:
        found = [(key, _whole(by)) for key, by in pairs(shifts)]
        state = replace(state, shifts=tuple((key, by) for key, by in found if by is not None))
        if any(by is None for _key, by in found):
            taken.refuse("shift")
    if (anchor := taken.text("anchor")) is not None:
        told = [(key, _whole(at)) for key, at in pairs(anchor)]
        if len(told) == 1 and told[0][1] is not None:
            state = replace(state, anchor=(told[0][0], told[0][1]))
        else:
            taken.refuse("anchor")
    return state


def _marked(state: TimelineState, taken: Taken) -> TimelineState:
    """Return the state with its marks and its range, as far as they are told."""
    if (marks := taken.text("marks")) is not None:
        found = [(name, time_of(at, taken.whole)) for name, at in pairs(marks)]
        if any(time is None for _name, time in found):
            taken.refuse("marks")
        state = replace(state, marks=tuple(Mark(name, time) for name, time in found if time is not None))
    if (told := taken.text("range")) is not None:
        begin, _between, end = told.partition(_BETWEEN)
        first, last = time_of(begin, taken.whole), time_of(end, taken.whole)
        if first is None or (end and last is None):
            taken.refuse("range")
        else:
            state = replace(state, begin=first, end=last)
    return state


def _followed(state: TimelineState, taken: Taken) -> TimelineState:
    step, only, way = taken.number("step"), taken.one_of("only", _ONLY), state.way
    if way is None:
        return state
    if step is not None:
        if step < len(way.slices):
            state = replace(state, way=Way(way.request, way.slices, step))
        else:
            taken.refuse("step")
    return state if only is None else replace(state, only=only == "way")


def _picked(data: TimelineData, state: TimelineState, taken: Taken) -> TimelineState:
    """Return the state with a slice of its track under the cursor, where one is told."""
    index = taken.number("slice")
    if index is None or data.slices.sampled:
        return state
    track = data.by_key.get(state.track)
    if track is None or index >= len(data.slices.start) or data.slices.track_of(index) != track.place:
        taken.refuse("slice")
        return state
    return replace(state, picked=index)


def _whole(text: str) -> int | None:
    """Return a whole number of 64 bits."""
    digits = text.removeprefix("-")
    if not digits.isascii() or not digits.isdigit() or len(digits) > len(str(_MOST)):
        return None
    return number if abs(number := int(text)) <= _MOST else None
