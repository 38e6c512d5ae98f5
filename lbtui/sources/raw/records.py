"""The records of a raw profile that are wanted, of all its processes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import TypeAlias

import polars as pl

from lbtui.profile import Note, Progress, Unreadable
from lbtui.sources.failure import unreadable_note
from lbtui.sources.raw.processes import Process
from lbtui.sources.raw.reader import Reader, Wanted, columns
from lbtui.sources.tables import database
from lbtui.sources.tables.joined_rows import ranges
from lbtui.sources.together import Together
from lbtui.text import visible

_AT_ONCE = 2  # files
_CHUNK_BYTES = 16 << 20  # of JSON in one piece
_MOST_ROWS = 200_000  # in one piece
_HELD_BYTES = 64 << 20  # of records as they are, by each that reads
_ROW_BYTES = 64  # the least that a record takes in the file, for a file of which nothing else is known


@dataclass(frozen=True)
class Records:
    """Records of processes, in the order of these and of their writing.

    Columns: `process` (its place), `row` (in its table), `start`, `end`, `name`, `domain`, and the wanted
    fields as text: a text as it is, all else as JSON. `unusable` counts records that are no JSON object or
    have no time.
    """

    frame: pl.DataFrame
    unusable: int
    notes: tuple[Note, ...] = ()


def read_records(
    processes: Sequence[Process],
    wanted: Wanted,
    progress: Progress,
    reduced: Callable[[pl.DataFrame], pl.DataFrame] = lambda records: records,
) -> Records:
    """Return the `wanted` records of all processes, each piece of them as `reduced` makes it.

    The JSON of all together need not fit into memory. Raises `Cancelled` when `progress` does.
    """
    whole = Together(progress, max(sum(process.file.size for process in processes), 1))
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        read = list(pool.map(partial(_of_group, wanted, reduced, whole), _groups(processes)))
    nothing = reduced(pl.DataFrame(schema=columns(wanted)))
    return Records(
        pl.concat([nothing, *(records.frame for records in read)]),
        sum(records.unusable for records in read),
        tuple(note for records in read for note in records.notes),
    )


_Placed: TypeAlias = "tuple[int, Process]"  # its place among all


def _groups(processes: Sequence[Process]) -> list[list[_Placed]]:
    """Return the processes in groups of some size, in order: what is made of few rows costs more a row."""
    total = sum(process.file.size for process in processes)
    most = min(total // (2 * _AT_ONCE), _HELD_BYTES)
    groups: list[list[_Placed]] = [[]]
    size = 0
    for placed in enumerate(processes):
        if groups[-1] and size + placed[1].file.size > most:
            groups.append([])
            size = 0
        groups[-1].append(placed)
        size += placed[1].file.size
    return groups


def _of_group(
    wanted: Wanted,
    reduced: Callable[[pl.DataFrame], pl.DataFrame],
    progress: Progress,
    group: Sequence[_Placed],
) -> Records:
    held, made = [pl.DataFrame(schema=columns(wanted))], []
    notes: list[Note] = []
    unusable = 0
    for place, process in group:
        try:
            for frame, bad in _pieces(wanted, progress, process):
                unusable += bad
                held.append(frame.select(pl.lit(place, pl.Int32).alias("process"), pl.all()))
                if sum(piece.estimated_size() for piece in held) > _HELD_BYTES:
                    made.append(reduced(pl.concat(held)))
                    del held[1:]
        except Unreadable as error:
            # What stands before the break is used.
            notes.append(unreadable_note(visible(process.file.path.name), error))
        progress.advance(process.file.path.name, process.file.size, process.file.size)
    return Records(pl.concat([*made, reduced(pl.concat(held))]), unusable, tuple(notes))


def _pieces(wanted: Wanted, progress: Progress, process: Process) -> Iterator[tuple[pl.DataFrame, int]]:
    """Yield the records of a process, and how many were unusable; of those `instead` where there are none."""
    none, parts = True, _parts(process, progress)
    for between in parts:
        for piece in _piece(wanted, progress, process, between):
            none = none and piece[0].is_empty()
            yield piece
    if none and wanted.instead:
        others = replace(wanted, names=wanted.instead)
        for between in parts:
            yield from _piece(others, progress, process, between)


def _piece(
    wanted: Wanted, progress: Progress, process: Process, between: tuple[int, int]
) -> list[tuple[pl.DataFrame, int]]:
    """Return what `_Reader.piece` yields; a process that ends meanwhile must be able to tidy up its files."""
    with database.connect(process.file.path, progress) as opened:
        return list(Reader(opened, process, wanted).piece(between))


@dataclass(frozen=True)
class Record:
    """One record; `fields` are the wanted ones, as in `Records`."""

    name: str
    start: datetime
    end: datetime
    fields: dict[str, str | None]


def read_record(process: Process, row: int, wanted: Wanted, progress: Progress) -> Record | None:
    """Return the record at a row of a process' table, read now; None where it is no wanted one.

    Raises `Unreadable`.
    """
    either = replace(wanted, names=wanted.names | wanted.instead)
    with database.connect(process.file.path, progress) as opened:
        found = [frame for frame, _bad in Reader(opened, process, either).piece((row, row))]
    if not found or found[0].height != 1:
        return None
    cells = found[0].row(0, named=True)
    return Record(cells["name"], cells["start"], cells["end"], {name: cells[name] for name in wanted.fields})


def _parts(process: Process, progress: Progress) -> list[tuple[int, int]]:
    """Return the first and last rowid of each piece of the records that were there at first."""
    each = max(process.file.size // max(process.records, 1), _ROW_BYTES)
    rows = min(max(_CHUNK_BYTES // each, 1), _MOST_ROWS)
    with database.connect(process.file.path, progress) as opened:
        found = list(ranges(opened.connection, process.layout, rows))
    return [(first, min(last, process.records)) for first, last in found if first <= process.records]
