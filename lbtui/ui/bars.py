"""The lines that are the same in every pane: identity and panes on top, keys at the bottom."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rich.cells import cell_len
from rich.segment import Segment
from textual import events
from textual.message import Message

from lbtui.keymap import KEYS, printed_names, shown_first, shown_for
from lbtui.render.capabilities import Capabilities, Row
from lbtui.render.glyphs import spell_key
from lbtui.render.palette import cursor, dim, selected, severity, strong
from lbtui.render.text import fit_parts, printable, row, wrapped
from lbtui.text import _
from lbtui.ui.kit.picture import Picture
from lbtui.ui.kit.selection import SIDES, side_word

# Less than that holds no pane.
LEAST_COLUMNS, LEAST_ROWS = 60, 20
_USUAL = 80  # columns
# What the keys of the panes are called together.
_TABS = tuple(name for name, keys in KEYS.items() if name.startswith("app.") and keys.isdigit())


def identity_row(
    identity: str, incomplete: str, notes: tuple[str, str], width: int, caps: Capabilities, live: str = ""
) -> Row:
    """Return line 1: what this profile is, and at the right how much is to be minded about its data.

    Before it stands how it is watched; the notes stand last, the key that opens them and how many, empty for
    none.
    """
    warned = severity(caps, "warning")
    said = [
        [Segment(printable(live, caps), selected(caps))] if live else [],
        [Segment(printable(incomplete, caps), warned)] if incomplete else [],
        _notes_parts(notes, caps),
    ]
    right: Row = []
    for parts in filter(None, said):
        right += [Segment(printable(" · ", caps), warned), *parts] if right else parts
    room = _cells(right)
    left = fit_parts(identity, width - room - 1, caps=caps, style=strong(caps))
    return row(left, Segment(" "), right, width=width)


def _notes_parts(notes: tuple[str, str], caps: Capabilities) -> Row:
    key, words = notes
    if not words:
        return []
    return [
        Segment(f"{key if caps.unicode else spell_key(key)} ", strong(caps)),
        Segment(printable(words, caps), severity(caps, "warning")),
    ]


def tabs_row(
    tabs: Sequence[tuple[str, str]],
    current: str,
    width: int,
    caps: Capabilities,
    side: tuple[str, str] = ("b", ""),
) -> Row:
    """Return line 2: every pane with its key, the current one lit; at the right which side is shown.

    `side` has the key that shows the next, and which is shown, empty where there is none.
    """
    parts: list[Segment] = []
    for key, title in tabs:
        style = selected(caps) if key == current else dim(caps)
        shown = key if caps.unicode else spell_key(key)
        parts += [Segment(printable(f" {shown} {title} ", caps), style), Segment(" ")]
    room = width - Segment.get_line_length(parts)
    sides = _side_parts(*side, room, caps)
    used = Segment.get_line_length(sides)
    return row(row(parts, width=width - used), sides, width=width)


def _side_parts(key: str, side: str, room: int, caps: Capabilities) -> list[Segment]:
    """Return the sides with their key, the one shown lit, the others where there is room."""
    if not side:
        return []
    titles = {name: side_word(name) for name in SIDES}
    whole = sum(cell_len(title) + 2 for title in titles.values()) + 2
    parts = [Segment(f"{key if caps.unicode else spell_key(key)} ", strong(caps))]
    for name, title in titles.items():
        if name == side or whole <= room:
            parts.append(Segment(f" {title} ", cursor(caps) if name == side else dim(caps)))
    return parts


def tab_at(tabs: Sequence[tuple[str, str]], x: int) -> str | None:
    """Return the key of the pane whose tab is at column `x` of line 2."""
    place = 0
    for key, title in tabs:
        length = cell_len(f" {key} {title} ")
        if place <= x < place + length:
            return key
        place += length + 1
    return None


def keys_row(
    keys: Sequence[tuple[str, str]], general: Sequence[tuple[str, str]], width: int, caps: Capabilities
) -> Row:
    """Return the last line: as many keys as fit, the pane's own first, those that matter most before others.

    There is always room for the first and the last of the `general` ones: help, which tells of all others,
    and the way out; in a terminal of usual width also for the second, which finds them.
    """
    sure = 2 if width >= _USUAL else 1
    helped = [part for each in general[:-1][:sure] for part in _key_parts(*each, caps)]
    left = _key_parts(*general[-1], caps)
    parts = _fitting(keys, width - _cells(helped) - _cells(left), caps) + helped
    rest = _fitting(general[sure:-1], width - _cells(parts) - _cells(left), caps)
    return row(parts, rest, left, width=width)


def _fitting(keys: Sequence[tuple[str, str]], width: int, caps: Capabilities) -> list[Segment]:
    parts: list[Segment] = []
    for key, text in keys:
        more = _key_parts(key, text, caps)
        if _cells(parts) + _cells(more) > width:
            break
        parts += more
    return parts


def _key_parts(key: str, text: str, caps: Capabilities) -> list[Segment]:
    shown = key if caps.unicode else spell_key(key)
    return [Segment(f"{shown} ", strong(caps)), Segment(f"{printable(text, caps)}  ", dim(caps))]


def _cells(parts: Sequence[Segment]) -> int:
    return sum(segment.cell_length for segment in parts)


class TopBar(Picture):
    """Lines 1 and 2."""

    @dataclass
    class Chosen(Message):
        """A pane's tab was clicked."""

        key: str

    class NotesAsked(Message):
        """The notes were clicked."""

    class LinkAsked(Message):
        """The rest of line 1 was clicked."""

    def __init__(
        self, caps: Capabilities, tabs: Sequence[tuple[str, str]], changes: Mapping[str, str]
    ) -> None:
        super().__init__(id="top")
        self._changes = changes  # the keys of the actions that have others
        self._tab_keys = printed_names(name for name in KEYS if name.startswith("app."))
        self._caps = caps
        self._tabs = tabs
        self._identity = _("opening …")
        self._notes = ""
        self._incomplete = ""
        self._current = tabs[0][0]
        self._over = ""
        self._side = ""
        self._live = ""

    def show(
        self,
        *,
        identity: str | None = None,
        notes: str | None = None,
        current: str | None = None,
        over: str | None = None,
        side: str | None = None,
        incomplete: str | None = None,
    ) -> None:
        """Change what is said; `over` is what stands in the current pane's place, `incomplete` tells which
        panes could not be read to the end.
        """
        if incomplete == self._incomplete:
            return
        self._identity = self._identity if identity is None else identity
        self._notes = self._notes if notes is None else notes
        self._current = current or self._current
        self._over = self._over if over is None else over
        self._side = self._side if side is None else side
        self._incomplete = self._incomplete if incomplete is None else incomplete
        self.repaint()

    def offer(self, tabs: Sequence[tuple[str, str]]) -> None:
        """Change which panes there are; none while only runs are shown."""
        self._tabs = tabs
        self.repaint()

    def watched(self, live: str) -> None:
        """Change what is said of how the files are watched."""
        if live != self._live:
            self._live = live
            self.repaint()

    @property
    def _titled(self) -> Sequence[tuple[str, str]]:
        """The panes with their keys and titles as they are shown."""
        if not self._tabs:
            return [("", self._over)]
        lit = self._current if self._over else None
        return [
            (self._shown_key(key), f"{title} · {self._over}" if key == lit else title)
            for key, title in self._tabs
        ]

    def _shown_key(self, key: str) -> str:
        return shown_for(key, self._tab_keys, self._changes)

    @property
    def _lit(self) -> str:
        return self._shown_key(self._current) if self._tabs else ""

    @property
    def _noted(self) -> tuple[str, str]:
        return shown_first("app.notes", self._changes), self._notes

    def picture(self, width: int, height: int) -> list[Row]:
        """Return both lines."""
        side = shown_first("common.side", self._changes), self._side
        return [
            identity_row(self._identity, self._incomplete, self._noted, width, self._caps, self._live),
            tabs_row(self._titled, self._lit, width, self._caps, side),
        ]

    def on_click(self, event: events.Click) -> None:
        """Choose the pane whose tab was clicked; open the notes, or on the rest of line 1 the link."""
        notes = _cells(_notes_parts(self._noted, self._caps))
        if event.y == 0 and notes and event.x >= self.size.width - notes:
            self.post_message(self.NotesAsked())
        elif event.y == 0:
            self.post_message(self.LinkAsked())
        elif event.y == 1 and self._tabs and (key := tab_at(self._titled, event.x)):
            place = [shown for shown, _title in self._titled].index(key)
            self.post_message(self.Chosen(self._tabs[place][0]))


class BottomBar(Picture):
    """The last line."""

    def __init__(self, caps: Capabilities, last: str, changes: Mapping[str, str]) -> None:
        super().__init__(id="bottom")
        self._caps = caps
        self._changes = changes  # the keys of the actions that have others
        self._last = last  # key of a pane
        self._keys: list[tuple[str, str]] = []
        self._told = ""

    def tell(self, words: str) -> None:
        """Say something in the place of the pane's keys, or show these again."""
        if words != self._told:
            self._told = words
            self.repaint()

    def offer(self, last: str) -> None:
        """Change which is the last of the panes; empty while only runs are shown."""
        self._last = last
        self.repaint()

    def show(self, keys: list[tuple[str, str]]) -> None:
        """Change the keys."""
        if keys != self._keys:
            self._keys = keys
            self.repaint()

    def picture(self, width: int, height: int) -> list[Row]:
        """Return the line."""
        if self._told:
            return [fit_parts(f" {self._told}", width, caps=self._caps, style=selected(self._caps))]
        general = [
            (shown_first(name, self._changes), words)
            for name, words in (
                ("app.help", _("help")),
                ("app.actions", _("actions")),
                ("app.next-pane", _("panes")),
                ("app.quit", _("quit")),
            )
        ]
        if not self._last:
            del general[2]
        elif not any(name in self._changes for name in _TABS):
            general[2] = (f"1-{self._last}", _("panes"))
        return [keys_row(self._keys, general, width, self._caps)]


class RoomAsked(Picture):
    """Stands in for everything else where the terminal is too small for it."""

    def __init__(self, caps: Capabilities) -> None:
        super().__init__(id="room")
        self._caps = caps

    def picture(self, width: int, height: int) -> list[Row]:
        """Return the sentence, over as many lines as it takes."""
        sentence = _(
            "lbtui needs {columns} x {rows} cells; here are {width} x {height}. Enlarge, or q quits."
        )
        text = sentence.format(columns=LEAST_COLUMNS, rows=LEAST_ROWS, width=width, height=height)
        return wrapped(text, width, self._caps, None)[:height]
