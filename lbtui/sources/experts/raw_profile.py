"""The expert marks of a raw profile: `ms_service_<host>-<pid>.db`, one file a process, before any parsing."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import repeat
from operator import itemgetter
from pathlib import Path

from lbtui.profile import Note, Progress, SourceFile, Unreadable, host_and_pid
from lbtui.sources.experts.marks import Mark, MarkReader
from lbtui.sources.experts.rows import ProcessExperts
from lbtui.sources.failure import unreadable_note
from lbtui.sources.limits import LATEST
from lbtui.sources.tables import database
from lbtui.sources.tables.database import Database, as_blob
from lbtui.sources.together import Together
from lbtui.text import _, visible

# As services write it; a message that has it elsewhere or otherwise is searched through.
_HEAD = b'"domain":"eplb_observe"'
_HEAD_LENGTH = 128
_IN_MESSAGE = re.compile(rb'"domain"\s*:\s*"eplb_observe"')
# Upstream's two layouts: the whole event as JSON in `message`, or name and domain in columns of their own.
_MSTX = """
SELECT markId, timestamp, {message} FROM Mstx
WHERE instr(CAST(message AS BLOB), CAST('eplb_observe' AS BLOB))
"""
_SLICE = "SELECT id, timestamp, {args} FROM slice WHERE cat = 'eplb_observe'"
_BETWEEN_REPORTS = 256  # marks
_LARGEST_ID = 2**62
_AT_ONCE = 2  # files; the marks of one are in memory as text


@dataclass(frozen=True)
class RawExperts:
    """What the EP processes of a raw profile reported, each with its host.

    `parts` are the files that could be read, and how many expert marks each holds.
    """

    processes: tuple[tuple[str, ProcessExperts], ...]
    parts: tuple[tuple[SourceFile, int], ...]
    notes: tuple[Note, ...]


def read_raw(files: Sequence[SourceFile], progress: Progress) -> RawExperts:
    """Return what the files tell of experts; nothing else in them is looked at.

    A file that cannot be read is told in a note. Raises `Cancelled` when `progress` does.
    """
    whole = Together(progress, max(sum(file.size for file in files), 1))
    # SQLite and polars let other threads work meanwhile.
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        read = list(pool.map(_read_file, (file for file in files if file.size), repeat(whole)))
    # To SQLite an empty file is a database without tables; there may be very many.
    empty = tuple((file, 0) for file in files if not file.size)
    return RawExperts(
        tuple(process for file in read for process in file.processes),
        (*(part for file in read for part in file.parts), *empty),
        tuple(note for file in read for note in file.notes),
    )


def _read_file(file: SourceFile, progress: Progress) -> RawExperts:
    path = file.path
    name, reader = visible(path.name), MarkReader()
    try:
        with database.connect(path, progress) as opened:
            marks = _marks(opened, progress, file.size)
            host = _host(opened, path) if marks else ""
    except Unreadable as error:
        return RawExperts((), (), (unreadable_note(name, error),))
    found = tuple((host, process) for process in reader.read(visible(path.stem), marks))
    return RawExperts(found, ((file, len(marks)),), tuple(reader.notes(name)))


def _marks(opened: Database, progress: Progress, size: int) -> list[Mark]:
    """Return the expert marks in the order of their ids, which is that of the process."""
    tables = opened.tables()
    marks: list[Mark] = []
    if "Mstx" in tables:
        marks = list(_read(opened, _MSTX.format(message=as_blob("message")), progress, size, in_message=True))
    if not marks and "slice" in tables and "cat" in opened.columns("slice"):
        marks = list(_read(opened, _SLICE.format(args=as_blob("args")), progress, size, in_message=False))
    marks.sort(key=itemgetter(0))
    return marks


def _read(opened: Database, sql: str, progress: Progress, size: int, *, in_message: bool) -> Iterator[Mark]:
    done = 0
    for number, (order, time, fields) in enumerate(opened.connection.execute(sql)):
        if number % _BETWEEN_REPORTS == 0:
            progress.advance(opened.name, min(done, size), size)
        if type(fields) is not bytes:
            continue
        done += len(fields)
        if in_message and _HEAD not in fields[:_HEAD_LENGTH]:
            fields = _plain(fields)
            if not _IN_MESSAGE.search(fields):
                continue
        if type(order) is int and 0 <= order <= _LARGEST_ID:
            known = type(time) is int and 0 < time <= LATEST * 1000
            yield Mark(order, time // 1000 if known else 0, fields)


def _plain(message: bytes) -> bytes:
    """Return a message with its quotes: older versions write `^` for `"`."""
    return message.replace(b"^", b'"') if message.startswith(b"{^") else message


def _host(opened: Database, path: Path) -> str:
    """Return the host as Meta has it, else as the file's name does."""
    known = {}
    if "Meta" in opened.tables():
        rows = opened.connection.execute("SELECT name, value FROM Meta WHERE name = 'hostname' LIMIT 1")
        known = {name: value for name, value in rows if isinstance(value, str) and value.strip()}
    named = host_and_pid(path.stem)
    return visible(known.get("hostname") or (named[0] if named else "")) or _("unknown host")
