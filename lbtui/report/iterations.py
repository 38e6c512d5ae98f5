"""Expert heat cell by cell for every iteration, in pieces: a minute's recording has millions of cells."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import get_args

import numpy as np
import polars as pl

from lbtui.analysis.eplb.moments import tokens_between
from lbtui.analysis.expert_parallel import View
from lbtui.analysis.imbalance import Floats
from lbtui.profile import ExpertSeries
from lbtui.text import visible

SCHEMA = pl.Schema(
    {
        "instance": pl.String(),
        "view": pl.String(),
        "period": pl.Int32(),
        "iteration": pl.Int32(),  # of the series, from 0; its periods follow one another
        "layer": pl.Int32(),
        "column": pl.Int32(),
        "tokens": pl.Int64(),
        "share": pl.Float64(),  # of its layer; null in a layer without tokens
        "relative": pl.Float64(),  # 0..1 of the range of the map's shares
        "phase": pl.String(),
    }
)


def iteration_cells(series: Sequence[ExpertSeries]) -> Iterator[pl.DataFrame]:
    """Yield the cells of one map of one iteration after another, in the columns of `SCHEMA`.

    Maps are those of `expert_heat`; tokens of a slot whose expert is unknown belong to no model expert.
    """
    views: tuple[View, ...] = get_args(View)
    for one in series:
        for iteration in range(len(one.period)):
            for view in views:
                tokens = tokens_between(one, view, iteration, iteration + 1)
                if tokens is not None:
                    yield _cells(one, view, iteration, tokens)


def _cells(series: ExpertSeries, view: View, iteration: int, tokens: Floats) -> pl.DataFrame:
    known = ~np.isnan(tokens)
    sums = np.nansum(tokens, axis=1, keepdims=True)
    share = np.divide(tokens, sums, out=np.full(tokens.shape, np.nan), where=sums > 0)
    low, high = (np.nan, np.nan) if np.isnan(share).all() else (np.nanmin(share), np.nanmax(share))
    relative = (share - low) / (high - low) if high > low else share * 0
    layer, column = np.nonzero(known)
    frame = pl.DataFrame(
        {
            "layer": layer,
            "column": column,
            "tokens": tokens[known].astype(np.int64),
            "share": share[known],
            "relative": relative[known],
        }
    )
    return frame.select(
        instance=pl.lit(visible(series.instance)),
        view=pl.lit(view),
        period=pl.lit(int(series.period[iteration])),
        iteration=pl.lit(iteration),
        layer="layer",
        column="column",
        tokens="tokens",
        share=pl.col("share").fill_nan(None),
        relative=pl.col("relative").fill_nan(None),
        phase=pl.lit(series.phase, pl.String),
    ).cast(SCHEMA)
