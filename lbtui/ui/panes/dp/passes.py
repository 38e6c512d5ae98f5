"""The table of forward passes of the DP pane: which rows a window has, and in which order they stand.

Of a profile whose passes are too many to be held only those of the window are read, and no more than `MOST`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, TypeAlias

import numpy as np
import polars as pl

from lbtui.analysis.order import RowNumbers, in_order
from lbtui.profile import micros
from lbtui.text import _
from lbtui.ui.kit.columns import SortedColumn, after
from lbtui.ui.kit.window import Window
from lbtui.ui.panes.dp.data import DpData

Pass: TypeAlias = dict[str, Any]  # a row of `steps`

# So many rows are held at once of passes that are read: as many as are held of a profile (`LARGE_TABLE`).
MOST = 400_000
# Equal parts of the window, of which as many are read as have no more rows than that.
_PARTS = 4096

_MOST, _LEAST = _("most first"), _("least first")
_LONG, _SHORT = _("longest first"), _("shortest first")
_Z_A, _A_Z = _("Z to A"), _("A to Z")

COLUMNS: tuple[SortedColumn, ...] = (
    SortedColumn("start", _("begins"), _("begin"), "time", 12, 0, _("latest first"), _("earliest first")),
    SortedColumn("host", _("host"), _("host"), "text", 5, 8, _Z_A, _A_Z),
    SortedColumn("dp_rank", _("dp_rank"), _("dp_rank"), "count", 8, 1, _MOST, _LEAST),
    SortedColumn("prof_id", _("prof_id"), _("prof_id"), "text", 8, 7, _Z_A, _A_Z),
    SortedColumn("forward_iter", _("forward_iter"), _("forward_iter"), "count", 13, 4, _MOST, _LEAST),
    SortedColumn("phase", _("phase"), _("phase"), "text", 8, 9, _Z_A, _A_Z),
    SortedColumn("batch_size", _("batch"), _("batch size"), "count", 7, 2, _MOST, _LEAST),
    SortedColumn("prefill_batch_size", _("prefill"), _("prefill batch size"), "count", 8, 10, _MOST, _LEAST),
    SortedColumn("decode_batch_size", _("decode"), _("decode batch size"), "count", 7, 11, _MOST, _LEAST),
    SortedColumn("tokens", _("tokens"), _("tokens"), "count", 8, 3, _MOST, _LEAST),
    SortedColumn(
        "duration", _("forward ms"), _("forward time"), "milliseconds", 11, 5, _LONG, _SHORT, decimals=3
    ),
    SortedColumn(
        "bubble", _("bubble ms"), _("bubble time"), "milliseconds", 10, 6, _LONG, _SHORT, decimals=3
    ),
)
BY_NAME = {column.name: column for column in COLUMNS}
NAMES = [column.name for column in COLUMNS]


@dataclass(frozen=True)
class Wanted:
    """Which passes, in which order. `about` (µs) is where, if those of the window are too many."""

    window: Window  # of their begins, µs
    about: int
    sort: str = "start"
    descending: bool = False
    domains: frozenset[str] | None = None  # of which, by `Domain.key`; None: of all


@dataclass(frozen=True, eq=False)
class Ordered:
    """The passes of a window in an order. Compared by identity: what is found in it is kept by it."""

    wanted: Wanted
    frame: pl.DataFrame  # `steps` of DP domains
    rows: RowNumbers  # of the frame, top first
    span: Window  # within the window: all that begin in it are here
    total: int  # forward passes of DP domains in the whole profile
    inside: int  # those of the window, of which `rows` are all, or those about the cursor
    longest: dict[str, int]  # characters of each column of text

    def at(self, place: int) -> Pass | None:
        """Return the pass at a place of the order, None beyond its end."""
        return self.frame.row(int(self.rows[place]), named=True) if 0 <= place < len(self.rows) else None


def next_column(wanted: Wanted, step: int) -> Wanted:
    """Return the order by the column `step` on."""
    return sorted_by(after(NAMES, wanted.sort, step), wanted)


def sorted_by(name: str, wanted: Wanted) -> Wanted:
    """Return the order by a column: numbers from the greatest down."""
    return replace(wanted, sort=name, descending=BY_NAME[name].numeric and name != "dp_rank")


def are_held(data: DpData) -> bool:
    """Tell whether the profile's forward passes are all in memory: else their steps are, joined."""
    return "cards" not in data.steps.columns


class Reader:
    """Gives the passes of one profile in an order; of those that it had to read it keeps the last."""

    def __init__(self, data: DpData, read: Callable[[int, int], pl.DataFrame | None]) -> None:
        """Take `read`, which returns the `steps` that begin between two instants (µs)."""
        self._data = data
        self._read = read
        self._last: tuple[Window, pl.DataFrame] | None = None

    def ordered(self, wanted: Wanted) -> Ordered:
        """Return the passes as wanted. Not for two threads at once."""
        data, (begin, end) = self._data, wanted.window
        if are_held(data):
            frame, span = data.steps, wanted.window
            total = inside = 0
        else:
            # Rows of all domains are read, whichever of them are wanted.
            span, inside = reach(data.steps, wanted.window, wanted.about)
            if wanted.domains is not None:
                inside = passes_in(data.steps.filter(_of(wanted)), wanted.window)
            frame = self._between(span)
            total = int(data.steps["cards"].sum())
        start = pl.col("start").cast(pl.Int64)
        shown = frame.lazy().with_row_index("row").filter(_of(wanted), start >= begin, start < end)
        rows = in_order(shown, {wanted.sort: wanted.descending})
        if are_held(data):
            total, inside = frame.height - frame["domain"].null_count(), len(rows)
        texts = [column.name for column in COLUMNS if column.kind == "text"]
        longest = frame.select(pl.col(texts).cast(pl.String).str.len_chars().max().fill_null(1)).row(
            0, named=True
        )
        return Ordered(wanted, frame, rows, span, total, max(inside, len(rows)), longest)

    def _between(self, span: Window) -> pl.DataFrame:
        if self._last is None or self._last[0] != span:
            self._last = None
            frame = self._read(*span)
            assert frame is not None
            self._last = span, frame
        return self._last[1]


def passes_in(steps: pl.DataFrame, window: Window) -> int:
    """Return how many passes of joined `steps` (with `cards`) begin in a window."""
    start = pl.col("start").cast(pl.Int64)
    return int(steps.filter(start >= window[0], start < window[1])["cards"].sum())


def _of(wanted: Wanted) -> pl.Expr:
    """Return whether a row is of a domain that is wanted."""
    domain = pl.col("domain")
    if wanted.domains is None:
        return domain.is_not_null()
    return domain.cast(pl.String).is_in(sorted(wanted.domains)).fill_null(False)


def reach(steps: pl.DataFrame, window: Window, about: int) -> tuple[Window, int]:
    """Return the part of a window that is read, and how many passes begin in the window.

    It is all of it where joined `steps` (with `cards`) have no more than `MOST` passes there, else as many
    equal parts around `about` (µs).
    """
    begin, end = window
    starts = steps["start"].cast(pl.Int64).to_numpy()
    chosen = (starts >= begin) & (starts < end)
    cards = steps["cards"].to_numpy()[chosen]
    inside = int(cards.sum())
    if inside <= MOST:
        return window, inside
    parts = min(_PARTS, end - begin)
    edges = begin + (end - begin) * np.arange(parts + 1) // parts
    at = np.searchsorted(edges, starts[chosen], side="right") - 1
    counts = np.bincount(at, cards, parts)
    first = max(0, min(parts - 1, int(np.searchsorted(edges, about, side="right")) - 1))
    last, taken = first + 1, counts[first]
    while first > 0 or last < parts:
        before = counts[first - 1] if first > 0 else np.inf
        behind = counts[last] if last < parts else np.inf
        if taken + min(before, behind) > MOST:
            break
        # To both sides alike: the side that reaches less far goes on.
        back = last >= parts or (first > 0 and about - edges[first] <= edges[last] - about)
        if taken + (before if back else behind) > MOST:
            back = not back
        taken += before if back else behind
        first, last = (first - 1, last) if back else (first, last + 1)
    return (int(edges[first]), int(edges[last])), inside


@lru_cache(maxsize=2)
def place_of(ordered: Ordered, domain: str, time: int) -> int:
    """Return the place of the pass of a domain that is the last to begin up to an instant.

    Without one it is that of its first, and without any of the domain, as where it is not wanted, the top.
    """
    frame = ordered.frame
    if not len(ordered.rows):
        return 0
    own = (
        frame.lazy()
        .with_row_index("row")
        .select("row", "domain", pl.col("start").cast(pl.Int64))
        .filter(pl.col("domain").cast(pl.String) == domain)
        .collect()
    )
    numbers, starts = own["row"].to_numpy(), own["start"].to_numpy()
    kept = (starts >= ordered.wanted.window[0]) & (starts < ordered.wanted.window[1])
    numbers, starts = numbers[kept], starts[kept]
    if not len(numbers):
        return 0
    before = starts <= time
    wanted = numbers[before][np.argmax(starts[before])] if before.any() else numbers[np.argmin(starts)]
    places = np.flatnonzero(ordered.rows == wanted)
    return int(places[0]) if len(places) else 0


def is_at(found: Pass | None, domain: str, time: int) -> bool:
    """Tell whether a pass is that of a domain which begins at an instant."""
    return found is not None and found["domain"] == domain and micros(found["start"]) == time
