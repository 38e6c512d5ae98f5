"""What runs tell together, in words."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from lbtui.comparison.words import figure, with_unit
from lbtui.overview.text import clock
from lbtui.runs.model import Run
from lbtui.runs.together import Change, Series, Trends
from lbtui.text import _, plural, visible, with_brackets, with_comma, with_label


def run_words(run: Run) -> str:
    """Return a run's name and when it began, as far as that is known."""
    name = visible(run.name, 60)
    return name if run.begun is None else with_brackets(name, clock(run.begun, date=True))


def series_words(series: Series) -> str:
    """Return the metric's name with its subject."""
    return " ".join(part for part in (series.metric.label, visible(series.subject, 60)) if part)


def change_words(series: Series, change: Change, runs: Sequence[Run]) -> str:
    """Return what changed, from what to what, since which run, and how likely chance does it."""
    metric, named = series.metric, runs[series.points[change.at].run]
    before, after = figure(metric, change.before), with_unit(metric, change.after)
    if change.kind == "step":
        text = _("from {before} to {after} at run {run}")
        told = text.format(before=before, after=after, run=run_words(named))
    else:
        text = _("drifts from {before} to {after} over {count} runs")
        told = text.format(before=before, after=after, count=change.last - change.first + 1)
        if math.isfinite(change.per_run):
            # Two digits that say something, also of a slow one.
            told = with_comma(told, _("{percent:+.2g} % a run").format(percent=100 * (change.per_run - 1)))
    return with_label(series_words(series), with_comma(told, p_words(change.p_value)))


def p_words(p_value: float) -> str:
    """Return how likely chance does it."""
    return _("p {value:.2g}").format(value=p_value)


def change_sentences(trends: Trends, runs: Sequence[Run]) -> Iterator[str]:
    """Yield each change, those of the load first; without any, in how many series none was found, or why."""
    changed = [(series, change) for series in trends.series for change in series.changes]
    for series, change in sorted(changed, key=lambda each: not each[0].is_load):
        yield change_words(series, change, runs)
    if changed:
        return
    looked = [series for series in trends.series if not series.why]
    if looked:
        words = plural("none found in 1 metric", "none found in {count} metrics", len(looked))
        yield words.format(count=len(looked))
    elif trends.series:
        # The shape of most runs comes first.
        yield trends.series[0].why
    else:
        yield _("no run can be put in order of time")
