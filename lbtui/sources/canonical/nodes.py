"""Requests per prefill and decode node and time bin: the frame `nodes`."""

from __future__ import annotations

import polars as pl

from lbtui.profile import SCHEMAS, Loaded, Note, Progress, Provenance, empty
from lbtui.sources.store import Store
from lbtui.text import _


def load_nodes(store: Store, progress: Progress) -> Loaded:
    """Return `nodes` from coordinator.csv, profiler.db's table of that name, or the trace's dispatches."""
    raw, notes = store.table("coordinator", progress)
    if raw is not None:
        frame = rebuild_running(raw.frame)
        return Loaded(frame, (raw.provenance,), (*notes, *raw.notes, *_rebuilt_note(frame, raw.provenance)))
    trace, trace_notes = store.trace(progress)
    if trace is None or trace.nodes.is_empty() or store.output.trace is None:
        return Loaded(empty("nodes"), notes=(*notes, *trace_notes))
    provenance = Provenance(store.output.trace.name, "trace", "5 s bins", trace.nodes.height)
    return Loaded(trace.nodes, (provenance,), (*notes, *trace_notes))


def rebuild_running(raw: pl.DataFrame) -> pl.DataFrame:
    """Return `nodes` with `running` rebuilt: a bin without events carries the last figure forward.

    Upstream writes 0 there (FORMATS.md §6 no. 1). Requests dispatched before the capture are unknown, so
    the figures before a node's first event are a lower bound.
    """
    quiet = (pl.col("added").fill_null(0) == 0) & (pl.col("ended").fill_null(0) == 0)
    return (
        raw.sort("time", "role", "address", maintain_order=True)
        .with_columns(running=pl.when(~quiet).then(pl.col("running_written")))
        .with_columns(pl.col("running").forward_fill().over("address", "role"))
        .with_columns(pl.col("running").fill_null(pl.col("running_written")))
        .select([pl.col(name).cast(dtype) for name, dtype in SCHEMAS["nodes"].items()])
    )


def _rebuilt_note(frame: pl.DataFrame, provenance: Provenance) -> list[Note]:
    rebuilt = frame.filter(pl.col("running") != pl.col("running_written")).height
    if not rebuilt:
        return []
    return [
        Note(
            provenance.file,
            _(
                "running_count is 0 in bins without events; {count} of {all} cells are rebuilt by carrying "
                "the last value forward and marked ~."
            ).format(count=rebuilt, all=frame.height),
        )
    ]
