"""What engines did not record and the parser writes as 0: unknown, or told by another cell of the row."""

from __future__ import annotations

import polars as pl

from lbtui.sources.steps.phases import phase_by_size, phase_by_type

# Grouping (`BatchSchedule`, …) and execution rows hold the same batch: only one kind may be counted.
EXECUTION = ["Execute", "modelExec"]
GROUPING = ["BatchSchedule", "batchFrameworkProcessing"]


def executed_rounds(batch: pl.DataFrame) -> pl.DataFrame:
    """Return one row per round of the raw table batch, with `phase`, and null for what was not recorded.

    These are executions; grouping rows stand in for a scheduler whose executions were not recorded.
    """
    executes = pl.col("name").is_in(EXECUTION)
    groups = pl.col("name").is_in(GROUPING) & ~executes.any().over("prof_id")
    rounds = _recorded(batch.filter(executes | groups))
    return rounds.with_columns(phase=phase_by_size().fill_null(pl.col("phase")))


def recorded_rounds(batch: pl.DataFrame) -> pl.DataFrame:
    """Return the raw table batch with null where 0 stands for what was not recorded.

    A round has a request at the least, and a token. Where its list tells of no request whether it is
    prefilled (SGLang lists bare ids; upstream takes those of vLLM's workers for decodes), the batch type
    does; of a mixed batch it cannot tell how many.
    """
    return _recorded(batch).drop("phase")


def _recorded(batch: pl.DataFrame) -> pl.DataFrame:
    """Return what `recorded_rounds` does, with the `phase` that the batch type names."""
    size, kind = pl.col("batch_size"), pl.col("phase")
    prefill, decode = (pl.col(f"{name}_batch_size").fill_null(0) for name in ("prefill", "decode"))
    untold = (prefill + decode == 0) | (
        pl.when(kind == "prefill").then(decode > 0).when(kind == "decode").then(prefill > 0).otherwise(False)
    )
    # In a batch of one kind all are of that kind, and none of the other.
    of_kind = {
        name: pl.when(kind == name.partition("_")[0]).then(size).when(kind != "mixed").then(0)
        for name in ("prefill_batch_size", "decode_batch_size")
    }
    phased = batch.with_columns(_above_zero("batch_size"), _above_zero("tokens"), phase=phase_by_type())
    return phased.with_columns(
        pl.when(untold).then(of_kind[name]).otherwise(pl.col(name)).alias(name) for name in of_kind
    )


def recorded_passes(forwards: pl.DataFrame, *, rounds: bool) -> pl.DataFrame:
    """Return the trace's forward passes; those that name no request are of unknown size.

    Where there are `rounds`, these tell what ran, as in outputs of which forward.csv leaves such passes out.
    """
    known = forwards.with_columns(_above_zero("batch_size"))
    return known.drop_nulls("batch_size") if rounds else known


def _above_zero(name: str) -> pl.Expr:
    return pl.when(pl.col(name) > 0).then(pl.col(name)).alias(name)
