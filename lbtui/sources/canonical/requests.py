"""Requests, their hand-offs from P to D, KV pulls and speculation: one frame each."""

from __future__ import annotations

import polars as pl

from lbtui.profile import SCHEMAS, FrameName, Loaded, Progress, Provenance, empty
from lbtui.sources.store import Store


def load_requests(store: Store, progress: Progress) -> Loaded:
    """Return `requests`. Upstream writes 0 for a latency it does not know: null."""
    known = [pl.when(pl.col(c) > 0).then(pl.col(c)).alias(c) for c in ("ttft", "queue_wait")]
    return _load("request", "requests", store, progress, known)


def load_handoffs(store: Store, progress: Progress) -> Loaded:
    """Return `handoffs`."""
    return _load("pd_split_communication", "handoffs", store, progress, [])


def load_transfers(store: Store, progress: Progress) -> Loaded:
    """Return `transfers`; tokens are the sum of the pull's sequence lengths."""
    lengths = pl.col("sequence_lengths").str.extract_all(r"\d+").cast(pl.List(pl.Int64))
    return _load("pd_split_kvcache", "transfers", store, progress, [lengths.list.sum().alias("tokens")])


def load_speculation(store: Store, progress: Progress) -> Loaded:
    """Return `speculation` from spec_decode.csv; no other file holds it."""
    return _load("spec_decode", "speculation", store, progress, [])


def _load(table: str, name: FrameName, store: Store, progress: Progress, derived: list[pl.Expr]) -> Loaded:
    raw, notes = store.table(table, progress)
    if raw is not None:
        frame = raw.frame.with_columns(derived).select(
            [pl.col(column).cast(dtype) for column, dtype in SCHEMAS[name].items()]
        )
        return Loaded(frame, (raw.provenance,), (*notes, *raw.notes))
    trace, trace_notes = store.trace(progress) if name != "speculation" else (None, [])
    if trace is None or store.output.trace is None:
        return Loaded(empty(name), notes=(*notes, *trace_notes))
    frames = {"requests": trace.requests, "handoffs": trace.handoffs, "transfers": trace.transfers}
    provenance = Provenance(store.output.trace.name, "trace", "1 µs", frames[name].height)
    return Loaded(frames[name], (provenance,), (*notes, *trace_notes))
