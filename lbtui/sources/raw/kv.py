"""KV-cache blocks per DP domain, as each scheduler told them: the frame `kv`."""

from __future__ import annotations

import polars as pl

from lbtui.profile import Loaded, Note
from lbtui.sources.canonical.kv import by_time, placed, with_pools
from lbtui.sources.raw.events import RawEvents
from lbtui.sources.steps.owners import Owners
from lbtui.sources.tables import cells
from lbtui.text import _, in_list, visible

# What is free after the event, the best first. vLLM's v0 tells by `deviceBlock=` how many sequences hold
# blocks, and looks up what is free.
_FREE = ("deviceFreeBlock", "FreeBlocks=", "deviceBlock=")


def load_kv(events: RawEvents, owners: Owners) -> Loaded:
    """Return `kv`: free, used and total blocks and usage per DP domain, each reading at its own time.

    Where the size of a domain's pool is not recorded it is the most that it ever had free.
    """
    records = events.kv_records()
    numbers = [cells.count(records[name]).alias(name) for name in (*_FREE, "TotalBlocks=")]
    looked_up = pl.col("deviceFreeBlock").is_not_null().any().over("prof_id")
    readings = (
        records.select("prof_id", "start", *numbers)
        .select(
            "prof_id",
            time="start",
            free_blocks=pl.when(looked_up).then("deviceFreeBlock").otherwise(pl.coalesce(_FREE)),
            written=pl.col("TotalBlocks="),
        )
        .drop_nulls("free_blocks")
        .join(owners.frame.select("prof_id", "domain"), on="prof_id", how="left", maintain_order="left")
    )
    notes = []
    if unknown := readings["domain"].null_count():
        text = _("{count} of {all} KV readings are of processes of no known DP domain and are not drawn.")
        notes.append(Note(events.file, text.format(count=unknown, all=readings.height)))
    known = with_pools(readings.drop_nulls("domain").sort("time", maintain_order=True))
    pool = pl.col("written").max().over("domain")
    known = known.with_columns(
        total_blocks=pl.max_horizontal(pool.fill_null(pl.col("total_blocks")), "free_blocks")
    )
    known = known.with_columns(used_blocks=pl.col("total_blocks") - pl.col("free_blocks")).with_columns(
        usage=pl.when(pl.col("total_blocks") > 0).then(pl.col("used_blocks") / pl.col("total_blocks"))
    )
    unsized = (
        known.filter(pl.col("written").max().over("domain").is_null())["domain"].unique().sort().to_list()
    )
    if unsized:
        text = _(
            "The size of the KV pool of {domains} is not recorded: usage is 1 − free / the most blocks the "
            "domain ever had free, a lower bound where it never stood empty."
        )
        notes.append(Note(events.file, text.format(domains=visible(in_list(unsized), 300))))
    frame = by_time(placed(known, owners))
    return Loaded(frame, (events.provenance(frame.height),) if readings.height else (), tuple(notes))
