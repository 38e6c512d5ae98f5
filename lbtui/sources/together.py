"""One progress told by several threads."""

from __future__ import annotations

import threading

from lbtui.profile import Cancelled, Progress


class Together(Progress):
    """The progress of files of `total` bytes in all, told by several threads; a cancel reaches each of them.

    `cancelled` is what the progress raised, if it did.
    """

    def __init__(self, progress: Progress, total: int) -> None:
        self.cancelled: Cancelled | None = None
        self._progress = progress
        self._total = total
        self._done: dict[str, int] = {}
        self._lock = threading.Lock()

    def advance(self, what: str, done: int, total: int) -> None:
        """Tell that `done` of `total` bytes of one file are read; less than was told before counts as that.

        Raises `Cancelled` in whichever thread, once the progress did.
        """
        with self._lock:
            if self.cancelled:
                raise self.cancelled
            self._done[what] = max(self._done.get(what, 0), min(done, total))
            try:
                self._progress.advance(what, min(sum(self._done.values()), self._total), self._total)
            except Cancelled as cancelled:
                self.cancelled = cancelled
                raise
