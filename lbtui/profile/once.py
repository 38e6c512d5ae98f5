"""Values computed once, whichever of several threads asks first."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

from lbtui.profile.progress import Cancelled, Progress

_T = TypeVar("_T")


class Once(Generic[_T]):
    """A loader whose result is kept; a second caller waits for the first and is told how far that is.

    The loading is cancelled, and forgotten, once nobody waits for it any more; it is cut where any of those
    who wait has enough.
    """

    def __init__(self, load: Callable[[Progress], _T]) -> None:
        self._load = load
        self._lock = threading.Lock()
        self._waiting = _All()
        self._kept: list[_T] = []

    @property
    def kept(self) -> _T | None:
        """The result, None until it is loaded."""
        return self._kept[0] if self._kept else None

    def __call__(self, progress: Progress) -> _T:
        """Return the result, loaded at the first call that was not cancelled."""
        if self._kept:
            return self._kept[0]
        self._waiting.add(progress)
        try:
            with self._lock:
                if not self._kept:
                    # While this one waited it may have been told, and raised.
                    self._waiting.add(progress)
                    self._kept.append(self._load(self._waiting))
                return self._kept[0]
        finally:
            self._waiting.remove(progress)


class _All(Progress):
    """The progress of all who wait for the same."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._members: list[Progress] = []

    def add(self, progress: Progress) -> None:
        with self._lock:
            if not any(member is progress for member in self._members):
                self._members.append(progress)

    def remove(self, progress: Progress) -> None:
        with self._lock:
            self._members = [member for member in self._members if member is not progress]

    def advance(self, what: str, done: int, total: int) -> None:
        self._tell(lambda member: member.advance(what, done, total))

    def wants_more(self, what: str, done: int, total: int) -> bool:
        return all(self._tell(lambda member: member.wants_more(what, done, total)))

    def _tell(self, tell: Callable[[Progress], _T]) -> list[_T]:
        """Return what the members say; whoever is cancelled waits no more. Raises when nobody is left."""
        said = []
        for member in self._members:
            try:
                said.append(tell(member))
            except Cancelled:
                self.remove(member)
        if not self._members:
            raise Cancelled
        return said
