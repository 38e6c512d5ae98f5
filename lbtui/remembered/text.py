"""What is remembered as a file, and back: a file that anything may have become is never trusted."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from lbtui.remembered.model import MOST_NOTE, MOST_NOTES, MOST_VIEWS, FindingNote, Remembered
from lbtui.strict_json import list_of, parsed, table_of, text_of, whole_of
from lbtui.text import _

VERSION = 1
# Bytes of a file: some 100 notes of a line each.
MOST_BYTES = 64 << 10
_MOST_TEXT = 8000
_MOST_PANES = 32


class BadFile(Exception):
    """A file is not what is remembered; the text says why, in a few words."""


class NewerFile(BadFile):
    """A file is of a later version of lbtui, whose it stays."""


def to_bytes(remembered: Remembered) -> bytes:
    """Return the file; of what is too much the oldest notes go first."""
    while len(data := _to_bytes(remembered)) > MOST_BYTES and (remembered.notes or remembered.parts):
        remembered = remembered.without_oldest_note()
    return data


def _to_bytes(remembered: Remembered) -> bytes:
    document = {
        "lbtui": VERSION,
        "views": _short(remembered.views),
        "parts": {name: _short(own) for name, own in remembered.parts.items()},
        "notes": [
            {"finding": note.finding, "subject": note.subject, "window": note.window, "text": note.text}
            for note in remembered.notes
            if len(note.subject) <= _MOST_TEXT
        ],
        **({"note": remembered.note[:MOST_NOTE]} if remembered.note else {}),
    }
    # As JSON's own reader has it back, single surrogates in names of files too.
    return (json.dumps(document, indent=1, ensure_ascii=False) + "\n").encode("utf-8", "surrogatepass")


def _short(texts: Mapping[str, str]) -> dict[str, str]:
    """Return the texts that are short enough to be read again."""
    return {name: text for name, text in texts.items() if len(text) <= _MOST_TEXT}


def from_bytes(data: bytes) -> Remembered:
    """Return what a file says; raises `BadFile`."""
    if len(data) > MOST_BYTES:
        raise BadFile(_("it is larger than {size} KiB").format(size=MOST_BYTES >> 10))
    try:
        document = parsed(data)
    except ValueError as error:
        raise BadFile(_("it is no JSON")) from error
    version = document.get("lbtui") if isinstance(document, dict) else None
    if isinstance(version, int) and version > VERSION:
        raise NewerFile(_("it is of a later version of lbtui"))
    if version != VERSION:
        raise BadFile(_("it is not lbtui's"))
    try:
        views = _texts(document["views"], MOST_VIEWS)
        panes = table_of(document["parts"], _MOST_PANES)
        parts = {name: _texts(own, _MOST_PANES) for name, own in panes.items()}
        notes = [_note(each) for each in list_of(document["notes"], MOST_NOTES)]
        # Files from before runs had notes have none.
        note = _one_line(document.get("note", ""))
    except (KeyError, TypeError, ValueError) as error:
        raise BadFile(_("it is damaged")) from error
    return Remembered(views, parts, tuple(notes), note)


def _note(value: Any) -> FindingNote:
    found = table_of(value, 4)
    text = _one_line(found["text"])
    window = found["window"]
    if window is not None:
        begin, end = list_of(window, 2)
        window = whole_of(begin), whole_of(end)
    return FindingNote(
        text_of(found["finding"], _MOST_TEXT), text_of(found["subject"], _MOST_TEXT), window, text
    )


def _one_line(value: Any) -> str:
    return " ".join(text_of(value, MOST_NOTE).split())


def _texts(value: Any, most: int) -> dict[str, str]:
    return {
        text_of(name, _MOST_TEXT): text_of(each, _MOST_TEXT) for name, each in table_of(value, most).items()
    }
