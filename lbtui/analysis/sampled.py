"""Batch sizes told from blocks of steps at even distances: means of columns, and how far these may be off.

A step counts in the block in which it begins, with all the time that its batch holds, beyond the block's end
too: so a long step is as likely to be counted as it is to run. A column's mean is Σ area / Σ time over its
blocks, a ratio estimate (Cochran, Sampling Techniques, 3rd ed., 1977, ch. 6); a block's time is that of its
steps where a domain goes from one to the next, else the block's own, as it may be idle in it. The error is
told from how far blocks lie apart, by the t distribution of as many blocks less one. Maxima are not told: a
sample misses them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from lbtui.analysis.imbalance import Floats
from lbtui.analysis.lanes import Micros, parted
from lbtui.profile.sample import StepSample
from lbtui.student_t import two_sided_t

# What share of all exact means lies between low and high; how many blocks a column needs to have a mean.
BAND = 0.9
LEAST_BLOCKS = 4
# From this share of time on in which it is idle a domain rests at times.
_RESTS = 0.01


@dataclass(frozen=True)
class SampledLane:
    """Batch size · time (µs) of the steps that begin in each block, and the time to hold it against."""

    area: Floats
    time: Floats


@dataclass(frozen=True)
class SampledBins:
    """Arrays [lane, bin]: the mean, and between what it lies in 90 % of cases; NaN where too little tells."""

    mean: Floats
    low: Floats
    high: Floats

    def at(self, columns: npt.NDArray[np.intp]) -> SampledBins:
        """Return the same of these columns."""
        return SampledBins(self.mean[:, columns], self.low[:, columns], self.high[:, columns])


def sampled_lanes(sample: StepSample, keys: Sequence[str]) -> list[SampledLane]:
    """Return the batch size of each domain in each block."""
    own = parted(sample.steps, "domain")
    return [_lane(own.get(key, sample.steps.clear()), sample) for key in keys]


def _lane(steps: pl.DataFrame, sample: StepSample) -> SampledLane:
    blocks = len(sample.begins)
    start, end = (steps[name].cast(pl.Int64).to_numpy() for name in ("start", "end"))
    block = steps["block"].to_numpy().astype(np.int64)
    value = steps["batch_size"].cast(pl.Float64).to_numpy()
    # What follows it is told by the next step of the block, of the last by the parser's bubble.
    pause = np.maximum(np.nan_to_num(steps["bubble"].cast(pl.Float64).to_numpy() * 1000), 0)
    following = block[1:] == block[:-1]
    pause[:-1] = np.where(following, np.maximum(start[1:] - end[:-1], 0), pause[:-1])
    idle = pause > end - start
    held = end - start + np.where(idle, 0, pause)
    area, time = (np.bincount(block, of, blocks).astype(float) for of in (held * value, held))
    own = (sample.ends - sample.begins).astype(np.float64)
    # Whether a domain rests as a block begins is not told: where it rests at times, blocks' own time counts.
    rests = float(np.minimum(pause[idle], own[block[idle]]).sum()) > _RESTS * own.sum()
    # So does it where its steps and one that was under way leave some of the block.
    rests_here = own - time > held.max(initial=0)
    return SampledLane(area, np.where(rests | rests_here, own, time))


def sampled_bins(sample: StepSample, lanes: Sequence[SampledLane], edges: Micros) -> SampledBins:
    """Return the means of the columns that have `LEAST_BLOCKS`, and their bands."""
    bins = len(edges) - 1
    middle = (sample.begins + sample.ends) // 2
    of_bin = np.clip(np.searchsorted(edges, middle, side="right") - 1, 0, bins - 1)
    blocks = np.bincount(of_bin, minlength=bins)
    seen = np.bincount(of_bin, sample.ends - sample.begins, bins) / np.diff(edges)
    factor = np.array([two_sided_t(BAND, max(int(n) - 1, 1)) for n in blocks])
    mean, error = (np.full((len(lanes), bins), np.nan) for _ in range(2))
    for row, lane in enumerate(lanes):
        area, time = (np.bincount(of_bin, of, bins) for of in (lane.area, lane.time))
        with np.errstate(invalid="ignore", divide="ignore"):
            mean[row] = np.where(blocks >= LEAST_BLOCKS, area / time, np.nan)
            apart = np.bincount(of_bin, (lane.area - mean[row][of_bin] * lane.time) ** 2, bins)
            unseen = np.maximum(1 - seen, 0)
            error[row] = np.sqrt(blocks / (blocks - 1) * apart * unseen) / time
    return SampledBins(mean, np.maximum(mean - factor * error, 0.0), mean + factor * error)
