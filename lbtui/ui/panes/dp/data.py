"""What the DP pane draws, computed once per metric or once per view; nothing of the screen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from lbtui.analysis.data_parallel import (
    Metric,
    domain_steps,
    domains_of,
    metric_lanes,
    step_intervals,
)
from lbtui.analysis.deviation import beyond_peers, lump
from lbtui.analysis.imbalance import Floats, WeightedPar, par
from lbtui.analysis.lanes import (
    Lane,
    LaneStatistics,
    Micros,
    bin_edges,
    bin_lanes,
    held_lanes,
    highest,
    idle_as_zero,
    lane_statistics,
    lanes_evenness,
    parted,
)
from lbtui.analysis.standout import Standout, excess_over_peers, lane_bests, lane_scores, standouts
from lbtui.profile import Domain, FrameName, dated, micros
from lbtui.profile.place import window_of
from lbtui.thresholds import Expected

# Time bins in which places that stand out are looked for, and how many places are kept.
SCAN_BINS = 512
PLACES = 9


@dataclass(frozen=True)
class StepTable:
    """The steps of one domain, looked up by time."""

    starts: Micros
    ends: Micros  # held over the bubble
    frame: pl.DataFrame  # rows of `step_intervals`

    def at(self, time: int) -> tuple[dict[str, Any], bool] | None:
        """Return the step at an instant, or the last before it, and whether it still runs."""
        i = int(np.searchsorted(self.starts, time, side="right")) - 1
        return (self.frame.row(i, named=True), time < int(self.ends[i])) if i >= 0 else None


@dataclass(frozen=True)
class DpData:
    """What holds for every metric."""

    domains: tuple[Domain, ...]
    begin: int  # µs
    end: int
    steps: pl.DataFrame
    batches: pl.DataFrame
    intervals: pl.DataFrame
    tables: Mapping[str, StepTable]  # by `Domain.key`
    expected: Expected  # the shares that chance is told of

    @property
    def dated(self) -> bool:
        """Whether instants need their date: the data span several days."""
        return dated((self.begin, self.end))

    @property
    def size(self) -> int:
        """How many steps there are: whether to compute at once or in a worker."""
        return self.intervals.height

    def span_at(self, domain: str, time: int) -> tuple[int, int]:
        """Return from when to when (µs) the step lasts that a domain runs at an instant, or ran last."""
        found = self.tables[domain].at(time) if domain in self.tables else None
        return (micros(found[0]["start"]), micros(found[0]["end"])) if found else (time, time)


def dp_data(
    steps: pl.DataFrame,
    batches: pl.DataFrame,
    kv: pl.DataFrame | None,
    queues: pl.DataFrame | None,
    *,
    whole: bool = False,
    expected: Expected | None = None,
) -> DpData:
    """Return what all metrics share; `kv` and `queues` are needed only where there are no steps.

    `whole` asks for all captures on one axis (`window_of`). Chance is that of domains which are to carry the
    `expected` shares.
    """
    intervals = step_intervals(domain_steps(steps))
    frames = [frame for frame in (steps, batches, kv, queues) if frame is not None]
    # Steps alone tell the window where there are any: it must not move when KV is loaded.
    named: dict[FrameName, pl.DataFrame | None] = {
        "steps": intervals,
        "batches": batches,
        "kv": kv,
        "queues": queues,
    }
    told = next(({n: f} for n, f in named.items() if f is not None and not f.is_empty()), {})
    begin, end = window_of(told, whole=whole) or (0, 1)
    tables = {
        domain: StepTable(
            part["start"].cast(pl.Int64).to_numpy(), part["end"].cast(pl.Int64).to_numpy(), part
        )
        for domain, part in parted(intervals, "domain").items()
    }
    return DpData(
        tuple(domains_of(*frames)),
        begin,
        end,
        steps,
        batches,
        intervals,
        tables,
        expected or Expected(),
    )


@dataclass(frozen=True)
class Place:
    """Where a lane stands out: lane index, from, to and centre (µs), mean excess over its peers."""

    lane: int
    begin: int
    end: int
    centre: int
    excess: float


def place_of(found: Standout, edges: Micros) -> Place:
    """Return the place of bins [first, last)."""
    centre = int(edges[found.centre] + edges[found.centre + 1]) // 2
    return Place(found.lane, int(edges[found.first]), int(edges[found.last]), centre, found.excess)


@dataclass(frozen=True, eq=False)
class Measured:
    """One metric of every domain over the whole profile.

    Compared by identity, so that where it stands can be kept by it.
    """

    metric: Metric
    domains: tuple[Domain, ...]
    lanes: tuple[Lane, ...]
    prefill: tuple[Lane, ...]  # 1 while a step with prefill runs, for batch size only
    places: tuple[Place, ...]  # the most outstanding first
    scores: tuple[float, ...]  # per lane: of its most outstanding place
    lumps: Mapping[str, float] = field(default_factory=dict)  # by instance: what its load comes in
    dated: bool = False  # instants need their date
    expected: Expected = field(default_factory=Expected)
    whole: tuple[int, int] = (0, 1)  # µs, from the profile's begin to its end

    @property
    def has_values(self) -> bool:
        """Whether there is anything to draw."""
        return any(len(lane.values) for lane in self.lanes)

    def index(self, domain: str) -> int | None:
        """Return which lane is the domain's."""
        return next((i for i, d in enumerate(self.domains) if d.key == domain), None)

    @property
    def instances(self) -> list[str]:
        """The instances, in the order of their lanes."""
        return list(dict.fromkeys(d.instance for d in self.domains))

    def lanes_of(self, instance: str) -> list[int]:
        """Return which lanes are of an instance."""
        return [i for i, d in enumerate(self.domains) if d.instance == instance]

    @cached_property
    def evenness(self) -> Mapping[str, WeightedPar]:
        """How even the lanes are over the whole profile, by instance, where it has several lanes."""
        several = {i: rows for i in self.instances if len(rows := self.lanes_of(i)) > 1}
        return {instance: lanes_even(self, rows, self.whole) for instance, rows in several.items()}

    @property
    def overall(self) -> tuple[str, float] | None:
        """The instance furthest beyond chance, as in the Overview, and how even it is; None without any."""
        known = {i: even for i, even in self.evenness.items() if not np.isnan(even.value)}
        if not known:
            return None

        def beyond(instance: str) -> float:
            even = known[instance]
            return even.value / (even.chance or 1.0) if self.metric.more_is_load else -even.value

        worst = max(known, key=beyond)
        return worst, known[worst].value


def says_nothing(chosen: Metric, data: DpData, frame: pl.DataFrame) -> bool:
    """Tell whether a metric is unknown of every domain, without looking at any row."""
    source = data.intervals if chosen.frame == "steps" else frame
    return source[chosen.column].null_count() == source.height


def measure(chosen: Metric, data: DpData, frame: pl.DataFrame) -> Measured:
    """Return the lanes of a metric; `frame` is the canonical frame it is taken from."""
    known = {d.key for d in data.domains}
    more = [] if chosen.frame == "steps" else [d for d in domains_of(frame) if d.key not in known]
    domains = (*data.domains, *more)
    # Lanes of an instance stay together.
    domains = tuple(sorted(domains, key=lambda d: d.instance))
    keys = [d.key for d in domains]
    lanes = metric_lanes(chosen, data.intervals, frame, frame, domains, data.end)
    prefill: list[Lane] = []
    if chosen.idle_is_zero and any(len(lane.values) for lane in lanes):
        busy = lanes
        if data.intervals[chosen.column].null_count():
            running = data.intervals.with_columns(runs=pl.lit(1.0))
            busy = held_lanes(running, key="domain", value="runs", keys=keys)
        lanes = idle_as_zero(lanes, busy, data.begin, data.end)
    if chosen.key == "batch_size":
        marked = data.intervals.with_columns(prefill=(pl.col("phase") != "decode").cast(pl.Float64))
        prefill = held_lanes(marked, key="domain", value="prefill", keys=keys)
    edges = bin_edges(data.begin, data.end, SCAN_BINS)
    loads = bin_lanes(lanes, edges, each_alike=chosen.each_alike).mean
    groups = [d.instance for d in domains]
    excess = excess_over_peers(loads, groups)
    if not chosen.more_is_load:
        excess = -excess
    bests = lane_bests(excess)
    places = tuple(place_of(found, edges) for found in standouts(excess, PLACES, bests))
    scores = tuple(lane_scores(excess, bests))
    found = Measured(
        chosen,
        domains,
        tuple(lanes),
        tuple(prefill),
        places,
        scores,
        # Requests come one by one, as the chance beside PAR has it.
        {
            g: 1.0 if chosen.counts else lump(loads[[i for i, h in enumerate(groups) if h == g]])
            for g in dict.fromkeys(groups)
        },
        data.dated,
        data.expected,
        (data.begin, data.end),
    )
    # Here, where many lanes are measured beside the event loop: the first picture asks for it.
    _known = found.evenness
    return found


@dataclass(frozen=True)
class Evenness:
    """How even an instance's lanes are: max / mean, or min / mean for what one can run out of."""

    columns: Floats  # NaN where it says nothing
    value: float  # of the whole window
    chance: float | None
    share_counted: float


@dataclass(frozen=True, eq=False)
class Scene:
    """One metric in one window at one number of columns; arrays are [lane, column].

    It is equal to itself only: what is drawn of it is kept by that.
    """

    window: tuple[int, int]
    edges: Micros
    mean: Floats
    worst: Floats  # the highest of each column; the lowest for what one can run out of
    # How far `mean` and `worst` are to the bad side of the peers', in multiples of what chance gives.
    mean_apart: Floats
    worst_apart: Floats
    prefill: npt.NDArray[np.bool_] | None
    statistics: tuple[LaneStatistics, ...]
    evenness: Mapping[str, Evenness]  # by instance, where it has several lanes
    # Of a sample: between what `mean` lies in 90 % of cases.
    band: tuple[Floats, Floats] | None = None
    # Of another profile on the same scale: the largest mean and worst value of each instance.
    ceiling: Mapping[str, tuple[float, float]] = field(default_factory=dict)

    @property
    def columns(self) -> int:
        """How many columns."""
        return len(self.edges) - 1

    def column_of(self, time: int) -> int:
        """Return the column an instant falls in, kept inside."""
        at = int(np.searchsorted(self.edges, time, side="right")) - 1
        return max(0, min(self.columns - 1, at))

    def middle(self, column: int) -> int:
        """Return the instant in the middle of a column."""
        return int(self.edges[column] + self.edges[column + 1]) // 2


def scene(measured: Measured, window: tuple[int, int], columns: int) -> Scene:
    """Return what is drawn of a metric in a window."""
    metric = measured.metric
    edges = bin_edges(*window, columns)
    bins = bin_lanes(measured.lanes, edges, each_alike=metric.each_alike)
    groups = [d.instance for d in measured.domains]
    prefill = None
    if measured.prefill:
        prefill = np.nan_to_num(highest(measured.prefill, edges)) > 0
    worst = bins.high if metric.more_is_load else bins.low
    return Scene(
        window,
        edges,
        bins.mean,
        worst,
        apart(measured, bins.mean),
        apart(measured, worst),
        prefill,
        tuple(lane_statistics(measured.lanes, *window, groups, each_alike=metric.each_alike)),
        {
            instance: _evenness(measured, rows, bins.mean[rows], window)
            for instance in measured.instances
            if len(rows := measured.lanes_of(instance)) > 1
        },
    )


def apart(measured: Measured, loads: Floats) -> Floats:
    """Return how far loads [lane, column] are to the bad side of the peers', in multiples of chance."""
    metric, found = measured.metric, np.zeros_like(loads)
    for instance in measured.instances:
        rows = measured.lanes_of(instance)
        # Steps last as long, whatever share of the load a domain is to carry.
        shares = (
            () if metric.each_alike else measured.expected.of_domains([measured.domains[i] for i in rows])
        )
        found[rows] = beyond_peers(loads[rows], measured.lumps.get(instance, 1.0), shares)
    return found if metric.more_is_load else -found


def lanes_even(measured: Measured, rows: list[int], window: tuple[int, int]) -> WeightedPar:
    """Return how even some lanes are in a window (µs): PAR, or min / mean of what one can run out of."""
    return lanes_evenness(
        [measured.lanes[i] for i in rows],
        window,
        counts=measured.metric.counts,
        scarce=not measured.metric.more_is_load,
        shares=measured.expected.of_domains([measured.domains[i] for i in rows]),
    )


def _evenness(measured: Measured, rows: list[int], loads: Floats, window: tuple[int, int]) -> Evenness:
    metric, instance = measured.metric, measured.domains[rows[0]].instance
    whole = measured.evenness[instance] if window == measured.whole else lanes_even(measured, rows, window)
    known = ~np.isnan(loads)
    total, lanes_known = np.where(known, loads, 0.0).sum(axis=0), known.sum(axis=0)
    if metric.more_is_load:
        columns = par(loads, axis=0)
    else:
        with np.errstate(invalid="ignore", divide="ignore"):
            low = np.where(known, loads, np.inf).min(axis=0)
            columns = np.where(total > 0, low * lanes_known / total, np.nan)
    says_nothing = lanes_known < 2
    if metric.counts:
        says_nothing = says_nothing | (total < lanes_known)
    return Evenness(np.where(says_nothing, np.nan, columns), whole.value, whole.chance, whole.share_counted)
