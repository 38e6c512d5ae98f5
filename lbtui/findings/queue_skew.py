"""`dp.queue.skew`: waiting requests pile up on some DP domains while others idle."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import datetime
from typing import NamedTuple, TypeAlias

import numpy as np
import polars as pl

from lbtui.analysis.counts import binomial_tail
from lbtui.analysis.exact import exact_sum
from lbtui.analysis.expected import chance_of, expected_load, expected_multiple, relative
from lbtui.findings.dispatch import dispatched
from lbtui.findings.evidence import Binned, Evidence
from lbtui.findings.model import Cost, Finding
from lbtui.findings.subject import name_of, subject_of
from lbtui.profile import Domain
from lbtui.text import _
from lbtui.thresholds import Thresholds

_CRITICAL_RATIO = 4.0
_BLOCKS = 12
_SMALLER = 0.9  # × the peers' mean batch

Window: TypeAlias = tuple[datetime, datetime]


def find_queue_skew(
    evidence: Evidence, limits: Thresholds, domains: list[Domain], out_of_blocks: Collection[str]
) -> Iterator[Finding]:
    """Yield the domains that hold the longest queue again and again, while their peers' are short.

    One long queue may be one unlucky moment, so the run is cut into 12 blocks of time. Chance: of the blocks
    in which anybody waits, the domain's mean queue is the longest in so many (binomial, 1 of the domains),
    times the domains (Bonferroni). The window is from the first of these blocks to the last. A queue
    remembers: where all domains are nearly full, chance in the dispatch alone makes one long for the whole
    run. So the domain must also be held back, out of KV blocks (`out_of_blocks`, keys) or with a smaller
    batch than its peers although it has requests waiting, or have been sent more than a random dispatch
    would (`_sent_more`). A domain that the config expects to carry more may have a queue longer by as much.
    """
    binned = evidence.binned("waiting", domains)
    if binned is None:
        return
    edges = np.linspace(0, binned.loads.shape[1], _BLOCKS + 1).astype(int)
    blocks = np.add.reduceat(binned.loads, edges[:-1], axis=1)
    waited = np.flatnonzero(blocks.max(axis=0) > 0)
    shares = limits.expected.of_domains(domains)
    longest = (blocks / relative(shares, len(domains))[:, None]).argmax(axis=0)
    for lane, domain in enumerate(domains):
        ahead = waited[longest[waited] == lane]
        p = min(1.0, len(domains) * binomial_tail(len(ahead), len(waited), 1 / len(domains)))
        if not len(ahead) or p > limits.p_value:
            continue
        first, last = int(edges[ahead[0]]), int(edges[ahead[-1] + 1])
        own = float(binned.loads[lane, first:last].mean())
        peers = float(expected_load(binned.loads[:, first:last], lane, shares).mean())
        if own < limits.dp_queue_ratio * peers or own - peers < limits.dp_queue_waiting:
            continue
        window = binned.window(first, last)
        held = domain.key in out_of_blocks or _held_back(evidence, limits, domains, lane, window)
        if not held and not _sent_more(evidence, limits, binned, lane, first, last):
            continue
        yield _finding(evidence, limits, domains, _Queue(lane, window, own, peers, p))


class _Queue(NamedTuple):
    """How many requests wait at a domain in a window, and how many at its peers, or as expected."""

    lane: int
    window: Window
    own: float
    peers: float
    p_value: float


def _finding(evidence: Evidence, limits: Thresholds, domains: list[Domain], queue: _Queue) -> Finding:
    lane, window, own, peers, p = queue
    shares, domain = limits.expected.of_domains(domains), domains[lane]
    more = own - peers
    waited_for = more * (window[1] - window[0]).total_seconds()
    return Finding(
        id="dp.queue.skew",
        severity="critical" if own >= _CRITICAL_RATIO * peers else "warning",
        subject=subject_of(evidence, domain),
        window=window,
        metric=_("waiting − its expected share") if shares else _("waiting − mean of peers"),
        over_expected=bool(shares),
        value=more,
        threshold=limits.dp_queue_waiting,
        cost=Cost(
            waited_for,
            _("request·s"),
            _("{value:.1f} request-seconds of waiting beyond the peers' ((own − peers) × window)").format(
                value=waited_for
            ),
            evidence.share_of_requests(waited_for),
            of="requests",
        ),
        message=(
            _(
                "{own:.1f} requests wait at {domain}, {peers:.2f} would be its expected share: "
                "{multiple:.2f}× its peers' (config)."
            )
            if shares
            else _("{own:.1f} requests wait at {domain}, {peers:.2f} at its peers on average.")
        ).format(own=own, domain=name_of(domain), peers=peers, multiple=expected_multiple(lane, shares)),
        advice=_(
            "Give waiting requests to domains that idle: route by queue length (4 × waiting + running), "
            "and see whether KV blocks or a full batch hold this domain back."
        ),
        evidence=_("{file}: waiting of the domain's scheduler in the window").format(
            file=evidence.file("queues")
        ),
        p_value=p,
        expected=expected_multiple(lane, shares) if shares else None,
    )


def _held_back(
    evidence: Evidence, limits: Thresholds, domains: list[Domain], lane: int, window: Window
) -> bool:
    """Tell whether a domain's batch in the window is smaller than its peers': mean over steps, by duration.

    Steps of prefill alone are left out where there are others: they say how many begin, not how many run.
    """
    steps = evidence.own_steps.filter(
        pl.col("domain").is_in([d.key for d in domains]),
        pl.col("start") >= window[0],
        pl.col("start") < window[1],
    )
    running = steps.filter(pl.col("phase") != "prefill")
    batch = exact_sum(pl.col("batch_size") * pl.col("duration")) / exact_sum(pl.col("duration"))
    means = dict((running if running.height else steps).group_by("domain").agg(batch).iter_rows())
    batches = np.array([means.get(d.key) or 0.0 for d in domains])
    expected = expected_load(batches, lane, limits.expected.of_domains(domains))
    return float(batches[lane]) < _SMALLER * float(expected)


def _sent_more(
    evidence: Evidence, limits: Thresholds, binned: Binned, lane: int, first: int, last: int
) -> bool:
    """Tell whether more requests came to the domain than one in so many domains would get by chance.

    Exact binomial tail, times the domains and the blocks among which the window was chosen.
    """
    came = np.rint(dispatched(evidence, list(binned.domains), binned.edges)[:, first:last].sum(axis=1))
    domains = len(binned.domains)
    share = chance_of(lane, domains, limits.expected.of_domains(binned.domains))
    chance = binomial_tail(int(came[lane]), int(came.sum()), share)
    return domains * _BLOCKS * chance <= limits.p_value
