"""Requests per prefill and decode node: the table over time, its totals, hand-offs and KV pulls."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, NamedTuple, TypeAlias

import numpy as np
import polars as pl

from lbtui.analysis.imbalance import Floats, par
from lbtui.text import _

Count: TypeAlias = Literal["added", "ended", "running"]
COUNTS: tuple[Count, ...] = ("added", "ended", "running")

# A request's way from P to D, in the order of the stages: (label, from, to).
STAGES: tuple[tuple[str, str, str], ...] = (
    (_("arrival → prefill done"), "arrival", "prefill_done"),
    (_("arrival → sent"), "arrival", "sent"),
    (_("sent → received"), "sent", "received"),
    (_("received → end"), "received", "end"),
    (_("arrival → end"), "arrival", "end"),
)


class Node(NamedTuple):
    """One P/D node."""

    role: str
    address: str


@dataclass(frozen=True)
class NodeTable:
    """Counts per node and time bin: arrays [bin, node], NaN where a cell is missing."""

    nodes: tuple[Node, ...]  # prefill first, then by address
    times: tuple[datetime, ...]  # start of each bin, UTC
    bin_seconds: float
    counts: dict[Count, Floats]
    rebuilt: np.ndarray  # bool [bin, node]: running differs from the file's figure

    def of_role(self, role: str) -> list[int]:
        """Return the columns of a role's nodes."""
        return [i for i, node in enumerate(self.nodes) if node.role == role]

    @property
    def roles(self) -> tuple[str, ...]:
        """The roles present, prefill first."""
        return tuple(dict.fromkeys(node.role for node in self.nodes))


def node_table(nodes: pl.DataFrame) -> NodeTable:
    """Return the `nodes` frame as a table of time bins × nodes."""
    order = {"prefill": 0, "decode": 1}
    keys = sorted(
        (Node(*row) for row in nodes.select("role", "address").unique().iter_rows()),
        key=lambda n: (order.get(n.role, 2), n.address),
    )
    times = nodes["time"].unique().sort()
    place = {t: i for i, t in enumerate(times.to_list())}
    column = {node: i for i, node in enumerate(keys)}
    shape = (len(times), len(keys))
    counts: dict[Count, Floats] = {name: np.full(shape, np.nan) for name in COUNTS}
    rebuilt = np.zeros(shape, dtype=bool)
    for time, address, role, added, ended, running, written in nodes.select(
        "time", "address", "role", "added", "ended", "running", "running_written"
    ).iter_rows():
        cell = (place[time], column[Node(role, address)])
        for name, value in zip(COUNTS, (added, ended, running), strict=True):
            if value is not None:
                counts[name][cell] = value
        rebuilt[cell] = written is not None and written != running
    gaps = times.diff().drop_nulls().dt.total_microseconds()
    seconds = float(gaps.mode().min()) / 1e6 if len(gaps) else 5.0
    return NodeTable(tuple(keys), tuple(times.to_list()), seconds, counts, rebuilt)


@dataclass(frozen=True)
class NodeShare:
    """One node's part of what its role received."""

    node: Node
    added: int
    ended: int
    peak_running: int
    share: float  # of the role's added requests
    ratio: float  # × the mean of the role's nodes


def node_shares(table: NodeTable, first: int = 0, last: int | None = None) -> list[NodeShare]:
    """Return each node's totals over bins [first, last) and its share of its role's requests."""
    window = slice(first, last)
    totals = {name: np.nansum(table.counts[name][window], axis=0) for name in ("added", "ended")}
    running = table.counts["running"][window]
    shares = []
    for i, node in enumerate(table.nodes):
        peers = totals["added"][table.of_role(node.role)]
        total = float(peers.sum())
        column = running[:, i]
        known = column[~np.isnan(column)]
        shares.append(
            NodeShare(
                node,
                int(totals["added"][i]),
                int(totals["ended"][i]),
                int(known.max()) if len(known) else 0,
                float(totals["added"][i]) / total if total else float("nan"),
                float(totals["added"][i]) / float(peers.mean()) if total else float("nan"),
            )
        )
    return shares


def role_par(table: NodeTable, role: str, first: int = 0, last: int | None = None) -> float:
    """Return max / mean over a role's nodes of the requests added in bins [first, last)."""
    added = np.nansum(table.counts["added"][first:last], axis=0)
    return float(par(added[table.of_role(role)]))


class Spread(NamedTuple):
    """A distribution in five numbers, ms. `known` tells how many values there are."""

    label: str
    known: int
    mean: float
    p50: float
    p95: float
    max: float


def transfer_spreads(transfers: pl.DataFrame) -> list[Spread]:
    """Return the KV-pull time per decode rank, by rank."""
    return [
        _spread(_("rank {rank}").format(rank="?" if rank is None else rank), part["duration"])
        for (rank,), part in transfers.sort("rank", nulls_last=True).group_by(["rank"], maintain_order=True)
    ]


def stage_spreads(handoffs: pl.DataFrame) -> list[Spread]:
    """Return the time of each stage of the hand-offs for which both ends are known."""
    return [
        _spread(
            label,
            handoffs.select((pl.col(end) - pl.col(begin)).dt.total_microseconds() / 1000).to_series(),
        )
        for label, begin, end in STAGES
    ]


def _spread(label: str, values: pl.Series) -> Spread:
    known = values.drop_nulls().to_numpy()
    if len(known) == 0:
        nan = float("nan")
        return Spread(label, 0, nan, nan, nan, nan)
    p50, p95 = np.quantile(known, [0.5, 0.95])
    return Spread(label, len(known), float(known.mean()), float(p50), float(p95), float(known.max()))


def window_bins(table: NodeTable, window: tuple[datetime, datetime] | None) -> tuple[int, int]:
    """Return the half-open range of bins that a time window touches, all of them without a window."""
    if window is None or not table.times:
        return 0, len(table.times)
    touched = [
        i
        for i, t in enumerate(table.times)
        if t < window[1] and (window[0] - t).total_seconds() < table.bin_seconds
    ]
    return (touched[0], touched[-1] + 1) if touched else (0, 0)


def role_total(table: NodeTable, count: Count, columns: Sequence[int]) -> Floats:
    """Return the sum over the given nodes in each bin, NaN where none is known."""
    chosen = table.counts[count][:, list(columns)]
    known = ~np.isnan(chosen)
    return np.where(known.any(axis=1), np.where(known, chosen, 0).sum(axis=1), np.nan)
