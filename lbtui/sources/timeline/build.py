"""Slices put together: those of each track together and by their start."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from lbtui.profile import Note, Progress
from lbtui.profile.slices import SliceReader, Slices, Track
from lbtui.sources.limits import LATEST
from lbtui.text import _

Whole = npt.NDArray[np.int64]

MOST_TRACKS = MOST_NAMES = 60_000
_OTHERS = _("other names")
_U32 = np.iinfo(np.uint32).max


class FileReader(SliceReader):
    """Reads the slices of one file, or of all tables."""

    file: str  # as it is shown
    lacks: tuple[str, ...] = ()  # what it cannot tell, a sentence each

    def placed(self, slices: Slices, progress: Progress) -> Slices:
        """Return them as they are: who is who is known elsewhere."""
        return slices


class Codes:
    """Numbers for texts, in the order in which they come; all beyond the most share one."""

    def __init__(self, most: int = MOST_NAMES) -> None:
        self._most = most
        self.numbers: dict[str, int] = {}

    def of(self, text: str) -> int:
        """Return the number of a text."""
        number = self.numbers.get(text)
        if number is None:
            text = text if len(self.numbers) < self._most else _OTHERS
            number = self.numbers.setdefault(text, len(self.numbers))
        return number

    @property
    def texts(self) -> tuple[str, ...]:
        """The texts by their numbers."""
        return tuple(self.numbers)


@dataclass
class Columns:
    """Parts of the columns of slices, as they are read."""

    track: list[npt.NDArray[np.int64]] = field(default_factory=list)
    name: list[Whole] = field(default_factory=list)
    start: list[Whole] = field(default_factory=list)  # ns
    duration: list[Whole] = field(default_factory=list)  # ns, below 0 where not known
    row: list[Whole] = field(default_factory=list)

    def add(self, track: Whole, name: Whole, start: Whole, duration: Whole, row: Whole) -> int:
        """Take slices; return how many were left out because they have no time."""
        good = (start > 0) & (start < LATEST * 1000) & (duration < LATEST * 1000)
        if not good.all():
            track, name, start, duration, row = (each[good] for each in (track, name, start, duration, row))
        self.track.append(track)
        self.name.append(name)
        self.start.append(start)
        self.duration.append(np.maximum(duration, 0))
        self.row.append(row)
        return int(len(good) - np.count_nonzero(good))


def build(
    columns: Columns,
    tracks: Mapping[int, Track],
    names: Sequence[str],
    notes: Iterable[Note] = (),
    total: int | None = None,
) -> Slices:
    """Return the slices of the columns; `tracks` has every number of a track in them."""
    order = sorted(tracks)
    places = np.zeros(max(tracks, default=0) + 1, np.int64)
    places[order] = np.arange(len(order))
    track = places[_joined(columns.track)].astype(np.uint16) if tracks else np.zeros(0, np.uint16)
    columns.track.clear()
    # As a rule the files are by time: what is sorted by track is sorted whole.
    sorting = np.argsort(track, kind="stable")
    offsets = np.searchsorted(track[sorting], np.arange(len(order) + 1)).astype(np.int64)
    del track
    start = _taken(columns.start, sorting)
    for begin, end in pairwise(offsets.tolist()):
        own = start[begin:end]
        if (own[1:] < own[:-1]).any():
            again = np.argsort(own, kind="stable")
            sorting[begin:end] = sorting[begin:end][again]
            start[begin:end] = own[again]
    count = len(start)
    return Slices(
        _told_apart([tracks[place] for place in order]),
        tuple(names),
        offsets,
        _taken(columns.name, sorting).astype(np.uint16),
        start,
        _small(_taken(columns.duration, sorting)),
        _small(_taken(columns.row, sorting)),
        count if total is None else max(total, count),
        tuple(notes),
    )


def _told_apart(tracks: Sequence[Track]) -> tuple[Track, ...]:
    """Return the tracks with keys of their own: threads of several hosts may be called alike."""
    seen: dict[str, int] = {}
    found = []
    for one in tracks:
        number = seen[one.key] = seen.get(one.key, 0) + 1
        found.append(one if number == 1 else replace(one, key=f"{one.key} #{number}"))
    return tuple(found)


def _taken(parts: list[npt.NDArray[np.int64]], sorting: Whole) -> npt.NDArray[np.int64]:
    whole = _joined(parts)
    parts.clear()
    return whole[sorting] if len(whole) else whole


def _joined(parts: Sequence[npt.NDArray[np.int64]]) -> npt.NDArray[np.int64]:
    return np.concatenate(parts) if parts else np.zeros(0, np.int64)


def _small(values: Whole) -> Whole | npt.NDArray[np.uint32]:
    return values.astype(np.uint32) if len(values) and 0 <= values.min() <= values.max() <= _U32 else values


def together(parts: Sequence[Slices]) -> Slices:
    """Return the slices of several readers; whose a track is, its place among them tells."""
    if len(parts) == 1:
        return parts[0]
    codes, columns = Codes(), Columns()
    tracks: dict[int, Track] = {}
    for part in parts:
        numbers = np.array([codes.of(name) for name in part.names] or [0], np.int64)
        counts = np.diff(part.offsets)
        columns.track.append(np.repeat(np.arange(len(part.tracks)) + len(tracks), counts))
        columns.name.append(numbers[part.name])
        columns.start.append(part.start)
        columns.duration.append(part.duration.astype(np.int64))
        columns.row.append(part.row.astype(np.int64))
        tracks.update({len(tracks) + place: one for place, one in enumerate(part.tracks)})
    notes = [note for part in parts for note in part.notes]
    whole = build(columns, tracks, codes.texts, notes, sum(part.total for part in parts))
    return replace(whole, parts=tuple(len(part.tracks) for part in parts))
