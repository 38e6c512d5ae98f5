"""`data.clock.skew` between the hosts of one instance, told by its DP domains stepping together."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from lbtui.findings.evidence import Evidence
from lbtui.findings.model import Cost, Finding
from lbtui.text import _, in_sentences, visible
from lbtui.thresholds import Thresholds


def find_lockstep_clocks(
    evidence: Evidence, limits: Thresholds, told: Collection[str] = ()
) -> Iterator[Finding]:
    """Yield the hosts whose clock differs from the one that most hosts of their instance share.

    Hosts of which it is `told` already, by their KV pulls, are no yardstick. Steps taken together tell how
    far clocks are apart, not which is off: where none is shared by more than half of the hosts, as of two
    that differ, those ahead are named, and the message says that it may be the others.
    """
    for instance, offsets in evidence.clock_offsets.items():
        others = [offset for host, offset in offsets.items() if host not in told]
        if not others:
            continue
        usual, shared = _usual(others, limits.clock_skew_ms * 1000)
        sure = 2 * shared > len(others)
        for host, offset in offsets.items():
            ms = (offset - usual) / 1000
            if host in told or abs(ms) < limits.clock_skew_ms:
                continue
            yield Finding(
                id="data.clock.skew",
                severity="warning",
                subject={"instance": instance, "host": host},
                metric=_("ms by which steps that are taken together start apart on two hosts"),
                value=abs(ms),
                threshold=limits.clock_skew_ms,
                cost=Cost(None, "", _("data quality costs certainty, not time")),
                message=_message(host, ms, sure),
                advice=_(
                    "Synchronise the hosts' clocks (chrony, ntp) before recording. Who waits for whom is "
                    "told with the difference taken out; latencies between these hosts are off by it."
                ),
                evidence=_("{file}: starts of forward passes on both hosts").format(
                    file=evidence.file("steps")
                ),
            )


def _usual(offsets: Sequence[int], apart: float) -> tuple[int, int]:
    """Return the offset (µs) that most share, the least of several, and how many are within `apart` of it."""
    near = {offset: sum(abs(other - offset) < apart for other in offsets) for offset in offsets}
    shared = max(near.values())
    agreeing = sorted(offset for offset, count in near.items() if count == shared)
    first = [offset for offset in agreeing if offset - agreeing[0] < apart]
    return first[len(first) // 2], shared


def _message(host: str, ms: float, sure: bool) -> str:
    way = _("ahead of") if ms > 0 else _("behind")
    told = _(
        "The clock of {host} is {ms:.1f} ms {way} that of the other hosts: its steps start so much apart "
        "from those that are taken together with them."
    ).format(host=visible(host), ms=abs(ms), way=way)
    return in_sentences(told, "" if sure else _("Which of these clocks is off, steps cannot tell."))
