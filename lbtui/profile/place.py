"""Where in time a profile's rows lie: which of them belong together, and the window that these fill.

Most profiles are one capture. A file may also hold a row with a broken time, or rows of a capture of another
day; a window from the very first to the very last instant would then be next to empty. So instants are
parted where nothing at all is recorded for long.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from itertools import pairwise
from statistics import median
from typing import NamedTuple, TypeAlias

import polars as pl

from lbtui.profile.schema import FrameName

Window: TypeAlias = "tuple[int, int]"  # µs since 1970, UTC

_MINUTE = 60_000_000
# Two parts of a profile are apart where nothing is recorded for more than ten minutes and more than ten times
# as long as the longer of the two lasts: a service that idles overnight is one capture.
_LEAST_GAP = 10 * _MINUTE
_GAP_LENGTHS = 10
# A service that is called now and then has many short parts: its usual gaps, of some hours at most, are none.
_MOST_PARTS = 8
_USUAL_GAP = 6 * 60 * _MINUTE

# First and last instant of a row. Node bins are wider than the run, and KV times may be cut to whole seconds:
# they bound the window only where nothing else is known.
_FINE: dict[FrameName, tuple[str, str]] = {
    "steps": ("start", "end"),
    "batches": ("start", "end"),
    "queues": ("time", "time"),
    "requests": ("arrival", "finished"),
    "transfers": ("start", "end"),
    "handoffs": ("arrival", "end"),
    "speculation": ("start", "end"),
}
_COARSE: dict[FrameName, tuple[str, str]] = {"kv": ("time", "time"), "nodes": ("time", "bin_end")}
SPANS = {**_FINE, **_COARSE}
# What a profile is of: where these have rows, the capture with most of them is shown.
ANCHORS: tuple[FrameName, ...] = ("steps", "batches")
_BIN_US = 5_000_000  # upstream's bins
_ROWS = 1_000_000  # at a time
_MOST_MARKS = 20_000_000  # some decades in minutes
_FEW = 100
_LONGEST_MS = 4e11  # a dozen years: no request takes longer


class Part(NamedTuple):
    """Rows that lie together: from the first begin to the last end (µs), with how many rows begin there."""

    begin: int
    end: int
    rows: int

    def holds(self, other: Part) -> bool:
        """Tell whether all of the other lies in this one."""
        return self.begin <= other.begin and other.end <= self.end


Times: TypeAlias = tuple[Part, ...]  # of a frame: stretches of at most ten minutes, by begin


def begin_of(name: FrameName) -> pl.Expr:
    """Return when a row of the frame `name`, one of `SPANS`, begins, in µs since 1970."""
    return pl.col(SPANS[name][0]).cast(pl.Int64)


def times_of(name: FrameName, frame: pl.DataFrame) -> Times:
    """Return when the rows of a frame lie; those without a time lie nowhere."""
    if name not in SPANS or frame.is_empty():
        return ()
    milliseconds = pl.col("duration").fill_nan(None).fill_null(0.0) if "duration" in frame.columns else None
    ends = {"bin_end": pl.col("time").cast(pl.Int64) + _BIN_US}
    if milliseconds is not None:
        lasting = (milliseconds.clip(0.0, _LONGEST_MS) * 1000).cast(pl.Int64)
        ends["finished"] = pl.col("arrival").cast(pl.Int64) + lasting
    first, last = begin_of(name), ends.get(SPANS[name][1], pl.col(SPANS[name][1]).cast(pl.Int64))
    least, most = pl.min_horizontal(first.min(), last.min()), pl.max_horizontal(first.max(), last.max())
    # Of millions of rows the instants take as much memory as all columns of some tables.
    parts = [part.select(begin=least, end=most, rows=first.count()) for part in frame.iter_slices(_ROWS)]
    begin, end, rows = pl.concat(parts).select(pl.min("begin"), pl.max("end"), pl.sum("rows")).row(0)
    if begin is None:
        return ()
    if end - begin <= _LEAST_GAP or not (gaps := _long_gaps(frame, (first, last), begin, end)):
        return (Part(begin, end, rows),)
    instants = pl.concat(
        [
            frame.lazy().select(time=first, rows=pl.lit(1, pl.Int64)),
            frame.lazy().select(time=last, rows=pl.lit(0, pl.Int64)),
        ]
    ).drop_nulls()
    # Where gaps are few, so are the stretches between them.
    stretch = pl.lit(pl.Series(gaps)).search_sorted(pl.col("time"))
    if len(gaps) > _FEW:
        stretch = pl.col("time") // _MINUTE
    found = (
        instants.group_by(stretch)
        .agg(begin=pl.col("time").min(), end=pl.col("time").max(), rows=pl.col("rows").sum())
        .select("begin", "end", "rows")
        .collect()
    )
    return tuple(sorted(Part(*row) for row in found.iter_rows()))


def _long_gaps(frame: pl.DataFrame, sides: tuple[pl.Expr, pl.Expr], begin: int, end: int) -> list[int]:
    """Return an instant in each gap in which for ten minutes, or nearly, nothing begins or ends.

    Of instants that lie decades apart some in a gap of a minute: they are looked at one by one.
    """
    import numpy as np  # not for the first frame of the screen

    width = max(_MINUTE, -(-(end - begin) // _MOST_MARKS))
    seen = np.zeros((end - begin) // width + 1, dtype=bool)
    for part in frame.iter_slices(_ROWS):
        for side in sides:
            seen[(part.select(side).to_series().drop_nulls().to_numpy() - begin) // width] = True
    places = np.flatnonzero(seen)
    far = np.diff(places) >= max(1, _LEAST_GAP // width)
    middles = (places[1:][far] + places[:-1][far] + 1) // 2
    return [int(time) for time in begin + middles * width]


def parts_of(times: Iterable[Times]) -> Times:
    """Return what lies together of several frames, in order of time."""
    parts = _joined(sorted(part for stretches in times for part in stretches), lambda _a, _b: 0)
    if len(parts) > _MOST_PARTS:
        usual = median(later.begin - part.end for part, later in pairwise(parts))
        parts = _joined(parts, lambda _a, _b: min(_GAP_LENGTHS * usual, _USUAL_GAP))
    return tuple(_joined(parts, lambda a, b: _GAP_LENGTHS * max(a.end - a.begin, b.end - b.begin)))


def _joined(parts: Iterable[Part], bridged: Callable[[Part, Part], float]) -> list[Part]:
    """Return the parts with those made one whose gap is bridged, or no longer than ten minutes.

    Parts that are made one may bridge more, so each looks back: what results does not depend on the order.
    """
    joined: list[Part] = []
    for part in parts:
        joined.append(part)
        while len(joined) > 1:
            before, last = joined[-2:]
            if last.begin - before.end > max(_LEAST_GAP, bridged(before, last)):
                break
            joined[-2:] = [Part(before.begin, max(before.end, last.end), before.rows + last.rows)]
    return joined


def main_part(times: Mapping[FrameName, Times]) -> Part | None:
    """Return the part that holds most of the steps and rounds, or where there are none most rows.

    Of several the longest, then the last. None without times.
    """
    parts = parts_of(times.values())
    of_anchors = parts_of(times[name] for name in ANCHORS if name in times)

    def weight(part: Part) -> tuple[int, int, int]:
        rows = sum(p.rows for p in of_anchors if part.holds(p)) if of_anchors else part.rows
        return rows, part.end - part.begin, part.begin

    return max(parts, key=weight, default=None)


def window_of_times(times: Mapping[FrameName, Times], *, whole: bool = False) -> Window | None:
    """Return the window that the main part fills, or with `whole` all parts; None without times."""
    if whole:
        parts = parts_of(times.values())
        return (parts[0].begin, max(parts[-1].end, parts[0].begin + 1)) if parts else None
    main = main_part(times)
    if main is None:
        return None
    for spans in (_FINE, _COARSE):
        inside = [part for name in spans if name in times for part in times[name] if main.holds(part)]
        if inside:
            begin, end = min(part.begin for part in inside), max(part.end for part in inside)
            return begin, max(end, begin + 1)
    return None


def window_of(frames: Mapping[FrameName, pl.DataFrame], *, whole: bool = False) -> Window | None:
    """Return the window of the frames' rows, µs since 1970 (UTC): see `window_of_times`."""
    return window_of_times({name: times_of(name, frame) for name, frame in frames.items()}, whole=whole)
