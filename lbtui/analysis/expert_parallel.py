"""Expert heat as matrices: layers × ranks, layers × experts, their PAR and what stands out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
import polars as pl

from lbtui.analysis.imbalance import Floats, par

View: TypeAlias = Literal["rank", "expert", "model_expert"]


@dataclass(frozen=True)
class HeatMatrix:
    """One heat map of one instance and period; arrays are [layer, column].

    `shares` sum to 1 in each layer; None where a picture's scale could not be read, and then only
    `relative` (0..1 of the map's own range) is known.
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

    def times_mean(self, layer: int, column: int) -> float:
        """Return a cell as a multiple of its layer's mean; NaN where shares are unknown."""
        if self.shares is None:
            return float("nan")
        row = self.shares[layer]
        return float(row[column] / np.nanmean(row))


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

    relative = matrix("relative")
    first = cells.filter(pl.col("layer") == cells["layer"].min()).sort("column")
    ranks = tuple(first["rank"].to_list()) if first["rank"].null_count() == 0 else ()
    experts: tuple[tuple[int | None, ...], ...] = ()
    if view == "expert" and cells["expert"].null_count() < cells.height:
        by_cell = np.full(shape, -1, dtype=np.int64)
        by_cell[layer, column] = cells["expert"].fill_null(-1).to_numpy()
        experts = tuple(tuple(None if e < 0 else int(e) for e in row) for row in by_cell)
    return HeatMatrix(
        instance,
        view,
        period,
        matrix("share"),
        relative if relative is not None else np.full(shape, np.nan),
        matrix("tokens"),
        ranks,
        experts,
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


def layer_par(matrix: HeatMatrix) -> Floats | None:
    """Return the PAR over ranks of each layer (max / mean), None where rank loads are unknown."""
    loads = rank_loads(matrix)
    return None if loads is None else par(loads, axis=1)


def worst_layers(pars: Floats) -> list[tuple[int, float]]:
    """Return the layers by falling PAR; layers without load come last."""
    order = np.argsort(-np.nan_to_num(pars, nan=-np.inf), kind="stable")
    return [(int(layer), float(pars[layer])) for layer in order]


def common_range(matrices: Sequence[HeatMatrix]) -> tuple[float, float]:
    """Return the smallest and largest heat over several maps: one colour scale for all periods."""
    if not matrices:
        return 0.0, 1.0
    return (
        min(float(np.nanmin(m.heat)) for m in matrices),
        max(float(np.nanmax(m.heat)) for m in matrices),
    )


def hottest_columns(matrix: HeatMatrix, layer: int | None = None) -> list[tuple[int, float]]:
    """Return the columns by falling heat relative to the layer's mean, in one layer or as mean over all."""
    values = matrix.heat if layer is None else matrix.heat[layer : layer + 1]
    with np.errstate(invalid="ignore", divide="ignore"):
        relative = np.nanmean(values / np.nanmean(values, axis=1, keepdims=True), axis=0)
    order = np.argsort(-np.nan_to_num(relative, nan=-np.inf), kind="stable")
    return [(int(column), float(relative[column])) for column in order]


def layer_time_matrix(layer_times: pl.DataFrame) -> tuple[Floats, list[int]]:
    """Return GroupedMatmul time in ms [layer, process] and the processes' pids, in numeric pid order."""
    columns = layer_times.select("column", "process").unique().sort("column")
    shape = (int(layer_times["layer"].to_numpy().max(initial=-1)) + 1, columns.height)
    values = np.full(shape, np.nan)
    values[layer_times["layer"].to_numpy(), layer_times["column"].to_numpy()] = (
        layer_times["time"].to_numpy() / 1e6
    )
    return values, columns["process"].to_list()
