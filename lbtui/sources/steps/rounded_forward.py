"""Forward passes whose times a spreadsheet rounded, placed again by the rounds that hold them.

`relative_start_time(ms)` counts from the first pass of each host and is short enough to survive. What it
counts from is the moment that puts the host's passes into scheduling rounds of their sizes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import polars as pl
from numpy.typing import NDArray

from lbtui.profile import Note, Progress
from lbtui.sources.steps.recorded import EXECUTION
from lbtui.sources.store import Raw, Store
from lbtui.sources.tables.tables import usual_columns
from lbtui.text import _, in_list, visible

_COMPARED = 200  # passes, from the first
_MOST_ROUNDS = 20_000
_LEAD = 3_000  # µs from a round's begin to its pass at the most
_SHARE = 0.9  # of the passes must lie in rounds
_APART = 5_000  # µs: places nearer than that are one

_Times = NDArray[np.int64]


@dataclass(frozen=True)
class _Run:
    """What one process ran by start; µs."""

    start: _Times
    end: _Times
    size: _Times


def are_rounded(store: Store, progress: Progress) -> bool:
    """Tell whether the forward table's times are too coarse to be of use."""
    return "start" in store.clocks(progress).of["forward"].unknown


def rebuild_forward(store: Store, batch: Raw | None, progress: Progress) -> tuple[Raw | None, list[Note]]:
    """Return the forward table with times rebuilt, None where no round tells them; and notes."""
    columns = [c for c in usual_columns("forward") if c not in ("start", "end")]
    raw, notes = store.read("forward", [*columns, "relative"], progress)
    if raw is None:
        return None, notes
    if batch is None:
        return None, [*notes, _note(raw, raw.frame.clear())]
    rounds = _runs(batch.frame.filter(pl.col("name").is_in(EXECUTION)), "start", "end")
    passes = raw.frame.drop_nulls(["relative", "duration"]).with_columns(
        begin=(pl.col("relative") * 1000).cast(pl.Int64)
    )
    passes = passes.with_columns(finish=pl.col("begin") + (pl.col("duration") * 1000).cast(pl.Int64))
    zeros = {}
    for (host,), of_host in passes.group_by("host", maintain_order=True):
        # All of one host count from one moment: the process with most passes tells it best.
        most = of_host["prof_id"].mode().min()
        zero = _zero(_runs(of_host.filter(pl.col("prof_id") == most), "begin", "finish"), rounds)
        if zero is not None:
            zeros[host] = zero
    places = pl.DataFrame(
        {"host": list(zeros), "zero": list(zeros.values())}, schema={"host": pl.String, "zero": pl.Int64}
    )
    placed = (
        passes.join(places, on="host", nulls_equal=True, maintain_order="left")
        .with_columns(
            start=(pl.col("zero") + pl.col("begin")).cast(pl.Datetime("us")),
            end=(pl.col("zero") + pl.col("finish")).cast(pl.Datetime("us")),
        )
        .select(*usual_columns("forward"), "row")
    )
    notes.append(_note(raw, placed))
    return (None if placed.is_empty() else replace(raw, frame=placed, notes=())), notes


def _note(raw: Raw, placed: pl.DataFrame) -> Note:
    text = _(
        "Its times are rounded, as a spreadsheet does when it saves a file: {count} of {all} passes are "
        "placed by relative_start_time(ms) and the scheduling rounds that hold them, to some 0.1 ms{hosts}."
    )
    lost = raw.frame.join(placed, on="row", how="anti")
    hosts = lost["host"].drop_nulls().unique().sort().to_list()
    left_out = _("; those of {hosts} fit no rounds, or several, and are left out").format(
        hosts=visible(in_list(hosts), 200)
    )
    return Note(
        raw.provenance.file,
        text.format(count=placed.height, all=raw.frame.height, hosts=left_out if hosts else ""),
        lost=bool(hosts),
    )


def _runs(frame: pl.DataFrame, start: str, end: str) -> list[_Run]:
    """Return what each process ran, those of unknown name left out."""
    known = frame.drop_nulls(["prof_id", "batch_size"]).sort(start)
    return [
        _Run(*(part[name].cast(pl.Int64).to_numpy() for name in (start, end, "batch_size")))
        for part in known.partition_by("prof_id", maintain_order=True)
    ]


def _zero(passes: list[_Run], rounds: list[_Run]) -> int | None:
    """Return the moment (µs since 1970) that a process's passes count from, None if it is not plain."""
    if not passes:
        return None
    run = passes[0]
    found: list[tuple[float, int]] = []
    for of in rounds:
        for at in np.flatnonzero(of.size[:_MOST_ROUNDS] == run.size[0]).tolist():
            # Where the first pass begins in this round, the others must lie in rounds, too.
            guess = int(of.start[at] - run.start[0])
            share, zero = _fit(run, of, guess, _COMPARED)
            if share >= _SHARE:
                found.append((share, zero))
    if not found:
        return None
    best = max(found)[1]
    if any(abs(zero - best) > _APART for _share, zero in found):
        return None
    return best


def _fit(run: _Run, rounds: _Run, guess: int, most: int) -> tuple[float, int]:
    """Return the share of the passes that lie in rounds of their size if they count from about `guess`, and
    from when they count if they lie in the middle of these.
    """
    start, end = run.start[:most] + guess, run.end[:most] + guess
    at = np.searchsorted(rounds.start, start + _LEAD, side="right") - 1
    inside = (at >= 0) & (end <= rounds.end[at] + _LEAD) & (start >= rounds.start[at] - _LEAD)
    inside &= rounds.size[at] == run.size[:most]
    if not inside.any():
        return 0.0, guess
    middle = (rounds.start[at] + rounds.end[at] - start - end)[inside] / 2
    return float(inside.mean()), guess + int(np.median(middle))
