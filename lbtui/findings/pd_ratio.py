"""`pd.ratio`: requests queue on one side, prefill or decode, while the other side keeps up."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import polars as pl

from lbtui.analysis.counts import binomial_tail
from lbtui.analysis.imbalance import Floats
from lbtui.analysis.lanes import bin_edges, bin_lanes, lane_statistics
from lbtui.findings.evidence import Evidence
from lbtui.findings.model import Cost, Finding
from lbtui.findings.pd_ratio_waits import find_ratio_by_waits
from lbtui.findings.severity import severity_of
from lbtui.profile import Domain, micros
from lbtui.text import _, in_percent
from lbtui.thresholds import Thresholds

_BLOCKS = 12


@dataclass(frozen=True)
class _Side:
    """One role's domains while requests come in."""

    role: str
    waiting: Floats  # requests waiting, [block]: median over the domains of each block's mean
    total: float  # requests waiting on all its domains, mean over time
    busy: float  # share of time in forward passes, mean over the domains
    kv_usage: float | None  # mean over time, median over the domains

    @property
    def level(self) -> float:
        """Requests waiting at the median domain, mean over time."""
        return float(self.waiting.mean())


def find_ratio(evidence: Evidence, limits: Thresholds) -> Iterator[Finding]:
    """Yield which side is the bottleneck, if one is.

    The queue of most of its domains (the median: one domain's own trouble is no matter of the ratio) holds
    requests while the other side's is next to empty. A busy side alone proves nothing: decode computes as
    long as one request runs. Chance: a sign test over 12 blocks of time, in which the side must wait more
    than the other. Where no queue tells, the hand-offs may: `find_ratio_by_waits`.
    """
    prefill, decode = _side(evidence, "prefill"), _side(evidence, "decode")
    found = [] if prefill is None or decode is None else list(_queueing(evidence, limits, prefill, decode))
    yield from found
    if not found:
        yield from find_ratio_by_waits(evidence, limits, prefill.busy if prefill else None)


def _queueing(evidence: Evidence, limits: Thresholds, prefill: _Side, decode: _Side) -> Iterator[Finding]:
    """Yield the side at whose domains requests queue."""
    for side, other in ((prefill, decode), (decode, prefill)):
        ahead = int((side.waiting > other.waiting).sum())
        p = binomial_tail(ahead, _BLOCKS, 0.5)
        queues = side.level >= limits.pd_waiting and other.level <= limits.pd_idle_share * side.level
        if queues and p <= limits.p_value:
            yield _finding(evidence, limits, side, other, p)


def _side(evidence: Evidence, role: str) -> _Side | None:
    domains = [d for d in evidence.domains if evidence.roles.get(d.key) == role]
    lanes = [lane for lane in evidence.lanes("waiting", domains) if len(lane.starts)]
    if not lanes or evidence.arrivals is None:
        return None
    begin, end = (micros(time) for time in evidence.arrivals)
    if end <= begin:
        return None
    # Before its first reading a queue is empty: readings begin with the first request.
    waiting = np.nan_to_num(bin_lanes(lanes, bin_edges(begin, end, _BLOCKS)).mean)
    usage = evidence.lanes("kv_usage", domains)
    used = [s.mean for s in lane_statistics(usage, begin, end, [role] * len(usage)) if not np.isnan(s.mean)]
    return _Side(
        role,
        np.median(waiting, axis=0),
        float(waiting.mean(axis=1).sum()),
        _busy_share(evidence, domains),
        float(np.median(used)) if used else None,
    )


def _busy_share(evidence: Evidence, domains: list[Domain]) -> float:
    """Return Σ step time of the steps begun while requests came in / (domains × that time)."""
    assert evidence.arrivals is not None
    begin, end = evidence.arrivals
    inside = evidence.steps.filter(
        pl.col("domain").is_in([d.key for d in domains]), pl.col("start") >= begin, pl.col("start") < end
    )
    return float(inside["duration"].sum()) / 1000 / ((end - begin).total_seconds() * len(domains))


def _finding(evidence: Evidence, limits: Thresholds, side: _Side, other: _Side, p: float) -> Finding:
    assert evidence.arrivals is not None
    seconds = (evidence.arrivals[1] - evidence.arrivals[0]).total_seconds()
    share = evidence.share_of_requests(side.total * seconds)
    kv = (
        _(", using {usage} of their KV blocks").format(usage=in_percent(side.kv_usage))
        if side.kv_usage
        else ""
    )
    return Finding(
        id="pd.ratio",
        severity=severity_of(share, limits),
        subject={"role": side.role},
        metric=_("requests waiting at the role's median domain, mean over time"),
        value=side.level,
        threshold=limits.pd_waiting,
        cost=Cost(
            side.total,
            _("requests waiting"),
            _("{waiting:.1f} requests wait on all {role} domains at any time").format(
                waiting=side.total, role=side.role
            ),
            share,
            of="requests",
        ),
        message=_(
            "{waiting:.1f} requests wait at the median {role} domain, {idle:.1f} at the median {other} "
            "domain; {role} domains compute {busy} of the time{kv}, {other} domains {other_busy}: "
            "{role} is the bottleneck."
        ).format(
            waiting=side.level,
            idle=other.level,
            role=side.role,
            other=other.role,
            busy=in_percent(side.busy),
            kv=kv,
            other_busy=in_percent(other.busy),
        ),
        advice=_(
            "Move the P:D ratio towards {role}: fewer {other} nodes or more {role} nodes. How much that "
            "brings depends on how far the {role} side scales."
        ).format(role=side.role, other=other.role),
        evidence=_("{queues}: waiting; {steps}: time in forward passes, by role").format(
            queues=evidence.file("queues"), steps=evidence.file("steps")
        ),
        p_value=p,
    )
