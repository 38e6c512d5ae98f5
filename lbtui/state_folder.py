"""The folders of the user's in which lbtui keeps things: private, and never that of a profile."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from pathlib import Path

from lbtui.text import _

_FOLDER, _FILE = 0o700, 0o600


def state_folder(environment: Mapping[str, str]) -> Path | None:
    """Return `$XDG_STATE_HOME/lbtui`, there yet or not; None without that and a home.

    As the base directory specification has it, a path that is not absolute counts for none.
    """
    return _folder(environment, "XDG_STATE_HOME", ".local/state")


def cache_folder(environment: Mapping[str, str]) -> Path | None:
    """Return `$XDG_CACHE_HOME/lbtui`, whose files anyone may remove at any time, as `state_folder` does."""
    return _folder(environment, "XDG_CACHE_HOME", ".cache")


def _folder(environment: Mapping[str, str], variable: str, at_home: str) -> Path | None:
    base, home = environment.get(variable, ""), environment.get("HOME", "")
    if Path(base).is_absolute():
        return Path(base, "lbtui")
    return Path(home, at_home, "lbtui") if Path(home).is_absolute() else None


def content_of(path: Path, most: int) -> bytes:
    """Return a file that lbtui kept, no more than `most` bytes of it.

    Raises `OSError` where it cannot be read, is no regular file or another user's. Links are not followed.
    """
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOFOLLOW
    with os.fdopen(os.open(path, flags), "rb") as file:
        found = os.fstat(file.fileno())
        if not stat.S_ISREG(found.st_mode):
            raise OSError(_("it is no regular file"))
        if found.st_uid != os.geteuid():
            raise OSError(_("it is another user's"))
        return file.read(most)


def keep(folder: Path, name: str, data: bytes) -> Path:
    """Write a file of such a folder anew, that only the user may read; return its path.

    It takes the place of the one before at once and whole, a link there is replaced and not followed. Raises
    `OSError` where it cannot be written, or the folder is another user's.
    """
    make_private(folder)
    path, new = folder / name, folder / f".{name}.{os.getpid()}"
    # One that a process of this number has left is no longer of use.
    new.unlink(missing_ok=True)
    try:
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _FILE), "wb") as file:
            file.write(data)
        new.replace(path)
    except OSError:
        new.unlink(missing_ok=True)
        raise
    return path


def make_private(folder: Path) -> None:
    """Make a folder, or that of an older lbtui, the user's alone; raises `OSError` as `keep` does.

    A link there has to be the user's, too: of another's nobody knows where it will lead.
    """
    _make(folder)
    found = folder.stat()
    if {found.st_uid, folder.lstat().st_uid} != {os.geteuid()}:
        raise OSError(_("the folder is another user's"))
    if found.st_mode & 0o777 != _FOLDER:
        folder.chmod(_FOLDER)


def _make(folder: Path) -> None:
    """Make a folder and those above it that are not there, all private."""
    if not folder.is_dir():
        _make(folder.parent)
        folder.mkdir(mode=_FOLDER, exist_ok=True)
