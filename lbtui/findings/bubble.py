"""`dp.bubble.long`: a DP domain, or all those of a host, begins its forward passes later than its peers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from lbtui.analysis.apart import Apart, inside, lanes_apart
from lbtui.analysis.imbalance import Floats
from lbtui.analysis.step_account import StepAccount
from lbtui.findings.costs import cost_of
from lbtui.findings.evidence import Evidence
from lbtui.findings.model import Finding
from lbtui.findings.severity import severity_of
from lbtui.findings.stretches import when, window_in
from lbtui.findings.subject import subject_of_lanes, who_of_lanes
from lbtui.profile import Domain
from lbtui.text import _, in_percent
from lbtui.thresholds import Thresholds

_WORDS = {
    "late": _("begins its forward passes {more:.1f} ms after its peers"),
    "around": _("takes {more:.1f} ms more before and after its forward passes than its peers"),
    "between": _("leaves {more:.1f} ms more between its steps than its peers"),
}
_METRICS = {
    "late": _("time by which a forward pass begins after the peers' / step time"),
    "around": _(
        "time by which a forward pass begins after the peers' and its round goes on longer after it / "
        "step time"
    ),
    "between": _("time from the end of a step to the next start beyond the others' / step time"),
}


def _kind(account: StepAccount) -> str:
    """Return which time is compared."""
    if account.group is None:
        return "between"
    return "late" if account.tails is None else "around"


def find_long_bubbles(evidence: Evidence, limits: Thresholds, domains: list[Domain]) -> Iterator[Finding]:
    """Yield who is late to begin.

    Where domains step together, by how much a forward pass starts after the mean of the others' in the same
    common step and its round goes on longer after it; else the time from the end of a step to the start of
    the next, while the batch goes on.
    """
    account = evidence.accounts[domains[0].instance]
    for apart in begins_late(account, [d.host for d in domains], limits):
        yield _finding(evidence, limits, domains, apart, account.gaps())


def begins_late(account: StepAccount, hosts: Sequence[str], limits: Thresholds) -> list[Apart]:
    """Return who is late to begin, in shares of a step."""
    late = account.gaps()
    chosen = np.isfinite(late)
    if not chosen.any():
        return []
    sums, counts = account.binned(np.nan_to_num(late), chosen)
    step = float(account.duration.mean())
    with np.errstate(divide="ignore", invalid="ignore"):
        values = np.where(counts > 0, sums / counts / step, np.nan)
    return lanes_apart(values, counts, hosts, limits.dp_bubble_share, limits.p_value)


def _finding(
    evidence: Evidence, limits: Thresholds, domains: list[Domain], apart: Apart, late: Floats
) -> Finding:
    account = evidence.accounts[domains[0].instance]
    step = float(account.duration.mean())
    chosen = account.in_bins(apart.lanes, inside(apart.windows, len(account.edges) - 1))
    others = np.isfinite(late) & ~np.isin(account.lane, list(apart.lanes))
    usual = float(np.median(late[others])) if others.any() else 0.0
    more = (
        account.after_others(account.begun, apart.lanes, chosen)
        if account.group is not None
        else float(np.nanmean(late[chosen])) - usual
    )
    effect = more / step
    cut = np.where(chosen & np.isfinite(late), np.clip(np.nan_to_num(late) - usual, 0.0, None), 0.0)
    cost = cost_of(evidence, account, cut, of_gap=True)
    return Finding(
        id="dp.bubble.long",
        severity=severity_of(cost.share, limits, least="info"),
        subject=subject_of_lanes(evidence, domains, apart),
        window=window_in(apart.windows, account.edges),
        metric=_METRICS[_kind(account)],
        value=effect,
        threshold=limits.dp_bubble_share,
        cost=cost,
        message=_("{who} {what}, {share} of a step, {when}.").format(
            who=who_of_lanes(domains, apart.lanes),
            what=_WORDS[_kind(account)].format(more=more),
            share=in_percent(effect),
            when=when(apart.windows, account.edges),
        ),
        advice=_(
            "Look at the CPU of this host: other processes, CPU binding and NUMA, the scheduler's own work "
            "before each step (sampling, tokenizing, logging), a slow Python; the card itself is not slow."
        ),
        evidence=_("{file}: start of forward passes against the peers'").format(file=evidence.file("steps"))
        + (
            _(", {file}: ends of rounds").format(file=evidence.file("batches"))
            if account.tails is not None
            else ""
        ),
        p_value=apart.p_value,
    )
