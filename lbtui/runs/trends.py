"""What changed over runs of one shape: each metric in order of time, and what is to be minded before."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias, get_args

import numpy as np

from lbtui.analysis import trend
from lbtui.comparison.model import Metric
from lbtui.overview.model import Dimension
from lbtui.profile.pairing import matched
from lbtui.runs.model import Run, RunSummary, Shape
from lbtui.runs.shapes import shape_words
from lbtui.runs.together import Change, Point, Series, Trends
from lbtui.runs.words import change_words
from lbtui.text import _, in_clauses, plural, with_comma

_Z = 1.959964
# Dimensions whose subjects are the same things.
_TOGETHER: tuple[tuple[Dimension, ...], ...] = (("requests",), ("dp", "kv"), ("pd",), ("ep",))
# What depends on the targets that requests had.
_OF_TARGETS = frozenset(("requests.attainment", "requests.goodput"))
_Named: TypeAlias = tuple[str, str]  # key, subject


@dataclass(frozen=True)
class _Timed:
    """A run that can be put in order: its place among all, and what it comes to."""

    place: int
    start: int
    name: str
    summary: RunSummary


def trends(runs: Sequence[Run]) -> Trends:
    """Return the series of all runs that are read and tell when they began, with what changed in them.

    Runs of one shape are looked at together, those of most runs first; of each shape the load comes first,
    then the dimensions. The same runs give the same numbers, in whatever order they come.
    """
    timed = [
        _Timed(place, run.begun, run.name, run.summary)
        for place, run in enumerate(runs)
        if run.summary is not None and run.begun is not None
    ]
    timed.sort(key=lambda one: (one.start, one.name))
    groups = _by_shape(timed)
    found = [one for shape, own in groups.items() for one in _series(shape, own)]
    return Trends(tuple(found), (*_of_loads(found, runs), *_left_out(runs, groups), *_other_shapes(groups)))


def _by_shape(timed: Sequence[_Timed]) -> dict[Shape, list[_Timed]]:
    """Return the runs of each shape in order of time, the shape of most first, of as many the newest.

    A run whose engine nothing tells is of the shape of those that are like it otherwise.
    """
    told = Counter(one.summary.shape for one in timed if one.summary.shape.engine)
    engines: dict[Shape, str] = {}
    for shape, _count in sorted(told.items(), key=lambda item: (-item[1], item[0].engine)):
        engines.setdefault(replace(shape, engine=""), shape.engine)
    groups: dict[Shape, list[_Timed]] = {}
    for one in timed:
        own = one.summary.shape
        shape = own if own.engine else replace(own, engine=engines.get(own, ""))
        groups.setdefault(shape, []).append(one)
    return dict(sorted(groups.items(), key=lambda item: (-len(item[1]), -item[1][-1].start)))


def _series(shape: Shape, runs: Sequence[_Timed]) -> list[Series]:
    """Return the series of runs of one shape; subjects are named as in the newest run that has them."""
    metrics: dict[str, Metric] = {}
    points: dict[_Named, list[Point]] = {}
    doubts: dict[_Named, str] = {}
    subjects = _subjects(runs)
    for one in runs:
        for measure in one.summary.measures:
            metrics[measure.key] = measure.metric
            named = measure.key, subjects[one.place, _together(measure.metric), measure.subject]
            own = points.setdefault(named, [])
            if measure.key in _OF_TARGETS and _has_other_targets(one, runs):
                continue
            if measure.doubt:
                doubts[named] = measure.doubt
            elif measure.known:
                own.append(Point(one.place, measure.value, measure.low, measure.high))
    counts = Counter(key for key, _name in points)
    found = []
    for (key, name), own in points.items():
        series = Series(metrics[key], name if counts[key] > 1 else "", shape, tuple(own))
        found.append(_changed(series, doubts.get((key, name), "")))
    order = get_args(Dimension)
    return sorted(found, key=lambda one: (not one.is_load, order.index(one.metric.dimension), one.subject))


def _has_other_targets(one: _Timed, runs: Sequence[_Timed]) -> bool:
    """Tell whether a run had other targets than the newest, so that another quantity is called the same."""
    return one.summary.targets != runs[-1].summary.targets


def _together(metric: Metric) -> int:
    return next(at for at, group in enumerate(_TOGETHER) if metric.dimension in group)


def _subjects(runs: Sequence[_Timed]) -> dict[tuple[int, int, str], str]:
    """Return what each subject of each run is called here, by the run's place and `_together`.

    From the newest run back: equal names, and the only one left on each side, as in a comparison. Of several
    that are called otherwise nothing tells which is which: they stay by themselves.
    """
    found: dict[tuple[int, int, str], str] = {}
    for at, group in enumerate(_TOGETHER):
        known: dict[str, None] = {}
        for one in reversed(runs):
            own = dict.fromkeys(m.subject for m in one.summary.measures if m.metric.dimension in group)
            for before, name in matched(own, known):
                if before is not None:
                    found[one.place, at, before] = before if name is None else name
            known |= dict.fromkeys(found[one.place, at, name] for name in own)
    return found


def _changed(series: Series, doubt: str) -> Series:
    """Return the series with its changes, or with why none was looked for."""
    count = len(series.points)
    if count < trend.FEWEST:
        why = _("too few runs for a change: {count} of the {fewest} needed").format(
            count=count, fewest=trend.FEWEST
        )
        return replace(series, why=with_comma(why, doubt) if doubt else why)
    values = np.array([point.value for point in series.points])
    widths = np.array([point.high - point.low for point in series.points])
    metric = series.metric
    given = trend.Values(values, widths / (2 * _Z), metric.smallest, metric.relative)
    return replace(series, changes=tuple(_change(metric, one) for one in trend.changes(given)))


def _change(metric: Metric, found: trend.Found) -> Change:
    worse = None if metric.better == "neither" else (found.after > found.before) == (metric.better == "lower")
    return Change(**vars(found), worse=worse)


def loads_with(found: Trends, series: Series, change: Change) -> tuple[Series, ...]:
    """Return what of the load changed together with a change, which that may come of.

    Steps do at most one run apart, drifts over whatever runs.
    """
    return tuple(
        load
        for load in found.series
        if load.is_load and not series.is_load and load.shape == series.shape
        for one in load.changes
        if _is_together(load, one, series, change)
    )


def _is_together(load: Series, one: Change, series: Series, change: Change) -> bool:
    if one.kind != change.kind:
        return False
    run = series.points[change.at].run
    at = next((at for at, point in enumerate(load.points) if point.run == run), None)
    return one.kind == "drift" or (at is not None and abs(at - one.at) <= 1)


def _of_loads(found: Sequence[Series], runs: Sequence[Run]) -> Iterator[str]:
    told = [change_words(one, change, runs) for one in found if one.is_load for change in one.changes]
    if told:
        yield _("The load changed, which may explain what changed with it: {changes}.").format(
            changes=in_clauses(told)
        )


def _left_out(runs: Sequence[Run], groups: dict[Shape, list[_Timed]]) -> Iterator[str]:
    if unread := sum(bool(run.problem) for run in runs):
        yield plural("1 run could not be read.", "{count} runs could not be read.", unread)
    if untimed := sum(run.summary is not None and run.begun is None for run in runs):
        yield plural(
            "1 run tells no time and is left out.", "{count} runs tell no time and are left out.", untimed
        )
    if others := sum(_has_other_targets(one, own) for own in groups.values() for one in own):
        yield plural(
            "1 run had other targets than the newest: its goodput is not compared.",
            "{count} runs had other targets than the newest: their goodput is not compared.",
            others,
        )


def _other_shapes(groups: dict[Shape, list[_Timed]]) -> Iterator[str]:
    most, *others = groups or [Shape()]
    for shape in others:
        yield _("{runs} of shape {shape}, not compared with most, which are {most}.").format(
            runs=plural("1 run", "{count} runs", len(groups[shape])),
            shape=shape_words(shape) or _("unknown"),
            most=shape_words(most) or _("unknown"),
        )
