"""Findings on DP domains: batch size, queues, stragglers."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

import numpy as np
import polars as pl

from lbtui.analysis.counts import binomial_tail
from lbtui.analysis.data_parallel import numbered_steps
from lbtui.analysis.scan import Excess, find_excess
from lbtui.findings.evidence import Binned, Evidence
from lbtui.findings.model import Cost, Finding, Severity
from lbtui.findings.thresholds import Thresholds
from lbtui.profile import Domain
from lbtui.text import _, visible

_CRITICAL_RATIO = 2.0  # doubled


def find_dp(evidence: Evidence, limits: Thresholds) -> Iterator[Finding]:
    """Yield the findings on DP domains of every instance with more than one."""
    for instance, domains in evidence.instances.items():
        if len(domains) < 2:
            continue
        yield from _batch_skew(evidence, limits, domains)
        yield from _queue_skew(evidence, limits, domains)
        yield from _slow_domain(evidence, limits, instance, domains)
        yield from _slow_cards(evidence, limits, domains)


def subject_of(domain: Domain) -> dict[str, str | int]:
    """Return the keys that name a DP domain."""
    named: dict[str, str | int] = {"instance": domain.instance, "host": domain.host}
    return named if domain.dp_rank is None else {**named, "dp_rank": domain.dp_rank}


def _excesses(
    binned: Binned | None, limits: Thresholds, ratio: float, least: float, *, floor: float
) -> tuple[list[Excess], int]:
    """Return where a domain stands out and the first bin that was looked at.

    Leading and trailing bins with less than `floor` in all are cut: the last long request of a run is no
    imbalance.
    """
    if binned is None:
        return [], 0
    busy = np.flatnonzero(binned.loads.sum(axis=0) >= floor)
    if len(busy) < 4:
        return [], 0
    first, last = int(busy[0]), int(busy[-1]) + 1
    found = find_excess(
        binned.loads[:, first:last], least_ratio=ratio, least_excess=least, p_value=limits.p_value
    )
    return found, first


def _batch_skew(evidence: Evidence, limits: Thresholds, domains: list[Domain]) -> Iterator[Finding]:
    binned = evidence.binned("batch_size", domains)
    found, offset = _excesses(
        binned, limits, limits.dp_batch_ratio, limits.dp_batch_excess, floor=len(domains)
    )
    assert binned is not None or not found
    for excess in found:
        assert binned is not None
        domain = domains[excess.lane]
        window = binned.window(excess.first + offset, excess.last + offset)
        tokens = _tokens_ratio(evidence, domain, domains, window)
        yield Finding(
            id="dp.batch_size.skew",
            dimension="dp",
            severity=_severity(excess.ratio),
            subject=subject_of(domain),
            window=window,
            metric="batch_size / mean of peers",
            value=excess.ratio,
            threshold=limits.dp_batch_ratio,
            cost=_waiting_cost(evidence, domain, window),
            message=_(
                "{domain} carries {own:.1f} requests a step, {ratio:.1f}× the {peers:.1f} of its "
                "peers{tokens}."
            ).format(
                domain=_name(domain),
                own=excess.own,
                ratio=excess.ratio,
                peers=excess.peers,
                tokens=tokens,
            ),
            advice=_(
                "Look at how requests are given to DP domains: session or prefix affinity, the router's "
                "score (vLLM: 4 × waiting + running per domain), MindIE's DP load balancing. Weigh tokens "
                "and KV blocks, not only the number of requests."
            ),
            evidence=_("{file}: batch_size of dp_rank {rank} in the window").format(
                file=evidence.file("steps"), rank=domain.dp_rank
            ),
            excess=excess.ratio / limits.dp_batch_ratio,
            p_value=excess.p_value,
        )


def _tokens_ratio(
    evidence: Evidence, domain: Domain, domains: list[Domain], window: tuple[datetime, datetime]
) -> str:
    inside = evidence.steps.filter(
        pl.col("domain").is_in([d.key for d in domains]),
        pl.col("start") >= window[0],
        pl.col("start") < window[1],
    )
    sums = {str(k): v or 0 for k, v in inside.group_by("domain").agg(pl.col("tokens").sum()).iter_rows()}
    others = [sums.get(d.key, 0) for d in domains if d.key != domain.key]
    mean = sum(others) / len(others)
    if mean <= 0:
        return ""
    return _(" ({ratio:.1f}× their tokens)").format(ratio=sums.get(domain.key, 0) / mean)


def _severity(ratio: float) -> Severity:
    return "critical" if ratio >= _CRITICAL_RATIO else "warning"


def _name(domain: Domain) -> str:
    return visible(f"{domain.name} ({domain.host})")


def _waiting_cost(evidence: Evidence, domain: Domain, window: tuple[datetime, datetime]) -> Cost:
    """Return how long the other domains wait a step for `domain` where it ends last."""
    unit = "ms/step"
    steps = evidence.lockstep.get(domain.instance)
    if steps is None:
        return Cost(
            None, unit, _("unknown: the domains do not step together, so nobody is seen waiting for another")
        )
    inside = steps.filter(pl.col("start") >= window[0], pl.col("start") < window[1])
    groups = inside["group"].n_unique()
    if not groups:
        return Cost(None, unit, _("unknown: no common step lies in the window"))
    led = inside.filter(pl.col("last") & (pl.col("domain") == domain.key))["group"]
    waits = inside.filter(pl.col("group").is_in(led.implode()), pl.col("domain") != domain.key)["wait"]
    per_step = float(waits.sum()) / groups / max(inside["domain"].n_unique() - 1, 1)
    length = inside.group_by("group").agg(
        ((pl.col("end").max() - pl.col("start").min()).dt.total_microseconds() / 1000).alias("ms")
    )["ms"]
    share = per_step * groups / float(length.sum())
    return Cost(
        per_step,
        unit,
        _(
            "each other domain waits {ms:.2f} ms a step for it, {share:.1%} of the time in steps (Σ wait for "
            "its end in the steps it ends last / steps / other domains)"
        ).format(ms=per_step, share=share),
    )


def _queue_skew(evidence: Evidence, limits: Thresholds, domains: list[Domain]) -> Iterator[Finding]:
    binned = evidence.binned("waiting", domains)
    found, offset = _excesses(binned, limits, limits.dp_queue_ratio, limits.dp_queue_waiting, floor=0.5)
    for excess in found:
        assert binned is not None
        domain = domains[excess.lane]
        window = binned.window(excess.first + offset, excess.last + offset)
        seconds = (window[1] - window[0]).total_seconds()
        yield Finding(
            id="dp.queue.skew",
            dimension="dp",
            severity=_severity(min(excess.ratio, 99.0) / 2),
            subject=subject_of(domain),
            window=window,
            metric="waiting − mean of peers",
            value=excess.own - excess.peers,
            threshold=limits.dp_queue_waiting,
            cost=Cost(
                (excess.own - excess.peers) * seconds,
                "request·s",
                _("{value:.1f} request-seconds of waiting beyond the peers' ((own − peers) × window)").format(
                    value=(excess.own - excess.peers) * seconds
                ),
            ),
            message=_("{own:.1f} requests wait at {domain}, {peers:.2f} at its peers on average.").format(
                own=excess.own, domain=_name(domain), peers=excess.peers
            ),
            advice=_(
                "Give waiting requests to domains that idle: route by queue length (4 × waiting + running), "
                "and see whether KV blocks or a full batch hold this domain back."
            ),
            evidence=_("{file}: waiting of the domain's scheduler in the window").format(
                file=evidence.file("queues")
            ),
            excess=(excess.own - excess.peers) / limits.dp_queue_waiting,
            p_value=excess.p_value,
        )


_ENOUGH_STEPS = 30


def _slow_domain(
    evidence: Evidence, limits: Thresholds, instance: str, domains: list[Domain]
) -> Iterator[Finding]:
    """A domain whose steps take longer than those of its peers at the same batch size and tokens."""
    steps = evidence.steps.filter(
        pl.col("instance") == instance, pl.col("duration") > 0, pl.col("batch_size") > 0
    )
    by_rank = {d.key: d for d in domains}
    # Like with like: same phase, same batch size, tokens within a factor of 1.25.
    load = (pl.col("tokens").fill_null(0).cast(pl.Float64) + 1).log(1.25).round()
    cells = steps.with_columns(load=load)
    keys = ["phase", "batch_size", "load"]
    totals = cells.group_by(keys).agg(all_sum=pl.col("duration").sum(), all_n=pl.len())
    own = cells.group_by([*keys, "domain"]).agg(own_sum=pl.col("duration").sum(), own_n=pl.len())
    compared = (
        own.join(totals, on=keys)
        .with_columns(peer_n=pl.col("all_n") - pl.col("own_n"))
        .filter(pl.col("peer_n") > 0)
        .with_columns(expected=(pl.col("all_sum") - pl.col("own_sum")) / pl.col("peer_n") * pl.col("own_n"))
        .group_by("domain")
        .agg(pl.col("own_sum").sum(), pl.col("expected").sum(), pl.col("own_n").sum())
        .with_columns(ratio=pl.col("own_sum") / pl.col("expected"))
        .filter(pl.col("ratio") >= limits.dp_straggler_ratio, pl.col("own_n") >= _ENOUGH_STEPS)
    )
    for row in compared.sort("ratio", descending=True).iter_rows(named=True):
        domain = by_rank.get(row["domain"])
        if domain is None or not _steadily_slow(cells, row["domain"], keys, limits):
            continue
        extra = (row["own_sum"] - row["expected"]) / row["own_n"]
        yield _straggler(
            evidence,
            limits,
            {**subject_of(domain)},
            row["ratio"],
            extra,
            _("{domain} takes {ratio:.2f}× the time of its peers for steps of the same size.").format(
                domain=_name(domain), ratio=row["ratio"]
            ),
        )


def _steadily_slow(cells: pl.DataFrame, domain: str, keys: list[str], limits: Thresholds) -> bool:
    """Tell whether most stretches of the run show it: a sign test over blocks of consecutive steps."""
    peers = cells.filter(pl.col("domain") != domain).group_by(keys).agg(peer=pl.col("duration").mean())
    own = cells.filter(pl.col("domain") == domain).join(peers, on=keys).sort("start")
    if own.height < _ENOUGH_STEPS:
        return False
    blocks = (
        own.with_columns(block=pl.int_range(pl.len()) * 12 // pl.len())
        .group_by("block")
        .agg((pl.col("duration").sum() / pl.col("peer").sum()).alias("ratio"))
    )
    slow = int((blocks["ratio"] > (1 + limits.dp_straggler_ratio) / 2).sum())
    return binomial_tail(slow, blocks.height, 0.5) <= limits.p_value


def _slow_cards(evidence: Evidence, limits: Thresholds, domains: list[Domain]) -> Iterator[Finding]:
    """A card whose forward passes take longer than those of its domain's other cards, step by step."""
    several = evidence.steps.filter(pl.col("cards") > 1)["domain"].unique().to_list()
    names = {d.key: d for d in domains}
    for key in sorted(set(several) & names.keys()):
        cards = numbered_steps(evidence.frame("steps").filter(pl.col("domain") == key))
        median = pl.col("duration").median().over("step")
        ratios = (
            cards.filter(pl.len().over("step") > 1)
            .with_columns(ratio=pl.col("duration") / median, extra=pl.col("duration") - median)
            .group_by("prof_id")
            .agg(
                pl.col("ratio").median(),
                pl.col("extra").mean(),
                n=pl.len(),
                above=(pl.col("ratio") > 1 + (limits.dp_straggler_ratio - 1) / 2).mean(),
            )
            .filter(
                pl.col("ratio") >= limits.dp_straggler_ratio,
                pl.col("n") >= _ENOUGH_STEPS,
                pl.col("above") > 0.75,
            )
        )
        for row in ratios.sort("ratio", descending=True).iter_rows(named=True):
            yield _straggler(
                evidence,
                limits,
                {**subject_of(names[key]), "prof_id": row["prof_id"]},
                row["ratio"],
                row["extra"],
                _("Card {card} takes {ratio:.2f}× the time of the other cards of {domain}.").format(
                    card=visible(row["prof_id"]), ratio=row["ratio"], domain=_name(names[key])
                ),
            )


def _straggler(
    evidence: Evidence,
    limits: Thresholds,
    subject: dict[str, str | int],
    ratio: float,
    extra: float,
    message: str,
) -> Finding:
    return Finding(
        id="dp.straggler",
        dimension="dp",
        severity="critical" if ratio >= 1.5 else "warning",
        subject=subject,
        window=None,
        metric="step time / peers at the same load",
        value=ratio,
        threshold=limits.dp_straggler_ratio,
        cost=Cost(extra, "ms/step", _("{ms:.2f} ms a step longer than its peers").format(ms=extra)),
        message=message,
        advice=_(
            "Check the card and its host: temperature and clock (npu-smi), other jobs, CPU binding, the "
            "link. The load does not explain it."
        ),
        evidence=_("{file}: during_time at equal batch type, size and tokens").format(
            file=evidence.file("steps")
        ),
        excess=ratio / limits.dp_straggler_ratio,
    )
