"""What the EP pane draws, computed once from the frames: maps, scales, rank loads, intervals."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

from lbtui.analysis.expert_parallel import (
    REBALANCE_PAR,
    HeatMatrix,
    HeatScale,
    Phase,
    column_means,
    heat_maps,
    heat_matrix,
    heat_scale,
    hottest_cells,
    layer_time_matrix,
    multiples_of_mean,
    rank_loads,
    shared_experts,
    worst_layers,
)
from lbtui.analysis.imbalance import Floats, par
from lbtui.ui.kit.selection import Side

if TYPE_CHECKING:
    import polars as pl

    from lbtui.ui.panes.ep.iterations import EpOver

ViewName: TypeAlias = Literal["rank", "expert", "model_expert", "times", "intervals"]
HeatKind: TypeAlias = Literal["multiple", "relative", "ms", "tokens", "copies"]

VIEWS: tuple[ViewName, ...] = ("rank", "expert", "model_expert", "times", "intervals")
_HEAT_VIEWS: tuple[Literal["rank", "expert", "model_expert"], ...] = ("rank", "expert", "model_expert")


@dataclass(frozen=True, eq=False)
class EpMap:
    """One map ready to draw; arrays are [layer, column]. Equal only to itself, so drawings can be kept."""

    values: Floats  # what is coloured: × the layer's mean, relative heat 0..1, ms, tokens, or copies
    kind: HeatKind
    scale: HeatScale  # of this map alone
    multiples: Floats | None  # × the layer's mean
    shares: Floats | None  # of the layer, 0..1
    tokens: Floats | None
    ranks: tuple[int, ...]  # of each column; empty where unknown
    experts: tuple[tuple[int | None, ...], ...]  # model expert of each slot [layer][column]
    boundaries: tuple[int, ...]  # first column of each rank
    shared: frozenset[int]  # columns of shared experts: grey, and left out of the scale and of what is hot
    means: Floats  # of `values` over layers, [column]
    pair: tuple[EpMap, EpMap] | None = None  # before and after, where `values` are after − before

    @property
    def shape(self) -> tuple[int, int]:
        """Layers, columns."""
        layers, columns = self.values.shape
        return layers, columns

    @property
    def heat(self) -> Floats:
        """What makes a cell stand out: its value, of a difference how far it is from 0."""
        return self.values if self.pair is None else np.abs(self.values)

    @cached_property
    def order(self) -> tuple[tuple[int, int], ...]:
        """The cells, hottest first."""
        return tuple(hottest_cells(self.heat, self.shared))

    def columns_of_rank(self, rank: int) -> range:
        """Return the columns of a rank; empty where ranks are unknown or it has none."""
        columns = [column for column, owner in enumerate(self.ranks) if owner == rank]
        return range(columns[0], columns[-1] + 1) if columns else range(0)

    def slot_of(self, column: int) -> int:
        """Return the place of an expert-view column within its rank."""
        return column - self.boundaries[bisect_right(self.boundaries, column) - 1]


@dataclass(frozen=True)
class RankLoad:
    """The load of every rank in one period."""

    multiples: Floats  # × the layer's mean, [layer, rank]
    ranks: tuple[int, ...]
    par: Floats  # max / mean over ranks, [layer]
    worst: tuple[tuple[int, float], ...]  # layers by falling PAR
    pair: tuple[RankLoad, RankLoad] | None = None  # before and after, where all this is after − before


@dataclass(frozen=True)
class Interval:
    """The mean time of one MoE Dispatch/Combine call of one process, and its 95 % t-interval; in µs."""

    column: int  # place in numeric pid order
    process: int  # pid
    mean: float
    low: float | None  # None where one call gives no interval
    high: float | None
    multiple: float  # of the processes' mean


@dataclass(frozen=True, eq=False)
class EpData:
    """Everything the pane shows. Maps are by (instance, view, period)."""

    periods: Mapping[str, tuple[int, ...]]  # of each instance
    maps: Mapping[tuple[str, ViewName, int], EpMap]
    common: Mapping[tuple[str, ViewName], HeatScale]  # one scale over all periods
    loads: Mapping[tuple[str, int], RankLoad]
    times: EpMap | None
    processes: tuple[int, ...]  # pids of the columns of `times`
    intervals: tuple[Interval, ...]  # shortest first
    over: Mapping[str, EpOver] = field(default_factory=dict)  # instance -> its iterations, where known
    phase: Phase | None = None  # None where phases are not told apart
    side: Side | None = None  # which of two profiles; None: there is one
    left_out: str = ""  # of a difference: what one profile alone has

    @property
    def instances(self) -> tuple[str, ...]:
        """The instances with expert heat."""
        return tuple(self.periods)

    def views(self, instance: str | None) -> tuple[ViewName, ...]:
        """Return the views that exist for an instance."""
        heat = {view for name, view, _period in self.maps if name == instance}
        there = {"times": self.times is not None, "intervals": bool(self.intervals)}
        return tuple(view for view in VIEWS if view in heat or there.get(view, False))


def ep_data(heat: pl.DataFrame, layer_times: pl.DataFrame, rank_intervals: pl.DataFrame) -> EpData:
    """Return what is drawn, from the frames `expert_heat`, `layer_times` and `rank_intervals`."""
    found: dict[tuple[str, ViewName, int], HeatMatrix] = {}
    for instance, view, period in heat_maps(heat):
        matrix = heat_matrix(heat, instance, view, period)
        if matrix is not None:
            found[instance, view, period] = matrix
    periods: dict[str, tuple[int, ...]] = {}
    for instance, _view, period in sorted(found, key=lambda key: (key[0], key[2])):
        if period not in periods.setdefault(instance, ()):
            periods[instance] += (period,)
    maps: dict[tuple[str, ViewName, int], EpMap] = {}
    loads: dict[tuple[str, int], RankLoad] = {}
    for instance, numbers in periods.items():
        for period in numbers:
            shared = shared_experts(
                found.get((instance, "expert", period)), found.get((instance, "model_expert", period))
            )
            for view in _HEAT_VIEWS:
                if (known := found.get((instance, view, period))) is not None:
                    maps[instance, view, period] = heat_map(known, _shared_columns(known, shared))
            if (load := _rank_load(found, instance, period)) is not None:
                loads[instance, period] = load
    common: dict[tuple[str, ViewName], HeatScale] = {}
    for instance in periods:
        for view in _HEAT_VIEWS:
            same = [m for (i, v, _period), m in maps.items() if (i, v) == (instance, view)]
            if same:
                common[instance, view] = _scale(same)
    times, processes = _times(layer_times)
    return EpData(periods, maps, common, loads, times, processes, _intervals(rank_intervals))


def _shared_columns(matrix: HeatMatrix, shared: frozenset[int]) -> frozenset[int]:
    """Return the columns of shared experts in a view; in pictures those of the ranks' last slots."""
    if matrix.view == "rank" or not shared:
        return frozenset()
    if matrix.view == "model_expert":
        return shared
    if matrix.experts:
        held = zip(*matrix.experts, strict=True)
        return frozenset(column for column, experts in enumerate(held) if shared.issuperset(experts))
    ends = zip(matrix.ranks, [*matrix.ranks[1:], None], strict=True)
    return frozenset(column for column, (own, after) in enumerate(ends) if own != after)


def heat_map(matrix: HeatMatrix, shared: frozenset[int]) -> EpMap:
    """Return a map ready to draw; columns `shared` are not in its scale, nor in model experts' mean."""
    multiples = multiples_of_mean(matrix, shared if matrix.view == "model_expert" else frozenset())
    values = matrix.relative if multiples is None else multiples
    return EpMap(
        values=values,
        kind="relative" if multiples is None else "multiple",
        scale=_scale_of([without(values, shared)], relative=multiples is None),
        multiples=multiples,
        shares=matrix.shares,
        tokens=matrix.tokens,
        ranks=matrix.ranks,
        experts=matrix.experts,
        boundaries=tuple(matrix.boundaries),
        shared=shared,
        means=column_means(values),
    )


def in_tokens(shown: EpMap) -> EpMap | None:
    """Return the same map coloured by tokens, None where they are unknown."""
    if shown.tokens is None or shown.kind != "multiple":
        return None
    scale = heat_scale([without(shown.tokens, shown.shared)])
    return replace(
        shown, values=shown.tokens, kind="tokens", scale=scale, means=column_means(shown.tokens)
    )  # fmt: skip


def without(values: Floats, columns: frozenset[int]) -> Floats:
    """Return the values without some columns."""
    kept: Floats = np.delete(values, sorted(columns), axis=1)
    return kept


def _scale_of(values: list[Floats], *, relative: bool) -> HeatScale:
    # Relative heat is each picture's own range already.
    return HeatScale(0.0, 1.0, clipped=False) if relative else heat_scale(values, REBALANCE_PAR)


def _scale(maps: list[EpMap]) -> HeatScale:
    return _scale_of(
        [without(known.values, known.shared) for known in maps],
        relative=any(known.kind == "relative" for known in maps),
    )


def _rank_load(
    found: Mapping[tuple[str, ViewName, int], HeatMatrix], instance: str, period: int
) -> RankLoad | None:
    for view in ("rank", "expert"):
        matrix = found.get((instance, view, period))
        load = None if matrix is None else rank_load(matrix)
        if load is not None:
            return load
    return None


def rank_load(matrix: HeatMatrix) -> RankLoad | None:
    """Return the load of every rank in a map, None where it cannot be known."""
    loads = rank_loads(matrix)
    if loads is None:
        return None
    pars = par(loads, axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        multiples = loads / column_means(loads.T)[:, None]
    ranks = tuple(sorted(set(matrix.ranks))) or tuple(range(loads.shape[1]))
    return RankLoad(multiples, ranks, pars, tuple(worst_layers(pars)))


def _times(layer_times: pl.DataFrame) -> tuple[EpMap | None, tuple[int, ...]]:
    if layer_times.is_empty():
        return None, ()
    values, processes = layer_time_matrix(layer_times)
    with np.errstate(invalid="ignore", divide="ignore"):
        multiples = values / column_means(values.T)[:, None]
    times = EpMap(
        values=values,
        kind="ms",
        scale=heat_scale([values]),
        multiples=multiples,
        shares=None,
        tokens=None,
        ranks=(),
        experts=(),
        boundaries=(),
        shared=frozenset(),
        means=column_means(values),
    )
    return times, tuple(processes)


def _intervals(frame: pl.DataFrame) -> tuple[Interval, ...]:
    rows = frame.drop_nulls("mean").sort("mean", "column")
    if rows.is_empty():
        return ()
    mean = float(rows["mean"].to_numpy().mean())
    return tuple(
        Interval(
            column,
            process,
            value / 1e3,
            None if low is None else low / 1e3,
            None if high is None else high / 1e3,
            value / mean if mean > 0 else float("nan"),
        )
        for column, process, value, low, high in rows.select(
            "column", "process", "mean", "low", "high"
        ).iter_rows()
    )
