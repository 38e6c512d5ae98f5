"""What other files than the tables of scheduling tell of their processes, read where it is needed."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path

import polars as pl

from lbtui.profile import Progress, Unreadable
from lbtui.sources.events import READERS
from lbtui.sources.res_list import request_ids
from lbtui.sources.steps.from_trace import name_processes
from lbtui.sources.steps.processes import Hints
from lbtui.sources.store import Raw, Store
from lbtui.sources.tables import csv_file, database

_ROUNDS = 20_000  # rows that tell which requests a scheduler serves
_OF_NODES = ("coordinator", "pd_split_communication", "pd_split_kvcache")
_LABELS = pl.Schema([("pid", pl.Int64()), ("label", pl.String())])


def read_hints(store: Store, forward: Raw | None, batch: Raw | None, progress: Progress) -> Hints:
    """Return what helps to tell the processes of these tables apart.

    Raises `Cancelled` when `progress` does.
    """
    present = store.database_tables | store.output.csv.keys()
    ranks = {} if all_ranked(forward, batch) else _labelled_ranks(store, progress)
    return Hints(ranks, partial(_first_requests, store, batch, progress), not present.isdisjoint(_OF_NODES))


def all_ranked(*tables: Raw | None) -> bool:
    """Tell whether every process of these tables has a dp_rank in one of them."""
    ranked = [
        raw.frame.group_by("prof_id").agg(pl.col("dp_rank").is_not_null().any()) for raw in tables if raw
    ]
    known = pl.concat(ranked).group_by("prof_id").agg(pl.col("dp_rank").any()) if ranked else None
    return known is None or bool(known["dp_rank"].all())


def _labelled_ranks(store: Store, progress: Progress) -> dict[tuple[str, int], int]:
    """Return the dp_rank by host and pid that processes are labelled with (`host,dp2`).

    In profiler.db's table `process`, else in the trace. What cannot be read tells nothing.
    """
    labels: Iterable[tuple[int, str | None, int | None]] = ()
    if store.database and "process" in store.database_tables:
        with suppress(Unreadable):
            labels = _of_database(store.database, progress)
    if not labels and store.has_trace:
        with suppress(OSError):
            labels = _of_trace(store, progress)
    return {(host, pid): rank for pid, host, rank in labels if host is not None and rank is not None}


def _of_database(path: Path, progress: Progress) -> list[tuple[int, str | None, int | None]]:
    from lbtui.sources.trace.events import labelled

    with database.connect(path, progress) as opened:
        rows = opened.query("SELECT CAST(pid AS INTEGER), label FROM process", _LABELS).drop_nulls()
    return [(pid, *found) for pid, label in rows.iter_rows() if (found := labelled(label)) is not None]


def _of_trace(store: Store, progress: Progress) -> Iterable[tuple[int, str | None, int | None]]:
    from lbtui.sources.trace.events import EventCollector
    from lbtui.sources.trace.names import names_behind

    trace, _notes = store.trace(progress)
    if trace is not None:
        processes = trace.processes
    else:  # unreadable, or large beside tables: labels stand near its end
        assert store.output.trace is not None
        collector = EventCollector()
        for event in names_behind(store.output.trace, 0, progress):
            collector.take(0, event)
        processes = collector.processes()
    return processes.select("pid", "host", "dp_rank").iter_rows()


def _first_requests(store: Store, batch: Raw | None, progress: Progress) -> Mapping[str, Collection[str]]:
    """Return the ids of the requests in the first rounds of each scheduler; empty where nothing tells."""
    if batch is None:
        return {}
    columns = ("prof_id", "res_list")
    if batch.provenance.reader in READERS:
        trace, _notes = store.whole_trace(progress)
        if trace is None:
            return {}
        spans = name_processes(trace.spans.head(_ROUNDS), trace.processes)
        rounds = spans.select("prof_id", request_id="rids")
    else:
        try:
            if batch.provenance.reader == "sqlite":
                assert store.database is not None
                where = f"1 ORDER BY rowid LIMIT {_ROUNDS}"
                read = database.read_where(store.database, "batch", columns, where, ())
            else:
                read = csv_file.read_first(store.output.csv["batch"], "batch", columns, _ROUNDS)
        except Unreadable:
            return {}
        rounds = read.select("prof_id", request_id=request_ids("res_list"))
    ids = (
        rounds.explode("request_id", empty_as_null=True)
        .drop_nulls()
        .group_by("prof_id")
        .agg(pl.col("request_id").unique())
    )
    return dict(ids.iter_rows())
