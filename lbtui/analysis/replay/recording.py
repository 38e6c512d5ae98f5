"""A recording as the fit reads it: requests, the rounds of DP domains, and who was in which round."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import polars as pl

from lbtui.analysis.replay.model import Work

REQUESTS = pl.Schema(
    {
        "request": pl.Int64(),
        "arrival": pl.Float64(),  # where it was dispatched, if that is known
        "lead": pl.Float64(),  # from there to where TTFT and end to end count from
        "first": pl.Float64(),  # token; null where unknown
        "end": pl.Float64(),
        "input": pl.Int64(),
        "output": pl.Int64(),
        "hit": pl.Float64(),  # share of the input that the prefix cache had, as written
    }
)
ROUNDS = pl.Schema(
    {
        "round": pl.Int64(),
        "domain": pl.Int64(),  # place in `Recording.domains`
        "group": pl.Int64(),  # common step; of a domain that steps by itself a number of its own
        "start": pl.Float64(),
        "end": pl.Float64(),
        "forward_start": pl.Float64(),
        "forward_end": pl.Float64(),
        "phase": pl.String(),
        "prefills": pl.Int64(),
        "decodes": pl.Int64(),
        "tokens": pl.Int64(),
    }
)


@dataclass(frozen=True)
class RecordedDomain:
    """A DP domain as recorded; `node` is "" where unknown.

    `step` names those that it steps together with, "" alone.
    """

    key: str
    node: str
    work: Work
    step: str = ""
    blocks: int | None = None  # of its KV pool


@dataclass(frozen=True)
class Recording:
    """Times are ms since the first request began.

    `members` has request, round; `pulls` request, start, end; `kv` time, domain, used (blocks). In `coupled`
    steps domains wait for each other inside of the forward pass, in those of `waits_inside` after it, but
    inside of the round. `cut` requests lack their begin or end.
    """

    domains: tuple[RecordedDomain, ...]
    requests: pl.DataFrame
    rounds: pl.DataFrame
    members: pl.DataFrame
    pulls: pl.DataFrame = field(
        default_factory=lambda: pl.DataFrame(
            schema={"request": pl.Int64, "start": pl.Float64, "end": pl.Float64}
        )
    )
    kv: pl.DataFrame = field(
        default_factory=lambda: pl.DataFrame(
            schema={"time": pl.Float64, "domain": pl.Int64, "used": pl.Int64}
        )
    )
    coupled: frozenset[str] = frozenset()
    waits_inside: frozenset[str] = frozenset()
    cut: int = 0

    @cached_property
    def served(self) -> pl.DataFrame:
        """Each request's rounds in order: the columns of `rounds`, `request`, and whether it `is_prefill`.

        That is a round that only prefills; of mixed ones its first, and those until its first token is there.
        """
        works = [domain.work for domain in self.domains]
        late = pl.col("domain").replace_strict(
            dict(enumerate(work == "decode" for work in works)), return_dtype=pl.Boolean
        )
        rows = (
            self.members.join(self.rounds, on="round")
            .join(self.requests.select("request", "first"), on="request")
            .with_columns(late=late)
            .sort("request", "late", "start", "round")
        )
        earliest = pl.int_range(pl.len()).over("request") == 0
        middle = (pl.col("start") + pl.col("end")) / 2
        mixed = (pl.col("phase") == "mixed") & (earliest | (middle <= pl.col("first")).fill_null(False))
        prefills = ~pl.col("late") & ((pl.col("phase") == "prefill") | mixed)
        return rows.with_columns(is_prefill=prefills).drop("late", "first")
