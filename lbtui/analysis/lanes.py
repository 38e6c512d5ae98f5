"""Values that hold for a while, one lane per owner: looked up, averaged and binned at any zoom.

A lane is a piecewise constant function of time with gaps. Everything here costs O(rows) once and O(columns)
per picture.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import polars as pl

from lbtui.analysis.imbalance import Floats, WeightedPar, weighted_par
from lbtui.analysis.quantiles import quantiles, weighted_quantiles

Micros = npt.NDArray[np.int64]  # µs since 1970, UTC

# Above so many change points, or values in all, PAR is taken at evenly spaced instants instead.
_INSTANTS = 100_000
_SAMPLES = 4_000_000


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
    mean: Floats  # weighted by how long each value holds, or each value alike if asked for
    low: Floats
    high: Floats
    count: npt.NDArray[np.int64]  # values that begin in the bin


@dataclass(frozen=True)
class LaneStatistics:
    """A lane in numbers; quantiles and mean weight each value by how long it holds, or alike if asked for.

    NaN without values.
    """

    mean: float
    p95: float
    max: float
    ratio: float  # mean / mean of the compared lanes' means
    p5: float
    min: float


def held_lanes(frame: pl.DataFrame, *, key: str, value: str, keys: Sequence[str]) -> list[Lane]:
    """Return one lane per key from rows with `start`, `end` and a value; nulls leave gaps.

    Overlaps are cut: an interval ends at the latest where the next begins.
    """
    # Of millions of rows, only the columns that are needed are moved about, and none where none is null.
    known = frame.select(key, "start", "end", value)
    if any(known[name].null_count() for name in ("start", "end", value)):
        known = known.drop_nulls(["start", "end", value])
    ordered = ((name, _by_start(part)) for name, part in _parts(known, key, keys))
    return [_lane(name, part["start"], part["end"], part[value]) for name, part in ordered]


def reading_lanes(
    frame: pl.DataFrame, *, key: str, value: str, keys: Sequence[str], until: int
) -> list[Lane]:
    """Return one lane per key from readings at `time`: each holds to the next, the last `until` (µs)."""
    lanes = []
    for name, part in _parts(frame.drop_nulls([value]).sort("time", maintain_order=True), key, keys):
        starts = part["time"].cast(pl.Int64).to_numpy()
        ends = np.append(starts[1:], max(until, int(starts[-1]) + 1)) if len(starts) else starts
        lanes.append(Lane(name, starts, ends, part[value].cast(pl.Float64).to_numpy()))
    return [_without_empty(lane) for lane in lanes]


def _parts(frame: pl.DataFrame, key: str, keys: Sequence[str]) -> list[tuple[str, pl.DataFrame]]:
    parts = parted(frame, key)
    return [(name, parts.get(name, frame.clear())) for name in keys]


def parted(frame: pl.DataFrame, key: str) -> dict[str, pl.DataFrame]:
    """Return the rows of each key but null; without copying them where those of each lie together."""
    codes = frame[key].cast(pl.Categorical).to_physical()
    if not codes.null_count():
        numbers = codes.to_numpy()
        begins = np.flatnonzero(np.append(True, numbers[1:] != numbers[:-1])[: len(numbers)])
        if len(np.unique(numbers[begins])) == len(begins):
            edges = [*begins.tolist(), len(numbers)]
            return {str(frame[key][a]): frame[a:b] for a, b in pairwise(edges)}
    own = frame.filter(pl.col(key).is_not_null())
    return {str(k[0]): part for k, part in own.partition_by(key, as_dict=True).items()}


def _by_start(part: pl.DataFrame) -> pl.DataFrame:
    return part if part["start"].is_sorted() else part.sort("start", maintain_order=True)


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
    return begin + np.arange(columns + 1, dtype=np.int64) * max(end - begin, columns) // max(columns, 1)


def idle_as_zero(lanes: Sequence[Lane], busy: Sequence[Lane], begin: int, end: int) -> list[Lane]:
    """Return the lanes with 0 wherever in the window the same owner's `busy` lane has a gap.

    A gap of the lane itself while its owner is busy stays a gap: that value is unknown, not 0. An owner
    that has no value at all stays without.
    """
    return [
        _with_zeros(lane, owner, begin, end) if len(lane.starts) else lane
        for lane, owner in zip(lanes, busy, strict=True)
    ]


def _with_zeros(lane: Lane, busy: Lane, begin: int, end: int) -> Lane:
    froms, tos = np.append(begin, busy.ends), np.append(busy.starts, end)
    gaps = np.flatnonzero(tos > froms)
    froms, tos = np.maximum(froms[gaps], begin), np.minimum(tos[gaps], end)
    real = tos > froms
    froms, tos = froms[real], tos[real]
    places = np.searchsorted(lane.starts, froms, side="right")
    return Lane(
        lane.key,
        np.insert(lane.starts, places, froms),
        np.insert(lane.ends, places, tos),
        np.insert(lane.values, places, 0.0),
    )


def bin_lanes(lanes: Sequence[Lane], edges: Micros, *, each_alike: bool = False) -> Bins:
    """Return the lanes' statistics in each bin.

    With `each_alike` a bin's mean is over the values that hold in it at any time, each counted once.
    """
    shape = (len(lanes), len(edges) - 1)
    mean, low, high = (np.full(shape, np.nan) for _ in range(3))
    count = np.zeros(shape, dtype=np.int64)
    for row, lane in enumerate(lanes):
        if len(lane.starts):
            mean[row], low[row], high[row], count[row] = _bin_lane(lane, edges, each_alike)
    return Bins(edges, mean, low, high, count)


def highest(lanes: Sequence[Lane], edges: Micros) -> Floats:
    """Return the `high` of `bin_lanes` alone."""
    high = np.full((len(lanes), len(edges) - 1), np.nan)
    for row, lane in enumerate(lanes):
        if len(lane.starts):
            high[row] = _extreme(np.maximum, lane, *_held_in(lane, edges))
    return high


def _bin_lane(
    lane: Lane, edges: Micros, each_alike: bool
) -> tuple[Floats, Floats, Floats, npt.NDArray[np.int64]]:
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
    first, last = _held_in(lane, edges)
    if each_alike:
        total = np.concatenate([[0.0], np.cumsum(lane.values)])
        many = np.maximum(last - first, 1)
        mean = np.where(last > first, (total[last] - total[np.minimum(first, last)]) / many, np.nan)
    low, high = (_extreme(of, lane, first, last) for of in (np.minimum, np.maximum))
    begins = np.searchsorted(lane.starts, edges, side="left")
    return mean, low, high, np.diff(begins)


def _held_in(lane: Lane, edges: Micros) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Return which interval of the lane is the first to hold in each bin, and which the first after it."""
    first = np.searchsorted(lane.ends, edges[:-1], side="right")
    return first, np.searchsorted(lane.starts, edges[1:], side="left")


def _extreme(of: np.ufunc, lane: Lane, first: npt.NDArray[np.intp], last: npt.NDArray[np.intp]) -> Floats:
    # reduceat needs increasing pairs; empty bins are computed on a stand-in and masked.
    pairs = np.stack([np.minimum(first, len(lane.starts) - 1), last], axis=1).ravel()
    padded = np.append(lane.values, lane.values[-1])
    return np.where(last > first, of.reduceat(padded, pairs)[::2], np.nan)


def lane_statistics(
    lanes: Sequence[Lane], begin: int, end: int, groups: Sequence[str], *, each_alike: bool = False
) -> list[LaneStatistics]:
    """Return each lane's statistics in a window; ratios compare lanes of equal group (instance).

    With `each_alike` every value that holds in the window counts once, however long it holds.
    """
    nan = float("nan")
    found: list[LaneStatistics] = []
    for lane in lanes:
        part = lane.clipped(begin, end)
        if len(part.values) == 0:
            found.append(LaneStatistics(nan, nan, nan, nan, nan, nan))
            continue
        shares = (0.05, 0.95)
        if each_alike:
            mean = float(part.values.mean())
            p5, p95 = quantiles(part.values, shares)
        else:
            weights = (part.ends - part.starts).astype(np.float64)
            mean = float(np.average(part.values, weights=weights))
            p5, p95 = weighted_quantiles(part.values, weights, shares)
        found.append(LaneStatistics(mean, p95, float(part.values.max()), nan, p5, float(part.values.min())))
    levels = {}
    for group in set(groups):
        means = [s.mean for s, g in zip(found, groups, strict=True) if g == group and not np.isnan(s.mean)]
        levels[group] = sum(means) / len(means) if means else 0.0
    return [
        replace(s, ratio=s.mean / levels[group] if levels[group] > 0 else nan)
        for s, group in zip(found, groups, strict=True)
    ]


def sampled(
    lanes: Sequence[Lane], begin: int, end: int, *, idle_is_zero: bool
) -> tuple[Floats, Floats, Micros]:
    """Return the lanes' values [lane, instant], each instant's duration in µs, and the instants.

    Instants are all changes inside the window; above 100,000 changes (fewer above 40 lanes) evenly spaced
    ones. A gap is 0 where an idle domain carries no load (`idle_is_zero`), else unknown.
    """
    parts = [lane.clipped(begin, end) for lane in lanes]
    most = min(_INSTANTS, _SAMPLES // max(len(lanes), 1))
    # One lane alone may have too many: millions of changes need not be sorted to be counted.
    times = np.zeros(0, dtype=np.int64)
    many = any(np.count_nonzero(np.diff(part.starts)) > most for part in parts)
    if not many:
        changes = [side for part in parts for side in (part.starts, part.ends)]
        # Runs that are in order each are merged by a stable sort; np.unique takes 18 times as long.
        times = np.sort(np.concatenate([np.array([begin], dtype=np.int64), *changes]), kind="stable")
        times = times[(np.diff(times, prepend=times[0] - 1) > 0) & (times < end)]
    if many or len(times) > most:
        times = np.linspace(begin, end, most, endpoint=False).astype(np.int64)
        times = times[np.diff(times, prepend=times[0] - 1) > 0]
    durations = np.diff(np.append(times, end)).astype(np.float64)
    gap = 0.0 if idle_is_zero else np.nan
    loads = np.full((len(lanes), len(times)), gap)
    for row, lane in enumerate(lanes):
        if len(lane.starts) == 0:
            continue
        # Each instant's value: the lane's starts are fewer than the instants of all lanes.
        first = np.searchsorted(times, lane.starts)
        at = np.repeat(np.arange(-1, len(first)), np.diff(first, prepend=0, append=len(times)))
        safe = np.maximum(at, 0)
        loads[row] = np.where((at >= 0) & (times < lane.ends[safe]), lane.values[safe], gap)
    return loads, durations, times


def lanes_par(
    lanes: Sequence[Lane],
    window: tuple[int, int],
    *,
    idle_is_zero: bool,
    counts: bool,
    shares: tuple[float, ...] = (),
) -> WeightedPar:
    """Return the PAR over the lanes in a window (`weighted_par` over `sampled`)."""
    loads, weights, _times = sampled(lanes, *window, idle_is_zero=idle_is_zero)
    return weighted_par(loads, weights, counts=counts, shares=shares)


def lanes_evenness(
    lanes: Sequence[Lane],
    window: tuple[int, int],
    *,
    counts: bool,
    scarce: bool,
    shares: tuple[float, ...] = (),
) -> WeightedPar:
    """Return how even the lanes are in a window: Σ w·max / Σ w·mean, unknown values left out.

    Of what one can run out of (`scarce`) it is Σ w·min / Σ w·mean: 1 is even, lower is worse. `shares` are
    what the lanes are to carry, empty for the same: what chance gives.
    """
    if not scarce:
        return lanes_par(lanes, window, idle_is_zero=False, counts=counts, shares=shares)
    loads, weights, _times = sampled(lanes, *window, idle_is_zero=False)
    known = ~np.isnan(loads)
    lanes_known = known.sum(axis=0)
    kept = weights * (lanes_known > 1)
    mean = np.where(known, loads, 0.0).sum(axis=0) / np.maximum(lanes_known, 1)
    level = float((kept * mean).sum())
    low = np.where(lanes_known > 0, np.where(known, loads, np.inf).min(axis=0), 0.0)
    value = float((kept * low).sum()) / level if level > 0 else float("nan")
    return WeightedPar(value, None, float(kept.sum() / weights.sum()))


def held_share(lanes: Sequence[Lane], edges: Micros) -> Floats:
    """Return the share of each bin [lane, bin] in which the lane has a value."""
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
