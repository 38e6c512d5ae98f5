"""What made requests miss their targets: the time beyond, given to the parts that are longer than usual."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, TypeAlias

import polars as pl

from lbtui.analysis.exact import exact_sum
from lbtui.analysis.latency_parts import PARTS
from lbtui.analysis.slo import COLUMNS, Targets

Scope: TypeAlias = Literal["first", "rest", "all"]
# Of which stretch of its life a metric is: up to the first token, after it, or all.
SCOPES: Mapping[str, Scope] = {"ttft": "first", "tpot": "rest", "e2e": "all"}
BEYOND_SCHEMA = pl.Schema(
    {"request": pl.UInt32(), "part": pl.Enum(PARTS), "place": pl.String(), "ms": pl.Float64()}
)


def scoped(parts: pl.DataFrame, lives: pl.DataFrame, scope: Scope) -> pl.DataFrame:
    """Return the parts (request, part, place, `ms`) of a stretch of each life that is known.

    They begin with the request's arrival, as TTFT and duration do: what is before it, from the coordinator's
    dispatch (`lives.lead`, µs), is taken from its first wait. Those of requests whose first token is unknown
    are left out but of `all`.
    """
    known = lives if scope == "all" else lives.drop_nulls("first")
    own = parts.join(known.select("request", "lead"), on="request")
    # The wait for prefill, and where that is not recorded, what stands for it.
    waits = pl.col("part").cast(pl.String).is_in(["prefill_wait", "not_recorded"])
    firsts = waits & (pl.col("part") == pl.col("part").filter(waits).min().over("request"))
    one = firsts & (pl.col("before").rank("ordinal", descending=True).over("request", "part") == 1)
    lead = pl.when(one.fill_null(False)).then("lead").otherwise(0)
    taken: Mapping[Scope, pl.Expr] = {
        "first": (pl.col("before") - lead).clip(0),
        "rest": pl.col("total") - pl.col("before"),
        "all": (pl.col("total") - lead).clip(0),
    }
    return own.select("request", "part", "place", ms=taken[scope] / 1000).filter(pl.col("ms") > 0)


def time_beyond(
    parts: pl.DataFrame, lives: pl.DataFrame, requests: pl.DataFrame, targets: Targets
) -> pl.DataFrame:
    """Return `BEYOND_SCHEMA`: the time beyond target of each request that missed, by part and place.

    `requests` has request, met (null where not judged), output_tokens and the columns of the targets. The
    time beyond is TTFT − target, (TPOT − target) × (tokens − 1), and of requests that missed neither end to
    end − target. It is given to the parts in proportion to how much longer each is than the mean of the same
    part over the requests that met all targets (TPOT: per token); where none did, in proportion to the parts.
    """
    found = [pl.DataFrame(schema=BEYOND_SCHEMA)]
    told = requests.filter(pl.col("request").is_in(lives["request"].implode()))
    missed_before = pl.lit(False)
    for name, limit in targets.limits.items():
        value = pl.col(COLUMNS[name])
        over = (value > limit).fill_null(False)
        tokens = (pl.col("output_tokens") - 1).cast(pl.Float64) if name == "tpot" else pl.lit(1.0)
        own = told.with_columns(tokens=tokens)
        beyond = own.filter(over & (~missed_before if name == "e2e" else pl.lit(True))).select(
            "request", "tokens", beyond=(value - limit) * pl.col("tokens")
        )
        missed_before = missed_before | over
        if beyond.is_empty():
            continue
        found.append(_given(scoped(parts, lives, SCOPES[name]), own, beyond))
    return pl.concat(found)


def _given(times: pl.DataFrame, own: pl.DataFrame, beyond: pl.DataFrame) -> pl.DataFrame:
    """Return the time `beyond` of requests, given to their parts."""
    met = own.filter(pl.col("met"), pl.col("tokens") > 0).select("request", "tokens")
    usual = (
        times.join(met, on="request")
        .group_by("part")
        .agg(usual=_finely_summed(pl.col("ms") / pl.col("tokens")) / max(met.height, 1))
    )
    weighed = (
        times.join(beyond, on="request")
        .join(usual, on="part", how="left")
        .with_columns(whole=exact_sum(pl.col("ms")).over("request", "part"))
        .with_columns(longer=(pl.col("whole") - pl.col("usual").fill_null(0) * pl.col("tokens")).clip(0))
        .with_columns(weight=pl.col("longer") * pl.col("ms") / pl.col("whole"))
        .with_columns(
            all=_finely_summed(pl.col("weight")).over("request"), sum=exact_sum(pl.col("ms")).over("request")
        )
    )
    # Where no part is longer than usual, all are of it.
    longer = pl.when(pl.col("all") > 0).then(pl.col("weight") / pl.col("all"))
    share = longer.otherwise(pl.col("ms") / pl.col("sum"))
    return weighed.select("request", "part", "place", ms=share * pl.col("beyond")).filter(pl.col("ms") > 0)


def _finely_summed(ms: pl.Expr) -> pl.Expr:
    """Return `exact_sum` in whole ps: of a part of 1 µs a rounded ns would be a share that shows."""
    return exact_sum(ms * 1000) / 1000
