"""`dp.batch_size.skew`: a DP domain carries more requests than its peers, for a while or all along."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace
from datetime import datetime

import numpy as np
import polars as pl

from lbtui.analysis.counts import binomial_tail
from lbtui.analysis.expected import chance_of, expected_load, expected_of
from lbtui.analysis.groups import Group
from lbtui.analysis.imbalance import Floats
from lbtui.analysis.scan import Excess, RandomDispatch, RandomStays, find_excess, strongest
from lbtui.findings.costs import cost_of
from lbtui.findings.dispatch import dispatched
from lbtui.findings.evidence import Binned, Evidence
from lbtui.findings.group_skew import find_group_skew, is_member
from lbtui.findings.model import Cost, Finding, Severity
from lbtui.findings.severity import severity_of
from lbtui.findings.subject import name_of, subject_of, subject_of_group, who_of_lanes
from lbtui.profile import Domain, format_window, micros
from lbtui.text import _, in_percent, with_label, with_stop
from lbtui.thresholds import Shares, Thresholds

_CRITICAL_RATIO = 2.0  # doubled
_SLIVER_SHARE, _SLIVER_SECONDS = 0.02, 5.0  # of the run, and at all
_FEWER_BY_CHANCE = 0.05


def find_batch_skew(
    evidence: Evidence, limits: Thresholds, domains: list[Domain], held_back: Collection[str]
) -> Iterator[Finding]:
    """Yield where a domain of one instance, compared with the others, carries too much.

    Either of two kinds of evidence, each at half the p-value. *Given*: more requests were sent to it than a
    random dispatch would; requests are independent, so this is sharp even in short captures. *Held*: its
    batch stood out by more than random dispatch and stays explain; this also sees longer requests. Either
    way the effect is judged on the batch size in that window.

    Domains `held_back` (keys) by a small KV pool are no yardstick for the others, as long as two others are
    left; only if as many requests are seen to come to them as to others do they count as sent to.

    Several domains that carry more together are one finding (`find_group_skew`), those of them that stand
    out by themselves below it.

    Where the config expects other than equal shares, these are what chance gives and what is compared with.
    """
    domains = _comparable(evidence, limits, domains, held_back)
    binned = evidence.binned("batch_size", domains)
    if binned is None:
        return
    free = [i for i, d in enumerate(domains) if d.key not in held_back]
    sent = dispatched(evidence, domains, binned.edges)
    found = _without_repeats([*_held(binned, free, limits), *_given(sent, binned, limits)])
    group = find_group_skew(sent, binned, limits) if len(free) == len(domains) else None
    members = [e for e in found if group is not None and is_member(group, e.lane, (e.first, e.last))]
    single = [e for e in found if e not in members]
    if group is not None:
        whole = _finding(evidence, limits, binned, group)
        yield whole.explaining(tuple(_finding(evidence, limits, binned, each) for each in members))
    for excess in single:
        yield _finding(evidence, limits, binned, excess)


def _finding(evidence: Evidence, limits: Thresholds, binned: Binned, found: Excess | Group) -> Finding:
    domains = list(binned.domains)
    lanes = found.lanes if isinstance(found, Group) else (found.lane,)
    own, who = [domains[lane] for lane in lanes], who_of_lanes(domains, lanes)
    window = binned.window(found.first, found.last)
    expected = expected_of(lanes, limits.expected.of_domains(domains))
    cost = _cost(evidence, own, window, found.ratio, even=expected is None)
    if isinstance(found, Group):
        subject, peers = subject_of_group(evidence, domains, lanes), found.others
        words = _(
            "{who} carry {own:.1f} requests a step each, {ratio:.1f}× the {peers:.1f} of the other {others} "
            "domains{tokens}."
        )
    else:
        subject, peers = subject_of(evidence, own[0]), found.peers
        words = _(
            "{who} carries {own:.1f} requests a step, {ratio:.1f}× the {peers:.1f} of its peers{tokens}."
        )
    if expected is not None:
        words = _(
            "{who}: {own:.1f} requests a step, {ratio:.1f}× the {peers:.1f} that it is expected to carry: "
            "{expected:.2f}× its peers' (config){tokens}."
        )
    return Finding(
        id="dp.batch_size.skew",
        severity=_severity(evidence, limits, found.ratio, window, cost),
        subject=subject,
        window=window,
        metric=_("batch_size / mean of peers") if expected is None else _("batch_size / its expected share"),
        over_expected=expected is not None,
        value=found.ratio,
        threshold=limits.dp_batch_ratio,
        cost=cost,
        message=words.format(
            who=who,
            own=found.own,
            ratio=found.ratio,
            peers=peers,
            others=len(domains) - len(lanes),
            expected=expected,
            tokens=_tokens_ratio(evidence, own, domains, window),
        ),
        advice=_(
            "Look at how requests are given to DP domains: session or prefix affinity, the router's "
            "score (vLLM: 4 × waiting + running per domain), MindIE's DP load balancing. Weigh tokens "
            "and KV blocks, not only the number of requests."
        ),
        evidence=_("{file}: batch_size of {domain} in the window").format(
            file=evidence.file("steps"), domain=who
        ),
        p_value=found.p_value,
        expected=expected,
    )


def what_stands_out(
    evidence: Evidence, limits: Thresholds, domains: list[Domain]
) -> tuple[str, float | None]:
    """Return what the tests of `find_batch_skew` say of the domain that stands out most, and their p.

    The first is a sentence, for where no finding came of it: then either chance does so too, or the effect
    is small. There is no p without a test.
    """
    binned = evidence.binned("batch_size", domains)
    if binned is None:
        return "", None
    sent = dispatched(evidence, domains, binned.edges)
    each = limits.p_value / 2
    shares = limits.expected.of_domains(domains)
    held = strongest(binned.loads, RandomStays.like(binned.loads, shares), each)
    given = strongest(sent, RandomDispatch(shares), each)
    found = [e for e in (held, _on_batch(given, binned, shares) if given else None) if e is not None]
    if not found:
        return _("There is too little load for a test."), None
    best = min(found, key=lambda e: e.p_value)
    p = min(1.0, 2 * best.p_value)
    begin, end = binned.window(best.first, best.last)
    said = (
        _("Most stands out {domain}, {ratio:.2f}× what it is expected to carry (config) from {window}")
        if shares
        else _("Most stands out {domain}, {ratio:.2f}× its peers from {window}")
    ).format(
        domain=name_of(domains[best.lane]),
        ratio=best.ratio,
        window=format_window(begin, end, 1, date=evidence.dated),
    )
    if p > limits.p_value:
        why = _("chance alone does as much in {share} of such runs (p = {p:.2g}, a finding needs {limit:g})")
        why = why.format(share=in_percent(p), p=p, limit=limits.p_value)
    else:
        why = _(
            "beyond chance (p = {p:.2g}), but less than {ratio:g}× and {more:g} requests more, no finding"
        )
        why = why.format(p=p, ratio=limits.dp_batch_ratio, more=limits.dp_batch_excess)
    return with_stop(with_label(said, why)), p


def _comparable(
    evidence: Evidence, limits: Thresholds, domains: list[Domain], held_back: Collection[str]
) -> list[Domain]:
    """Return the domains without those held back that were seen to get fewer requests than by chance."""
    if not any(d.key in held_back for d in domains):
        return domains
    binned = evidence.binned("batch_size", domains)
    if binned is None:
        return domains
    given = np.rint(dispatched(evidence, domains, binned.edges).sum(axis=1)).astype(int).tolist()
    total, shares = sum(given), limits.expected.of_domains(domains)
    kept = [
        d
        for i, (d, own) in enumerate(zip(domains, given, strict=True))
        if d.key not in held_back
        or binomial_tail(total - own, total, 1 - chance_of(i, len(domains), shares)) > _FEWER_BY_CHANCE
    ]
    return kept if len(kept) > 1 else domains


def _held(binned: Binned, free: list[int], limits: Thresholds) -> list[Excess]:
    """Return where a domain's batch stands out among the `free` ones."""
    lanes = free if len(free) > 1 else list(range(len(binned.domains)))
    loads = binned.loads[lanes]
    found = find_excess(
        loads,
        RandomStays.like(loads, limits.expected.of_domains([binned.domains[lane] for lane in lanes])),
        least_ratio=limits.dp_batch_ratio,
        least_excess=limits.dp_batch_excess,
        p_value=limits.p_value / 2,
    )
    return [replace(e, lane=lanes[e.lane]) for e in found]


def _given(sent: Floats, binned: Binned, limits: Thresholds) -> list[Excess]:
    """Return where more requests were sent [domain, bin] to one, with the batch sizes of that window."""
    shares = limits.expected.of_domains(binned.domains)
    given = find_excess(
        sent,
        RandomDispatch(shares),
        least_ratio=1.0,
        least_excess=0.0,
        p_value=limits.p_value / 2,
    )
    held = [_on_batch(_lasting(e, binned, limits), binned, shares) for e in given]
    return [e for e in held if e.ratio >= limits.dp_batch_ratio and e.own - e.peers >= limits.dp_batch_excess]


def _lasting(given: Excess, binned: Binned, limits: Thresholds) -> Excess:
    """Return the window drawn out to where what was given is still held: the batch stays above the peers'."""
    own = binned.loads[given.lane]
    peers = expected_load(binned.loads, given.lane, limits.expected.of_domains(binned.domains))
    above = (own >= limits.dp_batch_ratio * peers) & (own - peers >= limits.dp_batch_excess)
    last = given.last
    while last < len(above) and above[last]:
        last += 1
    return replace(given, last=last)


def _on_batch(given: Excess, binned: Binned, shares: Shares) -> Excess:
    part = binned.loads[:, given.first : given.last]
    own, peers = float(part[given.lane].mean()), float(expected_load(part, given.lane, shares).mean())
    return Excess(given.lane, given.first, given.last, own, peers, given.p_value)


def _without_repeats(found: list[Excess]) -> list[Excess]:
    """Return the findings without those that overlap an earlier one of their lane."""
    kept: list[Excess] = []
    for new in found:
        if not any(e.lane == new.lane and e.first < new.last and new.first < e.last for e in kept):
            kept.append(new)
    return kept


def _tokens_ratio(
    evidence: Evidence, own: list[Domain], domains: list[Domain], window: tuple[datetime, datetime]
) -> str:
    inside = evidence.own_steps.filter(
        pl.col("domain").is_in([d.key for d in domains]),
        pl.col("start") >= window[0],
        pl.col("start") < window[1],
    )
    sums = {str(k): v or 0 for k, v in inside.group_by("domain").agg(pl.col("tokens").sum()).iter_rows()}
    others = [sums.get(d.key, 0) for d in domains if d not in own]
    mean = sum(others) / len(others)
    if mean <= 0:
        return ""
    return _(" ({ratio:.1f}× their tokens)").format(
        ratio=sum(sums.get(d.key, 0) for d in own) / len(own) / mean
    )


def _cost(
    evidence: Evidence, own: list[Domain], window: tuple[datetime, datetime], ratio: float, *, even: bool
) -> Cost:
    """Return what the steps of the window would save if its domains shared its requests alike (`even`).

    Where the config expects other shares, what the domains' own steps would save with theirs.
    """
    account = evidence.accounts[own[0].instance]
    begin, end = (micros(time) for time in window)
    lanes = [account.domains.index(domain.key) for domain in own]
    chosen = (account.start >= begin) & (account.start < end)
    cut = (
        account.evened_cut(lanes, chosen, ratio)
        if even
        else account.load_cut(chosen & np.isin(account.lane, lanes), ratio)
    )
    return cost_of(evidence, account, cut)


def _severity(
    evidence: Evidence,
    limits: Thresholds,
    ratio: float,
    window: tuple[datetime, datetime],
    cost: Cost,
) -> Severity:
    """Return what the cost allows; a small skew is no more than a warning."""
    seconds = (window[1] - window[0]).total_seconds()
    run = evidence.window
    whole = (run[1] - run[0]).total_seconds() if run else seconds
    sliver = seconds < _SLIVER_SECONDS and seconds < _SLIVER_SHARE * whole
    # A remark is what costs next to nothing even while it lasts.
    felt = cost.share is not None and cost.share * whole >= limits.cost_share / 2 * seconds
    found = severity_of(cost.share, limits, least="warning" if felt else "info", sliver=sliver)
    return "warning" if found == "critical" and ratio < _CRITICAL_RATIO else found
