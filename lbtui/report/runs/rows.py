"""What a report tells of runs side by side, as rows of text: for plain text and Markdown alike."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from lbtui.comparison import Comparison, Row
from lbtui.comparison.model import Metric
from lbtui.comparison.named import metric_named
from lbtui.comparison.words import VERDICTS, definition, figure, load_sentence, named, with_unit
from lbtui.findings.words import MARKS
from lbtui.overview.text import clock
from lbtui.runs.many import Many
from lbtui.runs.model import Run, Shape
from lbtui.runs.shapes import shape_words
from lbtui.runs.together import Sweep
from lbtui.text import _, in_clauses, in_list, plural, visible, with_brackets, with_comma, with_label

# What a table of runs has of each, where any run has it.
COLUMNS = (
    "requests.request_rate",
    "requests.input_tokens",
    "requests.output_tokens",
    "dp.batch_size.par",
    "dp.step_time.par",
    "dp.step_time.wasted",
    "dp.waiting.mean",
    "kv.usage.par",
    "pd.added.par",
    "ep.rank_load.mean_layer_par",
    "requests.ttft.p50",
    "requests.ttft.p95",
    "requests.time_per_output_token.p50",
    "requests.time_per_output_token.p95",
    "requests.goodput",
)
Table = tuple[tuple[str, ...], list[tuple[str, ...]]]


def headline(many: Many) -> str:
    """Return how many runs lie where, and how many of them cannot be read."""
    counted = _("{count} below {path}").format(
        count=plural("1 run", "{count} runs", len(many.runs)), path=visible(str(many.folder))
    )
    failed = sum(run.summary is None for run in many.runs)
    if not failed:
        return counted
    return with_comma(counted, plural("1 cannot be read", "{count} cannot be read", failed))


def notes(many: Many) -> Iterator[str]:
    """Yield what to mind before any figure is read: loads and shapes that differ, what cannot be read."""
    yield from many.trends.notes
    yield from (with_label(visible(note.file), note.text) for note in many.notes)
    for run in many.runs:
        if run.problem:
            yield with_label(visible(run.name), run.problem)


def metrics_of(many: Many) -> dict[str, Metric]:
    """Return the metrics of the columns that any run has, by key."""
    found = {
        measure.key: measure.metric
        for run in many.runs
        if run.summary is not None
        for measure in run.summary.measures
        if measure.known
    }
    return {key: found[key] for key in COLUMNS if key in found}


def run_table(many: Many) -> Table:
    """Return the heads, and a row a run in order of time."""
    metrics = metrics_of(many)
    heads = [_("start"), _("run"), _("length"), _("shape"), *map(_head, metrics.values()), _("worst finding")]
    several = many.baseline is not None
    rows = [
        (
            "–" if run.begun is None else clock(run.begun, date=True),
            visible(run.name),
            _length(run),
            shape_words((run.summary.shape if run.summary else run.shape) or Shape()) or "–",
            *(_cell(run, key) for key in metrics),
            _worst(run),
            *([_verdict(many, run)] if several else []),
        )
        for run in many.runs
    ]
    return (*heads, *([_("against the baseline")] if several else [])), rows


def _head(metric: Metric) -> str:
    holds_it = metric.unit in (_("share"), _("max/mean"))
    return metric.label if holds_it else with_comma(metric.label, metric.unit)


def _length(run: Run) -> str:
    length = None if run.summary is None else run.summary.length
    return "–" if length is None else f"{length:.1f} s"


def _cell(run: Run, key: str) -> str:
    worst = None if run.summary is None else run.summary.worst_of(key)
    if worst is None:
        return "–"
    text = figure(worst.metric, worst.value)
    doubt = " ?" if worst.doubt else ""
    return text + doubt if worst.chance is None else with_brackets(text + doubt, f"{worst.chance:.2f}")


def _worst(run: Run) -> str:
    worst = None if run.summary is None else run.summary.worst
    return "–" if worst is None else f"{MARKS[worst.severity]} {worst.id}"


def _verdict(many: Many, run: Run) -> str:
    if many.baseline is not None and run.name == many.baseline.name:
        return _("baseline")
    judged = many.judged.get(run.name)
    if judged is None:
        return "–"
    if judged.why:
        return VERDICTS["not_comparable"]
    rows = [row for row in judged.rows if row.is_headline]
    counts = [
        with_label(VERDICTS[verdict], str(count))
        for verdict in ("worse", "better")
        if (count := sum(row.verdict == verdict for row in rows))
    ]
    return in_list(counts) or VERDICTS["no_evidence"]


def judged_sentences(many: Many) -> Iterator[str]:
    """Yield, run by run, what is worse and better than in the baseline, and what is not compared."""
    for run in many.runs:
        judged = many.judged.get(run.name)
        if judged is None:
            continue
        name = visible(run.name)
        if judged.why:
            yield with_label(name, with_comma(VERDICTS["not_comparable"], judged.why))
            continue
        parts = [load_sentence(Comparison("", "", judged.rows))] if _differs(judged.rows) else []
        parts += [
            with_label(VERDICTS[verdict], in_list(map(_changed, rows)))
            for verdict in ("worse", "better")
            if (rows := [row for row in judged.rows if row.verdict == verdict])
        ]
        yield with_label(name, in_clauses(parts) or VERDICTS["no_evidence"])


def _differs(rows: Sequence[Row]) -> bool:
    return any(row.load_differs for row in rows)


def _changed(row: Row) -> str:
    return _("{metric} {before} → {after}").format(
        metric=visible(named(row)),
        before=with_unit(row.metric, row.before),
        after=with_unit(row.metric, row.after),
    )


def formulas(many: Many) -> Iterator[str]:
    """Yield what each column is, and what stands in brackets."""
    for metric in metrics_of(many).values():
        yield with_label(metric.label, definition(metric))


def sweep_table(sweep: Sweep) -> Table:
    """Return the heads, and a row for each set of parameters tried; those of the front are marked."""
    keys = list(dict.fromkeys(key for each in sweep.tried for key in each.figures))
    heads = ("", _("run"), *map(visible, sweep.parameters), *map(_figure_head, keys))
    rows = [
        (
            "*" if each.front else "",
            visible(each.name),
            *(_value(each.parameters.get(name)) for name in sweep.parameters),
            *(_value(each.figures.get(key)) for key in keys),
        )
        for each in sweep.tried
    ]
    return heads, rows


def _figure_head(key: str) -> str:
    """Return what a figure is called: ours by its metric, the optimizer's own as it is there."""
    dimension, _dot, name = key.partition(".")
    metric = metric_named(dimension, name)
    return visible(key, 60) if metric is None else _head(metric)


def _value(value: str | float | bool | None) -> str:
    if value is None or value != value:
        return "–"
    if isinstance(value, bool):
        return str(value).lower()
    return visible(value, 60) if isinstance(value, str) else f"{value:.6g}"
