"""Where the EP pane's cursor goes by name: `layer=31`, `rank=3`, `expert=120`, `period=2`, or several."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from lbtui.analysis.named_terms import is_whole, named_term
from lbtui.text import _, in_list
from lbtui.ui.panes.ep.data import EpData, ViewName
from lbtui.ui.panes.ep.shown import EpState, current_map
from lbtui.ui.panes.ep.state import aimed_at, at_cell, follow_selection, in_bounds, slot_of_rank

_NAMES = ("layer", "rank", "expert", "period")
# The views that can show a name, the best first.
_VIEWS: Mapping[str, tuple[ViewName, ...]] = {
    "layer": ("rank", "expert", "model_expert", "times"),
    "rank": ("rank", "expert", "times", "intervals"),
    "expert": ("expert", "model_expert"),
    "period": ("rank", "expert", "model_expert"),
}


def grammar() -> str:
    """Return how a place is written, in a few words."""
    return _("layer=31, rank=3, expert=120, period=2, or several with a blank between: rank=3 layer=31")


def problem(data: EpData, state: EpState, text: str) -> str | None:
    """Return why the cursor cannot go there, as a sentence; None if it can."""
    try:
        wanted = _wanted(text)
    except ValueError as error:
        return str(error)
    here = _names_at(data, gone_to(data, state, text))
    for name, number in wanted.items():
        if here.get(name) != number:
            return _("There is no {name} {number} here.").format(name=_word(name), number=number)
    return None


def gone_to(data: EpData, state: EpState, text: str) -> EpState:
    """Return the state with the cursor at what a text without a problem names.

    The view stays where it can show that, else the first that can is shown. Of an expert's copies the most
    loaded of the layer is taken, with a rank that on the rank. Processes count as ranks: their order is a
    guess at it.
    """
    wanted = _wanted(text)
    if not wanted:
        return state
    state = replace(_in_view(data, state, wanted), hot=-1, skipped=())
    rank, layer = wanted.get("rank"), wanted.get("layer")
    state = replace(state, layer=state.layer if layer is None else layer)
    state = follow_selection(data, state, instance=None, rank=None, layer=None, period=wanted.get("period"))
    if rank is not None:
        state = replace(state, rank=rank, process=rank)
        state = replace(state, slot=slot_of_rank(data, state))
    state = in_bounds(data, state)
    if (expert := wanted.get("expert")) is None:
        return state
    return _at_expert(data, state, expert, rank)


def _wanted(text: str) -> dict[str, int]:
    """Return the numbers by the names in a text. Raises `ValueError` with a sentence for any other term."""
    found = {}
    for word in text.split():
        asked = named_term(word, _NAMES)
        if asked is None:
            names = in_list(f"{name}=" for name in _NAMES)
            raise ValueError(_("“{word}” asks for none of {names}.").format(word=word, names=names))
        name, values = asked
        if len(values) != 1 or not is_whole(values[0]):
            raise ValueError(_("{name}= wants one number behind it.").format(name=name))
        found[name] = int(values[0])
    return found


def _in_view(data: EpData, state: EpState, wanted: Mapping[str, int]) -> EpState:
    """Return the state in a view that can show all that is wanted: as it is, if it can."""
    there = data.views(state.instance)
    fitting = [view for view in there if all(view in _VIEWS[name] for name in wanted)]
    if not fitting or state.view in fitting:
        return state
    best = min(fitting, key=lambda view: max(_VIEWS[name].index(view) for name in wanted))
    return in_bounds(data, replace(state, view=best, zoom=0, inside=False))


def _at_expert(data: EpData, state: EpState, expert: int, rank: int | None) -> EpState:
    if state.view == "model_expert":
        return in_bounds(data, replace(state, expert=expert))
    shown = current_map(data, state)
    if rank is None or shown is None or not shown.experts:
        return aimed_at(data, state, "expert", expert)
    layer = min(state.layer, len(shown.experts) - 1)
    own = [slot for slot in shown.columns_of_rank(rank) if shown.experts[layer][slot] == expert]
    return at_cell(data, state, layer, own[0]) if own else state


def _names_at(data: EpData, state: EpState) -> dict[str, int | None]:
    """Return the numbers of what the cursor is on, by the names that its view can show."""
    shown = current_map(data, state)
    period = state.period if state.period in data.periods.get(state.instance or "", ()) else None
    if shown is None:
        places = [interval.column for interval in data.intervals]
        return {"rank": state.process if state.process in places else None}
    layer = state.layer if state.layer < shown.shape[0] else None
    found: dict[str, int | None] = {"layer": layer, "period": None if state.view == "times" else period}
    if state.view in ("rank", "times"):
        found["rank"] = state.rank if state.view == "rank" else state.process
    elif state.view == "model_expert":
        found["expert"] = state.expert
    else:
        found["rank"] = shown.ranks[state.slot] if shown.ranks else None
        found["expert"] = (
            shown.experts[state.layer][state.slot] if shown.experts and layer is not None else None
        )
    return found


def _word(name: str) -> str:
    return {"layer": _("layer"), "rank": _("rank"), "expert": _("expert"), "period": _("period")}[name]
