"""How the Timeline pane goes from slice to slice: along a request, over bubbles, into what one tells."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from rich.text import Text
from textual.message import Message

from lbtui.analysis import timeline
from lbtui.profile.slices import SliceFields
from lbtui.text import _, visible
from lbtui.ui.kit.background import in_background
from lbtui.ui.kit.line_page import LinePage
from lbtui.ui.kit.pages import Picker
from lbtui.ui.kit.pane import Aim, PaneProgress
from lbtui.ui.kit.parts import Taken
from lbtui.ui.kit.window import Window
from lbtui.ui.panes.timeline import at as timeline_at
from lbtui.ui.panes.timeline.data import TimelineData, lines_left
from lbtui.ui.panes.timeline.reading import TimelineReading
from lbtui.ui.panes.timeline.state import Way, bubble_after, close_to, view_of
from lbtui.ui.panes.timeline.words import page_title, slice_page


class SliceLines(LinePage):
    """The page of a slice."""

    FOOT: ClassVar[str] = _("Escape closes · arrows move · Enter goes where the line under the cursor leads")


class TimelineFollowing(TimelineReading):
    """A pane of slices, of which one request is followed."""

    @dataclass
    class Followed(Message):
        """A worker has found the slices of a request."""

        before: TimelineData
        way: Way

    # From slice to slice

    def _go_to(self, index: int) -> None:
        """Put the cursor on a slice, and show it."""
        data, shown = self.data, self._shown
        if data is None or shown is None:
            return
        key = data.slices.tracks[data.slices.track_of(index)].key
        shift = self.state.shift(key)
        span = (int(data.slices.start[index]) + shift) // 1000, (data.slices.end(index) + shift) // 1000
        text = self.state.text if data.by_key[key] in lines_left(data, self.state.text) else ""
        window = view_of(span, shown.window, data.whole, shown.at.columns)
        if span[0] == span[1] and shown.window[0] <= span[0] < shown.window[1]:
            window = shown.window
        way = self.state.way
        only = self.state.only and way is not None and index in way.members
        state = replace(self.state, track=key, picked=index, text=text, only=only)
        self._change(state, time=span[0], window=self._or_all(window))

    def _or_all(self, window: Window) -> Window | None:
        assert self.data is not None
        return None if window == self.data.whole else window

    def action_hot(self, by: int) -> None:
        """Go to the next step of the followed request, or to the next longest bubble."""
        data, shown, way = self.data, self._shown, self.state.way
        if data is None or shown is None:
            return
        if way is not None:
            step = (way.step + by) % len(way.slices)
            self.state = replace(self.state, way=Way(way.request, way.slices, step))
            self._go_to(way.slices[step])
            return
        places = tuple(line.place for line in shown.all_lines)
        found = timeline.longest_bubbles(data.slices, places, data.span)
        cursor = shown.cursor
        bubble = bubble_after(found, None if cursor is None else cursor.bubble, by)
        if bubble is None:
            return
        key = data.slices.tracks[bubble.track].key
        shift = self.state.shift(key)
        span = (bubble.begin + shift) // 1000 + 1, (bubble.end + shift) // 1000
        window = close_to(span, shown.window, data.whole, shown.at.columns)
        self._change(replace(self.state, track=key, picked=None), time=span[0], window=self._or_all(window))

    # One slice

    def action_enter(self) -> None:
        """Open the page of the slice or bubble under the cursor; its fields are read only now."""
        data, shown = self.data, self._shown
        cursor = None if shown is None else shown.cursor
        if self.state.table or data is None or cursor is None:
            return
        if cursor.slice is None and cursor.bubble is None:
            return
        first = slice_page(data, cursor, None, "", self.caps)
        page = SliceLines(page_title(data, cursor), first.text, self._led)
        self.lbtui.push_screen(page)
        if cursor.slice is None:
            page.show_lines(first.text, first.leads)
            return

        def told(fields: SliceFields | None, why: str = "") -> None:
            made = slice_page(data, cursor, fields, why, self.caps)
            page.show_lines(made.text, made.leads)

        def failed(why: str) -> None:
            told(None, _("its fields could not be read: {why}").format(why=why))

        self._tell(cursor.slice, told, failed)

    def _led(self, name: str) -> None:
        """Go where a line of a slice's page leads: a request, or a slice."""
        if name.startswith("r"):
            self._follow(name[1:])
        else:
            self._go_to(int(name[1:]))

    # One request

    def action_follow(self) -> None:
        """Follow a request of the slice under the cursor, else the one selected; or no longer."""
        data, shown = self.data, self._shown
        if data is None or shown is None or self.state.table:
            return
        if self.state.way is not None:
            self._follow_no_more()
            return
        cursor = shown.cursor
        if cursor is None or cursor.slice is None:
            self._follow_selected()
            return
        self._tell(cursor.slice, self._choose, self._say)

    def _follow_selected(self) -> None:
        if self.selection.request is not None:
            self._follow(self.selection.request)
        else:
            self._say(_("no request is told of here: f on a slice, or in Requests"))

    def _choose(self, told: SliceFields) -> None:
        if len(told.requests) == 1:
            self._follow(told.requests[0])
        elif told.requests:
            choices = [(request, Text(visible(request))) for request in told.requests[:500]]
            page = Picker(_("Follow which request"), choices, choices[0][0])
            self.lbtui.push_screen(page, lambda chosen: None if chosen is None else self._follow(chosen))
        else:
            self._follow_selected()

    def _follow(self, request: str) -> None:
        """Find the slices of a request, once all slices are read."""
        data = self.data
        self._wanted = request
        if data is None or data.slices.sampled:
            self._say(_("{request} is followed once all is read").format(request=visible(request, 60)))
            return
        self._say(_("looking for {request} …").format(request=visible(request, 60)))

        def work() -> None:
            found = tuple(data.reader.flow(data.slices, request, PaneProgress(self)))
            self.post_message(self.Followed(data, Way(request, found)))

        in_background(self, work, self._say, group="timeline-follow")

    def on_timeline_following_followed(self, event: Followed) -> None:
        """Light the slices of the request, from its first on."""
        event.stop()
        data, way = self.data, event.way
        if data is None or data.slices.start is not event.before.slices.start or way.request != self._wanted:
            return
        self._wanted = None
        if not way.slices:
            self._told = None
            self._say(_("no slice names {request}").format(request=visible(way.request, 60)))
            return
        stays, self._stays = self._stays, False
        if stays:
            state = replace(self.state, way=way, doing="")
            if self._told is not None:
                state = timeline_at.with_parts(data, state, Taken(self._told, data.whole))
                self._told = None
            self._change(state)
            return
        begin = int(data.slices.start[way.slices[0]]) // 1000
        end = max(data.slices.end(index) for index in way.slices) // 1000 + 1
        margin = max(1, (end - begin) // 20)
        window = max(data.whole[0], begin - margin), min(data.whole[1], end + margin)
        key = data.slices.tracks[data.slices.track_of(way.slices[0])].key
        state = replace(self.state, way=way, doing="", track=key, picked=way.slices[0], table=False, text="")
        self._change(state, window=window, time=begin, request=way.request)

    def _follow_no_more(self) -> None:
        self._wanted = None
        self._change(replace(self.state, way=None, only=False, doing=""), request=None)

    def aimed(self, aim: Aim) -> None:
        """Follow the request that another pane points at."""
        if aim.request is not None:
            self._follow(aim.request)
