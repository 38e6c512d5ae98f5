"""Findings on KV caches: a domain at its last blocks, uneven pools, uneven use."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np
import polars as pl

from lbtui.analysis.expected import expected_multiple
from lbtui.analysis.lanes import Lane, bin_edges, bin_lanes, sampled
from lbtui.analysis.scan import find_held
from lbtui.findings.evidence import Evidence
from lbtui.findings.model import Cost, Finding, SubjectValue
from lbtui.findings.subject import name_of, subject_of
from lbtui.profile import Domain, instant
from lbtui.text import _, in_percent, in_sentences
from lbtui.thresholds import Shares, Thresholds

_BINS = 120
_LEAST_MORE = 0.15  # of the blocks, beyond the peers' share in use


def find_kv(evidence: Evidence, limits: Thresholds) -> Iterator[Finding]:
    """Yield the findings on the KV caches of every instance's domains."""
    for domains in evidence.instances.values():
        pools = _pools(evidence, domains)
        owners = [d for d in domains if d.key in pools]
        lanes = zip(evidence.lanes("kv_free", owners), evidence.lanes("waiting", owners), strict=True)
        exhausted = [
            finding
            for domain, (free, waiting) in zip(owners, lanes, strict=True)
            for finding in _exhausted(evidence, limits, domain, pools, free, waiting)
        ]
        yield from exhausted
        if len(pools) > 1:
            uneven = list(_uneven_pools(evidence, limits, domains, pools))
            yield from uneven
            small = [f.subject for f in uneven]
            alike = [d for d in domains if d.key in pools and subject_of(evidence, d) not in small]
            yield from _uneven_use(evidence, limits, alike, pools)


def out_of_blocks(evidence: Evidence, findings: Sequence[Finding]) -> set[str]:
    """Return the keys of the domains that have run out of blocks, by the findings on KV caches."""
    return _keys(evidence, [f.subject for f in findings if f.id == "kv.exhausted"])


def held_back(evidence: Evidence, findings: Sequence[Finding]) -> set[str]:
    """Return the keys of the domains that a pool smaller than their peers' has run out of blocks."""
    small = [f.subject for f in findings if f.id == "kv.skew" and f.window is None]
    return out_of_blocks(evidence, findings) & _keys(evidence, small)


def _keys(evidence: Evidence, subjects: Sequence[Mapping[str, SubjectValue]]) -> set[str]:
    return {d.key for d in evidence.domains if subject_of(evidence, d) in subjects}


@dataclass(frozen=True)
class _Pool:
    total: int
    peak_usage: float  # 0..1


def _pools(evidence: Evidence, domains: list[Domain]) -> dict[str, _Pool]:
    """Return the known pools by domain: the total, or the most ever free where none is written (vLLM)."""
    free = pl.col("free_blocks")
    extremes = (
        evidence.frame("kv")
        .group_by("domain")
        .agg(pl.col("total_blocks").max(), pl.col("usage").max(), free.min().alias("least"), most=free.max())
    )
    found = {}
    for key, total, usage, least, most in extremes.iter_rows():
        if total is None and most is not None and most > 0:
            total, usage = most, 1 - least / most
        if total is not None and usage is not None:
            found[key] = _Pool(total, usage)
    return {domain.key: found[domain.key] for domain in domains if domain.key in found}


def _exhausted(
    evidence: Evidence,
    limits: Thresholds,
    domain: Domain,
    pools: dict[str, _Pool],
    free: Lane,
    waiting: Lane,
) -> Iterator[Finding]:
    """The free share is at its floor while requests wait or are swapped out.

    A request takes several blocks at once, so the floor is the least that a waiting request met.
    """
    pool = pools[domain.key]
    if not len(free.starts) or not len(waiting.starts):
        return
    begin, end = int(free.starts[0]), int(max(free.ends[-1], waiting.ends[-1]))
    loads, weights, times = sampled([free, waiting], begin, end, idle_is_zero=False)
    needed = max(_blocks_a_request(evidence, domain), limits.kv_free_share * pool.total)
    starved = (loads[0] <= needed) & (loads[1] > 0) & (loads[0] < 0.5 * pool.total)
    share = float(weights[starved].sum() / weights.sum())
    if share < limits.kv_exhausted_share or pool.peak_usage < 0.6:
        return
    where = np.flatnonzero(starved)
    window = (instant(int(times[where[0]])), instant(int(times[where[-1]] + weights[where[-1]])))
    lowest = int(np.nanmin(loads[0]))
    waiting_seconds = float((weights[starved] * loads[1][starved]).sum() / 1e6)
    yield Finding(
        id="kv.exhausted",
        severity="critical",
        subject=subject_of(evidence, domain),
        window=window,
        metric=_("share of the time since its first reading at the last KV blocks with requests waiting"),
        value=share,
        threshold=limits.kv_exhausted_share,
        cost=Cost(
            waiting_seconds,
            _("request·s"),
            _(
                "{value:.1f} request-seconds of waiting for KV blocks (Σ waiting × time at the last blocks)"
            ).format(value=waiting_seconds),
            evidence.share_of_requests(waiting_seconds),
            of="requests",
        ),
        message=in_sentences(
            _(
                "{domain} is down to {lowest} of {total} KV blocks with requests waiting for {share} of "
                "the time since its first reading."
            ).format(domain=name_of(domain), lowest=lowest, total=pool.total, share=in_percent(share)),
            _beside_peers(domain, pools),
        ),
        advice=_(
            "Find out why this domain has fewer blocks (npu memory left over at start, another process on "
            "the card, npuMemSize / gpu-memory-utilization), or send it fewer and shorter requests; a "
            "larger pool on all domains only if all run out."
        ),
        evidence=_("{kv}: free blocks; {queues}: waiting").format(
            kv=evidence.file("kv"), queues=evidence.file("queues")
        ),
    )


def _blocks_a_request(evidence: Evidence, domain: Domain) -> float:
    """Return the median number of blocks that one allocation takes, 1 where it cannot be seen."""
    free = evidence.frame("kv").filter(pl.col("domain") == domain.key)["free_blocks"].cast(pl.Int64)
    taken = -free.diff().drop_nulls()
    return float(taken.filter(taken > 0).median() or 1.0)


def _beside_peers(domain: Domain, pools: dict[str, _Pool]) -> str:
    others = [p.total for key, p in pools.items() if key != domain.key]
    if not others:
        return ""
    return _("Its peers own {blocks:,.0f} on the median.").format(blocks=median(others))


def _uneven_pools(
    evidence: Evidence, limits: Thresholds, domains: list[Domain], pools: dict[str, _Pool]
) -> Iterator[Finding]:
    """A pool far smaller than those of the peers: a fact of configuration, no matter of chance.

    A domain that is expected to carry less needs no more blocks than its part; one that is to carry more may
    do with as many as the others.
    """
    shares = limits.expected.of_domains(domains)
    for lane, domain in enumerate(domains):
        if domain.key not in pools:
            continue
        others = [p.total for key, p in pools.items() if key != domain.key]
        expected = min(1.0, expected_multiple(lane, shares))
        ratio = pools[domain.key].total / median(others) / expected
        if ratio > limits.kv_pool_ratio:
            continue
        yield Finding(
            id="kv.skew",
            severity="warning",
            subject=subject_of(evidence, domain),
            metric=_("KV blocks owned / its expected share")
            if expected < 1
            else _("KV blocks owned / median of peers"),
            over_expected=expected < 1,
            value=ratio,
            threshold=limits.kv_pool_ratio,
            cost=Cost(None, "", _("unknown as long as no request has to wait for blocks")),
            message=in_sentences(
                _("{domain} owns {total:,} KV blocks, its peers {others:,.0f} on the median.").format(
                    domain=name_of(domain), total=pools[domain.key].total, others=median(others)
                ),
                _("It is expected to carry {share:.2f}× its peers' load (config).").format(share=expected)
                if expected < 1
                else "",
            ),
            advice=_(
                "Equal domains need equal pools: compare the memory left for KV on each card at start "
                "(npuMemSize, gpu-memory-utilization, other processes)."
            ),
            evidence=_("{file}: the most blocks each domain ever had free, or its total").format(
                file=evidence.file("kv")
            ),
            excess=limits.kv_pool_ratio / max(ratio, 1e-3),
            expected=expected if expected < 1 else None,
        )


def _uses(limits: Thresholds, domains: Sequence[Domain], pools: Mapping[str, _Pool]) -> Shares:
    """Return what each domain is to use of its blocks beside the others: its share / its blocks.

    Empty where the config expects equal shares.
    """
    shares = limits.expected.of_domains(domains)
    return (
        tuple(share / pools[d.key].total for share, d in zip(shares, domains, strict=True)) if shares else ()
    )


def _uneven_use(
    evidence: Evidence, limits: Thresholds, domains: list[Domain], pools: Mapping[str, _Pool]
) -> Iterator[Finding]:
    """A larger share of the blocks in use than on the peers for a while, when it is well filled."""
    lanes = [lane for lane in evidence.lanes("kv_usage", domains) if len(lane.starts)]
    known = [d for d in domains if d.key in {lane.key for lane in lanes}]
    if len(lanes) < 2:
        return
    begin, end = min(int(lane.starts[0]) for lane in lanes), max(int(lane.ends[-1]) for lane in lanes)
    loads = np.nan_to_num(bin_lanes(lanes, bin_edges(begin, end, _BINS)).mean)
    shares = _uses(limits, known, pools)
    found = find_held(
        loads,
        shares=shares,
        least_ratio=limits.kv_peak_ratio,
        least_excess=_LEAST_MORE,
        p_value=limits.p_value,
    )
    for excess in found:
        domain = known[excess.lane]
        peak = float(loads[excess.lane, excess.first : excess.last].max())
        if peak < limits.kv_peak_usage:
            continue
        width = (end - begin) / loads.shape[1]
        yield Finding(
            id="kv.skew",
            severity="warning",
            subject=subject_of(evidence, domain),
            window=(
                instant(int(begin + excess.first * width)),
                instant(int(begin + excess.last * width)),
            ),
            metric=_("KV usage / its expected share") if shares else _("KV usage / mean of peers"),
            over_expected=bool(shares),
            value=excess.ratio,
            threshold=limits.kv_peak_ratio,
            cost=Cost(None, "", _("unknown as long as no request has to wait for blocks")),
            message=(
                _(
                    "{domain} uses {own} of its KV blocks, {peers} are expected: {multiple:.2f}× its "
                    "peers' share (config)."
                )
                if shares
                else _("{domain} uses {own} of its KV blocks, its peers {peers}.")
            ).format(
                domain=name_of(domain),
                own=in_percent(excess.own),
                peers=in_percent(excess.peers),
                multiple=expected_multiple(excess.lane, shares),
            ),
            advice=_(
                "Balance by KV blocks (tokens held), not by the number of requests: long prompts and outputs "
                "fill a domain whose batch looks like the others'."
            ),
            evidence=_("{file}: usage in the window").format(file=evidence.file("kv")),
            p_value=excess.p_value,
            expected=expected_multiple(excess.lane, shares) if shares else None,
        )
