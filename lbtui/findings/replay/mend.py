"""What the findings cost, by replay: the run once more without the cause of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from lbtui.analysis.replay.asked import Asked, Run
from lbtui.analysis.replay.figures import FigureName
from lbtui.analysis.replay.mend import Cause, Mend, mended, without
from lbtui.analysis.replay.model import Work
from lbtui.findings.model import Finding
from lbtui.findings.replay.what_if import Prepared
from lbtui.findings.subject import is_of
from lbtui.overview.text import short
from lbtui.profile import Domain
from lbtui.text import _, in_list

# Of each kind of finding, what is taken out.
_CAUSES: Mapping[str, Cause] = {
    "dp.straggler": "slow",
    "dp.bubble.long": "gap",
    "dp.batch_size.skew": "dispatch",
    "dp.queue.skew": "dispatch",
    "dp.tokens.skew": "dispatch",
    "kv.skew": "dispatch",
    "kv.exhausted": "pool",
    "pd.transfer.slow": "pulls",
    "pd.node.skew": "dispatch",
}
# What is told of a mended run, where it differs beyond chance.
_TOLD: tuple[FigureName, ...] = ("ttft_p95", "tpot_p95", "e2e_p95", "goodput")
_NAMES: Mapping[FigureName, str] = {
    "ttft_p95": _("TTFT p95 {before} → {after} ms"),
    "tpot_p95": _("TPOT p95 {before} → {after} ms"),
    "e2e_p95": _("end to end p95 {before} → {after} ms"),
    "goodput": _("goodput {before} → {after} req/s"),
}
# How the figures come about; the help prints it.
MEND_FORMULA = _(
    "Of experts: what another placement would bring, fitted on one half of the iterations and judged by the "
    "other. Else the run replayed without the cause of the finding, where its self-test holds (w in DP and "
    "P/D shows it): passes, time between them, pulls or KV pool as the median of the peers, or requests "
    "dispatched in turn. From the recorded assignment, replayed, to that; only what differs beyond chance, "
    "by the 90 % interval of What-if. Without one the fitted service does not show the cause, as where it "
    "was there for a part of the run only."
)
MOST_MENDED = 20_000  # requests of a recording that are replayed for the findings


def is_mendable(finding: Finding) -> bool:
    """Tell whether there is a cause that may be taken out."""
    return finding.id in _CAUSES


def with_mends(findings: Sequence[Finding], made: Prepared, domains: Sequence[Domain]) -> tuple[Finding, ...]:
    """Return the findings, those whose cause can be taken out with what the run would be without it.

    As they are where the replay does not hold.
    """
    asked = made.asked
    if asked is None or not any(map(is_mendable, findings)) or not made.holds:
        return tuple(findings)
    known: dict[Mend, str] = {}
    return tuple(_with_mend(finding, asked, domains, known) for finding in findings)


def _with_mend(finding: Finding, asked: Asked, domains: Sequence[Domain], known: dict[Mend, str]) -> Finding:
    mend = mend_of(finding, asked, domains)
    if mend is None or finding.what_if:
        return finding
    if mend not in known:
        run = mended(asked, mend)
        known[mend] = "" if run is None else mend_words(asked, run, mend)
    return replace(finding, what_if=known[mend])


def mend_of(finding: Finding, asked: Asked, domains: Sequence[Domain]) -> Mend | None:
    """Return what is to be taken out for a finding; None where a replay has no such thing."""
    cause = _CAUSES.get(finding.id)
    service = asked.fitted.service
    if cause is None:
        return None
    if finding.id == "pd.node.skew":
        return Mend("dispatch_prefill" if finding.subject.get("role") == "prefill" else "dispatch", ())
    if cause == "dispatch" and finding.dimension != "kv":
        return Mend(cause, ())
    if cause == "pulls":
        if "source" in finding.subject or "rank" not in finding.subject:
            return None
        own = [domain for domain in domains if domain.dp_rank == finding.subject["rank"]]
        works: tuple[Work, ...] = ("decode",)
    else:
        own = [domain for domain in domains if finding.subject and is_of(domain, finding.subject)]
        works = ("prefill", "decode", "both")
    keys = {domain.key for domain in own}
    places = tuple(k for k, each in enumerate(service.domains) if each.key in keys and each.work in works)
    if not places or len(places) == len(service.domains):
        return None
    if finding.dimension == "kv":
        # A domain that has a smaller pool is helped by a larger one, another by fewer requests.
        pool = Mend("pool", places)
        return Mend("dispatch", ()) if without(service, pool) is None else pool
    return Mend(cause, places)


def mend_words(asked: Asked, run: Run, mend: Mend) -> str:
    """Return what the run would be without the cause, as a sentence; a figure only where beyond chance."""
    answer = asked.answer(run)
    before = asked.baseline.figures(asked.targets)
    parts = [
        _NAMES[name].format(before=short(before[name]), after=short(answer.figures[name]))
        for name in _TOLD
        if answer.better(name) is not None
    ]
    what = _WITHOUT[mend.cause]
    if not parts:
        return _("{without}, replayed: no difference beyond chance.").format(without=what)
    return _("{without}, replayed: {figures}.").format(without=what, figures=in_list(parts))


_WITHOUT: Mapping[Cause, str] = {
    "slow": _("With passes as fast as its peers'"),
    "gap": _("With no more between its passes than its peers have"),
    "pulls": _("With KV pulls as fast as the others'"),
    "pool": _("With as many KV blocks as its peers have"),
    "dispatch": _("With requests dispatched in turn"),
    "dispatch_prefill": _("With requests dispatched to prefill nodes in turn"),
}
