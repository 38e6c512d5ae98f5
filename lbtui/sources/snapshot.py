"""What the files of an output were when it was opened: later readings of others are refused, not mixed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeAlias

from lbtui.profile import Unreadable
from lbtui.text import _, visible

# Device, inode, bytes, time of the last change of the content in ns; None where there is no file.
Identity: TypeAlias = "tuple[int, int, int, int] | None"


def identity_of(path: Path) -> Identity:
    """Return which file lies at the path, and as of when."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


def is_rewritten(before: Identity, now: Identity) -> bool:
    """Tell whether a file is still there, with other bytes in it."""
    return before is not None and now is not None and before[:2] == now[:2] and before != now


def is_longer(before: Identity, now: Identity) -> bool:
    """Tell whether a file is still there, with no fewer bytes in it."""
    return before is not None and now is not None and before[:2] == now[:2] and before[2] <= now[2]


class Snapshot:
    """The identity of each of some files, as it was when this was made.

    To those that are `growing` records may be added: only what was there at first is read of them.
    """

    def __init__(self, files: Iterable[Path], growing: Iterable[Path] = ()) -> None:
        self._growing = frozenset(growing)
        self._known = {path: identity_of(path) for path in (*files, *self._growing)}

    @contextmanager
    def unchanged(self, files: Iterable[Path]) -> Iterator[None]:
        """Raise `Unreadable` where one of the files is another, or written to, before or after what is done.

        So parts of two files, or of one before and after it was written to, never come into one picture.
        """
        looked_at = tuple(files)
        self._check(looked_at)
        yield
        self._check(looked_at)

    def _check(self, files: Iterable[Path]) -> None:
        for path in files:
            now = identity_of(path)
            if path not in self._known or now == self._known[path]:
                continue
            if path not in self._growing or not is_longer(self._known[path], now):
                text = (
                    _("{file} was removed while it was open; R looks for it again.")
                    if now is None
                    else _("{file} changed while it was open; R reads it again.")
                )
                raise Unreadable(text.format(file=visible(path.name)))
