"""Tells from times and sizes alone whether two processes run the same batches."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

import numpy as np
import polars as pl
from numpy.typing import NDArray

MOST_COMPARED = 5000  # runs of each process, from its first
# Cards of one batch start within moments of each other: so much of a run's length at the most.
_START_TOLERANCE = 0.15
_SHARE = 0.8  # of the runs must coincide
_MOST_STAGES = 8  # runs that one process may be behind another
_FEWEST_SHIFTED = 8  # runs, below which a shift is found by chance

Times: TypeAlias = NDArray[np.int64]


@dataclass(frozen=True)
class Runs:
    """What one process ran, by start: forward passes or scheduling rounds; times in µs."""

    start: Times
    end: Times
    size: Times  # requests; -1 where unknown

    @cached_property
    def length(self) -> float:
        """The median duration, µs."""
        return _median(self.end - self.start)


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
    ends = grouped["start"].list.len().cum_sum().to_list()
    columns = [grouped[name].explode().to_numpy() for name in ("start", "end", "batch_size")]
    return {
        prof_id: Runs(*(column[begin:end] for column in columns))
        for prof_id, begin, end in zip(grouped["prof_id"], [0, *ends], ends, strict=False)
    }


def same_batches(one: Runs, other: Runs) -> bool:
    """Tell whether both run batches of equal sizes at equal times, as the cards of one domain do.

    Clocks may differ and pipeline stages follow each other: a constant shift is allowed. Processes that never
    ran at the same time, such as one and its successor, contradict nothing.
    """
    if max(one.start[0], other.start[0]) >= min(one.end[-1], other.end[-1]):
        return True
    return any(_coincide(one, other, shift) for shift in (0, *_shifts(one, other)))


def _shifts(one: Runs, other: Runs) -> list[int]:
    """Return how much later `other` may be: from a run in the middle of `one` to those around it."""
    if min(len(one.start), len(other.start)) < _FEWEST_SHIFTED:
        return []
    at = one.start[len(one.start) // 2]
    near = int(np.searchsorted(other.start, at))
    around = other.start[max(near - _MOST_STAGES, 0) : near + _MOST_STAGES]
    return [int(start - at) for start in around]


def share_enclosed(passes: Runs, rounds: Runs) -> float:
    """Return the share of forward passes that start inside a round of their own size, 0 to 1.

    Of the time that both cover; 0 if there is none.
    """
    passes = _within(passes, rounds.start[0], rounds.end[-1])
    if not len(passes.start):
        return 0.0
    before = np.searchsorted(rounds.start, passes.start, side="right") - 1
    inside = (before >= 0) & (passes.start < rounds.end[before])
    return _share(inside & (passes.size == rounds.size[before]))


def _within(runs: Runs, first: int, last: int) -> Runs:
    if first <= runs.start[0] and runs.start[-1] <= last:
        return runs
    kept = (runs.start >= first) & (runs.start <= last)
    return Runs(runs.start[kept], runs.end[kept], runs.size[kept])


def _coincide(one: Runs, other: Runs, shift: int) -> bool:
    """Tell whether most runs of one have one of the other of equal size, `shift` µs and a constant later."""
    if shift:
        other = Runs(other.start - shift, other.end - shift, other.size)
    length = one.length
    # The first of them need not start on the dot.
    first = max(one.start[0], other.start[0]) - int(length / 2)
    last = min(one.end[-1], other.end[-1])
    one, other = _within(one, first, last), _within(other, first, last)
    counts = sorted((len(one.start), len(other.start)))
    if not counts[0] or counts[0] < _SHARE * counts[1]:
        return False
    right = np.minimum(np.searchsorted(other.start, one.start), len(other.start) - 1)
    left = np.maximum(right - 1, 0)
    to_left, to_right = other.start[left] - one.start, other.start[right] - one.start
    to_right_one = np.abs(to_right) < np.abs(to_left)
    gap = np.where(to_right_one, to_right, to_left)
    constant = _median(gap)
    if abs(constant) > length / 2:
        return False
    nearest = np.where(to_right_one, right, left)
    close = np.abs(gap - constant) <= _START_TOLERANCE * length
    return _share(close & (one.size == other.size[nearest])) > _SHARE


# NumPy's own median and mean take ten times as long for the few runs of one of very many processes.


def _median(times: Times) -> float:
    ordered = np.sort(times)
    middle = len(ordered) // 2
    return (float(ordered[middle]) + float(ordered[~middle])) / 2


def _share(flags: NDArray[np.bool_]) -> float:
    return int(np.count_nonzero(flags)) / len(flags)
