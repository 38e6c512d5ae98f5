"""Tokens proposed by a draft model and accepted, of each request and step: the frame `speculation`."""

from __future__ import annotations

import json

import polars as pl

from lbtui.profile import Loaded
from lbtui.sources.frame import canonical
from lbtui.sources.raw.events import RawEvents
from lbtui.sources.raw.scheduled import requests_of
from lbtui.sources.trace.requests import by_client_id

_COUNTS = "spec_decode_accepted_by_req"
_ACCEPTED = pl.Schema({"told": pl.Int64(), "request_id": pl.String(), "accepted_there": pl.Int64()})


def load_speculation(events: RawEvents) -> Loaded:
    """Return `speculation`, by time.

    What was accepted is told by the run of the model that encloses the proposal, else by the next one of its
    process (upstream takes the next always); else as the proposal itself has it.
    """
    records = events.proposals().with_row_index("cell")
    told = requests_of(records["rid"])
    proposals = (
        records.select(pl.col("cell").cast(pl.Int64), "prof_id", "start", "end")
        .join(told, on="cell", maintain_order="left_right")
        .with_columns(proposed=pl.coalesce("proposed", "tokens"))
    )
    runs = _with_counts(events.runs()).with_row_index("told")
    rows = _step_of(proposals, runs).join(
        _accepted(runs), on=["told", "request_id"], how="left", maintain_order="left"
    )
    # A run that tells of others tells of all.
    of_run = pl.when(pl.col("told").is_not_null()).then(pl.col("accepted_there").fill_null(0))
    known = rows.with_columns(accepted=pl.coalesce(of_run, "accepted")).sort("start", maintain_order=True)
    frame = canonical(by_client_id(events.linked(known), events.client_ids), "speculation")
    # Where nothing was recorded there is nothing to tell a place of.
    return Loaded(frame, (events.provenance(frame.height),) if frame.height else ())


def _with_counts(runs: pl.DataFrame) -> pl.DataFrame:
    """Return the runs that tell what was accepted; the native interface puts attributes into a text `msg`."""
    told = pl.col(_COUNTS)
    within = pl.col("msg").str.json_path_match(f"$.{_COUNTS}")
    return runs.with_columns(pl.coalesce(told, within)).drop_nulls(_COUNTS)


def _step_of(proposals: pl.DataFrame, runs: pl.DataFrame) -> pl.DataFrame:
    """Return the proposals with the run that `told` of them."""
    found = runs.select("prof_id", pl.col("told").cast(pl.Int64), start="start", run_end="end").sort("start")
    ordered = proposals.sort("start", maintain_order=True)
    around = ordered.join_asof(
        found, on="start", by="prof_id", strategy="backward", check_sortedness=False
    ).with_columns(around=pl.when(pl.col("run_end") >= pl.col("end")).then("told"))
    after = around.drop("told", "run_end").with_columns(key=pl.col("end")).sort("key", maintain_order=True)
    following = found.select("prof_id", "told", key="start")
    joined = after.join_asof(following, on="key", by="prof_id", strategy="forward", check_sortedness=False)
    return joined.with_columns(told=pl.coalesce("around", "told"))


def _accepted(runs: pl.DataFrame) -> pl.DataFrame:
    rows = []
    for number, text in runs.select("told", _COUNTS).iter_rows():
        try:
            counts = json.loads(text)
        except (ValueError, RecursionError):
            continue
        if isinstance(counts, dict):
            rows += [(number, rid, n) for rid, n in counts.items() if type(n) is int and 0 <= n < 1 << 31]
    return pl.DataFrame(rows, schema=_ACCEPTED, orient="row").unique(["told", "request_id"], keep="first")
