"""The findings that belong to the lanes shown: at which lanes they stand, and when."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from lbtui.findings import Finding, with_consequences
from lbtui.findings.kinds import kind_of
from lbtui.findings.subject import is_of
from lbtui.findings.words import MARKS, figure_words, window_words
from lbtui.profile import micros
from lbtui.text import with_comma
from lbtui.ui.panes.dp.data import Measured


@dataclass(frozen=True)
class Mark:
    """A finding at the lanes of its subject; `window` (µs) is None where it is of the whole run."""

    finding: Finding
    lanes: frozenset[int]
    window: tuple[int, int] | None

    @property
    def sign(self) -> str:
        """How severe it is, as the Overview marks it."""
        return MARKS[self.finding.severity]

    def holds(self, time: int) -> bool:
        """Tell whether it is of that instant."""
        return self.window is None or self.window[0] <= time < self.window[1]

    def words(self, *, date: bool) -> str:
        """Return it in a few words."""
        return with_comma(f"{self.sign} {figure_words(self.finding)}", window_words(self.finding, date=date))


def marks_of(findings: Iterable[Finding], measured: Measured) -> tuple[Mark, ...]:
    """Return the warnings that show in a metric, with what follows from them, the most severe first."""
    found = []
    for finding in with_consequences(findings):
        chosen = kind_of(finding).metric
        # What is left shows as well where blocks are used up.
        if finding.severity == "info" or chosen is None:
            continue
        if measured.metric.key != chosen and (measured.metric.key, chosen) != ("kv_free", "kv_usage"):
            continue
        lanes = frozenset(i for i, d in enumerate(measured.domains) if is_of(d, finding.subject))
        window = None if finding.window is None else (micros(finding.window[0]), micros(finding.window[1]))
        found += [Mark(finding, lanes, window)] if lanes else []
    return tuple(sorted(found, key=lambda mark: mark.finding.severity != "critical"))


def mark_at(marks: Iterable[Mark], lane: int, time: int | None = None) -> Mark | None:
    """Return the most severe mark of a lane, of those that hold at an instant if any does."""
    own = [mark for mark in marks if lane in mark.lanes]
    return next((mark for mark in own if time is not None and mark.holds(time)), own[0] if own else None)
