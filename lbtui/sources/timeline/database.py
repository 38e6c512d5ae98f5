"""The slices of profiler.db: all columns but the large one are held, a slice's fields read when asked for.

The table has no index by time, but rowids, and was written in the order of time: some rows from each part of
it are a sample of all the time.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from lbtui.profile import Note, Progress, Silent
from lbtui.profile.slices import SliceFields, Slices
from lbtui.sources.safe_values import request_ids
from lbtui.sources.tables import database
from lbtui.sources.tables.database import Database, as_blob
from lbtui.sources.tables.rowids import extent
from lbtui.sources.timeline.build import Codes, Columns, FileReader, build
from lbtui.sources.timeline.fields import fields_of
from lbtui.sources.timeline.requests import is_of, longer_ids
from lbtui.sources.timeline.tracks import Label, label_of, track
from lbtui.text import _, visible

COLUMNS = ("timestamp", "duration", "name", "track_id")
LARGE = 48 << 20  # bytes of a file that is read in about a second
MOST = 24_000_000  # slices that are held, some 600 MB
_SAMPLE_SECONDS = 0.5
_PIECES, _PIECE = 4096, 12  # of a sample: so many times so many rows that follow each other
_GOLDEN = 0.6180339887498949
_AT_ONCE = 500  # rows whose fields are asked for together


class DatabaseSlices(FileReader):
    """Reads the table `slice` of a profiler.db, whose rowids are the slices' `row`."""

    def __init__(self, path: Path, tables: frozenset[str]) -> None:
        self._path = path
        self._tables = tables
        self.file = visible(path.name)
        self.large = path.stat().st_size > LARGE

    def sample(self, progress: Progress) -> Slices:
        """Return rows from all over the table, as many as half a second has."""
        columns, codes, tracks = Columns(), Codes(), _Tracks()
        with database.connect(self._path) as opened:
            tracks.read(opened, self._tables)
            found = extent(opened.connection, "slice")
            if found is None:
                return build(columns, {}, ())
            total = found[1] - found[0] + 1
            rows = [row for piece in _pieces(opened, found) for row in piece]
        known = [row for row in dict.fromkeys(rows) if type(row[1]) is int and type(row[4]) is int]
        names = np.array([codes.of(str(row[3])) for row in known], np.int64)
        cells = np.array(
            [(row[0], row[1], row[2] if type(row[2]) is int else 0, row[4]) for row in known], np.int64
        ).reshape(-1, 4)
        columns.add(tracks.coded(cells[:, 3]), names, cells[:, 1], cells[:, 2], cells[:, 0])
        named = tracks.named(columns, codes.texts)
        return build(columns, named, codes.texts, total=total)

    def read(self, progress: Progress) -> Slices:
        """Return all slices, up to the most that are held."""
        columns, codes, tracks = Columns(), Codes(), _Tracks()
        left = total = 0
        with database.connect(self._path, progress) as opened:
            tracks.read(opened, self._tables)
            for part in opened.rows("slice", COLUMNS):
                left += self._take(part.head(max(0, MOST - total)), columns, codes, tracks)
                total += part.height
                if total > MOST:
                    break
            if total > MOST:
                [total] = opened.connection.execute("SELECT count(*) FROM slice").fetchone()
        notes = self._notes(left, total)
        return build(columns, tracks.named(columns, codes.texts), codes.texts, notes, total - left)

    @staticmethod
    def _take(part: pl.DataFrame, columns: Columns, codes: Codes, tracks: _Tracks) -> int:
        start, duration, of = (_whole(part[place]) for place in ("1", "2", "4"))
        cells = part["3"].cast(pl.String)
        known = start.is_not_null() & of.is_not_null() & cells.is_not_null()
        name = cells.fill_null("")
        numbers = {text: codes.of(text) for text in name.unique(maintain_order=True)}
        coded = name.replace_strict(list(numbers), list(numbers.values()), return_dtype=pl.Int64)
        here = known.to_numpy()
        given = (
            tracks.coded(of.fill_null(-1).to_numpy()[here]),
            coded.to_numpy()[here],
            start.fill_null(0).to_numpy()[here],
            duration.fill_null(0).to_numpy()[here],
            (part["0"].to_numpy() + 1)[here],
        )
        return int(len(here) - np.count_nonzero(here)) + columns.add(*given)

    def _notes(self, left: int, total: int) -> list[Note]:
        notes = []
        if left:
            words = _("{count} slices have no time, no name or no track, and are left out.")
            notes.append(Note(f"{self.file}:slice", words.format(count=f"{left:,}"), lost=True))
        if total > MOST:
            words = _("Only the first {shown} of {total} slices are held: the others are too many.")
            text = words.format(shown=f"{MOST:,}", total=f"{total:,}")
            notes.append(Note(f"{self.file}:slice", text, lost=True))
        return notes

    def fields(self, slices: Slices, index: int) -> SliceFields:
        """Return the fields of one row."""
        with database.connect(self._path) as opened:
            found = list(_args(opened, [int(slices.row[index])]))
        return fields_of(found[0][1]) if found else SliceFields()

    def flow(self, slices: Slices, request: str, progress: Progress) -> Sequence[int]:
        """Return the slices of a request: the table `flow` says where they are, their fields which.

        Without that table the fields of all slices are searched.
        """
        with database.connect(self._path, progress) as opened:
            at = self._flow(opened, slices, request)
            if at is None:
                at = _searched(opened, slices, request)
            rows = {int(slices.row[index]): index for index in at}
            own = [
                rows[row]
                for row, args in _args(opened, sorted(rows))
                if any(is_of(known, request) for known in request_ids(args.get("res_list", args.get("rid"))))
            ]
        return sorted(own, key=lambda index: (int(slices.start[index]), int(slices.row[index])))

    def _flow(self, opened: Database, slices: Slices, request: str) -> list[int] | None:
        if "flow" not in self._tables:
            return None
        sql = (
            "SELECT DISTINCT track_id, timestamp FROM flow "
            "WHERE flow_id = ? OR (flow_id >= ? AND flow_id < ?)"
        )
        threads = {one.key: place for place, one in enumerate(slices.tracks)}
        known = _Tracks()
        known.read(opened, self._tables)
        found: list[int] = []
        for track_id, time_ns in opened.connection.execute(sql, (request, *longer_ids(request))):
            place = threads.get(known.key(track_id))
            if place is None or type(time_ns) is not int:
                continue
            begin, end = slices.offsets[place], slices.offsets[place + 1]
            own = slices.start[begin:end]
            first, last = np.searchsorted(own, time_ns, "left"), np.searchsorted(own, time_ns, "right")
            found += range(int(begin + first), int(begin + last))
        return found or None


class _Tracks:
    """The threads of the database by their numbers."""

    def __init__(self) -> None:
        self._threads: dict[int, tuple[str, Label]] = {}
        self._numbers: dict[int, int] = {}

    def read(self, opened: Database, tables: frozenset[str]) -> None:
        """Take what the tables `thread` and `process` say."""
        labels: dict[str, Label] = {}
        if "process" in tables:
            for pid, label in opened.connection.execute("SELECT pid, label FROM process"):
                labels[str(pid)] = label_of(str(pid), label if isinstance(label, str) else None)
        if "thread" in tables:
            rows = opened.connection.execute("SELECT track_id, tid, pid FROM thread")
            for number, thread, pid in rows:
                of = str(pid or "")
                self._threads[number] = str(thread or ""), labels.get(of) or label_of(of, None)

    def coded(self, numbers: np.ndarray[Any, np.dtype[np.int64]]) -> np.ndarray[Any, np.dtype[np.int64]]:
        """Return small numbers for those of tracks."""
        known, inverse = np.unique(numbers, return_inverse=True)
        codes = [self._numbers.setdefault(int(number), len(self._numbers)) for number in known]
        return np.array(codes, np.int64)[inverse.reshape(-1)] if codes else numbers

    def named(self, columns: Columns, names: Sequence[str]) -> dict[int, Any]:
        """Return the track of each small number."""
        found: dict[int, set[str]] = {code: set() for code in self._numbers.values()}
        for of, name in zip(columns.track, columns.name, strict=True):
            pairs = np.unique(of.astype(np.int64) << 16 | name)
            for pair in pairs.tolist():
                found[pair >> 16].add(names[pair & 0xFFFF])
        return {code: track(*self._thread(number), found[code]) for number, code in self._numbers.items()}

    def _thread(self, number: int) -> tuple[str, Label]:
        return self._threads.get(number) or (str(number), label_of("", None))

    def key(self, number: object) -> str:
        """Return the key of the track of a number."""
        if type(number) is not int:
            return ""
        thread, label = self._thread(number)
        return f"{label.process} {thread}"


def _whole(column: pl.Series) -> pl.Series:
    kind = pl.Int64 if column.dtype in (pl.Int64, pl.Null) else pl.Float64
    return pl.select(pl.lit(column).cast(kind, strict=False).cast(pl.Int64, strict=False)).to_series()


def _pieces(opened: Database, found: tuple[int, int]) -> Iterator[list[tuple[Any, ...]]]:
    """Yield a few rows from each part of the table, from parts ever closer, until the time is over."""
    first, last = found
    end = time.monotonic() + _SAMPLE_SECONDS
    sql = f"SELECT rowid, {', '.join(COLUMNS)} FROM slice WHERE rowid BETWEEN ? AND ?"
    for number in range(_PIECES):
        at = first + int((number * _GOLDEN % 1.0) * max(1, last - first - _PIECE))
        yield opened.connection.execute(sql, (at, at + _PIECE - 1)).fetchall()
        if number % 64 == 63 and time.monotonic() > end:
            return


def _args(opened: Database, rows: Sequence[int]) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield what each of these rows says of itself, in their order."""
    for first in range(0, len(rows), _AT_ONCE):
        part = rows[first : first + _AT_ONCE]
        marks = ", ".join("?" * len(part))
        sql = f"SELECT rowid, {as_blob('args')} FROM slice WHERE rowid IN ({marks}) ORDER BY rowid"
        for row, args in opened.connection.execute(sql, part):
            yield row, _object(args)


def _object(args: object) -> dict[str, Any]:
    if not isinstance(args, bytes):
        return {}
    try:
        found = json.loads(args.decode("utf-8", "replace"))
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _searched(opened: Database, slices: Slices, request: str) -> list[int]:
    """Return the slices whose fields have the text of a request's id somewhere."""
    sql = "SELECT rowid FROM slice WHERE instr(args, ?)"
    written = json.dumps(request)[:-1]  # what may follow
    rows = np.array([row for (row,) in opened.connection.execute(sql, (written,))], np.int64)
    return np.flatnonzero(np.isin(slices.row, rows)).tolist() if len(rows) else []


def has_slices(path: Path) -> bool:
    """Tell whether the database has a table of slices with what is read of it, and a row."""
    with database.connect(path, Silent()) as opened:
        if "slice" not in opened.tables() or not {*COLUMNS, "args"} <= set(opened.columns("slice")):
            return False
        return extent(opened.connection, "slice") is not None
