"""`dp.straggler`: a DP domain, card or host that takes longer than its peers for the same work."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import polars as pl

from lbtui.analysis.apart import Apart, inside, lanes_apart
from lbtui.analysis.imbalance import Flags
from lbtui.analysis.step_account import StepAccount, account_of_cards
from lbtui.findings.bubble import begins_late
from lbtui.findings.costs import cost_of
from lbtui.findings.evidence import Evidence
from lbtui.findings.model import Cost, Figure, Finding, Severity, SubjectValue
from lbtui.findings.severity import severity_of
from lbtui.findings.stretches import when, window_in
from lbtui.findings.subject import name_of, subject_of, subject_of_lanes, who_of_lanes
from lbtui.profile import Domain
from lbtui.text import _, in_percent, in_sentences, visible
from lbtui.thresholds import Thresholds

_LEAST_OWN = 0.1  # of what it is slower, that at least is seen at its end
_LEAST_SEEN = 0.001  # of the steps' time, saved by ending with the others


@dataclass(frozen=True)
class _Slow:
    """Who is slow: what it takes more, and how it is said."""

    subject: dict[str, SubjectValue]
    who: str
    lanes: tuple[int, ...]  # places of its domains in the account
    apart: Apart


def find_stragglers(evidence: Evidence, limits: Thresholds, domains: list[Domain]) -> Iterator[Finding]:
    """Yield the slow hosts, domains and cards of one instance.

    A domain that ends last because it carries more is no straggler: it is compared at the same load. Where
    it is not slower and yet ends last step after step, the others' wait lies inside their forward passes.
    """
    account = evidence.accounts[domains[0].instance]
    if not len(account.lane):
        return
    hosts = [d.host for d in domains]
    if account.coupled:
        # How long a forward pass takes is the others' doing then; who ends late that begins late is
        # `dp.bubble.long`.
        if not begins_late(account, hosts, limits):
            yield from _last_ones(evidence, limits, domains, account)
    else:
        ratios, counts = account.ratios()
        least = math.log(limits.dp_straggler_ratio)
        for apart in lanes_apart(ratios, counts, hosts, least, limits.p_value):
            yield _slower(evidence, limits, account, _who(evidence, domains, apart))
    yield from _cards(evidence, limits, domains, account)


def _who(evidence: Evidence, domains: list[Domain], apart: Apart) -> _Slow:
    subject = subject_of_lanes(evidence, domains, apart)
    return _Slow(subject, who_of_lanes(domains, apart.lanes), apart.lanes, apart)


def _of_one_kind(account: StepAccount) -> Flags:
    """Return which steps to compare the ends of: decode, or prefill where that is most of the steps."""
    alike = ~account.prefill
    return alike if 2 * int(alike.sum()) > len(alike) else account.prefill


def _last_ones(
    evidence: Evidence, limits: Thresholds, domains: list[Domain], account: StepAccount
) -> Iterator[Finding]:
    """Yield who ends after the others in the steps of one kind, in shares of a step.

    Of what a domain is slower its end is later by 1 − coupling alone: the others' passes last as long.
    """
    places = _of_one_kind(account)
    part = account.only(places)
    several = part.members > 1
    if not several.any():
        return
    sums, counts = part.binned(np.nan_to_num(part.late_ends()), several)
    with np.errstate(divide="ignore", invalid="ignore"):
        values = np.where(counts > 0, sums / counts / float(part.duration.mean()), np.nan)
    least = (limits.dp_straggler_ratio - 1) * max(1 - account.coupling, _LEAST_OWN)
    for apart in lanes_apart(values, counts, [d.host for d in domains], least, limits.p_value):
        finding = _later(evidence, limits, (account, part, places), _who(evidence, domains, apart), least)
        if finding is not None:
            yield finding


def _slower(evidence: Evidence, limits: Thresholds, account: StepAccount, slow: _Slow) -> Finding:
    chosen = account.in_bins(slow.lanes, inside(slow.apart.windows, len(account.edges) - 1))
    ratio = account.ratio_to_others(slow.lanes, chosen)
    cut = np.where(chosen, account.duration * (1 - 1 / ratio), 0.0)
    more = float(cut[chosen].mean())
    cost = cost_of(evidence, account, cut)
    figure = Figure(
        _("step time / peers at the same load"),
        ratio,
        limits.dp_straggler_ratio,
        _("{file}: during_time at equal batch type, size and tokens").format(file=evidence.file("steps")),
    )
    return _finding(
        account,
        slow,
        cost,
        severity_of(cost.share, limits, least="info"),
        figure,
        _(
            "{who} takes {ratio:.2f}× the time of its peers for steps of the same size, {more:.1f} ms a step "
            "more, {when}."
        ).format(
            who=slow.who,
            ratio=ratio,
            more=more,
            when=when(slow.apart.windows, account.edges),
        ),
        _last_words(account, chosen),
    )


def _later(
    evidence: Evidence,
    limits: Thresholds,
    accounts: tuple[StepAccount, StepAccount, Flags],
    slow: _Slow,
    threshold: float,
) -> Finding | None:
    """Return the finding; None where nobody is seen to wait. `accounts`: whole, a part, the part's places."""
    account, part, places = accounts
    chosen = part.in_bins(slow.lanes, inside(slow.apart.windows, len(part.edges) - 1))
    several = chosen & (part.members > 1)
    late = np.where(several, np.maximum(part.late_ends(), 0.0), 0.0)
    late[several] *= part.members[several] / (part.members[several] - 1)
    cut = np.zeros(len(account.lane))
    cut[places] = late
    cost = cost_of(evidence, account, cut, least=True)
    if not cost.share or cost.share < _LEAST_SEEN:
        return None
    effect = part.after_others(part.end, slow.lanes, chosen) / float(part.duration.mean())
    figure = Figure(
        _("time by which it ends after its peers at equal load / step time"),
        effect,
        threshold,
        _("{file}: ends of forward passes in common steps of equal load").format(file=evidence.file("steps")),
    )
    return _finding(
        part,
        slow,
        cost,
        severity_of(cost.share, limits, least="warning"),  # what it costs is more than what is seen
        figure,
        _(
            "{who} ends its steps after its peers at equal load, by {effect} of a step on the mean, "
            "{when}: the others wait for it inside their forward passes, which are as long."
        ).format(
            who=slow.who,
            effect=in_percent(effect, 1),
            when=when(slow.apart.windows, part.edges),
        ),
        _last_words(part, chosen),
    )


def _last_words(account: StepAccount, chosen: Flags) -> str:
    if account.group is None:
        return _("Whether others wait for it is unknown: they do not step together.")
    together = chosen & (account.members > 1)
    if not together.any():
        return ""
    first = np.unique(account.group[together & account.ends_last])
    steps = np.unique(account.group[together])
    return _("It ends last in {share} of {steps:,} common steps.").format(
        share=in_percent(len(first) / len(steps)), steps=len(steps)
    )


def _finding(
    account: StepAccount, slow: _Slow, cost: Cost, severity: Severity, figure: Figure, *message: str
) -> Finding:
    return Finding(
        id="dp.straggler",
        severity=severity,
        subject=slow.subject,
        window=window_in(slow.apart.windows, account.edges),
        metric=figure.metric,
        value=figure.value,
        threshold=figure.threshold,
        cost=cost,
        message=in_sentences(*message),
        advice=_(
            "Check the card and its host: temperature and clock (npu-smi), other jobs, CPU binding, the "
            "link. The load does not explain it."
        ),
        evidence=figure.evidence,
        p_value=slow.apart.p_value,
    )


# ---- cards ------------------------------------------------------------------------------------------------


def _cards(
    evidence: Evidence, limits: Thresholds, domains: list[Domain], account: StepAccount
) -> Iterator[Finding]:
    """Yield cards slower than the other cards of their domain, step by step."""
    if not (evidence.own_steps["cards"] > 1).any():
        return
    for lane, domain in enumerate(domains):
        if not evidence.may_have_slow_card(domain.key, limits.dp_straggler_ratio):
            continue
        passes = evidence.passes_of(domain.key).filter(pl.len().over("step") > 1, pl.col("duration") > 0)
        if passes.is_empty():
            continue
        cards = account_of_cards(passes)
        ratios, counts = cards.ratios()
        hosts = [domain.host] * len(cards.domains)
        for apart in lanes_apart(ratios, counts, hosts, math.log(limits.dp_straggler_ratio), limits.p_value):
            name = cards.domains[apart.lanes[0]]
            subject: dict[str, SubjectValue] = {**subject_of(evidence, domain), "prof_id": name}
            yield _slow_card(
                evidence, limits, (account, cards), _Slow(subject, name_of(domain), (lane,), apart)
            )


def _slow_card(
    evidence: Evidence, limits: Thresholds, accounts: tuple[StepAccount, StepAccount], slow: _Slow
) -> Finding:
    account, cards = accounts
    apart = slow.apart
    chosen = cards.in_bins(apart.lanes, inside(apart.windows, len(cards.edges) - 1))
    ratio = cards.ratio_to_others(apart.lanes, chosen)
    within = cards.saving(np.where(chosen, cards.duration * (1 - 1 / ratio), 0.0))
    assert within is not None  # cards of a domain step together
    # The domain's steps are shorter by what its last card is.
    own = account.lane == slow.lanes[0]
    cut = np.where(own, account.duration * within.share, 0.0)
    cost = cost_of(evidence, account, cut, least=account.coupled)
    figure = Figure(
        _("step time / other cards of the domain"),
        ratio,
        limits.dp_straggler_ratio,
        _("{file}: during_time of the cards of a step").format(file=evidence.file("steps")),
    )
    return _finding(
        cards,
        slow,
        cost,
        severity_of(cost.share, limits, least="info"),
        figure,
        _(
            "Card {card} takes {ratio:.2f}× the time of the other cards of {domain}, step by step, {when}."
        ).format(
            card=visible(str(slow.subject["prof_id"])),
            ratio=ratio,
            domain=slow.who,
            when=when(apart.windows, cards.edges),
        ),
    )
