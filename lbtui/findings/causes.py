"""One cause, one finding: what follows from another is listed under it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from lbtui.findings.model import SEVERITIES, Finding

_STANDS_OUT = 2.0  # × the threshold

_Rule = Callable[[Finding, Finding, "_Scene"], bool]


class _Scene:
    """All findings, how many DP domains each instance and how many nodes each P/D role has."""

    def __init__(
        self, findings: Sequence[Finding], domains: Mapping[str, int], nodes: Mapping[str, int]
    ) -> None:
        self.findings = findings
        self.domains = domains
        self.nodes = nodes

    def domains_out_of_blocks(self, instance: object) -> int:
        """Return how many domains of an instance are at their last KV blocks."""
        return sum(f.id == "kv.exhausted" and f.subject.get("instance") == instance for f in self.findings)


def explained(
    findings: Sequence[Finding], domains: Mapping[str, int], nodes: Mapping[str, int]
) -> list[Finding]:
    """Return the causes, each with what follows from it, that once and under its first cause.

    `domains` is the number of DP domains of each instance, `nodes` that of the nodes of each P/D role.
    """
    scene = _Scene(findings, domains, nodes)
    causes: list[Finding] = []
    following: dict[int, list[Finding]] = {}
    for finding in findings:
        cause = next((c for c in findings if c is not finding and _explains(c, finding, scene)), None)
        if cause is None:
            causes.append(finding)
        else:
            following.setdefault(id(cause), []).append(finding)
    whole = [
        c.explaining(tuple(f for direct in following.get(id(c), []) for f in _with_rest(direct, following)))
        for c in causes
    ]
    return [_as_severe(finding) for finding in whole]


def _as_severe(finding: Finding) -> Finding:
    """Return a cause as severe as what follows from it: slow pulls cost little but by the queue.

    Of EP only what is critical raises it: a remark on what is over stays one. DP causes are priced whole.
    """
    worst = min((finding, *finding.consequences), key=lambda f: SEVERITIES.index(f.severity)).severity
    raised = finding.dimension == "pd" or (finding.dimension == "ep" and worst == "critical")
    return replace(finding, severity=worst) if raised else finding


def _with_rest(finding: Finding, following: dict[int, list[Finding]]) -> list[Finding]:
    """Flatten chains: what follows from a consequence follows from the cause."""
    rest = [f for direct in following.get(id(finding), []) for f in _with_rest(direct, following)]
    return [replace(finding, consequences=()), *finding.consequences, *rest]


def _explains(cause: Finding, effect: Finding, scene: _Scene) -> bool:
    rule = _RULES.get((cause.id, effect.id))
    return rule is not None and rule(cause, effect, scene)


def _same_instance(cause: Finding, effect: Finding, _scene: _Scene) -> bool:
    return cause.subject.get("instance") == effect.subject.get("instance")


def _same_domain(cause: Finding, effect: Finding, _scene: _Scene) -> bool:
    keys = ("instance", "host", "dp_rank", "pid")
    own = all(cause.subject.get(k) == effect.subject.get(k) for k in keys)
    return (own or _one_of_group(cause, effect)) and _during_or_after(cause, effect)


def _one_of_group(cause: Finding, effect: Finding) -> bool:
    """Tell whether the effect is on one of the several domains that the cause names."""
    for key in ("dp_rank", "pid"):
        several, own = cause.subject.get(f"{key}s"), effect.subject.get(key)
        if isinstance(several, tuple) and own in several:
            return all(
                cause.subject.get(k, effect.subject.get(k)) == effect.subject.get(k)
                for k in ("instance", "host")
            )
    return False


def _during_or_after(cause: Finding, effect: Finding) -> bool:
    """What piled up is worked off afterwards: up to half the cause's length later counts as during it."""
    if cause.window is None:
        return True
    begin, end = cause.window
    return replace(cause, window=(begin, end + (end - begin) / 2)).overlaps(effect)


def _only_peer(cause: Finding, effect: Finding, scene: _Scene) -> bool:
    """A domain short of KV blocks takes fewer requests; beside such peers alone, any batch looks large."""
    instance = effect.subject.get("instance")
    others = scene.domains.get(str(instance), 0) - scene.domains_out_of_blocks(instance)
    return (
        _same_instance(cause, effect, scene)
        and any(cause.subject.get(key) != effect.subject.get(key) for key in ("dp_rank", "pid"))
        and cause.overlaps(effect)
        and others <= 1
    )


def _after_it(cause: Finding, effect: Finding, scene: _Scene) -> bool:
    """What began before a domain stood does not follow from that."""
    begun = cause.window is None or (effect.window is not None and effect.window[0] >= cause.window[0])
    return begun and _same_domain(cause, effect, scene)


def _left_to_others(cause: Finding, effect: Finding, scene: _Scene) -> bool:
    """What a domain that stands does not take goes to others."""
    return _same_instance(cause, effect, scene) and cause.overlaps(effect)


def _card_of_domain(cause: Finding, effect: Finding, scene: _Scene) -> bool:
    """A domain is as slow as its slowest card."""
    return (
        "prof_id" in cause.subject and "prof_id" not in effect.subject and _same_domain(cause, effect, scene)
    )


def _decode_node(cause: Finding, effect: Finding, scene: _Scene) -> bool:
    """More requests for a decode domain come through its node, unless several of its domains get more."""
    return (
        effect.subject.get("role") == "decode"
        and cause.overlaps(effect)
        and not _one_of_several(cause, scene)
    )


def _one_of_several(skew: Finding, scene: _Scene) -> bool:
    """Tell whether other domains of the same host carry more at that time too: then its node gets more."""
    if {"dp_ranks", "pids"} & skew.subject.keys():
        return "host" in skew.subject
    return any(
        other is not skew
        and other.id == skew.id
        and all(other.subject.get(key) == skew.subject.get(key) for key in ("instance", "host"))
        and other.overlaps(skew)
        for other in scene.findings
    )


def _node_domain(cause: Finding, effect: Finding, scene: _Scene) -> bool:
    """A prefill node's domains prefill what it gets; of a decode node, several domains carry more."""
    return _prefill_domain(cause, effect, scene) or (
        cause.subject.get("role") == effect.subject.get("role") == "decode"
        and cause.overlaps(effect)
        and _one_of_several(effect, scene)
    )


def _prefill_domain(cause: Finding, effect: Finding, _scene: _Scene) -> bool:
    """A prefill node's domains prefill what it gets."""
    return cause.subject.get("role") == effect.subject.get("role") == "prefill" and cause.overlaps(effect)


def _peer_of_still(cause: Finding, effect: Finding, scene: _Scene) -> bool:
    """What a node that stands still does not get, its peers do: up to an equal share of the rest.

    A peer that gets much more than that has a skew of its own.
    """
    role = effect.subject.get("role")
    still = sum(f.id == "pd.node.stalled" and f.subject.get("role") == role for f in scene.findings)
    nodes = scene.nodes.get(str(role), 0)
    return (
        cause.subject.get("role") == role
        and cause.subject.get("address") != effect.subject.get("address")
        and cause.overlaps(effect)
        and still < nodes
        and effect.value <= effect.threshold * nodes / (nodes - still)
    )


def _itself_before(cause: Finding, effect: Finding, _scene: _Scene) -> bool:
    """A node that stands still without ending anything collects requests."""
    return cause.subject.get("address") == effect.subject.get("address") and cause.overlaps(effect)


def _same_role(cause: Finding, effect: Finding, _scene: _Scene) -> bool:
    """Where a node of a role stands still, the role's other domains carry its load."""
    return cause.subject.get("role") == effect.subject.get("role") and cause.overlaps(effect)


def _all_pulls(cause: Finding, effect: Finding, _scene: _Scene) -> bool:
    """Where all pulls take longer, hand-offs wait for them."""
    return (
        "rank" not in cause.subject
        and cause.subject.get("role") == effect.subject.get("role") == "decode"
        and cause.overlaps(effect)
    )


def _uneven_everywhere(cause: Finding, effect: Finding, scene: _Scene) -> bool:
    """An expert hot in all layers makes the ranks uneven on the whole; one in a single layer does not."""
    return "layer" not in cause.subject and _same_instance(cause, effect, scene)


def _tail_of_skew(cause: Finding, effect: Finding, scene: _Scene) -> bool:
    """Where all experts are unevenly popular, the hottest of a layer is no fault of its own.

    Unless it stands out from that too: at twice the threshold it is told apart.
    """
    return (
        "layer" in effect.subject
        and effect.excess < _STANDS_OUT
        and _same_instance(cause, effect, scene)
        and not any(_explains(other, cause, scene) for other in scene.findings if other is not cause)
    )


def _hidden_behind(cause: Finding, effect: Finding, scene: _Scene) -> bool:
    """Nobody waits for a hot rank beside one that is fuller still."""
    hidden = effect.cost.share is None and cause.cost.share is not None
    return hidden and _same_instance(cause, effect, scene)


def _of_later_periods(cause: Finding, effect: Finding, scene: _Scene) -> bool:
    """What is hot since a later EPLB period alone follows from what its tables do."""
    return "period" in effect.subject and _same_instance(cause, effect, scene)


def _of_moving_heat(cause: Finding, effect: Finding, scene: _Scene) -> bool:
    """An expert hot in one period follows from heat that moves, and one of a layer that does not stand out.

    One that stays far above the others in all periods does not move.
    """
    moving = "period" in effect.subject or ("layer" in effect.subject and effect.excess < _STANDS_OUT)
    return moving and _same_instance(cause, effect, scene)


def _more_of_it(cause: Finding, effect: Finding, scene: _Scene) -> bool:
    """The experts that are not listed come under a skew or an expert that nothing else explains."""
    return _same_instance(cause, effect, scene) and not any(
        _explains(other, cause, scene) for other in scene.findings if other is not cause
    )


_RULES: Mapping[tuple[str, str], _Rule] = {
    ("dp.batch_size.skew", "dp.queue.skew"): _same_domain,
    ("dp.batch_size.skew", "kv.skew"): _same_domain,
    ("dp.batch_size.skew", "kv.exhausted"): _same_domain,
    ("dp.batch_size.skew", "pd.node.skew"): _decode_node,
    ("dp.straggler", "dp.straggler"): _card_of_domain,
    ("dp.stalled", "dp.queue.skew"): _same_domain,
    ("dp.stalled", "kv.exhausted"): _after_it,
    ("dp.stalled", "kv.skew"): _after_it,
    ("dp.stalled", "dp.batch_size.skew"): _left_to_others,
    ("dp.idle", "dp.batch_size.skew"): _left_to_others,
    ("dp.tokens.skew", "dp.batch_size.skew"): _same_domain,
    ("dp.tokens.skew", "dp.queue.skew"): _same_domain,
    ("dp.tokens.skew", "kv.skew"): _same_domain,
    ("dp.tokens.skew", "kv.exhausted"): _same_domain,
    ("pd.node.skew", "dp.batch_size.skew"): _node_domain,
    ("pd.node.skew", "dp.queue.skew"): _prefill_domain,
    ("pd.node.stalled", "pd.node.skew"): lambda cause, effect, scene: (
        _peer_of_still(cause, effect, scene) or _itself_before(cause, effect, scene)
    ),
    ("pd.node.stalled", "dp.batch_size.skew"): _same_role,
    ("pd.node.stalled", "dp.queue.skew"): _same_role,
    ("pd.node.stalled", "pd.ratio"): _same_role,
    ("pd.node.stalled", "dp.idle"): _same_role,
    ("pd.node.stalled", "dp.stalled"): _same_role,
    ("pd.node.stalled", "dp.tokens.skew"): _same_role,
    ("pd.transfer.slow", "pd.ratio"): _all_pulls,
    ("kv.exhausted", "dp.batch_size.skew"): _only_peer,
    ("kv.exhausted", "dp.queue.skew"): _same_domain,
    ("kv.exhausted", "kv.skew"): _same_domain,
    ("kv.skew", "dp.queue.skew"): _same_domain,
    ("ep.heat.moves", "ep.eplb.worse"): _same_instance,
    ("ep.heat.moves", "ep.eplb.ineffective"): _same_instance,
    ("ep.heat.moves", "ep.skew"): _same_instance,
    ("ep.heat.moves", "ep.rank.hot"): _of_later_periods,
    ("ep.heat.moves", "ep.expert.hot"): _of_moving_heat,
    ("ep.heat.moves", "ep.expert.more"): _same_instance,
    ("ep.eplb.worse", "ep.skew"): _same_instance,
    ("ep.eplb.worse", "ep.rank.hot"): _of_later_periods,
    ("ep.eplb.worse", "ep.expert.hot"): _of_moving_heat,
    ("ep.eplb.worse", "ep.expert.more"): _same_instance,
    ("ep.rank.hot", "ep.rank.hot"): _hidden_behind,
    ("ep.rank.hot", "ep.skew"): _same_instance,
    ("ep.rank.hot", "ep.eplb.ineffective"): _same_instance,
    ("ep.expert.hot", "ep.skew"): _uneven_everywhere,
    ("ep.expert.hot", "ep.eplb.ineffective"): _uneven_everywhere,
    ("ep.expert.hot", "ep.expert.more"): _more_of_it,
    ("ep.skew", "ep.expert.hot"): _tail_of_skew,
    ("ep.skew", "ep.expert.more"): _more_of_it,
    ("ep.skew", "ep.eplb.ineffective"): _same_instance,
}
