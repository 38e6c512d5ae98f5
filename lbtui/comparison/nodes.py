"""P/D: how evenly requests reach the nodes of a role, and how long hand-offs and KV pulls take."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import polars as pl

from lbtui.analysis.imbalance import Floats
from lbtui.analysis.prefill_decode import STAGES, NodeTable, node_table, rank_label
from lbtui.comparison import metrics
from lbtui.comparison.measured import Measured, Source
from lbtui.comparison.requests import mean_of, percentiles_of
from lbtui.comparison.series import Ratio, by_order, pieces, summed
from lbtui.overview.text import short
from lbtui.text import _

# Key and label of the times of KV pulls.
PULL = ("transfer", _("KV pull"))


def roles_of(source: Source) -> dict[str, Measured]:
    """Return how even the requests over the nodes of each role are."""
    frame = source.frames["nodes"]
    if frame.is_empty():
        return {}
    table = node_table(frame)
    return {role: _role(table, role) for role in table.roles}


def _role(table: NodeTable, role: str) -> Measured:
    added = np.nan_to_num(table.counts["added"][:, table.of_role(role)])
    if added.shape[1] < 2:
        return Measured(metrics.NODE_PAR, absent=_("one node, nothing to compare it with"))
    if not added.sum() > 0:
        return Measured(metrics.NODE_PAR, absent=_("no request reached a node of this role"))
    # The node that received most over the whole run, as the P/D pane counts it.
    fullest = int(np.argmax(added.sum(axis=0)))
    return Measured(metrics.NODE_PAR, _par_of_one(added[:, fullest], added.sum(axis=1), int(added.shape[1])))


def _par_of_one(own: Floats, total: Floats, members: int) -> Ratio:
    """Return what one of `members` got / the mean of all, in pieces of the order; each is an observation."""
    piece, count = by_order(len(own)), pieces(len(own))
    share = float(own.sum() / total.sum())
    return Ratio(
        summed(piece, own, count),
        summed(piece, total / members, count),
        counted=float(total.sum()),
        of_one=members**2 * share * (1 - share),
    )


def kv_ready(source: Source) -> Measured:
    """Return what P/D adds to a request: from its arrival until all its KV is on the decode node, mean.

    Each end by its own host's clock.
    """
    ready = source.frames["transfers"].drop_nulls("end").group_by("request_id").agg(pl.col("end").max())
    known = (
        source.frames["handoffs"]
        .drop_nulls(["request_id", "arrival"])
        .select("request_id", "arrival")
        .unique("request_id", keep="first", maintain_order=True)
        .join(ready, on="request_id", how="inner")
        .sort("arrival", "request_id")
    )
    took = known.select((pl.col("end") - pl.col("arrival")).dt.total_microseconds() / 1000).to_series()
    return mean_of(metrics.KV_READY, took, _("no request tells both its arrival and its KV pull"))


def handoff_times(source: Source, *, pulled: bool) -> Iterator[Measured]:
    """Yield the percentiles of each stage of the hand-offs, in the order of arrival.

    Before them the time until decode has the KV, or until prefill is done where no KV pull is known (not
    `pulled`).
    """
    handoffs = source.frames["handoffs"].sort("arrival", nulls_last=True)
    if pulled:
        yield kv_ready(source)
    for label, begin, end in STAGES:
        took = handoffs.select((pl.col(end) - pl.col(begin)).dt.total_microseconds() / 1000).to_series()
        key, name = stage_names(label, begin, end)
        why = _("no hand-off shows both ends of this stage")
        if not pulled and end == "prefill_done":
            yield mean_of(metrics.mean(key, name, "pd", headline=True), took, why)
        yield from percentiles_of(key, name, took, why, "pd")


def stage_names(label: str, begin: str, end: str) -> tuple[str, str]:
    """Return the key of the times of a stage of the hand-off, and what they are called."""
    return f"handoff.{begin}_to_{end}", _("hand-off {stage}").format(stage=label)


@dataclass(frozen=True)
class Pulls:
    """The KV pulls of one profile, in the order of their start."""

    source: Source

    @cached_property
    def _known(self) -> pl.DataFrame:
        transfers = self.source.frames["transfers"].filter(pl.col("duration").is_finite())
        return transfers.sort("start", "request_id", nulls_last=True)

    @cached_property
    def pairs(self) -> pl.DataFrame:
        """The pairs of source and decode rank with pulls enough: `count` and `mean` (ms), slowest first."""
        return (
            self._known.drop_nulls(["source", "rank"])
            .group_by("source", "rank")
            .agg(count=pl.len(), mean=pl.col("duration").mean())
            .filter(pl.col("count") >= metrics.FEWEST_PULLS)
            .sort("mean", "source", "rank", descending=[True, False, False])
        )

    def measured(self) -> Iterator[Measured]:
        """Yield mean and percentiles of the time of a KV pull, and how far the slowest pair is off."""
        took, why = self._known["duration"], _("no KV pull is recorded")
        yield mean_of(metrics.mean(*PULL, "pd", headline=True), took, why)
        yield from percentiles_of(*PULL, took, why, "pd")
        yield self._slowest_pair()
        yield self._sources()

    def _sources(self) -> Measured:
        """Return how evenly the pulls come from the sources: in finer pieces than the counts per node."""
        sources = self._known["source"].drop_nulls()
        if sources.n_unique() < 2:
            return Measured(metrics.SOURCE_PAR, absent=_("fewer than two sources of KV pulls are told"))
        busiest = sources.value_counts().sort("count", "source", descending=True)["source"][0]
        own = (sources == busiest).to_numpy().astype(np.float64)
        return Measured(metrics.SOURCE_PAR, _par_of_one(own, np.ones(len(own)), sources.n_unique()))

    def _slowest_pair(self) -> Measured:
        """Return the PAR over pairs: the pair is chosen once, as the slowest over the whole run."""
        if not self._known["source"].count():
            return Measured(metrics.PULL_PAIR_PAR, absent=_("no KV pull tells its source"))
        if self.pairs.height < 2:
            return Measured(metrics.PULL_PAIR_PAR, absent=_("one pair, nothing to compare it with"))
        # A pair's pulls together weigh 1, however many they are.
        weighed = self._known.join(
            self.pairs.with_columns(slowest=pl.int_range(pl.len()) == 0),
            on=["source", "rank"],
            how="inner",
            maintain_order="left",
        ).select("slowest", each=pl.col("duration") / pl.col("count"))
        each = weighed["each"].to_numpy()
        piece, count = by_order(len(each)), pieces(len(each))
        own = np.where(weighed["slowest"].to_numpy(), each, 0.0)
        mean = summed(piece, each / self.pairs.height, count)
        return Measured(metrics.PULL_PAIR_PAR, Ratio(summed(piece, own, count), mean))

    def slowest_words(self) -> str:
        """Return which pair of source and rank pulls slowest, and how slow; empty where that is unknown."""
        if self.pairs.height < 2:
            return ""
        source, rank, _count, mean = self.pairs.row(0)
        return _("{rank} from {source}, {mean} ms on average").format(
            rank=rank_label(rank), source=source, mean=short(mean)
        )
