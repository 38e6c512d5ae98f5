"""The canonical frames of expert tables: heat maps and placements."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from lbtui.profile import EMPTY, SCHEMAS, UNPLACED, ExpertPhase, PlacementFile, empty
from lbtui.sources.experts.routing import Placement
from lbtui.sources.experts.rows import Table
from lbtui.sources.experts.tables import ExpertTables


def tokens_by_model_expert(tokens: Table, expert: Placement, experts: int) -> Table:
    """Return the tokens [layer, model expert] of tokens and experts [layer, column]."""
    total = np.zeros((len(tokens), experts), dtype=np.int64)
    np.add.at(total, (np.arange(len(tokens))[:, None], expert), tokens)
    return total


def heat_frames(
    tables: ExpertTables, instance: str, phase: ExpertPhase | None = None
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the canonical frames `expert_heat` and `placements` of one instance.

    `share` is tokens / sum of its layer (null in a layer without tokens); `relative` is
    (share - min) / (max - min) over the map of one period and view, as upstream colours it. The view
    `model_expert` and the placements exist only where a routing table is known; of tables without ranks only
    that view exists. A slot that is `EMPTY` has no cell.
    """
    heat: list[pl.DataFrame] = []
    placements: list[pl.DataFrame] = []
    slots = tables.slots_per_rank
    ranks = np.asarray(tables.ranks, dtype=np.int64)
    columns = {
        "column": (ranks[:, None] * slots + np.arange(slots)).ravel(),
        "rank": np.repeat(ranks, slots),
        "slot": np.tile(np.arange(slots), len(ranks)),
    }
    for period, tokens in enumerate(tables.periods):
        if not tables.ranks:
            heat.append(_cells("model_expert", period, tokens, _named(tokens)))
            continue
        by_rank = tokens.reshape(len(tokens), len(ranks), slots).sum(axis=2)
        heat.append(_cells("rank", period, by_rank, {"column": ranks, "rank": ranks}))
        slot_map = _cells("expert", period, tokens, columns)
        placement = tables.placements[period]
        if placement is None:
            heat.append(slot_map)
            continue
        # As upstream counts them; where it matters a note of `combine` tells.
        expert = np.where(placement == UNPLACED, tables.experts - 1, placement)
        by_model_expert = tokens_by_model_expert(tokens, np.maximum(expert, 0), tables.experts)
        slot_map = slot_map.with_columns(pl.Series("expert", expert.ravel()).cast(pl.Int32))
        slot_map = slot_map.filter(pl.col("expert") != EMPTY)
        heat.append(slot_map)
        heat.append(_cells("model_expert", period, by_model_expert, _named(by_model_expert)))
        placements.append(slot_map.select(list(SCHEMAS["placements"])))
    named = pl.lit(instance).alias("instance")
    return (
        pl.concat([empty("expert_heat"), *heat], rechunk=True).with_columns(
            named, pl.lit(phase, pl.String).alias("phase")
        ),
        pl.concat([empty("placements"), *placements], rechunk=True).with_columns(named),
    )


def _named(tokens: Table) -> dict[str, npt.NDArray[Any]]:
    """Return the columns of a map of model experts."""
    experts = np.arange(tokens.shape[1])
    return {"column": experts, "expert": experts}


def placement_frame(file: PlacementFile) -> pl.DataFrame:
    """Return the frame `placements` of a placement file: its devices are ranks, its name the `instance`.

    `rank` is null where the file tells none; slots are then counted over the layer.
    """
    layer, rank, slot = np.nonzero(file.experts != UNPLACED)
    frame = pl.DataFrame(
        {"layer": layer, "rank": rank, "slot": slot, "expert": file.experts[layer, rank, slot]}
    )
    if not file.has_ranks:
        frame = frame.drop("rank")
    others = {"instance": file.file, "period": 0}
    return frame.select(
        (pl.col(n) if n in frame.columns else pl.lit(others.get(n))).cast(t).alias(n)
        for n, t in SCHEMAS["placements"].items()
    )


def _cells(view: str, period: int, tokens: Table, columns: dict[str, npt.NDArray[Any]]) -> pl.DataFrame:
    layers, width = tokens.shape
    sums = tokens.sum(axis=1, keepdims=True)
    share = np.divide(tokens, sums, out=np.full(tokens.shape, np.nan), where=sums > 0)
    frame = pl.DataFrame(
        {
            "layer": np.repeat(np.arange(layers), width),
            **{name: np.tile(values, layers) for name, values in columns.items()},
            "tokens": tokens.ravel(),
            "share": share.ravel(),
        }
    )
    value = pl.col("share")
    width_of_range = value.max() - value.min()
    frame = frame.with_columns(value.fill_nan(None)).with_columns(
        pl.lit(view).alias("view"),
        pl.lit(period).alias("period"),
        # A map of one colour has no range: all its cells are at the bottom.
        pl.when(width_of_range > 0)
        .then((value - value.min()) / width_of_range)
        .when(value.is_not_null())
        .then(0.0)
        .alias("relative"),
    )
    schema = SCHEMAS["expert_heat"]
    return frame.select(
        [(pl.col(n) if n in frame.columns else pl.lit(None)).cast(t).alias(n) for n, t in schema.items()]
    )
