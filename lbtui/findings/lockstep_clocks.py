"""`data.clock.skew` between the hosts of one instance, told by its DP domains stepping together."""

from __future__ import annotations

from collections.abc import Collection, Iterator

import numpy as np

from lbtui.findings.evidence import Evidence
from lbtui.findings.model import Cost, Finding
from lbtui.findings.thresholds import Thresholds
from lbtui.text import _, visible


def find_lockstep_clocks(
    evidence: Evidence, limits: Thresholds, told: Collection[str] = ()
) -> Iterator[Finding]:
    """Yield the hosts whose clock differs from that of most hosts of their instance.

    Hosts of which it is `told` already, by their KV pulls, are no yardstick: of two hosts that differ, steps
    taken together cannot tell which is off.
    """
    for instance, offsets in evidence.clock_offsets.items():
        others = [offset for host, offset in offsets.items() if host not in told]
        enough = len(offsets) > 2 or 0 < len(others) < len(offsets)
        middle = float(np.median(others or list(offsets.values()))) if enough else 0.0
        for host, offset in offsets.items():
            ms = (offset - middle) / 1000
            if host in told or abs(ms) < limits.clock_skew_ms:
                continue
            ahead = _("ahead of") if ms > 0 else _("behind")
            yield Finding(
                id="data.clock.skew",
                severity="warning",
                subject={"instance": instance, "host": host},
                window=None,
                metric=_("ms by which steps that are taken together start apart on two hosts"),
                value=abs(ms),
                threshold=limits.clock_skew_ms,
                cost=Cost(None, "", _("data quality costs certainty, not time")),
                message=_(
                    "The clock of {host} is {ms:.1f} ms {ahead} that of the other hosts: its steps start so "
                    "much apart from those that are taken together with them."
                ).format(host=visible(host), ms=abs(ms), ahead=ahead),
                advice=_(
                    "Synchronise the hosts' clocks (chrony, ntp) before recording. Who waits for whom is "
                    "told with the difference taken out; latencies between these hosts are off by it."
                ),
                evidence=_("{file}: starts of forward passes on both hosts").format(
                    file=evidence.file("steps")
                ),
                excess=abs(ms) / limits.clock_skew_ms,
            )
