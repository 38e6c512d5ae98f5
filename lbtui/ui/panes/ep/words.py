"""The EP pane in words: what the cursor is on, how hot it is, what is shown and what is not."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lbtui.analysis.expert_parallel import Phase
from lbtui.profile.collect import COLLECT
from lbtui.profile.schema import FrameName
from lbtui.render.heatmap_view import View
from lbtui.render.text import behind, minus, number
from lbtui.text import _, in_list, with_comma
from lbtui.ui.kit.selection import side_word
from lbtui.ui.panes.ep.data import EpData, EpMap, ViewName
from lbtui.ui.panes.ep.facts import hot_share_words
from lbtui.ui.panes.ep.shown import EpState, column_of, current_load, current_map

VIEW_TITLES: dict[ViewName, str] = {
    "rank": _("rank × layer"),
    "expert": _("expert × layer"),
    "model_expert": _("model expert × layer"),
    "times": _("GroupedMatmul time"),
    "intervals": _("fast/slow ranks"),
}
_FRAMES: dict[ViewName, FrameName] = {
    "rank": "expert_heat",
    "expert": "expert_heat",
    "model_expert": "expert_heat",
    "times": "layer_times",
    "intervals": "rank_intervals",
}


def why_absent(data: EpData, view: ViewName) -> str:
    """Return why a view is not in this profile, and how to collect it."""
    frame = _FRAMES[view]
    if frame == "expert_heat" and data.instances:
        return _("{view}: no such heatmap in this profile").format(view=VIEW_TITLES[view])
    told = COLLECT[frame]
    return _("{view}: {reason}; {how}").format(view=VIEW_TITLES[view], reason=told.reason, how=told.how)


def absent_words(views: Sequence[ViewName]) -> str:
    """Return which views are not in this profile."""
    return _("not here: {views}").format(views=in_list(VIEW_TITLES[view] for view in views))


def period_words(data: EpData, state: EpState) -> str:
    """Return the EPLB period by its number in the files, and its place among those present."""
    numbers = data.periods.get(state.instance or "", ())
    text = _("period {number}").format(number=state.period)
    if state.period in numbers:
        place, count = numbers.index(state.period) + 1, len(numbers)
        text = _("period {number} ({place} of {count})").format(number=state.period, place=place, count=count)
    return text if state.span is None else f"{iteration_words(state.span)} · {text}"


def phase_word(phase: Phase) -> str:
    """Return what a choice of phases is called."""
    return {"prefill": _("prefill"), "decode": _("decode"), "both": _("prefill and decode")}[phase]


def iteration_words(span: tuple[int, int]) -> str:
    """Return which iterations are shown."""
    first, last = span[0], span[1] - 1
    if first == last:
        return _("iteration {first}").format(first=first)
    return _("iterations {first}–{last}").format(first=first, last=last)


def side_lacks(data: EpData, view: ViewName) -> str:
    """Return why the side shown has no such view."""
    if data.side != "difference":
        return _("{side}: no {view} in this profile").format(
            side=side_word(data.side or "after"), view=VIEW_TITLES[view]
        )
    if view == "intervals":
        return _("Intervals are not subtracted: b shows them before and after.")
    return _("No difference of {view}: one of both profiles lacks it, or its pictures' scale.").format(
        view=VIEW_TITLES[view]
    )


def cell_words(state: EpState, view: View, shown: EpMap | None = None) -> str:
    """Return what a drawn cell covers where it is more than one; empty where it is one."""
    rows, columns = view.rows_per_cell, view.columns_per_cell
    if shown is not None and shown.pair is not None:
        many = _("cell: largest change of {columns} × {rows} layers")
        return many.format(columns=columns, rows=rows) if rows * columns > 1 else ""
    if columns == 1:
        return _("max of {rows} layers").format(rows=rows) if rows > 1 else ""
    names = {"rank": _("{columns} ranks"), "times": _("{columns} processes")}
    across = names.get(state.view, _("{columns} experts")).format(columns=columns)
    if rows == 1:
        return _("max of {across}").format(across=across)
    return _("max of {across} × {rows} layers").format(across=across, rows=rows)


def process_words(column: int, process: int) -> str:
    """Return a process by its place in pid order, which is only a guess at its rank."""
    return _("process {column} (pid {pid})").format(column=column, pid=process)


def column_words(data: EpData, state: EpState) -> str:
    """Return what column the cursor is in: rank, slot and expert as far as known."""
    shown = current_map(data, state)
    column = column_of(state)
    if state.view == "rank":
        return _("rank {rank}").format(rank=column)
    if state.view == "times":
        pid = data.processes[column] if column < len(data.processes) else 0
        return with_comma(process_words(column, pid), _("rank guessed"))
    if state.view == "model_expert":
        shared = shown is not None and column in shown.shared
        text = _("shared expert {expert}") if shared else _("expert {expert}")
        return text.format(expert=column)
    if shown is None or not shown.ranks:
        place = _("slot {slot}, rank unknown").format(slot=column)
        if shown is None or not shown.experts:
            return place
    else:
        place = _("rank {rank} slot {slot}").format(rank=shown.ranks[column], slot=shown.slot_of(column))
    if not shown.experts:
        return place + " · " + _("expert unknown")
    expert = shown.experts[min(state.layer, len(shown.experts) - 1)][column]
    if expert is None:
        return place + " · " + _("expert unknown")
    shared_there = expert in _shared_experts(data, state)
    text = _("shared expert {expert}") if shared_there else _("expert {expert}")
    return place + " · " + text.format(expert=expert)


def _shared_experts(data: EpData, state: EpState) -> frozenset[int]:
    model = data.maps.get((state.instance or "", "model_expert", state.period))
    return frozenset() if model is None else model.shared


def homes_words(data: EpData, state: EpState) -> str:
    """Return which ranks hold the model expert under the cursor in this layer; empty where unknown."""
    slots = data.maps.get((state.instance or "", "expert", state.period))
    if state.view != "model_expert" or slots is None or not slots.experts or not slots.ranks:
        return ""
    if state.layer >= len(slots.experts):
        return ""
    homes = [
        rank
        for rank, expert in zip(slots.ranks, slots.experts[state.layer], strict=True)
        if expert == state.expert
    ]
    if len(homes) == len(set(slots.ranks)) > 1:
        return _("on every rank")
    text = _("on rank {ranks}") if len(homes) == 1 else _("on ranks {ranks}")
    return text.format(ranks=in_list(str(rank) for rank in homes)) if homes else ""


def value_words(shown: EpMap, layer: int, column: int, *, short: bool = False) -> list[str]:
    """Return the value of a cell, the most telling first: share or time, × the layer's mean."""
    words = []
    if shown.pair is not None:
        before, after = (float(side.values[layer, column]) for side in shown.pair)
        unit = _("ms") if shown.kind == "ms" else _("× mean")
        return [
            minus(f"{after - before:+.3g}") + behind(unit),
            _("{before} before, {after} after").format(before=number(before), after=number(after)),
        ]
    if shown.kind == "ms":
        words.append(_("{time} ms").format(time=number(float(shown.values[layer, column]))))
    if shown.shares is not None:
        percent = number(100 * float(shown.shares[layer, column]))
        text = _("{share} %") if short else _("{share} % of the layer")
        words.append(text.format(share=percent))
    if shown.multiples is not None:
        words.append(_("{multiple}× mean").format(multiple=number(float(shown.multiples[layer, column]))))
    if shown.kind == "copies":
        words.append(_copies_words(float(shown.values[layer, column])))
    if shown.kind == "relative":
        words.append(_("relative heat {heat} of 1").format(heat=number(float(shown.values[layer, column]))))
    return words


def _copies_words(copies: float) -> str:
    if np.isnan(copies):
        return _("no slot")
    if copies < 1:
        return _("nowhere in this layer")
    return _("the only copy") if copies == 1 else _("{count} copies").format(count=number(copies))


def token_words(shown: EpMap, layer: int, column: int) -> str:
    """Return the tokens of a cell, or that they are unknown and why; empty where tokens mean nothing."""
    if shown.kind in ("ms", "copies") or shown.pair is not None:
        return ""
    if shown.tokens is None:
        return _("tokens: no data, pictures hold shares")
    tokens = float(shown.tokens[layer, column])
    if np.isnan(tokens):
        return _("tokens: no data")
    return _("{tokens} tokens").format(tokens=number(tokens))


def reading_words(data: EpData, state: EpState) -> str:
    """Return the cell under the cursor in one line."""
    shown = current_map(data, state)
    if shown is None:
        return ""
    layer, column = state.layer, column_of(state)
    parts = [_("layer {layer}").format(layer=layer), column_words(data, state)]
    parts += value_words(shown, layer, column, short=True)
    if shown.tokens is not None and shown.pair is None:
        parts.append(token_words(shown, layer, column))
    if homes := homes_words(data, state):
        parts.append(homes)
    if hot := hot_share_words(data, state):
        parts.append(hot)
    return " · ".join(parts)


def par_words(data: EpData, state: EpState) -> str:
    """Return the PAR over ranks of the cursor's layer and its place among the layers."""
    load = current_load(data, state)
    if load is None or state.layer >= len(load.par):
        return _("PAR no data: {why}").format(why=why_no_par(data, state))
    if load.pair is not None:
        return _("PAR {before} → {after}").format(
            before=f"{load.pair[0].par[state.layer]:.2f}", after=f"{load.pair[1].par[state.layer]:.2f}"
        )
    place = [layer for layer, _par in load.worst].index(state.layer) + 1
    return _("PAR {par} ({place} of {count})").format(
        par=number(float(load.par[state.layer])), place=place, count=len(load.worst)
    )


def why_no_par(data: EpData, state: EpState) -> str:
    """Return why the load of ranks is unknown."""
    if state.instance is None:
        return _("no expert heat here")
    found = [view for name, view, period in data.maps if (name, period) == (state.instance, state.period)]
    shown = current_map(data, state)
    if shown is not None and shown.kind == "copies":
        return _("a placement tells no load")
    if found == ["model_expert"] and shown is not None and shown.tokens is not None:
        return _("no placement tells the ranks of experts (--placement)")
    if "rank" in found:
        return _("the picture's scale is unreadable")
    if "expert" in found:
        return _("rank boundaries unknown, no by_rank map")
    return _("no by_rank map of this period")
