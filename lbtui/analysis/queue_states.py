"""Request states over time: how many requests wait, run and are swapped at every instant."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import polars as pl

from lbtui.analysis.imbalance import Floats
from lbtui.analysis.lanes import Lane, bin_edges, bin_lanes, reading_lanes

STATES = ("waiting", "running", "swapped")

StateLanes: TypeAlias = tuple[Lane, ...]  # one per entry of STATES


@dataclass(frozen=True)
class StateWindow:
    """The lanes of a window, in requests; NaN where nothing is known."""

    highs: Floats  # [state, column]: the highest sum in each column
    means: Floats  # [state], weighted by how long each sum holds
    peaks: Floats  # [state]


def state_lanes(queues: pl.DataFrame) -> Mapping[str | None, StateLanes]:
    """Return the lanes of each DP domain, and under None of all processes together.

    A lane is the sum, at each instant, of what each process last wrote of that queue: exact, a step at each
    reading. A process counts from its first reading to the last reading of any process; before the first of
    all there is a gap.
    """
    if queues.is_empty():
        return {}
    until = int(queues["time"].cast(pl.Int64).max()) + 1
    domains = queues["domain"].drop_nulls().unique().sort().to_list()
    lanes: dict[str | None, StateLanes] = {None: tuple(_sum(queues, state, until) for state in STATES)}
    for domain in domains:
        part = queues.filter(pl.col("domain") == domain)
        lanes[domain] = tuple(_sum(part, state, until) for state in STATES)
    return lanes


def state_window(lanes: StateLanes, begin: int, end: int, columns: int) -> StateWindow:
    """Return the lanes between two times (µs) in `columns` columns; without lanes nothing is known."""
    unknown = np.full(len(STATES), np.nan)
    if not lanes:
        return StateWindow(np.full((len(STATES), columns), np.nan), unknown, unknown)
    parts = [lane.clipped(begin, end) for lane in lanes]
    means, peaks = unknown.copy(), unknown.copy()
    for state, part in enumerate(parts):
        if len(part.values):
            means[state] = np.average(part.values, weights=part.ends - part.starts)
            peaks[state] = part.values.max()
    return StateWindow(bin_lanes(parts, bin_edges(begin, end, columns)).high, means, peaks)


def _sum(queues: pl.DataFrame, state: str, until: int) -> Lane:
    change = pl.col(state).diff().fill_null(pl.col(state)).over("host", "pid")
    total = (
        queues.drop_nulls(state)
        .sort("time", maintain_order=True)
        .select("time", change=change)
        .group_by("time")
        .agg(pl.col("change").sum())
        .sort("time")
        .select("time", key=pl.lit(state), value=pl.col("change").cum_sum())
    )
    return reading_lanes(total, key="key", value="value", keys=[state], until=until)[0]
