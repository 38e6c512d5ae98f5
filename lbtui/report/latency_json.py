"""Where the time of requests went, as JSON."""

from __future__ import annotations

from collections.abc import Iterable

from lbtui.comparison import Row
from lbtui.findings.latency.told import Missed, Share, Told
from lbtui.profile import Domain
from lbtui.report.values import Json, domain_json, finite
from lbtui.text import visible


def latency_json(told: Told, domains: Iterable[Domain]) -> Json:
    """Return the member `latency_parts` of the document."""
    by_key = {domain.key: domain for domain in domains}
    latency = told.latency
    return {
        "requests": latency.lives.height,
        "cut": latency.cut,
        "without_rounds": latency.unplaced,
        "skewed_hosts": [visible(host) for host in latency.skewed],
        "clock_difference": latency.corrected,
        "reason": visible(latency.absent) or None,
        "unit": "ms",
        "parts": [_share(share, told, by_key, before=True) for share in told.shares],
        "missed": None if told.missed is None else _missed(told.missed, told, by_key),
    }


def _missed(missed: Missed, told: Told, by_key: dict[str, Domain]) -> Json:
    return {
        "judged": missed.judged,
        "requests": missed.missed,
        "explained": missed.explained,
        "beyond_target": missed.beyond,
        "parts": [_share(share, told, by_key, before=False) for share in missed.shares],
    }


def _share(share: Share, told: Told, by_key: dict[str, Domain], *, before: bool) -> Json:
    found: Json = {"part": share.part, "place": _place(share.place, by_key)}
    if (address := told.addresses.get(share.place or "")) is not None:
        found["place"]["address"] = visible(address)
    found |= {"time": share.ms, "share": share.share, "requests": share.requests}
    return {**found, "up_to_first_token": share.before} if before else found


def _place(key: str | None, by_key: dict[str, Domain]) -> Json | None:
    if key is None:
        return None
    domain = by_key.get(key)
    return {"name": visible(key)} if domain is None else domain_json(domain)


def terms_json(row: Row, domains: Iterable[Domain]) -> list[Json]:
    """Return what the difference of a compared latency is the sum of; null is what the parts leave."""
    by_key = {domain.key: domain for domain in domains}
    return [
        {
            "part": term.part,
            "before": term.before,
            "after": term.after,
            "difference": term.difference,
            "low": finite(term.low),
            "high": finite(term.high),
            "place": _place(term.place, by_key),
        }
        for term in row.terms
    ]
