"""What a profile could hold and does not, and whether there are files for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from lbtui.profile.note import Note
from lbtui.text import _, in_list, in_sentences, with_label, without_stop

MissingStatus: TypeAlias = Literal["not_recorded", "unreadable", "other_run"]


@dataclass(frozen=True)
class Missing:
    """Something a profile could hold and this one does not.

    `status`: nothing of it is here; it is here and cannot be read, or holds no rows; it is of another run.
    """

    what: str
    reason: str
    how_to_collect: str
    status: MissingStatus = "not_recorded"


def in_vain(what: str, notes: Sequence[Note], how_to_collect: str) -> Missing:
    """Return what is missing although there are files for it, by the notes with verdicts on them."""
    reason = without_stop(sentences(notes))
    verdicts = {note.verdict for note in notes}
    files = in_list(dict.fromkeys(note.file for note in notes))
    if "unreadable" in verdicts:
        how = _("parse the profile again, or put a readable copy of {files} there").format(files=files)
        return Missing(what, reason, how, "unreadable")
    if "other run" in verdicts:
        how = _("put the {files} of this run there").format(files=files)
        return Missing(what, reason, how, "other_run")
    if "no rows" in verdicts:
        return Missing(what, reason, how_to_collect, "unreadable")
    how = _("parse again with a newer parser, or put the other tables of the run beside {files}")
    return Missing(what, reason, how.format(files=files), "unreadable")


def sentences(notes: Sequence[Note]) -> str:
    """Return the texts of notes with their files' names, each text once."""
    files: dict[str, list[str]] = {}
    for note in notes:
        files.setdefault(note.text, []).append(note.file)
    return in_sentences(
        *(t if named[0] in t else with_label(in_list(named), t) for t, named in files.items())
    )
