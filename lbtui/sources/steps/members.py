"""In which scheduling rounds each request was, and when its scheduler took it up."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from lbtui.profile import Progress
from lbtui.sources.events import READERS, Events
from lbtui.sources.res_list import request_ids
from lbtui.sources.steps.from_trace import name_processes
from lbtui.sources.steps.recorded import EXECUTION, GROUPING
from lbtui.sources.steps.scheduling import Scheduling
from lbtui.sources.store import Store
from lbtui.sources.trace.requests import by_client_id

_COLUMNS = ("name", "prof_id", "start", "end", "res_list")
_MEMBERS = pl.Schema({"request": pl.UInt32(), "prof_id": pl.Categorical(), "row": pl.Int64()})
_TAKEN = pl.Schema({"request": pl.UInt32(), "time": pl.Datetime("us")})


def read_members(
    store: Store, scheduling: Scheduling, batches: pl.DataFrame, ids: pl.Series, progress: Progress
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return `_MEMBERS`, a row for each request of each of `batches`, and `_TAKEN`, when it was taken up.

    `request` is the place of its id in `ids`; others are left out.
    """
    batch = scheduling.batch
    if batch is None:
        return pl.DataFrame(schema=_MEMBERS), pl.DataFrame(schema=_TAKEN)
    known = pl.DataFrame({"request_id": ids}).with_row_index("request").drop_nulls()
    known = known.unique("request_id", keep="first", maintain_order=True)
    grouped = grouping_of(batch.frame)
    if batch.provenance.reader in READERS:
        events, _notes = store.whole_trace(progress)
        assert events is not None
        return _of_events(events, grouped, known, batches)
    rows = batches.select("prof_id", "row").unique("row")

    def read(parts: Iterator[pl.DataFrame]) -> pl.DataFrame:
        found = [pl.DataFrame(schema={"row": pl.Int64, "request": pl.UInt32})]
        for part in parts:
            listed = part.join(rows, on="row", how="semi").select("row", request_id=request_ids("res_list"))
            own = listed.explode("request_id", empty_as_null=True).join(known, on="request_id")
            found.append(own.select("row", "request"))
        return pl.concat(found)

    members = store.parts(batch, "batch", _COLUMNS, read, progress)
    taken = members.join(grouped, on="row").group_by("request", "prof_id").agg(pl.col("time").min())
    named = members.join(rows, on="row", how="left", maintain_order="left")
    return _as(named, _MEMBERS), _as(taken, _TAKEN).sort("time")


def grouping_of(batch: pl.DataFrame) -> pl.DataFrame:
    """Return of executed rounds (`prof_id`, `row`) when they were grouped: `time`, and that `group`'s row.

    That is the last grouping of the same size and process that begins before the execution and is no other
    execution's.
    """
    columns = ("prof_id", "start", "batch_size", "row")
    known = batch.drop_nulls(["prof_id", "start"])
    groups = known.filter(pl.col("name").is_in(GROUPING)).select(columns)
    runs = known.filter(pl.col("name").is_in(EXECUTION)).select(columns)
    return (
        runs.sort("start", maintain_order=True)
        .join_asof(
            groups.rename({"row": "group"}).with_columns(time="start").sort("start", maintain_order=True),
            on="start",
            by=["prof_id", "batch_size"],
            check_sortedness=False,
        )
        .drop_nulls("time")
        .unique(["prof_id", "group"], keep="first", maintain_order=True)
        .select("prof_id", "row", "group", "time")
    )


def _of_events(
    events: Events, grouped: pl.DataFrame, known: pl.DataFrame, batches: pl.DataFrame
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return what `read_members` does, of rounds that list their requests or whose grouping does."""
    spans = name_processes(events.spans, events.processes).select("prof_id", row="offset", request_id="rids")
    rounds = batches.select("prof_id", "row")
    told = spans.filter(pl.col("request_id").list.len() > 0)
    own = rounds.join(told, on=["prof_id", "row"])
    others = (
        rounds.join(own, on=["prof_id", "row"], how="anti")
        .join(grouped, on=["prof_id", "row"])
        .join(told, left_on=["prof_id", "group"], right_on=["prof_id", "row"])
    )
    listed = pl.concat([frame.select("prof_id", "row", "request_id") for frame in (own, others)])
    members = events.linked(listed).explode("request_id", empty_as_null=True)
    named = by_client_id(members, events.client_ids).join(known, on="request_id")
    left = by_client_id(events.left_queue, events.client_ids).join(known, on="request_id")
    return _as(named, _MEMBERS), _as(left, _TAKEN).sort("time")


def _as(frame: pl.DataFrame, schema: pl.Schema) -> pl.DataFrame:
    return frame.select(pl.col(name).cast(kind) for name, kind in schema.items())
