"""The Requests pane's state in words, and back (`kit/at.py`): pure functions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from lbtui.analysis.latency import Arrangement
from lbtui.ui.kit.parts import ALL, Taken, differing, window_words
from lbtui.ui.kit.selection import Selection
from lbtui.ui.panes.requests.columns import BY_NAME
from lbtui.ui.panes.requests.data import RequestsData, RequestsState, request_at, window_of
from lbtui.ui.panes.requests.orders import sorted_by

_WINDOW = "window"  # the one selected, or all the time


@dataclass(frozen=True)
class Told:
    """The order that a view has, where its cursor is in it, and what is done then. None is as it comes."""

    arrangement: Arrangement
    request: str | None = None
    row: int | None = None
    first: int | None = None
    then: Callable[[], object] = lambda: None


def parts_of(
    data: RequestsData, state: RequestsState, wanted: Arrangement, selection: Selection
) -> dict[str, str]:
    """Return the parts of a state, scrolled as it is drawn. A request is told by its id where it has one."""
    request = request_at(data, state, state.cursor)
    own = None if request is None else request["request_id"]
    # That of a column without numbers is the one sorted by before.
    usual = wanted.sort if BY_NAME[wanted.sort].numeric else None
    only = None
    if wanted.window is not None:
        only = (
            _WINDOW
            if wanted.window == window_of(data, selection)
            else window_words(wanted.window, data.whole)
        )
    return differing(
        {
            "o": f"-{wanted.sort}" if wanted.descending else wanted.sort,
            "sum": None if wanted.measure == usual else wanted.measure,
            "f": wanted.filter or None,
            "only": only,
            "all": "1" if state.all_domains else None,
            "row": str(state.cursor) if state.cursor else None,
            "id": own if own else None,
            "top": str(state.first) if state.first else None,
        }
    )


def with_parts(state: RequestsState, taken: Taken) -> RequestsState:
    """Return the state with what needs no other order."""
    every = taken.flag("all")
    return state if every is None else replace(state, all_domains=every)


def told_of(data: RequestsData, wanted: Arrangement, taken: Taken, selection: Selection) -> Told:
    """Return the order that is told, and where its cursor is."""
    there = [column.name for column in data.columns]
    if (order := taken.one_of("o", [*there, *(f"-{name}" for name in there)])) is not None:
        wanted = replace(sorted_by(order.removeprefix("-"), wanted), descending=order.startswith("-"))
    if (measure := taken.one_of("sum", [name for name in there if BY_NAME[name].numeric])) is not None:
        wanted = replace(wanted, measure=measure)
    if (text := taken.text("f")) is not None:
        wanted = replace(wanted, filter=" ".join(text.split()))
    if (only := taken.text("only")) is not None:
        window = window_of(data, selection) if only == _WINDOW else taken.window("only")
        if window is not None:
            wanted = replace(wanted, window=None if window == ALL else window)
    return Told(wanted, taken.text("id"), taken.number("row"), taken.number("top"))


def placed(data: RequestsData, state: RequestsState, told: Told) -> RequestsState:
    """Return the state of an order that is shown, with the cursor on the request that is told, or its row."""
    rows, place = state.arranged.rows, told.row
    if told.request is not None:
        ids = data.table["request_id"].gather(rows)
        if place is None or place >= len(rows) or ids[place] != told.request:
            found = ids.index_of(told.request)
            place = place if found is None else found
    place = state.cursor if place is None else max(0, min(place, len(rows) - 1))
    return replace(state, cursor=place, first=state.first if told.first is None else told.first)
