"""What is remembered of one profile, as a value; what goes first where it is too much."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TypeAlias

# Characters of a note; how many notes there may be, and views (one for each baseline and capture).
MOST_NOTE = 500
MOST_NOTES = 400
MOST_VIEWS = 16

Parts: TypeAlias = Mapping[str, str]
Key: TypeAlias = "tuple[str, str, tuple[int, int] | None]"


@dataclass(frozen=True)
class FindingNote:
    """What the user says of a finding, which is named by its id, its subject as JSON and its window, µs."""

    finding: str
    subject: str
    window: tuple[int, int] | None
    text: str

    @property
    def key(self) -> Key:
        """What names the finding."""
        return self.finding, self.subject, self.window


@dataclass(frozen=True)
class Remembered:
    """Of a profile the last view (by what it was compared with, or empty), parts of panes, and notes.

    Views and parts are words of `ui/kit/at.py`; the newest of each stands last. `note` is on the run itself.
    """

    views: Mapping[str, str] = field(default_factory=dict)
    parts: Mapping[str, Parts] = field(default_factory=dict)  # by the name of the pane
    notes: tuple[FindingNote, ...] = ()
    note: str = ""

    def with_view(self, which: str, view: str) -> Remembered:
        """Return it with another last view."""
        others = {name: text for name, text in self.views.items() if name != which}
        kept = dict(list(others.items())[-(MOST_VIEWS - 1) :])
        return replace(self, views={**kept, which: view})

    def with_parts(self, parts: Mapping[str, Parts]) -> Remembered:
        """Return it with the parts of these panes in the place of theirs; those of others stay."""
        found = {**self.parts, **parts}
        return replace(self, parts={name: own for name, own in found.items() if own})

    def with_note(self, note: FindingNote, instead: Key | None = None) -> Remembered:
        """Return it with a note, of which an empty text takes it off, in the place of one of another key."""
        others = [each for each in self.notes if each.key not in (note.key, instead)]
        notes = [*others, note] if note.text else others
        return replace(self, notes=tuple(notes[-MOST_NOTES:]))

    def fresh(self) -> Remembered:
        """Return it without where the user was: views, filters, marks; notes stay."""
        return Remembered(notes=self.notes, note=self.note)

    def without_oldest_note(self) -> Remembered:
        """Return it with one note less; without parts where there is no note."""
        return replace(self, notes=self.notes[1:]) if self.notes else replace(self, parts={})
