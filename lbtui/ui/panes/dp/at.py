"""The DP pane's state in words, and back (`kit/at.py`): pure functions."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

from lbtui.analysis.data_parallel import METRICS
from lbtui.ui.kit.parts import ALL, Taken, differing, time_words, window_words
from lbtui.ui.kit.selection import Selection
from lbtui.ui.kit.window import Window
from lbtui.ui.panes.dp.layout import DpState
from lbtui.ui.panes.dp.passes import NAMES

_VIEWS = ("lanes", "chart", "table")


@dataclass(frozen=True)
class Tabled:
    """What is chosen of the table of passes: the order, the cursor's place, the first in view."""

    order: tuple[str, bool] = ("start", False)  # the column, whether downwards
    place: int = 0
    first: int = 0
    about: int | None = None  # µs, where all passes are too many


def parts_of(state: DpState, selection: Selection, whole: Window) -> dict[str, str]:
    """Return the parts of a state of the lanes or the chart."""
    return differing(
        {
            "m": state.metric,
            "v": "chart" if state.chart else None,
            "s": None if state.statistic == "mean" else state.statistic,
            "o": "score" if state.by_score else None,
            "f": state.text or None,
            "top": str(state.top) if state.top else None,
            "ct": None if state.time == selection.time else time_words(state.time, whole),
            "cd": None if state.domain == selection.domain else state.domain,
            "cw": None if state.window == selection.window else window_words(state.window, whole),
        }
    )


def table_parts(table: Tabled, whole: Window) -> dict[str, str]:
    """Return the parts of the table, which are told in the place of those of the lanes."""
    name, downwards = table.order
    return differing(
        {
            "v": "table",
            "o": f"-{name}" if downwards else name,
            "row": str(table.place),
            "top": str(table.first),
            "about": None if table.about is None else time_words(table.about, whole),
        }
    )


def with_parts(state: DpState, taken: Taken, domains: Collection[str]) -> DpState:
    """Return the state with the parts of lanes or chart that are told."""
    if (name := taken.one_of("m", [m.key for m in METRICS])) is not None:
        state = replace(state, metric=name)
    if (view := taken.one_of("v", _VIEWS)) is not None:
        state = replace(state, chart=view == "chart")
    if (statistic := taken.one_of("s", ("mean", "worst"))) is not None:
        state = replace(state, statistic="worst" if statistic == "worst" else "mean")
    if (text := taken.text("f")) is not None:
        state = replace(state, text=text)
    if taken.text("v") != "table":
        if (order := taken.one_of("o", ("score", "rank"))) is not None:
            state = replace(state, by_score=order == "score")
        if (top := taken.number("top")) is not None:
            state = replace(state, top=top)
    if (time := taken.time("ct")) is not None:
        state = replace(state, time=time)
    if (domain := taken.key("cd", domains)) is not None:
        state = replace(state, domain=domain)
    if (window := taken.window("cw")) is not None:
        state = replace(state, window=None if window == ALL else window)
    return state


def table_of(table: Tabled, taken: Taken) -> Tabled | None:
    """Return the table with the parts that are told; None where lanes or chart are."""
    if taken.text("v") != "table":
        return None
    if (order := taken.one_of("o", [*NAMES, *(f"-{name}" for name in NAMES)])) is not None:
        table = replace(table, order=(order.removeprefix("-"), order.startswith("-")))
    place, first, about = taken.number("row"), taken.number("top"), taken.time("about")
    return replace(
        table,
        place=table.place if place is None else place,
        first=table.first if first is None else first,
        about=about,
    )
