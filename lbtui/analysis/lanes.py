"""Values that hold for a while, one lane per owner: looked up, averaged and binned at any zoom.

A lane is a piecewise constant function of time with gaps. Everything here costs O(rows) once and O(columns)
per picture.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from lbtui.analysis.imbalance import Floats, WeightedPar, par, weighted_par

Micros = npt.NDArray[np.int64]  # µs since 1970, UTC

# Above so many change points PAR is taken at evenly spaced instants instead of at each change.
_INSTANTS = 100_000


@dataclass(frozen=True)
class Lane:
    """`values[i]` holds from `starts[i]` to `ends[i]`; intervals are sorted and do not overlap."""

    key: str
    starts: Micros
    ends: Micros
    values: Floats

    def at(self, time: int) -> float:
        """Return the value at an instant, NaN in a gap."""
        i = int(np.searchsorted(self.starts, time, side="right")) - 1
        return float(self.values[i]) if i >= 0 and time < self.ends[i] else float("nan")

    def clipped(self, begin: int, end: int) -> Lane:
        """Return the part of the lane inside a window."""
        first = int(np.searchsorted(self.ends, begin, side="right"))
        last = int(np.searchsorted(self.starts, end, side="left"))
        return Lane(
            self.key,
            np.maximum(self.starts[first:last], begin),
            np.minimum(self.ends[first:last], end),
            self.values[first:last],
        )


@dataclass(frozen=True)
class Bins:
    """Lanes summarised into equal time bins: arrays [lane, bin], NaN where a lane has no value."""

    edges: Micros
    mean: Floats  # weighted by how long each value holds
    low: Floats
    high: Floats
    count: npt.NDArray[np.int64]  # values that begin in the bin


@dataclass(frozen=True)
class LaneStatistics:
    """A lane in numbers; mean and p95 weight each value by how long it holds. NaN without values."""

    mean: float
    p95: float
    max: float
    ratio: float  # mean / mean of the compared lanes' means


def held_lanes(frame: pl.DataFrame, *, key: str, value: str, keys: Sequence[str]) -> list[Lane]:
    """Return one lane per key from rows with `start`, `end` and a value; nulls leave gaps.

    Overlaps are cut: an interval ends at the latest where the next begins.
    """
    return [
        _lane(name, part["start"], part["end"], part[value])
        for name, part in _parts(frame.drop_nulls([value, "start", "end"]).sort("start"), key, keys)
    ]


def reading_lanes(
    frame: pl.DataFrame, *, key: str, value: str, keys: Sequence[str], until: int
) -> list[Lane]:
    """Return one lane per key from readings at `time`: each holds to the next, the last `until` (µs)."""
    lanes = []
    for name, part in _parts(frame.drop_nulls([value]).sort("time"), key, keys):
        starts = part["time"].cast(pl.Int64).to_numpy()
        ends = np.append(starts[1:], max(until, int(starts[-1]) + 1)) if len(starts) else starts
        lanes.append(Lane(name, starts, ends, part[value].cast(pl.Float64).to_numpy()))
    return [_without_empty(lane) for lane in lanes]


def _parts(frame: pl.DataFrame, key: str, keys: Sequence[str]) -> list[tuple[str, pl.DataFrame]]:
    parts = {str(k[0]): part for k, part in frame.partition_by(key, as_dict=True).items()}
    return [(name, parts.get(name, frame.clear())) for name in keys]


def _lane(name: str, start: pl.Series, end: pl.Series, value: pl.Series) -> Lane:
    starts = start.cast(pl.Int64).to_numpy()
    ends = end.cast(pl.Int64).to_numpy().copy()
    if len(starts) > 1:
        ends[:-1] = np.minimum(ends[:-1], starts[1:])
    return _without_empty(Lane(name, starts, ends, value.cast(pl.Float64).to_numpy()))


def _without_empty(lane: Lane) -> Lane:
    real = lane.ends > lane.starts
    return lane if real.all() else Lane(lane.key, lane.starts[real], lane.ends[real], lane.values[real])


def bin_edges(begin: int, end: int, columns: int) -> Micros:
    """Return `columns` + 1 edges that divide [begin, end) evenly."""
    return np.linspace(begin, max(end, begin + columns), columns + 1).astype(np.int64)


def bin_lanes(lanes: Sequence[Lane], edges: Micros) -> Bins:
    """Return the lanes' statistics in each bin."""
    shape = (len(lanes), len(edges) - 1)
    mean, low, high = (np.full(shape, np.nan) for _ in range(3))
    count = np.zeros(shape, dtype=np.int64)
    for row, lane in enumerate(lanes):
        if len(lane.starts):
            mean[row], low[row], high[row], count[row] = _bin_lane(lane, edges)
    return Bins(edges, mean, low, high, count)


def _bin_lane(lane: Lane, edges: Micros) -> tuple[Floats, Floats, Floats, npt.NDArray[np.int64]]:
    lengths = (lane.ends - lane.starts).astype(np.float64)
    held = np.concatenate([[0.0], np.cumsum(lengths)])
    area = np.concatenate([[0.0], np.cumsum(lengths * lane.values)])
    # Interval `at` is the last that begins at or before the edge; it may have ended.
    at = np.searchsorted(lane.starts, edges, side="right") - 1
    safe = np.maximum(at, 0)
    inside = np.where(
        at >= 0, np.minimum(edges, lane.ends[safe]) - np.minimum(lane.starts[safe], edges), 0
    ).astype(np.float64)
    held_at = held[safe] + inside
    area_at = area[safe] + inside * lane.values[safe]
    time = np.diff(held_at)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.where(time > 0, np.diff(area_at) / time, np.nan)
    first = np.searchsorted(lane.ends, edges[:-1], side="right")
    last = np.searchsorted(lane.starts, edges[1:], side="left")
    filled = last > first
    # reduceat needs increasing pairs; empty bins are computed on a stand-in and masked.
    pairs = np.stack([np.minimum(first, len(lane.starts) - 1), last], axis=1).ravel()
    padded = np.append(lane.values, lane.values[-1])
    low = np.where(filled, np.minimum.reduceat(padded, pairs)[::2], np.nan)
    high = np.where(filled, np.maximum.reduceat(padded, pairs)[::2], np.nan)
    begins = np.searchsorted(lane.starts, edges, side="left")
    return mean, low, high, np.diff(begins)


def lane_statistics(
    lanes: Sequence[Lane], begin: int, end: int, groups: Sequence[str]
) -> list[LaneStatistics]:
    """Return each lane's statistics in a window; ratios compare lanes of equal group (instance)."""
    means: list[float] = []
    rest: list[tuple[float, float]] = []
    for lane in lanes:
        part = lane.clipped(begin, end)
        if len(part.values) == 0:
            means.append(float("nan"))
            rest.append((float("nan"), float("nan")))
            continue
        weights = (part.ends - part.starts).astype(np.float64)
        means.append(float(np.average(part.values, weights=weights)))
        rest.append((weighted_quantile(part.values, weights, 0.95), float(part.values.max())))
    found = np.array(means)
    result = []
    for mean, (p95, peak), group in zip(means, rest, groups, strict=True):
        peers = found[[g == group for g in groups]]
        peers = peers[~np.isnan(peers)]
        level = float(peers.mean()) if len(peers) else 0.0
        result.append(LaneStatistics(mean, p95, peak, mean / level if level > 0 else float("nan")))
    return result


def weighted_quantile(values: Floats, weights: Floats, q: float) -> float:
    """Return the smallest value at or below which a share `q` of the weight lies."""
    order = np.argsort(values, kind="stable")
    cumulative = np.cumsum(weights[order])
    place = int(np.searchsorted(cumulative, q * cumulative[-1], side="left"))
    return float(values[order][min(place, len(values) - 1)])


def sampled(
    lanes: Sequence[Lane], begin: int, end: int, *, idle_is_zero: bool
) -> tuple[Floats, Floats, Micros]:
    """Return the lanes' values [lane, instant], each instant's duration in µs, and the instants.

    Instants are all changes inside the window; above 100,000 changes evenly spaced ones. A gap is 0 where
    an idle domain carries no load (`idle_is_zero`), else unknown.
    """
    changes = [np.array([begin], dtype=np.int64)]
    for lane in lanes:
        part = lane.clipped(begin, end)
        changes += [part.starts, part.ends]
    times = np.unique(np.concatenate(changes))
    times = times[times < end]
    if len(times) > _INSTANTS:
        times = np.linspace(begin, end, _INSTANTS, endpoint=False).astype(np.int64)
    durations = np.diff(np.append(times, end)).astype(np.float64)
    gap = 0.0 if idle_is_zero else np.nan
    loads = np.full((len(lanes), len(times)), gap)
    for row, lane in enumerate(lanes):
        if len(lane.starts) == 0:
            continue
        at = np.searchsorted(lane.starts, times, side="right") - 1
        safe = np.maximum(at, 0)
        loads[row] = np.where((at >= 0) & (times < lane.ends[safe]), lane.values[safe], gap)
    return loads, durations, times


def lanes_par(
    lanes: Sequence[Lane], begin: int, end: int, *, idle_is_zero: bool, counts: bool
) -> WeightedPar:
    """Return the PAR over the lanes in a window (`weighted_par` over `sampled`)."""
    loads, weights, _times = sampled(lanes, begin, end, idle_is_zero=idle_is_zero)
    return weighted_par(loads, weights, counts=counts)


def par_over_bins(lanes: Sequence[Lane], edges: Micros, *, idle_is_zero: bool) -> Floats:
    """Return the PAR of the lanes' mean load in each bin, NaN where there is none.

    The mean load of a bin counts idle time as 0 where `idle_is_zero`.
    """
    bins = bin_lanes(lanes, edges)
    loads = bins.mean
    if idle_is_zero:
        loads = np.nan_to_num(loads * _held_share(lanes, edges))
    return par(loads, axis=0)


def _held_share(lanes: Sequence[Lane], edges: Micros) -> Floats:
    ones = [Lane(lane.key, lane.starts, lane.ends, np.ones_like(lane.values)) for lane in lanes]
    share = np.zeros((len(lanes), len(edges) - 1))
    widths = np.diff(edges).astype(np.float64)
    for row, lane in enumerate(ones):
        if len(lane.starts):
            held = np.concatenate([[0.0], np.cumsum((lane.ends - lane.starts).astype(np.float64))])
            at = np.searchsorted(lane.starts, edges, side="right") - 1
            safe = np.maximum(at, 0)
            inside = np.where(
                at >= 0, np.minimum(edges, lane.ends[safe]) - np.minimum(lane.starts[safe], edges), 0
            )
            share[row] = np.diff(held[safe] + inside) / widths
    return share
