"""What runs tell together, as plain data: their course, what changed in it, what was tuned to what end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from lbtui.analysis.trend import Found
from lbtui.comparison.model import Metric
from lbtui.runs.model import Parameter, Shape


@dataclass(frozen=True)
class Point:
    """One run in a series: its place among all runs, its value and its own 95 % interval (NaN if unknown)."""

    run: int
    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Change(Found):
    """That a series did not stay as it was; places are those among its points."""

    worse: bool | None = None  # None of the load, of which neither direction is better


@dataclass(frozen=True)
class Series:
    """One metric of one subject over the runs of one shape, in order of time, runs without a value left out.

    `subject` is "" where the metric is of the whole run, or the run has one subject for it; else its name in
    the newest run. `why` says why no change was looked for, where none was.
    """

    metric: Metric
    subject: str
    shape: Shape
    points: tuple[Point, ...]
    changes: tuple[Change, ...] = ()
    why: str = ""

    @property
    def key(self) -> str:
        """As `Measure.key`."""
        return f"{self.metric.dimension}.{self.metric.key}"

    @property
    def is_load(self) -> bool:
        """Whether it describes what was asked of the service."""
        return self.metric.better == "neither"


@dataclass(frozen=True)
class Trends:
    """All series: those of the load first, then by dimension; what is to be minded before any is read."""

    series: tuple[Series, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Tried:
    """One set of parameters that was tried: a run (its place among all), or a row of upstream's optimizer.

    `figures` are by `Measure.key`; of an optimizer's row as `sources` reads them.
    """

    name: str
    run: int | None
    parameters: Mapping[str, Parameter]
    figures: Mapping[str, float]
    front: bool = False  # whether no other is better in both of what the front is drawn of


@dataclass(frozen=True)
class Sweep:
    """What was tuned: the parameters that differ, what was tried, and the front of the best.

    `up` is the figure that is to be high (goodput, else throughput), `down` the one that is to be low (a
    latency); both keys of `figures`. `why` says what is missing for a front.
    """

    parameters: tuple[str, ...]
    tried: tuple[Tried, ...]
    up: str = ""
    down: str = ""
    why: str = ""
