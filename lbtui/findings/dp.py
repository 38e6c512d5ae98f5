"""Findings on DP domains: batch size, queues, stragglers."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from lbtui.findings.batch_skew import find_batch_skew
from lbtui.findings.evidence import Evidence
from lbtui.findings.model import Finding
from lbtui.findings.queue_skew import find_queue_skew
from lbtui.findings.straggler import find_stragglers
from lbtui.findings.thresholds import Thresholds


def find_dp(evidence: Evidence, limits: Thresholds, held_back: Collection[str] = ()) -> Iterator[Finding]:
    """Yield the findings on DP domains of every instance with more than one.

    `held_back` are the keys of the domains that a small KV pool keeps from carrying more.
    """
    for domains in evidence.instances.values():
        if len(domains) < 2:
            continue
        yield from find_batch_skew(evidence, limits, domains, held_back)
        yield from find_queue_skew(evidence, limits, domains)
        yield from find_stragglers(evidence, limits, domains)
