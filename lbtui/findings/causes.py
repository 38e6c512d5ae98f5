"""One cause, one finding: what follows from another is listed under it."""

from __future__ import annotations

from lbtui.findings.model import Finding


def explained(findings: list[Finding]) -> list[Finding]:
    """Return the causes, each with its consequences; a consequence goes with its first cause."""
    causes: list[Finding] = []
    following: dict[int, list[Finding]] = {}
    for finding in findings:
        cause = next((c for c in findings if c is not finding and _explains(c, finding, findings)), None)
        if cause is None:
            causes.append(finding)
        else:
            following.setdefault(id(cause), []).append(finding)
    return [
        c.explaining(tuple(f for direct in following.get(id(c), []) for f in _with_rest(direct, following)))
        for c in causes
    ]


def _with_rest(finding: Finding, following: dict[int, list[Finding]]) -> list[Finding]:
    """Flatten chains: what follows from a consequence follows from the cause."""
    rest = [f for direct in following.get(id(finding), []) for f in _with_rest(direct, following)]
    return [finding, *rest]


def _explains(cause: Finding, effect: Finding, findings: list[Finding]) -> bool:
    rule = _RULES.get((cause.id, effect.id))
    return rule is not None and rule(cause, effect)


def _same_domain(cause: Finding, effect: Finding) -> bool:
    keys = ("instance", "host", "dp_rank")
    return all(cause.subject.get(k) == effect.subject.get(k) for k in keys) and cause.overlaps(effect)


def _same_instance(cause: Finding, effect: Finding) -> bool:
    return cause.subject.get("instance") == effect.subject.get("instance")


def _other_domain(cause: Finding, effect: Finding) -> bool:
    """A domain short of KV blocks takes fewer requests, so that its peers carry more."""
    return _same_instance(cause, effect) and cause.subject.get("dp_rank") != effect.subject.get("dp_rank")


def _decode_node(cause: Finding, effect: Finding) -> bool:
    """More requests for a D domain come through its node."""
    return effect.subject.get("role") == "decode" and cause.overlaps(effect)


def _same_rank(cause: Finding, effect: Finding) -> bool:
    return _same_instance(cause, effect) and cause.subject.get("rank") == effect.subject.get("rank")


_RULES = {
    ("dp.batch_size.skew", "dp.queue.skew"): _same_domain,
    ("dp.batch_size.skew", "kv.skew"): _same_domain,
    ("dp.batch_size.skew", "kv.exhausted"): _same_domain,
    ("dp.batch_size.skew", "pd.node.skew"): _decode_node,
    ("kv.exhausted", "dp.queue.skew"): _same_domain,
    ("kv.exhausted", "kv.skew"): _same_domain,
    ("kv.skew", "dp.queue.skew"): _same_domain,
    ("ep.rank.hot", "ep.skew"): _same_instance,
    ("ep.rank.hot", "ep.eplb.ineffective"): _same_instance,
    ("ep.expert.hot", "ep.skew"): _same_instance,
    ("ep.skew", "ep.eplb.ineffective"): _same_instance,
}
