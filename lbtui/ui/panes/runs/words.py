"""Runs in words: what stands above and below the table, the page of one run, what changed over them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from lbtui.comparison.model import Metric
from lbtui.comparison.words import figure, with_unit
from lbtui.overview.text import clock
from lbtui.profile import dated
from lbtui.render.text import aligned, fixed, number
from lbtui.runs.model import Measure, Run
from lbtui.runs.shapes import shape_words
from lbtui.runs.together import Series
from lbtui.runs.trends import loads_with
from lbtui.runs.words import change_words
from lbtui.text import (
    _,
    in_clauses,
    in_list,
    in_sentences,
    plural,
    visible,
    with_brackets,
    with_comma,
    with_label,
    with_stop,
)
from lbtui.ui.panes.compare.words import MARKS, VERDICTS, Called
from lbtui.ui.panes.runs.columns import BY_NAME, PLAIN, RunColumn, named, scaled, seconds, unit_of
from lbtui.ui.panes.runs.data import (
    RunsData,
    calls,
    decimals_of,
    engine_words,
    in_course,
    value_words,
    verdict_counts,
)
from lbtui.ui.panes.runs.state import Kept, column_of, columns, rows

_YEAR = "2026-"


def begun_words(run: Run, *, short: bool = False) -> str:
    """Return when a run began, to the minute, without the year if `short`; empty where no file tells it."""
    if run.begun is None:
        return ""
    text = clock(run.begun, date=True)[: len("2026-01-01 00:00")]
    return text[len(_YEAR) :] if short else text


def metric_of(data: RunsData, column: RunColumn) -> Metric | None:
    """Return the metric that a column shows; None of what is none, or of which no run has a value."""
    return data.metrics.get(column.name, column.metric)


def state_line(data: RunsData, state: Kept, seen: Sequence[int]) -> str:
    """Return what is shown: how many runs, how far they are read, in which order, what is chosen.

    `seen` are the columns in view.
    """
    read, failed, coming = data.counts
    shown = rows(data, state)
    parts = [plural("1 run", "{count} runs", len(data.known))]
    if coming:
        parts.append(_("{count} read").format(count=f"{read:,}"))
    if failed:
        parts.append(_("{count} cannot be read").format(count=f"{failed:,}"))
    if state.text:
        text = visible(state.text)
        words = _('filter "{text}": {shown} of {all} runs')
        parts.append(words.format(text=text, shown=f"{len(shown):,}", all=f"{len(data.known):,}"))
    name, descending = state.order
    if name in data.columns:
        column = data.columns[name]
        order = column.descending if descending else column.ascending
        parts.append(with_label(column.words, order))
    if state.baseline in data.places:
        run = data.known[data.places[state.baseline or ""]].run
        parts.append(_("baseline {run}").format(run=visible(run.name)))
    if marks := [key for key in state.marks if key in data.places]:
        parts.append(_("{count} of 2 marked").format(count=len(marks)))
    count = len(columns(data, state))
    if len(seen) < count:
        beside = [place + 1 for place in seen if place] or [1]
        words = _("columns {first} to {last} of {count}")
        parts.append(words.format(first=beside[0], last=beside[-1], count=count))
    return " · ".join(parts)


def course_words(data: RunsData, column: RunColumn) -> tuple[str, str]:
    """Return what a column's course over the runs is of, and from which to which value it goes."""
    metric = metric_of(data, column)
    values = [value for value in in_course(data, column.name) if value is not None]
    if metric is None or not values:
        return named(column, metric), ""
    ends = _("{low} to {high}").format(
        low=figure(metric, min(values)).replace(_(" %"), ""), high=figure(metric, max(values))
    )
    return named(column, metric), ends


def named_column(data: RunsData, column: RunColumn) -> str:
    """Return what a column shows, with its unit."""
    return named(column, metric_of(data, column))


# The run under the cursor


def identity_words(run: Run) -> str:
    """Return a run's name, when it began, how long it took, engine and shape."""
    length = None if run.summary is None else run.summary.length
    parts = [
        with_brackets(visible(run.name), _("raw profile")) if run.reading.raw else visible(run.name),
        begun_words(run),
        "" if length is None else f"{seconds(length)} s",
        visible(engine_words(run)),
    ]
    return " · ".join(part for part in parts if part)


def run_sentences(data: RunsData, state: Kept, place: int) -> list[str]:
    """Return what is to know of a run: who it is, the value under the cursor, verdicts, the rest."""
    run = data.known[place].run
    return [
        identity_words(run),
        cell_words(data, state, place),
        _against_words(data, state, place),
        in_sentences(with_stop(_finding_words(run)) if _finding_words(run) else "", *_rest(run)),
    ]


def _finding_words(run: Run) -> str:
    if run.summary is None:
        return "" if run.problem else _("Still to be read")
    worst = run.summary.worst
    return _("No finding on its load") if worst is None else visible(worst.message)


def _rest(run: Run) -> list[str]:
    said = [with_stop(visible(run.problem))] if run.problem else []
    if run.note:
        said.append(with_stop(with_label(_("Your note"), visible(run.note))))
    if run.parameters:
        said.append(with_stop(with_label(_("Parameters"), parameters_words(run))))
    if run.summary is not None and run.summary.notes:
        said += [with_stop(visible(note)) for note in run.summary.notes]
    return said


def parameters_words(run: Run) -> str:
    """Return the parameters of a run with their values."""
    return in_list(f"{visible(name)}={visible(value_words(value))}" for name, value in run.parameters.items())


def cell_words(data: RunsData, state: Kept, place: int) -> str:
    """Return the value under the cursor with all that is known of it; empty where the column is no metric."""
    column = columns(data, state)[column_of(data, state)]
    measure = data.known[place].worst.get(column.name)
    if measure is None:
        run = data.known[place].run
        if column.name in PLAIN or run.summary is None:
            return ""
        absent = [one.absent for one in run.summary.of(column.name) if one.absent]
        return with_label(column.words, absent[0] if absent else _("not recorded"))
    return measure_words(measure, calls(data, place).get(column.name))


def measure_words(measure: Measure, verdict: Called | None) -> str:
    """Return a measure in words: value, interval, chance, verdict, doubt."""
    metric = measure.metric
    parts = [with_unit(metric, measure.value)]
    if interval := interval_words(measure):
        parts.append(_("95 % interval {interval}").format(interval=interval))
    if measure.chance is not None:
        parts.append(_("chance gives {value}").format(value=figure(metric, measure.chance)))
    if verdict is not None:
        parts.append(VERDICTS[verdict])
    if measure.doubt:
        parts.append(f"? {measure.doubt}")
    name = joined((metric.label, visible(measure.subject)))
    return with_label(name, with_comma(parts[0], in_clauses(parts[1:])) if parts[1:] else parts[0])


def interval_words(measure: Measure) -> str:
    """Return a measure's own interval; empty where it is unknown."""
    if math.isnan(measure.low) or math.isnan(measure.high):
        return ""
    low, high = (figure(measure.metric, bound) for bound in (measure.low, measure.high))
    return _("{low} to {high}").format(low=low.replace(_(" %"), ""), high=high)


def verdict_cell(data: RunsData, state: Kept, place: int) -> tuple[str, Called | None]:
    """Return how a run stands against the baseline in a few signs, and the verdict that colours them."""
    if data.known[place].key == state.baseline:
        return _("baseline"), None
    counts = verdict_counts(data, place)
    if counts is None:
        return ("–" if data.known[place].run.is_read and data.judged else "…"), None
    parts = [f"{MARKS[one]}{counts[one]}" for one in _CALLED if counts[one]]
    if parts:
        return " ".join(parts), next(one for one in _CALLED if counts[one])
    rest = next((one for one in _UNCALLED if counts[one]), None)
    return MARKS[rest or "not_comparable"], rest or "not_comparable"


_CALLED: tuple[Called, ...] = ("worse", "better", "load_differs")
_COUNTED: Mapping[Called, str] = {
    "load_differs": VERDICTS["load_differs"],
    "worse": _("{count} worse"),
    "better": _("{count} better"),
}
_UNCALLED: tuple[Called, ...] = ("no_evidence", "too_little_data", "not_comparable")


def _against_words(data: RunsData, state: Kept, place: int) -> str:
    """Return what is worse and what better than in the baseline; empty without one."""
    base = data.places.get(state.baseline or "")
    if base is None:
        return ""
    if base == place:
        return _("All others are judged against this run.")
    against = _("Against {run}").format(run=visible(data.known[base].run.name))
    judged = data.judged.get(data.known[place].run.name)
    if judged is None:
        return ""
    if judged.why:
        return with_stop(with_label(against, with_label(VERDICTS["not_comparable"], judged.why)))
    parts = []
    for one, words in _COUNTED.items():
        keys = [key for key, verdict in calls(data, place).items() if verdict == one]
        if keys:
            names = in_list(_label(key, data.metrics.get(key)) for key in keys)
            parts.append(with_brackets(words.format(count=len(keys)), names))
    if not parts:
        counts = verdict_counts(data, place)
        rest = next((one for one in _UNCALLED if counts is not None and counts[one]), None)
        parts = [VERDICTS[rest]] if rest is not None else [_("nothing to compare")]
    return with_stop(with_label(against, in_clauses(parts)))


def page_words(data: RunsData, state: Kept, place: int) -> str:
    """Return everything known of a run: who it is, what is said of it, every measure."""
    run = data.known[place].run
    facts = [(_("path"), visible(str(run.reading.path)))]
    facts += [(_("summary"), visible(str(run.file)))] if run.file is not None else []
    summary = run.summary
    if summary is not None and summary.start is not None and summary.end is not None:
        date = dated((summary.start, summary.end))
        facts.append((_("from"), clock(summary.start, date=True)))
        facts.append((_("to"), clock(summary.end, date=date)))
    facts += [(visible(name), visible(value_words(value))) for name, value in run.parameters.items()]
    if summary is not None and summary.targets:
        facts.append((_("targets"), in_list(f"{name} {number(value)} ms" for name, value in summary.targets)))
    said = [identity_words(run), "", *aligned(facts), ""]
    for words in (_finding_words(run), _against_words(data, state, place), in_sentences(*_rest(run))):
        said += [words, ""] if words else []
    if summary is not None and summary.measures:
        said += aligned([_HEADS, *(_measure_row(data, place, one) for one in summary.measures)])
    return "\n".join(said).rstrip()


_HEADS = ("", _("subject"), _("value"), _("unit"), _("95 % interval"), _("chance"), _("verdict"))


def _measure_row(data: RunsData, place: int, measure: Measure) -> tuple[str, ...]:
    metric = measure.metric
    is_worst = data.known[place].worst.get(measure.key) is measure
    verdict = calls(data, place).get(measure.key) if is_worst else None
    chance = "" if measure.chance is None else figure(metric, measure.chance)
    value = figure(metric, measure.value).replace(_(" %"), "") if measure.known else "–"
    return (
        metric.label,
        measure.subject,
        f"{value}?" if measure.doubt else value,
        unit_of(metric),
        interval_words(measure).replace(_(" %"), ""),
        chance,
        (VERDICTS[verdict] if verdict is not None else "") if measure.known else measure.absent,
    )


# The trend


def series_label(series: Series) -> str:
    """Return what a series is of."""
    return " · ".join(part for part in (series.metric.label, visible(series.subject)) if part)


def short_label(data: RunsData, series: Series) -> str:
    """Return what a series is of in as few words as its column in the table; its shape where that is rare."""
    shape = "" if series.shape == data.usual_shape else visible(shape_words(series.shape))
    label = _label(series.key, series.metric)
    return " · ".join(part for part in (label, visible(series.subject), shape) if part)


def _label(key: str, metric: Metric | None) -> str:
    column = BY_NAME.get(key)
    return column.words if column is not None else key if metric is None else metric.label


def change_mark(series: Series) -> Called | None:
    """Return what a series' changes come to; None where none was looked for."""
    if not series.changes:
        return None if series.why else "no_evidence"
    if series.is_load:
        return "load_differs"
    return "worse" if any(change.worse for change in series.changes) else "better"


def load_words(data: RunsData, series: Series) -> str:
    """Return what to know of the load of a series' runs before any metric is read."""
    load = [one for one in data.series if one.is_load and one.shape == series.shape]
    told = [
        change_words(one, change, [known.run for known in data.known])
        for one in load
        for change in one.changes
    ]
    if told:
        return with_stop(with_label(_("The load changed"), in_clauses(told)))
    if looked := [one.metric.label for one in load if not one.why]:
        names = in_list(dict.fromkeys(looked))
        return with_stop(with_label(_("No change of the load is seen"), names))
    return _("Whether the load changed cannot be told.")


def change_sentences(data: RunsData, series: Series) -> list[str]:
    """Return each change of a series, with what of the load changed then; without any why."""
    if not series.changes:
        none = _("No change beyond the runs' spread and their own intervals.")
        return [_capital(with_stop(series.why)) if series.why else none]
    found = []
    runs = [known.run for known in data.known]
    for change in series.changes:
        words = change_words(series, change, runs)
        if change.worse is not None:
            words = with_brackets(words, VERDICTS["worse" if change.worse else "better"])
        loads = () if data.trends is None else loads_with(data.trends, series, change)
        also = in_list(dict.fromkeys(load.metric.label for load in loads))
        with_it = _("With it changed of the load: {metrics}.").format(metrics=also) if also else ""
        found.append(in_sentences(_capital(with_stop(words)), with_it))
    return found


def point_words(data: RunsData, series: Series, at: int) -> str:
    """Return the run under the cursor of a series with its value."""
    point = series.points[at]
    known = data.known[point.run]
    parts = [
        identity_words(known.run),
        with_label(series.metric.label, with_unit(series.metric, point.value)),
    ]
    if not (math.isnan(point.low) or math.isnan(point.high)):
        low, high = (figure(series.metric, bound) for bound in (point.low, point.high))
        interval = _("{low} to {high}").format(low=low.replace(_(" %"), ""), high=high)
        parts.append(_("95 % interval {interval}").format(interval=interval))
    return " · ".join(parts)


def trend_line(data: RunsData, series: Series) -> str:
    """Return what the trend shows: the metric and of which runs."""
    unit = unit_of(series.metric)
    label = with_comma(series_label(series), unit) if unit else series_label(series)
    runs = plural("1 run", "{count} runs", len(series.points))
    shape = visible(shape_words(series.shape))
    changed = sum(bool(one.changes) for one in data.series)
    told = _("{count} of {all} changed").format(count=changed, all=len(data.series))
    return " · ".join(part for part in (label, runs, shape, told) if part)


# The sweep


_SHORT: Mapping[str, str] = {
    "requests.throughput.output_tokens": _("output tokens/s"),
    "requests.throughput.requests": _("finished requests/s"),
}


def figure_label(data: RunsData, key: str) -> str:
    """Return what a figure of a sweep is called; its key where no run has it."""
    metric = data.metrics.get(key)
    if key in _SHORT:
        return _SHORT[key]
    column = BY_NAME.get(key)
    if column is not None:
        return named(column, metric)
    if metric is None:
        return visible(key)
    unit = unit_of(metric)
    return metric.label if unit in ("", _("max/mean")) else with_comma(metric.label, unit)


def figure_words(data: RunsData, key: str, value: float | None) -> str:
    """Return a figure of a sweep as it stands in the table."""
    if value is None or math.isnan(value):
        return "–"
    metric = data.metrics.get(key)
    if metric is None:
        return number(value)
    return fixed(scaled(metric, value), decimals_of(data, key))


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def joined(parts: Sequence[str]) -> str:
    """Return the parts of a line that there are."""
    return " · ".join(part for part in parts if part)
