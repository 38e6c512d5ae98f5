"""The life of each request as a service's point events tell it: arrival, first token, P→D hand-off, end."""

from __future__ import annotations

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
# vLLM from 0.14 on adds it to the id that the client knows, once the request is in.
_SUFFIX = r"-[0-9a-f]{8}$"


def requests_of(stages: pl.DataFrame) -> pl.DataFrame:
    """Return the canonical frame `requests`, by arrival, of every request of `STAGES` with an HTTP event.

    ttft = first token - first httpReq, the first token being the first sendResponse (MindIE), else the first
    detokenize after the last httpReq of each process: vLLM's proxy sends a request to a prefill engine and
    then to a decode engine, and passes on nothing of the first. queue_wait = last Dequeue - first Enqueue of
    a waiting queue, which over P and D covers the prefill between them, as in request.csv. duration = last
    httpRes - httpReq; request.csv cuts both to ms first. Tokens are those told last (of P and D, D's), the
    cache hit rate that told first (P's: D finds what it has pulled).
    """
    stages = _as_the_client_has_them(stages)
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


def _by_arrival(lives: pl.DataFrame, name: FrameName) -> pl.DataFrame:
    ordered = lives.sort("arrival", nulls_last=True, maintain_order=True)
    return ordered.select(pl.col(column).cast(kind) for column, kind in SCHEMAS[name].items())


def _as_the_client_has_them(stages: pl.DataFrame) -> pl.DataFrame:
    """Return the stages of requests by the ids that HTTP events have."""
    known = stages.filter(pl.col("name") == _HTTP).select("request_id").unique()
    others = stages.select("request_id").unique().join(known, on="request_id", how="anti")
    longer = others.with_columns(of=pl.col("request_id").str.replace(_SUFFIX, ""))
    renamed = longer.join(known, left_on="of", right_on="request_id", how="semi")
    if renamed.is_empty():
        return stages
    return stages.join(renamed, on="request_id", how="left", maintain_order="left").with_columns(
        request_id=pl.coalesce("of", "request_id")
    )


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
