"""A profile as a replay's fit reads it."""

from __future__ import annotations

import polars as pl

from lbtui.analysis.replay.model import Work
from lbtui.analysis.replay.recording import REQUESTS, ROUNDS, RecordedDomain, Recording
from lbtui.findings.evidence import Evidence
from lbtui.findings.latency.traced import Traced, Untraced, passes_in, traced
from lbtui.profile import Domain
from lbtui.profile.roles import Role


def recording_of(evidence: Evidence) -> Recording:
    """Return what is replayed of a profile. Raises `Untraced`, saying why, and `Cancelled`."""
    found = traced(evidence)
    if found.rounds.is_empty():
        raise Untraced("", evidence.frame("requests").height)
    known = [domain for domain in evidence.domains if domain.key in set(found.rounds["domain"].unique())]
    origin = int(found.lives["begin"].min())  # type: ignore[arg-type]
    rounds = _rounds(evidence, found, known, origin)
    together = {domain.instance for domain in known if _steps_together(evidence, domain)}
    accounts = evidence.accounts
    nodes = _nodes(evidence, known)
    return Recording(
        tuple(_domain(evidence, domain, nodes[domain.key], together) for domain in known),
        _requests(found, origin),
        rounds,
        found.members.select(pl.col("request", "round").cast(pl.Int64)),
        _pulls(found, origin),
        _kv(evidence, known, origin),
        frozenset(name for name in together if accounts[name].coupled),
        frozenset(
            name for name in together if accounts[name].round_end is not None and accounts[name].tails is None
        ),
        evidence.frame("requests").height - found.whole.height,
    )


def _steps_together(evidence: Evidence, domain: Domain) -> bool:
    return evidence.accounts[domain.instance].group is not None


_WORK: dict[Role | None, Work] = {"prefill": "prefill", "decode": "decode", None: "both"}


def _nodes(evidence: Evidence, known: list[Domain]) -> dict[str, str]:
    """Return the P/D node of each domain, "" where its role has other nodes than the coordinator names.

    A node is a host, or a domain, whichever are as many as there are addresses; a host without a coordinator.
    """
    found: dict[str, str] = {}
    for role in {evidence.roles.get(domain.key) for domain in known}:
        own = [domain for domain in known if evidence.roles.get(domain.key) == role]
        named = evidence.frame("nodes").filter(pl.col("role") == role)["address"].n_unique() if role else 0
        if named in (0, len({domain.host for domain in own})):
            found |= {domain.key: domain.host for domain in own}
        else:
            found |= {domain.key: domain.key if named == len(own) else "" for domain in own}
    return found


def _domain(evidence: Evidence, domain: Domain, node: str, together: set[str]) -> RecordedDomain:
    kv = evidence.frame("kv").filter(pl.col("domain") == domain.key)["total_blocks"].drop_nulls()
    blocks = int(kv.median()) if len(kv) else None  # type: ignore[arg-type]
    step = domain.instance if domain.instance in together else ""
    return RecordedDomain(domain.key, node, _WORK[evidence.roles.get(domain.key)], step, blocks)


def _ms(column: str | pl.Expr, origin: int) -> pl.Expr:
    expression = pl.col(column) if isinstance(column, str) else column
    return (expression.cast(pl.Int64) - origin) / 1000


def _requests(found: Traced, origin: int) -> pl.DataFrame:
    return (
        found.lives.with_columns(
            found.whole["input_tokens"], found.whole["output_tokens"], found.whole["cache_hit_rate"]
        )
        .select(
            "request",
            arrival=_ms("begin", origin),
            lead=pl.col("lead") / 1000,
            first=_ms("first", origin),
            end=_ms("end", origin),
            input="input_tokens",
            output="output_tokens",
            hit="cache_hit_rate",
        )
        .cast(REQUESTS)
    )


def _rounds(evidence: Evidence, found: Traced, known: list[Domain], origin: int) -> pl.DataFrame:
    """Return `ROUNDS` by the requests' clock; a round whose forward pass is unknown is all forward pass."""
    places = {domain.key: place for place, domain in enumerate(known)}
    by = pl.col("domain").replace_strict(found.ahead, default=0, return_dtype=pl.Int64)
    rows = found.rounds.join(passes_in(evidence, found.rounds), on="round", how="left", maintain_order="left")
    alone = pl.col("group").is_null()
    most = pl.col("group").max().fill_null(-1) + 1
    return (
        rows.with_columns(pl.col("start", "end").cast(pl.Int64))
        .with_columns(
            forward_start=pl.coalesce("forward_start", "start"),
            forward_end=pl.coalesce("forward_end", "end"),
            group=pl.when(alone).then(most + pl.col("round").cast(pl.Int64)).otherwise("group"),
        )
        .select(
            "round",
            "group",
            "phase",
            "tokens",
            domain=pl.col("domain").replace_strict(places, return_dtype=pl.Int64),
            prefills="prefill_batch_size",
            decodes="decode_batch_size",
            **{
                name: _ms(pl.col(name) - by, origin)
                for name in ("start", "end", "forward_start", "forward_end")
            },
        )
        .select(ROUNDS.names())
        .cast(ROUNDS)
        .sort("domain", "start", "round")
    )


def _pulls(found: Traced, origin: int) -> pl.DataFrame:
    return (
        found.told.pulls.group_by("request")
        .agg(start=_ms(pl.col("start").min(), origin), end=_ms(pl.col("end").max(), origin))
        .with_columns(pl.col("request").cast(pl.Int64))
        .sort("request")
    )


def _kv(evidence: Evidence, known: list[Domain], origin: int) -> pl.DataFrame:
    places = {domain.key: place for place, domain in enumerate(known)}
    kv = evidence.frame("kv").filter(pl.col("domain").is_in(list(places)))
    return (
        kv.drop_nulls(["used_blocks", "time"])
        .select(
            time=_ms("time", origin),
            domain=pl.col("domain").cast(pl.String).replace_strict(places, return_dtype=pl.Int64),
            used=pl.col("used_blocks").cast(pl.Int64),
        )
        .sort("time", "domain")
    )
