"""The config file: where it is, and what is in it, not yet understood."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from pathlib import Path

from lbtui.text import _

# Bytes of a file: all thresholds with their meanings are 4 KB. Of 64 KB a name of many dots takes a minute.
_LARGEST = 1 << 14


def path_of(environment: Mapping[str, str]) -> Path | None:
    """Return `$XDG_CONFIG_HOME/lbtui/config.toml`, None where there is none."""
    home = environment.get("HOME")
    base = environment.get("XDG_CONFIG_HOME") or (Path(home, ".config") if home else None)
    path = Path(base, "lbtui", "config.toml") if base else None
    # Not `exists`: it raises where a folder above may not be entered.
    return path if path and os.access(path, os.F_OK) else None


def content_of(path: str | os.PathLike[str]) -> bytes:
    """Return what a file holds; raises `OSError` for what is no file or larger than any config is."""
    # A pipe without a writer would be waited for.
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError(_("it is no regular file"))
        content = file.read(_LARGEST + 1)
    if len(content) > _LARGEST:
        raise OSError(_("it is larger than {size} KiB").format(size=_LARGEST >> 10))
    return content
