"""Which files the slices of a profile are read from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from lbtui.profile import Progress, Unreadable
from lbtui.profile.slices import SliceFields, SliceReader, Slices
from lbtui.sources.failure import unreadable_note
from lbtui.sources.raw.store import RawStore
from lbtui.sources.store import Store
from lbtui.sources.timeline.build import FileReader, together
from lbtui.sources.timeline.database import DatabaseSlices, has_slices
from lbtui.sources.timeline.frames import FrameSlices, Known
from lbtui.sources.timeline.raw import RawSlices
from lbtui.sources.timeline.trace import TraceSlices
from lbtui.sources.timeline.tracks import owned

_SCHEDULING = frozenset({"schedule", "round", "card"})


def slice_reader(store: Store, known: Known) -> SliceReader:
    """Return what reads the slices of an output, or of a raw profile."""
    frames = FrameSlices(store, known)
    return Joined([*_files(store)], frames, known)


def _files(store: Store) -> Iterator[FileReader]:
    """Yield the reader of the one file that holds slices: the first that has any."""
    if isinstance(store, RawStore):
        yield RawSlices(store.raw)
    elif store.database is not None and _has_slices(store.database):
        yield DatabaseSlices(store.database, store.database_tables)
    elif store.output.trace is not None:
        yield TraceSlices(store.output.trace)


def _has_slices(path: Path) -> bool:
    """Tell whether a database has slices; one that cannot be read has none, which its frames tell."""
    with suppress(Unreadable):
        return has_slices(path)
    return False


class Joined(SliceReader):
    """Reads a file of slices; where it has none of rounds and forward passes, the tables, too."""

    def __init__(self, files: Sequence[FileReader], frames: FrameSlices, known: Known) -> None:
        self._files, self._frames, self._known = tuple(files), frames, known
        self._parts: tuple[FileReader, ...] = self._files or (frames,)
        self.large = any(each.large for each in self._files)

    def sample(self, progress: Progress) -> Slices:
        """Return a sample of the file."""
        return self._named(self._parts[0].sample(progress))

    def read(self, progress: Progress) -> Slices:
        """Return all slices."""
        notes = []
        found = []
        for each in self._files:
            try:
                found.append(each.read(progress))
            except Unreadable as error:
                notes.append(unreadable_note(each.file, error))
        parts = self._files if found else ()
        if not any(one.kind in _SCHEDULING for slices in found for one in slices.tracks):
            found.append(self._frames.read(progress))
            parts = (*parts, self._frames)
        self._parts = parts
        whole = together(found)
        return self._named(replace(whole, notes=(*notes, *whole.notes)))

    def _named(self, slices: Slices) -> Slices:
        lacks = tuple(each for part in self._parts for each in part.lacks)
        return replace(slices, file=" + ".join(each.file for each in self._parts), lacks=lacks)

    def placed(self, slices: Slices, progress: Progress) -> Slices:
        """Return the slices with the DP domains of their tracks."""
        tracks = owned(slices.tracks, self._known.owners(progress))
        return replace(slices, tracks=tracks)

    def fields(self, slices: Slices, index: int) -> SliceFields:
        """Return what the file of a slice tells of it."""
        track = slices.track_of(index)
        part = 0
        while part + 1 < len(slices.parts) and track >= slices.parts[part]:
            track -= slices.parts[part]
            part += 1
        return self._parts[part].fields(slices, index)

    def flow(self, slices: Slices, request: str, progress: Progress) -> Sequence[int]:
        """Return the slices of a request, of all files, in the order of its way."""
        if not slices.parts:
            return self._parts[0].flow(slices, request, progress)
        found: list[int] = []
        first = 0
        for part, count in zip(self._parts, slices.parts, strict=True):
            base = int(slices.offsets[first])
            found += [base + at for at in part.flow(_part(slices, first, count), request, progress)]
            first += count
        return sorted(found, key=lambda at: (int(slices.start[at]), at))


def _part(slices: Slices, first: int, count: int) -> Slices:
    """Return the slices of some tracks that follow each other."""
    begin, end = int(slices.offsets[first]), int(slices.offsets[first + count])
    return replace(
        slices,
        tracks=slices.tracks[first : first + count],
        offsets=slices.offsets[first : first + count + 1] - begin,
        name=slices.name[begin:end],
        start=slices.start[begin:end],
        duration=slices.duration[begin:end],
        row=slices.row[begin:end],
        parts=(),
        found={},
    )
