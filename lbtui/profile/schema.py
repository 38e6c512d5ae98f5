"""The canonical frames: names, columns, types and units. Times are UTC, naive, in microseconds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal, TypeAlias, get_args

import polars as pl

if TYPE_CHECKING:
    from polars.datatypes import DataTypeClass

# What a column may hold: a type of polars, or one of its classes.
ColumnType: TypeAlias = "DataTypeClass | pl.DataType"
FrameName: TypeAlias = Literal[
    "batches",
    "steps",
    "kv",
    "queues",
    "nodes",
    "requests",
    "transfers",
    "handoffs",
    "expert_heat",
    "placements",
    "layer_times",
    "rank_intervals",
    "speculation",
]

TIME = pl.Datetime("us")

# The DP domain of a row; `domain` is `Domain.key`, null where the owner is unknown.
_OWNER: dict[str, ColumnType] = {
    "instance": pl.String,
    "host": pl.String,
    "dp_rank": pl.Int32,
    "domain": pl.String,
}


def _columns(columns: Mapping[str, ColumnType]) -> pl.Schema:
    return pl.Schema(dict(columns))


SCHEMAS: dict[FrameName, pl.Schema] = {
    # One scheduling round of one scheduler, execution only (`Execute`, `modelExec`); never summed over names.
    "batches": _columns(
        {
            **_OWNER,
            "prof_id": pl.String,
            "start": TIME,
            "end": TIME,
            "phase": pl.String,  # prefill, decode, mixed
            "batch_size": pl.Int32,  # requests
            "prefill_batch_size": pl.Int32,
            "decode_batch_size": pl.Int32,
            "tokens": pl.Int64,  # scheduled in this round
            "row": pl.Int64,  # which row of the file holds it, from 0: finds its res_list again
        }
    ),
    # One execution of one forward pass on one card.
    "steps": _columns(
        {
            **_OWNER,
            "prof_id": pl.String,
            "forward_iter": pl.Int64,  # counts per prof_id
            "phase": pl.String,
            "batch_size": pl.Int32,
            "prefill_batch_size": pl.Int32,  # the next three from `batches`; null where no round covers it
            "decode_batch_size": pl.Int32,
            "tokens": pl.Int64,
            "start": TIME,
            "end": TIME,
            "duration": pl.Float64,  # ms
            "bubble": pl.Float64,  # ms from this end to the next start on the same card; null on the last
        }
    ),
    # One KV-cache reading of one DP domain.
    "kv": _columns(
        {
            "time": TIME,
            **_OWNER,
            "free_blocks": pl.Int64,
            "used_blocks": pl.Int64,
            "total_blocks": pl.Int64,
            "usage": pl.Float64,  # 0..1 of the domain's own pool
        }
    ),
    # The queues of one process after an event; a queue not yet heard of is null.
    "queues": _columns(
        {
            "time": TIME,
            **_OWNER,
            "pid": pl.Int64,
            "waiting": pl.Int64,
            "running": pl.Int64,
            "swapped": pl.Int64,
        }
    ),
    # One P/D node in one time bin.
    "nodes": _columns(
        {
            "time": TIME,  # start of the bin
            "address": pl.String,  # ip:port
            "role": pl.String,  # prefill, decode
            "added": pl.Int64,
            "ended": pl.Int64,
            "running": pl.Int64,  # rebuilt
            "running_written": pl.Int64,  # as the file has it
        }
    ),
    "requests": _columns(
        {
            "request_id": pl.String,
            "arrival": TIME,
            "input_tokens": pl.Int32,
            "output_tokens": pl.Int32,
            "ttft": pl.Float64,  # ms
            "queue_wait": pl.Float64,  # ms
            "duration": pl.Float64,  # ms
            "cache_hit_rate": pl.Float64,  # 0..1
        }
    ),
    # One KV pull of one decode rank.
    "transfers": _columns(
        {
            "request_id": pl.String,
            "rank": pl.Int32,
            "source": pl.String,  # the P side's address (dotted IPv4) or number; null where not recorded
            "start": TIME,
            "end": TIME,
            "duration": pl.Float64,  # ms
            "tokens": pl.Int64,
        }
    ),
    # One request's way from P to D; a stage that was not seen is null.
    "handoffs": _columns(
        {
            "request_id": pl.String,
            "arrival": TIME,
            "sent": TIME,
            "received": TIME,
            "prefill_done": TIME,
            "end": TIME,
        }
    ),
    # One cell of one heat map of one EPLB period.
    "expert_heat": _columns(
        {
            "instance": pl.String,
            "view": pl.String,  # rank, expert (physical slot), model_expert
            "period": pl.Int32,
            "layer": pl.Int32,
            "column": pl.Int32,  # rank, rank * slots + slot, or model expert id
            "rank": pl.Int32,
            "slot": pl.Int32,
            "expert": pl.Int32,  # model expert; null where no placement is known
            "tokens": pl.Int64,  # null when only shares are known
            "share": pl.Float64,  # of its layer; null when only relative heat is known
            "relative": pl.Float64,  # 0..1 of the map's range
            "phase": pl.String,  # prefill, decode; null when unknown
        }
    ),
    "placements": _columns(
        {
            "instance": pl.String,
            "period": pl.Int32,
            "layer": pl.Int32,
            "rank": pl.Int32,
            "slot": pl.Int32,
            "expert": pl.Int32,
        }
    ),
    "layer_times": _columns(
        {
            "layer": pl.Int32,
            "process": pl.Int64,  # pid
            "column": pl.Int32,  # place of the process in numeric pid order: a guess at its rank
            "time": pl.Float64,  # ns of GroupedMatmul, summed over the capture
        }
    ),
    "rank_intervals": _columns(
        {
            "process": pl.Int64,
            "column": pl.Int32,
            "mean": pl.Float64,  # ns of one MoeDistributeDispatch/Combine call
            "low": pl.Float64,  # 95 % t-interval of the mean
            "high": pl.Float64,
        }
    ),
    # One step of one request under speculative decoding (vLLM).
    "speculation": _columns(
        {
            "request_id": pl.String,
            "iteration": pl.Int64,
            "prof_id": pl.String,
            "start": TIME,
            "end": TIME,
            "proposed": pl.Int64,  # tokens
            "accepted": pl.Int64,  # tokens
        }
    ),
}

assert set(SCHEMAS) == set(get_args(FrameName))


def empty(name: FrameName) -> pl.DataFrame:
    """Return the frame `name` with its columns and no rows."""
    return pl.DataFrame(schema=SCHEMAS[name])
