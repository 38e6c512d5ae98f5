"""The life of each request as a service's point events tell it: arrival, first token, P→D hand-off, end."""

from __future__ import annotations

from collections.abc import Collection

import polars as pl

from lbtui.profile import SCHEMAS, FrameName
from lbtui.profile.schema import TIME
from lbtui.sources.tables.row_buffer import columns

# One event of one request.
STAGES = columns(
    {
        "name": pl.String,
        "request_id": pl.String,
        "process": pl.Int64,  # whatever tells processes apart
        "time": pl.Float64,  # µs since 1970, exact; of a span its beginning
        "input_tokens": pl.Int32,  # as `httpReq` (MindIE), `httpRes` or `DecodeEnd` carry them
        "output_tokens": pl.Int32,
        "cache_hit_rate": pl.Float64,  # 0..1
    }
)
ENTERED, LEFT = "Enqueue", "Dequeue"  # of a queue of `WAITING`
# Where requests wait, in lower case; SGLang's disaggregated nodes have queues of their own before that.
WAITING = frozenset({"waiting", "decodeprealloc", "prefillbootstrap"})
_HTTP, _RESPONSE, _END = "httpReq", "sendResponse", "httpRes"  # the second only MindIE
_TOKENS = "detokenize"  # vLLM, SGLang
_COUNTED = "DecodeEnd"  # SGLang: tells the tokens that `httpRes` of others does
_OF_P, _PREFILLED, _SENT, _ACCEPTED, _DECODED = (
    "receiveReq",
    "prefillRes",
    "sendReqToD",
    "sendReqToDSucc",
    "decodeRes",
)
_HITS = ("CacheHitRate", "HitCache")  # of the prefix cache
STAGE_EVENTS = frozenset(
    {_HTTP, _RESPONSE, _END, _TOKENS, _COUNTED, _OF_P, _PREFILLED, _SENT, _ACCEPTED, _DECODED, *_HITS}
)
CLIENT_IDS = columns({"request_id": pl.String, "client_id": pl.String})


def requests_of(stages: pl.DataFrame) -> pl.DataFrame:
    """Return the canonical frame `requests`, by arrival, of every request of `STAGES` with an HTTP event.

    ttft = first token - first httpReq, the first token being the first sendResponse (MindIE), else the first
    detokenize after the last httpReq of each process: vLLM's proxy sends a request to a prefill engine and
    then to a decode engine, and passes on nothing of the first. queue_wait = last Dequeue - first Enqueue of
    a waiting queue, which over P and D covers the prefill between them, as in request.csv. duration = last
    httpRes - httpReq; request.csv cuts both to ms first. Tokens are those told last (of P and D, D's), the
    cache hit rate that told first (P's: D finds what it has pulled).
    """
    stages = by_client_id(stages, client_ids(stages))
    lives = stages.group_by("request_id", maintain_order=True).agg(
        _first(_HTTP).alias("arrived"),
        _last(_HTTP).alias("arrived_last"),
        _first(_RESPONSE).alias("responded"),
        _last(_END).alias("ended"),
        _first(ENTERED).alias("entered"),
        _last(LEFT).alias("left"),
        _told("input_tokens").last(),
        _told("output_tokens").last(),
        _told("cache_hit_rate").first(),
    )
    token = (
        stages.filter(pl.col("name") == _TOKENS)
        .group_by("request_id", "process")
        .agg(pl.col("time").min())
        .join(lives.select("request_id", "arrived_last"), on="request_id")
        .filter(pl.col("time") >= pl.col("arrived_last"))
        .group_by("request_id")
        .agg(token=pl.col("time").min())
    )
    known = (
        lives.join(token, on="request_id", how="left", maintain_order="left")
        .filter(pl.col("arrived").is_not_null() | pl.col("ended").is_not_null())
        .with_columns(
            arrival=_whole("arrived"),
            ttft=_ms(pl.coalesce("responded", "token") - pl.col("arrived")),
            queue_wait=_ms(pl.col("left") - pl.col("entered")),
            duration=_ms(pl.col("ended") - pl.col("arrived")),
        )
    )
    return _by_arrival(known, "requests")


def handoffs_of(stages: pl.DataFrame) -> pl.DataFrame:
    """Return the canonical frame `handoffs`, by arrival, of every request with an event between P and D.

    The five times are those of pd_split_communication.csv: httpReq (else receiveReq), sendReqToD,
    sendReqToDSucc, prefillRes, decodeRes.
    """
    lives = stages.group_by("request_id", maintain_order=True).agg(
        _first(_HTTP).alias("arrived"),
        _first(_OF_P).alias("received_by_p"),
        _first(_SENT).alias("sent"),
        _first(_ACCEPTED).alias("received"),
        _first(_PREFILLED).alias("prefill_done"),
        _last(_DECODED).alias("end"),
    )
    between = ("received_by_p", "sent", "received", "prefill_done", "end")
    known = lives.filter(pl.any_horizontal(pl.col(between).is_not_null())).with_columns(
        pl.coalesce("arrived", "received_by_p").alias("arrival")
    )
    stages_of = [name for name, kind in SCHEMAS["handoffs"].items() if kind == TIME]
    placed = known.with_columns(_whole(name).alias(name) for name in stages_of)
    return _by_arrival(placed, "handoffs")


def left_queue(stages: pl.DataFrame) -> pl.DataFrame:
    """Return `request_id` and `time` of each Dequeue of a waiting queue among `STAGES`."""
    return stages.filter(pl.col("name") == LEFT).select("request_id", time=_whole("time"))


def _by_arrival(lives: pl.DataFrame, name: FrameName) -> pl.DataFrame:
    ordered = lives.sort("arrival", nulls_last=True, maintain_order=True)
    return ordered.select(pl.col(column).cast(kind) for column, kind in SCHEMAS[name].items())


def client_ids(stages: pl.DataFrame) -> pl.DataFrame:
    """Return `CLIENT_IDS` of `STAGES`: what HTTP events call a request that others call by a longer id.

    vLLM adds to the id that the client knows, once the request is in: from 0.14 on a hash.
    """
    known = stages.filter(pl.col("name") == _HTTP).select("request_id").unique()
    others = stages.select("request_id").unique().join(known, on="request_id", how="anti")
    ids = set(known["request_id"])
    found = ((rid, _known_part(rid, ids)) for rid in others["request_id"])
    return pl.DataFrame([row for row in found if row[1]], schema=CLIENT_IDS, orient="row")


def by_client_id(rows: pl.DataFrame, ids: pl.DataFrame) -> pl.DataFrame:
    """Return rows that have a `request_id` with that of `CLIENT_IDS` instead, where it has one."""
    if ids.is_empty():
        return rows
    named = rows.join(ids, on="request_id", how="left", maintain_order="left")
    return named.with_columns(request_id=pl.coalesce("client_id", "request_id")).drop("client_id")


def _known_part(rid: str, known: Collection[str]) -> str | None:
    """Return the longest part of an id up to a hyphen that is known."""
    part = rid.rpartition("-")[0]
    while part and part not in known:
        part = part.rpartition("-")[0]
    return part or None


def _told(name: str) -> pl.Expr:
    """Return the values of a column that are told, by time."""
    return pl.col(name).sort_by("time", maintain_order=True).drop_nulls()


def _first(name: str) -> pl.Expr:
    return pl.col("time").filter(pl.col("name") == name).min()


def _last(name: str) -> pl.Expr:
    return pl.col("time").filter(pl.col("name") == name).max()


def _ms(duration: pl.Expr) -> pl.Expr:
    # Polars multiplies by the inverse; times are quarters of a µs.
    return (duration / 1000).round(5)


def _whole(name: str) -> pl.Expr:
    return pl.col(name).cast(pl.Int64).cast(TIME)
