"""Overview and findings as JSON: a contract, which the manual describes; a new meaning raises `SCHEMA`."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence

from lbtui.comparison import Comparison, Row
from lbtui.findings import Cost, Finding
from lbtui.findings.latency.told import Told
from lbtui.overview.model import Figure, Overview, Place, Source, Summarised
from lbtui.overview.readings import Beside, Unit
from lbtui.profile import ZONE, Domain, micros
from lbtui.profile.captures import Captures
from lbtui.report.latency_json import latency_json, terms_json
from lbtui.report.slo_json import slo_json
from lbtui.report.values import Json, domain_json, finite, iso
from lbtui.text import visible

SCHEMA = 1

_UNITS: Mapping[Unit, str] = {"ms": "ms", "share": "share"}  # of numbers; an instant is a text
_DIMENSIONS = ("dp", "kv", "pd", "ep", "requests")


def as_json(
    known: Overview,
    findings: Iterable[Finding],
    comparison: Comparison | None = None,
    told: Told | None = None,
    *,
    ascii_only: bool,
) -> str:
    """Return the whole document as text; text from files holds no control characters."""
    return json.dumps(
        document(known, findings, comparison, told), indent=2, ensure_ascii=ascii_only, allow_nan=False
    )


def document(
    known: Overview,
    findings: Iterable[Finding],
    comparison: Comparison | None = None,
    told: Told | None = None,
) -> Json:
    """Return the document as plain dicts, lists, strings and finite numbers."""
    metrics: dict[str, list[Json]] = {dimension: [] for dimension in _DIMENSIONS}
    for figure in known.figures():
        metrics[figure.dimension].append(_figure(figure))
    found = {
        "schema": SCHEMA,
        "profile": _profile(known),
        "metrics": metrics,
        "findings": [_finding(finding) for finding in findings],
    }
    if known.slo is not None:
        found["slo"] = slo_json(known.slo, known.domains)
    if told is not None and known.slo is not None:
        found["latency_parts"] = latency_json(told, known.domains)
    if known.summaries:
        found["summaries"] = [_summarised(one) for one in known.summaries]
    if known.beside:
        found["outputs"] = [_beside(one) for one in known.beside]
    if comparison is not None:
        notes = [visible(note) for note in comparison.notes]
        found["baseline"] = {"path": visible(comparison.before), "notes": notes}
        found["comparison"] = [_compared(row, known.domains) for row in comparison.rows]
    return found


def _summarised(one: Summarised) -> Json:
    return {
        "file": one.summary.file,
        "metric": one.summary.metric,
        "unit": one.summary.unit or None,
        "statistic": one.summary.statistic,
        "value": finite(one.summary.value),
        "own": finite(one.own),
        "agrees": one.agrees,
    }


def _beside(beside: Beside) -> Json:
    return {
        "path": beside.output,
        "same_recording": beside.meet,
        "quantities": [
            {
                "quantity": pair.quantity.key,
                "unit": _UNITS.get(pair.quantity.unit),
                "output": _reading(pair.output, pair.quantity.unit),
                "raw": _reading(pair.raw, pair.quantity.unit),
                "differs": pair.differs,
                "reason": pair.why or None,
            }
            for pair in beside.pairs
        ],
    }


def _reading(value: float | None, unit: Unit) -> float | str | None:
    if value is None or not math.isfinite(value):
        return None
    return iso(int(value)) if unit == "instant" else value


def _compared(row: Row, domains: Sequence[Domain]) -> Json:
    return {
        "dimension": row.metric.dimension,
        "metric": row.metric.key,
        "headline": row.is_headline,
        "subject": _place(row.subject),
        "before": finite(row.before),
        "after": finite(row.after),
        "difference": finite(row.difference),
        "low": finite(row.low),
        "high": finite(row.high),
        "unit": row.metric.unit,
        "better": row.metric.better,
        "p_value": finite(row.p_value),
        "adjusted_p_value": finite(row.adjusted),
        "verdict": row.verdict,
        "reason": row.reason or None,
        **({"terms": terms_json(row, domains)} if row.terms else {}),
    }


def _profile(known: Overview) -> Json:
    begin, end = known.window or (None, None)
    return {
        "path": visible(known.path),
        "hosts": [visible(host) for host in known.hosts],
        "window": {"start": iso(begin), "end": iso(end), "zone": ZONE.tzname(None)},
        "captures": _captures(known.captures),
        "dp_domains": [domain_json(domain) for domain in known.domains],
        "nodes": [{"address": visible(node.address), "role": visible(node.role)} for node in known.nodes],
        "experts": [
            {
                "instance": visible(experts.instance),
                "periods": experts.periods,
                "layers": experts.layers,
                "ranks": experts.ranks,
                "slots_per_rank": experts.slots_per_rank,
                "experts": experts.experts,
            }
            for experts in known.experts
        ],
        "sources": [_source(source) for source in known.sources],
        "missing": [
            {
                "what": missing.what,
                "reason": missing.reason,
                "how_to_collect": missing.how_to_collect,
                "status": missing.status,
            }
            for missing in known.missing
        ],
        "notes": [{"file": visible(note.file), "text": visible(note.text)} for note in known.notes],
    }


def _captures(captures: Captures | None) -> list[Json]:
    """Return the parts of the profile that lie far apart in time; one where all is one capture."""
    parts = () if captures is None else captures.parts
    return [
        {
            "start": iso(part.begin),
            "end": iso(part.end),
            "shown": captures is not None and part == captures.shown,
        }
        for part in parts
    ]


def _source(source: Source) -> Json:
    return {
        "file": visible(source.file.path.name),
        "reader": source.file.reader,
        "rows": source.rows,
        "status": source.status,
        "reason": visible(source.why) or None,
        "size": source.file.size,
        "precision": source.precision or None,
    }


def _figure(figure: Figure) -> Json:
    found: Json = {
        "metric": figure.metric,
        "formula": figure.formula,
        "unit": figure.unit,
        "subject": _place(figure.subject),
        "value": finite(figure.value),
        "worst": _place(figure.worst) if figure.worst else None,
    }
    if figure.chance is not None:
        found["chance"] = finite(figure.chance)
    if figure.time_counted is not None:
        found["time_counted"] = finite(figure.time_counted)
    if figure.doubt:
        found["doubt"] = visible(figure.doubt)
    return found


def _place(place: Place) -> Json:
    keys: Json = {
        "instance": place.instance,
        "host": place.host,
        "dp_rank": place.dp_rank,
        "address": place.address,
        "role": place.role,
        "period": place.period,
        "layer": place.layer,
        "rank": place.rank,
        "start": iso(place.start),
        "end": iso(place.end),
    }
    return {
        key: visible(value) if isinstance(value, str) else value
        for key, value in keys.items()
        if value is not None
    }


def _finding(found: Finding) -> Json:
    window = None
    if found.window is not None:
        begin, end = map(micros, found.window)
        window = {"start": iso(begin), "end": iso(end)}
    return {
        "id": found.id,
        "dimension": found.dimension,
        "severity": found.severity,
        "subject": {
            key: visible(value) if isinstance(value, str) else value for key, value in found.subject.items()
        },
        "window": window,
        "metric": found.metric,
        "value": finite(found.value),
        "threshold": finite(found.threshold),
        "p_value": None if found.p_value is None else finite(found.p_value),
        **({} if found.expected is None else {"expected": finite(found.expected)}),
        "cost": _cost(found.cost),
        "message": visible(found.message),
        **({"note": visible(found.note)} if found.note else {}),
        "advice": visible(found.advice),
        **({"what_if": visible(found.what_if)} if found.what_if else {}),
        **(
            {}
            if found.hurt is None
            else {"requests_hurt": found.hurt, "requests_hurt_beyond_target": found.hurt_beyond}
        ),
        "evidence": visible(found.evidence),
        "consequences": [_finding(consequence) for consequence in found.consequences],
    }


def _cost(cost: Cost) -> Json:
    if cost.value is None or not math.isfinite(cost.value):
        return {"value": None, "unit": None, "reason": visible(cost.text)}
    share: Json = {}
    if cost.share is not None:
        share = {"share": cost.share, "share_of": cost.of}
    return {"value": cost.value, "unit": cost.unit, **share, "text": visible(cost.text)}
