"""What tells one profile from another, wherever it lies and whatever its folder is called."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

from lbtui.profile import Profile, SourceFile

# Of so many files their first and last bytes are looked at: of a run's other recording they differ.
_LOOKED_AT = 64
_PIECE = 4096
_PICTURES = ("heat_png", "picture")


def identity_of(profile: Profile) -> str:
    """Return the identity of a profile, 32 hexadecimal digits, by its own files.

    It is of their names below its folder, their sizes, and their first and last 4 KiB, where the times of
    the first and last rows stand: the same of a copy, another of a run in the same place. One that is being
    recorded is another with each byte that comes. Pictures count where there is nothing else, and what was
    named beside the profile (`--experts`) does not. What cannot be read counts by name and size.
    """
    return identity_of_files(profile.files, profile.path)


def identity_of_files(files: Sequence[SourceFile], folder: Path) -> str:
    """Return the identity that a profile of these files has, which opens none of them."""
    own = sorted(_own(files, folder), key=lambda file: file[0])
    told = hashlib.sha256()
    for number, (name, file) in enumerate(own):
        told.update(f"{name}\0{file.size}\0".encode("utf-8", "surrogateescape"))
        if number < _LOOKED_AT:
            told.update(_ends(file))
    return told.hexdigest()[:32]


def _own(files: Sequence[SourceFile], folder: Path) -> list[tuple[str, SourceFile]]:
    below = [(os.path.relpath(file.path, folder), file) for file in files]
    own = [(name, file) for name, file in below if not name.startswith("..")] or below
    return [each for each in own if each[1].kind not in _PICTURES] or own


def _ends(file: SourceFile) -> bytes:
    """Return the first and the last bytes of a file, nothing of one that cannot be read."""
    try:
        # What has become a pipe meanwhile would be waited for.
        with os.fdopen(os.open(file.path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as opened:
            first = opened.read(_PIECE)
            opened.seek(max(0, file.size - _PIECE))
            return first + opened.read(_PIECE)
    except OSError:
        return b""
