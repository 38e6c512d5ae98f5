"""Where each request ran: its DP domains one after the other, and its P/D nodes."""

from __future__ import annotations

import polars as pl

THEN = " → "  # between the keys of the domains that served a request
NODE_COLUMNS = ("prefill_node", "decode_node")
PLACE_COLUMNS = ("domain", *NODE_COLUMNS)


def request_places(
    request_ids: pl.Series, service: pl.DataFrame, dispatches: pl.DataFrame, transfers: pl.DataFrame
) -> pl.DataFrame:
    """Return a row for each of `request_ids`, in their order: domain, first_round, prefill_node, decode_node.

    `domain` is the keys of the domains in whose rounds (`service`: request_id, domain, first) the request is
    listed, by its first round there, joined by `THEN`; `first_round` the start of the first of all. The nodes
    are the addresses that the coordinator's dispatch names (`dispatches`: request_id, prefill_address,
    decode_address); without a dispatch the prefill node is what its KV pulls name as their source
    (`transfers`), if they name one. What no row tells is null.
    """
    served = (
        service.sort("first", "domain")
        .group_by("request_id", maintain_order=True)
        .agg(domain=pl.col("domain").str.join(THEN), first_round=pl.col("first").min())
    )
    dispatched = dispatches.drop_nulls("request_id").unique("request_id", keep="last", maintain_order=True)
    source = pl.col("source").drop_nulls()
    pulled = (
        transfers.drop_nulls("request_id")
        .group_by("request_id", maintain_order=True)
        .agg(source=pl.when(source.n_unique() == 1).then(source.first()))
    )
    rows = pl.DataFrame({"request_id": request_ids})
    for told in (served, dispatched, pulled):
        rows = rows.join(told, on="request_id", how="left", maintain_order="left")
    return rows.select(
        "domain",
        pl.col("first_round").cast(pl.Datetime("us")),
        prefill_node=pl.coalesce("prefill_address", "source"),
        decode_node="decode_address",
    )


def domain_keys(way: str | None) -> list[str]:
    """Return the keys in a `domain` of `request_places`, the first one first."""
    return [] if way is None else way.split(THEN)
