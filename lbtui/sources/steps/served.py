"""Which DP domains served each request, one after the other."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from lbtui.sources.steps.owners import Owners
from lbtui.sources.steps.recorded import GROUPING

_ROUNDS = pl.Schema(
    [
        ("name", pl.String()),
        ("prof_id", pl.String()),
        ("start", pl.Datetime("us")),
        ("request_id", pl.List(pl.String())),
    ]
)


def service_order(rounds: Sequence[pl.DataFrame], owners: Owners) -> pl.DataFrame:
    """Return what `read_service` does of rounds with name, prof_id, start and the list `request_id`."""
    held = pl.concat([pl.DataFrame(schema=_ROUNDS), *rounds])
    if held["name"].is_in(GROUPING).any():
        held = held.filter(pl.col("name").is_in(GROUPING))
    return (
        held.join(owners.frame.select("prof_id", "domain"), on="prof_id")
        .explode("request_id", empty_as_null=True)
        .drop_nulls("request_id")
        .group_by("request_id", "domain")
        .agg(first=pl.col("start").min(), last=pl.col("start").max())
        .sort("request_id", "first")
    )
