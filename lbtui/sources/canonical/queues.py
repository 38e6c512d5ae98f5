"""Queue lengths of the schedulers' processes: the frame `queues`."""

from __future__ import annotations

import polars as pl

from lbtui.profile import SCHEMAS, Loaded, Note, Progress, Provenance, Unreadable, empty
from lbtui.sources import database
from lbtui.sources.canonical.domains import Owners
from lbtui.sources.store import Store
from lbtui.text import visible

_QUEUES = ["waiting", "running", "swapped"]

# MindIE names the queue in `status`, vLLM in `scope#QueueName`.
_DATABASE_QUERY = """
SELECT s.timestamp / 1000, p.label, CAST(t.pid AS INTEGER), s.name,
       lower(coalesce(json_extract(s.args, '$.status'), json_extract(s.args, '$."scope#QueueName"'))),
       json_extract(s.args, '$."QueueSize="')
FROM slice s JOIN thread t USING (track_id) LEFT JOIN process p ON p.pid = t.pid
WHERE s.name IN ('Queue', 'Enqueue', 'Dequeue') AND json_valid(s.args)
ORDER BY s.timestamp, s.id
"""


def load_queues(store: Store, owners: Owners, progress: Progress) -> Loaded:
    """Return `queues`: each process' queue lengths after every event, unheard-of queues null.

    From request_status.csv; without it from the queue events in profiler.db's `slice` (its own
    request_status table has no pid) or in the trace.
    """
    notes: list[Note] = []
    if "request_status" in store.output.csv:
        raw, notes = store.table("request_status", progress)
        if raw is not None:
            return _loaded(raw.frame, owners, raw.provenance, [*notes, *raw.notes])
    if path := store.output.database:
        try:
            events = _from_database(store, progress)
        except Unreadable as error:
            notes.append(Note(visible(path.name), str(error)))
        else:
            if events is not None and not events.is_empty():
                changes = _wide(events)
                provenance = Provenance(f"{path.name}:slice", "sqlite", "1 µs", changes.height)
                return _loaded(changes, owners, provenance, notes)
    trace, trace_notes = store.trace(progress)
    if trace is not None and not trace.queue_events.is_empty() and store.output.trace:
        events = trace.queue_events.join(trace.processes.select("pid", "host"), on="pid", how="left")
        provenance = Provenance(store.output.trace.name, "trace", "1 µs", events.height)
        return _loaded(_wide(events), owners, provenance, [*notes, *trace_notes])
    return Loaded(empty("queues"), notes=(*notes, *trace_notes))


def _from_database(store: Store, progress: Progress) -> pl.DataFrame | None:
    path = store.output.database
    assert path is not None
    if not {"slice", "thread", "process"} <= database.tables_of(path):
        return None
    names = ["time", "label", "pid", "kind", "queue", "size"]
    with database.connect(path) as connection:
        raw = database.query(connection, _DATABASE_QUERY, names, progress, path)
    return raw.select(
        pl.col("time").cast(pl.Int64).cast(pl.Datetime("us")),
        pl.col("label").cast(pl.String).str.split(",").list.first().alias("host"),
        pl.col("pid").cast(pl.Int64),
        pl.col("kind").cast(pl.String),
        pl.col("queue").cast(pl.String),
        pl.col("size").cast(pl.Int64, strict=False),
    )


def _wide(events: pl.DataFrame) -> pl.DataFrame:
    """Return one column per queue; MindIE's periodic samples, where there are any, rather than events."""
    if "Queue" in events["kind"].unique().to_list():
        events = events.filter(pl.col("kind") == "Queue")
    return events.select(
        "host",
        "pid",
        "time",
        *(pl.when(pl.col("queue") == name).then(pl.col("size")).alias(name) for name in _QUEUES),
    )


def _loaded(changes: pl.DataFrame, owners: Owners, provenance: Provenance, notes: list[Note]) -> Loaded:
    process = ["host", "pid"]
    # Each row tells of one queue only: the state is what was last heard of each.
    state = (
        changes.sort("time", maintain_order=True)
        .with_columns(pl.col(_QUEUES).forward_fill().over(process))
        .unique([*process, "time"], keep="last", maintain_order=True)
    )
    # Keys that upstream wrote as 10046.0 are integers by now; vLLM's host may be missing.
    frame = state.join(owners.of_pids(), on=process, how="left", maintain_order="left").select(
        [pl.col(name).cast(dtype) for name, dtype in SCHEMAS["queues"].items()]
    )
    return Loaded(frame, (provenance,), tuple(notes))
