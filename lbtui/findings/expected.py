"""What the config expects to be unequal: what it silences, what comes short of it, what it names in vain."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from lbtui.analysis.counts import binomial_tail
from lbtui.analysis.expected import chance_of, expected_multiple, expected_of
from lbtui.analysis.prefill_decode import NodeTable, node_table
from lbtui.findings.dispatch import dispatched
from lbtui.findings.evidence import Evidence
from lbtui.findings.kinds import kind_of
from lbtui.findings.model import Cost, Finding, SubjectValue
from lbtui.findings.subject import is_of, name_of, subject_of
from lbtui.profile import Domain
from lbtui.text import _, in_percent, in_sentences, visible
from lbtui.thresholds import Thresholds

_LOADS = ("dp.batch_size.skew", "dp.idle", "dp.stalled", "pd.node.skew", "pd.node.stalled")


def as_expected(
    evidence: Evidence, limits: Thresholds, found: Sequence[Finding], unexpecting: Sequence[Finding]
) -> Iterator[Finding]:
    """Yield a remark for each finding of `unexpecting` that the expected shares silence, and for each entry.

    `unexpecting` are the findings as they would be without the config's shares. An entry whose domain or node
    carries much less than it is expected to is a warning.
    """
    silenced = []
    for finding in unexpecting:
        multiple = _multiple(evidence, limits, finding) if kind_of(finding).judged else None
        if multiple is None or any(_same(finding, other) for other in found):
            continue
        said = _(
            "The config expects {multiple:.2f}× its peers' of it; judged against that it is no finding."
        ).format(multiple=multiple)
        silenced.append(
            replace(
                finding,
                severity="info",
                message=in_sentences(finding.message, said),
                advice=_("Nothing, as long as `[expected]` in the config is what is meant."),
                expected=multiple,
            )
        )
    yield from silenced
    told = [*found, *silenced]
    yield from _domains(evidence, limits, told)
    yield from _nodes(evidence, limits, told)


def _same(one: Finding, other: Finding) -> bool:
    return one.id == other.id and one.subject == other.subject and one.overlaps(other)


def _multiple(evidence: Evidence, limits: Thresholds, finding: Finding) -> float | None:
    """Return what the subject is expected to carry × its peers' mean, None if no other than theirs."""
    if "address" in finding.subject:
        addresses = [address for _role, address in _of_role(evidence, str(finding.subject.get("role")))]
        shares = limits.expected.of_nodes(addresses)
        return expected_multiple(addresses.index(str(finding.subject["address"])), shares) if shares else None
    domains = evidence.instances.get(str(finding.subject.get("instance")), [])
    shares = limits.expected.of_domains(domains)
    own = [i for i, d in enumerate(domains) if is_of(d, finding.subject)]
    return expected_of(own, shares) if 0 < len(own) < len(domains) else None


def _of_role(evidence: Evidence, role: str) -> list[tuple[str, str]]:
    nodes = evidence.frame("nodes")
    if nodes.is_empty():
        return []
    return [node for node in node_table(nodes).nodes if node.role == role]


def _domains(evidence: Evidence, limits: Thresholds, told: Sequence[Finding]) -> Iterator[Finding]:
    """Yield what each domain that the config names carries, unless a finding tells it."""
    for domains in evidence.instances.values():
        shares = limits.expected.of_domains(domains)
        binned = evidence.binned("batch_size", domains) if shares else None
        if binned is None:
            continue
        loads = binned.loads.mean(axis=1)
        given = np.rint(dispatched(evidence, domains, binned.edges).sum(axis=1)).astype(int)
        for lane, domain in enumerate(domains):
            subject = subject_of(evidence, domain)
            if limits.expected.of_domain(domain) is None or _is_told(subject, told):
                continue
            others = float(np.delete(loads, lane).mean())
            total, share = int(given.sum()), chance_of(lane, len(domains), shares)
            p = min(1.0, len(domains) * binomial_tail(total - int(given[lane]), total, 1 - share))
            multiple = expected_multiple(lane, shares)
            carried = float(loads[lane]) / others if others > 0 else multiple
            short = carried <= multiple / limits.dp_batch_ratio and p <= limits.p_value
            yield _domain(evidence, limits, domain, (carried, multiple), p if short else None)


def _is_told(subject: dict[str, SubjectValue], told: Sequence[Finding]) -> bool:
    return any(f.id in _LOADS and f.subject == subject for f in told)


def _domain(
    evidence: Evidence,
    limits: Thresholds,
    domain: Domain,
    figures: tuple[float, float],
    p_short: float | None,
) -> Finding:
    carried, multiple = figures
    return Finding(
        id="dp.expected",
        severity="info" if p_short is None else "warning",
        subject=subject_of(evidence, domain),
        metric=_("batch_size / mean of peers, at most"),
        value=carried,
        threshold=multiple / limits.dp_batch_ratio,
        cost=Cost(None, "", _("its peers carry what it does not; see the findings on them")),
        message=_(
            "{domain} is expected to carry {multiple:.2f}× its peers' batch size (config); it carries "
            "{carried:.2f}×."
        ).format(domain=name_of(domain), multiple=multiple, carried=carried),
        advice=_advice(p_short),
        evidence=_("{file}: batch_size of {domain} over the whole run").format(
            file=evidence.file("steps"), domain=name_of(domain)
        ),
        excess=multiple / limits.dp_batch_ratio / max(carried, 1e-3),
        p_value=p_short,
        expected=multiple,
    )


def _advice(p_short: float | None) -> str:
    if p_short is None:
        return _("Nothing, as long as `[expected]` in the config is what is meant.")
    return _(
        "See whether the router has the weight that the config expects, and whether it was up all along."
    )


def _nodes(evidence: Evidence, limits: Thresholds, told: Sequence[Finding]) -> Iterator[Finding]:
    """Yield what each P/D node that the config names gets, unless a finding tells it."""
    frame = evidence.frame("nodes")
    if frame.is_empty() or not limits.expected.nodes:
        return
    table = node_table(frame, limits.expected)
    for role in table.roles:
        columns = table.of_role(role)
        addresses = [table.nodes[column].address for column in columns]
        shares = table.shares_of(role)
        added = np.nan_to_num(table.counts["added"])[:, columns].sum(axis=0).astype(int)
        total = int(added.sum())
        if not shares or not total:
            continue
        for place, address in enumerate(addresses):
            named = address in dict(limits.expected.nodes)
            if not named or _is_told({"address": address, "role": role}, told):
                continue
            share = chance_of(place, len(columns), shares)
            own = int(added[place])
            p = min(1.0, len(columns) * binomial_tail(total - own, total, 1 - share))
            short = own <= share * total / limits.pd_node_ratio and p <= limits.p_value
            figures = (own, total, share, expected_multiple(place, shares))
            yield _node(evidence, limits, table, columns[place], figures, p if short else None)


def _node(
    evidence: Evidence,
    limits: Thresholds,
    table: NodeTable,
    column: int,
    figures: tuple[int, int, float, float],
    p_short: float | None,
) -> Finding:
    role, address = table.nodes[column]
    own, total, share, multiple = figures
    ratio = own / (total * share)
    return Finding(
        id="pd.expected",
        severity="info" if p_short is None else "warning",
        subject={"address": address, "role": role},
        metric=_("requests added / its expected share, at most"),
        value=ratio,
        threshold=1 / limits.pd_node_ratio,
        cost=Cost(None, "", _("its peers get what it does not; see the findings on them")),
        message=_(
            "{address} is expected to get {multiple:.2f}× its peers' requests (config), {share} of "
            "{total}; it gets {own}."
        ).format(address=visible(address), multiple=multiple, share=in_percent(share), total=total, own=own),
        advice=_advice(p_short),
        evidence=_("{file}: add_count of {address}").format(
            file=evidence.file("nodes"), address=visible(address)
        ),
        excess=1 / limits.pd_node_ratio / max(ratio, 1e-3),
        p_value=p_short,
        expected=multiple,
    )
