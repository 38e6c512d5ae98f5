"""A Profile: what lies at a path, and its canonical frames, each loaded when first asked for."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol, TypeAlias, TypeVar

import polars as pl

from lbtui.profile.collect import COLLECT
from lbtui.profile.experts import LoadedSeries, PlacementFile
from lbtui.profile.note import Note, Provenance, SourceFile
from lbtui.profile.once import Once
from lbtui.profile.progress import Cancelled, Progress, Silent
from lbtui.profile.schema import FrameName, empty
from lbtui.text import _, error_words


class Unreadable(Exception):
    """Something on disk cannot be read; the text is one sentence that names the file and what to do."""


@dataclass(frozen=True)
class Missing:
    """Something a profile could hold and this one does not."""

    what: str
    reason: str
    how_to_collect: str


@dataclass(frozen=True)
class Loaded:
    """A frame with where it came from and what to mind about it."""

    frame: pl.DataFrame
    provenance: tuple[Provenance, ...] = ()
    notes: tuple[Note, ...] = ()


@dataclass(frozen=True)
class JoinedSteps(Loaded):
    """Steps of DP domains, with what is kept of the passes that they were joined of.

    `card_times`: domain, prof_id, duration (ms, of all passes of the card together; null if one is negative).
    """

    card_times: pl.DataFrame = field(default_factory=pl.DataFrame)


_T = TypeVar("_T")
Loader: TypeAlias = Callable[[Progress], Loaded]
Frame: TypeAlias = pl.DataFrame
RoundReader: TypeAlias = Callable[[str, int], "list[ScheduledRequest]"]


@dataclass(frozen=True)
class ScheduledRequest:
    """One request of a scheduling round: its id, its iteration and the tokens scheduled for it."""

    request_id: str
    iteration: int | None
    tokens: int | None


class StepsInParts(Protocol):
    """Gives the frame `steps` part by part to `take` and returns what that makes of it, or None."""

    def __call__(self, take: Callable[[Iterator[pl.DataFrame]], _T], progress: Progress, /) -> _T | None:
        """Give the parts."""


@dataclass
class Profile:
    """What lies at `path`. Opening reads names and sizes only; `load` reads a frame once and keeps it.

    `load` may be called from any thread; the second caller of a frame waits for the first.
    """

    path: Path
    files: tuple[SourceFile, ...]
    notes: tuple[Note, ...] = ()  # found at opening; each frame brings its own
    loaders: Mapping[FrameName, Loader] = field(default_factory=dict)
    round_reader: RoundReader | None = None
    domain_steps_loader: Callable[[Progress], Loaded | None] | None = None
    steps_reader: Callable[[int, int], pl.DataFrame | None] | None = None
    unparsed: tuple[str, str] | None = None  # nothing but experts is here: why, and how to get the rest
    placement: PlacementFile | None = None  # a candidate to compare with the placement in use
    passes_reader: Callable[[Progress], pl.DataFrame] | None = None
    steps_in_parts: StepsInParts | None = None
    expert_series_loader: Callable[[Progress], LoadedSeries] | None = None
    cuts: list[Note] = field(default_factory=list)  # grows with every file of which a part was enough
    _joined: Loaded | None = field(default=None, repr=False)
    _frames: dict[FrameName, Once[Loaded]] = field(default_factory=dict, repr=False)
    _guard: threading.Lock = field(default_factory=threading.Lock, repr=False)

    @property
    def name(self) -> str:
        """The folder's name, for the header."""
        return self.path.name or str(self.path)

    def has(self, name: FrameName) -> bool:
        """Tell whether any file could yield the frame `name`."""
        return name in self.loaders

    def missing(self) -> tuple[Missing, ...]:
        """Return what no file yields, by what is known now: a frame that loaded empty counts as missing."""
        kept = self._kept()
        return tuple(
            self.missing_of(name)
            for name in COLLECT
            if name not in self.loaders or (name in kept and kept[name].frame.is_empty())
        )

    def missing_of(self, name: FrameName) -> Missing:
        """Return why the frame `name`, one of `COLLECT`, may be missing, and how to get it."""
        what, reason, how = COLLECT[name]
        if self.unparsed and name not in self.loaders:
            reason, how = self.unparsed
        if self.cuts and name in self.loaders:
            files = ", ".join(note.file for note in self.cuts)
            reason = _("what was read of {files} tells none").format(files=files)
            how = _("read all of it")
        return Missing(what, reason, how)

    def loaded(self) -> Mapping[FrameName, Loaded]:
        """Return the frames loaded so far; as `steps` those of domains where only these are."""
        return {"steps": self._joined, **self._kept()} if self._joined else self._kept()

    def _kept(self) -> dict[FrameName, Loaded]:
        with self._guard:
            return {name: kept for name, once in self._frames.items() if (kept := once.kept) is not None}

    def load(self, name: FrameName, progress: Progress | None = None) -> Loaded:
        """Return the frame `name`, read at the first call; a frame that no file yields has no rows.

        Raises `Cancelled` when `progress` does; the next call starts again. A file that cannot be read
        raises nothing: its sentence is in the notes. Of a file of which `progress` wanted no more the part
        is kept as if it were all: `cuts` tells of it, and only a profile opened anew reads the rest.
        """
        if name not in self.loaders:
            return Loaded(empty(name))
        with self._guard:
            once = self._frames.setdefault(name, Once(self.loaders[name]))
        return once(progress or Silent())

    def load_domain_steps(self, progress: Progress | None = None) -> Loaded:
        """Return the steps of DP domains: `steps`, or where these are too many to be held (a large
        forward.csv) one row per step of a domain, its cards already joined, with the number of `cards`.
        """
        loader = self.domain_steps_loader
        joined = loader(progress or Silent()) if loader and self.has("steps") else None
        if joined is None:
            return self.load("steps", progress)
        self._joined = joined
        return joined

    def each_part_of_steps(
        self, take: Callable[[Iterator[pl.DataFrame]], _T], progress: Progress | None = None
    ) -> _T | None:
        """Return what `take` makes of the frame `steps`, given part by part, if it is too large to be held.

        Else None: `load` gives it whole. `take` may be called once more, from the first part on.
        """
        give = self.steps_in_parts
        return give(take, progress or Silent()) if give and self.has("steps") else None

    def load_expert_series(self, progress: Progress | None = None) -> LoadedSeries:
        """Return expert heat iteration by iteration, read at the first call; empty where no file tells it.

        Raises `Cancelled` when `progress` does; the next call starts again. It may take hundreds of MB and
        seconds where `expert_heat` takes neither.
        """
        loader = self.expert_series_loader
        return loader(progress or Silent()) if loader else LoadedSeries()

    def read_passes(self, progress: Progress | None = None) -> pl.DataFrame:
        """Return the forward passes of DP domains of a profile whose `load_domain_steps` are joined.

        Columns: domain, prof_id, start, end, duration (ms), in the order of the file; not kept.
        """
        assert self.passes_reader is not None
        return self.passes_reader(progress or Silent())

    def steps_around(self, begin: int, end: int) -> pl.DataFrame:
        """Return the `steps` around a time (µs): all, or where these are too many those of it, read now."""
        margin = 10_000_000  # steps that overlap are told apart by what came before
        part = self.steps_reader(begin - margin, end + margin) if self.steps_reader else None
        return self.load("steps").frame if part is None else part

    def requests_of_round(self, prof_id: str, row: int) -> list[ScheduledRequest]:
        """Return the requests of one scheduling round (`batches.row` of scheduler `prof_id`), read now."""
        return self.round_reader(prof_id, row) if self.round_reader else []


def attempted(what: str, load: Callable[[], _T], otherwise: _T) -> tuple[_T, Note | None]:
    """Return what `load` does; where it fails unforeseen, `otherwise` and a note that says why.

    Whatever is in the files, the rest is still worth seeing. `Cancelled` passes through.
    """
    try:
        return load(), None
    except Cancelled:
        raise
    except Exception as error:
        text = _("{what} could not be read: {why}").format(what=what, why=error_words(error))
        return otherwise, Note(what, text, lost=True)


Phase: TypeAlias = Literal["prefill", "decode", "mixed"]
