"""Requests per prefill and decode node and time bin: the frame `nodes`."""

from __future__ import annotations

import polars as pl

from lbtui.profile import SCHEMAS, Loaded, Note, Progress, empty
from lbtui.sources.frame import possible_lanes
from lbtui.sources.store import Store
from lbtui.text import _, visible

_NODE = ("address", "role")


def load_nodes(store: Store, progress: Progress) -> Loaded:
    """Return `nodes` from coordinator.csv, profiler.db's table of that name, or the trace's dispatches."""
    raw, notes = store.table("coordinator", progress)
    if raw is not None:
        file = raw.provenance.file
        possible, lane_notes = possible_lanes(raw.frame, "address", file, "address")
        single, duplicate_notes = merge_duplicates(possible, file)
        frame = rebuild_running(single)
        # One narrow column: only the number of rows counts, and request.csv may be long.
        requests, _unreadable = store.table("request", progress, ("input_tokens",))
        found = [
            *lane_notes,
            *duplicate_notes,
            *_rebuilt_note(frame, file),
            *totals_notes(frame, file, None if requests is None else requests.frame.height),
        ]
        return Loaded(frame, (raw.provenance,), (*notes, *raw.notes, *found))
    trace, trace_notes = store.trace(progress)
    if trace is None or trace.nodes.is_empty():
        return Loaded(empty("nodes"), notes=(*notes, *trace_notes))
    provenance = trace.provenance(trace.nodes.height, _("5 s bins"))
    frame, lane_notes = possible_lanes(trace.nodes, "address", provenance.file, "addresses")
    found = totals_notes(frame, provenance.file, trace.requests.height)
    return Loaded(frame, (provenance,), (*notes, *trace_notes, *lane_notes, *found))


def merge_duplicates(raw: pl.DataFrame, file: str) -> tuple[pl.DataFrame, list[Note]]:
    """Return the rows with one per time, address and role, and a note if there were more.

    Equal rows count once. Of rows that differ, added and ended are summed and the last running_count holds.
    """
    key = ["time", *_NODE]
    values = ["added", "ended", "running_written"]
    distinct = raw.unique([*key, *values], keep="first", maintain_order=True)
    merged = distinct.group_by(key, maintain_order=True).agg(
        # A sum of nothing but nulls is unknown, not 0.
        *(pl.when(pl.col(c).is_not_null().any()).then(pl.col(c).sum()).alias(c) for c in ("added", "ended")),
        pl.col("running_written").last(),
    )
    if merged.height == raw.height:
        return merged, []
    text = _(
        "{rows} rows repeat a time and address: {equal} equal ones count once, of the other {differing} "
        "added and ended are summed and the last running_count is taken."
    ).format(
        rows=raw.height - merged.height,
        equal=raw.height - distinct.height,
        differing=distinct.height - merged.height,
    )
    return merged, [Note(file, text)]


def rebuild_running(raw: pl.DataFrame) -> pl.DataFrame:
    """Return `nodes` with `running` rebuilt: a bin without events carries the last figure forward.

    Upstream writes 0 there (FORMATS.md §6 no. 1). Requests dispatched before the capture are unknown, so
    the figures before a node's first event are a lower bound. A bin whose counts are unknown keeps what
    the file says.
    """
    quiet = (pl.col("added") == 0) & (pl.col("ended") == 0)
    return (
        raw.sort("time", "role", "address", maintain_order=True)
        .with_columns(quiet=quiet.fill_null(False))
        .with_columns(running=pl.when(~pl.col("quiet")).then(pl.col("running_written")))
        .with_columns(carried=pl.col("running").forward_fill().over(_NODE))
        .with_columns(
            running=pl.when(pl.col("quiet"))
            .then(pl.col("carried").fill_null(pl.col("running_written")))
            .otherwise(pl.col("running"))
        )
        .select([pl.col(name).cast(dtype) for name, dtype in SCHEMAS["nodes"].items()])
    )


def totals_notes(nodes: pl.DataFrame, file: str, requests: int | None) -> list[Note]:
    """Return what does not add up in the frame `nodes`, as notes on `file`; none if all is well.

    Three checks. A figure of running that the file gives must be the one before + added - ended, the first
    one starting from 0: else rows are missing (upstream drops time bins off its most common spacing). No
    node may end more than it was given. The `requests` of the profile (None: unknown) may not exceed the
    requests given to prefill nodes.
    """
    return [
        *_broken_sums(nodes, file),
        *_more_ended_than_added(nodes, file),
        *_fewer_than_requests(nodes, file, requests),
    ]


def _broken_sums(nodes: pl.DataFrame, file: str) -> list[Note]:
    written = nodes.filter(pl.col("running_written").is_not_null()).sort("time")
    before = pl.col("running").shift(1).over(_NODE).fill_null(0)
    off = written.filter(pl.col("running") != before + pl.col("added") - pl.col("ended"))
    if off.is_empty():
        return []
    text = _(
        "In {count} of {all} cells running_count is not the figure before + added - ended (first at "
        "{address}): rows are missing here, as upstream drops time bins off its most common spacing. All "
        "totals are too low."
    )
    return [
        Note(file, text.format(count=off.height, all=written.height, address=visible(off["address"][0]))),
    ]


def _more_ended_than_added(nodes: pl.DataFrame, file: str) -> list[Note]:
    surplus = (
        nodes.group_by(_NODE)
        .agg((pl.col("ended").sum() - pl.col("added").sum()).alias("surplus"))
        .filter(pl.col("surplus") > 0)
    )
    if surplus.is_empty():
        return []
    text = _(
        "{nodes} nodes end {requests} requests more than they were given: those were dispatched before the "
        "capture or in bins that are missing. running is too low by them."
    )
    return [Note(file, text.format(nodes=surplus.height, requests=surplus["surplus"].sum()))]


def _fewer_than_requests(nodes: pl.DataFrame, file: str, requests: int | None) -> list[Note]:
    prefill = nodes.filter(pl.col("role") == "prefill")
    given = int(prefill["added"].sum())
    if requests is None or prefill.is_empty() or requests <= given:
        return []
    text = _(
        "The profile has {requests} requests, but only {given} were given to prefill nodes here: the other "
        "{lacking} were dispatched outside the capture, or in time bins that upstream dropped."
    )
    return [Note(file, text.format(requests=requests, given=given, lacking=requests - given))]


def _rebuilt_note(frame: pl.DataFrame, file: str) -> list[Note]:
    rebuilt = frame.filter(pl.col("running") != pl.col("running_written")).height
    if not rebuilt:
        return []
    text = _(
        "running_count is 0 in bins without events; {count} of {all} cells are rebuilt by carrying the last "
        "value forward and marked ~."
    )
    return [Note(file, text.format(count=rebuilt, all=frame.height))]
