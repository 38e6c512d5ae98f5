"""Requests per prefill and decode node: the table over time, its totals, hand-offs and KV pulls."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property, lru_cache
from typing import Literal, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
import polars as pl

from lbtui.analysis.deviation import beyond_peers
from lbtui.analysis.expected import chance_of
from lbtui.analysis.imbalance import Floats, expected_maximum, par
from lbtui.profile import several_days
from lbtui.text import _
from lbtui.thresholds import Expected, Shares

Count: TypeAlias = Literal["added", "ended", "running"]
COUNTS: tuple[Count, ...] = ("added", "ended", "running")

# A request's way from P to D, in the order in which the events really happen: (label, from, to). Upstream
# documents prefill done after received; in its own files prefill done comes first, up to 2 ms before.
STAGES: tuple[tuple[str, str, str], ...] = (
    (_("arrival → prefill done"), "arrival", "prefill_done"),
    (_("prefill done → sent"), "prefill_done", "sent"),
    (_("sent → received"), "sent", "received"),
    (_("received → end"), "received", "end"),
    (_("arrival → end"), "arrival", "end"),
)

# What begins by the clock of a prefill host and ends by that of a decode host.
ACROSS_HOSTS = tuple(label for label, _begin, end in STAGES if end == "end")

# What is marked as standing out; findings have the same effects among their thresholds.
NODE_RATIO = 1.25  # a node's requests / mean of its role
NODE_DEVIATIONS = 3.0  # and so many standard deviations above an even random dispatch
SLOW_RANK = 1.5  # a rank's median KV pull / median of the ranks' medians

# Missing bins become rows without data, up to this many times the bins present.
_MOST_FILLED = 4
_FEWEST_SEEN = 10  # running requests at bins' ends, to tell how long requests stay
# Windows of tables of which the sums are kept: a key draws the same several times over.
_KEPT = 8


class Node(NamedTuple):
    """One P/D node."""

    role: str
    address: str


@dataclass(frozen=True, eq=False)
class NodeTable:
    """Counts per node and time bin: arrays [bin, node], NaN where a cell is missing.

    Compared by identity, so that what is summed up of it can be kept by it.
    """

    nodes: tuple[Node, ...]  # prefill first, then by address
    times: tuple[datetime, ...]  # start of each bin, UTC
    starts: npt.NDArray[np.int64]  # the same in µs since 1970
    bin_seconds: float
    even: bool  # each bin begins where the one before ends
    counts: dict[Count, Floats]
    written: Floats  # running as the file has it
    rebuilt: npt.NDArray[np.bool_]  # [bin, node]: running differs from the file's figure
    # Of another table on the same scale: the largest cell of each count and role.
    ceiling: Mapping[tuple[Count, str], float] = field(default_factory=dict)
    expected: Expected = field(default_factory=Expected)  # what the nodes are to get
    known_before: frozenset[int] = frozenset()  # nodes of which there are events before the first bin

    @property
    def dated(self) -> bool:
        """Whether times need their date: the bins span several days."""
        return several_days(self.times[0], self.times[-1])

    def of_role(self, role: str) -> list[int]:
        """Return the columns of a role's nodes."""
        return [i for i, node in enumerate(self.nodes) if node.role == role]

    def shares_of(self, role: str) -> Shares:
        """Return what a role's nodes are to get (`Expected.of_nodes`)."""
        return self.expected.of_nodes([self.nodes[i].address for i in self.of_role(role)])

    @property
    def roles(self) -> tuple[str, ...]:
        """The roles present, prefill first."""
        return tuple(dict.fromkeys(node.role for node in self.nodes))

    @cached_property
    def hosts(self) -> tuple[str, ...]:
        """Each node's address, without its port where all nodes have the same."""
        alike = len({node.address.rpartition(":")[2] for node in self.nodes}) == 1
        return tuple(
            node.address.rpartition(":")[0] or node.address if alike else node.address for node in self.nodes
        )

    def peak(self, count: Count, role: str) -> float:
        """Return the largest cell of a count and role, also of the table on the same scale; 0 without any."""
        own = float(np.nanmax(self.counts[count][:, self.of_role(role)], initial=0.0))
        return max(own, self.ceiling.get((count, role), 0.0))

    def first_event(self, node: int) -> int:
        """Return the bin of a node's first added or ended request; before it running is a lower bound."""
        if node in self.known_before:
            return 0
        events = np.nan_to_num(self.counts["added"][:, node]) + np.nan_to_num(self.counts["ended"][:, node])
        found = np.flatnonzero(events > 0)
        return int(found[0]) if len(found) else len(self.times)


def node_table(nodes: pl.DataFrame, expected: Expected | None = None) -> NodeTable:
    """Return the `nodes` frame, one row per time, address and role, as a table of time bins × nodes.

    The nodes are judged by the `expected` shares.
    """
    order = {"prefill": 0, "decode": 1}
    keys = sorted(
        (Node(*row) for row in nodes.select("role", "address").unique().iter_rows()),
        key=lambda n: (order.get(n.role, 2), _address_order(n.address)),
    )
    present = nodes["time"].unique().sort().cast(pl.Int64).to_numpy()
    step = _modal_step(present)
    starts = _on_grid(present, step)
    columns = pl.DataFrame(
        {"role": [n.role for n in keys], "address": [n.address for n in keys], "column": range(len(keys))},
        schema={"role": pl.String, "address": pl.String, "column": pl.Int64},
    )
    placed = nodes.join(columns, on=["role", "address"], how="left")
    cells = (np.searchsorted(starts, placed["time"].cast(pl.Int64).to_numpy()), placed["column"].to_numpy())

    def spread(name: str) -> Floats:
        values = np.full((len(starts), len(keys)), np.nan)
        values[cells] = placed[name].cast(pl.Float64).fill_null(float("nan")).to_numpy()
        return values

    counts: dict[Count, Floats] = {name: spread(name) for name in COUNTS}
    written = spread("running_written")
    return NodeTable(
        tuple(keys),
        tuple(pl.Series(starts).cast(pl.Datetime("us")).to_list()),
        starts,
        step / 1e6,
        bool((np.diff(starts) == step).all()),
        counts,
        written,
        ~np.isnan(written) & (written != counts["running"]),
        expected=expected or Expected(),
    )


def _address_order(address: str) -> tuple[tuple[int, int, str], ...]:
    """Return a key that puts 10.20.1.9 before 10.20.1.10, whatever else an address may be."""
    parts = address.replace(":", ".").split(".")
    # Digits of other scripts are digits to Python too, and so may be superscripts, which int() refuses as it
    # does thousands of digits. No address has more than five in a row.
    return tuple((0, int(p), "") if p.isascii() and p.isdigit() and len(p) < 10 else (1, 0, p) for p in parts)


def _modal_step(starts: npt.NDArray[np.int64]) -> int:
    """Return the most common distance of the bins in µs, the shortest of several; upstream's 5 s if none."""
    if len(starts) < 2:
        return 5_000_000
    steps, times = np.unique(np.diff(starts), return_counts=True)
    return int(steps[np.argmax(times)])


def _on_grid(starts: npt.NDArray[np.int64], step: int) -> npt.NDArray[np.int64]:
    """Return the bins with the missing ones between, if all lie on one grid and not too many are missing."""
    if len(starts) < 2 or ((starts - starts[0]) % step).any():
        return starts
    length = (starts[-1] - starts[0]) // step + 1
    return np.arange(length) * step + starts[0] if length <= _MOST_FILLED * len(starts) else starts


@dataclass(frozen=True)
class NodeShare:
    """One node's part of what its role received."""

    node: Node
    added: int
    ended: int
    peak_running: int
    share: float  # of the role's added requests
    ratio: float  # × the mean of the role's nodes
    excess: float  # standard deviations above an even random dispatch; NaN for the only node of a role
    expected: float  # of the role's added requests: what it is to get

    @property
    def stands_out(self) -> bool:
        """Tell whether both effect and certainty are large enough to mark."""
        return self.share >= NODE_RATIO * self.expected and self.excess >= NODE_DEVIATIONS


@lru_cache(maxsize=_KEPT)
def beyond_role(table: NodeTable, count: Count) -> Floats:
    """Return how far each [bin, node] is above the mean of its role's nodes in the bin (`beyond_peers`).

    As multiples of what chance gives where each request falls on a node by itself; NaN where unknown.
    """
    apart = np.full(table.counts[count].shape, np.nan)
    for role in table.roles:
        nodes = table.of_role(role)
        apart[:, nodes] = beyond_peers(table.counts[count][:, nodes].T, 1.0, table.shares_of(role)).T
    return apart


@lru_cache(maxsize=_KEPT)
def node_shares(table: NodeTable, first: int = 0, last: int | None = None) -> tuple[NodeShare, ...]:
    """Return each node's totals over bins [first, last) and its share of its role's requests."""
    added, ended = (window_loads(table, count, first, last) for count in ("added", "ended"))
    peaks = peak_running(table, first, last)
    ratios = role_ratios(table, added)
    shares = []
    for role in table.roles:
        columns = table.of_role(role)
        total = float(np.nansum(added[columns]))
        to_get = table.shares_of(role)
        for place, i in enumerate(columns):
            expected = chance_of(place, len(columns), to_get)
            mean, deviation = random_dispatch(total, expected)
            shares.append(
                NodeShare(
                    table.nodes[i],
                    int(np.nan_to_num(added[i])),
                    int(np.nan_to_num(ended[i])),
                    int(np.nan_to_num(peaks[i])),
                    float(added[i]) / total if total else math.nan,
                    float(ratios[i]),
                    (float(added[i]) - mean) / deviation if deviation > 0 else math.nan,
                    expected,
                )
            )
    return tuple(shares)


def window_loads(table: NodeTable, count: Count, first: int = 0, last: int | None = None) -> Floats:
    """Return per node the requests added or ended in bins [first, last), or the mean running; NaN if unknown.

    A mean of running weights each bin alike.
    """
    cells = table.counts[count][first:last]
    known = ~np.isnan(cells)
    total = np.where(known, cells, 0.0).sum(axis=0)
    bins = known.sum(axis=0)
    divisor = bins if count == "running" else np.minimum(bins, 1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(bins > 0, total / divisor, np.nan)


def peak_running(table: NodeTable, first: int = 0, last: int | None = None) -> Floats:
    """Return per node the greatest number of requests running in bins [first, last); NaN if unknown."""
    cells = table.counts["running"][first:last]
    peaks = np.where(np.isnan(cells), -np.inf, cells).max(axis=0, initial=-np.inf)
    return np.where(np.isfinite(peaks), peaks, np.nan)


def role_ratios(table: NodeTable, loads: Floats) -> Floats:
    """Return each node's load / the mean load of its role's nodes; NaN where the role has none."""
    ratios = np.full(len(table.nodes), np.nan)
    for role in table.roles:
        columns = table.of_role(role)
        known = loads[columns][~np.isnan(loads[columns])]
        if len(known) and (mean := float(known.mean())) > 0:
            ratios[columns] = loads[columns] / mean
    return ratios


def stays_longer(table: NodeTable, node: int, first: int = 0, last: int | None = None) -> float:
    """Return the request-seconds that a node's requests of bins [first, last) stay longer than its peers'.

    By Little's law a request stays Σ running × bin / added on the average; below 0 it stays less long. NaN
    without requests on either side, and where the bins' ends saw too few of its requests run to tell.
    """
    peers = [i for i in table.of_role(table.nodes[node].role) if i != node]
    added, running = (np.nan_to_num(table.counts[c])[first:last] for c in ("added", "running"))
    if not added[:, peers].sum() or running[:, node].sum() < _FEWEST_SEEN:
        return math.nan
    usual = running[:, peers].sum() / added[:, peers].sum()
    return float(running[:, node].sum() - usual * added[:, node].sum()) * table.bin_seconds


def random_dispatch(total: float, share: float) -> tuple[float, float]:
    """Return mean and standard deviation of a node's requests if each of `total` comes to it by `share`.

    Binomial: mean N·s, variance N·s·(1 − s). Round robin varies less, so this is the lenient yardstick.
    """
    mean = total * share
    return mean, math.sqrt(mean * (1 - share))


def outstanding(table: NodeTable) -> list[tuple[int, int]]:
    """Return (bin, node) of each node, that with most requests above an even random dispatch first.

    Its excess is measured in standard deviations; the bin is the one with the greatest excess over the mean
    of the role's nodes.
    """
    place = {share.node: share for share in node_shares(table)}
    excess = np.nan_to_num([place[node].excess for node in table.nodes], nan=-np.inf)
    added = np.nan_to_num(table.counts["added"])
    found = []
    for node in np.argsort(-excess, kind="stable").tolist():
        peers = added[:, table.of_role(table.nodes[node].role)].mean(axis=1)
        found.append((int(np.argmax(added[:, node] - peers)), node))
    return found


def role_par(
    table: NodeTable, role: str, first: int = 0, last: int | None = None, count: Count = "added"
) -> float:
    """Return max / mean over a role's nodes of the requests added (ended, mean running) in [first, last)."""
    return float(par(window_loads(table, count, first, last)[table.of_role(role)]))


def role_chance_par(table: NodeTable, role: str, first: int = 0, last: int | None = None) -> float:
    """Return the PAR of added requests that random dispatch to equal nodes would give; NaN without requests.

    E[max] / mean of independent Poisson numbers of the same mean, or of the expected means, as for DP.
    """
    columns = table.of_role(role)
    total = int(np.nansum(window_loads(table, "added", first, last)[columns]))
    return _chance_par(total, len(columns), table.shares_of(role))


@lru_cache(maxsize=256)
def _chance_par(total: int, nodes: int, shares: Shares) -> float:
    mean = total / nodes
    return expected_maximum(mean, nodes, shares) / mean if mean > 0 else math.nan


class Spread(NamedTuple):
    """A distribution in five numbers, ms. `known` tells how many values there are."""

    label: str
    known: int
    mean: float
    p50: float
    p95: float
    max: float
    negative: int = 0  # values below 0: events in another order than the label says


def rank_label(rank: int | None) -> str:
    """Return a decode rank's name, as `transfer_spreads` labels it."""
    return _("rank {rank}").format(rank="?" if rank is None else rank)


def transfer_spreads(transfers: pl.DataFrame) -> list[Spread]:
    """Return the KV-pull time per decode rank, by rank."""
    return [
        _spread(rank_label(rank), part["duration"])
        for (rank,), part in transfers.sort("rank", nulls_last=True).group_by(["rank"], maintain_order=True)
    ]


def median_ratios(spreads: Sequence[Spread]) -> list[float]:
    """Return each median / the median of all the medians: above 1 is slower than its peers."""
    medians = np.array([spread.p50 for spread in spreads])
    known = medians[~np.isnan(medians)]
    level = float(np.median(known)) if len(known) else math.nan
    return [float(m) / level if level > 0 else math.nan for m in medians]


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
        return Spread(label, 0, math.nan, math.nan, math.nan, math.nan)
    p50, p95 = np.quantile(known, [0.5, 0.95])
    return Spread(
        label,
        len(known),
        float(known.mean()),
        float(p50),
        float(p95),
        float(known.max()),
        int((known < 0).sum()),
    )


def window_bins(table: NodeTable, window: tuple[int, int] | None) -> tuple[int, int]:
    """Return the half-open range of bins that a window (µs since 1970) touches, all of them without one."""
    if window is None:
        return 0, len(table.starts)
    length = round(table.bin_seconds * 1e6)
    first = int(np.searchsorted(table.starts, window[0] - length, side="right"))
    last = int(np.searchsorted(table.starts, window[1], side="left"))
    return (first, last) if first < last else (0, 0)


def bin_at(table: NodeTable, time: int) -> int | None:
    """Return the bin that holds an instant (µs since 1970), None if there is none."""
    place = int(np.searchsorted(table.starts, time, side="right")) - 1
    inside = place >= 0 and time < int(table.starts[place]) + round(table.bin_seconds * 1e6)
    return place if inside else None


def role_total(table: NodeTable, count: Count, columns: Sequence[int]) -> Floats:
    """Return the sum over the given nodes in each bin, NaN where none is known."""
    chosen = table.counts[count][:, list(columns)]
    known = ~np.isnan(chosen)
    return np.where(known.any(axis=1), np.where(known, chosen, 0).sum(axis=1), np.nan)
