"""Expert heat as matrices: layers × ranks, layers × experts, their PAR and what stands out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
import polars as pl

from lbtui.analysis.imbalance import Floats, known_mean, par
from lbtui.text import _

View: TypeAlias = Literal["rank", "expert", "model_expert"]
Phase: TypeAlias = Literal["prefill", "decode", "both"]


@dataclass(frozen=True)
class HeatMatrix:
    """One heat map of one instance and period; arrays are [layer, column].

    `shares` sum to 1 in each layer, NaN in one without tokens; None where a picture's scale could not be
    read, and then only `relative` (0..1 of the map's own range) is known.
    """

    instance: str
    view: View
    period: int
    shares: Floats | None
    relative: Floats
    tokens: Floats | None
    ranks: tuple[int, ...]  # the rank of each column; empty where unknown
    experts: tuple[tuple[int | None, ...], ...]  # model expert [layer][column]; empty where unknown

    @property
    def shape(self) -> tuple[int, int]:
        """Layers, columns."""
        layers, columns = self.relative.shape
        return layers, columns

    @property
    def heat(self) -> Floats:
        """What is drawn: shares where known."""
        return self.relative if self.shares is None else self.shares

    @property
    def boundaries(self) -> list[int]:
        """The first column of each rank, where ranks are known and hold several columns."""
        if self.view != "expert":
            return []
        return [i for i in range(len(self.ranks)) if i == 0 or self.ranks[i] != self.ranks[i - 1]]


def heat_matrix(heat: pl.DataFrame, instance: str, view: View, period: int) -> HeatMatrix | None:
    """Return one map of the `expert_heat` frame, None if it has no such map."""
    cells = heat.filter(pl.col("instance") == instance, pl.col("view") == view, pl.col("period") == period)
    if cells.is_empty():
        return None
    layer, column = cells["layer"].to_numpy(), cells["column"].to_numpy()
    shape = (int(layer.max()) + 1, int(column.max()) + 1)

    def matrix(name: str) -> Floats | None:
        if cells[name].null_count() == cells.height:
            return None
        values = np.full(shape, np.nan)
        values[layer, column] = cells[name].cast(pl.Float64).to_numpy()
        return values

    relative, shares, tokens = matrix("relative"), matrix("share"), matrix("tokens")
    if shares is None and tokens is not None:
        # Counted, and nothing was: no layer has shares.
        shares = np.full(shape, np.nan)
    ranks = _ranks(cells, shape[1])
    experts: tuple[tuple[int | None, ...], ...] = ()
    if view == "expert" and cells["expert"].null_count() < cells.height:
        by_cell = np.full(shape, -1, dtype=np.int64)
        by_cell[layer, column] = cells["expert"].fill_null(-1).to_numpy()
        experts = tuple(tuple(None if e < 0 else int(e) for e in row) for row in by_cell)
    return HeatMatrix(
        instance,
        view,
        period,
        shares,
        relative if relative is not None else np.full(shape, np.nan),
        tokens,
        ranks,
        experts,
    )


def _ranks(cells: pl.DataFrame, columns: int) -> tuple[int, ...]:
    """Return the rank of each column, () where unknown; a column of a rank that is missing has its number."""
    if cells["rank"].null_count():
        return ()
    slots = int(cells["slot"].fill_null(0).to_numpy().max()) + 1
    ranks = np.arange(columns) // slots
    ranks[cells["column"].to_numpy()] = cells["rank"].to_numpy()
    return tuple(ranks.tolist())


def phases_of(heat: pl.DataFrame) -> tuple[Phase, ...]:
    """Return the phases that `expert_heat` can be shown of, most useful first; one where they are not told.

    Prefill and decode are only added up (`both`) where all tokens are known and the maps have the same cells.
    """
    known: list[Phase] = [p for p in ("prefill", "decode") if (heat["phase"] == p).any()]
    if len(known) < 2:
        return (known[0] if known else "both",)
    extents = heat.group_by("instance", "view", "phase").agg(pl.col("column").max(), pl.col("layer").max())
    alike = extents.group_by("instance", "view").agg(pl.col("column", "layer").n_unique())
    addable = not heat["tokens"].has_nulls() and alike["column"].max() == alike["layer"].max() == 1
    return ("both", *known) if addable else tuple(known)


def phase_name(instance: str, phase: str | None) -> str:
    """Return what an instance is called where its phases are judged apart."""
    return f"{instance} {phase}" if phase else instance


def phases_apart(heat: pl.DataFrame) -> pl.DataFrame:
    """Return the cells with each phase that is told as an instance of its own: their maps are others."""
    phase = pl.col("phase")
    named = pl.when(phase.is_null()).then("instance").otherwise(pl.format("{} {}", "instance", "phase"))
    return heat.with_columns(instance=named)


def of_phase(heat: pl.DataFrame, phase: Phase) -> pl.DataFrame:
    """Return the cells of one phase; for `both` tokens are added up, and shares made of the sums.

    A slot whose expert differs between phases has none.
    """
    if phase != "both":
        return heat.filter(pl.col("phase") == phase)
    if heat["phase"].n_unique() < 2:
        return heat
    cell = ["instance", "view", "period", "layer", "column"]
    expert = pl.col("expert")
    added = heat.group_by(cell, maintain_order=True).agg(
        pl.col("rank", "slot").first(),
        pl.when(expert.n_unique() == 1).then(expert.first()).alias("expert"),
        pl.col("tokens").sum(),
    )
    layer, whole = cell[:4], cell[:3]
    share = pl.col("tokens") / pl.col("tokens").sum().over(layer)
    added = added.with_columns(pl.when(share.is_finite()).then(share).alias("share"))
    low, high = pl.col("share").min().over(whole), pl.col("share").max().over(whole)
    relative = pl.when(high > low).then((pl.col("share") - low) / (high - low)).otherwise(pl.col("share") * 0)
    columns = heat.schema
    return added.with_columns(relative=relative, phase=pl.lit(None, dtype=pl.String)).select(
        pl.col(name).cast(dtype) for name, dtype in columns.items()
    )


def heat_maps(heat: pl.DataFrame) -> list[tuple[str, View, int]]:
    """Return which maps the `expert_heat` frame holds: instance, view, period, sorted."""
    rows = heat.select("instance", "view", "period").unique().sort("instance", "view", "period").iter_rows()
    return [(str(i), v, int(p)) for i, v, p in rows]


def rank_loads(matrix: HeatMatrix) -> Floats | None:
    """Return the load of each rank [layer, rank] as a share of its layer, None where it cannot be known.

    An expert map is summed over each rank's slots; a model-expert map does not tell ranks.
    """
    if matrix.shares is None or matrix.view == "model_expert":
        return None
    if matrix.view == "rank":
        return matrix.shares
    if not matrix.ranks:
        return None
    ranks = np.array(matrix.ranks)
    return np.stack([matrix.shares[:, ranks == rank].sum(axis=1) for rank in np.unique(ranks)], axis=1)


def worst_layers(pars: Floats) -> list[tuple[int, float]]:
    """Return the layers by falling PAR; layers without load come last."""
    order = np.argsort(-np.nan_to_num(pars, nan=-np.inf), kind="stable")
    return [(int(layer), float(pars[layer])) for layer in order]


@dataclass(frozen=True)
class HeatScale:
    """The range of a colour scale; `clipped`: some values lie above `high` and share its colour."""

    low: float
    high: float
    clipped: bool


# A hot expert takes less than one cell in two hundred; without clipping it leaves all others one colour.
SCALE_QUANTILE = 0.995
# MindIE's flash_lb re-balances above this PAR: what is more even than that must not look hot.
REBALANCE_PAR = 1.3


def multiples_of_mean(matrix: HeatMatrix, left_out: frozenset[int] = frozenset()) -> Floats | None:
    """Return each cell as a multiple of its layer's mean, [layer, column]; None where shares are unknown.

    The mean is over the layer's columns without `left_out` (shared experts: every token passes them, so
    they say nothing about routing). NaN in a layer without load.
    """
    if matrix.shares is None:
        return None
    kept = [column for column in range(matrix.shape[1]) if column not in left_out]
    means = known_mean(matrix.shares[:, kept], axis=1)[:, None]
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(means > 0, matrix.shares / means, np.nan)


def column_means(values: Floats) -> Floats:
    """Return the mean of each column over the layers that hold data; NaN where none does."""
    return known_mean(values, axis=0)


def heat_scale(values: Sequence[Floats], least_high: float = 0.0) -> HeatScale:
    """Return one scale for several maps: from the least to the 99.5 % quantile of their known cells.

    It reaches at least to `least_high`; to the largest where that is within 5 % of it; and from 0 where the
    least is less than a tenth of its upper end.
    """
    known = np.concatenate([array[np.isfinite(array)] for array in values] or [np.empty(0)])
    if not known.size:
        return HeatScale(0.0, 1.0, clipped=False)
    largest = float(known.max())
    high = max(float(np.quantile(known, SCALE_QUANTILE)), least_high)
    if largest <= high * 1.05:
        high = max(largest, least_high)
    least = float(known.min())
    return HeatScale(0.0 if 0 <= least < high / 10 else least, high, clipped=largest > high)


def shared_experts(slots: HeatMatrix | None, model: HeatMatrix | None) -> frozenset[int]:
    """Return the model experts that every rank holds in every layer: shared experts, passed by every token.

    Where no placement is known (pictures), the last model expert counts as shared if in every layer it
    equals the sum of the ranks' last slots, within the 1.3/256 of its range to which a picture is read.
    """
    if slots is None or len(set(slots.ranks)) < 2:
        return frozenset()
    ranks = np.array(slots.ranks)
    if slots.experts:
        places: dict[int, list[int]] = {}
        for place, rank in enumerate(slots.ranks):
            places.setdefault(rank, []).append(place)
        held = [{row[place] for place in own} for row in slots.experts for own in places.values()]
        return frozenset(expert for expert in set.intersection(*held) if expert is not None)
    if slots.shares is None or model is None or model.shares is None:
        return frozenset()
    if slots.shape[0] != model.shape[0]:
        return frozenset()
    last = np.flatnonzero(np.append(ranks[1:] != ranks[:-1], True))
    error = 1.3 / 256 * (len(last) * np.nanmax(slots.shares) + np.nanmax(model.shares))
    difference = np.abs(slots.shares[:, last].sum(axis=1) - model.shares[:, -1])
    return frozenset({model.shape[1] - 1}) if bool((difference <= error).all()) else frozenset()


def outstanding_column(maps: Sequence[Floats]) -> int:
    """Return the column of the largest mean over layers and maps (periods) of the same shape."""
    means = known_mean(np.concatenate(maps, axis=0), axis=0)
    return int(np.argmax(np.nan_to_num(means, nan=-np.inf)))


def hottest_cells(values: Floats, left_out: frozenset[int] = frozenset()) -> list[tuple[int, int]]:
    """Return every known (layer, column) outside the columns `left_out`, hottest first."""
    kept = values.copy()
    kept[:, [column for column in left_out if column < values.shape[1]]] = np.nan
    order = np.argsort(-np.nan_to_num(kept, nan=-np.inf), axis=None, kind="stable")
    layers, columns = np.unravel_index(order[: int(np.isfinite(kept).sum())], kept.shape)
    return list(zip(layers.tolist(), columns.tolist(), strict=True))


def loads_by_period(heat: pl.DataFrame, instance: str) -> dict[int, Floats]:
    """Return the load of each rank [layer, rank] by period, where its shares are known and not all 0.

    The map of ranks and that of slots give the same loads; read from pictures, that of ranks is more exact.
    """
    maps = {(view, period) for name, view, period in heat_maps(heat) if name == instance}
    views: tuple[View, ...] = ("rank", "expert")
    loads: dict[int, Floats] = {}
    for period in sorted({period for _view, period in maps}):
        matrices = (heat_matrix(heat, instance, view, period) for view in views if (view, period) in maps)
        known = (rank_loads(matrix) for matrix in matrices if matrix is not None)
        by_rank = next((load for load in known if load is not None), None)
        if by_rank is not None and not np.isnan(par(by_rank, axis=1)).all():
            loads[period] = by_rank
    return loads


def why_no_loads(heat: pl.DataFrame, instance: str) -> str:
    """Return why `loads_by_period` has none of an instance that there is heat of."""
    own = heat.filter(pl.col("instance") == instance)
    if own["tokens"].sum() == 0 and not own["tokens"].has_nulls():
        return _("no token was counted, all counters are 0")
    if (own["view"] == "model_expert").all():
        return _("which ranks the experts lie on is not known; a placement tells it (--placement FILE)")
    return _("only relative heat is known; a PAR over ranks needs each rank's share")


def layers_words(loaded: int, layers: int) -> str:
    """Return over which layers a mean is: all, or those that carry tokens."""
    if loaded == layers:
        return _("all layers")
    return _("the {loaded} of {layers} layers that carry tokens").format(loaded=loaded, layers=layers)


def layer_time_matrix(layer_times: pl.DataFrame) -> tuple[Floats, list[int]]:
    """Return GroupedMatmul time in ms [layer, process] and the processes' pids, in numeric pid order."""
    columns = layer_times.select("column", "process").unique().sort("column")
    shape = (int(layer_times["layer"].to_numpy().max(initial=-1)) + 1, columns.height)
    values = np.full(shape, np.nan)
    values[layer_times["layer"].to_numpy(), layer_times["column"].to_numpy()] = (
        layer_times["time"].to_numpy() / 1e6
    )
    return values, columns["process"].to_list()
