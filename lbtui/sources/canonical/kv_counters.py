"""Exact times of KV events, from counters: beside a db the parser cuts kvcache's own to seconds."""

from __future__ import annotations

import polars as pl

from lbtui.profile import Note, Progress, Unreadable
from lbtui.sources import database
from lbtui.sources.canonical.owners import Owners
from lbtui.sources.store import Store
from lbtui.text import visible

_TIME = pl.Datetime("us")
_COUNTERS = pl.Schema([("time", _TIME), ("domain", pl.String()), ("lookup", pl.Boolean())])
_EVENTS = pl.Schema([("time", _TIME), ("pid", pl.Int64())])
_COUNTER_QUERY = "SELECT timestamp / 1000, CAST(pid AS INTEGER) FROM counter WHERE name LIKE '%KVCache-dp%'"
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
            return pl.DataFrame(schema=_COUNTERS), [Note(visible(store.database.name), str(error), lost=True)]
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
