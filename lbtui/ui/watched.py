"""What of our screen watches the profile's files: when it looks, and what the panes are told."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from textual.message import Message
from textual.timer import Timer

from lbtui.render.capabilities import Capabilities
from lbtui.ui.bars import TopBar
from lbtui.ui.base import TerminalApp
from lbtui.ui.kit.background import in_background
from lbtui.ui.kit.selection import Selection
from lbtui.ui.opening import Asked
from lbtui.ui.watching import PERIOD, Look, Watch, look

if TYPE_CHECKING:
    from lbtui.profile import Profile
    from lbtui.ui.kit.pane import Pane
    from lbtui.ui.terminal.enquiry import Enquiry

_CLOCK = 1.0  # seconds between two tellings of how old the last event is
_SETTLING = 0.2


@dataclass
class Looked(Message):
    """A worker has looked for what is new in the files of a profile."""

    of: Profile
    found: Look


class WatchedApp(TerminalApp):
    """An app whose panes show a profile, and what comes to its files."""

    def __init__(self, asked: Asked, caps: Capabilities, enquiry: Enquiry | None = None) -> None:
        super().__init__(caps, enquiry)
        self.asked = asked
        self.profile: Profile | None = None
        self.panes: dict[str, Pane] = {}
        self.selection = Selection()
        self.watching = Watch()
        self._clock: Timer | None = None
        self._next_look: Timer | None = None
        self._moves = True  # whether what is selected is a move of the user's

    @abstractmethod
    def select(self, **changes: Any) -> None:
        """Change the shared selection and tell all panes."""

    def action_watch(self) -> None:
        """Look every few seconds for what comes to the files, or end that."""
        self.watching.toggle()
        self._show_watch()
        if self._clock is None:
            self._clock = self.set_interval(_CLOCK, self._show_watch)
        if self.watching.on:
            self._clock.resume()
            self._look()
        else:
            self._clock.pause()

    def _show_watch(self) -> None:
        # While the screens come and go there is no line to say it in.
        for bar in (bar for screen in self.screen_stack[:1] for bar in screen.query(TopBar)):
            bar.watched(self.watching.words())

    @contextmanager
    def moved_by_nobody(self) -> Iterator[None]:
        """Take what is selected meanwhile for no move of the user's."""
        before, self._moves = self._moves, False
        try:
            yield
        finally:
            self._moves = before

    def watch_moved(self, selection: Selection) -> None:
        """Take note of where the user has moved to in time."""
        if self._moves:
            self.watching.moved(selection.window, selection.time)

    def follow_end(self) -> None:
        """Select the end of what is there, where it is followed."""
        if (end := self.watching.at_end(self.selection.window)) is not None:
            with self.moved_by_nobody():
                self.select(**end)

    def _look(self) -> None:
        """Look for what is new, unless something is being read: then a little later."""
        watch, profile, asked = self.watching, self.profile, self.asked
        given = asked.path, asked.experts, asked.placement, asked.capture, asked.raw
        if not watch.on:
            return
        if profile is None or len(self.screen_stack) > 1 or self._reads():
            # The first look is for the end, to go there.
            self._look_in(PERIOD if watch.shown else _SETTLING)
            return
        kept = watch.begin()
        shown, before = watch.shown, watch.before

        def work() -> None:
            self.post_message(Looked(profile, look(given, shown, before, kept)))

        def failed(why: str) -> None:
            self.post_message(Looked(profile, Look(None, why=why)))

        in_background(self, work, failed, group="watch")

    def _look_in(self, seconds: float) -> None:
        if self._next_look is not None:
            self._next_look.stop()
        self._next_look = self.set_timer(seconds, self._look)

    def _reads(self) -> bool:
        return any(not worker.is_finished for worker in self.workers)

    def on_looked(self, event: Looked) -> None:
        """Have the panes show what was found, and look again once they do."""
        if not self.watching.on or event.of is not self.profile:
            if self.watching.on:
                self._look_in(PERIOD)
            return
        self.watching.take(event.found)
        if (profile := event.found.profile) is not None:
            self.profile = profile
            for pane in self.panes.values():
                pane.renew(profile)
        self._show_watch()
        self._look_again()

    def _look_again(self) -> None:
        """Wait until all is read, and then as long as that asks for."""
        if self._reads():
            self.set_timer(_SETTLING, self._look_again)
        else:
            self._look_in(self.watching.pause())
