"""Which runs lie below a folder: parsed outputs, raw profiles without one, and summaries of runs elsewhere.

Looks at names, sizes and times of files; into files only where names leave open whose a raw profile is.
"""

from __future__ import annotations

import json
import os
import re
import time
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path

from lbtui.profile import Note, Reading, SourceFile, Unreadable
from lbtui.sources.discover import outputs_below, read_folder
from lbtui.sources.experts.discover import RAW, entries_below, kind_of, size_of
from lbtui.sources.near import prof_ids_of
from lbtui.sources.parameters import FILE, Parameters, note_of, parameters_of, read_parameters
from lbtui.sources.raw_runs import RawRun, raw_runs
from lbtui.text import _, visible

# What a summary (`--summary`) begins with, whoever wrote it anew.
SUMMARY_MARK = "lbtui_run"
SUMMARY_VERSION = 1
_SUMMARY_HEAD = re.compile(rb'\s{0,16}\{\s{0,16}"' + SUMMARY_MARK.encode() + rb'"\s{0,16}:')
_SUMMARY_PATH = re.compile(rb'"path"\s{0,16}:\s{0,16}("(?:[^"\\]|\\.){0,8000}")')
_HEAD_BYTES, _MOST_HEAD = 64, 16 << 10
MOST_SUMMARY = 8 << 20  # bytes
_MOST_IN_VAIN = 200  # files that are looked into and are no summaries: the folder is of something else
_MOST_DEPTH, _MOST_ENTRIES = 8, 100_000
_MOST_TIMES = 16  # files of a run of which the newest tells when it was written

# 2026-11-30, 20261130, with 12:30:15, 123015, 12-30 behind it.
_DATE = re.compile(
    r"(?<!\d)(20\d\d)([-_.]?)(0[1-9]|1[0-2])\2(0[1-9]|[12]\d|3[01])"
    r"(?:[-_T. ]?([01]\d|2[0-3])[-_:.h]?([0-5]\d)(?:[-_:.m]?([0-5]\d))?)?(?!\d)"
)
_PIECES = re.compile(r"(\d{1,18})")
_WORDS = re.compile(r"[\W_]+")
# What names the form of a run and not which it is.
_FORMS = frozenset(
    ("raw", "out", "output", "outputs", "parsed", "prof", "profile", "profiles", "csv", "db", "json")
)


@dataclass(frozen=True)
class FoundRun:
    """A run below a folder, of which nothing is read: `name` is its path from there.

    Of a summary `file` is where it lies, and `reading` the same. Of an output `beside` are the files of the
    raw profile that it is of.
    """

    name: str
    reading: Reading
    parameters: Parameters = field(default_factory=dict)
    file: Path | None = None
    beside: tuple[SourceFile, ...] = ()


@dataclass(frozen=True)
class Found:
    """The runs below a folder, the newest first by what names and times of files tell; and what to mind."""

    folder: Path
    runs: tuple[FoundRun, ...] = ()
    notes: tuple[Note, ...] = ()


def runs_below(path: Path, *, raw: bool = False) -> Found:
    """Return the runs that lie at or below a path: none or one where it opens as one profile.

    With `raw` all raw profiles and nothing else. What cannot be listed has no runs: opening it says why.
    """
    try:
        folder = Path(os.path.realpath(path, strict=True))
        if not folder.is_dir():
            single = is_summary(folder)
            return Found(folder.parent, (_summary(folder, folder.parent),) if single else ())
        if not raw and read_folder(folder).files:
            return Found(folder, (FoundRun(folder.name, Reading(folder)),))
    except (OSError, Unreadable):
        return Found(path)
    every = [] if raw else outputs_below(folder)
    outputs, forms = _once(every, folder)
    files, summaries, notes = _others(folder, outputs, summaries=not raw)
    alone, beside = _shared(own := raw_runs(files, folder), outputs)
    if len(outputs) == 1 < len(every) and not (alone or summaries):
        # Of one run by itself each form is there to be chosen.
        outputs, forms = every, ()
        alone, beside = _shared(own, outputs)
    readings = [
        *((Reading(output), _files_in(output)) for output in outputs),
        *((Reading(run.folder, raw=True), [file.path for file in run.files]) for run in alone),
    ]
    said = _Said(folder)
    runs = [
        (_age(reading.path, folder, own), replace(said.of(reading), beside=beside.get(reading.path, ())))
        for reading, own in readings
    ]
    elsewhere, known = _elsewhere(summaries, [reading.path for reading, _own in readings], folder)
    runs += [(_age(file, folder, [file]), _summary(file, folder)) for file in elsewhere]
    newest = sorted(runs, key=lambda each: (each[0], _natural(each[1].name)), reverse=True)
    return Found(folder, tuple(run for _age, run in newest), (*forms, *known, *notes, *said.notes))


def is_summary(file: Path) -> bool:
    """Tell whether a file begins as a summary does."""
    return _SUMMARY_HEAD.match(_head(file, _HEAD_BYTES)) is not None


def _head(file: Path, most: int) -> bytes:
    try:
        # What has become a pipe meanwhile would be waited for.
        with os.fdopen(os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as opened:
            return opened.read(most)
    except OSError:
        return b""


def _elsewhere(files: Sequence[Path], here: Collection[Path], base: Path) -> tuple[list[Path], list[Note]]:
    """Return the summaries without those of runs that lie here themselves, and a note on each of these."""
    paths = {str(path) for path in here}
    found: list[Path] = []
    notes: list[Note] = []
    for file in files:
        told = _SUMMARY_PATH.search(_head(file, _MOST_HEAD))
        # What is no text is no path.
        with suppress(ValueError):
            if told and json.loads(told[1]) in paths:
                text = _("It is left out: the run that it sums up lies here, too.")
                notes.append(Note(visible(os.path.relpath(file, base)), text))
                continue
        found.append(file)
    return found, notes


def _summary(file: Path, folder: Path) -> FoundRun:
    name = os.path.relpath(file, folder)
    return FoundRun(name, Reading(file), parameters_of(name, {}), file)


def _once(outputs: Sequence[Path], base: Path) -> tuple[list[Path], tuple[Note, ...]]:
    """Return the outputs with one of those that lie side by side in several forms (`csv`, `db`, `json`)."""
    found: dict[tuple[Path, str], list[Path]] = {}
    for output in outputs:
        found.setdefault((output.parent, _which(output, output.parent)), []).append(output)
    kept = {min(same, key=_form) if len(same) > 1 else same[0] for same in found.values()}
    if len(kept) == len(outputs):
        return list(outputs), ()
    left_out = next(output for output in outputs if output not in kept)
    text = _("Of runs that were parsed in several forms one is shown; left out: {count}, such as {name}.")
    name = visible(os.path.relpath(left_out, base))
    note = Note(visible(base.name), text.format(count=len(outputs) - len(kept), name=name))
    return [output for output in outputs if output in kept], (note,)


def _form(output: Path) -> tuple[bool, bool, bool, str]:
    """Return what sorts the forms of an output, the one that tells most first."""
    try:
        found = read_folder(output)
    except Unreadable:
        return True, True, True, str(output)
    return not found.csv, found.database is None, found.trace is None, str(output)


def _others(
    folder: Path, outputs: Collection[Path], *, summaries: bool
) -> tuple[list[SourceFile], list[Path], list[Note]]:
    """Return the files of raw profiles below a folder, and the summaries that lie in no output."""
    notes: list[Note] = []
    raw: list[SourceFile] = []
    maybe: list[Path] = []
    outside = {str(output) for output in outputs}
    for entry in entries_below(folder, _MOST_DEPTH, _MOST_ENTRIES, notes):
        if kind_of(entry.name) == RAW:
            if (size := size_of(entry)) is not None:
                raw.append(SourceFile(Path(entry.path), RAW, RAW, size))
        elif summaries and entry.name != FILE and str(Path(entry.path).parent) not in outside:
            size = size_of(entry)
            if size is not None and _HEAD_BYTES < size <= MOST_SUMMARY:
                maybe.append(Path(entry.path))
    of_raw = {file.path.parent for file in raw}
    return (
        sorted(raw, key=lambda file: file.path),
        _summaries(sorted(file for file in maybe if file.parent not in of_raw)),
        notes,
    )


def _summaries(files: Sequence[Path]) -> list[Path]:
    """Return which of the files are summaries, unless too many others come before them."""
    found: list[Path] = []
    for number, file in enumerate(files):
        if number - len(found) >= _MOST_IN_VAIN:
            break
        if is_summary(file):
            found.append(file)
    return found


def _shared(
    runs: Sequence[RawRun], outputs: Sequence[Path]
) -> tuple[list[RawRun], dict[Path, tuple[SourceFile, ...]]]:
    """Return the raw profiles of which none of the outputs is, and the files of those of which one is.

    Of outputs the nearer ones are asked first.
    """
    inside: dict[Path, list[Path]] = {}
    for output in outputs:
        for place in (output, *output.parents):
            inside.setdefault(place, []).append(output)
    near: dict[Path, list[RawRun]] = {}
    for run in runs:
        holds = (place for place in (run.folder, *run.folder.parents) if place in inside)
        near.setdefault(next(holds, run.folder), []).append(run)
    alone: list[RawRun] = []
    beside: dict[Path, tuple[SourceFile, ...]] = {}
    for place, own in near.items():
        for run, claimed in _claimed(own, inside.get(place, ()), place):
            if not claimed:
                alone.append(run)
            for output in claimed:
                beside[output] = (*beside.get(output, ()), *run.files)
    return sorted(alone), beside


def _claimed(
    runs: Sequence[RawRun], outputs: Sequence[Path], place: Path
) -> Iterator[tuple[RawRun, Sequence[Path]]]:
    """Yield raw profiles with those of the outputs around them that were made of each.

    Names tell where they can: `raw/monday` is of `out/monday`, `monday_raw` of `monday_out`. Else the
    processes do which an output names, but for those that several of either have: in containers they have
    the same numbers each time. A single output that names none is of a single raw profile.
    """
    by_name: dict[str, list[Path]] = {}
    for output in outputs:
        if name := _which(output, place):
            by_name.setdefault(name, []).append(output)
    named = {run.folder: by_name.get(_which(run.folder, place), []) for run in runs}
    left = [run for run in runs if not named[run.folder]]
    by_process = _by_process(left, outputs) if left and len(left) == len(runs) else {}
    for run in runs:
        yield run, named[run.folder] or by_process.get(run.folder, ())


def _by_process(runs: Sequence[RawRun], outputs: Sequence[Path]) -> dict[Path, Sequence[Path]]:
    """Return the outputs of each raw profile that name a process of it, and of which no other names that.

    Of several each is of a part of what was recorded, as where services lie together that share no host.
    """
    holders: dict[str, list[Path]] = {}
    for run in runs:
        for name in {file.path.stem for file in run.files}:
            holders.setdefault(name, []).append(run.folder)
    told = {name for name, folders in holders.items() if len(folders) == 1}
    if not told or not outputs:
        return {}
    processes = {output: prof_ids_of(output) for output in outputs}
    if len(runs) == len(outputs) == 1 and not processes[outputs[0]]:
        return {runs[0].folder: outputs}
    naming = Counter(name for names in processes.values() for name in names)
    found: dict[Path, list[Path]] = {}
    for output, names in processes.items():
        for folder in {holders[name][0] for name in names & told if naming[name] == 1}:
            found.setdefault(folder, []).append(output)
    return dict(found)


def _which(folder: Path, place: Path) -> str:
    """Return which run a folder is of by its path below a place, without words for its form."""
    words = (word for word in _WORDS.split(str(folder.relative_to(place)).lower()) if word)
    return " ".join(word for word in words if word not in _FORMS)


class _Said:
    """What `run.json` files and names of folders say of runs below a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._read: dict[Path, Parameters] = {}
        self.notes: list[Note] = []

    def of(self, reading: Reading) -> FoundRun:
        """Return the run with its name and parameters."""
        below = os.path.relpath(reading.path, self._folder)
        files: dict[str, str | float | bool] = {}
        for place in (reading.path.parent, reading.path):
            if place != self._folder and place.is_relative_to(self._folder):
                files |= self._in(place)
        name = self._folder.name if below == os.curdir else below
        return FoundRun(name, reading, parameters_of("" if below == os.curdir else below, files))

    def _in(self, place: Path) -> Mapping[str, str | float | bool]:
        if place not in self._read:
            try:
                self._read[place] = read_parameters(place / FILE)
            except Unreadable as error:
                self._read[place] = {}
                self.notes.append(note_of(os.path.relpath(place / FILE, self._folder), error))
        return self._read[place]


def _files_in(folder: Path) -> list[Path]:
    try:
        with os.scandir(folder) as scan:
            return [Path(entry.path) for entry in islice(scan, _MOST_TIMES)]
    except OSError:
        return []


def _age(path: Path, base: Path, files: Sequence[Path]) -> float:
    """Return when (s) a run was recorded as its path tells, else when its newest file was written."""
    found = list(_DATE.finditer(str(path.relative_to(base))))
    if found:
        year, month, day, hour, minute, second = (int(found[-1][n] or 0) for n in (1, 3, 4, 5, 6, 7))
        with suppress(ValueError, OverflowError):
            return time.mktime((year, month, day, hour, minute, second, 0, 0, -1))
    return max((_written(file) for file in files[:_MOST_TIMES]), default=0.0)


def _written(file: Path) -> float:
    try:
        return file.stat().st_mtime
    except OSError:
        return 0.0


def _natural(name: str) -> list[tuple[int, int, str]]:
    """Return what sorts names with numbers by these."""
    return [
        (1, int(piece), "") if piece.isdecimal() else (0, 0, piece) for piece in _PIECES.split(name) if piece
    ]
