"""Files that appear in a folder all together or not at all."""

from __future__ import annotations

import errno
import os
import stat
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import BinaryIO
from uuid import uuid4

from lbtui import endings

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_ANEW = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC


@dataclass
class Together:
    """Files being written beside the folder's own; `names` are those complete so far.

    All is done by the folder itself, not by its path: that may come to lead elsewhere meanwhile.
    """

    _folder: int
    _beside: int
    _beside_name: str
    _replace: bool
    names: list[str] = field(default_factory=list)
    _moving: threading.Lock = field(default_factory=threading.Lock)

    def write(self, name: str, write: Callable[[BinaryIO], None]) -> None:
        """Write one of the files, if need be once more from its beginning; raises what `write` raises."""
        with os.fdopen(os.open(name, _ANEW, 0o666, dir_fd=self._beside), "wb") as file:
            write(file)
        self.names.append(name)

    def exists(self, name: str) -> bool:
        """Tell whether the folder holds something of that name."""
        try:
            os.stat(name, dir_fd=self._folder, follow_symlinks=False)
        except FileNotFoundError:
            return False
        return True

    def show(self) -> None:
        """Put all files in their places; raises `OSError`, with everything as before, if one cannot be."""
        undo: list[Callable[[], object]] = []
        with self._moving:
            try:
                for name in self.names:
                    self._place(name, undo)
            except BaseException:
                for act in reversed(undo):
                    with suppress(OSError):
                        act()
                raise

    def _place(self, name: str, undo: list[Callable[[], object]]) -> None:
        if self._replace and self.exists(name):
            old = f"{name}.old"
            if stat.S_ISDIR(os.stat(name, dir_fd=self._folder, follow_symlinks=False).st_mode):
                raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), name)
            # A link is moved, not followed.
            os.rename(name, old, src_dir_fd=self._folder, dst_dir_fd=self._beside)
            undo.append(partial(os.rename, old, name, src_dir_fd=self._beside, dst_dir_fd=self._folder))
        # A place of our own first: what others put there since then is not replaced.
        os.close(os.open(name, _NEW, 0o666, dir_fd=self._folder))
        undo.append(partial(os.unlink, name, dir_fd=self._folder))
        os.rename(name, name, src_dir_fd=self._beside, dst_dir_fd=self._folder)

    def remove(self) -> None:
        """Remove what was written beside, and what was put aside."""
        with self._moving, suppress(OSError):
            with os.scandir(self._beside) as entries:
                names = [entry.name for entry in entries]
            for name in names:
                os.unlink(name, dir_fd=self._beside)
            os.rmdir(self._beside_name, dir_fd=self._folder)

    def abandon(self) -> None:
        """Remove it for good, before the process ends: nothing is put in its place any more."""
        self.remove()
        self._moving.acquire()


@contextmanager
def together(folder: Path, *, replace: bool) -> Iterator[Together]:
    """Let files be written that appear in `folder`, made if need be, once the block ends without an error.

    Where it ends with one, or the process by a signal, everything is as it was before. With `replace` they
    take the place of those there; else `FileExistsError` is raised. Raises what the system raises.
    """
    made = _make(folder)
    try:
        opened = os.open(folder, _FOLDER)
        try:
            yield from _written(opened, replace)
        finally:
            os.close(opened)
    except BaseException:
        with suppress(OSError):
            for path in made:
                path.rmdir()
        raise


def _written(folder: int, replace: bool) -> Iterator[Together]:
    beside_name = f".lbtui-export-{uuid4().hex}"
    os.mkdir(beside_name, 0o700, dir_fd=folder)
    beside = os.open(beside_name, _FOLDER | os.O_NOFOLLOW, dir_fd=folder)
    files = Together(folder, beside, beside_name, replace)
    try:
        with endings.before_force(files.abandon):
            yield files
            files.show()
    finally:
        files.remove()
        os.close(beside)


def _make(folder: Path) -> list[Path]:
    """Make a folder and those above it; return the new ones, innermost first."""
    new = [path for path in (folder, *folder.parents) if not os.path.lexists(path)]
    folder.mkdir(parents=True, exist_ok=True)
    return new
