"""When requests were dispatched and their KV caches pulled, as exactly as any file tells."""

from __future__ import annotations

import polars as pl

from lbtui.profile import Progress, Unreadable
from lbtui.sources.events import READERS
from lbtui.sources.steps.scheduling import Scheduling
from lbtui.sources.store import Store
from lbtui.sources.tables import database

_TIME = pl.Datetime("us")
_MARKS = pl.Schema([("name", pl.String()), ("request_id", pl.String()), ("start", _TIME), ("end", _TIME)])
_DISPATCH, _PULL = "RequestDispatch", "PullKVCache"
# An event names one request, or a list of ids or of objects with `rid`.
_QUERY = """
WITH told AS (
    SELECT name, timestamp, end_time, json_extract(args, '$.res_list') AS ids,
           json_type(args, '$.res_list') AS kind
    FROM slice WHERE name IN ('RequestDispatch', 'PullKVCache') AND json_valid(args)
)
SELECT name, CASE e.type WHEN 'object' THEN json_extract(e.value, '$.rid') ELSE e.value END,
       timestamp / 1000, end_time / 1000
FROM told, json_each(CASE kind WHEN 'array' THEN ids ELSE json_array(ids) END) e
"""


def read_moments(
    store: Store, scheduling: Scheduling, transfers: pl.DataFrame, progress: Progress
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return when requests were dispatched (request_id, time) and pulled (request_id, start, end).

    Tables tell no dispatch, and pulls (`transfers`) to 1 ms: where profiler.db has the events of a service
    that hands requests over, these.
    """
    pulls = transfers.select("request_id", "start", "end").drop_nulls()
    if scheduling.batch is not None and scheduling.batch.provenance.reader in READERS:
        events, _notes = store.whole_trace(progress)
        assert events is not None
        return events.dispatches.select("request_id", "time").drop_nulls(), pulls
    tables = store.database_tables | store.output.csv.keys()
    if store.database and "slice" in store.database_tables and tables & {"coordinator", "pd_split_kvcache"}:
        try:
            with database.connect(store.database, progress) as opened:
                marks = opened.query(_QUERY, _MARKS).drop_nulls()
        except Unreadable:
            marks = pl.DataFrame(schema=_MARKS)  # told where its tables are read
        pulled = marks.filter(pl.col("name") == _PULL).drop("name")
        dispatched = marks.filter(pl.col("name") == _DISPATCH)
        return dispatched.select("request_id", time="start"), pulls if pulled.is_empty() else pulled
    return pl.DataFrame(schema={"request_id": pl.String, "time": _TIME}), pulls
