"""All that a report of a profile tells, worked out once, and in the form asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from lbtui.comparison import Comparison, compare
from lbtui.findings.diagnosis import Diagnosis, diagnose, told_of, with_latency
from lbtui.findings.doubts import comparable, doubt_of, with_doubt
from lbtui.findings.latency.change import explained
from lbtui.overview.beside import with_outputs
from lbtui.overview.model import Overview
from lbtui.overview.run import overview
from lbtui.overview.targets import placed_requests, with_targets
from lbtui.profile import Profile, Progress
from lbtui.remembered import FindingNote
from lbtui.report.as_json import as_json
from lbtui.report.as_markdown import as_markdown
from lbtui.report.as_text import as_text
from lbtui.thresholds import Thresholds


@dataclass(frozen=True)
class Whole:
    """What a profile is, what is unbalanced in it, and how it differs from a baseline, where there is one."""

    known: Overview
    diagnosis: Diagnosis
    comparison: Comparison | None = None

    def with_notes(self, notes: Sequence[FindingNote]) -> Whole:
        """Return it with the user's notes on its findings."""
        return replace(self, diagnosis=self.diagnosis.with_notes(notes))


def worked_out(
    profile: Profile,
    baseline: Profile | None,
    thresholds: Thresholds | None,
    *,
    known: Overview | None = None,
    latency: bool = True,
    progress: Progress | None = None,
) -> Whole:
    """Return what a report tells; `known` is the overview where that was made already.

    Without `latency` neither what requests attained nor where their time went. Raises `Cancelled` when
    `progress` does.
    """
    limits = thresholds or Thresholds()
    if known is None:
        known = overview(profile, progress, limits.expected)
    diagnosis = diagnose(profile, known.window, limits, progress)
    if latency:
        placed = placed_requests(profile, limits, progress)
        known = with_targets(known, placed)
        diagnosis = with_latency(diagnosis, profile, limits, progress, placed)
    known = with_outputs(with_doubt(known, diagnosis.findings), profile, progress)
    if baseline is None:
        return Whole(known, diagnosis)
    sides = doubt_of(baseline, limits), doubt_of(profile, limits, findings=diagnosis.findings)
    comparison = comparable(compare(baseline, profile, progress, limits.targets), *sides)
    if diagnosis.told is not None:
        comparison = explained(comparison, told_of(baseline, limits, progress), diagnosis.told)
    return Whole(known, diagnosis, comparison)


def as_form(made: Whole, form: Literal["text", "markdown", "json"], *, ascii_only: bool) -> str:
    """Return a report in a form, ending in a line break."""
    known, diagnosis, comparison = made.known, made.diagnosis, made.comparison
    if form == "json":
        text = as_json(known, diagnosis.findings, comparison, diagnosis.told, ascii_only=ascii_only)
        return text + "\n"
    write = as_markdown if form == "markdown" else as_text
    return write(known, diagnosis, comparison, ascii_only=ascii_only)
