"""Notes of the user's on findings: which note is of which finding."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import replace

from lbtui.findings.model import Finding, with_consequences
from lbtui.profile import micros
from lbtui.remembered import FindingNote
from lbtui.text import visible


def note_on(finding: Finding, text: str) -> FindingNote:
    """Return a note on a finding, which names it by its id, its subject and its window."""
    window = None if finding.window is None else (micros(finding.window[0]), micros(finding.window[1]))
    subject = json.dumps(dict(finding.subject), sort_keys=True)
    return FindingNote(finding.id, subject, window, " ".join(text.split()))


def note_of(finding: Finding, notes: Sequence[FindingNote], found: Iterable[Finding]) -> FindingNote | None:
    """Return the note on a finding of those `found`, None where there is none.

    Where a threshold has moved its window it is the one on the same id and subject whose window shares some
    time with it, unless that is of another finding.
    """
    own = note_on(finding, "")
    same = [note for note in notes if (note.finding, note.subject) == (own.finding, own.subject)]
    exact = next((note for note in same if note.window == own.window), None)
    if exact is not None or not same:
        return exact
    taken = {note_on(each, "").key for each in with_consequences(found)}
    free = [note for note in same if note.key not in taken and _meet(note.window, own.window)]
    return free[-1] if free else None


def _meet(one: tuple[int, int] | None, other: tuple[int, int] | None) -> bool:
    return one is None or other is None or (one[0] < other[1] and other[0] < one[1])


def noted(findings: Sequence[Finding], notes: Sequence[FindingNote]) -> tuple[Finding, ...]:
    """Return the findings, and what follows from them, each with its note as it may be shown."""

    def own(finding: Finding) -> Finding:
        note = note_of(finding, notes, findings) if notes else None
        text = "" if note is None else visible(note.text)
        consequences = tuple(map(own, finding.consequences))
        return replace(finding, note=text, consequences=consequences)

    return tuple(map(own, findings))
