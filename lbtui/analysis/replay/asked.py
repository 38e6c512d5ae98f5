"""A fitted service, asked: its own recording again, and others beside it, each figure with its interval."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from lbtui.analysis.replay.engine import Replay, Router
from lbtui.analysis.replay.figures import (
    FIGURES,
    MORE_IS_BETTER,
    FigureName,
    Times,
    influence,
    replayed_times,
)
from lbtui.analysis.replay.fit import Fitted
from lbtui.analysis.replay.model import NO_LIMIT, Load, Service
from lbtui.analysis.replay.routing import router
from lbtui.analysis.slo import Targets

# The self-test: how far a figure may be from the recorded one, as a share; of PAR the difference.
MOST_OFF = 0.15
MOST_OFF_PAR = 0.1
SENSITIVITY = 0.02  # of the step time, what its spans are told for
TESTED: tuple[FigureName, ...] = tuple(name for name in FIGURES if name != "goodput")

# Replays with other residuals, choices and step times, for the interval: where that takes no time, more.
FURTHER, FURTHER_OF_FEW = 3, 9
FEW = 5_000  # requests
USUAL = 0.9  # of the first tokens: how many requests run at once then is what a run usually has at most
_SEED = 20261129
_CRITICAL = 1.645  # of a two-sided 90 % interval
CONFIDENCE = 0.9
# What is told is the mean of so many runs of the same requests; what they would be with other requests adds
# a share. Set so that on half of the lab's recordings 90 % of the intervals hold what the simulator gives.
_RUNS, _ARRIVALS = 10, 0.3
_BLOCKS = 30  # of requests in the order of arrival
_MOST_FURTHER = 20_000  # requests of a further replay of all; of a longer recording
_STRETCH = 10_000  # each is of so many: enough to tell the spread
Stop = Callable[[], None]
Route = Callable[[Service, Load, int], Router]


@dataclass(frozen=True)
class Tested:
    """A figure as recorded and as replayed; `low` and `high` with all steps 2 % shorter and longer."""

    name: FigureName
    recorded: float
    replayed: float
    low: float
    high: float

    @property
    def holds(self) -> bool:
        """Whether the replay gives what was recorded, within the tolerance or what 2 % of step time span."""
        if math.isnan(self.recorded):
            return True
        if math.isnan(self.replayed):
            return False
        spans = sorted((self.low, self.replayed, self.high))
        if spans[0] <= self.recorded <= spans[2]:
            return True
        if self.name == "par":
            return abs(self.replayed - self.recorded) <= MOST_OFF_PAR
        return abs(self.replayed - self.recorded) <= MOST_OFF * abs(self.recorded)


@dataclass(frozen=True)
class SelfTest:
    """The recorded assignment replayed, beside what was recorded."""

    rows: tuple[Tested, ...]

    @property
    def holds(self) -> bool:
        """Whether every figure holds."""
        return not self.failing

    @property
    def failing(self) -> tuple[Tested, ...]:
        """The figures that do not hold."""
        return tuple(row for row in self.rows if not row.holds)


@dataclass(frozen=True)
class Difference:
    """By how much a figure differs from that of another replay, with its 90 % interval."""

    value: float
    low: float
    high: float

    @property
    def beyond_chance(self) -> bool:
        """Whether the interval leaves out 0."""
        return not self.low <= 0 <= self.high


@dataclass(frozen=True)
class Answer:
    """The figures of a replay, and how each differs from the baseline's."""

    figures: dict[FigureName, float]
    differences: dict[FigureName, Difference] = field(default_factory=dict)

    def better(self, name: FigureName) -> bool | None:
        """Tell whether a figure is better than the baseline's; None where no difference is beyond chance."""
        found = self.differences.get(name)
        if found is None or not found.beyond_chance:
            return None
        return (found.value > 0) == (name in MORE_IS_BETTER)


@dataclass(frozen=True)
class Run:
    """One thing asked: the times of its replay, and of further ones, of the `whole` load or of stretches."""

    times: Times
    further: tuple[Times, ...] = ()
    whole: bool = True

    def figures(self, targets: Targets) -> dict[FigureName, float]:
        """Return every figure: the mean over all replays of the whole load."""
        drawn = [times.figures(targets) for times in (self.times, *(self.further if self.whole else ()))]
        return {name: float(np.mean([one[name] for one in drawn])) for name in FIGURES}


@dataclass(frozen=True)
class Asked:
    """A fitted service with the targets that its goodput is of."""

    fitted: Fitted
    targets: Targets
    stop: Stop | None = None

    @cached_property
    def lead(self) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        """From each request's begin to where TTFT counts from, ms."""
        found: np.ndarray[tuple[int], np.dtype[np.float64]] = self.fitted.requests["lead"].to_numpy()
        return found

    @cached_property
    def recorded(self) -> Times:
        """What was recorded."""
        load, rows = self.fitted.load, self.fitted.requests
        return Times(
            load.arrival,
            rows["taken"].to_numpy(),
            rows["first"].to_numpy(),
            rows["end"].to_numpy(),
            load.output,
            load.then_domain,
            self.fitted.service.of("decode"),
            self.lead,
        )

    def times(self, service: Service, route: Route, seed: int = 0, pace: float = 1.0) -> Times:
        """Return the times of one replay of the whole load."""
        return self._replay(service, self.fitted.load, self.lead, route, (seed, pace))

    def _replay(
        self,
        service: Service,
        load: Load,
        lead: np.ndarray[tuple[int], np.dtype[np.float64]],
        route: Route,
        drawn: tuple[int, float],
    ) -> Times:
        seed, pace = drawn
        outcome = Replay(load, service, seed, pace).run(route(service, load, seed), self.stop)
        return replayed_times(load, outcome, service.of("decode"), lead)

    @property
    def seen(self) -> float | None:
        """The most requests that a domain ran at once; None where the recording shows its limit."""
        decodes = [self.fitted.service.domains[place] for place in self.fitted.service.of("decode")]
        unlimited = any(domain.most_running >= NO_LIMIT for domain in decodes)
        return self.recorded.running(1.0) if unlimited else None

    @cached_property
    def baseline(self) -> Run:
        """The recorded assignment, replayed."""
        return self.run(self.fitted.service, as_recorded)

    @cached_property
    def self_test(self) -> SelfTest:
        """The baseline beside what was recorded."""
        service = self.fitted.service
        recorded = self.recorded.figures(self.targets)
        replayed = self.baseline.figures(self.targets)
        faster, slower = (
            self.times(service, as_recorded, pace=1 + sign * SENSITIVITY).figures(self.targets)
            for sign in (-1, 1)
        )
        return SelfTest(
            tuple(Tested(name, recorded[name], replayed[name], faster[name], slower[name]) for name in TESTED)
        )

    def run(self, service: Service, route: Route) -> Run:
        """Return a replay, and further ones whose residuals, choices and step times are drawn anew.

        Those are of a stretch of the load where it is long. All things asked are drawn alike (common random
        numbers), so that they can be compared one by one.
        """
        times = self.times(service, route)
        generator = np.random.default_rng(_SEED)
        errors = [pace.error for pace in service.paces.values()]
        count = len(self.fitted.load)
        further = []
        for turn in range(FURTHER_OF_FEW if count <= FEW else FURTHER):
            pace = 1 + float(generator.standard_normal()) * max(errors, default=0.0)
            load, lead = self._stretch(turn)
            further.append(self._replay(service, load, lead, route, (turn + 1, pace)))
        return Run(times, tuple(further), count <= _MOST_FURTHER)

    def _stretch(self, turn: int) -> tuple[Load, np.ndarray[tuple[int], np.dtype[np.float64]]]:
        count = len(self.fitted.load)
        if count <= _MOST_FURTHER:
            return self.fitted.load, self.lead
        first = (count - _STRETCH) * turn // (FURTHER - 1)
        chosen = slice(first, first + _STRETCH)
        return self.fitted.load.part(chosen), self.lead[chosen]

    def answer(self, run: Run, baseline: Run | None = None) -> Answer:
        """Return a run's figures, and how they differ from the baseline's (the recorded assignment)."""
        base = baseline or self.baseline
        differences = {name: self.difference(name, run, base) for name in FIGURES}
        return Answer(run.figures(self.targets), differences)

    def difference(
        self,
        name: FigureName,
        run: Run,
        base: Run,
        scales: tuple[float, float] = (1.0, 1.0),
        model: float = 0.0,
    ) -> Difference:
        """Return by how much a figure of a run differs from the baseline's, each times its scale.

        `model` is what the service itself may be off, as a share of the baseline's figure.
        """
        one, other = scales
        pairs = [(run.times, base.times), *zip(run.further, base.further, strict=True)]
        drawn = [
            one * self._figure(mine, name) - other * self._figure(theirs, name) for mine, theirs in pairs
        ]
        if run.whole:
            value, count = float(np.mean(drawn)), len(drawn)
            spread = float(np.std(drawn, ddof=1)) if count > 1 else 0.0
        else:
            # Of stretches: their own level does not count, and a spread shrinks with the length.
            value, count = drawn[0], 1
            spread = float(np.std(drawn[1:], ddof=1)) * math.sqrt(_STRETCH / len(run.times.end))
        blocks = block_error(run.times, base.times, name, self.targets, scales)
        off = model * abs(other * self._figure(base.times, name))
        drawn_anew = spread * math.sqrt(1 / count + 1 / _RUNS)
        half = _CRITICAL * math.hypot(drawn_anew, _ARRIVALS * blocks, off)
        return Difference(value, value - half, value + half)

    def _figure(self, times: Times, name: FigureName) -> float:
        return times.figures(self.targets)[name]


def block_error(
    run: Times, base: Times, name: FigureName, targets: Targets, scales: tuple[float, float] = (1.0, 1.0)
) -> float:
    """Return the standard error of a figure's difference by blocks of requests in their order.

    Of paired influences, so that no replay is needed for a resample.
    """
    one, other = influence(run, name, targets), influence(base, name, targets)
    if one is None or other is None:
        return 0.0
    paired = scales[0] * one - scales[1] * other
    sums = [float(block.sum()) for block in np.array_split(paired, _BLOCKS)]
    return float(np.std(sums, ddof=1)) * math.sqrt(_BLOCKS) / len(paired)


def as_recorded(service: Service, load: Load, seed: int) -> Router:
    """Return the router that sends each request where it was recorded to be."""
    return router("recorded", service, load, seed)


def ranked(answers: Sequence[tuple[str, Answer]], name: FigureName) -> list[tuple[str, Answer]]:
    """Return what was asked with the best by a figure first; unknown last."""
    sign = -1 if name in MORE_IS_BETTER else 1
    return sorted(
        answers,
        key=lambda one: (math.isnan(one[1].figures[name]), sign * one[1].figures[name]),
    )
