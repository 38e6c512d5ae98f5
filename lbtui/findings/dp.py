"""Findings on DP domains: batch size, queues, stragglers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from lbtui.findings.batch_skew import find_batch_skew
from lbtui.findings.bubble import find_long_bubbles
from lbtui.findings.evidence import Evidence
from lbtui.findings.kv import held_back, out_of_blocks
from lbtui.findings.model import Finding
from lbtui.findings.queue_skew import find_queue_skew
from lbtui.findings.standstill import find_standstills, standing
from lbtui.findings.straggler import find_stragglers
from lbtui.findings.tokens_skew import find_tokens_skew
from lbtui.thresholds import Thresholds


def find_dp(evidence: Evidence, limits: Thresholds, kv: Sequence[Finding]) -> Iterator[Finding]:
    """Yield the findings on DP domains of every instance with more than one.

    `kv` are the findings on KV caches: a domain short of blocks carries and admits less than it is sent.
    """
    held, out = held_back(evidence, kv), out_of_blocks(evidence, kv)
    for domains in evidence.instances.values():
        stood = list(find_standstills(evidence, limits, domains))
        yield from stood
        if len(domains) < 2:
            continue
        still = standing(evidence, limits, stood)
        steady = [domain for domain in domains if domain.key not in still]
        if len(steady) > 1:
            yield from find_batch_skew(evidence, limits, steady, held)
            yield from find_queue_skew(evidence, limits, steady, out)
        yield from find_stragglers(evidence, limits, domains)
        yield from find_long_bubbles(evidence, limits, domains)
        yield from find_tokens_skew(evidence, limits, domains)
