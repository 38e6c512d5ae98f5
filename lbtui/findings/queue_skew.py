"""`dp.queue.skew`: waiting requests pile up on some DP domains while others idle."""

from __future__ import annotations

from collections.abc import Iterator

from lbtui.analysis.scan import ShuffledBlocks, find_excess
from lbtui.findings.evidence import Evidence
from lbtui.findings.model import Cost, Finding
from lbtui.findings.subject import name_of, subject_of
from lbtui.findings.thresholds import Thresholds
from lbtui.profile import Domain
from lbtui.text import _

_CRITICAL_RATIO = 4.0


def find_queue_skew(evidence: Evidence, limits: Thresholds, domains: list[Domain]) -> Iterator[Finding]:
    """Yield where more requests wait on a domain than on its peers, beyond what shuffled blocks explain."""
    binned = evidence.binned("waiting", domains)
    if binned is None:
        return
    for excess in find_excess(
        binned.loads,
        ShuffledBlocks(),
        least_ratio=limits.dp_queue_ratio,
        least_excess=limits.dp_queue_waiting,
        p_value=limits.p_value,
    ):
        domain = domains[excess.lane]
        window = binned.window(excess.first, excess.last)
        more = excess.own - excess.peers
        waited = more * (window[1] - window[0]).total_seconds()
        yield Finding(
            id="dp.queue.skew",
            dimension="dp",
            severity="critical" if excess.ratio >= _CRITICAL_RATIO else "warning",
            subject=subject_of(evidence, domain),
            window=window,
            metric="waiting − mean of peers",
            value=more,
            threshold=limits.dp_queue_waiting,
            cost=Cost(
                waited,
                "request·s",
                _("{value:.1f} request-seconds of waiting beyond the peers' ((own − peers) × window)").format(
                    value=waited
                ),
            ),
            message=_("{own:.1f} requests wait at {domain}, {peers:.2f} at its peers on average.").format(
                own=excess.own, domain=name_of(domain), peers=excess.peers
            ),
            advice=_(
                "Give waiting requests to domains that idle: route by queue length (4 × waiting + running), "
                "and see whether KV blocks or a full batch hold this domain back."
            ),
            evidence=_("{file}: waiting of the domain's scheduler in the window").format(
                file=evidence.file("queues")
            ),
            excess=more / limits.dp_queue_waiting,
            p_value=excess.p_value,
        )
