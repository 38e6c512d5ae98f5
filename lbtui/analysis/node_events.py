"""Requests of P/D nodes at their own times, and counted in time bins of any width."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import polars as pl

from lbtui.analysis.imbalance import Floats
from lbtui.analysis.prefill_decode import Count, NodeTable

# µs: a coordinator's decisions lie ms apart, and in shorter bins there is one at most.
LEAST_BIN = 10_000


@dataclass(frozen=True, eq=False)
class NodeEvents:
    """When requests came to nodes and left them, by time: arrays of equal length.

    `whole` is the time that the nodes' table covers, µs since 1970; events before it count as running.
    """

    times: npt.NDArray[np.int64]  # µs since 1970
    nodes: npt.NDArray[np.int64]  # columns of the table
    added: npt.NDArray[np.bool_]  # else ended
    whole: tuple[int, int]


def node_events(changes: pl.DataFrame, table: NodeTable) -> NodeEvents:
    """Return the changes (`Profile.node_changes`) of the nodes of a table, none after its end."""
    columns = pl.DataFrame(
        {
            "role": [node.role for node in table.nodes],
            "address": [node.address for node in table.nodes],
            "node": range(len(table.nodes)),
        },
        schema={"role": pl.String, "address": pl.String, "node": pl.Int64},
    )
    whole = (int(table.starts[0]), int(table.starts[-1]) + round(table.bin_seconds * 1e6))
    own = (
        changes.select("role", "address", "added", time=pl.col("time").dt.timestamp("us"))
        .filter(pl.col("time") < whole[1])
        .join(columns, on=["role", "address"], how="inner")
        .sort("time", maintain_order=True)
    )
    return NodeEvents(own["time"].to_numpy(), own["node"].to_numpy(), own["added"].to_numpy() == 1, whole)


def binned(table: NodeTable, events: NodeEvents, window: tuple[int, int], width: int) -> NodeTable:
    """Return the table with bins of `width` µs: those that the window (µs since 1970) touches.

    Bins begin at multiples of their width since 1970. added and ended are how many events a bin has, running
    all that was added before its end − all that was ended.
    """
    begin = window[0] // width * width
    starts = np.arange(begin, max(window[1], begin + 1), width, dtype=np.int64)
    end, shape = int(starts[-1]) + width, (len(starts), len(table.nodes))
    first, last = np.searchsorted(events.times, (begin, end))
    before = slice(0, first)

    def count(added: bool) -> Floats:
        which = np.flatnonzero(events.added[first:last] == added) + first
        cells = (events.times[which] - begin) // width * shape[1] + events.nodes[which]
        return np.bincount(cells, minlength=shape[0] * shape[1]).reshape(shape).astype(float)

    running = np.zeros(shape[1])
    np.add.at(running, events.nodes[before], np.where(events.added[before], 1.0, -1.0))
    added, ended = count(True), count(False)
    counts: Mapping[Count, Floats] = {
        "added": added,
        "ended": ended,
        "running": running + np.cumsum(added - ended, axis=0),
    }
    return replace(
        table,
        times=tuple(pl.Series(starts).cast(pl.Datetime("us")).to_list()),
        starts=starts,
        bin_seconds=width / 1e6,
        even=True,
        counts=dict(counts),
        written=np.full(shape, np.nan),
        rebuilt=np.zeros(shape, dtype=bool),
        known_before=frozenset(np.unique(events.nodes[before]).tolist()),
    )
