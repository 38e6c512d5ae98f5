"""Values computed once, whichever of several threads asks first."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

from lbtui.profile import Progress

_T = TypeVar("_T")


class Once(Generic[_T]):
    """A loader whose result is kept; a second caller waits for the first, a cancelled one is forgotten."""

    def __init__(self, load: Callable[[Progress], _T]) -> None:
        self._load = load
        self._lock = threading.Lock()
        self._kept: list[_T] = []

    def __call__(self, progress: Progress) -> _T:
        """Return the result, loaded at the first call that was not cancelled."""
        with self._lock:
            if not self._kept:
                self._kept.append(self._load(progress))
            return self._kept[0]
