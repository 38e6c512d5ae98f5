"""`pd.ratio` from the hand-offs alone: requests wait for prefill, or between prefill and their KV pull."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from lbtui.analysis.hand_off_waits import Queues, queues_between
from lbtui.analysis.pull_clocks import clock_shifts, without_shifts
from lbtui.findings.evidence import Evidence
from lbtui.findings.hosts import waits_by_host
from lbtui.findings.model import Cost, Finding
from lbtui.findings.severity import severity_of
from lbtui.text import _
from lbtui.thresholds import Thresholds

PULL_WAITS = _("requests between prefill and KV pull per decode rank, mean over time")
PREFILL_WAITS = _("requests waiting for prefill per P node, mean over time")

# How long prefill takes without a queue is only inferred (prompts found in a cache take less), so more is
# asked of its queue: the median request must take so many times as long as prefill alone. Where no file tells
# whether the P nodes are busy, even more, and a longer queue.
_BUSY_STANDS, _UNKNOWN_STANDS, _UNKNOWN_QUEUE = 2.0, 3.0, 2.0


def find_ratio_by_waits(
    evidence: Evidence, limits: Thresholds, prefill_busy: float | None
) -> Iterator[Finding]:
    """Yield which side requests wait for, told by the times of their hand-offs.

    Waits are freed of what clocks add to them (`data.clock.skew`). `prefill_busy` is the share of time that
    the P side computes, None where unknown: a side that idles is no bottleneck. Chance: a sign test over 12
    blocks of requests, in which one side must wait more than the other.
    """
    waits = waits_by_host(evidence)
    queues = queues_between(without_shifts(waits, clock_shifts(waits, limits.clock_skew_ms)))
    if queues is None:
        return
    ranks, sources = (max(1, waits[column].drop_nulls().n_unique()) for column in ("rank", "source"))
    level = queues.pull / ranks
    if (
        level >= limits.pd_waiting
        and queues.prefill <= limits.pd_idle_share * queues.pull
        and queues.pull_chance <= limits.p_value
    ):
        yield _decode(evidence, limits, queues, level)
    level = queues.prefill / sources
    unknown = prefill_busy is None
    if (
        (prefill_busy is None or prefill_busy >= limits.pd_busy_share)
        and level >= (_UNKNOWN_QUEUE if unknown else 1.0) * limits.pd_waiting
        and float(np.median(queues.prefill_times))
        >= (_UNKNOWN_STANDS if unknown else _BUSY_STANDS) * queues.pure
        and queues.pull <= limits.pd_idle_share * queues.prefill
        and queues.prefill_chance <= limits.p_value
    ):
        yield _prefill(evidence, limits, queues, level)


def _decode(evidence: Evidence, limits: Thresholds, queues: Queues, level: float) -> Finding:
    p50, p95 = np.quantile(queues.waits, [0.5, 0.95]) / 1000
    message = _(
        "From the end of prefill to their KV pull requests wait {p50:.3g} s on the median, {p95:.3g} s at "
        "p95; {waiting:.1f} wait at any time, for prefill {other:.1f}: decode is the bottleneck."
    ).format(p50=p50, p95=p95, waiting=queues.pull, other=queues.prefill)
    return _finding(evidence, limits, "decode", (PULL_WAITS, level, queues.pull, queues), message)


def _prefill(evidence: Evidence, limits: Thresholds, queues: Queues, level: float) -> Finding:
    p50, p95 = np.quantile(queues.prefill_times, [0.5, 0.95]) / 1000
    message = _(
        "From arrival to the end of prefill requests take {p50:.3g} s on the median, {p95:.3g} s at p95, "
        "where prefill alone takes {pure:.3g} s; {waiting:.1f} wait at any time, between prefill and KV pull "
        "{other:.1f}: prefill is the bottleneck."
    ).format(p50=p50, p95=p95, pure=queues.pure / 1000, waiting=queues.prefill, other=queues.pull)
    return _finding(evidence, limits, "prefill", (PREFILL_WAITS, level, queues.prefill, queues), message)


def _finding(
    evidence: Evidence, limits: Thresholds, role: str, figures: tuple[str, float, float, Queues], message: str
) -> Finding:
    metric, level, waiting, queues = figures
    share = evidence.share_of_requests(waiting * queues.seconds)
    other = "decode" if role == "prefill" else "prefill"
    return Finding(
        id="pd.ratio",
        severity=severity_of(share, limits),
        subject={"role": role},
        metric=metric,
        value=level,
        threshold=limits.pd_waiting,
        cost=Cost(
            waiting,
            _("requests waiting"),
            _("{waiting:.1f} requests wait for {role} at any time").format(waiting=waiting, role=role),
            share,
            of="requests",
        ),
        message=message,
        advice=_(
            "Move the P:D ratio towards {role}: fewer {other} nodes or more {role} nodes. How much that "
            "brings depends on how far the {role} side scales."
        ).format(role=role, other=other),
        evidence=_("{handoffs}: http_req_time, prefill_res_time; {transfers}: start_time, by request").format(
            handoffs=evidence.file("handoffs"), transfers=evidence.file("transfers")
        ),
        p_value=queues.pull_chance if role == "decode" else queues.prefill_chance,
    )
