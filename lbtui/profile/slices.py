"""Slices of time that processes spent on something, by track; what several readers of them have in common."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias

from lbtui.profile.note import Note
from lbtui.profile.progress import Progress

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Whole: TypeAlias = "npt.NDArray[np.int64]"

TrackKind: TypeAlias = Literal[
    "coordinator", "front", "handoff", "schedule", "round", "card", "pull", "experts", "operators", "other"
]
"""What runs on a track; the order is that of a request's way."""

BUBBLE = "bubble"
FORWARD = "forward"


@dataclass(frozen=True)
class Track:
    """One thread of one process. `key` names it, the same whenever the same files are read.

    `host` is empty where no file tells it; `domain` is `Domain.key`, None of a process of none.
    """

    key: str
    kind: TrackKind
    thread: str  # as the file names it
    process: str  # `prof_id`, or what else the file calls it by
    host: str = ""
    pid: int | None = None
    domain: str | None = None
    dp_rank: int | None = None


@dataclass(frozen=True, eq=False)
class Slices:
    """Slices, those of a track together and by their start. Compared by identity.

    Those of track k are from `offsets[k]` up to `offsets[k + 1]`. Of a sample `total` is the number of all.
    """

    tracks: tuple[Track, ...]
    names: tuple[str, ...]
    offsets: Whole
    name: npt.NDArray[np.uint16]  # place in `names`
    start: Whole  # ns since 1970, UTC
    duration: Whole | npt.NDArray[np.uint32]  # ns; 0 of an event
    row: Whole | npt.NDArray[np.uint32]  # finds the slice again, in the reader's own terms
    total: int
    notes: tuple[Note, ...] = ()
    file: str = ""  # the names of the files, as they are shown
    lacks: tuple[str, ...] = ()  # what these cannot tell, a sentence each
    parts: tuple[int, ...] = ()  # how many tracks are of each reader, where there are several
    found: dict[object, object] = field(default_factory=dict, repr=False)  # what was worked out of them

    @property
    def count(self) -> int:
        """How many slices are here."""
        return len(self.start)

    @property
    def sampled(self) -> bool:
        """Whether there are more."""
        return self.count < self.total

    @property
    def bytes(self) -> int:
        """How much memory they take."""
        return int(self.name.nbytes + self.start.nbytes + self.duration.nbytes + self.row.nbytes)

    def track_of(self, index: int) -> int:
        """Return the place of the track of a slice."""
        return int(self.offsets.searchsorted(index, side="right")) - 1

    def end(self, index: int) -> int:
        """Return when a slice ends (ns)."""
        return int(self.start[index]) + int(self.duration[index])


@dataclass(frozen=True)
class SliceFields:
    """What a file tells of one slice: its fields in the file's order, and the ids of its requests."""

    fields: tuple[tuple[str, str], ...] = ()
    requests: tuple[str, ...] = ()


class SliceReader(Protocol):
    """Reads the slices of a profile. All may raise `Cancelled` when `progress` does, and `Unreadable`."""

    large: bool  # whether reading all takes so long that a sample is of use meanwhile

    def sample(self, progress: Progress) -> Slices:
        """Return slices from all over the time, so many as can be read at once."""
        raise NotImplementedError

    def read(self, progress: Progress) -> Slices:
        """Return all slices."""
        raise NotImplementedError

    def placed(self, slices: Slices, progress: Progress) -> Slices:
        """Return the slices with the DP domains of their tracks."""
        raise NotImplementedError

    def fields(self, slices: Slices, index: int) -> SliceFields:
        """Return what the file tells of one slice, read now."""
        raise NotImplementedError

    def flow(self, slices: Slices, request: str, progress: Progress) -> Sequence[int]:
        """Return the slices of a request in the order of its way."""
        raise NotImplementedError


class NoSlices(SliceReader):
    """The reader of a profile whose files have none."""

    large = False

    def read(self, progress: Progress) -> Slices:
        """Return no slices."""
        import numpy as np

        none = np.zeros(0, np.int64)
        return Slices((), (), np.zeros(1, np.int64), none.astype(np.uint16), none, none, none, 0)

    sample = read

    def placed(self, slices: Slices, progress: Progress) -> Slices:
        """Return them as they are."""
        return slices

    def fields(self, slices: Slices, index: int) -> SliceFields:
        """Return nothing."""
        return SliceFields()

    def flow(self, slices: Slices, request: str, progress: Progress) -> Sequence[int]:
        """Return none."""
        return ()
