"""The Timeline pane: what its keys do, and what it shares with the other panes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import ClassVar

from rich.text import Text
from textual import events
from textual.binding import BindingType
from textual.message import Message

from lbtui.analysis import timeline
from lbtui.analysis.timeline import NameFigures
from lbtui.profile import Profile
from lbtui.profile.slices import SliceFields
from lbtui.render.canvas import Canvas
from lbtui.render.capabilities import Row
from lbtui.text import _, visible
from lbtui.ui.kit import keys
from lbtui.ui.kit.background import in_background
from lbtui.ui.kit.filtering import Filtered
from lbtui.ui.kit.line_page import LinePage
from lbtui.ui.kit.pages import Picker, TextPage
from lbtui.ui.kit.pane import Aim, HelpEntry, PaneProgress, Stage
from lbtui.ui.kit.selection import Selection
from lbtui.ui.kit.window import Window, following, moved, zoomed
from lbtui.ui.panes.timeline import keys as timeline_keys
from lbtui.ui.panes.timeline import view
from lbtui.ui.panes.timeline.data import (
    TimelineData,
    capture_of,
    data_of,
    grammar,
    lines_left,
    problem,
)
from lbtui.ui.panes.timeline.help import entries
from lbtui.ui.panes.timeline.layout import Shown, layout
from lbtui.ui.panes.timeline.state import (
    TimelineState,
    Way,
    aligned,
    at_row,
    bubble_after,
    close_to,
    marked,
    next_name,
    pinned,
    range_of,
    ranged,
    view_of,
)
from lbtui.ui.panes.timeline.words import length_text, slice_page, slice_title, time_text


class TimelinePane(Filtered):
    """Tracks of slices over time; one request is followed through all of them."""

    KEY: ClassVar[str] = "7"
    TITLE: ClassVar[str] = _("Timeline")
    TAKES_PARTS: ClassVar[bool] = False
    BINDINGS: ClassVar[list[BindingType]] = timeline_keys.BINDINGS

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

    @dataclass
    class Followed(Message):
        """A worker has found the slices of a request."""

        before: TimelineData
        way: Way

    @dataclass
    class Counted(Message):
        """A worker has made the statistics of a range."""

        asked: tuple[object, ...]
        rows: list[NameFigures]

    data: TimelineData | None = None
    state = TimelineState()
    _wanted: str | None = None  # the request to follow as soon as all slices are read
    _asked: tuple[object, ...] = ()
    _rows: list[NameFigures] | None = None

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
        first = self.data is None
        self.data = data
        self._asked, self._rows = (), None
        self.state = replace(self.state, picked=None, way=None, doing="")
        if first or self.state.track not in data.by_key:
            chosen = [line for line in data.lines if data.track(line).kind == "card"] or list(data.lines)
            own = [line for line in chosen if data.track(line).domain == self.selection.domain]
            line = next(iter(own or chosen), None)
            self.state = replace(self.state, track="" if line is None else data.track(line).key)
        wanted = self._wanted or self.selection.request
        if wanted is not None and not data.slices.sampled:
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

    def on_timeline_pane_reading(self, event: Reading) -> None:
        """Say how far reading is."""
        event.stop()
        if self.data is event.before:
            self.state = replace(
                self.state, doing=_("reading all, {percent} %").format(percent=event.percent)
            )
            self.repaint()

    def on_timeline_pane_read(self, event: Read) -> None:
        """Show all slices in the place of the sample."""
        event.stop()
        if self.data is event.before:
            way, picked = self.state.way, self.state.picked
            self._take(event.data)
            if not event.before.slices.sampled and way is not None:
                # The slices are the same, their tracks have domains now.
                self.state = replace(self.state, way=way, picked=picked)
            self.repaint()

    # Drawing

    def _shown_in(self, width: int, height: int) -> Shown | None:
        if self.data is None or not self.data.lines or not width or not height:
            return None
        return Shown(self.data, self.state, self.selection, layout(self.data, width, height))

    @property
    def _shown(self) -> Shown | None:
        return self._shown_in(*self.size)

    def draw(self, width: int, height: int) -> list[Row]:
        """Return the tracks, or the statistics."""
        canvas = Canvas(width, height, self.caps)
        shown = self._shown_in(width, height)
        if shown is None:
            assert self.data is not None
            return view.empty_rows(self.data, (), canvas)
        if self.state.table:
            return view.draw_statistics(shown, self._statistics(shown), canvas)
        return view.draw(shown, canvas)

    def help_entries(self) -> list[HelpEntry]:
        """Return every quantity."""
        return entries(self.data)

    def keys_now(self) -> list[tuple[str, str]]:
        """Return the keys that matter now, those for what is on as what they would do next."""
        if self.state.table:
            return [keys.MOVE_ROWS, ("t", _("tracks")), keys.ZOOM]
        said = dict(super().keys_now())
        if self.state.way is not None:
            said |= {"n": _("next step"), "f": _("follow no more")}
        if self.state.begin is not None:
            said["v"] = _("end range") if self.state.end is None else _("no range")
        if self.state.track in self.state.pins:
            said["p"] = _("unpin")
        return [keys.MOVE, *said.items(), keys.ZOOM]

    def why_not(self, action: str) -> str:
        """Return why an action can do nothing now."""
        if why := super().why_not(action):
            return why
        return _("no mark is set: x sets one") if action == "marks" and not self.state.marks else ""

    # Moving

    def _change(self, state: TimelineState, **selected: object) -> None:
        """Take a new state, tell the other panes what is selected, and draw."""
        self.state = state
        if (shown := self._shown) is not None:
            self.state = replace(self.state, top=shown.top)
            line = shown.all_lines[shown.row] if shown.all_lines else None
            domain = None if line is None else shown.data.track(line).domain
            if domain is not None:
                selected["domain"] = domain
            if selected.keys() - {"domain"} or domain is not None:
                self.lbtui.select(**selected)
        self.repaint()

    def selection_changed(self, selection: Selection) -> None:
        """Follow the window, the instant, the domain and the request chosen elsewhere."""
        data = self.data
        if data is None:
            return
        track = data.by_key.get(self.state.track)
        if track is not None and selection.domain not in (None, data.track(track).domain):
            own = [line for line in data.lines if data.track(line).domain == selection.domain]
            if own:
                own.sort(key=lambda line: data.track(line).kind != data.track(track).kind)
                self.state = replace(self.state, track=data.track(own[0]).key, picked=None)
        self.repaint()

    def action_row(self, step: int) -> None:
        """Move the cursor over the tracks, or over the rows of the table."""
        if (shown := self._shown) is None or self.data is None:
            return
        if self.state.table:
            last = max(0, len(self._rows or ()) - 1)
            row = max(0, min(self.state.table_row + step, last))
            self.state = replace(self.state, table_row=row)
            self.repaint()
            return
        self._change(at_row(self.data, self.state, shown.row + step))

    def page_rows(self) -> int:
        """Return how many tracks are in view, but one."""
        shown = self._shown
        return 1 if shown is None else max(1, shown.at.lines - 1)

    def action_column(self, step: int) -> None:
        """Move the cursor over time; the window follows."""
        if (shown := self._shown) is None:
            return
        whole = shown.data.whole
        time = moved(shown.time, step, shown.window, shown.at.columns, whole)
        then = following(time, shown.window, whole)
        window = self.selection.window if then == shown.window else then
        self._change(replace(self.state, picked=None), time=time, window=window)

    def action_zoom(self, factor: float) -> None:
        """Zoom the shared window around the cursor, down to a µs a column."""
        if (shown := self._shown) is not None:
            window = zoomed(factor, shown.window, shown.data.whole, shown.time, shown.at.columns)
            self._change(self.state, window=window, time=shown.time)

    def action_whole(self) -> None:
        """Show the whole time."""
        self._change(self.state, window=None)

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
        self._change(
            replace(self.state, track=key, picked=index, text=text), time=span[0], window=self._or_all(window)
        )

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

    def action_slice(self) -> None:
        """Zoom to the slice or the bubble under the cursor."""
        data, shown = self.data, self._shown
        cursor = None if shown is None else shown.cursor
        if data is None or shown is None or cursor is None:
            return
        if cursor.slice is not None:
            begin, end = int(data.slices.start[cursor.slice]), data.slices.end(cursor.slice)
        elif cursor.bubble is not None:
            begin, end = cursor.bubble.begin, cursor.bubble.end
        else:
            return
        shift = self.state.shift(self.state.track)
        begin, end = (begin + shift) // 1000, (end + shift) // 1000 + 1
        length = max(shown.at.columns, (end - begin) * 5 // 4)
        first = max(data.whole[0], begin - (length - (end - begin)) // 2)
        window = first, min(data.whole[1], first + length)
        self._change(replace(self.state, picked=cursor.slice), time=begin, window=window)

    # One slice

    def _tell(self, index: int, done: Callable[[SliceFields], None], failed: Callable[[str], None]) -> None:
        """Read what a slice tells."""
        data = self.data
        assert data is not None

        def work() -> None:
            self.post_message(self.Told(data, index, data.reader.fields(data.slices, index), done))

        in_background(self, work, failed, group="timeline-slice")

    def on_timeline_pane_told(self, event: Told) -> None:
        """Hand on what was read."""
        event.stop()
        if self.data is not None and self.data.slices.start is event.before.slices.start:
            event.done(event.fields)

    def action_enter(self) -> None:
        """Open the page of the slice under the cursor; its fields are read only now."""
        data, shown = self.data, self._shown
        cursor = None if shown is None else shown.cursor
        if self.state.table or data is None or cursor is None or cursor.slice is None:
            return
        index = cursor.slice
        page = LinePage(slice_title(data, index), Text(), self._led)

        def told(fields: SliceFields | None, why: str = "") -> None:
            made = slice_page(data, index, fields, why, self.caps)
            page.show_lines(made.text, made.leads)

        first = slice_page(data, index, None, "", self.caps)
        page = LinePage(slice_title(data, index), first.text, self._led)
        self.lbtui.push_screen(page)
        self._tell(
            index, told, lambda why: told(None, _("its fields could not be read: {why}").format(why=why))
        )

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

    def _say(self, words: str) -> None:
        self.state = replace(self.state, doing=words)
        self.repaint()

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

    def on_timeline_pane_followed(self, event: Followed) -> None:
        """Light the slices of the request, from its first on."""
        event.stop()
        data, way = self.data, event.way
        if data is None or data.slices.start is not event.before.slices.start or way.request != self._wanted:
            return
        self._wanted = None
        if not way.slices:
            self._say(_("no slice names {request}").format(request=visible(way.request, 60)))
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
        self._change(replace(self.state, way=None, doing=""), request=None)

    def aimed(self, aim: Aim) -> None:
        """Follow the request that another pane points at."""
        if aim.request is not None:
            self._follow(aim.request)

    # Pins, alignment, marks, ranges

    def action_pin(self) -> None:
        """Keep the track under the cursor on top, or no longer."""
        self._change(pinned(self.state))

    def action_align(self) -> None:
        """Remember the slice under the cursor, or shift this track so that its own stands there."""
        data, shown = self.data, self._shown
        cursor = None if shown is None else shown.cursor
        if data is None or cursor is None:
            return
        time = cursor.time if cursor.slice is None else int(data.slices.start[cursor.slice])
        self._change(aligned(self.state, time))

    def action_range(self) -> None:
        """Begin a range at the cursor, end it there, or take it off."""
        if (shown := self._shown) is not None:
            self._change(ranged(self.state, shown.time))

    def action_mark(self) -> None:
        """Ask for a name, and set a mark at the cursor."""
        if (shown := self._shown) is None:
            return
        time = shown.time

        def answered(name: str) -> None:
            self._change(marked(self.state, " ".join(name.split()), time))

        self.lbtui.ask(
            _("name of the mark"),
            next_name(self.state.marks),
            lambda name: None if name.strip() else _("A mark needs a name."),
            answered,
        )

    def action_marks(self) -> None:
        """Let the user choose a mark to go to."""
        data = self.data
        if data is None:
            return
        if not self.state.marks:
            self.lbtui.push_screen(TextPage(_("Marks"), Text(_("No mark is set: x sets one at the cursor."))))
            return
        first = self.state.marks[0].time
        choices = [
            (
                mark.name,
                Text(
                    f"{visible(mark.name, 40):<16} {time_text(mark.time * 1000, date=data.dated)}"
                    f"  +{length_text((mark.time - first) * 1000)}"
                ),
            )
            for mark in self.state.marks
        ]
        self.lbtui.push_screen(Picker(_("Go to a mark"), choices, choices[0][0]), self._go_to_mark)

    def _go_to_mark(self, name: str | None) -> None:
        shown = self._shown
        mark = next((mark for mark in self.state.marks if mark.name == name), None)
        if mark is None or shown is None:
            return
        window = following(mark.time, shown.window, shown.data.whole)
        self._change(replace(self.state, picked=None), time=mark.time, window=self._or_all(window))

    # Statistics

    def action_table(self) -> None:
        """Change between the tracks and the statistics."""
        self._change(replace(self.state, table=not self.state.table, table_row=0))

    def _statistics(self, shown: Shown) -> list[NameFigures] | None:
        """Return the statistics of what is asked for, None while a worker makes them."""
        slices = shown.data.slices
        found = range_of(self.state, shown.time) if self.state.end is not None else None
        begin, end = found or shown.window
        places = tuple(line.place for line in shown.all_lines)
        asked = (slices, places, begin, end)
        if asked == self._asked:
            return self._rows
        self._asked, self._rows = asked, None

        def work() -> None:
            rows = timeline.statistics(slices, places, (begin * 1000, end * 1000))
            self.post_message(self.Counted(asked, rows))

        self.call_later(lambda: in_background(self, work, self._say, group="timeline-statistics"))
        return None

    def on_timeline_pane_counted(self, event: Counted) -> None:
        """Show the statistics."""
        event.stop()
        if event.asked == self._asked:
            self._rows = event.rows
            self.repaint()

    # Filter

    def filter_text(self) -> str:
        """Return the filter that is on."""
        return self.state.text

    def filter_grammar(self) -> str:
        """Return how a filter is written."""
        return grammar()

    def filter_problem(self, text: str) -> str | None:
        """Return what is wrong with a filter."""
        return None if self.data is None else problem(self.data, text)

    def filter_by(self, text: str) -> None:
        """Show the tracks that match; the cursor stays on its track if that is one."""
        if self.data is not None:
            state = replace(self.state, text=" ".join(text.split()))
            left = lines_left(self.data, state.text)
            if self.data.by_key.get(state.track) not in left and left:
                state = replace(state, track=self.data.track(left[0]).key, picked=None)
            self._change(state)

    def filter_undo(self) -> Callable[[], None]:
        """Return what shows the tracks shown now."""
        state = self.state
        return lambda: self._change(state)

    def go_out(self) -> bool:
        """Leave the table, the followed request, an anchor, the range, the filter."""
        state = self.state
        if state.table:
            self.action_table()
        elif state.way is not None or self._wanted is not None:
            self._follow_no_more()
        elif state.anchor is not None:
            self._change(replace(state, anchor=None))
        elif state.begin is not None:
            self._change(replace(state, begin=None, end=None))
        elif state.text:
            self.filter_by("")
        elif (
            state.doing
            and self.stage is Stage.READY
            and self.data is not None
            and not self.data.slices.sampled
        ):
            self._say("")
        else:
            return False
        return True

    # Mouse

    def on_click(self, event: events.Click) -> None:
        """Move the cursor to the track and the instant that were clicked."""
        shown = self._shown
        if shown is None or self.data is None or self.state.table:
            return
        row, time = shown.hit(event.x, event.y)
        state = self.state if row is None else at_row(self.data, self.state, row)
        if time is not None:
            self._change(replace(state, picked=None), time=time)
        elif row is not None:
            self._change(state)


class _Told(PaneProgress):
    """Progress of reading all slices, told in the pane's state line: the sample stands meanwhile."""

    def __init__(self, pane: TimelinePane, data: TimelineData) -> None:
        super().__init__(pane)
        self._timeline, self._data, self._said = pane, data, -1

    def advance(self, what: str, done: int, total: int) -> None:
        """Tell the pane; raise `Cancelled` when another reading has begun."""
        percent = min(99, done * 100 // max(1, total))
        super().advance(what, done, total)
        if percent != self._said:
            self._said = percent
            self._timeline.post_message(TimelinePane.Reading(self._data, percent))
