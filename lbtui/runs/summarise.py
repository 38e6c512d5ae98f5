"""A run's summary: its shape, every metric with its interval, its worst finding. Pure but for the reading."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from lbtui.analysis.interval import Estimate, own_interval
from lbtui.comparison.alone import Alone, each_alone
from lbtui.comparison.measured import source_of
from lbtui.comparison.verdict import FEWEST_OF_A_SIDE
from lbtui.findings.doubts import doubt_of, is_doubtful
from lbtui.findings.model import Finding
from lbtui.findings.run import evidence_of, find_in
from lbtui.overview.model import Figure, Formula, Overview
from lbtui.overview.run import overview
from lbtui.profile import Profile, Progress, Silent
from lbtui.runs.first import domains_per_instance, engine_of
from lbtui.runs.model import Measure, RunSummary, Shape, Worst
from lbtui.text import visible
from lbtui.thresholds import Thresholds

# The overview's figures that tell what chance gives, by what a comparison calls them.
_CHANCE: Mapping[tuple[str, str, Formula], str] = {
    ("dp", "batch_size", "time_weighted_par"): "batch_size.par",
    ("pd", "added", "par"): "added.par",
}


def summarised(
    profile: Profile, thresholds: Thresholds | None = None, progress: Progress | None = None
) -> RunSummary:
    """Return the summary of a run; `thresholds` are those of its findings, and their targets its requests'.

    Loads every frame. Raises `Cancelled` when `progress` does, `Unreadable` where no file yields a row.
    """
    began = time.process_time()
    limits, told = thresholds or Thresholds(), progress or Silent()
    profile.require_rows(told)
    known = overview(profile, told, limits.expected)
    findings = find_in(evidence_of(profile, told), limits)
    doubt = doubt_of(profile, limits, told, findings)
    begin, end = known.window or (None, None)
    return RunSummary(
        identity="",
        start=begin,
        end=end,
        shape=_shape(known, engine_of(profile, told)),
        measures=tuple(_measures(profile, known, limits, doubt, told)),
        worst=_worst(findings),
        findings=Counter(found.severity for found in findings if found.dimension != "data"),
        targets=limits.targets,
        notes=tuple(dict.fromkeys(visible(note.text) for note in known.notes if note.lost)),
        seconds=time.process_time() - began,
    )


def _shape(known: Overview, engine: str) -> Shape:
    nodes = Counter(node.role for node in known.nodes)
    ranks = [experts.ranks for experts in known.experts]
    return Shape(
        engine,
        domains_per_instance(known.domains),
        tuple(sorted((visible(role), count) for role, count in nodes.items())),
        tuple(sorted(ranks, key=lambda count: count or 0, reverse=True)),
    )


def _measures(
    profile: Profile, known: Overview, limits: Thresholds, doubt: str, progress: Progress
) -> Iterator[Measure]:
    chances = dict(_chances(known.figures()))
    for alone in each_alone(source_of(profile, progress), limits.targets):
        found = _measure(alone)
        chance = chances.get((found.metric.dimension, found.metric.key, found.subject))
        doubtful = doubt if is_doubtful(found.metric.key) else ""
        yield replace(found, chance=chance, doubt=doubtful)


def _chances(figures: Iterable[Figure]) -> Iterator[tuple[tuple[str, str, str], float]]:
    for figure in figures:
        name = _CHANCE.get((figure.dimension, figure.metric, figure.formula))
        if name is not None and figure.chance is not None:
            subject = visible(figure.subject.instance or figure.subject.role or "")
            yield (figure.dimension, name, subject), figure.chance


def _measure(alone: Alone) -> Measure:
    metric, series = alone.measured.metric, alone.measured.series
    found = Measure(
        metric,
        visible(alone.subject.instance or alone.subject.role or ""),
        alone.value,
        absent=alone.measured.absent,
        layers=alone.layers,
    )
    if series is not None:
        course = series.course()
        low, high = _bounds(course.estimate(0))
        return replace(found, low=low, high=high, course=course)
    return found


def _bounds(estimate: Estimate) -> tuple[float, float]:
    """Return the 95 % interval; NaN where too few independent observations tell it."""
    if estimate.independent < FEWEST_OF_A_SIDE:
        return math.nan, math.nan
    low, high = own_interval(estimate)
    return (low if math.isfinite(low) else math.nan), (high if math.isfinite(high) else math.nan)


def _worst(findings: Iterable[Finding]) -> Worst | None:
    """Return the first finding on the load: the findings are ranked."""
    for found in findings:
        if found.dimension != "data":
            return Worst(found.id, found.severity, visible(found.message))
    return None
