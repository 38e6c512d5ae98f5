"""KV counters of profiler.db or of the trace: exact times of KV events, which the parser cuts to seconds
beside a db, and (SGLang) the free blocks of each process.
"""

from __future__ import annotations

import polars as pl

from lbtui.profile import Note, Progress, Provenance, Unreadable
from lbtui.sources.failure import unreadable_note
from lbtui.sources.steps.owners import Owners
from lbtui.sources.store import Store
from lbtui.sources.tables import database
from lbtui.text import _, visible

_TIME = pl.Datetime("us")
_COUNTERS = pl.Schema([("time", _TIME), ("domain", pl.String()), ("lookup", pl.Boolean())])
_VALUES = pl.Schema([("time", _TIME), ("pid", pl.Int64()), ("value", pl.Int64())])
_EVENTS = pl.Schema([("time", _TIME), ("pid", pl.Int64())])
_COUNTER_QUERY = "SELECT timestamp / 1000, CAST(pid AS INTEGER) FROM counter WHERE name LIKE '%KVCache-dp%'"
_VALUE_QUERY = """
SELECT timestamp / 1000, CAST(pid AS INTEGER), json_extract(args, '$."Device Block"')
FROM counter
WHERE name LIKE '%KVCache' AND json_valid(args)
ORDER BY timestamp, id
"""
_ENQUEUE_QUERY = """
SELECT s.timestamp / 1000, CAST(t.pid AS INTEGER)
FROM slice s
JOIN (SELECT track_id, pid FROM thread GROUP BY track_id) t USING (track_id)  -- one thread a track
WHERE s.name = 'Enqueue'
"""


def exact_times(events: pl.DataFrame, counters: pl.DataFrame) -> tuple[pl.DataFrame, list[str]]:
    """Return the events (time cut to seconds, domain, row) with exact times, by time, where they are known.

    `counters` are of `read_counters`. The n-th event of a domain is its n-th counter, if there are as many
    and their seconds agree; else the domain is listed.
    """
    parts: list[pl.DataFrame] = []
    counters_of = counters.partition_by("domain", as_dict=True)
    inexact: list[str] = []
    for (domain,), rows in events.group_by(["domain"], maintain_order=True):
        own = counters_of.get((domain,), counters.clear()) if domain is not None else counters.clear()
        if own.height != rows.height:
            own = own.filter(~pl.col("lookup"))
        times = own["time"].sort()
        if len(times) == rows.height and (times.dt.truncate("1s") == rows["time"]).all():
            rows = rows.with_columns(time=times)
        elif domain is not None:
            inexact.append(str(domain))
        parts.append(rows)
    return pl.concat([events.clear(), *parts]).sort("time", "row"), sorted(inexact)


def read_values(store: Store, progress: Progress) -> tuple[pl.DataFrame, Provenance | None, list[Note]]:
    """Return the value of each counter that names no rank: `time`, `pid`, `value`; whence, and notes.

    No rows and None where no file has such counters.
    """
    notes: list[Note] = []
    if store.database and "counter" in store.database_tables:
        name = visible(f"{store.database.name}:counter")
        try:
            with database.connect(store.database, progress) as opened:
                values = opened.query(_VALUE_QUERY, _VALUES).drop_nulls()
        except Unreadable as error:
            notes.append(unreadable_note(name, error))
        else:
            if values.height:
                return values, Provenance(name, "sqlite", _("1 µs"), values.height), notes
    trace, trace_notes = store.trace(progress)
    notes += trace_notes
    if trace is not None:
        unnamed = trace.kv_counters.filter(pl.col("dp_rank").is_null())
        values = unnamed.select("time", "pid", pl.col("value").cast(pl.Int64, strict=False)).drop_nulls()
        if values.height:
            return (
                values.sort("time", maintain_order=True),
                trace.provenance(values.height),
                notes,
            )
    return pl.DataFrame(schema=_VALUES), None, notes


def read_counters(store: Store, owners: Owners, progress: Progress) -> tuple[pl.DataFrame, list[Note]]:
    """Return the KV counters' time and domain, and notes; `lookup` marks the one after each Enqueue.

    MindIE looks a request up in its prefix cache as it is queued, which also makes a counter but no row in
    kvcache.csv.
    """
    if {"counter", "slice", "thread"} <= store.database_tables and store.database:
        try:
            with database.connect(store.database, progress) as opened:
                readings = opened.query(_COUNTER_QUERY, _EVENTS)
                arrivals = opened.query(_ENQUEUE_QUERY, _EVENTS)
        except Unreadable as error:
            return pl.DataFrame(schema=_COUNTERS), [unreadable_note(store.database.name, error)]
        return _with_lookups(readings, arrivals, owners), []
    trace, notes = store.trace(progress)
    if trace is None:
        return pl.DataFrame(schema=_COUNTERS), notes
    readings = trace.kv_counters.select("time", "pid")
    arrivals = trace.queue_events.filter(pl.col("kind") == "Enqueue").select("time", "pid")
    return _with_lookups(readings, arrivals, owners), notes


def _with_lookups(readings: pl.DataFrame, arrivals: pl.DataFrame, owners: Owners) -> pl.DataFrame:
    readings = readings.drop_nulls().sort("time")
    lookups = (
        arrivals.drop_nulls()
        .sort("time")
        .join_asof(
            readings.with_columns(reading=pl.col("time")),
            on="time",
            by="pid",
            strategy="forward",
            check_sortedness=False,
        )
        .select("pid", time="reading", lookup=pl.lit(True))
        .unique()
    )
    return (
        readings.join(lookups, on=["pid", "time"], how="left")
        .join(owners.of_pids(), on="pid", how="left")
        .select("time", "domain", pl.col("lookup").fill_null(False))
    )
