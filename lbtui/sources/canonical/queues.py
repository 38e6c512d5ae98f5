"""Queue lengths of the schedulers' processes: the frame `queues`."""

from __future__ import annotations

import polars as pl

from lbtui.profile import Loaded, Note, Progress, Provenance, Unreadable, empty
from lbtui.sources.failure import unreadable_note
from lbtui.sources.frame import canonical
from lbtui.sources.steps.from_trace import name_processes
from lbtui.sources.steps.idle_processes import idle_owners, labelled_owners
from lbtui.sources.steps.owners import Owners
from lbtui.sources.store import Store
from lbtui.sources.tables import database
from lbtui.text import _, visible

_QUEUES = ["waiting", "running", "swapped"]
# SGLang's disaggregated decode nodes tell of no other queue that requests wait in.
_NAMED = {"decodeprealloc": "waiting"}

_EVENTS = pl.Schema(
    [
        ("time", pl.Datetime("us")),
        ("id", pl.Int64()),
        ("host", pl.String()),
        ("pid", pl.Int64()),
        ("kind", pl.String()),
        ("queue", pl.String()),
        ("size", pl.Int64()),
    ]
)
# A track has one thread and a pid one process; a file that repeats them must not multiply its rows.
# MindIE names the queue in `status`, vLLM in `scope#QueueName`. A label is `host` or `host,dp2`.
_DATABASE_QUERY = """
SELECT s.timestamp / 1000, s.id, substr(p.label, 1, instr(p.label || ',', ',') - 1),
       CAST(t.pid AS INTEGER), s.name,
       lower(coalesce(json_extract(s.args, '$.status'), json_extract(s.args, '$."scope#QueueName"'))),
       json_extract(s.args, '$."QueueSize="')
FROM slice s
JOIN (SELECT track_id, pid FROM thread GROUP BY track_id) t USING (track_id)
LEFT JOIN (SELECT pid, label FROM process GROUP BY pid) p ON p.pid = t.pid
WHERE s.name IN ('Queue', 'Enqueue', 'Dequeue') AND json_valid(s.args)
"""


def load_queues(store: Store, owners: Owners, progress: Progress) -> Loaded:
    """Return `queues`: each process' queue lengths after every event, unheard-of queues null.

    From request_status.csv; without it from the queue events in profiler.db's `slice` (its own
    request_status table has no pid) or in the trace.
    """
    raw, notes = store.table("request_status", progress)
    if raw is not None:
        return _loaded(raw.frame, owners.of_processes(), raw.provenance, [*notes, *raw.notes])
    if store.database and {"slice", "thread", "process"} <= store.database_tables:
        name = f"{store.database.name}:slice"
        try:
            with database.connect(store.database, progress) as opened:
                changes = _wide(opened.query(_DATABASE_QUERY, _EVENTS).drop_nulls("time").sort("time", "id"))
        except Unreadable as error:
            notes.append(unreadable_note(name, error))
        else:
            if not changes.is_empty():
                provenance = Provenance(visible(name), "sqlite", _("1 µs"), changes.height)
                return _loaded(changes, owners.of_processes(), provenance, notes)
    trace, trace_notes = store.trace(progress)
    notes += trace_notes
    if trace is None or trace.queue_events.is_empty():
        return Loaded(empty("queues"), notes=tuple(notes))
    changes = _wide(name_processes(trace.queue_events, trace.processes))
    provenance = trace.provenance(changes.height)
    known = labelled_owners(owners.of_processes(), trace.processes)
    return _loaded(changes, known, provenance, notes)


def _wide(events: pl.DataFrame) -> pl.DataFrame:
    """Return one column per queue; MindIE's periodic samples, where there are any, rather than events."""
    if "Queue" in events["kind"].unique().to_list():
        events = events.filter(pl.col("kind") == "Queue")
    return events.select(
        "host",
        "pid",
        "time",
        *(
            pl.when(pl.col("queue").replace(_NAMED) == name, pl.col("size") >= 0)
            .then(pl.col("size"))
            .alias(name)
            for name in _QUEUES
        ),
    )


def _loaded(changes: pl.DataFrame, owners: pl.DataFrame, provenance: Provenance, notes: list[Note]) -> Loaded:
    process = ["host", "pid"]
    # Each row tells of one queue only: the state is what was last heard of each.
    state = (
        changes.sort("time", *process, *_QUEUES)
        .with_columns(pl.col(_QUEUES).forward_fill().over(process))
        .unique([*process, "time"], keep="last", maintain_order=True)
    )
    of_processes, told = idle_owners(state, owners, provenance.file)
    owned = state.join(of_processes, on=process, how="left", maintain_order="left")
    return Loaded(canonical(owned, "queues"), (provenance,), (*notes, *told))
