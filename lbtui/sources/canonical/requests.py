"""Requests, their hand-offs from P to D, KV pulls and speculation: one frame each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import polars as pl

from lbtui.profile import FrameName, Loaded, Note, Progress, empty
from lbtui.sources.canonical.first_tokens import with_first_tokens
from lbtui.sources.canonical.request_units import are_slow, from_seconds, in_milliseconds, what_ran
from lbtui.sources.events import READERS
from lbtui.sources.frame import canonical, possible_lanes
from lbtui.sources.pull_source import sources
from lbtui.sources.steps.recorded import executed_rounds
from lbtui.sources.steps.row_checks import are_of_prefills, checked_durations, checked_first_tokens
from lbtui.sources.steps.scheduling import Scheduling
from lbtui.sources.store import Store
from lbtui.sources.tables.tables import TABLES
from lbtui.text import _, in_sentences


def load_requests(store: Store, scheduled: Callable[[Progress], Scheduling], progress: Progress) -> Loaded:
    """Return `requests`. Upstream writes 0 for a latency it does not know: null.

    What is `scheduled` tells the unit of durations, and its rounds check times to first token.
    """
    known = [pl.when(pl.col(c) > 0).then(pl.col(c)).alias(c) for c in ("ttft", "queue_wait")]
    loaded = _load("request", "requests", store, progress, known)
    summaries, notes = store.summaries()
    loaded = replace(loaded, notes=(*loaded.notes, *notes))
    if not loaded.provenance or loaded.provenance[0].reader in READERS:
        return loaded
    file = loaded.provenance[0].file
    frame, second_notes = from_seconds(loaded.frame, summaries, file)
    notes = (*loaded.notes, *second_notes)
    found = scheduled(progress)
    if are_slow(frame) and (ran := what_ran(*(raw.frame for raw in (found.forward, found.batch) if raw))):
        frame, unit_notes = in_milliseconds(frame, ran, file)
        notes += (*unit_notes,)
    frame, token_notes, whence = with_first_tokens(frame, file, store, found.batch, progress)
    frame, late_notes = checked_first_tokens(frame, file)
    frame, reply_notes = _with_replies(frame, found, store, file, progress)
    provenance = (*loaded.provenance, *whence)
    notes = (*notes, *token_notes, *late_notes, *reply_notes)
    return replace(loaded, frame=frame, provenance=provenance, notes=notes)


def _with_replies(
    requests: pl.DataFrame, scheduling: Scheduling, store: Store, file: str, progress: Progress
) -> tuple[pl.DataFrame, list[Note]]:
    """Return the requests with the decode engine's replies, where the prefill engine's are written."""
    rounds = scheduling.batch
    decoded = 0 if rounds is None else int(executed_rounds(rounds.frame)["decode_batch_size"].sum())
    if not are_of_prefills(requests, decoded):
        return requests, []
    text = _(
        "All {count} requests are written with one output token, and the rounds decode them {decoded} times: "
        "it is the reply of the prefill engine (upstream takes the first of two)."
    ).format(count=requests.height, decoded=f"{decoded:,}")
    trace, _notes = store.trace(progress)
    told = {} if trace is None else dict(trace.requests.select("request_id", "output_tokens").iter_rows())
    kind = requests.schema["output_tokens"]
    known = pl.col("request_id").replace_strict(told, default=None, return_dtype=kind).alias("output_tokens")
    if any(told.values()):
        assert trace is not None
        told_of = _("Those of {other} are used.").format(other=trace.file)
    else:
        told_of = _("How many there were is unknown; a trace or the raw profile tells it.")
    return requests.with_columns(known), [Note(file, in_sentences(text, told_of))]


def load_handoffs(store: Store, progress: Progress) -> Loaded:
    """Return `handoffs`."""
    return _load("pd_split_communication", "handoffs", store, progress, [])


def load_transfers(store: Store, progress: Progress) -> Loaded:
    """Return `transfers`; tokens are the sum of the pull's sequence lengths, null where there are none.

    The source is what its block tables begin with (`pull_source`).
    """
    lengths = pl.col("sequence_lengths").str.extract_all(r"\d+").cast(pl.List(pl.Int64), strict=False)
    readable = lengths.list.len() == lengths.list.drop_nulls().list.len()
    tokens = pl.when(readable & (lengths.list.len() > 0)).then(lengths.list.sum()).alias("tokens")
    derived = [tokens, sources("block_tables").alias("source")]
    loaded = _load("pd_split_kvcache", "transfers", store, progress, derived)
    file = loaded.provenance[0].file if loaded.provenance else ""
    checked, off_notes = checked_durations(loaded.frame, file)
    frame, notes = possible_lanes(checked, "rank", file, "rank")
    return replace(loaded, frame=frame, notes=(*loaded.notes, *off_notes, *notes))


def load_speculation(store: Store, progress: Progress) -> Loaded:
    """Return `speculation` from spec_decode.csv; no other file holds it."""
    return _load("spec_decode", "speculation", store, progress, [])


def _load(table: str, name: FrameName, store: Store, progress: Progress, derived: list[pl.Expr]) -> Loaded:
    # Nothing else asks for these tables: a large one is not kept beside the frame that is made of it.
    raw, notes = store.read(table, tuple(TABLES[table]), progress)
    if raw is not None:
        frame = canonical(raw.frame.with_columns(derived), name)
        return Loaded(frame, (raw.provenance,), (*notes, *raw.notes))
    trace, trace_notes = store.trace(progress) if name != "speculation" else (None, [])
    if trace is None:
        return Loaded(empty(name), notes=(*notes, *trace_notes))
    frame = {"requests": trace.requests, "handoffs": trace.handoffs, "transfers": trace.transfers}[name]
    if frame.is_empty():
        return Loaded(empty(name), notes=(*notes, *trace_notes))
    provenance = trace.provenance(frame.height)
    return Loaded(frame, (provenance,), (*notes, *trace_notes))
