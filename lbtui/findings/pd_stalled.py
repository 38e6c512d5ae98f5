"""`pd.node.stalled`: a P/D node that ends nothing although requests run on it, or gets nothing any more."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

import polars as pl

from lbtui.analysis.node_stalls import Stall, StallLimits, stalls
from lbtui.analysis.prefill_decode import NodeTable
from lbtui.findings.evidence import Evidence
from lbtui.findings.model import Cost, Finding
from lbtui.profile import format_time
from lbtui.text import _, visible
from lbtui.thresholds import Thresholds

ENDS_NOTHING = _("seconds without an ended request while requests run")
GETS_NOTHING = _("seconds without a new request while the other nodes get them")

_FEWEST = 10  # requests before and after, to tell what the others pay


def find_stalled(evidence: Evidence, limits: Thresholds, table: NodeTable, role: str) -> Iterator[Finding]:
    """Yield a finding for each node of a role that stands still."""
    stay = _stays(evidence, role)
    usual = stay["seconds"].quantile(0.95) if stay.height else None
    what_counts = StallLimits(limits.pd_stalled_share, limits.p_value, usual or 0.0)
    for stall in stalls(table, role, what_counts):
        yield _finding(evidence, table, stall, stay)


def _stays(evidence: Evidence, role: str) -> pl.DataFrame:
    """Return `begin` and the `seconds` that each request stayed on a node of the role, as hand-offs tell."""
    begin, end = ("arrival", "prefill_done") if role == "prefill" else ("prefill_done", "end")
    handoffs = evidence.frame("handoffs").drop_nulls([begin, end])
    return handoffs.select(
        begin=begin, seconds=(pl.col(end) - pl.col(begin)).dt.total_microseconds() / 1e6
    ).filter(pl.col("seconds") >= 0)


def _finding(evidence: Evidence, table: NodeTable, stall: Stall, stays: pl.DataFrame) -> Finding:
    node = table.nodes[stall.node]
    begin = table.times[stall.first]
    end = table.times[stall.last - 1] + timedelta(seconds=table.bin_seconds)
    seconds = (stall.last - stall.first) * table.bin_seconds
    since = format_time(begin, 0, date=evidence.dated)
    names = {"address": visible(node.address), "since": since, "role": visible(node.role)}
    if stall.running is not None:
        message = _("{address} ends nothing since {since} while {running} run ({seconds:.0f} s).").format(
            **names, running=stall.running, seconds=seconds
        )
        cost = Cost(
            float(stall.running),
            _("requests stuck"),
            _("{running} requests stand still, {held:.0f} s of them in all").format(
                running=stall.running, held=stall.held
            ),
            evidence.share_of_requests(stall.held),
            of="requests",
        )
    else:
        message = _("{address} gets nothing since {since}, while the other {role} nodes get {peers}.").format(
            **names, peers=stall.peers
        )
        cost = _taken_by_peers(evidence, stall, stays, begin)
    return Finding(
        id="pd.node.stalled",
        severity="critical",
        subject={"address": node.address, "role": node.role},
        window=(begin, end),
        metric=GETS_NOTHING if stall.running is None else ENDS_NOTHING,
        value=seconds,
        threshold=stall.least_bins * table.bin_seconds,
        cost=cost,
        message=message,
        advice=_(
            "See whether the node's processes live and answer (npu-smi, its log at that time), and whether "
            "the coordinator has taken it out."
        ),
        evidence=_("{file}: add_count, end_count and running_count of {address}").format(
            file=evidence.file("nodes"), address=visible(node.address)
        ),
        p_value=stall.p_value,
    )


def _taken_by_peers(evidence: Evidence, stall: Stall, stays: pl.DataFrame, begin: datetime) -> Cost:
    """Return what it costs that the others serve its requests: how much longer all stay since then."""
    own = max(1.0, stall.peers * stall.share)
    before = stays.filter(pl.col("begin") < begin)["seconds"]
    since = stays.filter(pl.col("begin") >= begin)["seconds"]
    share, longer = None, ""
    if min(len(before), len(since)) >= _FEWEST:
        more = float(since.to_numpy().mean() - before.to_numpy().mean())
        if more > 0:
            share = evidence.share_of_requests(more * len(since))
            longer = _("; each request stays {ms:.3g} ms longer than before").format(ms=1000 * more)
    text = _("{own:.0f} requests that would be its own go to the others").format(own=own) + longer
    return Cost(own, _("requests"), text, share or None, of="requests")
