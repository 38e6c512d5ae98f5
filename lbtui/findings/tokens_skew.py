"""`dp.tokens.skew`: a DP domain prefills many more tokens than its peers, of no more requests."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from lbtui.analysis.apart import Apart, inside, lanes_apart
from lbtui.analysis.expected import expected_of, relative
from lbtui.analysis.imbalance import Flags, Floats
from lbtui.analysis.step_account import BLOCKS
from lbtui.findings.costs import cost_of
from lbtui.findings.dispatch import dispatched
from lbtui.findings.evidence import Evidence
from lbtui.findings.model import Finding
from lbtui.findings.severity import severity_of
from lbtui.findings.stretches import when, window_in
from lbtui.findings.subject import subject_of_lanes, who_of_lanes
from lbtui.profile import Domain
from lbtui.text import _
from lbtui.thresholds import Thresholds

_ENOUGH = 10  # prefill steps in a window
_LONGER = 1.5  # × the peers' tokens a request: else more requests are the reason
_MUCH_LONGER = 2.0  # where it gets more requests, too


@dataclass(frozen=True)
class _Heavy:
    apart: Apart
    tokens: float  # × the peers' mean
    requests: float  # × the peers' mean


def find_tokens_skew(evidence: Evidence, limits: Thresholds, domains: list[Domain]) -> Iterator[Finding]:
    """Yield the domains to which longer prompts go.

    Two figures of 12 blocks of time are compared by `lanes_apart`, each at half the p-value: the log of the
    tokens a request, which the number of requests does not blur; and the tokens in multiples of the mean
    block, for prompts that are prefilled in chunks of one size. Where more requests explain it, it is
    `dp.batch_size.skew`. Tokens and requests are over the shares that the config expects.
    """
    account = evidence.accounts[domains[0].instance]
    chosen = account.prefill & np.isfinite(account.tokens)
    if chosen.sum() < _ENOUGH * len(domains):
        return
    shares = limits.expected.of_domains(domains)
    share = relative(shares, len(domains))[:, None]
    sums, counts = account.blocks(np.nan_to_num(account.tokens), chosen)
    sums = sums / share
    busy = counts.sum(axis=0) > 0
    scaled = np.where(busy, sums, np.nan) / max(float(sums[:, busy].mean()), 1.0)
    # A block in which a domain prefilled nothing is one with 0 tokens.
    weights = np.where(busy, np.maximum(counts.mean(axis=0), 1e-9), 0.0) * np.ones_like(counts)
    hosts = [d.host for d in domains]
    each = np.log(np.maximum(np.nan_to_num(account.tokens), 1) / np.maximum(account.batch_size, 1))
    logs, n = account.blocks(np.nan_to_num(each), chosen)
    with np.errstate(divide="ignore", invalid="ignore"):
        long = np.where(n > 0, logs / n, np.nan)
    least = math.log(limits.dp_tokens_ratio)
    p = limits.p_value / 2
    found = [
        *lanes_apart(long, n, hosts, least, p, enough=_ENOUGH),
        *lanes_apart(scaled, weights, hosts, limits.dp_tokens_ratio - 1, p, enough=_ENOUGH),
    ]
    named: set[int] = set()
    edges = account.edges[:: (len(account.edges) - 1) // BLOCKS]
    sent = dispatched(evidence, domains, edges) / share
    for apart in found:
        if named & set(apart.lanes):
            continue
        inner = inside(apart.windows, BLOCKS)
        heavy = _Heavy(apart, _ratio(sums, apart, inner), _ratio(sent, apart, inner))
        longer = _LONGER if heavy.requests < limits.dp_batch_ratio else _MUCH_LONGER
        if heavy.tokens >= limits.dp_tokens_ratio and heavy.tokens >= longer * heavy.requests:
            named |= set(apart.lanes)
            yield _finding(evidence, limits, domains, heavy)


def _ratio(
    values: Floats,
    apart: Apart,
    inner: Flags,
) -> float:
    """Return the lanes' mean over the mean of the others, in the window."""
    totals = values[:, inner].sum(axis=1)
    own = float(totals[list(apart.lanes)].mean())
    others = float(np.delete(totals, list(apart.lanes)).mean())
    return own / others if others > 0 else (99.0 if own > 0 else 1.0)


def _finding(evidence: Evidence, limits: Thresholds, domains: list[Domain], heavy: _Heavy) -> Finding:
    apart = heavy.apart
    account = evidence.accounts[domains[0].instance]
    expected = expected_of(apart.lanes, limits.expected.of_domains(domains))
    edges = account.edges[:: (len(account.edges) - 1) // BLOCKS]
    inner = np.repeat(inside(apart.windows, BLOCKS), (len(account.edges) - 1) // BLOCKS)
    cut = account.load_cut(account.in_bins(apart.lanes, inner) & account.prefill, heavy.tokens)
    cost = cost_of(evidence, account, cut)
    return Finding(
        id="dp.tokens.skew",
        severity=severity_of(cost.share, limits, least="info"),
        subject=subject_of_lanes(evidence, domains, apart),
        window=window_in(apart.windows, edges),
        metric=_("prompt tokens / mean of peers")
        if expected is None
        else _("prompt tokens / its expected share"),
        over_expected=expected is not None,
        value=heavy.tokens,
        threshold=limits.dp_tokens_ratio,
        cost=cost,
        message=(
            _(
                "{who} prefills {tokens:.1f}× the prompt tokens of its peers of {requests:.1f}× their "
                "requests, {when}."
            )
            if expected is None
            else _(
                "{who} prefills {tokens:.1f}× the prompt tokens that it is expected to, of {requests:.1f}× "
                "the requests: {expected:.2f}× its peers' (config), {when}."
            )
        ).format(
            expected=expected,
            who=who_of_lanes(domains, apart.lanes),
            tokens=heavy.tokens,
            requests=heavy.requests,
            when=when(apart.windows, edges),
        ),
        advice=_(
            "The router counts requests, not tokens: weigh prompt tokens, look for one client or session "
            "with long prompts, and at prefix affinity; chunked prefill shortens the wait of the others."
        ),
        evidence=_("{file}: tokens of prefill rounds").format(file=evidence.file("batches")),
        p_value=min(1.0, 2 * apart.p_value),  # two figures were looked at
        expected=expected,
    )
