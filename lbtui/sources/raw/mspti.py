"""The databases of MSPTI in a raw profile: `ascend_service_profiler_<host>-<pid>.db`, one file a process."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, NamedTuple, TypeVar

import polars as pl

from lbtui.profile import FrameName, Loaded, Note, Progress, Provenance, SourceFile, Unreadable, host_and_pid
from lbtui.sources.failure import unreadable_note
from lbtui.sources.frame import MOST_LANES, canonical
from lbtui.sources.tables import database
from lbtui.sources.tables.database import Database
from lbtui.sources.together import Together
from lbtui.text import _, visible

_T = TypeVar("_T")
_AT_ONCE = 2  # files; SQLite and polars let other threads work meanwhile


class Process(NamedTuple):
    """A process with the file that tells of it."""

    file: SourceFile
    host: str
    pid: int


@dataclass(frozen=True)
class OfProcesses(Generic[_T]):
    """What was read of each process, in the order of hosts (numbers in them as such) and pids.

    `without` are the readable files that tell nothing, `name` stands for all files.
    """

    found: tuple[tuple[Process, _T], ...]
    without: tuple[SourceFile, ...]
    name: str
    notes: tuple[Note, ...]

    def loaded(self, frame: pl.DataFrame, name: FrameName, notes: Sequence[str]) -> Loaded:
        """Return the frame `name` made of `found`, of each as many rows, with notes of these texts too."""
        made = canonical(frame, name)
        told = (*self.notes, *(Note(self.name, text) for text in notes))
        if made.is_empty():
            return Loaded(made, notes=told)
        each = made.height // len(self.found)
        parts = (
            *((process.file, each) for process, _of in self.found),
            *((file, 0) for file in self.without),
        )
        return Loaded(made, (Provenance(self.name, "mspti", _("1 ns"), made.height, parts=parts),), told)


def read_each(
    files: Sequence[SourceFile], read: Callable[[Database], _T | None], progress: Progress
) -> OfProcesses[_T]:
    """Return what `read` finds in the database of each process; what cannot be read is told in notes.

    Raises `Cancelled` when `progress` does.
    """
    name, notes = _name_of(files), list[Note]()
    processes = _processes(files, name, notes)
    whole = Together(progress, max(sum(process.file.size for process in processes), 1))

    def read_one(process: Process) -> tuple[Process, _T | None, Note | None]:
        try:
            with database.connect(process.file.path, whole) as opened:
                return process, read(opened), None
        except Unreadable as error:
            return process, None, unreadable_note(process.file.path.name, error)

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        each = list(pool.map(read_one, processes))
    return OfProcesses(
        tuple((process, found) for process, found, _note in each if found is not None),
        tuple(process.file for process, found, note in each if found is None and note is None),
        name,
        (*notes, *(note for _process, _found, note in each if note is not None)),
    )


def _name_of(files: Sequence[SourceFile]) -> str:
    folder = Path(os.path.commonpath([file.path.parent for file in files])) if files else Path()
    return visible(f"{folder.name}/ascend_service_profiler_*.db")


def _processes(files: Sequence[SourceFile], name: str, notes: list[Note]) -> list[Process]:
    """Return one file of each process, the largest, in their order; others are told."""
    largest: dict[tuple[str, int], SourceFile] = {}
    for file in sorted(files, key=lambda file: (-file.size, file.path)):
        known = host_and_pid(file.path.stem) or (file.path.stem, 0)
        if known in largest:
            text = _("Another file of this name is as large or larger, and is read instead.")
            notes.append(Note(visible(file.path.name), text, lost=True))
        else:
            largest[known] = file
    processes = [Process(file, host, pid) for (host, pid), file in largest.items()]
    processes.sort(key=lambda process: (_by_number(process.host), process.host, process.pid))
    if len(processes) > MOST_LANES:
        text = _("There are {count} files, more than any cluster writes; only the first {most} are read.")
        notes.append(Note(name, text.format(count=len(processes), most=MOST_LANES), lost=True))
    return processes[:MOST_LANES]


def _by_number(host: str) -> list[str | int]:
    """Return a host's name as what sorts worker-2 before worker-10."""
    return [int(part) if part.isdecimal() else part for part in re.split(r"(\d{1,18})", host)]
