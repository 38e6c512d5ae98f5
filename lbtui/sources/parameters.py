"""What was set for a run: what a `run.json` beside it says, and its folders' names (`dp_policy=rr`)."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias

from lbtui.profile import Note, Unreadable
from lbtui.strict_json import number_of, parsed, table_of, text_of
from lbtui.text import _, visible

Parameters: TypeAlias = Mapping[str, str | float | bool]

FILE = "run.json"
MOST_NAMES = 64
MOST_TEXT = 200
_MOST_NAME = 80
_MOST_BYTES = 64 << 10
_BETWEEN = re.compile(r"[,;+\s]|__")
_PART = re.compile(r"([^\W\d][\w.-]*)=(.+)")
_NUMBER = re.compile(r"-?(?:\d{1,15}(?:\.\d{0,15})?|\.\d{1,15})(?:[eE]-?\d{1,2})?", re.ASCII)


def parameters_of(folders: str, files: Mapping[str, Any]) -> dict[str, str | float | bool]:
    """Return what the names of folders say, and over it what a `run.json` does."""
    found = dict(list(_of_names(folders).items())[:MOST_NAMES])
    return dict(list({**files, **found, **files}.items())[:MOST_NAMES])


def parameters_at(folder: Path) -> tuple[dict[str, str | float | bool], tuple[Note, ...]]:
    """Return what is said of a run by itself: a `run.json` in its folder or above it, and both names."""
    files: dict[str, str | float | bool] = {}
    notes: list[Note] = []
    for place in (folder.parent, folder):
        try:
            files |= read_parameters(place / FILE)
        except Unreadable as error:
            notes.append(note_of(str(place / FILE), error))
    return parameters_of(str(Path(folder.parent.name, folder.name)), files), tuple(notes)


def _of_names(path: str) -> Parameters:
    """Return the parameters in a relative path, those of inner folders over those of outer ones."""
    found: dict[str, str | float | bool] = {}
    for folder in Path(path).parts:
        for part in _BETWEEN.split(folder):
            if (told := _PART.fullmatch(part)) and len(told[1]) <= _MOST_NAME:
                found[told[1]] = _value(told[2][:MOST_TEXT])
    return found


def _value(text: str) -> str | float | bool:
    if text in ("true", "false"):
        return text == "true"
    return float(text) if _NUMBER.fullmatch(text) else text


def read_parameters(file: Path) -> Parameters:
    """Return what a `run.json` says, numbers as floats; nothing where there is none.

    Raises `Unreadable` with what is wrong where it is no object of names with texts, numbers, true and false.
    """
    try:
        flags = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC
        with os.fdopen(os.open(file, flags), "rb") as opened:
            # A pipe would hang its reader.
            if not stat.S_ISREG(os.fstat(opened.fileno()).st_mode):
                raise Unreadable(_("It is no regular file and is left out."))
            data = opened.read(_MOST_BYTES + 1)
    except FileNotFoundError:
        return {}
    except OSError as error:
        text = _("It cannot be read ({why}).").format(why=visible(error.strerror or str(error), 200))
        raise Unreadable(text) from error
    try:
        if len(data) > _MOST_BYTES:
            raise ValueError(len(data))
        return checked_parameters(parsed(data))
    except ValueError as error:
        raise Unreadable(
            _(
                "It is no JSON object of at most {count} names with a text, number, true or false each; its "
                "parameters are left out."
            ).format(count=MOST_NAMES)
        ) from error


def note_of(file: str, error: Unreadable) -> Note:
    """Return the note on a `run.json`, which is named by its path below the folder opened."""
    return Note(visible(file), str(error), lost=True)


def checked_parameters(value: object) -> dict[str, str | float | bool]:
    """Return parameters read from JSON; raises `ValueError` where they are none."""
    table = table_of(value, MOST_NAMES)
    if "" in table:
        raise ValueError(table)
    return {text_of(name, _MOST_NAME): _checked(each) for name, each in table.items()}


def _checked(value: object) -> str | float | bool:
    if isinstance(value, bool):
        return value
    return text_of(value, MOST_TEXT) if isinstance(value, str) else number_of(value)
