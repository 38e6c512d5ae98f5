"""Slices over time summed up: how busy a track is, what is longest, bubbles, statistics of a range.

Times are ns since 1970, UTC.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from lbtui.profile import instance_names
from lbtui.profile.slices import BUBBLE, FORWARD, Slices, Track, TrackKind

Whole: TypeAlias = "npt.NDArray[np.int64]"
Span: TypeAlias = tuple[int, int]

ORDER: tuple[TrackKind, ...] = (
    "coordinator", "front", "handoff", "schedule", "round", "card", "pull", "experts", "operators", "other"
)  # fmt: skip
_OF_DOMAINS = frozenset({"schedule", "round", "card", "pull"})
_DIGITS = re.compile(r"(\d+)")
_FAR_BACK = 256  # slices before an instant that are looked at for those that hold it
_MOST_BUBBLES = 1_000  # that `n` goes to
_MOST_BELONGING = 200


@dataclass(frozen=True, eq=False)
class Covered:
    """How much of the time up to each slice of a track is covered by any of them.

    After slice k (in their order) `until[k]` ns are, the last of it at `reach[k]`, by slice `by[k]`.
    """

    until: Whole
    reach: Whole
    by: npt.NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class Summary:
    """A track in columns: the share of each that is busy, and how many slices begin in it."""

    share: npt.NDArray[np.float64]
    count: Whole


@dataclass(frozen=True)
class Figures:
    """A track in a window: the share that is busy, how many slices begin, the longest of these (ns)."""

    share: float
    count: int
    longest: int


@dataclass(frozen=True)
class Bubble:
    """The time between two forward passes of one card."""

    track: int
    begin: int
    end: int

    @property
    def length(self) -> int:
        """How long it is."""
        return self.end - self.begin


@dataclass(frozen=True)
class NameFigures:
    """The slices of one name that begin in a range; `share` is how much of the range they take on a track.

    Times in ns: whole, also of what goes on after the range; the share counts only what lies in it.
    """

    name: str
    count: int
    total: int
    mean: float
    p95: float
    longest: int
    share: float


def forget() -> None:
    """Keep nothing of slices that are no longer shown."""
    for kept in (summary, figures, in_order):
        kept.cache_clear()


def bounds(slices: Slices, track: int) -> Span:
    """Return the first slice of a track and the one after its last."""
    return int(slices.offsets[track]), int(slices.offsets[track + 1])


def extent(slices: Slices) -> Span | None:
    """Return the first start and the last end of all slices, None where there are none."""
    if not slices.count:
        return None
    ends = [
        int(covered(slices, track).reach[-1])
        for track in range(len(slices.tracks))
        if slices.offsets[track] < slices.offsets[track + 1]
    ]
    return int(slices.start.min()), max(ends)


def covered(slices: Slices, track: int) -> Covered:
    """Return how much of the time a track's slices cover, worked out once."""
    known = slices.found.get(("covered", track))
    if not isinstance(known, Covered):
        known = slices.found["covered", track] = _covered(slices, track)
    return known


def _covered(slices: Slices, track: int) -> Covered:
    begin, end = bounds(slices, track)
    start = slices.start[begin:end]
    ends = start + slices.duration[begin:end]
    reach = np.maximum.accumulate(ends) if len(ends) else ends
    before = np.concatenate([np.full(1, np.iinfo(np.int64).min), reach[:-1]]) if len(ends) else ends
    until = np.cumsum(np.maximum(0, ends - np.maximum(start, before)))
    by = np.maximum.accumulate(np.where(ends >= reach, np.arange(len(ends)), 0)).astype(np.int32)
    return Covered(until, reach, by)


def _covered_at(slices: Slices, track: int, times: Whole) -> Whole:
    """Return how much is covered up to each of some times."""
    begin, end = bounds(slices, track)
    known = covered(slices, track)
    at = np.searchsorted(slices.start[begin:end], times, "right") - 1
    here = np.maximum(at, 0)
    found = known.until[here] - np.maximum(0, known.reach[here] - times)
    return np.where(at < 0, 0, found)


def edges(window: Span, columns: int) -> Whole:
    """Return where the columns of a window begin, and where the last ends."""
    begin, end = window
    return begin + (end - begin) * np.arange(columns + 1, dtype=np.int64) // columns


@lru_cache(maxsize=1024)
def summary(slices: Slices, track: int, window: Span, columns: int) -> Summary:
    """Return a track in columns."""
    begin, end = bounds(slices, track)
    if begin == end or columns < 1:
        return Summary(np.zeros(max(columns, 0)), np.zeros(max(columns, 0), np.int64))
    at = edges(window, columns)
    busy = np.diff(_covered_at(slices, track, at))
    count = np.diff(np.searchsorted(slices.start[begin:end], at))
    return Summary(busy / np.maximum(1, np.diff(at)), count.astype(np.int64))


@lru_cache(maxsize=1024)
def figures(slices: Slices, track: int, window: Span) -> Figures:
    """Return what a track is in a window."""
    begin, end = bounds(slices, track)
    if begin == end:
        return Figures(0.0, 0, 0)
    busy = np.diff(_covered_at(slices, track, np.array(window, np.int64)))
    first, last = np.searchsorted(slices.start[begin:end], window)
    longest = int(slices.duration[begin + first : begin + last].max()) if last > first else 0
    return Figures(float(busy[0]) / max(1, window[1] - window[0]), int(last - first), longest)


def reaching(slices: Slices, track: int, window: Span) -> Span:
    """Return the first slice of a track that may reach into a window, and the one after the last in it."""
    begin, end = bounds(slices, track)
    first, last = np.searchsorted(slices.start[begin:end], window)
    known = covered(slices, track)
    # From the first slice on after which something reaches beyond the window's begin.
    first = min(int(first), int(np.searchsorted(known.reach, window[0], "right")))
    return begin + first, begin + int(last)


def large_in(slices: Slices, track: int, window: Span, least: int) -> Whole:
    """Return the slices of a track that reach into a window and last `least` or longer, longest first."""
    first, last = reaching(slices, track, window)
    length = slices.duration[first:last]
    found = np.flatnonzero(length >= least)
    found = found[slices.start[first + found] + length[found] > window[0]]
    return first + found[np.argsort(-length[found].astype(np.int64), kind="stable")]


def holding(slices: Slices, track: int, time: int) -> list[int]:
    """Return the slices of a track that an instant is in, the shortest first."""
    begin, end = bounds(slices, track)
    if begin == end:
        return []
    at = int(np.searchsorted(slices.start[begin:end], time, "right")) + begin
    known = covered(slices, track)
    found = []
    for index in range(at - 1, max(begin, at - _FAR_BACK) - 1, -1):
        if known.reach[index - begin] <= time:
            break
        if slices.end(index) > time:
            found.append(index)
    return sorted(found, key=lambda index: int(slices.duration[index]))


def at_cursor(slices: Slices, track: int, time: int, column: Span) -> int | None:
    """Return the slice under a cursor at an instant in a column: the innermost, else the longest there."""
    inside = holding(slices, track, time)
    if inside:
        return inside[0]
    begin, end = bounds(slices, track)
    first, last = np.searchsorted(slices.start[begin:end], column)
    if last > first:
        return int(begin + first + slices.duration[begin + first : begin + last].argmax())
    held = holding(slices, track, column[0])
    return held[0] if held else None


# Bubbles


def bubbles(slices: Slices, track: int) -> tuple[Whole, Whole]:
    """Return when the bubbles of a card begin and end: from the end of a forward pass to the next."""
    known = slices.found.get(("bubbles", track))
    if not isinstance(known, tuple):
        known = slices.found["bubbles", track] = _bubbles(slices, track)
    return known


def bubbles_in(slices: Slices, track: int, window: Span, least: int) -> tuple[Whole, Whole]:
    """Return those of `bubbles` that reach into a window and last `least` or longer."""
    begins, ends = bubbles(slices, track)
    # Both ascend.
    first, last = np.searchsorted(ends, window[0], "right"), np.searchsorted(begins, window[1])
    begins, ends = begins[first:last], ends[first:last]
    large = np.flatnonzero(ends - begins >= least)
    return begins[large], ends[large]


def _bubbles(slices: Slices, track: int) -> tuple[Whole, Whole]:
    none = np.zeros(0, np.int64)
    if slices.tracks[track].kind != "card" or FORWARD not in slices.names or slices.sampled:
        return none, none
    begin, end = bounds(slices, track)
    own = slices.name[begin:end] == slices.names.index(FORWARD)
    start = slices.start[begin:end][own]
    reach = np.maximum.accumulate(start + slices.duration[begin:end][own]) if len(start) else start
    gaps = start[1:] > reach[:-1]
    return reach[:-1][gaps], start[1:][gaps]


def longest_bubbles(slices: Slices, tracks: tuple[int, ...], span: Span) -> Sequence[Bubble]:
    """Return the longest bubbles of these tracks that lie in a span, the longest first, worked out once."""
    known = slices.found.get(("longest", tracks, span))
    if not isinstance(known, list):
        known = slices.found["longest", tracks, span] = _longest(slices, tracks, span)
    return known


def _longest(slices: Slices, tracks: tuple[int, ...], span: Span) -> list[Bubble]:
    found: list[Bubble] = []
    for track in tracks:
        begins, ends = bubbles(slices, track)
        inside = (begins >= span[0]) & (ends <= span[1])
        begins, ends = begins[inside], ends[inside]
        longest = np.argsort(begins - ends, kind="stable")[:_MOST_BUBBLES]
        found += [Bubble(track, int(begins[at]), int(ends[at])) for at in longest]
    found.sort(key=lambda bubble: (-bubble.length, bubble.begin, bubble.track))
    return found[:_MOST_BUBBLES]


def forward_number(slices: Slices, index: int) -> int | None:
    """Return which forward pass of its card a slice is, from 1, as `forward_iter`; None if it is none."""
    if slices.sampled or slices.names[slices.name[index]] != FORWARD:
        return None
    begin, _end = bounds(slices, slices.track_of(index))
    return int(np.count_nonzero(slices.name[begin : index + 1] == slices.name[index]))


def bubble_at(slices: Slices, track: int, time: int) -> Bubble | None:
    """Return the bubble of a card that an instant is in."""
    begins, ends = bubbles(slices, track)
    at = int(np.searchsorted(begins, time, "right")) - 1
    return Bubble(track, int(begins[at]), int(ends[at])) if at >= 0 and ends[at] > time else None


# Statistics


def statistics(slices: Slices, tracks: Sequence[int], span: Span) -> list[NameFigures]:
    """Return the figures of each name on these tracks in a range, bubbles too, what takes most time first."""
    durations: dict[int, list[npt.NDArray[np.int64]]] = {}
    inside: dict[int, int] = {}
    on: dict[int, int] = {}
    bubble = len(slices.names)
    for track in tracks:
        first, last = reaching(slices, track, span)
        starts, lengths = slices.start[first:last], slices.duration[first:last].astype(np.int64)
        given = [(slices.name[first:last].astype(np.int64), starts, lengths)]
        begins, ends = bubbles(slices, track)
        given.append((np.full(len(begins), bubble), begins, ends - begins))
        for names, start, length in given:
            clipped = np.minimum(start + length, span[1]) - np.maximum(start, span[0])
            for name in np.unique(names[clipped >= 0]).tolist():
                own = (names == name) & (clipped >= 0)
                begun = own & (start >= span[0]) & (start < span[1])
                durations.setdefault(name, []).append(length[begun])
                inside[name] = inside.get(name, 0) + int(clipped[own].sum())
                on[name] = on.get(name, 0) + 1
    found = []
    for name, parts in durations.items():
        length = np.concatenate(parts)
        share = inside[name] / max(1, (span[1] - span[0]) * on[name])
        called = BUBBLE if name == bubble else slices.names[name]
        if not len(length):
            if inside[name]:
                found.append(NameFigures(called, 0, 0, 0.0, 0.0, 0, share))
            continue
        total = int(length.sum())
        p95 = float(np.quantile(length, 0.95))
        found.append(
            NameFigures(called, len(length), total, total / len(length), p95, int(length.max()), share)
        )
    return sorted(found, key=lambda each: (-each.total, -each.count, each.name))


# What belongs together


def belonging(slices: Slices, track: int, span: Span, but: int | None = None) -> list[int]:
    """Return the slices that belong to one of a span: what it holds on its track, what its domain does then.

    By their start; where there are too many the first. `but` is that slice.
    """
    one = slices.tracks[track]
    begin, end = span
    found: list[int] = []
    for place, other in enumerate(slices.tracks):
        same = other.domain == one.domain and one.domain is not None and other.kind in _OF_DOMAINS
        if place != track and not same:
            continue
        first, last = reaching(slices, place, (begin, end))
        for at in range(first, min(last, first + _MOST_BELONGING)):
            within = slices.start[at] >= begin and slices.end(at) <= end
            across = place != track and slices.start[at] < end and slices.end(at) > begin
            if at != but and (within or across):
                found.append(at)
    found.sort(key=lambda at: (int(slices.start[at]), at))
    return found[:_MOST_BELONGING]


# The order of tracks


@lru_cache(maxsize=8)
def in_order(slices: Slices) -> tuple[int, ...]:
    """Return the places of tracks as they stand below each other: by host and domain, in a request's way.

    Hosts whose instance is the first to do something stand first: those that prefill.
    """
    tracks = slices.tracks
    instances = instance_names(one.host for one in tracks if one.host and one.kind != "coordinator")
    first: dict[str, int] = {}
    for place, one in enumerate(tracks):
        begin, end = bounds(slices, place)
        lasting = np.flatnonzero(slices.duration[begin:end] > 0)
        if one.kind in _OF_DOMAINS and len(lasting) and one.host in instances:
            time = int(slices.start[begin + lasting[0]])
            first[instances[one.host]] = min(time, first.get(instances[one.host], time))
    return tuple(sorted(range(len(tracks)), key=lambda place: _key(tracks[place], instances, first)))


def _key(one: Track, instances: Mapping[str, str], first: Mapping[str, int]) -> tuple[object, ...]:
    far = {"coordinator": 0, "experts": 3, "operators": 4}.get(one.kind)
    if far is None:
        # What is of no host is of all: requests and hand-offs of tables.
        far = 2 if one.host else 1 if one.kind in ("front", "handoff") else 5
    instance = instances.get(one.host, "")
    place = first.get(instance, 1 << 62), instance, _natural(one.host)
    rank = -1 if one.kind in ("front", "handoff") else 1 << 31 if one.dp_rank is None else one.dp_rank
    return far, *place, rank, one.domain or "", ORDER.index(one.kind), _natural(one.process), one.thread


def _natural(text: str) -> tuple[tuple[int, int, str], ...]:
    return tuple((0, int(part), "") if part.isdigit() else (1, 0, part) for part in _DIGITS.split(text))
