"""All that screen and reports say of imbalance: the findings, drawn, or the figures that show evenness."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from lbtui.findings.evidence import Evidence
from lbtui.findings.latency.run import Latency
from lbtui.findings.latency.told import Told, tell, with_hurt
from lbtui.findings.model import Finding
from lbtui.findings.notes import noted
from lbtui.findings.pictures import Drawn, drawn
from lbtui.findings.replay.mend import MOST_MENDED, is_mendable, with_mends
from lbtui.findings.replay.what_if import prepared_of
from lbtui.findings.run import evidence_of, find_in
from lbtui.findings.support import Figure, supporting_figures
from lbtui.findings.words import is_even
from lbtui.overview.targets import PlacedRequests, placed_requests
from lbtui.profile import Profile, Progress, attempted
from lbtui.remembered import FindingNote
from lbtui.text import _
from lbtui.thresholds import Thresholds


@dataclass(frozen=True)
class Diagnosis:
    """The findings in their order; `support` has figures where none of them is an imbalance.

    `told` is where the time of requests went, once that is known (`with_latency`).
    """

    found: tuple[Drawn, ...] = ()
    support: tuple[Figure, ...] = ()
    told: Told | None = None
    evidence: Evidence | None = field(default=None, repr=False, compare=False)

    @property
    def findings(self) -> tuple[Finding, ...]:
        """The findings without their pictures."""
        return tuple(found.finding for found in self.found)

    def with_notes(self, notes: Sequence[FindingNote]) -> Diagnosis:
        """Return it with the user's notes on its findings, and no others."""
        findings = noted(self.findings, notes)
        found = tuple(
            replace(one, finding=finding) for one, finding in zip(self.found, findings, strict=True)
        )
        return replace(self, found=found)

    @property
    def even(self) -> bool:
        """Whether nothing is unbalanced."""
        return is_even(self.findings)


def diagnose(
    profile: Profile,
    window: tuple[int, int] | None,
    thresholds: Thresholds | None = None,
    progress: Progress | None = None,
) -> Diagnosis:
    """Return the findings of `find_all` with their lanes; `window` is the profile's, µs since 1970 (UTC)."""
    limits = thresholds or Thresholds()
    evidence = evidence_of(profile, progress)
    findings = find_in(evidence, limits)
    support = supporting_figures(evidence, limits) if is_even(findings) else ()
    return Diagnosis(drawn(evidence, window, findings), support, evidence=evidence)


def with_latency(
    diagnosis: Diagnosis,
    profile: Profile,
    thresholds: Thresholds,
    progress: Progress | None = None,
    placed: PlacedRequests | None = None,
) -> Diagnosis:
    """Return the diagnosis with where the time of requests went, how many each finding hurts, and its mend.

    Reads in which rounds each request was, and unless they are `placed` where they ran. What it was made of
    is let go. Raises `Cancelled` when `progress` does.
    """
    evidence = diagnosis.evidence
    if evidence is None:
        return diagnosis
    known = placed or placed_requests(profile, thresholds, progress)
    told = _told(evidence, thresholds, known)
    hurt = [with_hurt(one.finding, told, evidence.domains) for one in diagnosis.found]
    mended = _mended(hurt, evidence, thresholds, progress)
    found = tuple(replace(one, finding=finding) for one, finding in zip(diagnosis.found, mended, strict=True))
    return replace(diagnosis, found=found, told=told, evidence=None)


def told_of(profile: Profile, limits: Thresholds, progress: Progress | None = None) -> Told:
    """Return where the time of a profile's requests went. Raises `Cancelled` when `progress` does."""
    placed = placed_requests(profile, limits, progress)
    return _told(evidence_of(profile, progress), limits, placed)


def _mended(
    findings: Sequence[Finding], evidence: Evidence, limits: Thresholds, progress: Progress | None
) -> Sequence[Finding]:
    """Return the findings with what the run would be without their causes, where a replay holds."""
    if not any(map(is_mendable, findings)):
        return findings
    made = prepared_of(evidence, limits, progress, MOST_MENDED)
    look = partial(with_mends, findings, made, evidence.domains)
    return attempted(_("the replay"), look, tuple(findings))[0]


def _told(evidence: Evidence, limits: Thresholds, placed: PlacedRequests) -> Told:
    """Return what `tell` does; where it fails unforeseen, why: the findings are worth seeing without."""
    nothing = Told(Latency(), placed.table)
    told, failure = attempted(_("where the time went"), partial(tell, evidence, limits, placed), nothing)
    return told if failure is None else replace(nothing, latency=Latency(absent=failure.text))
