"""The requests that a record's `rid` tells of: an id, a list of ids, or a list of objects with an id each."""

from __future__ import annotations

import json
from typing import Any

import polars as pl
from polars.exceptions import PolarsError

from lbtui.sources.tables import cells

# Of each request, as text. vLLM's hooks leave MindIE's `=` out.
_FIELDS = (
    "rid",
    "iter",
    "type",
    "num_scheduled_tokens=",
    "num_scheduled_tokens",
    "num_spec_output_tokens",
    "num_spec_accepted_tokens",
)
_REQUEST = pl.Struct(dict.fromkeys(_FIELDS, pl.String()))
_OBJECTS, _IDS = r"^\s*\[\s*\{", r"^\s*\["


def requests_of(rid: pl.Series) -> pl.DataFrame:
    """Return one row a request of the cells `rid` (JSON, or one id): `cell` (its place), and its fields.

    Columns: `request_id`, `iteration`, `tokens` (scheduled; 0 where none are told, as upstream has it),
    `prefills` (whether it is prefilled: `type` 0, or `iter` 0 where there is no type), `proposed` and
    `accepted` (tokens, null where not told). A request without an id is left out.
    """
    given = pl.DataFrame(
        {"cell": pl.int_range(len(rid), eager=True, dtype=pl.Int64), "rid": rid}
    ).drop_nulls()
    objects = pl.col("rid").str.contains(_OBJECTS)
    listed = pl.col("rid").str.contains(_IDS) & ~objects
    single = given.filter(~objects & ~listed & ~pl.col("rid").str.contains(r"^\s*\{"))
    parts = [
        _decoded(given.filter(objects), pl.List(_REQUEST)).explode("rid", empty_as_null=True),
        _as_requests(_decoded(given.filter(listed), pl.List(pl.String)).explode("rid", empty_as_null=True)),
        _as_requests(single),
    ]
    told = pl.concat(parts).sort("cell", maintain_order=True).unnest("rid").drop_nulls("rid")
    number = {
        name: cells.count(told[name])
        for name in ("iter", "num_spec_output_tokens", "num_spec_accepted_tokens")
    }
    scheduled = told.select(t=pl.coalesce("num_scheduled_tokens=", "num_scheduled_tokens").fill_null("0"))
    kind = told.select(k=pl.coalesce("type", "iter").cast(pl.Float64, strict=False))["k"]
    return pl.DataFrame(
        {
            "cell": told["cell"],
            "request_id": cells.identity(told["rid"]),
            "iteration": number["iter"],
            "tokens": cells.count(scheduled["t"]),
            "prefills": (kind == 0).fill_null(False),
            "proposed": number["num_spec_output_tokens"],
            "accepted": number["num_spec_accepted_tokens"],
        }
    ).drop_nulls("request_id")


def sizes_of(requests: pl.DataFrame, count: int) -> pl.DataFrame:
    """Return of each of `count` cells, of which these are the `requests` (`requests_of`), how many there are,
    how many are prefilled and decoded, and their tokens.

    Columns `batch_size`, `prefill_batch_size`, `decode_batch_size` (null without a request) and `tokens`
    (also null where that of a request cannot be read).
    """
    told = requests.group_by("cell").agg(
        batch_size=pl.len().cast(pl.Int64),
        prefill_batch_size=pl.col("prefills").sum().cast(pl.Int64),
        tokens=pl.when(pl.col("tokens").is_not_null().all()).then(pl.col("tokens").sum()),
    )
    sizes = (
        pl.DataFrame({"cell": pl.int_range(count, eager=True, dtype=pl.Int64)})
        .join(told, on="cell", how="left", maintain_order="left")
        .with_columns(decode_batch_size=pl.col("batch_size") - pl.col("prefill_batch_size"))
    )
    return sizes.select("batch_size", "prefill_batch_size", "decode_batch_size", "tokens")


def _as_requests(ids: pl.DataFrame) -> pl.DataFrame:
    others = (pl.lit(None, pl.String).alias(name) for name in _FIELDS[1:])
    return ids.select("cell", rid=pl.struct("rid", *others).cast(_REQUEST))


def _decoded(given: pl.DataFrame, kind: pl.List) -> pl.DataFrame:
    """Return the cells as lists; of one that is no list of the kind, what of it is."""
    try:
        return given.with_columns(pl.col("rid").str.json_decode(kind))
    except PolarsError:
        return given.with_columns(
            pl.Series(
                "rid", [_one(text, objects=kind != pl.List(pl.String)) for text in given["rid"]], dtype=kind
            )
        )


def _one(text: str, *, objects: bool) -> list[Any] | None:
    try:
        items = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(items, list):
        return None
    if not objects:
        return [_plain(item) for item in items]
    return [
        {name: _plain(item.get(name)) for name in _FIELDS}
        if isinstance(item, dict)
        else {"rid": _plain(item), **dict.fromkeys(_FIELDS[1:])}
        for item in items
    ]


def _plain(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value if value is None else value.encode("utf-8", "replace").decode()
    return str(value) if isinstance(value, int | float) else None
