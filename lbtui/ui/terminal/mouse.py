"""Bursts of the mouse: what comes while the screen is busy with what came before is put together."""

from __future__ import annotations

import threading
from collections.abc import Callable

from textual import events
from textual.message import Message

# So many events may be under way, a click being three of them, and so many wait behind.
_UNDER_WAY = 3
_WAITING = 3


class MouseGate:
    """Gives events to `take`, which must tell `handled` of each; those too many to matter are dropped."""

    def __init__(self, take: Callable[[Message], object]) -> None:
        self._take = take
        self._lock = threading.RLock()
        self._under_way = 0
        self._waiting: list[events.MouseEvent] = []

    def put(self, event: events.MouseEvent) -> None:
        """Give an event, or keep it until there is time; called in the thread that reads."""
        with self._lock:
            if self._under_way < _UNDER_WAY and not self._waiting:
                self._give(event)
                return
            if self._waiting and type(event) is type(self._waiting[-1]):
                # Where the mouse is now is all that counts, and a wheel turned on is turned.
                self._waiting[-1] = event
                return
            self._waiting.append(event)
            if len(self._waiting) > _WAITING:
                # Never a release alone: what was taken hold of would not be let go.
                held = [type(one) is events.MouseUp for one in self._waiting]
                del self._waiting[held.index(False) if False in held else 0]

    def flush(self) -> None:
        """Give what waits: a key that was pressed after it must find it done."""
        with self._lock:
            waiting, self._waiting = self._waiting, []
            for event in waiting:
                self._give(event)

    def handled(self) -> None:
        """Take note that an event was handled; called on the event loop."""
        with self._lock:
            self._under_way -= 1
            if self._waiting and self._under_way < _UNDER_WAY:
                self._give(self._waiting.pop(0))

    def _give(self, event: events.MouseEvent) -> None:
        self._under_way += 1
        self._take(event)
