"""A Profile: what lies at a path, and its canonical frames, each loaded when first asked for."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Literal, TypeAlias, TypeVar

import polars as pl

from lbtui.profile.captures import (
    Captures,
    Choice,
    captures_note,
    find_captures,
    inside,
    rows_outside,
    strays_note,
)
from lbtui.profile.collect import COLLECT, words_of
from lbtui.profile.experts import LoadedSeries, PlacementFile
from lbtui.profile.missing import Missing, in_vain, sentences
from lbtui.profile.note import Note, SourceFile
from lbtui.profile.once import Once
from lbtui.profile.place import ANCHORS, SPANS, Times, parts_of, times_of
from lbtui.profile.progress import Cancelled, Progress, Silent
from lbtui.profile.reading import Reading
from lbtui.profile.sample import StepSample
from lbtui.profile.schema import FrameName, empty
from lbtui.profile.slices import SliceReader
from lbtui.profile.source import (
    JoinedSteps,
    Loaded,
    Nothing,
    RequestPlaces,
    RequestRounds,
    ScheduledRequest,
    Source,
)
from lbtui.profile.summary import Summary
from lbtui.text import _, error_words, in_list, in_sentences, visible


class Unreadable(Exception):
    """Something on disk cannot be read; the text is one sentence that names the file and what to do."""


_T = TypeVar("_T")
Frame: TypeAlias = pl.DataFrame


@dataclass
class Profile:
    """What lies at `path`. Opening reads names and sizes only; `load` reads a frame once and keeps it.

    `load` may be called from any thread; the second caller of a frame waits for the first.
    """

    path: Path
    files: tuple[SourceFile, ...]
    notes: tuple[Note, ...] = ()  # found at opening; each frame brings its own
    source: Source = field(default_factory=Nothing)
    unparsed: tuple[str, str] | None = None  # nothing but experts is here: why, and how to get the rest
    placement: PlacementFile | None = None  # a candidate to compare with the placement in use
    cuts: list[Note] = field(default_factory=list)  # grows with every file of which a part was enough
    capture: Choice = None  # which is shown of captures that lie far apart
    holders: Mapping[FrameName, tuple[SourceFile, ...]] = field(default_factory=dict)  # that may tell a frame
    raw: bool = False  # whether it is what was recorded, not what the parser made of it
    near: tuple[Reading, ...] = ()  # where else the run is to be seen
    _joined: Loaded | None = field(default=None, repr=False)
    _frames: dict[FrameName, Once[Loaded]] = field(default_factory=dict, repr=False)
    _captures: Once[Captures | None] = field(init=False, repr=False)
    _sampled: Once[StepSample | None] = field(init=False, repr=False)
    _shown: dict[int, tuple[Loaded, Loaded]] = field(default_factory=dict, repr=False)
    _guard: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def __post_init__(self) -> None:
        self._captures = Once(self._find_captures)
        self._sampled = Once(self.source.sample_steps)

    @property
    def name(self) -> str:
        """The folder's name, for the header."""
        return self.path.name or str(self.path)

    def has(self, name: FrameName) -> bool:
        """Tell whether any file could yield the frame `name`."""
        return name in self.source.names

    def missing(self) -> tuple[Missing, ...]:
        """Return what no file yields, by what is known now: a frame that loaded empty counts as missing."""
        kept = self._kept()
        return tuple(
            self.missing_of(name)
            for name in COLLECT
            if name not in self.source.names or (name in kept and self._now(kept[name]).frame.is_empty())
        )

    def missing_of(self, name: FrameName) -> Missing:
        """Return why the frame `name`, one of `COLLECT`, may be missing, and how to get it."""
        what, reason, how = words_of(name, raw=self.raw)
        if self.unparsed and name not in self.source.names:
            reason, how = self.unparsed
        if self.cuts and name in self.source.names:
            files = in_list(note.file for note in self.cuts)
            reason = _("what was read of {files} tells none").format(files=files)
            how = _("read all of it")
        if rows := self.rows_outside(name):
            reason = _("all {rows} rows lie outside the capture shown").format(rows=rows)
            return Missing(what, reason, _("see them with --capture"), "other_run")
        if not self.cuts and (told := self._verdicts(name)):
            return in_vain(what, told, how)
        return Missing(what, reason, how)

    def rows_outside(self, name: FrameName) -> int:
        """Return how many rows a frame has where none of them lies in the capture shown, else 0."""
        read = self._kept().get(name)
        return read.frame.height if read is not None and self._now(read).frame.is_empty() else 0

    def _verdicts(self, name: FrameName) -> list[Note]:
        """Return why files that may tell the frame do not, by what is known now."""
        files = {visible(file.path.name) for file in self.holders.get(name, ())}
        kept = self.loaded().get(name)
        notes = dict.fromkeys([*self.notes, *(kept.notes if kept else ())])
        own = [note for note in notes if note.verdict and note.file.split(":")[0] in files]
        # The file named after the frame's table tells most: others hold it beside their own.
        told = COLLECT[name].files if name in COLLECT else ""
        main = [note for note in own if note.file.removesuffix(".gz") in told]
        return main or own or _of_no_use(kept)

    def require_rows(self, progress: Progress | None = None) -> None:
        """Raise `Unreadable`, saying why, if no file yields a row; loads no more frames than it needs to."""
        for name in self.source.names:
            load = self._domain_steps if name == "steps" else partial(self.load_whole, name)
            loaded, failure = attempted(name, partial(load, progress), Loaded(empty(name)))
            # Of a frame that lbtui failed to make nobody knows what it would hold.
            if failure or not loaded.frame.is_empty():
                return
        if self.cuts:
            return
        notes = list(self.notes)
        for kept in self.loaded().values():
            notes += kept.notes
        told = list(dict.fromkeys(notes))
        why = sentences([n for n in told if n.verdict] or [n for n in told if n.lost])
        if not why:
            of_no_use = [note for kept in self.loaded().values() for note in _of_no_use(kept)]
            if of_no_use:
                why = in_sentences(sentences(of_no_use), _("Put the other tables of the run beside it."))
        if self.unparsed:
            reason, how = self.unparsed
            why = in_sentences(_("{reason}, and it holds none; {how}.").format(reason=reason, how=how), why)
        text = _("nothing in {path} can be used: {why}").format(
            path=visible(str(self.path)), why=why or _("its files hold no rows.")
        )
        raise Unreadable(text.rstrip())

    def loaded(self) -> Mapping[FrameName, Loaded]:
        """Return the frames loaded so far; as `steps` those of domains where only these are."""
        return {name: self._now(read) for name, read in self._kept().items()}

    def _kept(self) -> dict[FrameName, Loaded]:
        with self._guard:
            kept = {name: kept for name, once in self._frames.items() if (kept := once.kept) is not None}
        return {"steps": self._joined, **kept} if self._joined else kept

    def load(self, name: FrameName, progress: Progress | None = None) -> Loaded:
        """Return the frame `name`, read at the first call; a frame that no file yields has no rows.

        Of captures that lie far apart it has the rows of the one shown, and a note on the others.

        Raises `Cancelled` when `progress` does; the next call starts again. A file that cannot be read
        raises nothing: its sentence is in the notes. Of a file of which `progress` wanted no more the part
        is kept as if it were all: `cuts` tells of it, and only a profile opened anew reads the rest.
        """
        return self._of_capture(name, self.load_whole(name, progress), progress)

    def load_whole(self, name: FrameName, progress: Progress | None = None) -> Loaded:
        """Return what `load` does with the rows of all captures."""
        if name not in self.source.names:
            return Loaded(empty(name))
        with self._guard:
            once = self._frames.setdefault(name, Once(partial(self.source.load, name)))
        return once(progress or Silent())

    def load_domain_steps(self, progress: Progress | None = None) -> Loaded:
        """Return the steps of DP domains: `steps`, or where these are too many to be held (a large
        forward.csv) one row per step of a domain, its cards already joined, with the number of `cards`.
        """
        return self._of_capture("steps", self._domain_steps(progress), progress)

    def _domain_steps(self, progress: Progress | None) -> Loaded:
        joined = self.source.joined_steps(progress or Silent()) if self.has("steps") else None
        if joined is None:
            return self.load_whole("steps", progress)
        self._joined = joined
        return joined

    def sample_steps(self, progress: Progress | None = None) -> StepSample | None:
        """Return a sample of the steps of DP domains, read at the first call.

        None where these are read already or soon, where the table does not tell one, or it fails: reading
        all of it says why.
        """
        if not self.has("steps") or self._joined is not None:
            return None
        return attempted("steps", lambda: self._sampled(progress or Silent()), None)[0]

    def captures(self, progress: Progress | None = None) -> Captures | None:
        """Return the captures that the profile holds, and which is shown; None without times.

        Reads the frames that tell.
        """
        return self._captures(progress or Silent())

    def _find_captures(self, progress: Progress) -> Captures | None:
        def times(name: FrameName) -> Times:
            load = self._domain_steps if name == "steps" else partial(self.load_whole, name)
            nowhere: Times = ()
            return attempted(name, lambda: times_of(name, load(progress).frame), nowhere)[0]

        return find_captures(self.has, times, self.capture)

    def _of_capture(self, name: FrameName, read: Loaded, progress: Progress | None) -> Loaded:
        """Return the rows of a frame that lie in the capture shown.

        A frame whose rows lie together is not held up to wait until steps and rounds are read.
        """
        if self.capture == "all" or name not in SPANS or read.frame.is_empty():
            return read
        with self._guard:
            known = self._shown.get(id(read))
        if known is not None:
            return known[1]
        times = times_of(name, read.frame)
        if name not in ANCHORS and self._captures.kept is None and len(parts_of([times])) == 1:
            return read
        shown = _within(name, read, times, self.captures(progress), visible(self.name))
        with self._guard:
            # What was read is kept, so that nothing else can be taken for it.
            self._shown[id(read)] = read, shown
        return shown

    def _now(self, read: Loaded) -> Loaded:
        """Return what `_of_capture` gave of a frame, all of it where that is not known yet."""
        with self._guard:
            return self._shown.get(id(read), (read, read))[1]

    def each_part_of_steps(
        self, take: Callable[[Iterator[pl.DataFrame]], _T], progress: Progress | None = None
    ) -> _T | None:
        """Return what `take` makes of the frame `steps`, given part by part, if it is too large to be held.

        Else None: `load` gives it whole. `take` may be called once more, from the first part on.
        """
        return self.source.each_part_of_steps(take, progress or Silent()) if self.has("steps") else None

    def load_expert_series(self, progress: Progress | None = None) -> LoadedSeries:
        """Return expert heat iteration by iteration, read at the first call; empty where no file tells it.

        Raises `Cancelled` when `progress` does; the next call starts again. Raises `Unreadable` where a file
        has changed since the profile was opened. It may take hundreds of MB and seconds where `expert_heat`
        takes neither.
        """
        return self.source.load_series(progress or Silent())

    def node_changes(self, progress: Progress | None = None) -> pl.DataFrame | None:
        """Return when P/D nodes get requests and end them, of all captures; None where a table counts them.

        Columns: `time`, `address`, `role`, and `added` and `ended`, of which one is 1 and the other 0.
        """
        return self.source.node_changes(progress or Silent()) if self.has("nodes") else None

    def slices(self, progress: Progress | None = None) -> SliceReader:
        """Return what reads the slices of all processes, of all captures; it keeps none of them."""
        return self.source.slices(progress or Silent())

    def engine(self, progress: Progress | None = None) -> str | None:
        """Return which serving engine the profile is of (`sources.steps.engine`), None if nothing tells."""
        return self.source.engine(progress or Silent())

    def summaries(self) -> tuple[Summary, ...]:
        """Return what upstream's `analyze` wrote beside the tables, if it did."""
        return self.source.summaries()

    def read_passes(self, progress: Progress | None = None) -> pl.DataFrame:
        """Return the forward passes of DP domains of a profile whose `load_domain_steps` are joined.

        Columns: domain, prof_id, start, end, duration (ms), in the order of the file; not kept.
        """
        passes = self.source.passes(progress or Silent())
        if self._joined is None or self._now(self._joined) is self._joined:
            return passes
        captures = self.captures(progress)
        return inside("steps", passes, times_of("steps", passes), captures.shown) if captures else passes

    def steps_around(self, begin: int, end: int) -> pl.DataFrame:
        """Return the `steps` around a time (µs): all, or where these are too many those of it, read now."""
        margin = 10_000_000  # steps that overlap are told apart by what came before
        part = self.source.steps_between(begin - margin, end + margin, Silent())
        return self.load("steps").frame if part is None else part

    def requests_of_round(self, prof_id: str, row: int) -> list[ScheduledRequest]:
        """Return the requests of one scheduling round (`batches.row` of scheduler `prof_id`), read now."""
        return self.source.read_round(prof_id, row)

    def read_request_places(self, progress: Progress | None = None) -> RequestPlaces:
        """Return where requests ran, read now and not kept: a row for each request of each round is read."""
        return self.source.read_request_places(progress or Silent())

    def read_request_rounds(self, request_ids: pl.Series, progress: Progress | None = None) -> RequestRounds:
        """Return in which rounds each request was, and the moments of its life, read now and not kept."""
        return self.source.read_request_rounds(request_ids, progress or Silent())


def _of_no_use(read: Loaded | None) -> list[Note]:
    """Return the notes on the file of which rows were read and none is left."""
    if read is None or not read.provenance or not read.frame.is_empty():
        return []
    file = read.provenance[0].file
    text = _("no row of {file} can be placed").format(file=file)
    return [note for note in read.notes if note.file == file] or [Note(file, text)]


def _within(name: FrameName, read: Loaded, times: Times, captures: Captures | None, profile: str) -> Loaded:
    """Return the rows of a frame that lie in the capture shown, with notes on the others."""
    frame = read.frame if captures is None else inside(name, read.frame, times, captures.shown)
    if captures is None or frame is read.frame:
        return read
    file = read.provenance[0].file if read.provenance else name
    outside = rows_outside(name, read.frame, frame)
    strays = strays_note(outside, captures, read.frame.height, file)
    # Of all frames one note, on the profile.
    others = [captures_note(captures, profile)] if captures.others else []
    notes = tuple(dict.fromkeys((*read.notes, *others, *strays)))
    if isinstance(read, JoinedSteps):
        # They are of all captures together.
        return replace(read, frame=frame, notes=notes, card_times=read.card_times.clear())
    return replace(read, frame=frame, notes=notes)


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
