"""What a P/D finding is seen by: values per time bin, rank or source, for `pictures`."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from lbtui.analysis.hand_off_waits import hand_off_waits
from lbtui.analysis.imbalance import Floats
from lbtui.analysis.prefill_decode import Count, NodeTable
from lbtui.findings.evidence import Evidence
from lbtui.findings.model import Finding
from lbtui.findings.pd_stalled import ENDS_NOTHING
from lbtui.text import _, visible


class PdLane(NamedTuple):
    """One lane: its name, its values (NaN for no data), and whether it is the finding's own."""

    name: str
    values: Floats
    own: bool


class PdLanes(NamedTuple):
    """Lanes of one quantity; `column` is what one value is of, `at` the subject's, if it is one of them."""

    quantity: str
    column: str
    lanes: list[PdLane]
    span: tuple[int, int] | None = None  # µs since 1970 (UTC), if the columns are time
    at: int | None = None


def node_lanes(table: NodeTable, finding: Finding) -> PdLanes:
    """Return the requests added to each node of the subject's role; those running where one ends nothing."""
    still = finding.metric == ENDS_NOTHING
    count: Count = "running" if still else "added"
    lanes = [
        PdLane(
            table.nodes[column].address,
            table.counts[count][:, column],
            table.nodes[column].address == finding.subject["address"],
        )
        for column in table.of_role(str(finding.subject["role"]))
    ]
    width = round(table.bin_seconds * 1e6)
    return PdLanes(
        _("requests running") if still else _("requests added"),
        _("{seconds:.3g} s").format(seconds=table.bin_seconds),
        lanes,
        (int(table.starts[0]), int(table.starts[-1]) + width),
    )


def pull_lanes(evidence: Evidence, finding: Finding, edges: npt.NDArray[np.int64] | None) -> PdLanes | None:
    """Return the median KV pull by rank (of a pair: from its source alone), by source, or over time."""
    pulls = evidence.frame("transfers").drop_nulls("duration")
    rank, source = (finding.subject.get(key) for key in ("rank", "source"))
    if rank is None and source is None:
        return None if edges is None else _pulls_over_time(pulls, edges)
    column = "source" if rank is None else "rank"
    if rank is not None and source is not None:
        pulls = pulls.filter(pl.col("source") == source)
    medians = pulls.drop_nulls(column).group_by(column).agg(pl.col("duration").median()).sort(column)
    if rank is None:
        of = _("a source, in text order")
    elif source is None:
        of = _("a decode rank")
    else:
        of = _("a decode rank, pulls from {source}").format(source=visible(str(source)))
    subject = source if rank is None else rank
    at = medians[column].to_list().index(subject)
    quantity = _("median KV pull, ms")
    lane = PdLane(quantity.split(",")[0], medians["duration"].to_numpy(), own=True)
    return PdLanes(quantity, of, [lane], at=at)


def _pulls_over_time(pulls: pl.DataFrame, edges: npt.NDArray[np.int64]) -> PdLanes:
    timed = pulls.drop_nulls("start")
    bins = np.searchsorted(edges, timed["start"].cast(pl.Int64).to_numpy(), side="right") - 1
    medians = timed.select("duration", bin=pl.Series(bins)).group_by("bin").agg(pl.col("duration").median())
    values = np.full(len(edges) - 1, np.nan)
    inside = medians.filter(pl.col("bin").is_between(0, len(values) - 1))
    values[inside["bin"].to_numpy()] = inside["duration"].to_numpy()
    return _over_time(_("median KV pull, ms"), [PdLane(_("all ranks"), values, own=True)], edges)


def waiting_lanes(evidence: Evidence, role: str, edges: npt.NDArray[np.int64]) -> PdLanes:
    """Return the requests between arrival and end of prefill, and from there to the KV pull, over time."""
    waits = hand_off_waits(evidence.frame("transfers"), evidence.frame("handoffs"))
    lanes = [
        PdLane(name, _mean_open(waits.drop_nulls([begin, end]), begin, end, edges), own)
        for name, begin, end, own in (
            ("prefill", "arrival", "prefill_done", role == "prefill"),
            ("decode", "prefill_done", "start", role == "decode"),
        )
    ]
    return _over_time(_("requests in or before prefill, waiting for their KV pull"), lanes, edges)


def _over_time(quantity: str, lanes: list[PdLane], edges: npt.NDArray[np.int64]) -> PdLanes:
    span = (int(edges[0]), int(edges[-1]))
    column = _("{seconds:.3g} s").format(seconds=(span[1] - span[0]) / 1e6 / (len(edges) - 1))
    return PdLanes(quantity, column, lanes, span)


def _mean_open(spans: pl.DataFrame, begin: str, end: str, edges: npt.NDArray[np.int64]) -> Floats:
    """Return how many of the spans are open, mean over each bin."""
    opened, closed = (_passed(spans[column].cast(pl.Int64).to_numpy(), edges) for column in (begin, end))
    mean: Floats = np.maximum(np.diff(opened) - np.diff(closed), 0.0) / np.diff(edges)
    return mean


def _passed(times: npt.NDArray[np.int64], edges: npt.NDArray[np.int64]) -> Floats:
    """Return Σ over the times of what has passed since each, at each edge."""
    ordered = np.sort(times) - edges[0]
    at = edges - edges[0]
    count = np.searchsorted(ordered, at)
    passed: Floats = count * at.astype(float) - np.r_[0.0, np.cumsum(ordered.astype(float))][count]
    return passed
