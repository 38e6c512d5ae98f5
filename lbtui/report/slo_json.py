"""What requests attained of their targets, as JSON."""

from __future__ import annotations

from collections.abc import Iterable

from lbtui.analysis.slo import Attained, class_end
from lbtui.overview.attained import Group, Slo
from lbtui.profile import Domain
from lbtui.report.values import Json, domain_json, finite, iso
from lbtui.text import visible


def slo_json(slo: Slo, domains: Iterable[Domain]) -> Json:
    """Return the member `slo` of the document."""
    by_key = {domain.key: domain for domain in domains}
    return {
        "targets": {"ttft": slo.targets.ttft, "tpot": slo.targets.tpot, "e2e": slo.targets.e2e, "unit": "ms"},
        "targets_are": "given" if slo.targets.given else "p95 of this run",
        **_attained(slo.run),
        "seconds": slo.run.seconds,
        "domains": [{**_domain(group, by_key), **_attained(group.attained)} for group in slo.of("domain")],
        "nodes": [
            {"address": visible(str(group.key)), "role": role, **_attained(group.attained)}
            for role in ("prefill", "decode")
            for group in slo.of(role)
        ],
        "input_classes": [
            {"least": int(group.key), "most": class_end(int(group.key)), **_attained(group.attained)}
            for group in slo.of("input")
        ],
        "over_time": [
            {"start": iso(one.begin), "end": iso(one.end), **_attained(one.attained)} for one in slo.stretches
        ],
        "places_unknown_because": visible(slo.unplaced) or None,
        "doubt": visible(slo.doubt) or None,
    }


def _attained(found: Attained) -> Json:
    low, high = found.interval
    return {
        "attainment": finite(found.share),
        "low": finite(low),
        "high": finite(high),
        "goodput": finite(found.goodput),
        "met": found.met,
        "judged": found.judged,
        "unknown": found.unknown,
    }


def _domain(group: Group, by_key: dict[str, Domain]) -> Json:
    domain = by_key.get(str(group.key))
    if domain is None:
        return {"instance": None, "host": None, "dp_rank": None, "name": visible(str(group.key))}
    return domain_json(domain)
