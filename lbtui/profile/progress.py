"""How a loader tells how far it is, and learns that nobody waits for it any more."""

from __future__ import annotations

from typing import Protocol


class Cancelled(Exception):
    """Raised inside a loader after the user cancelled it."""


class Progress(Protocol):
    """What a loader reports to; an implementation raises `Cancelled` from `advance` to stop the loader."""

    def advance(self, what: str, done: int, total: int) -> None:
        """Tell that `done` of `total` bytes of the file `what` are read. Called a few times a second."""


class Silent:
    """A Progress that nobody watches."""

    def advance(self, what: str, done: int, total: int) -> None:
        """Do nothing."""
