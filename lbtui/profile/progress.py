"""How a loader tells how far it is, and learns that nobody waits for it any more, or for no more of it."""

from __future__ import annotations

import time
from typing import Protocol


class Cancelled(Exception):
    """Raised inside a loader after the user cancelled it."""


class Progress(Protocol):
    """What a loader reports to; an implementation raises `Cancelled` from `advance` to stop the loader."""

    def advance(self, what: str, done: int, total: int) -> None:
        """Tell that `done` of `total` bytes of the file `what` are read. Called a few times a second."""

    def wants_more(self, what: str, done: int, total: int) -> bool:
        """Tell what `advance` does, where the part read so far is of use by itself.

        Returns False where this part is enough: the reader gives it, with a `Note` that has its `Cut`, and
        tells by `advance` that so many of so many bytes are read.
        """
        self.advance(what, done, total)
        return True


class Silent(Progress):
    """A Progress that nobody watches."""

    def advance(self, what: str, done: int, total: int) -> None:
        """Do nothing."""


class ForAWhile(Progress):
    """The progress of one who waits for so many seconds (s), or until others do; then the reading ends."""

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    def advance(self, what: str, done: int, total: int) -> None:
        """Raise `Cancelled` when the time is over."""
        if time.monotonic() > self._end:
            raise Cancelled


class UpTo(Progress):
    """The progress of a reader that is to stop where another did: at `end` bytes, None for all of the file.

    Nothing less is taken: it can be cancelled, but not be cut.
    """

    def __init__(self, progress: Progress, end: int | None) -> None:
        self._progress = progress
        self._end = end

    def advance(self, what: str, done: int, total: int) -> None:
        """Tell how far it is."""
        self._progress.advance(what, done, total)

    def wants_more(self, what: str, done: int, total: int) -> bool:
        """Return whether the end lies further on."""
        self.advance(what, done, total)
        return self._end is None or done < self._end
