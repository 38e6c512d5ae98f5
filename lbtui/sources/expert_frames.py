"""The canonical frames of expert tables: heat maps and placements."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from lbtui.profile import SCHEMAS, empty
from lbtui.sources.expert_rows import Table
from lbtui.sources.expert_tables import ExpertTables, columns_of_slots


def expert_of_column(tables: ExpertTables, period: int) -> Table | None:
    """Return [layer, column] -> model expert for one period, or None when its placement is unknown.

    Slots that no routing table names hold the last model expert, the shared one, as upstream counts them.
    """
    placement = tables.placements[period]
    if placement is None:
        return None
    layers, experts = placement.shape
    columns = columns_of_slots(tables)
    named = np.where(placement < len(columns), columns[np.minimum(placement, len(columns) - 1)], -1)
    expert = np.full((layers, len(tables.ranks) * tables.slots_per_rank), experts - 1, dtype=np.int64)
    layer, model_expert = np.nonzero(named >= 0)
    expert[layer, named[layer, model_expert]] = model_expert
    return expert


def tokens_by_model_expert(tables: ExpertTables, period: int) -> Table | None:
    """Return the tokens [layer, model expert] of one period, or None when its placement is unknown."""
    expert = expert_of_column(tables, period)
    placement = tables.placements[period]
    if expert is None or placement is None:
        return None
    total = np.zeros(placement.shape, dtype=np.int64)
    np.add.at(total, (np.arange(len(expert))[:, None], expert), tables.periods[period])
    return total


def heat_frames(tables: ExpertTables, instance: str) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the canonical frames `expert_heat` and `placements` of one instance.

    `share` is tokens / sum of its layer (null in a layer without tokens); `relative` is
    (share - min) / (max - min) over the map of one period and view, as upstream colours it. The view
    `model_expert` and the placements exist only where a routing table is known.
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
        by_rank = tokens.reshape(len(tokens), len(ranks), slots).sum(axis=2)
        heat.append(_cells("rank", period, by_rank, {"column": ranks, "rank": ranks}))
        expert = expert_of_column(tables, period)
        slot_map = _cells("expert", period, tokens, columns)
        by_model_expert = tokens_by_model_expert(tables, period)
        if expert is None or by_model_expert is None:
            heat.append(slot_map)
            continue
        slot_map = slot_map.with_columns(pl.Series("expert", expert.ravel()).cast(pl.Int32))
        experts = np.arange(by_model_expert.shape[1])
        heat.append(slot_map)
        heat.append(_cells("model_expert", period, by_model_expert, {"column": experts, "expert": experts}))
        placements.append(slot_map.select(list(SCHEMAS["placements"])))
    named = pl.lit(instance).alias("instance")
    return (
        pl.concat([empty("expert_heat"), *heat], rechunk=True).with_columns(named),
        pl.concat([empty("placements"), *placements], rechunk=True).with_columns(named),
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
