"""What all loaders do last: give a frame its canonical columns and types, and lanes that can be."""

from __future__ import annotations

from dataclasses import replace

import polars as pl

from lbtui.profile import SCHEMAS, FrameName, Note
from lbtui.sources.store import Raw
from lbtui.text import _

# No cluster has as many P/D nodes, ranks or layers, nor as many DP domains, with several metrics each. A file
# that tells of more is broken, and what is computed lane by lane must not take minutes for it.
MOST_LANES = 4096
MOST_DOMAINS = 1024
MOST_PROCESSES = 8192  # cards, and as many schedulers


def canonical(frame: pl.DataFrame, name: FrameName) -> pl.DataFrame:
    """Return the columns of the frame `name`, in its order and types.

    A number too large for its type can only be a broken cell, and becomes null.
    """
    made = frame.select(pl.col(c).cast(kind, strict=False) for c, kind in SCHEMAS[name].items())
    # A column of which nothing is known takes no memory this way.
    unknown = [c.name for c in made if 0 < c.null_count() == len(c)]
    return made.with_columns(pl.lit(None, made.schema[name]).alias(name) for name in unknown)


def possible_lanes(
    frame: pl.DataFrame, lane: str, file: str, header: str, most: int = MOST_LANES
) -> tuple[pl.DataFrame, list[Note]]:
    """Return the rows of the first `most` different values of column `lane`, and a note on the others.

    `header` is what the file calls the column.
    """
    lanes = frame[lane].n_unique()
    if lanes <= most:
        return frame, []
    kept = frame.filter(pl.col(lane).is_in(frame[lane].unique(maintain_order=True).head(most).implode()))
    text = _(
        "It has {lanes} different {header}, more than any cluster; only the first {most} are shown, "
        "{rows} rows are left out."
    ).format(lanes=lanes, header=header, most=most, rows=frame.height - kept.height)
    return kept, [Note(file, text, lost=True)]


def possible_processes(raw: Raw | None) -> Raw | None:
    """Return the rows of a table of scheduling of its first `MOST_PROCESSES` processes, the others told."""
    if raw is None:
        return None
    frame, notes = possible_lanes(raw.frame, "prof_id", raw.provenance.file, "prof_id", MOST_PROCESSES)
    return replace(raw, frame=frame, notes=(*raw.notes, *notes)) if notes else raw
