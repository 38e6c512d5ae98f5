"""How the Timeline pane gets its slices: a sample at once of a large file, then all, then whose they are."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import cast

from textual.message import Message

from lbtui.profile import Profile
from lbtui.profile.slices import SliceFields
from lbtui.text import _
from lbtui.ui.kit.at import Parts
from lbtui.ui.kit.background import in_background
from lbtui.ui.kit.filtering import Filtered
from lbtui.ui.kit.pane import PaneProgress
from lbtui.ui.kit.parts import Taken
from lbtui.ui.panes.timeline import at as timeline_at
from lbtui.ui.panes.timeline.data import TimelineData, capture_of, data_of
from lbtui.ui.panes.timeline.layout import Shown, layout
from lbtui.ui.panes.timeline.state import TimelineState


class TimelineReading(Filtered):
    """A pane of slices, with what it has read and what is chosen of it."""

    @dataclass
    class Read(Message):
        """A worker has read all slices (`data`), or knows of which domain each track is."""

        before: TimelineData
        data: TimelineData

    @dataclass
    class Reading(Message):
        """A worker has read so much of the slices (%)."""

        before: TimelineData
        percent: int

    @dataclass
    class Told(Message):
        """A worker has read what a slice tells; `done` takes it, unless other slices are shown by now."""

        before: TimelineData
        index: int
        fields: SliceFields
        done: Callable[[SliceFields], None]

    data: TimelineData | None = None
    state = TimelineState()
    _domain: str | None = None  # that was selected last, here or elsewhere
    _time: int | None = None  # the same
    _stays: bool = False  # whether what is followed next is not gone to
    _told: Parts | None = None  # of a view, until all slices are there and its request is followed
    _wanted: str | None = None  # the request to follow as soon as all slices are read

    @abstractmethod
    def _follow(self, request: str) -> None:
        """Find the slices of a request, once all slices are read."""

    @abstractmethod
    def _forget(self) -> None:
        """Keep nothing that was made of other slices."""

    # Loading

    def prepare(self, profile: Profile, progress: PaneProgress) -> TimelineData:
        """Return all slices, of a large file a sample of them."""
        reader = profile.slices(progress)
        if reader.large:
            return data_of(reader, reader.sample(progress))
        slices = reader.placed(reader.read(progress), progress)
        return data_of(reader, slices, capture_of(profile, progress))

    def ready(self, result: TimelineData) -> None:
        """Keep the cursor where it is; the first time put it on a card, and read on what is a sample."""
        self._take(result)
        if result.slices.sampled:
            self._read_all(result)

    def _take(self, data: TimelineData) -> None:
        before, way = self.data, self.state.way
        self.data = data
        if before is not None and before.slices.start is data.slices.start:
            # The slices are the same, their tracks have domains now.
            return
        self._forget()
        self.state = replace(self.state, picked=None, way=None, doing="")
        if before is None or self.state.track not in data.by_key:
            chosen = [line for line in data.lines if data.track(line).kind == "card"] or list(data.lines)
            own = [line for line in chosen if data.track(line).domain == self.selection.domain]
            line = next(iter(own or chosen), None)
            self.state = replace(self.state, track="" if line is None else data.track(line).key)
        if self._told is not None:
            self.state = timeline_at.with_parts(data, self.state, Taken(self._told, data.whole))
        wanted = self._wanted or self.selection.request
        if wanted is not None and not data.slices.sampled:
            # Of what is read anew the user goes on to see what he saw.
            self._stays = (way is not None and way.request == wanted) or self._told is not None
            self._follow(wanted)

    def _read_all(self, data: TimelineData) -> None:
        profile = self.profile

        def work() -> None:
            progress = _Told(self, data)
            slices = data.reader.read(progress)
            self.post_message(self.Read(data, whole := data_of(data.reader, slices)))
            # Whose tracks they are is known from other tables, which may be large, too.
            placed = data.reader.placed(slices, PaneProgress(self))
            shown = capture_of(profile, PaneProgress(self))
            self.post_message(self.Read(whole, data_of(data.reader, placed, shown)))

        self.state = replace(self.state, doing=_("reading all"))
        in_background(self, work, self._not_read, group="timeline-read")

    def _not_read(self, why: str) -> None:
        self.state = replace(self.state, doing=_("not all could be read: {why}").format(why=why))
        self.repaint()

    def on_timeline_reading_reading(self, event: Reading) -> None:
        """Say how far reading is."""
        event.stop()
        if self.data is event.before:
            self.state = replace(
                self.state, doing=_("reading all, {percent} %").format(percent=event.percent)
            )
            self.repaint()

    def on_timeline_reading_read(self, event: Read) -> None:
        """Show all slices in the place of the sample."""
        event.stop()
        if self.data is event.before:
            self._take(event.data)
            self.repaint()

    def _follow_told(self) -> None:
        """Follow the request that a view follows, where it is; all that was told has been taken then."""
        request, told = self.selection.request, self._told
        assert self.data is not None
        if told is None or self.data.slices.sampled:
            if request is not None and told is not None:
                self._wanted = request
            return
        if "q" in told and request is not None:
            self._stays = True
            self._follow(request)
        else:
            self._told = None

    # What is shown

    def _shown_in(self, width: int, height: int) -> Shown | None:
        if self.data is None or not self.data.lines or not width or not height:
            return None
        return Shown(self.data, self.state, self.selection, layout(self.data, width, height))

    @property
    def _shown(self) -> Shown | None:
        return self._shown_in(*self.size)

    def _change(self, state: TimelineState, **selected: object) -> None:
        """Take a new state, tell the other panes what is selected, and draw."""
        self.state, before = state, self.selection
        if (shown := self._shown) is not None:
            self.state = replace(self.state, top=shown.top)
            line = shown.all_lines[shown.row] if shown.all_lines else None
            domain = None if line is None else shown.data.track(line).domain
            if domain is not None:
                selected["domain"] = self._domain = domain
            if "time" in selected:
                self._time = cast(int, selected["time"])
            if selected:
                self.lbtui.select(**selected)
        if self.selection is before:  # else it was drawn when it was told (`selection_changed`)
            self.repaint()

    def _say(self, words: str) -> None:
        self.state = replace(self.state, doing=words)
        self.repaint()

    def _tell(self, index: int, done: Callable[[SliceFields], None], failed: Callable[[str], None]) -> None:
        """Read what a slice tells."""
        data = self.data
        assert data is not None

        def work() -> None:
            self.post_message(self.Told(data, index, data.reader.fields(data.slices, index), done))

        in_background(self, work, failed, group="timeline-slice")

    def on_timeline_reading_told(self, event: Told) -> None:
        """Hand on what was read."""
        event.stop()
        if self.data is not None and self.data.slices.start is event.before.slices.start:
            event.done(event.fields)


class _Told(PaneProgress):
    """Progress of reading all slices, told in the pane's state line: the sample stands meanwhile."""

    def __init__(self, pane: TimelineReading, data: TimelineData) -> None:
        super().__init__(pane)
        self._timeline, self._data, self._said = pane, data, -1

    def advance(self, what: str, done: int, total: int) -> None:
        """Tell the pane; raise `Cancelled` when another reading has begun."""
        percent = min(99, done * 100 // max(1, total))
        super().advance(what, done, total)
        if percent != self._said:
            self._said = percent
            self._timeline.post_message(TimelineReading.Reading(self._data, percent))
