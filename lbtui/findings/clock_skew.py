"""`data.clock.skew`: two hosts' clocks differ, so that times across them are off."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import polars as pl

from lbtui.analysis.pull_clocks import ClockShift, clock_shifts
from lbtui.findings.evidence import Evidence
from lbtui.findings.hosts import waits_by_host
from lbtui.findings.lockstep_clocks import find_lockstep_clocks
from lbtui.findings.model import Cost, Finding, SubjectValue
from lbtui.text import _, visible
from lbtui.thresholds import Thresholds

_FEW, _FEW_SHARE = 2, 0.05  # hand-offs in the wrong order that prove nothing


def find_clocks(evidence: Evidence, limits: Thresholds) -> Iterator[Finding]:
    """Yield the clocks that differ, told by steps taken together and by KV pulls; each host once."""
    pulls = list(find_clock_skew(evidence, limits))
    told = {str(f.subject["host"]) for f in pulls if "host" in f.subject}
    yield from find_lockstep_clocks(evidence, limits, told)
    yield from pulls


def find_clock_skew(evidence: Evidence, limits: Thresholds) -> Iterator[Finding]:
    """Yield a finding per host whose clock differs, and one on hand-offs received before they are sent."""
    waits = waits_by_host(evidence)
    hosts = set(waits["decode_host"].drop_nulls()) | set(waits["prefill_host"].drop_nulls())
    unnamed: list[ClockShift] = []
    for shift in clock_shifts(waits, limits.clock_skew_ms):
        if shift.host in hosts:
            yield _of_host(evidence, limits, shift, {"host": shift.host})
        else:
            unnamed.append(shift)
    if unnamed:
        # Ranks of one host are off alike, and no file tells which are.
        unnamed.sort(key=lambda shift: abs(shift.ms))
        shift = unnamed[len(unnamed) // 2]
        yield _of_host(evidence, limits, shift, _who(unnamed))
    yield from _received_before_sent(evidence, limits)


def _who(shifts: list[ClockShift]) -> Mapping[str, SubjectValue]:
    """Return who it is where no host is known: the source or rank if it is a single one."""
    (shift,) = shifts if len(shifts) == 1 else (None,)
    if shift is None or not shift.host:
        return {}
    if shift.side == "prefill":
        return {"source": shift.host}
    rank = shift.host.rpartition(" ")[2]
    return {"rank": int(rank), "role": "decode"} if rank.isdecimal() else {}


def _of_host(
    evidence: Evidence, limits: Thresholds, shift: ClockShift, subject: Mapping[str, SubjectValue]
) -> Finding:
    way = _("ahead of") if shift.ms > 0 else _("behind")
    late = (shift.ms > 0) == (shift.side == "decode")
    seen = (
        _("{count} KV pulls all start about {ms:.0f} ms later after the end of their prefill than others do")
        if late
        else _("{count} KV pulls start {ms:.0f} ms earlier against the end of their prefill than can be")
    ).format(count=shift.pulls, ms=abs(shift.ms))
    if "host" in subject:
        told = _("the clock of {host} is {ms:.0f} ms {way} the others'").format(
            host=visible(shift.host), ms=abs(shift.ms), way=way
        )
    else:
        told = _("clocks of the decode and prefill hosts differ")
    if shift.at_least and late:
        told += _(", or each hand-off is held back as long")
    elif shift.at_least:
        told += _(" by at least that")
    return _finding(
        limits,
        subject,
        (_("ms by which the clocks differ"), abs(shift.ms)),
        _("{seen}: {told}.").format(seen=seen[0].upper() + seen[1:], told=told),
        _("{handoffs}: prefill_res_time against {transfers}: start_time").format(
            handoffs=evidence.file("handoffs"), transfers=evidence.file("transfers")
        ),
    )


def _received_before_sent(evidence: Evidence, limits: Thresholds) -> Iterator[Finding]:
    """A hand-off received before it was sent tells that two hosts' clocks differ at least that much."""
    handoffs = evidence.frame("handoffs").drop_nulls(["sent", "received"])
    if handoffs.is_empty():
        return
    ms = handoffs.select((pl.col("received") - pl.col("sent")).dt.total_microseconds() / 1000).to_series()
    back = ms.filter(ms < -limits.clock_skew_ms)
    if len(back) > max(_FEW, _FEW_SHARE * len(ms)):
        worst = -float(np.median(back.to_numpy()))
        yield _finding(
            limits,
            {},
            (_("ms by which hand-offs are received before they are sent"), worst),
            _(
                "{count} of {all} hand-offs are received before they were sent, {ms:.1f} ms on the median: "
                "clocks of hosts differ."
            ).format(count=len(back), all=len(ms), ms=worst),
            evidence.file("handoffs"),
        )


def _finding(
    limits: Thresholds,
    subject: Mapping[str, SubjectValue],
    figure: tuple[str, float],
    message: str,
    evidence: str,
) -> Finding:
    metric, value = figure
    return Finding(
        id="data.clock.skew",
        severity="warning",
        subject=subject,
        metric=metric,
        value=value,
        threshold=limits.clock_skew_ms,
        cost=Cost(None, "", _("data quality costs certainty, not time")),
        message=message,
        advice=_(
            "Synchronise the hosts' clocks (chrony, ntp) before recording; compare times within a host only."
        ),
        evidence=evidence,
        excess=1.0,
    )
