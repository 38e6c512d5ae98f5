"""A recorded raw profile, recorded once more: its databases grow as those of the profiler do."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

_TABLES = ("Mstx", "slice")
_TIMES = ("timestamp", "endTimestamp", "end_time")


class Replay:
    """Writes the records of `recorded` into databases below `folder`, each in the order of its writing.

    They are in WAL mode and stay open until `close`, as the profiler's are; `moved` makes of a time (ns) the
    one that is written.
    """

    def __init__(self, recorded: Path, folder: Path, moved: Callable[[int], int] | None = None) -> None:
        self.paths: list[Path] = []
        self._moved = moved
        self._writers: list[tuple[sqlite3.Connection, str, list[tuple[Any, ...]]]] = []
        for source in sorted(recorded.rglob("ms_service_*.db")):
            path = folder / source.relative_to(recorded)
            path.parent.mkdir(parents=True, exist_ok=True)
            self.paths.append(path)
            self._writers.append(_begun(source, path))
        self._done = [0] * len(self._writers)

    @property
    def total(self) -> int:
        """How many records there are."""
        return sum(len(rows) for _writer, _table, rows in self._writers)

    def to(self, share: float) -> int:
        """Write all records up to this share of each database; return how many these are."""
        return sum(
            self._write(place, round(len(rows) * share))
            for place, (_writer, _table, rows) in enumerate(self._writers)
        )

    def until(self, time: int) -> int:
        """Write all records up to the first of each database that ends after a time (ns); return how many."""
        written = 0
        for place, (writer, table, rows) in enumerate(self._writers):
            ends = _places(writer, table, _TIMES[1:])
            stop = self._done[place]
            while stop < len(rows) and max(rows[stop][end] or 0 for end in ends) <= time:
                stop += 1
            written += self._write(place, stop)
        return written

    def _write(self, place: int, stop: int) -> int:
        writer, table, rows = self._writers[place]
        new = rows[self._done[place] : stop]
        if new:
            marks = ", ".join("?" for _cell in new[0])
            cells = new if self._moved is None else self._at_other_times(writer, table, new)
            writer.executemany(f"INSERT INTO {table} VALUES ({marks})", cells)
            writer.commit()
        self._done[place] += len(new)
        return len(new)

    def _at_other_times(
        self, writer: sqlite3.Connection, table: str, rows: list[tuple[Any, ...]]
    ) -> Iterator[tuple[Any, ...]]:
        assert self._moved is not None
        times = _places(writer, table, _TIMES)
        for row in rows:
            cells = list(row)
            for place in times:
                if cells[place]:
                    cells[place] = self._moved(cells[place])
            yield tuple(cells)

    def close(self) -> None:
        """End as the profiler does."""
        for writer, _table, _rows in self._writers:
            writer.close()


def _places(writer: sqlite3.Connection, table: str, wanted: Sequence[str]) -> list[int]:
    names = [row[1] for row in writer.execute(f"PRAGMA table_info({table})")]
    return [place for place, name in enumerate(names) if name in wanted]


def times_of(recorded: Path) -> tuple[int, int]:
    """Return when the first and the last record of all begin, in ns since 1970."""
    times = []
    for source in recorded.rglob("ms_service_*.db"):
        with closing(sqlite3.connect(f"file:{source}?mode=ro&immutable=1", uri=True)) as db:
            for table in _TABLES:
                with suppress(sqlite3.OperationalError):
                    times += db.execute(f"SELECT min(timestamp), max(timestamp) FROM {table}").fetchone()
    known = [time for time in times if time]
    return min(known), max(known)


def _begun(source: Path, path: Path) -> tuple[sqlite3.Connection, str, list[tuple[Any, ...]]]:
    """Return the writer of a database that has the tables of `source`, all rows but those of its records."""
    path.unlink(missing_ok=True)
    writer = sqlite3.connect(path, timeout=0)
    for pragma in ("journal_mode = WAL", "synchronous = OFF"):
        writer.execute(f"PRAGMA {pragma}")
    records: tuple[str, list[tuple[Any, ...]]] = (_TABLES[0], [])
    with closing(sqlite3.connect(f"file:{source}?mode=ro&immutable=1", uri=True)) as db:
        schema = db.execute("SELECT name, sql FROM sqlite_master WHERE type = 'table' AND sql NOT NULL")
        for name, sql in schema.fetchall():
            if name.startswith("sqlite_"):
                continue
            writer.execute(sql)
            rows = db.execute(f"SELECT * FROM {name} ORDER BY rowid").fetchall()
            if name in _TABLES and rows:
                records = name, rows
            elif rows:
                marks = ", ".join("?" for _cell in rows[0])
                writer.executemany(f"INSERT INTO {name} VALUES ({marks})", rows)
    writer.commit()
    return writer, *records
