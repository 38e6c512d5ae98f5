"""Where all of the Timeline pane stands for a size, and what of it is in view."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

from rich.cells import cell_len

from lbtui.analysis import timeline
from lbtui.analysis.timeline import Span
from lbtui.render.slices import From
from lbtui.render.table import first_visible
from lbtui.ui.kit.selection import Selection
from lbtui.ui.kit.window import Window, column_of, time_at, within
from lbtui.ui.panes.timeline.data import Line, TimelineData
from lbtui.ui.panes.timeline.state import TimelineState, Way, row_of, shown_lines
from lbtui.ui.panes.timeline.words import Cursor

_WIDE, _ROOMY = 110, 30  # columns, lines
_FIGURES = ((7, 0), (9, _WIDE), (11, _WIDE))  # cells of each figure, and from which width on it is shown
TOP = 2  # lines above the tracks
_ENTERS, _LEAVES = "Enqueue", "Dequeue"


@dataclass(frozen=True)
class Layout:
    """Cells of the label's parts, of the plot and of the figures; lines of tracks and of words."""

    host: int
    domain: int
    what: int
    columns: int
    figures: tuple[int, ...]
    lines: int
    reading: int

    @property
    def label(self) -> int:
        """How many cells the label takes, with a blank before and behind it."""
        return 1 + sum(each + 1 for each in (self.host, self.domain, self.what) if each)


@lru_cache(maxsize=64)
def layout(data: TimelineData, width: int, height: int) -> Layout:
    """Return where all stands in a pane of that size."""
    wide = width >= _WIDE
    # What is of no host has all of the label for what it is.
    placed = [line for line in data.lines if line.host or line.domain] or list(data.lines)
    hosts = max((cell_len(line.host) for line in placed), default=0)
    domains = max((cell_len(line.domain) for line in placed), default=0)
    whats = max((cell_len(narrow(line) if not wide else line.what) for line in placed), default=0)
    host, what = min(hosts, 22 if wide else 13), min(whats, 22 if wide else 11)
    figures = tuple(cells for cells, least in _FIGURES if width >= least)
    used = 1 + sum(each + 1 for each in (host, domains, what) if each)
    reading = 3 if height >= _ROOMY else 2
    lines = max(1, height - TOP - 1 - reading)
    return Layout(host, domains, what, max(1, width - used - sum(figures)), figures, lines, reading)


def narrow(line: Line) -> str:
    """Return what a track is where there is little room: without its process."""
    head, _blank, last = line.what.rpartition(" ")
    return head if last.isdigit() else line.what


@dataclass(frozen=True, eq=False)
class Shown:
    """What is drawn: data, state, what is selected, and where all stands."""

    data: TimelineData
    state: TimelineState
    selection: Selection
    at: Layout

    @cached_property
    def window(self) -> Window:
        """The part of the time that is shown (µs)."""
        return within(self.selection.window, self.data.whole)

    @cached_property
    def time(self) -> int:
        """The instant under the cursor (µs), the middle of the window if there is none in it."""
        time = self.selection.time
        if time is not None and self.window[0] <= time < self.window[1]:
            return time
        return time_at(self.at.columns // 2, self.window, self.at.columns)

    @cached_property
    def column(self) -> int:
        """The column of the cursor."""
        return max(0, min(self.at.columns - 1, column_of(self.time, self.window, self.at.columns)))

    @cached_property
    def all_lines(self) -> tuple[Line, ...]:
        """The tracks that a filter leaves, the pinned ones first."""
        return shown_lines(self.data, self.state)

    @cached_property
    def row(self) -> int:
        """Which of these the cursor is on."""
        return row_of(self.data, self.state)

    @cached_property
    def _pinned(self) -> int:
        known = sum(key in self.data.by_key for key in self.state.pins)
        return min(known, max(0, self.at.lines - 1), len(self.all_lines))

    @cached_property
    def top(self) -> int:
        """The first track in view below the pinned ones, as few further as the cursor needs."""
        left, room = len(self.all_lines) - self._pinned, self.at.lines - self._pinned
        if self.row < self._pinned:
            return max(0, min(self.state.top, left - room))
        return first_visible(self.row - self._pinned, self.state.top, room, left)

    @cached_property
    def lines(self) -> tuple[Line, ...]:
        """The tracks in view, top first."""
        first = self._pinned + self.top
        return (
            *self.all_lines[: self._pinned],
            *self.all_lines[first : first + self.at.lines - self._pinned],
        )

    def is_pinned(self, place: int) -> bool:
        """Whether the track at a place in view stays there."""
        return place < self._pinned

    def span(self, line: Line) -> Span:
        """Return the window in the time of a track (ns)."""
        shift = self.state.shift(self.data.track(line).key)
        return self.window[0] * 1000 - shift, self.window[1] * 1000 - shift

    @cached_property
    def cursor(self) -> Cursor | None:
        """What is under the cursor, None without a track."""
        if not self.all_lines:
            return None
        line = self.all_lines[self.row]
        slices, state = self.data.slices, self.state
        begin, end = self.span(line)
        columns, column = self.at.columns, self.column
        cell = begin + (end - begin) * column // columns, begin + (end - begin) * (column + 1) // columns
        time = self.time * 1000 - state.shift(self.data.track(line).key)
        found = state.picked
        bubble = None if found is not None else timeline.bubble_at(slices, line.place, time)
        if found is None:
            inside = timeline.holding(slices, line.place, time)
            near = None if bubble else timeline.at_cursor(slices, line.place, time, cell)
            found = inside[0] if inside else near
        return Cursor(line.place, time, cell, found, bubble)

    @cached_property
    def waits(self) -> tuple[tuple[int, Span], ...]:
        """Where the followed request waits in a queue: the place of a track, from when to when (ns)."""
        way = self.state.way
        return () if way is None else _waits(self.data, way)

    @cached_property
    def _rows(self) -> dict[int, int]:
        """The row of each track among all, by its place."""
        return {line.place: row for row, line in enumerate(self.all_lines)}

    @cached_property
    def steps(self) -> dict[int, tuple[tuple[int, From], ...]]:
        """The slices of the followed request by the place of their track, and where each came from."""
        way = self.state.way
        found: dict[int, list[tuple[int, From]]] = {}
        before: int | None = None
        for index in way.slices if way is not None else ():
            place = self.data.slices.track_of(index)
            found.setdefault(place, []).append((index, self._from(before, place)))
            before = place
        return {place: tuple(steps) for place, steps in found.items()}

    def _from(self, before: int | None, place: int) -> From:
        if before is None:
            return ""
        if before == place:
            return "before"
        return "above" if self._rows.get(before, -1) < self._rows.get(place, -1) else "below"

    def hops(self) -> Sequence[tuple[int, int, int, bool]]:
        """Return the hops in view: from row to row, in which column, and whether it is the one at the cursor.

        Where there are too many to be told apart it is that one alone.
        """
        way = self.state.way
        if way is None:
            return ()
        rows = {line.place: row for row, line in enumerate(self.lines)}
        found = []
        for step in range(1, len(way.slices)):
            here, before = (self.data.slices.track_of(way.slices[each]) for each in (step, step - 1))
            if here == before or here not in rows or before not in rows:
                continue
            column = self.column_at(self.data.by_place[here], int(self.data.slices.start[way.slices[step]]))
            if 0 <= column < self.at.columns:
                found.append((rows[before], rows[here], column, step == way.step))
        if len(found) * 4 > self.at.columns:
            return [hop for hop in found if hop[3]]
        return sorted(found, key=lambda hop: hop[3])

    def column_at(self, line: Line, time: int) -> int:
        """Return the column of an instant (ns) of a track; outside of them where it is out of view."""
        begin, end = self.span(line)
        return (time - begin) * self.at.columns // max(1, end - begin)

    def hit(self, x: int, y: int) -> tuple[int | None, int | None]:
        """Return the row among all tracks and the instant (µs) at a cell, None where there is none."""
        column = x - self.at.label
        time = time_at(column, self.window, self.at.columns) if 0 <= column < self.at.columns else None
        place = y - TOP
        if not 0 <= place < len(self.lines):
            return None, time
        return self._rows[self.lines[place].place], time


@lru_cache(maxsize=4)
def _waits(data: TimelineData, way: Way) -> tuple[tuple[int, Span], ...]:
    """Return where and when a request waits: from where it enters a queue to where it leaves it."""
    entered: dict[int, int] = {}
    found = []
    for index in way.slices:
        name, place = data.slices.names[data.slices.name[index]], data.slices.track_of(index)
        if name == _ENTERS:
            entered.setdefault(place, data.slices.end(index))
        elif name == _LEAVES and place in entered:
            found.append((place, (entered.pop(place), int(data.slices.start[index]))))
    return tuple(found)
