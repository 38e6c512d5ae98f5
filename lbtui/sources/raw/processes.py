"""The processes of a raw profile, each a file of its own, and what it says of itself."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import count

from lbtui.profile import Note, Progress, SourceFile, Unreadable, host_and_pid
from lbtui.sources.failure import unreadable_note
from lbtui.sources.tables import database
from lbtui.sources.tables.database import Database
from lbtui.sources.tables.rowids import has_rowids
from lbtui.sources.together import Together
from lbtui.text import _, visible


@dataclass(frozen=True)
class Process:
    """One process of a raw profile.

    `dp_rank` is what it said of itself, else what the process said that started it; None where neither did.
    """

    file: SourceFile
    prof_id: str
    host: str
    pid: int
    parent: int | None  # its pid
    dp_rank: int | None
    layout: str  # the table that holds its records
    records: int  # the last of their rowids, as of when the process was read
    last: int  # a hash of the record there
    recording: int  # the same where only records came to those that were there before


_numbers = count()


def read_processes(
    files: Sequence[SourceFile], progress: Progress, before: Sequence[Process] = ()
) -> tuple[tuple[Process, ...], tuple[Note, ...]]:
    """Return the processes that these files are of, without those that hold no records; and notes.

    Those of `before` are told apart from others in the same place.
    """
    known = {process.file.path: process for process in before}
    found: list[Process] = []
    notes: list[Note] = []
    whole = Together(progress, max(sum(file.size for file in files), 1))
    for file in files:
        if not file.size:  # to SQLite it is a database without tables
            continue
        try:
            with database.connect(file.path, whole) as opened:
                process = _process(opened, file)
                old = known.get(file.path)
                if process is not None and old is not None and _goes_on(opened, old, process):
                    process = replace(process, recording=old.recording)
        except Unreadable as error:
            notes.append(unreadable_note(visible(file.path.name), error))
        else:
            if process is not None:
                found.append(process)
    return tuple(_ranked(found)), (*notes, *_recorded_twice(found))


def _ranked(found: Sequence[Process]) -> Iterator[Process]:
    """Yield the processes; those that say no rank with that of their parent, as the cards of a scheduler."""
    said = {(process.host, process.pid): process.dp_rank for process in found}
    for process in found:
        if process.dp_rank is None and process.parent is not None:
            yield replace(process, dp_rank=said.get((process.host, process.parent)))
        else:
            yield process


def _recorded_twice(found: Sequence[Process]) -> list[Note]:
    folders = Counter(process.prof_id for process in found)
    twice = [prof_id for prof_id, count in folders.items() if count > 1]
    if not twice:
        return []
    text = _(
        "{count} processes have a file of the same name in several folders: recordings of several runs lie "
        "here, and all are read as one. Give the folder of one run to see it by itself."
    )
    return [Note(visible(f"{twice[0]}.db"), text.format(count=len(twice)))]


def _process(opened: Database, file: SourceFile) -> Process | None:
    tables = opened.tables()
    layout = _layout(opened, tables)
    if layout is None:
        return None
    found = opened.connection.execute(f"SELECT max(rowid) FROM {layout}").fetchone()[0]
    records = found if isinstance(found, int) else 0
    told: dict[str, str] = {}
    if "Meta" in tables:
        rows = opened.connection.execute(
            "SELECT name, CAST(value AS TEXT) FROM Meta "
            "WHERE name IN ('hostname', 'dpRankId', 'ppid') LIMIT 100"
        )
        told = {name: value.strip() for name, value in rows if isinstance(value, str) and value.strip()}
    named = host_and_pid(file.path.stem)
    host = told.get("hostname") or (named[0] if named else "")
    rank, parent = (_number(told.get(name, "")) for name in ("dpRankId", "ppid"))
    return Process(
        file,
        file.path.stem,
        host or _("unknown host"),
        named[1] if named else 0,
        parent or None,
        rank,
        layout,
        records,
        _hash(opened, layout, records),
        next(_numbers),
    )


def _hash(opened: Database, layout: str, row: int) -> int:
    """Return a hash of the record at a row."""
    connection = opened.connection
    text_factory, connection.text_factory = connection.text_factory, bytes
    try:
        return hash(connection.execute(f"SELECT * FROM {layout} WHERE rowid = ?", (row,)).fetchone())
    finally:
        connection.text_factory = text_factory


def _goes_on(opened: Database, before: Process, now: Process) -> bool:
    """Tell whether the records of a process are those of before, and maybe more."""
    if now.records < before.records or _hash(opened, now.layout, before.records) != before.last:
        return False
    # A rank may be its parent's, which may have come later.
    same = replace(before, file=now.file, dp_rank=now.dp_rank, records=now.records, last=now.last)
    return now == replace(same, recording=now.recording)


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 9 else None


def _layout(opened: Database, tables: Collection[str]) -> str | None:
    """Return the table of the records: of two, the one that has any."""
    known = [n for n in ("Mstx", "slice") if n in tables and has_rowids(opened.connection, n)]
    if "slice" in known and not {"cat", "args", "end_time"} <= set(opened.columns("slice")):
        known.remove("slice")
    for name in known:
        if opened.connection.execute(f"SELECT 1 FROM {name} LIMIT 1").fetchone():
            return name
    return None
