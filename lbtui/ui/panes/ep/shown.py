"""Which map of the EP data is shown: of an EPLB period or of some iterations, in shares or in tokens."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal, TypeAlias

import numpy as np

from lbtui.analysis.eplb.moments import matrix_between
from lbtui.analysis.expert_parallel import REBALANCE_PAR, HeatMatrix, HeatScale, View, heat_scale
from lbtui.analysis.imbalance import Floats
from lbtui.ui.panes.ep.data import EpData, EpMap, RankLoad, ViewName, heat_map, in_tokens, rank_load, without
from lbtui.ui.panes.ep.iterations import EpOver

Metric: TypeAlias = Literal["share", "tokens"]
# The scale of moments is that of so many of them, evenly spread over the run.
_SAMPLES = 24


@dataclass(frozen=True)
class EpState:
    """The cursor has one column per view, so that each view is found again where it was left."""

    instance: str | None
    view: ViewName
    period: int = 0
    layer: int = 0
    rank: int = 0
    slot: int = 0  # column of the expert view
    expert: int = 0  # column of the model-expert view
    process: int = 0  # column of the views of processes
    metric: Metric = "share"
    span: tuple[int, int] | None = None  # iterations shown, half-open; None: the whole period
    common_scale: bool = True
    zoom: int = 0  # steps from the whole map towards single cells
    inside: bool = False  # Enter has opened the rank's experts
    hot: int = -1  # which of the hottest cells `n` has reached
    skipped: tuple[ViewName, ...] = ()  # views that `v` has just passed by because they do not exist
    behind: str = ""  # how the reading of iterations stands; empty once they are there


def column_of(state: EpState) -> int:
    """Return the cursor's column in the view shown."""
    columns = {"rank": state.rank, "expert": state.slot, "model_expert": state.expert}
    return columns.get(state.view, state.process)


def over_of(data: EpData, state: EpState) -> EpOver | None:
    """Return the iterations of the instance shown, None where they are unknown."""
    return data.over.get(state.instance or "")


def current_map(data: EpData, state: EpState) -> EpMap | None:
    """Return the map shown, None where there is none or the view is no map.

    Tokens where they are asked for and known.
    """
    if state.view == "times":
        return data.times
    if state.view == "intervals":
        return None
    return _current(data, state.instance or "", state.view, state.period, state.span, state.metric)


# As it was before a key, and as it is after: a cursor that moves leaves the map.
@lru_cache(maxsize=4)
def _current(
    data: EpData, instance: str, view: View, period: int, span: tuple[int, int] | None, metric: Metric
) -> EpMap | None:
    found = _map_of(data, instance, view, period, span)
    if found is None or metric == "share":
        return found
    return _tokens(found) or found


def map_of(data: EpData, state: EpState, view: View) -> EpMap | None:
    """Return a view's map of the period or the iterations shown, in shares."""
    return _map_of(data, state.instance or "", view, state.period, state.span)


def _map_of(
    data: EpData, instance: str, view: View, period: int, span: tuple[int, int] | None
) -> EpMap | None:
    base, over = data.maps.get((instance, view, period)), data.over.get(instance)
    if span is None or over is None or base is None:
        return base
    return _moment(over, base, view, span)


def current_load(data: EpData, state: EpState) -> RankLoad | None:
    """Return the load of every rank in the period or the iterations shown."""
    base = data.maps.get((state.instance or "", "rank", state.period))
    over = over_of(data, state)
    if state.span is None or over is None or base is None:
        return data.loads.get((state.instance or "", state.period))
    return _load(over, base, state.span)


def current_scale(data: EpData, state: EpState) -> HeatScale:
    """Return the colour scale: one over all periods (or all iterations), or the shown map's own."""
    shown = current_map(data, state)
    own = HeatScale(0.0, 1.0, clipped=False) if shown is None else shown.scale
    if (
        not state.common_scale
        or state.instance is None
        or state.view not in ("rank", "expert", "model_expert")
    ):
        return own
    over = over_of(data, state)
    if state.span is not None and over is not None:
        length = state.span[1] - state.span[0]
        # Columns of 13 and of 14 iterations share a scale, or colours would jump from one to the next.
        return _over_scale(
            data, over, state.instance, state.view, state.metric, 1 << (length - 1).bit_length()
        )
    if state.metric == "tokens":
        return _token_scale(data, state.instance, state.view) or own
    return data.common.get((state.instance, state.view), own)


def _matrix(over: EpOver, base: EpMap, view: View, span: tuple[int, int]) -> HeatMatrix | None:
    """Return the heat of some iterations in the columns of their period's map, None if these differ."""
    matrix = matrix_between(over.series, view, *span)
    if matrix is None or matrix.shape != base.shape:
        return None
    return replace(matrix, ranks=base.ranks, experts=base.experts)


@lru_cache(maxsize=16)
def _moment(over: EpOver, base: EpMap, view: View, span: tuple[int, int]) -> EpMap | None:
    matrix = _matrix(over, base, view, span)
    return None if matrix is None else heat_map(matrix, base.shared)


@lru_cache(maxsize=16)
def _load(over: EpOver, base: EpMap, span: tuple[int, int]) -> RankLoad | None:
    matrix = _matrix(over, base, "rank", span)
    return None if matrix is None else rank_load(matrix)


@lru_cache(maxsize=16)
def _tokens(shown: EpMap) -> EpMap | None:
    return in_tokens(shown)


@lru_cache(maxsize=16)
def _token_scale(data: EpData, instance: str, view: ViewName) -> HeatScale | None:
    maps = [m for (i, v, _period), m in data.maps.items() if (i, v) == (instance, view)]
    counted = [without(m.tokens, m.shared) for m in maps if m.tokens is not None]
    return heat_scale(counted) if counted else None


@lru_cache(maxsize=32)
def _over_scale(
    data: EpData, over: EpOver, instance: str, view: View, metric: Metric, length: int
) -> HeatScale:
    """Return one scale for stretches of `length` iterations, from some of them."""
    count = len(over.series.period)
    places = np.unique(np.linspace(0, max(0, count - length), _SAMPLES).astype(int)).tolist()
    seen: list[Floats] = []
    for first in places:
        period = over.period_of(first)
        base = data.maps.get((instance, view, period))
        last = int(np.searchsorted(over.series.period, period, side="right"))
        if base is None:
            continue
        matrix = _matrix(over, base, view, (first, min(first + length, last)))
        if matrix is not None:
            values = matrix.tokens if metric == "tokens" else heat_map(matrix, base.shared).values
            if values is not None:
                seen.append(without(values, base.shared))
    return heat_scale(seen, REBALANCE_PAR if metric == "share" else 0.0)
