"""The tokens of a few iterations, laid out as the heat maps are."""

from __future__ import annotations

import numpy as np

from lbtui.analysis.eplb.persistence import by_expert
from lbtui.analysis.expert_parallel import HeatMatrix, View
from lbtui.analysis.imbalance import Floats
from lbtui.profile import ExpertSeries


def matrix_between(series: ExpertSeries, view: View, first: int, last: int) -> HeatMatrix | None:
    """Return `tokens_between` with their shares of the layer; ranks and experts of columns are left out.

    Share = tokens / sum of the layer's, NaN in a layer without any.
    """
    tokens = tokens_between(series, view, first, last)
    if tokens is None:
        return None
    total = np.nansum(tokens, axis=1, keepdims=True)
    shares = np.divide(tokens, total, out=np.full(tokens.shape, np.nan), where=total > 0)
    unknown = np.full(tokens.shape, np.nan)
    return HeatMatrix(series.instance, view, int(series.period[first]), shares, unknown, tokens, (), ())


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
