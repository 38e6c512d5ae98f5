"""Schedulers that write queues and run nothing: the DP domains whose numbers are missing."""

from __future__ import annotations

from statistics import median

import polars as pl

from lbtui.profile import Note
from lbtui.text import _, visible

_AS_OFTEN = 0.5  # of the readings of the schedulers that run


def labelled_owners(owners: pl.DataFrame, processes: pl.DataFrame) -> pl.DataFrame:
    """Return `owners` (by `host` and `pid`) with the processes that are owned by none and name their dp_rank.

    `processes` are `host`, `pid` and `dp_rank` of each. One becomes the domain of its rank where its host is
    of one instance, which has no domain of that rank.
    """
    stem = pl.col("domain").str.strip_suffix(pl.format("dp{}", "dp_rank"))
    named = owners.drop_nulls(["domain", "dp_rank"]).with_columns(stem=stem)
    alone = (
        named.filter(pl.col("stem") != pl.col("domain"))
        .group_by("host")
        .agg(pl.col("instance", "stem").unique())
    )
    alone = alone.filter(pl.col("instance").list.len() == 1, pl.col("stem").list.len() == 1).explode(
        "instance", "stem"
    )
    found = (
        processes.select("host", "pid", pl.col("dp_rank").cast(owners.schema["dp_rank"]))
        .drop_nulls()
        .join(owners, on=["host", "pid"], how="anti")
        .join(named, on=["host", "dp_rank"], how="anti")
        .join(alone, on="host")
        .join(named, on=["instance", "dp_rank"], how="anti")
        .with_columns(domain=pl.format("{}dp{}", "stem", "dp_rank"))
    )
    return pl.concat([owners, found.select(owners.columns)])


def idle_owners(state: pl.DataFrame, owners: pl.DataFrame, file: str) -> tuple[pl.DataFrame, list[Note]]:
    """Return `owners` (by `host` and `pid`) with idle schedulers as the domains that are missing.

    A process of `state` (queues over time) that has no owner, whose queues are empty from the first reading
    to the last and which reads as often as its neighbours is idle. It is the domain of a number that is
    missing between those of its instance, if as many are missing as are idle there; in order of pid.
    """
    seen = state.group_by("host", "pid").agg(
        n=pl.len(), most=pl.max_horizontal(pl.col("waiting", "running").max()), all=pl.col("running").count()
    )
    known = seen.join(owners, on=["host", "pid"]).drop_nulls(["domain", "dp_rank"])
    idle = seen.join(owners, on=["host", "pid"], how="anti").filter(pl.col("most") == 0, pl.col("all") > 0)
    if known.is_empty() or idle.is_empty():
        return owners, []
    rows, notes = [], []
    for (instance,), part in known.group_by(["instance"], maintain_order=True):
        ranks = set(owners.filter(pl.col("instance") == instance)["dp_rank"].drop_nulls().to_list())
        missing = sorted(set(range(max(ranks) + 1)) - ranks)
        readings = _AS_OFTEN * median(part["n"].to_list())
        hosts = part["host"].unique().to_list()
        own = idle.filter(pl.col("host").is_in(hosts), pl.col("n") >= readings).sort("pid")
        if not missing or own.height != len(missing):
            continue
        sibling = part.row(0, named=True)
        stem = str(sibling["domain"]).removesuffix(f"dp{sibling['dp_rank']}")
        if stem == sibling["domain"]:
            continue
        for rank, (host, pid) in zip(missing, own.select("host", "pid").iter_rows(), strict=True):
            rows.append((instance, host, rank, f"{stem}dp{rank}", pid))
            text = _(
                "Process {pid} of {host} writes queues that stay empty, and no round or pass is its own: it "
                "is taken for dp{rank}, the number that is missing."
            )
            notes.append(Note(file, text.format(pid=pid, host=visible(str(host)), rank=rank)))
    if not rows:
        return owners, []
    columns = ["instance", "host", "dp_rank", "domain", "pid"]
    found = pl.DataFrame(rows, schema={name: owners.schema[name] for name in columns}, orient="row")
    return pl.concat([owners, found.select(owners.columns)]), notes
