"""What is remembered as a file, and back: a file that anything may have become is never trusted."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from lbtui.remembered.model import MOST_NOTE, MOST_NOTES, MOST_VIEWS, FindingNote, Remembered
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
        document = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise BadFile(_("it is no JSON")) from error
    version = document.get("lbtui") if isinstance(document, dict) else None
    if isinstance(version, int) and version > VERSION:
        raise NewerFile(_("it is of a later version of lbtui"))
    if version != VERSION:
        raise BadFile(_("it is not lbtui's"))
    try:
        views = _texts(document["views"], MOST_VIEWS)
        panes = _table(document["parts"], _MOST_PANES)
        parts = {name: _texts(own, _MOST_PANES) for name, own in panes.items()}
        notes = [_note(each) for each in _list(document["notes"], MOST_NOTES)]
        # Files from before runs had notes have none.
        note = _one_line(document.get("note", ""))
    except (KeyError, TypeError, ValueError) as error:
        raise BadFile(_("it is damaged")) from error
    return Remembered(views, parts, tuple(notes), note)


def _note(value: Any) -> FindingNote:
    found = _table(value, 4)
    text = _one_line(found["text"])
    window = found["window"]
    if window is not None:
        begin, end = _list(window, 2)
        window = _time(begin), _time(end)
    return FindingNote(_text(found["finding"]), _text(found["subject"]), window, text)


def _one_line(value: Any) -> str:
    return " ".join(_text(value, MOST_NOTE).split())


def _time(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 1 << 62:
        raise ValueError(value)
    return value


def _text(value: Any, most: int = _MOST_TEXT) -> str:
    if not isinstance(value, str) or len(value) > most:
        raise ValueError(type(value))
    return value


def _texts(value: Any, most: int) -> dict[str, str]:
    return {_text(name): _text(each) for name, each in _table(value, most).items()}


def _table(value: Any, most: int) -> Mapping[str, Any]:
    if not isinstance(value, dict) or len(value) > most:
        raise ValueError(type(value))
    return value


def _list(value: Any, most: int) -> list[Any]:
    if not isinstance(value, list) or len(value) > most:
        raise ValueError(type(value))
    return value
