"""A batch table that names no process nor tokens, as the parser of CANN 8.x wrote it, given both."""

from __future__ import annotations

from dataclasses import replace

import polars as pl

from lbtui.profile import Note, Progress
from lbtui.sources.res_list import request_ids, scheduled
from lbtui.sources.steps.hints import read_hints
from lbtui.sources.steps.owners import Owners, find_owners
from lbtui.sources.steps.recorded import EXECUTION, GROUPING
from lbtui.sources.steps.round_owners import owners_of_queues, owners_of_rounds
from lbtui.sources.steps.served import service_order
from lbtui.sources.store import Raw, Store
from lbtui.text import _


def are_unnamed(batch: Raw | None) -> bool:
    """Tell whether no round of the table says which process it is of."""
    return batch is not None and bool(batch.frame.height) and bool(batch.frame["prof_id"].is_null().all())


def name_rounds(
    store: Store, forward: Raw | None, batch: Raw, progress: Progress
) -> tuple[Raw, Owners, list[Note]]:
    """Return the batch table with a process of the domain of each round where that is sure, and its tokens;
    all owners, also of the processes whose queues are those of one domain; and a note.
    """
    cards = find_owners(forward, None, read_hints(store, forward, None, progress))
    columns = ("name", "start", "end", "batch_size", "res_list")
    # Not kept: the request ids are most of the file.
    raw, _notes = store.read("batch", columns, progress)
    read = batch.frame.head(0) if raw is None else raw.frame
    lists = request_ids("res_list") if raw is not None else pl.lit(None, pl.List(pl.String))
    rounds = read.with_columns(executed=pl.col("name").is_in(EXECUTION), request_id=lists).filter(
        pl.col("executed") | pl.col("name").is_in(GROUPING)
    )
    passes = forward.frame if forward is not None else batch.frame.head(0)
    found = owners_of_rounds(rounds, passes, cards.frame)
    told = found.rename({"end": "told_end"})
    named = (
        batch.frame.drop("prof_id")
        .join(told, on="row", how="left", maintain_order="left")
        .with_columns(
            end=pl.coalesce("told_end", "end"),
            # What the file tells is the grouping's own, not that of the pass it comes before.
            duration=pl.when(
                pl.col("told_end").eq_missing(pl.col("end")) | pl.col("told_end").is_null()
            ).then("duration"),
        )
        .drop("told_end")
    )
    if raw is not None:
        sizes = rounds.select("row", **scheduled("res_list"))
        named = named.drop(sizes.columns[1:]).join(sizes, on="row", how="left", maintain_order="left")
    owners = replace(cards, rounds=found.drop("end"))
    served = rounds.drop("end").join(found, on="row", how="inner")
    owners = replace(owners, frame=_with_queues(store, owners, served, progress))
    return replace(batch, frame=named), owners, [_note(batch, rounds.height, found.height)]


def _with_queues(store: Store, owners: Owners, rounds: pl.DataFrame, progress: Progress) -> pl.DataFrame:
    """Return the owners with the processes of request_status.csv that serve one domain's requests."""
    status, _notes = store.table("request_status", progress)
    if status is None or rounds.is_empty():
        return owners.frame
    service = service_order([rounds.select("name", "prof_id", "start", "request_id")], owners)
    of_domain = {row["domain"]: row for row in owners.frame.drop_nulls("domain").iter_rows(named=True)}
    rows = [
        {**of_domain[domain], "prof_id": f"ms_service_{host}-{pid}", "host": host}
        for host, pid, domain in owners_of_queues(status.frame, service)
    ]
    known = set(owners.frame["prof_id"])
    new = [row for row in rows if row["prof_id"] not in known]
    return pl.concat([owners.frame, pl.DataFrame(new, schema=owners.frame.schema)])


def _note(batch: Raw, rounds: int, known: int) -> Note:
    text = _(
        "It names no process, as the parser of CANN 8.x wrote it: {known} of {all} rounds are given to DP "
        "domains by the forward passes they enclose, their sizes and requests; the others have no owner."
    )
    return Note(batch.provenance.file, text.format(known=known, all=rounds))
