"""Is another placement worth a trial? Its gain, held out, against the price of moving experts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

import numpy as np

from lbtui.analysis.eplb.artificial import Artificial, artificial
from lbtui.analysis.eplb.later import (
    FEWEST_JUDGED,
    Anew,
    Fit,
    Gain,
    Interval,
    Judged,
    Lasting,
    LastTables,
    judged,
    last_tables,
    lasting,
    made_anew,
)
from lbtui.analysis.eplb.limits import FEW_TOKENS, routed_tokens
from lbtui.analysis.eplb.peaks import Table, arrivals
from lbtui.analysis.eplb.policies import Ints, hierarchical_placement
from lbtui.analysis.eplb.recorded import Recorded, usable_iterations
from lbtui.analysis.eplb.what_if import Settings, WhatIf
from lbtui.analysis.imbalance import Floats
from lbtui.profile import ExpertSeries

Sentence: TypeAlias = Literal["worth a trial", "not now", "not enough evidence"]
Reason: TypeAlias = Literal[
    # worth a trial: one table, or tables made anew
    "once", "anew",
    # not now
    "no gain", "moves", "does not last",
    # not enough evidence
    "phases", "ranks", "artificial", "few iterations", "few tokens", "uncertain", "too short",
    "anew unpriced",
]  # fmt: skip


@dataclass(frozen=True)
class Service:
    """What is known of the service whose experts they are; None: unknown.

    `share`: GroupedMatmul time of the mean process / busy time of its passes; `busy`: the share of the time
    in which passes run; `pass_ms`: how long one takes. `told`: where the share is from, or why it is unknown.
    """

    share: float | None = None
    busy: float | None = None
    pass_ms: float | None = None
    told: str = ""


@dataclass(frozen=True)
class Worth:
    """From which gain on a trial is worth it: of a step's time, of expert time where that cannot be told."""

    step: float
    time: float


@dataclass(frozen=True)
class Evidence:
    """What is known of a placement's gain and price. All gains are held out but `fitted`."""

    settings: Settings
    service: Service
    limits: Worth
    tokens: float  # of a rank in a layer and pass
    fitted: float  # share of expert time saved in the half that the table was made of, which flatters
    in_use: int  # redundant experts
    several: bool = False  # prefill and decode together
    gain: Gain | None = None
    moved: Ints | None = None  # experts that each rank gets, [layer, rank]
    lasting: Lasting | None = None
    anew: tuple[Anew, ...] = ()
    last: LastTables | None = None
    iteration_seconds: float | None = None
    period: int | None = None  # iterations between two tables as recorded
    artificial: tuple[Artificial, ...] = ()

    @property
    def step(self) -> Interval | None:
        """The gain as a share of a step's time, None where the share of expert computation is unknown."""
        return None if self.gain is None else self._of_step(self.gain.saved)

    @property
    def worth(self) -> float:
        """From which gain on a trial is worth it, of a step's time or, where that is unknown, expert time."""
        return self.limits.time if self.service.share is None else self.limits.step

    @property
    def most(self) -> int | None:
        """How many experts the rank gets that gets most; None where ranks are others than in use."""
        return None if self.moved is None else int(self.moved.sum(axis=0).max(initial=0))

    @property
    def standstill(self) -> float | None:
        """Seconds until every rank has its experts, None where the size or the link is unknown."""
        return self._transfer(self.most)

    @property
    def break_even(self) -> float | None:
        """Seconds until the gain has earned back a standstill; None where unknown, infinite without gain."""
        if self.step is None or self.standstill is None:
            return None
        if self.step.value <= 0:
            return np.inf if self.standstill else 0.0
        return self.standstill / self.step.value / (self.service.busy or 1.0)

    @property
    def earned(self) -> float | None:
        """Seconds that a gain earns until it has faded, at its most; None where unknown or it lasts."""
        step = self.step
        if self.lasting is None or self.kept is None or step is None:
            return None
        fresh = self.lasting.saved[0] * (self.service.share or 0.0)
        return self.kept * max(fresh, step.high) * (self.service.busy or 1.0)

    @property
    def kept(self) -> float | None:
        """Seconds after which less than half of a gain is left, None where unknown or it lasts."""
        return None if self.lasting is None else self.seconds(self.lasting.kept)

    @property
    def looked_at(self) -> float | None:
        """Seconds after a table that are recorded."""
        known = None if self.lasting is None else self.lasting.looked_at
        return self.seconds(known or (None if self.gain is None else self.gain.iterations))

    def seconds(self, iterations: float | None) -> float | None:
        """Return how long so many iterations take, None where unknown."""
        if iterations is None or self.iteration_seconds is None:
            return None
        return iterations * self.iteration_seconds

    def judged(self, gain: Gain) -> Interval:
        """Return a gain in the unit of `worth`."""
        return self._of_step(gain.saved) or gain.time

    def net(self, anew: Anew) -> Interval | None:
        """Return what tables made anew bring of a step's time after their price, None where unknown."""
        step, price = self._of_step(anew.gain.saved), self._transfer(anew.arrivals)
        window = self.seconds(anew.window)
        if step is None or price is None or not window:
            return None
        return step.less(price / window / (self.service.busy or 1.0))

    def _of_step(self, saved: Interval) -> Interval | None:
        return None if self.service.share is None else saved.times(self.service.share)

    def _transfer(self, experts: float | None) -> float | None:
        mib, gbps = self.settings.expert_mib, self.settings.link_gbps
        if experts is None or mib is None or gbps is None:
            return None
        return experts * mib * 2**20 * 8 / (gbps * 1e9)


@dataclass(frozen=True)
class Verdict:
    """One of three sentences, and what it rests on; `anew`: how often tables are made where they must be."""

    sentence: Sentence
    reason: Reason
    anew: Anew | None = None


@dataclass(frozen=True, eq=False)
class Known:
    """What does not depend on the placement: iterations with what is reckoned of them once, and the service.

    `judging` is None of prefill and decode together.
    """

    data: Recorded
    usable: Ints
    judging: Judged | None
    artificial: tuple[Artificial, ...]
    passes: int | None
    service: Service
    limits: Worth


def known_of(series: Sequence[ExpertSeries], data: Recorded, service: Service, limits: Worth) -> Known:
    """Return what is known of `series`, which `data` is of."""
    usable = np.concatenate(usable_iterations(series[0]))
    if len(series) > 1:
        return Known(data, usable, None, (), series[0].passes, service, limits)
    judging, odd = judged(series[0], data.experts, usable), artificial(series[0], data, usable)
    return Known(data, usable, judging, odd, series[0].passes, service, limits)


def evidence_for(about: Known, found: WhatIf) -> Evidence:
    """Return what is known of the gain and the price of a placement."""
    settings, data, usable, judging = found.settings, about.data, about.usable, about.judging
    before, after = (float(np.nansum(pars)) for pars in (found.fitted.before, found.fitted.after))
    known = Evidence(
        settings,
        about.service,
        about.limits,
        routed_tokens(data) / (about.passes or 1),
        1 - after / before if before > 0 else 0.0,
        data.slots_in_use - len(data.experts),
        judging is None,
    )
    if judging is None or settings.ranks != len(data.ranks):
        return known
    placed = np.where(found.placement < 0, -1, np.searchsorted(data.experts, found.placement))
    table = Table(placed, settings.ranks)
    held_out = np.flatnonzero(judging.chosen >= usable[data.first.iterations])
    fit, period = _fit(settings, len(data.experts)), _period(judging.series, usable)
    return replace(
        known,
        gain=judging.gain(held_out, judging.under(held_out, table)),
        moved=arrivals(Table(data.in_use, settings.ranks), table),
        lasting=None if fit is None else lasting(judging, usable, fit),
        anew=() if fit is None else made_anew(judging, usable, fit, period),
        last=last_tables(judging),
        iteration_seconds=_iteration_seconds(judging.series, usable, about.service),
        period=period,
        artificial=about.artificial,
    )


def verdict(known: Evidence) -> Verdict:
    """Return which of the three sentences holds."""
    gain = known.gain
    if gain is None:
        return Verdict("not enough evidence", "phases" if known.several else "ranks")
    if known.artificial:
        return Verdict("not enough evidence", "artificial")
    if gain.iterations < FEWEST_JUDGED:
        return Verdict("not enough evidence", "few iterations")
    if known.tokens < FEW_TOKENS:
        return Verdict("not enough evidence", "few tokens")
    saved, found = known.judged(gain), _of_one_table(known)
    if saved.low >= known.worth and found.sentence == "worth a trial":
        return found
    if (anew := _affordable(known)) is not None:
        return Verdict("worth a trial", "anew", anew)
    if saved.low >= known.worth:
        return found
    if saved.value > 0 and saved.high >= known.worth:
        lies_between = Verdict("not enough evidence", "uncertain")
        return found if found.sentence == "not now" else lies_between
    moving = [each for each in known.anew if known.judged(each.gain).low >= known.worth]
    if moving and any(known.net(each) is None for each in moving):
        return Verdict("not enough evidence", "anew unpriced", moving[-1])
    flattered = known.fitted >= known.limits.time and known.fitted > 2 * gain.time.value
    return Verdict("not now", "moves" if moving or flattered else "no gain")


def _of_one_table(known: Evidence) -> Verdict:
    """Return whether a gain that is large enough lasts as long as it takes to pay its price."""
    after, earned, looked_at = known.break_even, known.earned, known.looked_at
    if earned is not None and known.standstill is not None and known.standstill > earned:
        return Verdict("not now", "does not last")
    if after is not None and earned is None and looked_at is not None and after > looked_at:
        return Verdict("not enough evidence", "too short")
    return Verdict("worth a trial", "once")


def _affordable(known: Evidence) -> Anew | None:
    """Return how often tables are best made anew where that is worth its price."""
    priced = [(net, anew) for anew in known.anew if (net := known.net(anew)) is not None]
    worth = [(net.value, anew.window, anew) for net, anew in priced if net.low >= known.worth]
    return max(worth, key=lambda each: each[:2])[2] if worth else None


def _fit(settings: Settings, experts: int) -> Fit | None:
    """Return what makes a table of other loads; None of a placement that is given."""
    if settings.policy not in ("global", "hierarchical"):
        return None
    nodes, groups = (settings.nodes, settings.groups) if settings.policy == "hierarchical" else (1, 1)
    slots, ranks = experts + settings.redundant, settings.ranks

    def fit(heat: Floats) -> Table:
        return Table(
            hierarchical_placement(heat, slots=slots, ranks=ranks, nodes=nodes, groups=groups), ranks
        )

    return fit


def _period(series: ExpertSeries, usable: Ints) -> int | None:
    """Return the median length of recorded EPLB periods in iterations, None where there is but one."""
    lengths = np.unique(series.period[usable], return_counts=True)[1]
    # The last is cut by the end of the recording.
    return int(np.median(lengths[:-1])) if len(lengths) > 1 else None


def _iteration_seconds(series: ExpertSeries, usable: Ints, service: Service) -> float | None:
    """Return how long an iteration takes: by its times, else by the passes it stands for."""
    if series.time is not None and len(usable) > 1:
        ends = series.time[usable[[0, -1]]].astype("datetime64[us]").astype(np.int64)
        seconds = float(ends[1] - ends[0]) / 1e6 / (len(usable) - 1)
        if seconds > 0:
            return seconds
    if series.passes is None or service.pass_ms is None:
        return None
    return series.passes * service.pass_ms / 1e3 / (service.busy or 1.0)
