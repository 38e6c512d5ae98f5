"""Orders of a table: made one at a time, beside the event loop, one of them ahead of its key."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

from lbtui.profile import Cancelled

Wanted = TypeVar("Wanted")
Made = TypeVar("Made")


class Orders(Generic[Wanted, Made]):
    """Makes what is wanted with `make`. Two threads at once would take the memory of two: one waits."""

    def __init__(self, make: Callable[[Wanted], Made]) -> None:
        self._make = make
        self._lock = threading.Lock()
        self._ahead: tuple[Wanted, Made] | None = None

    def ready(self, wanted: Wanted) -> Made | None:
        """Return an order that was made ahead, None if another was."""
        ahead = self._ahead
        return ahead[1] if ahead is not None and ahead[0] == wanted else None

    def make(self, wanted: Wanted, is_cancelled: Callable[[], bool]) -> Made:
        """Return an order; raises `Cancelled` where it was cancelled before its turn came."""
        with self._lock:
            if is_cancelled():
                raise Cancelled
            return self.ready(wanted) or self._make(wanted)

    def make_ahead(self, wanted: Wanted, is_cancelled: Callable[[], bool]) -> None:
        """Keep an order for when it is asked for, and no other; raises as `make` does."""
        with self._lock:
            if is_cancelled():
                raise Cancelled
            self._ahead = None
            self._ahead = wanted, self._make(wanted)


class Pressed:
    """What was pressed for a row while another order was still to come: done once that is shown."""

    def __init__(self) -> None:
        self._act: Callable[[], None] | None = None

    def waits(self, act: Callable[[], None], *, coming: bool) -> bool:
        """Tell whether it is kept for the order that comes; the last one pressed is."""
        self._act = act if coming else None
        return coming

    def do(self) -> None:
        """Do it: the order is shown."""
        act, self._act = self._act, None
        if act is not None:
            act()

    def drop(self) -> None:
        """Forget it: the order does not come, or another is asked for."""
        self._act = None
