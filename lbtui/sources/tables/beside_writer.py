"""Where SQLite reads all that was committed to a database, beside who writes to it or after that broke off.

In WAL mode commits stand in `-wal`, and in `-shm` what readers and writers tell each other. Opened in other
ways than these, a database lacks rows, or SQLite makes, changes or removes files beside it.
"""

from __future__ import annotations

import atexit
import os
import shutil
import sqlite3
import tempfile
import threading
from contextlib import ExitStack, closing
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from urllib.parse import quote

from lbtui.endings import before_force
from lbtui.own_folder import in_profile
from lbtui.profile import Unreadable
from lbtui.sources.failure import unreadable_on_failure
from lbtui.sources.snapshot import Identity, identity_of
from lbtui.text import _, visible

_MOST_COPIED = 1 << 30  # bytes of all copies together
_TRIES = 3
_UNLOCKED = "mode=ro&immutable=1"


@dataclass(frozen=True)
class Place:
    """A database file, and how SQLite is to open it."""

    file: Path
    how: str
    still: bool  # right only as long as nobody writes to the file

    @property
    def uri(self) -> str:
        """The same for SQLite."""
        # As bytes: a folder's name need not be UTF-8.
        return f"file:{quote(os.fsencode(self.file))}?{self.how}"

    @property
    def unlocked(self) -> bool:
        """Whether SQLite takes no locks: nobody is known to write to the file."""
        return self.how == _UNLOCKED


def place_of(path: Path) -> Place:
    """Return from where a database is read. Raises `Unreadable` where no copy can be had that it takes."""
    journal, shared = beside(path)
    written = identity_of(journal)
    # From a file without a byte SQLite would infer that its journal is of no use, and remove it.
    if written is None or not _size(identity_of(path)):
        return Place(path, _UNLOCKED, still=True)
    if identity_of(shared) is not None:
        return Place(path, "mode=ro&readonly_shm=1", still=False)
    if not _size(written):
        return Place(path, _UNLOCKED, still=True)
    return Place(_copies.of(path, journal), _UNLOCKED, still=False)


def beside(path: Path) -> tuple[Path, Path]:
    """Return where SQLite puts the journal of a database in WAL mode, and what its users share."""
    return path.with_name(f"{path.name}-wal"), path.with_name(f"{path.name}-shm")


def _size(identity: Identity) -> int:
    return 0 if identity is None else identity[2]


@dataclass(frozen=True)
class _Copy:
    of: tuple[Identity, Identity]
    file: Path
    size: int


class _Copies:
    """Databases of which nobody holds the `-shm` that reading their journal takes: copied, each once.

    They lie in a folder of lbtui's that is removed when it ends.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._folder: Path | None = None
        self._made: dict[Path, _Copy] = {}
        self._numbers = count()

    def of(self, path: Path, journal: Path) -> Path:
        """Return a copy with all that is in both. Raises `Unreadable`."""
        with self._lock, unreadable_on_failure(path):
            for _try in range(_TRIES):
                found = identity_of(path), identity_of(journal)
                known = self._made.get(path)
                if known is not None and known.of == found:
                    return known.file
                copied = self._copied(path, journal, sum(map(_size, found)))
                # What is written meanwhile may be in one of the copies only, or in a part of it.
                self._made[path] = _Copy(found, copied, sum(map(_size, found)))
                if (identity_of(path), identity_of(journal)) == found:
                    return copied
        text = _("{file} is being written in a way that cannot be read meanwhile; R tries again.")
        raise Unreadable(text.format(file=visible(path.name)))

    def _copied(self, path: Path, journal: Path, size: int) -> Path:
        before = self._made.pop(path, None)
        if before is not None:
            before.file.unlink(missing_ok=True)
        if size + sum(copy.size for copy in self._made.values()) > _MOST_COPIED:
            text = _(
                "Rows in {journal} can only be read from a copy, and lbtui copies no more than {most} MB; "
                "`sqlite3 {database} 'PRAGMA wal_checkpoint'` on a copy of both moves them in."
            )
            names = {"journal": visible(journal.name), "database": visible(path.name)}
            raise Unreadable(text.format(**names, most=_MOST_COPIED // 10**6))
        copy = self._own_folder(path) / f"{next(self._numbers)}.db"
        shutil.copyfile(path, copy)
        shutil.copyfile(journal, beside(copy)[0])
        # What is no journal, or of another database, SQLite leaves out.
        with closing(sqlite3.connect(copy)) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return copy

    def _own_folder(self, path: Path) -> Path:
        if self._folder is None:
            above = Path(tempfile.gettempdir())
            if in_profile(above, path):
                text = _("{folder}, where temporary files go, lies in the profile's folder: set TMPDIR.")
                raise Unreadable(text.format(folder=visible(str(above))))
            folder = Path(tempfile.mkdtemp(prefix="lbtui-"))
            ending = ExitStack()
            ending.callback(shutil.rmtree, folder, ignore_errors=True)
            ending.enter_context(before_force(lambda: shutil.rmtree(folder, ignore_errors=True)))
            atexit.register(ending.close)
            self._folder = folder
        return self._folder


_copies = _Copies()
