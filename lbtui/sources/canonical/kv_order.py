"""The order of KV events that a file gives one time: what they say of the blocks left tells it."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence

import polars as pl

_KINDS = pl.col("name").replace_strict({"Allocate": 0, "AppendSlot": 1}, default=2, return_dtype=pl.Int8)


def by_request(events: pl.DataFrame) -> pl.DataFrame:
    """Return the events by time; of one time request by request, blocks taken before they are given back.

    Whatever the order of the rows, that of the result is the same.
    """
    return events.sort("time", "request_id", _KINDS, "free_blocks", descending=[False] * 3 + [True])


def by_value(events: pl.DataFrame, inexact: Sequence[str]) -> pl.DataFrame:
    """Return events (`domain` and `free_blocks` known) by time; of a domain and one time as values allow.

    Blocks left fall by an Allocate or AppendSlot and rise by a Free: of the events that can follow the one
    before, that comes next whose value is nearest. Those of the domains `inexact`, whose times are cut to
    seconds, stay in the order of their rows.
    """
    cut = pl.col("domain").is_in(inexact)
    keys = (pl.when(cut).then("row"), "free_blocks", _KINDS, "request_id")
    ordered = events.sort("time", "domain", *keys, descending=[False] * 3 + [True] + [False] * 2)
    key = pl.struct("domain", "time")
    tied = ordered.with_columns(place=pl.int_range(pl.len()), many=pl.len().over(key)).filter(
        pl.col("many") > 1, ~cut
    )
    if tied.is_empty():
        return ordered
    prior = ordered.select(
        place=pl.int_range(pl.len()),
        before=pl.col("free_blocks").shift().over("domain"),
        prior=pl.int_range(pl.len()).shift().over("domain"),
    )
    tied = tied.join(prior, on="place", how="left", maintain_order="left")
    moved: dict[int, int] = {}
    ends: dict[int, int] = {}  # what a chain ends with, by the place of its last event
    for group in tied.partition_by("domain", "time", maintain_order=True):
        places, values = group["place"].to_list(), group["free_blocks"].to_list()
        before = ends.get(group["prior"][0], group["before"][0])
        chain = _chain(values, (group["name"] == "Free").to_list(), before)
        ends[places[-1]] = values[chain[-1]]
        moved.update({places[i]: place for i, place in zip(chain, places, strict=True)})
    order = pl.int_range(pl.len()).replace(list(moved), list(moved.values()))
    return ordered.with_columns(order=order).sort("order").drop("order")


def _chain(values: list[int], frees: list[bool], before: int | None) -> list[int]:
    """Return the places of the values (falling) in the order in which they can follow `before`."""
    rising = sorted((values[i], -i) for i, free in enumerate(frees) if free)
    falling = sorted((values[i], -i) for i, free in enumerate(frees) if not free)
    chain: list[int] = []
    at = before
    while rising or falling:
        up = bisect_right(rising, (at, 1)) if at is not None else 0
        down = bisect_left(falling, (at, -len(values))) - 1 if at is not None else len(falling) - 1
        rises = rising[up][0] - at if at is not None and up < len(rising) else None
        falls = at - falling[down][0] if at is not None and down >= 0 else None
        if rises is not None and (falls is None or rises <= falls):
            value, place = rising.pop(up)
        elif down >= 0:
            value, place = falling.pop(down)
        elif rising:
            # Nothing can follow: the values were written by another.
            value, place = rising.pop(0)
        else:
            value, place = falling.pop()
        at = value
        chain.append(-place)
    return chain
