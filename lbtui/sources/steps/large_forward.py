"""A forward table too large for all its rows to be held, in whichever file it is."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import Protocol, TypeVar

import polars as pl

from lbtui.profile import Progress, Unreadable
from lbtui.sources.steps.forward_csv import ForwardCsv
from lbtui.sources.steps.forward_database import ForwardDatabase
from lbtui.sources.steps.forward_rows import Blocks, ForwardRows
from lbtui.sources.store import Store
from lbtui.sources.tables import database
from lbtui.text import _

# From so many bytes of CSV on the forward passes are joined while they are read: some 400,000 rows.
LARGE_FORWARD = 64 << 20
_PACKED = 5  # so many times smaller a packed file is
# And from so many rows of profiler.db on.
LARGE_TABLE = 400_000

_T = TypeVar("_T")


class LargeForward(Protocol):
    """Reads the rows of the table. `file` and `reader` are those of its `Provenance`."""

    file: str
    reader: str

    def read(self, use: Callable[[ForwardRows], _T], sampled: Sequence[str] = ()) -> _T:
        """Return what `use` makes of the rows; it is called anew where they must be read another way.

        `sampled` are the columns of `ForwardRows.first`.
        """

    def parts(self, use: Callable[[Iterator[pl.DataFrame]], _T], progress: Progress) -> _T:
        """Return what `use` makes of all rows, in order, typed, with all columns; it may be called anew."""

    def first_of(self, processes: Sequence[str], columns: Sequence[str], rows: int) -> pl.DataFrame:
        """Return columns, typed, of the first rows whose prof_id is among `processes`."""

    def blocks(self, blocks: int, rows: int, progress: Progress) -> Blocks | None:
        """Return about so many rows from each of so many places; None where the file tells no places."""

    def between(self, begin: int, end: int, progress: Progress) -> pl.DataFrame:
        """Return all columns, typed, of the rows that start between two instants (µs)."""


def why_held(store: Store, progress: Progress) -> str | None:
    """Return why the forward table cannot be read part by part, as the end of a sentence; None if it can."""
    clock = store.clocks(progress).of["forward"]
    if clock.texts:
        return _("its times are texts")
    if clock.unknown or clock.factor != 1:
        return _("its times or durations are not as the parser writes them")
    return None


def large_forward(store: Store) -> LargeForward | None:
    """Return the forward table that the store would read, if it is too large for all its rows to be held."""
    path = store.output.csv.get("forward")
    if path is not None:
        size = store.output.sizes[path] * (_PACKED if path.suffix == ".gz" else 1)
        return ForwardCsv(path) if size >= LARGE_FORWARD else None
    if store.database is not None and "forward" in store.database_tables:
        # What cannot be read is told by reading it.
        with suppress(Unreadable), database.connect(store.database) as opened:
            if opened.may_have("forward", LARGE_TABLE):
                return ForwardDatabase(store.database)
    return None
