"""What panes show as rows to be saved: lanes over time, maps, tables. Pure."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from lbtui.analysis.imbalance import Floats
from lbtui.text import visible


def zoned(frame: pl.DataFrame) -> pl.DataFrame:
    """Return a frame of the profile's with its times told to be UTC, as which it holds them."""
    return frame.with_columns(pl.col(pl.Datetime("us")).dt.replace_time_zone("UTC"))


def over_time(edges: Sequence[int], names: Sequence[str], values: Floats) -> pl.DataFrame:
    """Return a row for each column of lanes: begin and end (of the edges, µs), then each lane's value.

    `values` are [lane, column]; NaN is no data, and null in the rows.
    """
    times = pl.Series("start", list(edges), pl.Int64).cast(pl.Datetime("us", "UTC"))
    begins, ends = times[:-1], times[1:].alias("end")
    return pl.DataFrame([begins, ends, *_columns(names, values)])


def by_layer(names: Sequence[str], values: Floats) -> pl.DataFrame:
    """Return a row for each layer of a map, its number first; `values` are [layer, column]."""
    layers = pl.Series("layer", np.arange(values.shape[0]))
    return pl.DataFrame([layers, *_columns(names, values.T)])


def _columns(names: Sequence[str], values: Floats) -> list[pl.Series]:
    seen: dict[str, int] = {}
    found = []
    for name, lane in zip(names, values, strict=True):
        seen[name] = seen.get(name, 0) + 1
        own = visible(name) if seen[name] == 1 else f"{visible(name)} ({seen[name]})"
        found.append(pl.Series(own, np.asarray(lane, dtype=float)).fill_nan(None))
    return found
