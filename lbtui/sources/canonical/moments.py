"""When requests were dispatched and their KV caches pulled, as exactly as any file tells."""

from __future__ import annotations

from collections.abc import Callable

import polars as pl

from lbtui.profile import Progress, Unreadable
from lbtui.sources.events import READERS
from lbtui.sources.steps.scheduling import Scheduling
from lbtui.sources.store import Store
from lbtui.sources.tables import database

_TIME = pl.Datetime("us")
_DISPATCH, _PULL = "RequestDispatch", "PullKVCache"
_TEXT = pl.String()
_MARKS = pl.Schema(
    [
        ("name", _TEXT),
        ("request_id", _TEXT),
        ("start", _TIME),
        ("end", _TIME),
        ("prefill_address", _TEXT),
        ("decode_address", _TEXT),
    ]
)
# An event names one request, or a list of ids or of objects with `rid`.
_QUERY = """
WITH told AS (
    SELECT name, timestamp, end_time, json_extract(args, '$.res_list') AS ids,
           json_type(args, '$.res_list') AS kind,
           json_extract(args, '$.PrefillAddress') AS prefill, json_extract(args, '$.DecodeAddress') AS decode
    FROM slice WHERE name IN ('RequestDispatch', 'PullKVCache') AND json_valid(args)
)
SELECT name, CASE e.type WHEN 'object' THEN json_extract(e.value, '$.rid') ELSE e.value END,
       timestamp / 1000, end_time / 1000, prefill, decode
FROM told, json_each(CASE kind WHEN 'array' THEN ids ELSE json_array(ids) END) e
"""


def read_marks(store: Store, progress: Progress) -> pl.DataFrame:
    """Return the dispatches and KV pulls among the events of profiler.db, with the addresses of a dispatch.

    None are looked for where no table tells of a service that hands requests over.
    """
    nothing = pl.DataFrame(schema=_MARKS)
    tables = store.database_tables | store.output.csv.keys()
    if not store.database or "slice" not in store.database_tables:
        return nothing
    if not tables & {"coordinator", "pd_split_kvcache"}:
        return nothing
    try:
        with database.connect(store.database, progress) as opened:
            return opened.query(_QUERY, _MARKS).drop_nulls(["request_id", "start", "end"])
    except Unreadable:
        return nothing  # told where its tables are read


def dispatches_in(marks: pl.DataFrame) -> pl.DataFrame:
    """Return the dispatches among `read_marks`: request_id, prefill_address, decode_address."""
    dispatched = marks.filter(pl.col("name") == _DISPATCH)
    return dispatched.select("request_id", "prefill_address", "decode_address")


def read_moments(
    store: Store,
    scheduling: Scheduling,
    transfers: pl.DataFrame,
    marks: Callable[[Progress], pl.DataFrame],
    progress: Progress,
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return when requests were dispatched (request_id, time) and pulled (request_id, start, end).

    Tables tell no dispatch, and pulls (`transfers`) to 1 ms: the events of profiler.db do (`read_marks`).
    """
    pulls = transfers.select("request_id", "start", "end").drop_nulls()
    if scheduling.batch is not None and scheduling.batch.provenance.reader in READERS:
        events, _notes = store.whole_trace(progress)
        assert events is not None
        return events.dispatches.select("request_id", "time").drop_nulls(), pulls
    found = marks(progress)
    pulled = found.filter(pl.col("name") == _PULL).select(pulls.columns)
    dispatched = found.filter(pl.col("name") == _DISPATCH).select("request_id", time="start")
    return dispatched, pulls if pulled.is_empty() else pulled
