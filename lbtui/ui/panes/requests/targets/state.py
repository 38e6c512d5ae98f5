"""What is shown of the targets, and how keys change it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from lbtui.analysis.slo import class_end
from lbtui.overview.attained import KINDS, Group, Kind
from lbtui.ui.panes.requests.targets.data import MEASURES, Measure, TargetsData, of_kind

View: TypeAlias = Literal["table", "cdf", "scatter"]


@dataclass(frozen=True)
class TargetsState:
    """The picture, the time that it is of, and the row under the cursor (of `TargetsData.rows`).

    `column` is the cursor's column in a distribution, None before it was moved: at the target, or else p95.
    """

    view: View = "table"
    measure: Measure = "ttft"
    row: int = 0
    column: int | None = None


def moved(data: TargetsData, state: TargetsState, step: int) -> TargetsState:
    """Return the state with the cursor on another row; in the scatter only on lengths."""
    least = of_kind(data, "input")[0] if state.view == "scatter" and of_kind(data, "input") else 0
    return replace(state, row=max(least, min(state.row + step, len(data.rows) - 1)))


def next_measure(state: TargetsState) -> TargetsState:
    """Return the state with the next time."""
    following = MEASURES[(MEASURES.index(state.measure) + 1) % len(MEASURES)]
    return replace(state, measure=following, column=None)


def next_view(data: TargetsData, state: TargetsState) -> TargetsState:
    """Return the state with the next chart: the distribution, then the scatter."""
    return viewed(data, state, "scatter" if state.view == "cdf" else "cdf")


def viewed(data: TargetsData, state: TargetsState, view: View) -> TargetsState:
    """Return the state with a picture; the cursor goes to where it can be."""
    return moved(data, replace(state, view=view), 0)


def kind_of(data: TargetsData, state: TargetsState) -> Kind | None:
    """Return the kind of the group under the cursor, None where that is all requests."""
    group = data.rows[state.row]
    return None if group is None else group.kind


def next_kind(data: TargetsData, state: TargetsState) -> TargetsState:
    """Return the state with the cursor on the first group of the next kind that there is, or on all."""
    if state.view == "scatter":
        return state
    order: list[Kind | None] = [None, *KINDS]
    here = order.index(kind_of(data, state))
    for kind in [*order[here + 1 :], *order[: here + 1]]:
        places = [0] if kind is None else of_kind(data, kind)
        if places:
            return replace(state, row=places[0])
    return state


def filter_of(group: Group | None) -> str:
    """Return the filter that leaves the requests of a group that missed a target."""
    if group is None:
        return "slo=missed"
    if group.kind == "input":
        floor = int(group.key)
        return f"slo=missed input>={floor} input<={class_end(floor)}"
    name = "domain" if group.kind == "domain" else "node"
    return f"slo=missed {name}={group.key}"
