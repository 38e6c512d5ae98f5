"""Which capture of a profile is shown, and what lies outside it: left out of every figure, and told."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

import polars as pl

from lbtui.profile.note import Note, Outside
from lbtui.profile.place import ANCHORS, SPANS, Part, Times, begin_of, main_part, parts_of
from lbtui.profile.schema import FrameName
from lbtui.profile.time import format_time, format_window, instant
from lbtui.text import _, in_clauses

Choice: TypeAlias = int | Literal["all"] | None  # a capture's number from 1, None for the main one

# Fewer rows than that, of all frames, are no capture but rows whose time is broken.
_FEWEST_ROWS = 20


@dataclass(frozen=True)
class Captures:
    """The captures of a profile in order of time, and which is shown; rows outside them are strays."""

    parts: tuple[Part, ...]
    shown: Part

    @property
    def others(self) -> tuple[Part, ...]:
        """The captures that are not shown."""
        return tuple(part for part in self.parts if part is not self.shown)

    @property
    def number(self) -> int:
        """Which is shown, from 1; 0 for rows that are no capture."""
        return next((i for i, part in enumerate(self.parts, start=1) if part is self.shown), 0)


def captures_of(times: Mapping[FrameName, Times], choice: Choice) -> Captures | None:
    """Return the captures in the frames' times, or all as one if asked for; None without times.

    A number that no capture has asks for the main one.
    """
    main = main_part(times)
    if main is None:
        return None
    if choice == "all":
        parts = parts_of(times.values())
        hull = Part(parts[0].begin, parts[-1].end, sum(part.rows for part in parts))
        return Captures((hull,), hull)
    found = [main if part == main else part for part in parts_of(times.values())]
    parts = tuple(part for part in found if part is main or part.rows >= _FEWEST_ROWS)
    shown = parts[choice - 1] if choice is not None and 0 < choice <= len(parts) else main
    return Captures(parts, shown)


def find_captures(
    present: Callable[[FrameName], bool], times: Callable[[FrameName], Times], choice: Choice
) -> Captures | None:
    """Return the captures of a profile, reading no more than it takes to tell them.

    Steps and rounds that lie together tell by themselves which capture is shown. Only where they do not, or
    another is asked for, the other frames are looked at, which may bridge a gap between two parts.
    """
    anchors = {name: times(name) for name in ANCHORS if present(name)}
    if choice is None and len(parts_of(anchors.values())) == 1:
        return captures_of(anchors, None)
    return captures_of({name: times(name) for name in SPANS if present(name)}, choice)


def inside(name: FrameName, frame: pl.DataFrame, times: Times, shown: Part) -> pl.DataFrame:
    """Return the rows of a frame that begin in the capture shown, or so near that they are of it."""
    linked = next(part for part in parts_of([times, (shown,)]) if part.holds(shown))
    if all(linked.holds(part) for part in times if part.rows):
        return frame
    kept = frame.filter(begin_of(name).is_between(linked.begin, linked.end).fill_null(True))
    if "bubble" in kept.columns:
        # From the last step of a capture to the first of another there is no bubble.
        after = pl.col("end").cast(pl.Int64) + (pl.col("bubble") * 1000).cast(pl.Int64, strict=False)
        kept = kept.with_columns(bubble=pl.when(after <= linked.end).then("bubble"))
    return kept


def rows_outside(name: FrameName, frame: pl.DataFrame, kept: pl.DataFrame) -> pl.Series:
    """Return when the rows of a frame begin that are not among those kept of it (µs)."""
    begin = begin_of(name)
    first, last = kept.select(first=begin.min(), last=begin.max()).row(0)
    begins = frame.select(begin=begin)["begin"].drop_nulls()
    return begins if first is None else begins.filter(~begins.is_between(first, last))


def strays_note(outside: pl.Series, captures: Captures, total: int, file: str) -> tuple[Note, ...]:
    """Return a note on those rows outside the capture shown that lie in no other one either."""
    for part in captures.others:
        outside = outside.filter(~outside.is_between(part.begin, part.end))
    return () if outside.is_empty() else (_stray_note(outside, total, file),)


def _stray_note(begins: pl.Series, total: int, file: str) -> Note:
    first, last = begins.sort()[0], begins.sort()[-1]
    when = format_window(instant(first), instant(last), date=True)
    if first == last:
        when = format_time(instant(first), 0, date=True)
    text = _(
        "{count} of {all} rows lie far in time from the capture shown, at {when}: they enter no figure; "
        "--capture all shows everything on one axis."
    ).format(count=len(begins), all=total, when=when)
    return Note(file, text, outside=Outside("rows", len(begins), total))


def captures_note(captures: Captures, file: str) -> Note:
    """Return a note on the captures of which one is shown."""
    gap = min(_seconds_between(part, captures.shown) for part in captures.others)
    listed = in_clauses(
        _("{number}: {when}, {rows} rows").format(
            number=number,
            when=format_window(instant(part.begin), instant(part.end), date=True),
            rows=f"{part.rows:,}",
        )
        for number, part in enumerate(captures.parts, start=1)
    )
    text = _(
        "{count} captures, {gap} apart ({listed}). Only number {shown} is shown; --capture N shows another, "
        "--capture all everything on one axis."
    ).format(count=len(captures.parts), gap=_length(gap), listed=listed, shown=captures.number)
    rows = sum(part.rows for part in captures.others)
    return Note(file, text, outside=Outside("captures", rows, rows + captures.shown.rows))


def _seconds_between(part: Part, other: Part) -> float:
    first, second = sorted((part, other), key=lambda p: p.begin)
    return (second.begin - first.end) / 1e6


def _length(seconds: float) -> str:
    for size, words in ((86_400, _("{count} days")), (3_600, _("{count} h")), (60, _("{count} min"))):
        if seconds >= 2 * size:
            return words.format(count=f"{seconds / size:,.0f}")
    return _("{count} s").format(count=f"{seconds:.0f}")
