"""What is said of the time of requests: by part and place, of all and of those that missed their targets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import polars as pl

from lbtui.analysis.exact import exact_sum
from lbtui.analysis.latency import filter_terms, in_service
from lbtui.analysis.latency_parts import PartName
from lbtui.analysis.missed import time_beyond
from lbtui.analysis.request_places import domain_keys
from lbtui.analysis.slo import Targets, met
from lbtui.findings.evidence import Evidence
from lbtui.findings.latency.run import Latency, latency_of
from lbtui.findings.model import Finding
from lbtui.findings.subject import is_of
from lbtui.overview.attained import domain_names
from lbtui.overview.targets import PlacedRequests
from lbtui.profile import Domain, micros
from lbtui.thresholds import Thresholds

_ONE_NODE = 0.95  # of a domain's requests, which its node's address names


@dataclass(frozen=True)
class Share:
    """The time of one part at one place, over so many `requests`; `share` is of all parts'."""

    part: PartName
    place: str | None  # domain key
    ms: float
    before: float  # ms of it before the first token; 0 of the time beyond target
    share: float
    requests: int


@dataclass(frozen=True)
class Part:
    """The time of one part at all its places, as `Share` has it of one."""

    part: PartName
    ms: float
    before: float
    share: float
    requests: int
    places: tuple[Share, ...]


@dataclass(frozen=True)
class Missed:
    """The time beyond target of the requests that missed, by part and place, the most first.

    `explained` of those that `missed` have parts; `beyond` is their time beyond target, ms.
    """

    targets: Targets
    judged: int
    missed: int
    explained: int
    beyond: float
    shares: tuple[Share, ...]


@dataclass(frozen=True, eq=False)
class Told:
    """Where the time went: the parts of each request, their sums, and why requests missed their targets.

    `names` are those of domains, `addresses` those of the nodes that a domain alone is.
    """

    latency: Latency
    table: pl.DataFrame  # `request_table` with `met` and, where they are known, places
    parts: tuple[Part, ...] = ()
    shares: tuple[Share, ...] = ()
    missed: Missed | None = None
    names: Mapping[str, str] = field(default_factory=dict)
    addresses: Mapping[str, str] = field(default_factory=dict)

    def where(self, place: str) -> str:
        """Return what a place is called: its node's address where it is that node, else the domain."""
        return self.addresses.get(place) or self.names.get(place, place)


def tell(
    evidence: Evidence,
    limits: Thresholds,
    placed: PlacedRequests,
) -> Told:
    """Return where the time of a profile's requests went. Raises `Cancelled` as `latency_of` does."""
    targets = placed.targets
    table = placed.table.with_columns(met=met(placed.table, targets))
    latency = latency_of(evidence, limits)
    times = latency.parts.with_columns(ms=pl.col("total") / 1000, before=pl.col("before") / 1000)
    shares = _shares(times)
    return Told(
        latency,
        table,
        _parts(times, shares),
        shares,
        _missed(latency, table, targets),
        domain_names(evidence.domains),
        _addresses(table),
    )


def _shares(parts: pl.DataFrame) -> tuple[Share, ...]:
    """Return the sums of `ms` and `before` by part and place, the most first."""
    sums = (
        parts.group_by("part", "place")
        .agg(exact_sum(pl.col("ms")), exact_sum(pl.col("before")), requests=pl.col("request").n_unique())
        .with_columns(share=pl.col("ms") / exact_sum(pl.col("ms")))
        .sort("ms", "part", "place", descending=[True, False, False])
    )
    rows = sums.select("part", "place", "ms", "before", "share", "requests").iter_rows()
    return tuple(Share(*row) for row in rows)


def _parts(times: pl.DataFrame, shares: Sequence[Share]) -> tuple[Part, ...]:
    """Return the sums of each part at all places, the most first."""
    sums = (
        times.group_by("part")
        .agg(exact_sum(pl.col("ms")), exact_sum(pl.col("before")), requests=pl.col("request").n_unique())
        .with_columns(share=pl.col("ms") / exact_sum(pl.col("ms")))
        .sort("ms", "part", descending=[True, False])
    )
    rows = sums.select("part", "ms", "before", "share", "requests").iter_rows()
    return tuple(
        Part(part, ms, before, share, requests, tuple(one for one in shares if one.part == part))
        for part, ms, before, share, requests in rows
    )


def _missed(latency: Latency, table: pl.DataFrame, targets: Targets) -> Missed | None:
    if latency.absent or not targets.limits:
        return None
    numbered = table.with_row_index("row").join(latency.lives.select("request", "row"), on="row")
    beyond = time_beyond(latency.parts, latency.lives, numbered, targets)
    told = table["met"]
    missed = len(told) - int(told.sum() or 0) - told.null_count()
    shares = _shares(beyond.with_columns(before=pl.lit(0.0)))
    explained = beyond["request"].n_unique()
    return Missed(
        targets,
        len(told) - told.null_count(),
        missed,
        explained,
        float(beyond.select(exact_sum(pl.col("ms"))).item()),
        shares,
    )


def _addresses(table: pl.DataFrame) -> Mapping[str, str]:
    """Return the address of the prefill node that a domain is, where it and nearly no other is that node."""
    if "prefill_node" not in table.columns:
        return {}
    told = table.select("domain", "prefill_node").drop_nulls()
    firsts = pl.Series([domain_keys(way)[0] for way in told["domain"]], dtype=pl.String)
    pairs = told.select("prefill_node", domain=firsts).group_by("domain", "prefill_node").len()
    alone = pairs.filter(
        *(pl.col("len") >= _ONE_NODE * pl.col("len").sum().over(side) for side in ("domain", "prefill_node"))
    )
    return dict(alone.select("domain", "prefill_node").iter_rows())


def hurt_filter(finding: Finding, domains: Sequence[Domain]) -> str | None:
    """Return the filter of the requests that a finding hurts: those of its domains or node.

    None for a finding that names neither, or by a name that is no word of a filter. They are those in service
    in its window.
    """
    node, own = finding.subject.get("address"), []
    if finding.dimension in ("dp", "kv") and finding.subject:
        own = [domain.key for domain in domains if is_of(domain, finding.subject)]
    names = own or ([] if node is None else [str(node)])
    if not names or any("," in name or len(name.split()) != 1 for name in names):
        return None
    return f"{'domain' if own else 'node'}={','.join(names)}"


def with_hurt(finding: Finding, told: Told, domains: Sequence[Domain]) -> Finding:
    """Return a finding, and what follows from it, with how many requests it hurts and how many beyond target.

    Without these, where nothing tells of any request that it ran on the finding's domains or node.
    """
    if finding.consequences:
        consequences = tuple(with_hurt(one, told, domains) for one in finding.consequences)
        finding = replace(finding, consequences=consequences)
    words = hurt_filter(finding, domains)
    if words is None or "domain" not in told.table.columns:
        return finding
    terms = filter_terms(words)
    # Where dispatches are not recorded, nodes are named by what KV is pulled from: not as the finding does.
    if told.table.filter(*terms).is_empty():
        return finding
    if finding.window is not None:
        terms.append(in_service(micros(finding.window[0]), micros(finding.window[1])))
    answers = told.table.filter(*terms)["met"]
    beyond = len(answers) - answers.null_count() - int(answers.sum() or 0)
    return replace(finding, hurt=len(answers), hurt_beyond=beyond)
