"""The tokens of a few iterations, laid out as the heat maps are."""

from __future__ import annotations

import numpy as np

from lbtui.analysis.eplb.persistence import by_expert
from lbtui.analysis.expert_parallel import View
from lbtui.analysis.imbalance import Floats
from lbtui.profile import ExpertSeries


def tokens_between(series: ExpertSeries, view: View, first: int, last: int) -> Floats | None:
    """Return the tokens [layer, column] of the iterations [first, last), all of one EPLB period.

    Columns are those of `expert_heat`: the rank, rank × slots + slot, or the model expert; a rank that is
    missing has NaN. None where there are no such iterations, or no placement to tell model experts by.
    """
    if not 0 <= first < last <= len(series.period):
        return None
    tokens = series.tokens[first:last].sum(axis=0, dtype=np.int64)
    if view == "model_expert":
        table = series.placements[int(series.period[first])]
        if table is None or not series.experts:
            return None
        by_model_expert: Floats = by_expert(tokens[None], table.astype(np.int64), series.experts)[0].astype(
            float
        )
        return by_model_expert
    layers = len(tokens)
    parts = tokens.reshape(layers, len(series.ranks), series.slots_per_rank)
    if view == "rank":
        parts = parts.sum(axis=2, keepdims=True)
    whole = np.full((layers, series.ranks[-1] + 1, parts.shape[2]), np.nan)
    whole[:, list(series.ranks)] = parts
    return whole.reshape(layers, -1)
