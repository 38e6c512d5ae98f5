"""The Timeline pane: what its keys do, and what it shares with the other panes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import ClassVar

import polars as pl
from rich.text import Text
from textual import events
from textual.binding import BindingType
from textual.message import Message

from lbtui.analysis import timeline
from lbtui.analysis.timeline import NameFigures
from lbtui.render.canvas import Canvas
from lbtui.render.capabilities import Row
from lbtui.render.text import padded
from lbtui.text import _, visible
from lbtui.ui.kit import keys
from lbtui.ui.kit.background import in_background
from lbtui.ui.kit.pages import Picker, TextPage
from lbtui.ui.kit.pane import HelpEntry, Stage
from lbtui.ui.kit.parts import Taken
from lbtui.ui.kit.selection import Selection
from lbtui.ui.kit.window import Window, following, moved, zoomed
from lbtui.ui.panes.timeline import at as timeline_at
from lbtui.ui.panes.timeline import keys as timeline_keys
from lbtui.ui.panes.timeline import statistics, view
from lbtui.ui.panes.timeline.data import grammar, lines_left, problem
from lbtui.ui.panes.timeline.following import TimelineFollowing
from lbtui.ui.panes.timeline.help import entries
from lbtui.ui.panes.timeline.layout import Shown
from lbtui.ui.panes.timeline.state import aligned, at_row, marked, next_name, pinned, ranged
from lbtui.ui.panes.timeline.words import length_text, time_text


class TimelinePane(TimelineFollowing):
    """Tracks of slices over time; one request is followed through all of them."""

    KEY: ClassVar[str] = "7"
    TITLE: ClassVar[str] = _("Timeline")
    TAKES_PARTS: ClassVar[bool] = False
    BINDINGS: ClassVar[list[BindingType]] = timeline_keys.BINDINGS

    @dataclass
    class Counted(Message):
        """A worker has made the statistics of a range."""

        asked: tuple[object, ...]
        rows: list[NameFigures]

    _asked: tuple[object, ...] = ()
    _rows: list[NameFigures] | None = None

    def _forget(self) -> None:
        """Keep nothing of other slices."""
        self._asked, self._rows = (), None
        timeline.forget()
        view.forget()

    # Drawing

    def draw(self, width: int, height: int) -> list[Row]:
        """Return the tracks, or the statistics."""
        canvas = Canvas(width, height, self.caps)
        shown = self._shown_in(width, height)
        if shown is None:
            assert self.data is not None
            return view.empty_rows(self.data, (), canvas)
        if self.state.table:
            return statistics.draw_statistics(shown, self._statistics(shown), canvas)
        return view.draw(shown, canvas)

    def copied(self) -> str:
        """Return the slice, bubble or column under the cursor with its time; of the table the row."""
        if (shown := self._shown) is None:
            return ""
        return statistics.copied_text(shown, self._rows) if self.state.table else view.copied_text(shown)

    def table_rows(self) -> Callable[[], pl.DataFrame] | None:
        """Return what makes the rows of the statistics, where these are shown."""
        rows = self._rows if self.state.table else None
        return None if not rows else lambda: pl.DataFrame([asdict(row) for row in rows])

    def help_entries(self) -> list[HelpEntry]:
        """Return every quantity."""
        return entries(self.data)

    def keys_now(self) -> list[tuple[str, str]]:
        """Return the keys that matter now, those for what is on as what they would do next."""
        if self.state.table:
            return [keys.MOVE_ROWS, ("t", _("tracks")), keys.ZOOM]
        said = dict(super().keys_now())
        if self.state.way is not None:
            only = _("all tracks") if self.state.only else _("only its tracks")
            said = {"n": _("next step"), "o": only} | said | {"f": _("follow no more"), "n": _("next step")}
        if self.state.begin is not None:
            said["v"] = _("end range") if self.state.end is None else _("no range")
        if self.state.track in self.state.pins:
            said["p"] = _("unpin")
        return [keys.MOVE, *said.items(), keys.ZOOM]

    def why_not(self, action: str) -> str:
        """Return why an action can do nothing now."""
        if why := super().why_not(action):
            return why
        if action == "only" and self.state.way is None:
            return _("no request is followed: f on a slice")
        return _("no mark is set: x sets one") if action == "marks" and not self.state.marks else ""

    # Moving

    def selection_changed(self, selection: Selection) -> None:
        """Follow the window, the instant, the domain and the request chosen elsewhere."""
        data = self.data
        changed, self._domain = selection.domain != self._domain, selection.domain
        if selection.time != self._time:
            self._time = selection.time
            self.state = replace(self.state, picked=None)
        if data is None:
            return
        track = data.by_key.get(self.state.track)
        if changed and track is not None and selection.domain not in (None, data.track(track).domain):
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
        # A bubble begins where the pass before it ends.
        time = begin if cursor.slice is not None else begin + 1
        self._change(replace(self.state, picked=cursor.slice), time=time, window=window)

    # In words

    def whole_time(self) -> Window | None:
        """Return the time of all slices."""
        return None if self.data is None else self.data.whole

    def parts(self) -> dict[str, str]:
        """Return what is chosen."""
        shown = self._shown
        state = self.state if shown is None else replace(self.state, top=shown.top)
        return timeline_at.parts_of(state, self.whole_time())

    def forget_said(self) -> None:
        """Say no more what a key was answered with, where nothing is being read."""
        if self.state.doing and self.stage is Stage.READY and self.data and not self.data.slices.sampled:
            self._say("")

    def take_parts(self, taken: Taken) -> None:
        """Take it; of a sample again once all slices are read."""
        if self.data is None:
            return
        self._told = taken.parts
        self.state = timeline_at.with_parts(self.data, self.state, taken)
        self._follow_told()

    # Pins, alignment, marks, ranges

    def action_pin(self) -> None:
        """Keep the track under the cursor on top, or no longer."""
        self._change(pinned(self.state))

    def action_only(self) -> None:
        """Show only the tracks of the followed request, or all again."""
        if self.state.way is not None:
            self._change(replace(self.state, only=not self.state.only))

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
            self.lbtui.marks_changed(self)

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
                    f"{padded(visible(mark.name, 40), 16)} {time_text(mark.time * 1000, date=data.dated)}"
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
        (begin, end), _ranged = statistics.range_shown(shown)
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
