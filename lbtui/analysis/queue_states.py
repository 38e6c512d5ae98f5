"""Request states over time: how many requests wait, run and are swapped at every instant."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

import polars as pl

from lbtui.analysis.lanes import Lane, reading_lanes

STATES = ("waiting", "running", "swapped")

StateLanes: TypeAlias = tuple[Lane, ...]  # one per entry of STATES


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
