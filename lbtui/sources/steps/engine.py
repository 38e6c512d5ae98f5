"""Which serving engine wrote a batch table: the names and the columns of its rounds tell."""

from __future__ import annotations

from typing import Literal, TypeAlias

import polars as pl

from lbtui.sources.steps.recorded import recorded_rounds

Engine: TypeAlias = Literal["mindie", "vllm", "vllm v0", "sglang"]

_NAMES = {"mindie": ("BatchSchedule", "Execute"), "vllm": ("batchFrameworkProcessing", "modelExec")}


def engine_of(batch: pl.DataFrame) -> Engine | None:
    """Return the engine of the raw table batch, None where its names are of none that is known.

    SGLang writes batch types in lower case, vLLM's v0 no tokens of the requests that it schedules. One row
    a kind is enough: a table of several engines is called by the first of these that it has rounds of.
    """
    if batch["name"].is_in(_NAMES["mindie"]).any():
        return "mindie"
    rounds = batch.filter(pl.col("name").is_in(_NAMES["vllm"]))
    if rounds.is_empty():
        return None
    kinds = rounds["batch_type"].drop_nulls()
    if len(kinds) and not kinds.str.contains(r"\p{Lu}").any():
        return "sglang"
    told = recorded_rounds(rounds).drop_nulls("batch_size")
    return "vllm" if told.is_empty() or told["tokens"].is_not_null().any() else "vllm v0"
