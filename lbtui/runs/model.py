"""What is known of one run among many, as plain data: a summary is all that a table of runs needs of it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

from lbtui.profile import Reading

if TYPE_CHECKING:  # numpy and all of comparison, which the first row does without
    from lbtui.comparison.model import Metric
    from lbtui.comparison.series import Course

Parameter: TypeAlias = str | float | bool
Severity: TypeAlias = Literal["critical", "warning", "info"]


@dataclass(frozen=True)
class Shape:
    """What of a run must be equal for its figures to be compared with another's.

    `domains` are the DP domains of each instance, `nodes` the P/D nodes of each role, `ranks` the EP ranks of
    each instance with expert heat (None where unknown): numbers in descending order, so that names of hosts
    do not matter.
    """

    engine: str = ""  # MindIE, vLLM, SGLang; "" where nothing tells it
    domains: tuple[int, ...] = ()
    nodes: tuple[tuple[str, int], ...] = ()
    ranks: tuple[int | None, ...] = ()


@dataclass(frozen=True)
class Measure:
    """One metric of one subject of a run; numbers are NaN where they are unknown, and `absent` says why.

    `subject` is an instance or a role; "" where the metric is of the whole run. `low` and `high` bound its
    own 95 % interval, `chance` is what equal domains or nodes would show at this load. `course` is what a
    comparison is made of, `layers` that of a metric which is compared layer by layer. `doubt` says why the
    value may be off.
    """

    metric: Metric
    subject: str = ""
    value: float = math.nan
    low: float = math.nan
    high: float = math.nan
    chance: float | None = None
    absent: str = ""
    doubt: str = ""
    course: Course | None = None
    layers: tuple[float, ...] = ()

    @property
    def key(self) -> str:
        """Dimension and metric, dotted: `dp.batch_size.par`."""
        return f"{self.metric.dimension}.{self.metric.key}"

    @property
    def known(self) -> bool:
        """Whether there is a value."""
        return math.isfinite(self.value)


@dataclass(frozen=True)
class Worst:
    """The first finding of a run on its load."""

    id: str
    severity: Severity
    message: str


@dataclass(frozen=True)
class RunSummary:
    """What a run comes to. `start` and `end` are µs since 1970 (UTC), None where no file tells a time.

    `findings` counts those on the load by severity. `targets` are what requests were to take at most, ms:
    without them no run attains anything. `seconds` is the processor time that the summary took.
    """

    identity: str
    start: int | None = None
    end: int | None = None
    shape: Shape = field(default_factory=Shape)
    measures: tuple[Measure, ...] = ()
    worst: Worst | None = None
    findings: Mapping[str, int] = field(default_factory=dict)
    targets: tuple[tuple[str, float], ...] = ()
    notes: tuple[str, ...] = ()
    seconds: float = 0.0

    @property
    def length(self) -> float | None:
        """Seconds from the first to the last thing recorded; None where no file tells a time."""
        return None if self.start is None or self.end is None else (self.end - self.start) / 1e6

    def of(self, key: str) -> tuple[Measure, ...]:
        """Return a metric (`Measure.key`) of all subjects that have it."""
        return tuple(measure for measure in self.measures if measure.key == key)

    def worst_of(self, key: str) -> Measure | None:
        """Return a metric of the subject in which it is worst: what a table with one cell for it shows.

        None where no subject has a value.
        """
        known = [measure for measure in self.of(key) if measure.known]
        if not known:
            return None
        higher = known[0].metric.better == "higher"
        return min(known, key=lambda one: one.value) if higher else max(known, key=lambda one: one.value)


@dataclass(frozen=True)
class Run:
    """One run among many: where it lies, and as much of it as is read.

    `name` is its folder below the one opened. `parameters` are what its `run.json` or its folder's name say
    was set. Without `summary` it is still to be read, unless `problem` says why it cannot be. What the first
    look told stands in `start` and `shape` until it is. `file` is a summary's own (`--summary`): then the
    run itself may lie elsewhere.
    """

    name: str
    reading: Reading
    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    summary: RunSummary | None = None
    problem: str = ""
    start: int | None = None
    shape: Shape | None = None
    note: str = ""  # the user's
    file: Path | None = None

    @property
    def begun(self) -> int | None:
        """When it began, µs since 1970 (UTC), as far as that is known."""
        return self.start if self.summary is None else self.summary.start

    @property
    def is_read(self) -> bool:
        """Whether there is no more to come."""
        return self.summary is not None or bool(self.problem)
