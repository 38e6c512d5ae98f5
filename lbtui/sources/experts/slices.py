"""The expert marks of profiler.db's table `slice`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import polars as pl

from lbtui.profile import Note, Progress
from lbtui.sources.experts.marks import Mark, MarkReader
from lbtui.sources.experts.rows import ProcessExperts
from lbtui.sources.tables import database
from lbtui.text import visible

# The marks of domain eplb_observe sit on threads of that name; their own names are the service's choice.
# Tables are large: the order is made of keys alone, and each is fetched when its turn comes.
_KEYS_QUERY = """
SELECT s.rowid, s.timestamp, CAST(t.pid AS INTEGER)
FROM slice s JOIN (SELECT track_id, tid, pid FROM thread GROUP BY track_id) t USING (track_id)
WHERE t.tid LIKE 'eplb_observe(%'
"""
_KEYS = pl.Schema([("row", pl.Int64()), ("time", pl.Int64()), ("pid", pl.Int64())])
_BETWEEN_REPORTS = 256  # marks


def read_processes(path: Path, progress: Progress, notes: list[Note]) -> list[ProcessExperts]:
    """Return what each EP process reported. Raises `Unreadable`, or `Cancelled` when `progress` does."""
    reader = MarkReader()
    found: list[ProcessExperts] = []
    with database.connect(path, progress) as opened:
        keys = opened.query(_KEYS_QUERY, _KEYS).drop_nulls().sort("pid", "time", "row")
        done = 0
        for (pid,), part in keys.group_by("pid", maintain_order=True):

            def marks(part: pl.DataFrame = part, done: int = done) -> Iterator[Mark]:
                for order, (row, time, _pid) in enumerate(part.iter_rows()):
                    if order % _BETWEEN_REPORTS == 0:
                        progress.advance(path.name, done + order, keys.height)
                    yield Mark(order, time // 1000, opened.blob("slice", "args", row))

            found += reader.read(int(pid), marks())
            done += part.height
    notes += reader.notes(visible(path.name))
    return found
