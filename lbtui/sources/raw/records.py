"""The records of a raw profile that are wanted, of all its processes."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
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
from lbtui.sources.tables.rowids import ranges
from lbtui.sources.together import Together
from lbtui.text import visible

_AT_ONCE = 2  # files
_CHUNK_BYTES = 16 << 20  # of JSON in one piece
_MOST_ROWS = 200_000  # in one piece
_TOGETHER_BYTES = 4 << 20  # of files that are read one after the other, where all of them are no more
_HELD_BYTES = 64 << 20  # of records as they are, by each that reads
_ROW_BYTES = 64  # the least that a record takes in the file, for a file of which nothing else is known


@dataclass(frozen=True)
class Told:
    """How the reading of one process went.

    `unusable` counts records that are no JSON object or have no time; `broken` tells what ended the reading.
    `found` is whether there are any of the names `unless` there are those `instead`, and `instead` whether
    there are these.
    """

    unusable: int = 0
    broken: Note | None = None
    found: bool = False
    instead: bool = False


@dataclass(frozen=True)
class Records:
    """Records of processes, in the order of these and of their writing; `told` has one entry for each.

    Columns: `process` (its place), `row` (in its table), `start`, `end`, `name`, `domain`, and the wanted
    fields as text: a text as it is, all else as JSON.
    """

    frame: pl.DataFrame
    processes: tuple[Process, ...]
    told: tuple[Told, ...]

    @property
    def unusable(self) -> int:
        """How many records are left out."""
        return sum(told.unusable for told in self.told)

    @property
    def notes(self) -> tuple[Note, ...]:
        """What could not be read to its end."""
        return tuple(told.broken for told in self.told if told.broken is not None)


@dataclass(frozen=True)
class _Part:
    """What is to be read of a process: its place among all, the last row that is known, and how that went."""

    place: int
    process: Process
    after: int | None = None
    told: Told = Told()

    @property
    def size(self) -> int:
        """About how many bytes of its file."""
        rows = max(self.process.records, 1)
        return self.process.file.size * (rows - (self.after or 0)) // rows


_Reduced: TypeAlias = "Callable[[pl.DataFrame], pl.DataFrame]"


def read_records(
    processes: Sequence[Process],
    wanted: Wanted,
    progress: Progress,
    reduced: _Reduced = lambda records: records,
    before: Records | None = None,
) -> Records:
    """Return the `wanted` records of all processes, each piece of them as `reduced` makes it.

    Of those that the same was read of `before`, only what came since is read. The JSON of all together need
    not fit into memory. Raises `Cancelled` when `progress` does.
    """
    known = {} if before is None else _places_before(before, processes)
    parts = [
        _Part(place, process)
        if before is None or place not in known
        else _Part(place, process, before.processes[known[place]].records, before.told[known[place]])
        for place, process in enumerate(processes)
    ]
    whole = Together(progress, max(sum(process.file.size for process in processes), 1))
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        read = list(pool.map(partial(_of_group, wanted, reduced, whole), _groups(parts)))
    frames = [reduced(pl.DataFrame(schema=columns(wanted))), *(frame for frame, _told in read)]
    if before is not None:
        frames.insert(0, _moved(before.frame, known))
    frame = pl.concat(frames)
    if known:
        frame = frame.sort("process", maintain_order=True)
    return Records(frame, tuple(processes), tuple(told for _frame, of_group in read for told in of_group))


def _places_before(before: Records, processes: Sequence[Process]) -> dict[int, int]:
    """Return the places before of those processes that are known from then, by their places now."""
    places = {process.recording: place for place, process in enumerate(before.processes)}
    found = ((now, places.get(process.recording)) for now, process in enumerate(processes))
    return {
        now: place
        for now, place in found
        if place is not None
        and before.processes[place].records <= processes[now].records
        and before.told[place].broken is None
        # Those that these stand for may have come.
        and not before.told[place].instead
    }


def _moved(frame: pl.DataFrame, known: dict[int, int]) -> pl.DataFrame:
    """Return the records of before of the known processes, with the places that these have now."""
    now = {before: place for place, before in known.items()}
    kept = frame.filter(pl.col("process").is_in(list(now)))
    return kept.with_columns(pl.col("process").replace_strict(now, default=None, return_dtype=pl.Int32))


def _groups(parts: Sequence[_Part]) -> list[list[_Part]]:
    """Return the processes in groups of some size, in order: what is made of few rows costs more a row."""
    most = min(max(sum(part.size for part in parts) // (2 * _AT_ONCE), _TOGETHER_BYTES), _HELD_BYTES)
    groups: list[list[_Part]] = [[]]
    size = 0
    for part in parts:
        if groups[-1] and size + part.size > most:
            groups.append([])
            size = 0
        groups[-1].append(part)
        size += part.size
    return groups


def _of_group(
    wanted: Wanted, reduced: _Reduced, progress: Progress, group: Sequence[_Part]
) -> tuple[pl.DataFrame, list[Told]]:
    """Return the records of processes that are not known yet; and of each, how all of it went."""
    held, made = [pl.DataFrame(schema=columns(wanted))], []
    told: list[Told] = []
    for part in group:
        name, size = part.process.file.path.name, part.process.file.size
        now = part.told
        try:
            for frame, bad in _pieces(wanted, progress, part):
                now = Told(
                    now.unusable + bad,
                    found=now.found or _any(frame, wanted.unless),
                    instead=now.instead or _any(frame, wanted.instead),
                )
                place = pl.repeat(part.place, frame.height, dtype=pl.Int32, eager=True)
                held.append(frame.insert_column(0, place.alias("process")))
                if sum(piece.estimated_size() for piece in held) > _HELD_BYTES:
                    made.append(reduced(pl.concat(held)))
                    del held[1:]
        except Unreadable as error:
            # What stands before the break is used.
            now = replace(now, broken=unreadable_note(visible(name), error))
        told.append(now)
        progress.advance(name, size, size)
    return pl.concat([*made, reduced(pl.concat(held))]), told


def _pieces(wanted: Wanted, progress: Progress, part: _Part) -> Iterator[tuple[pl.DataFrame, int]]:
    """Yield the records of a process, and how many were unusable."""
    if part.after == part.process.records:
        return
    found, spans = part.told.found, _spans(part, progress)
    for between in spans:
        for piece in _piece(wanted, progress, part.process, between):
            found = found or _any(piece[0], wanted.unless)
            yield piece
    if wanted.instead and not found:
        others = replace(wanted, names=wanted.instead)
        for between in spans:
            yield from _piece(others, progress, part.process, between)


def _any(records: pl.DataFrame, names: Collection[str]) -> bool:
    return bool(names) and records["name"].is_in(list(names)).any()


def _piece(
    wanted: Wanted, progress: Progress, process: Process, between: tuple[int, int]
) -> list[tuple[pl.DataFrame, int]]:
    """Return what `Reader.piece` yields; a process that ends meanwhile must be able to tidy up its files."""
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


def _spans(part: _Part, progress: Progress) -> list[tuple[int, int]]:
    """Return the first and last rowid of each piece of the records that were there at first."""
    process, after = part.process, part.after
    each = max(process.file.size // max(process.records, 1), _ROW_BYTES)
    rows = min(max(_CHUNK_BYTES // each, 1), _MOST_ROWS)
    if after is not None and process.records - after <= rows:
        return [(after + 1, process.records)]
    with database.connect(process.file.path, progress) as opened:
        found = list(ranges(opened.connection, process.layout, rows))
    first = found[0][0] if after is None and found else (after or 0) + 1
    return [
        (max(begin, first), min(last, process.records))
        for begin, last in found
        if begin <= process.records and last >= first
    ]
