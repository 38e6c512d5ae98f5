"""Orders of the request table: made one at a time, beside the event loop, one of them ahead of its key."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace

import polars as pl

from lbtui.analysis.latency import Arranged, Arrangement, arrange
from lbtui.profile import Cancelled
from lbtui.ui.panes.requests.columns import BY_NAME
from lbtui.ui.panes.requests.data import BINS


def sorted_by(name: str, wanted: Arrangement) -> Arrangement:
    """Return the arrangement by a column: numbers from the greatest down, and summarised."""
    column = BY_NAME[name]
    return replace(
        wanted,
        sort=name,
        descending=column.numeric,
        measure=name if column.numeric else wanted.measure,
    )


def next_column(wanted: Arrangement, step: int, names: Sequence[str]) -> Arrangement:
    """Return the arrangement by the column `step` on among `names`."""
    return sorted_by(names[(names.index(wanted.sort) + step) % len(names)], wanted)


class Orders:
    """Arranges one table. Two threads at once would take the memory of two: one waits for the other."""

    def __init__(self, table: pl.DataFrame) -> None:
        self._table = table
        self._lock = threading.Lock()
        self._ahead: Arranged | None = None

    def ready(self, wanted: Arrangement) -> Arranged | None:
        """Return an arrangement that was made ahead, None if another was."""
        ahead = self._ahead
        return ahead if ahead is not None and ahead.arrangement == wanted else None

    def make(self, wanted: Arrangement, is_cancelled: Callable[[], bool]) -> Arranged:
        """Return an arrangement; raises `Cancelled` where it was cancelled before its turn came."""
        with self._lock:
            if is_cancelled():
                raise Cancelled
            return self.ready(wanted) or arrange(self._table, wanted, BINS)

    def make_ahead(self, wanted: Arrangement, is_cancelled: Callable[[], bool]) -> None:
        """Keep an arrangement for when it is asked for, and no other; raises as `make` does."""
        with self._lock:
            if is_cancelled():
                raise Cancelled
            self._ahead = None
            self._ahead = arrange(self._table, wanted, BINS)
