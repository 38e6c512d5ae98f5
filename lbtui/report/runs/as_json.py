"""Runs as JSON: `runs`, in order of time, `changes`, and what was tuned (`sweep`)."""

from __future__ import annotations

import json
from collections.abc import Iterator

from lbtui.comparison import Row
from lbtui.report.as_json import SCHEMA
from lbtui.report.values import Json, finite, iso
from lbtui.runs.many import Many
from lbtui.runs.model import Measure, Run, Shape
from lbtui.runs.together import Change, Series, Sweep, Tried
from lbtui.runs.verdicts import Judged
from lbtui.text import visible


def runs_json(many: Many, *, ascii_only: bool) -> str:
    """Return the document as text, without a line break behind it."""
    return json.dumps(runs_document(many), indent=2, ensure_ascii=ascii_only, allow_nan=False)


def runs_document(many: Many) -> Json:
    """Return the document; what is unknown is null."""
    names = [visible(run.name) for run in many.runs]
    return {
        "schema": SCHEMA,
        "folder": visible(str(many.folder)),
        "runs": [_run(run, many.judged.get(run.name)) for run in many.runs],
        "baseline": None if many.baseline is None else visible(many.baseline.name),
        "changes": [
            _change(series, change, names) for series in many.trends.series for change in series.changes
        ],
        **({} if many.sweep is None else {"sweep": _sweep(many.sweep, names)}),
        "notes": [
            *({"file": visible(note.file), "text": visible(note.text)} for note in many.notes),
            *({"file": None, "text": visible(text)} for text in many.trends.notes),
        ],
    }


def _run(run: Run, judged: Judged | None) -> Json:
    summary = run.summary
    told: Json = {
        "name": visible(run.name),
        "path": visible(str(run.file or run.reading.path)),
        "raw": run.reading.raw,
        "start": iso(run.begun),
        "end": None if summary is None else iso(summary.end),
        "seconds": None if summary is None else summary.length,
        "shape": shape_json((summary.shape if summary else run.shape) or Shape()),
        "parameters": {visible(name): _parameter(value) for name, value in run.parameters.items()},
        "problem": visible(run.problem) or None,
        "note": visible(run.note) or None,
    }
    if summary is not None:
        worst = summary.worst
        told["targets"] = dict(summary.targets)
        told["metrics"] = [_measure(measure) for measure in summary.measures]
        told["findings"] = {name: summary.findings.get(name, 0) for name in ("critical", "warning", "info")}
        told["worst_finding"] = (
            None
            if worst is None
            else {"id": worst.id, "severity": worst.severity, "message": visible(worst.message)}
        )
        told["notes"] = [visible(note) for note in summary.notes]
    if judged is not None:
        told["verdicts"] = [_row(row) for row in judged.rows]
        told["not_compared"] = visible(judged.why) or None
    return told


def _parameter(value: str | float | bool) -> str | float | bool | None:
    if isinstance(value, str):
        return visible(value)
    return value if isinstance(value, bool) else finite(value)


def shape_json(shape: Shape) -> Json:
    """Return a shape: numbers of DP domains by instance, of nodes by role, of EP ranks by instance."""
    return {
        "engine": shape.engine or None,
        "dp_domains": list(shape.domains),
        "nodes": {visible(role): count for role, count in shape.nodes},
        "ep_ranks": list(shape.ranks),
    }


def _measure(measure: Measure) -> Json:
    return {
        "metric": measure.key,
        "subject": visible(measure.subject) or None,
        "value": finite(measure.value),
        "low": finite(measure.low),
        "high": finite(measure.high),
        "unit": measure.metric.unit,
        "better": measure.metric.better,
        "chance": None if measure.chance is None else finite(measure.chance),
        "reason": visible(measure.absent) or None,
        "doubt": visible(measure.doubt) or None,
    }


def _row(row: Row) -> Json:
    return {
        "metric": f"{row.metric.dimension}.{row.metric.key}",
        "headline": row.is_headline,
        "subject": visible(row.subject.instance or row.subject.role or "") or None,
        "difference": finite(row.difference),
        "low": finite(row.low),
        "high": finite(row.high),
        "p_value": finite(row.p_value),
        "adjusted_p_value": finite(row.adjusted),
        "verdict": row.verdict,
        "reason": visible(row.reason) or None,
    }


def _change(series: Series, change: Change, names: list[str]) -> Json:
    """Return a change; runs are named by their names in `runs`."""
    runs = [point.run for point in series.points]
    return {
        "metric": series.key,
        "subject": visible(series.subject) or None,
        "shape": shape_json(series.shape),
        "load": series.is_load,
        "kind": change.kind,
        "run": names[runs[change.at]],
        "first_run": names[runs[change.first]],
        "last_run": names[runs[change.last]],
        "before": finite(change.before),
        "after": finite(change.after),
        "unit": series.metric.unit,
        "per_run": finite(change.per_run),
        "p_value": finite(change.p_value),
        "worse": change.worse,
    }


def _sweep(sweep: Sweep, names: list[str]) -> Json:
    return {
        "parameters": [visible(name) for name in sweep.parameters],
        "high": sweep.up or None,
        "low": sweep.down or None,
        "reason": visible(sweep.why) or None,
        "tried": list(_tried(sweep, names)),
    }


def _tried(sweep: Sweep, names: list[str]) -> Iterator[Json]:
    each: Tried
    for each in sweep.tried:
        yield {
            "name": visible(each.name),
            "run": None if each.run is None else names[each.run],
            "parameters": {visible(name): _parameter(value) for name, value in each.parameters.items()},
            "figures": {visible(name): finite(value) for name, value in each.figures.items()},
            "front": each.front,
        }
