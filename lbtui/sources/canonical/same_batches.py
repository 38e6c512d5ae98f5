"""Tells from times and sizes alone whether two processes run the same batches."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import polars as pl
from numpy.typing import NDArray

MOST_COMPARED = 5000  # runs of each process, from its first
# Cards of one batch start within moments of each other: so much of a run's length at the most.
_START_TOLERANCE = 0.15
_SHARE = 0.8  # of the runs must coincide

Times: TypeAlias = NDArray[np.int64]


@dataclass(frozen=True)
class Runs:
    """What one process ran, by start: forward passes or scheduling rounds; times in µs."""

    start: Times
    end: Times
    size: Times  # requests; -1 where unknown


def runs_by_process(frame: pl.DataFrame) -> dict[str, Runs]:
    """Return the first runs of each prof_id in a frame with `prof_id`, `start`, `end`, `batch_size`."""
    grouped = (
        frame.select(
            "prof_id",
            pl.col("start", "end").cast(pl.Int64),
            pl.col("batch_size").fill_null(-1).cast(pl.Int64),
        )
        .sort("start")
        .group_by("prof_id")
        .agg(pl.all().head(MOST_COMPARED))
    )
    return {
        prof_id: Runs(np.array(start), np.array(end), np.array(size))
        for prof_id, start, end, size in grouped.iter_rows()
    }


def same_batches(one: Runs, other: Runs) -> bool:
    """Tell whether both run batches of equal sizes at equal times, as the cards of one domain do.

    Clocks may differ and pipeline stages follow each other: a constant shift is allowed. Processes that never
    ran at the same time, such as one and its successor, contradict nothing.
    """
    first, last = max(one.start[0], other.start[0]), min(one.end[-1], other.end[-1])
    if first >= last:
        return True
    # The first of them need not start on the dot.
    slack = int(np.median(one.end - one.start)) // 2
    one, other = _within(one, first - slack, last), _within(other, first - slack, last)
    counts = sorted((len(one.start), len(other.start)))
    if counts[0] < _SHARE * counts[1]:
        return False
    if not counts[0]:
        return True
    # Nearest in time where starts coincide; by number where one is a stage behind the other.
    common = counts[0]
    shifts = (0, int(np.median(other.start[:common] - one.start[:common])))
    return any(_coincide(one, other, shift) for shift in shifts)


def share_enclosed(passes: Runs, rounds: Runs) -> float:
    """Return the share of forward passes that start inside a round of their own size, 0 to 1.

    Of the time that both cover; 0 if there is none.
    """
    passes = _within(passes, rounds.start[0], rounds.end[-1])
    if not len(passes.start):
        return 0.0
    before = np.searchsorted(rounds.start, passes.start, side="right") - 1
    inside = (before >= 0) & (passes.start < rounds.end[before])
    return float(np.mean(inside & (passes.size == rounds.size[before])))


def _within(runs: Runs, first: int, last: int) -> Runs:
    kept = (runs.start >= first) & (runs.start <= last)
    return Runs(runs.start[kept], runs.end[kept], runs.size[kept])


def _coincide(one: Runs, other: Runs, shift: int) -> bool:
    """Tell whether each run of `one` has one of `other` of its size, `shift` and a constant later."""
    starts = other.start - shift
    right = np.searchsorted(starts, one.start).clip(1, max(len(starts) - 1, 1))
    right = right.clip(0, len(starts) - 1)
    left = (right - 1).clip(0)
    nearest = np.where(np.abs(starts[left] - one.start) <= np.abs(starts[right] - one.start), left, right)
    gap = starts[nearest] - one.start
    length = float(np.median(one.end - one.start))
    constant = float(np.median(gap))
    if abs(constant) > length / 2:
        return False
    close = np.abs(gap - constant) <= _START_TOLERANCE * length
    return bool(np.mean(close & (one.size == other.size[nearest])) > _SHARE)
