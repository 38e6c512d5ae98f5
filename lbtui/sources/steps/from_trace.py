"""The trace's spans, shaped as upstream's tables forward and batch."""

from __future__ import annotations

import polars as pl

from lbtui.profile import Note, Progress
from lbtui.sources.steps.recorded import recorded_passes
from lbtui.sources.store import Raw, Store


def name_processes(spans: pl.DataFrame, processes: pl.DataFrame) -> pl.DataFrame:
    """Return `spans` (which have a prof_id or a pid) with `host`, `label_rank` and `prof_id`."""
    key = "prof_id" if "prof_id" in spans.columns else "pid"
    owners = processes.select(key, "host", label_rank="dp_rank")
    named = spans.join(owners, on=key, how="left", maintain_order="left").with_columns(
        pl.col("host").fill_null("unknown host")
    )
    if key == "prof_id":
        return named
    return named.with_columns(prof_id=pl.format("ms_service_{}-{}", "host", "pid"))


def scheduling_tables(store: Store, progress: Progress) -> tuple[Raw | None, Raw | None, list[Note]]:
    """Return raw forward and batch tables made of the trace, either None without such spans, and notes."""
    trace, notes = store.whole_trace(progress)
    if trace is None:
        return None, None, notes
    sized = recorded_passes(trace.forwards, rounds=not trace.spans.is_empty())
    forwards = name_processes(sized, trace.processes).select(
        "prof_id",
        "host",
        dp_rank=pl.coalesce("dp_rank", "label_rank").cast(pl.Int64),
        forward_iter=pl.lit(None, pl.Int64),
        batch_type=pl.lit(None, pl.String),
        batch_size=pl.col("batch_size").cast(pl.Int64),
        start="start",
        end="end",
        duration="duration_ms",
        bubble=pl.lit(None, pl.Float64),
        row=pl.lit(None, pl.Int64),
    )
    spans = name_processes(trace.spans, trace.processes).select(
        "name",
        "prof_id",
        "batch_type",
        "batch_size",
        "prefill_batch_size",
        "decode_batch_size",
        "tokens",
        "start",
        "end",
        dp_rank=pl.col("label_rank").cast(pl.Int64),
        row=pl.col("offset"),
    )

    def raw(frame: pl.DataFrame) -> Raw | None:
        # Without a time a row can be placed nowhere, as in a table.
        frame = frame.drop_nulls(["start", "end"])
        if frame.is_empty():
            return None
        return Raw(frame, trace.provenance(frame.height))

    return raw(forwards), raw(spans), notes
