"""The EP pane's state in words, and back (`kit/at.py`): pure functions."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

from lbtui.analysis.expert_parallel import Phase
from lbtui.ui.kit.at import listed, parted
from lbtui.ui.kit.parts import Taken, differing, instance_of, instance_words
from lbtui.ui.kit.selection import Selection
from lbtui.ui.panes.ep.data import VIEWS, EpData
from lbtui.ui.panes.ep.shown import EpState
from lbtui.ui.panes.ep.state import in_bounds, is_there

_SPAN = re.compile(r"(\d{1,15})-(\d{1,15})", re.ASCII)
_SCALES = ("common", "own")
_METRICS = ("share", "tokens")


def parts_of(state: EpState, selection: Selection) -> dict[str, str]:
    """Return the parts of a state. Iterations are told from the first to the last that are shown."""
    span, alike = state.span, state.instance == selection.instance
    return differing(
        {
            "m": None if state.metric == "share" else state.metric,
            "v": state.view,
            "ci": None if alike or state.instance is None else instance_words(state.instance),
            "cp": None if state.period == selection.period else str(state.period),
            "cl": None if state.layer == selection.layer else str(state.layer),
            "cr": None if state.rank == selection.rank else str(state.rank),
            "slot": str(state.slot) if state.slot else None,
            "e": str(state.expert) if state.expert else None,
            "proc": str(state.process),
            "span": None if span is None else f"{span[0]}-{span[1] - 1}",
            "scale": None if state.common_scale else "own",
            "z": str(state.zoom) if state.zoom else None,
            "inside": "1" if state.inside else None,
            "hot": str(state.hot) if state.hot >= 0 else None,
            "skip": listed(state.skipped) or None,
        }
    )


def phase_of(taken: Taken, phase: Phase, phases: Mapping[Phase, object]) -> Phase:
    """Return the phase that is told, of those that can be chosen."""
    return taken.one_of("phase", list(phases)) or phase


def with_parts(data: EpData, state: EpState, taken: Taken) -> EpState:
    """Return the state with the parts that are told, its cursor kept inside the map."""
    state = _on_map(data, state, taken)
    numbers = {name: taken.number(name) for name in ("cl", "cr", "slot", "e", "proc", "z", "hot")}
    state = replace(
        state,
        layer=_or(numbers["cl"], state.layer),
        rank=_or(numbers["cr"], state.rank),
        slot=_or(numbers["slot"], state.slot),
        expert=_or(numbers["e"], state.expert),
        process=_or(numbers["proc"], state.process),
        zoom=_or(numbers["z"], state.zoom),
        hot=_or(numbers["hot"], state.hot),
    )
    if (metric := taken.one_of("m", _METRICS)) is not None:
        state = replace(state, metric="tokens" if metric == "tokens" else "share")
    if (scale := taken.one_of("scale", _SCALES)) is not None:
        state = replace(state, common_scale=scale == "common")
    if (inside := taken.flag("inside")) is not None:
        state = replace(state, inside=inside)
    if (skipped := taken.text("skip")) is not None:
        known = {name: name for name in VIEWS}
        state = replace(state, skipped=tuple(known[name] for name in parted(skipped) if name in known))
    if (span := taken.text("span")) is not None:
        found = _SPAN.fullmatch(span)
        if found is None or int(found[2]) < int(found[1]):
            taken.refuse("span")
        else:
            state = replace(state, span=(int(found[1]), int(found[2]) + 1))
    kept = in_bounds(data, state)
    fields = (kept.layer, kept.rank, kept.slot, kept.expert, kept.process)
    for name, value in zip(("cl", "cr", "slot", "e", "proc"), fields, strict=True):
        if numbers[name] not in (None, value):
            taken.refuse(name)
    return kept


def refuse_selected(state: EpState, taken: Taken) -> None:
    """Refuse what is selected and not under the cursor, where the cursor was told nothing else."""
    instance = None if state.instance is None else instance_words(state.instance)
    there = {"i": instance, "r": state.rank, "l": state.layer, "p": state.period}
    for name, value in there.items():
        if name in taken.parts and f"c{name}" not in taken.parts and taken.parts[name] != str(value):
            taken.refuse(name)


def _on_map(data: EpData, state: EpState, taken: Taken) -> EpState:
    """Return the state in the view, the instance and the period told, as far as they are there."""
    told, period = taken.text("ci"), taken.number("cp")
    instance = None if told is None else instance_of(told)
    view = taken.one_of("v", VIEWS)
    wanted = replace(
        state,
        instance=instance or state.instance,
        view=view or state.view,
        period=_or(period, state.period),
    )
    if is_there(data, wanted) or (wanted.view in ("times", "intervals") and wanted.view in data.views(None)):
        return wanted
    if view is not None and view not in data.views(state.instance):
        taken.refuse("v")
    if instance is not None and instance not in data.periods:
        taken.refuse("ci")
    if period is not None and period not in data.periods.get(wanted.instance or "", ()):
        taken.refuse("cp")
    return state


def _or(number: int | None, otherwise: int) -> int:
    return otherwise if number is None else number
