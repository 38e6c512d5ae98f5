"""Which DP domains prefill and which decode, where a service has these apart: told by what they do."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias, TypeVar

import polars as pl

Role: TypeAlias = Literal["prefill", "decode"]
_Key = TypeVar("_Key", bound=Hashable)

# A domain that prefilled fewer requests may just not have come to decode them.
_FEWEST_PREFILLS = 3
_HARDLY = 0.1  # decodes a prefill: a prefill node hands its requests on after their first token
_MOSTLY = 0.5  # of the tokens: a decode node computes the last token of a prompt now and then


@dataclass(frozen=True)
class Work:
    """What a domain did: requests summed over its rounds, and their tokens (None where not recorded)."""

    prefills: int
    decodes: int
    prompt_tokens: float | None
    tokens: int | None


def work_by(key: str, rounds: pl.DataFrame) -> dict[str, Work]:
    """Return the work by the values of column `key` of rounds or steps.

    Columns: phase, batch_size, prefill_batch_size, decode_batch_size, tokens. The tokens of a mixed round
    are told apart by what a decode takes in rounds that only decode (more than one under speculation).
    """
    size, phase = pl.col("batch_size"), pl.col("phase")
    prefills, decodes = pl.col("prefill_batch_size"), pl.col("decode_batch_size")
    told = rounds.filter(pl.col(key).is_not_null()).select(
        pl.col(key).cast(pl.String),
        phase.cast(pl.String),
        "tokens",
        prefills=prefills.fill_null(pl.when(phase == "prefill").then(size).otherwise(0)),
        decodes=decodes.fill_null(pl.when(phase == "decode").then(size).otherwise(0)),
    )
    alone = (pl.col("prefills") == 0) & (pl.col("decodes") > 0) & pl.col("tokens").is_not_null()
    of_prefills = pl.col("tokens").filter(pl.col("prefills") > 0)
    sums = told.group_by(key).agg(
        pl.col("prefills").sum(),
        pl.col("decodes").sum(),
        pl.col("tokens").sum(),
        known=pl.col("tokens").is_not_null().any() & of_prefills.is_not_null().all(),
        a_decode=pl.col("tokens").filter(alone).sum() / pl.col("decodes").filter(alone).sum(),
        with_prefills=of_prefills.sum(),
        beside=pl.col("decodes").filter(pl.col("prefills") > 0).sum(),
    )
    found: dict[str, Work] = {}
    for row in sums.iter_rows(named=True):
        each = row["a_decode"] if row["a_decode"] and row["a_decode"] == row["a_decode"] else 1.0
        prompts = max(row["with_prefills"] - each * row["beside"], 0.0) if row["known"] else None
        tokens = row["tokens"] if row["known"] else None
        found[row[key]] = Work(row["prefills"], row["decodes"], prompts, tokens)
    return found


def roles_of(work: Mapping[_Key, Work], *, disaggregated: bool = False) -> dict[_Key, Role]:
    """Return the role of each domain that has one; none unless some prefill and others decode.

    A prefill domain hardly decodes. Where there is one, a decode domain is one that decodes more requests
    than it prefills, and whose tokens are not mostly of prompts. `disaggregated` tells that other files
    know of prefill and decode nodes: then few requests are enough.
    """
    fewest = 1 if disaggregated else _FEWEST_PREFILLS
    roles: dict[_Key, Role] = {}
    for key, done in work.items():
        if done.prefills >= fewest and done.decodes <= _HARDLY * done.prefills:
            roles[key] = "prefill"
        elif done.decodes > done.prefills and (
            done.prompt_tokens is None or done.prompt_tokens <= _MOSTLY * (done.tokens or 0)
        ):
            roles[key] = "decode"
    return roles if len(set(roles.values())) == 2 else {}
