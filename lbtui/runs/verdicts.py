"""Runs against one of them, the baseline: the verdicts of Compare, corrected over the runs."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeAlias

import numpy as np

from lbtui.analysis.interval import Estimate
from lbtui.comparison import Row
from lbtui.comparison.series import Course, Paired
from lbtui.comparison.verdict import judged, measured_row
from lbtui.overview.model import Place
from lbtui.profile import Progress, Silent
from lbtui.profile.pairing import matched
from lbtui.runs.model import Measure, Run, RunSummary
from lbtui.runs.shapes import shape_difference
from lbtui.text import _, in_clauses

# Judged beside the load and the headlines: what a table of runs shows.
_DETAILS = frozenset(
    {
        "dp.tokens.par",
        "dp.waiting.mean",
        "kv.usage.par",
        "requests.ttft.p50",
        "requests.ttft.p95",
        "requests.time_per_output_token.p50",
        "requests.time_per_output_token.p95",
        "requests.throughput.output_tokens",
        "requests.attainment",
        "requests.goodput",
    }
)
_Named: TypeAlias = tuple[str, str]  # key and subject in the baseline


@dataclass(frozen=True)
class Judged:
    """The rows of one run against the baseline, as Compare has them; `why` says why there are none.

    Their `p_value` is corrected over the runs (Benjamini and Hochberg 1995): of the differences called in a
    metric over all runs the share that chance alone makes is held at the level. `adjusted` is that corrected
    over the rows as in Compare.
    """

    rows: tuple[Row, ...] = ()
    why: str = ""

    @property
    def is_worse(self) -> bool:
        """Tell whether a headline is worse; a detail alone is not enough."""
        return any(row.verdict == "worse" for row in self.rows if row.is_headline)


def against(baseline: Run, runs: Sequence[Run], progress: Progress | None = None) -> Mapping[str, Judged]:
    """Return what each run that is read comes to against the baseline, by the run's name.

    The baseline itself is not among them. Raises `Cancelled` when `progress` does.
    """
    told = progress or Silent()
    if baseline.summary is None:
        return {}
    before = _Baseline(baseline.summary)
    others = [run for run in runs if run.name != baseline.name and run.summary is not None]
    found: dict[str, Judged] = {}
    rows: dict[str, dict[_Named, Row]] = {}
    for place, run in enumerate(others):
        told.advance(_("comparison"), place, len(others))
        assert run.summary is not None
        if why := shape_difference(baseline.summary.shape, run.summary.shape):
            found[run.name] = Judged(why=why)
        else:
            rows[run.name] = dict(before.rows(run.summary))
    for name, own in _corrected(rows).items():
        found[name] = Judged(tuple(judged(list(own.values()))))
    return found


def _corrected(rows: Mapping[str, Mapping[_Named, Row]]) -> dict[str, dict[_Named, Row]]:
    """Return the rows of each run with p-values corrected over the runs, metric by metric."""
    found = {name: dict(own) for name, own in rows.items()}
    for named in dict.fromkeys(named for own in rows.values() for named in own):
        having = [
            name
            for name, own in rows.items()
            if named in own and own[named].verdict == "no_evidence" and math.isfinite(own[named].p_value)
        ]
        corrected = false_discovery([rows[name][named].p_value for name in having])
        for name, p_value in zip(having, corrected, strict=True):
            found[name][named] = replace(rows[name][named], p_value=p_value)
    return found


def false_discovery(p_values: Sequence[float]) -> list[float]:
    """Return p-values adjusted by Benjamini and Hochberg (1995): the k-th least of m times m / k, rising."""
    count = len(p_values)
    order = np.argsort(p_values)[::-1]
    lowest, adjusted = 1.0, [1.0] * count
    for behind, place in enumerate(order):
        lowest = min(lowest, p_values[place] * count / (count - behind))
        adjusted[place] = lowest
    return adjusted


@dataclass(frozen=True)
class _Baseline:
    """The baseline, of which each estimate is made once for all runs."""

    summary: RunSummary
    made: dict[_Named, Estimate] = field(default_factory=dict)

    def estimate(self, measure: Measure, course: Course) -> Estimate:
        named = measure.key, measure.subject
        if named not in self.made:
            self.made[named] = course.estimate(0)
        return self.made[named]

    def rows(self, after: RunSummary) -> Iterator[tuple[_Named, Row]]:
        """Yield a row for each metric judged, open where it can be compared."""
        theirs = {(one.key, one.subject): one for one in after.measures}
        for group in (("requests",), ("dp", "kv"), ("pd",), ("ep",)):
            own, other = (_subjects(summary, group) for summary in (self.summary, after))
            for first, second in matched(own, other):
                if first is None or second is None:
                    continue  # which is which nothing tells
                for one in self.summary.measures:
                    if one.metric.dimension in group and one.subject == first and _is_judged(one):
                        match = theirs.get((one.key, second), Measure(one.metric, second))
                        yield (one.key, one.subject), self._row(one, match)

    def _row(self, before: Measure, after: Measure) -> Row:
        metric, name = before.metric, after.subject or None
        subject = Place(role=name) if metric.dimension == "pd" else Place(instance=name)
        sides = (_("before: {why}"), before), (_("after: {why}"), after)
        if doubts := in_clauses(text.format(why=one.doubt) for text, one in sides if one.doubt):
            return Row(metric, subject, "not_comparable", before.value, after.value, reason=doubts)
        if before.course is not None and after.course is not None:
            estimates = self.estimate(before, before.course), after.course.estimate(1)
            return measured_row(metric, subject, *estimates)
        if before.layers and len(before.layers) == len(after.layers):
            pair = np.array([before.layers, after.layers])
            known = pair[:, ~np.isnan(pair).any(axis=0)]
            if known.shape[1]:
                return measured_row(metric, subject, *Paired(known[0], known[1]).estimates())
        why = in_clauses(text.format(why=one.absent) for text, one in sides if one.absent)
        return Row(metric, subject, "not_comparable", before.value, after.value, reason=why)


def _subjects(summary: RunSummary, dimensions: Sequence[str]) -> dict[str, None]:
    return dict.fromkeys(one.subject for one in summary.measures if one.metric.dimension in dimensions)


def _is_judged(measure: Measure) -> bool:
    metric = measure.metric
    return metric.headline or metric.better == "neither" or measure.key in _DETAILS
