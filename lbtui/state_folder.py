"""The folder of the user's in which lbtui keeps what it remembers: private, and never that of a profile."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from lbtui.text import _

_FOLDER, _FILE = 0o700, 0o600


def state_folder(environment: Mapping[str, str]) -> Path | None:
    """Return `$XDG_STATE_HOME/lbtui`, there yet or not; None without that and a home.

    As the base directory specification has it, a path that is not absolute counts for none.
    """
    base, home = environment.get("XDG_STATE_HOME", ""), environment.get("HOME", "")
    if Path(base).is_absolute():
        return Path(base, "lbtui")
    return Path(home, ".local", "state", "lbtui") if Path(home).is_absolute() else None


def keep(folder: Path, name: str, data: bytes) -> Path:
    """Write a file of a state folder anew, that only the user may read; return its path.

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
    """Make a state folder, or that of an older lbtui, the user's alone; raises `OSError` as `keep` does."""
    _make(folder)
    found = folder.stat()
    if found.st_uid != os.geteuid():
        raise OSError(_("the folder is another user's"))
    if found.st_mode & 0o777 != _FOLDER:
        folder.chmod(_FOLDER)


def _make(folder: Path) -> None:
    """Make a folder and those above it that are not there, all private."""
    if not folder.is_dir():
        _make(folder.parent)
        folder.mkdir(mode=_FOLDER, exist_ok=True)
