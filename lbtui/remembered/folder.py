"""The files in which it is remembered: one a profile, private, whole at any time, so many and no more."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from lbtui.own_folder import in_profile
from lbtui.remembered.model import Remembered
from lbtui.remembered.text import MOST_BYTES, BadFile, NewerFile, from_bytes, to_bytes
from lbtui.state_folder import content_of, keep, make_private, state_folder
from lbtui.text import _, visible

MOST_PROFILES = 200
_FOLDER, _LOCK = "profiles", "lock"
_PATIENCE, _TICK = 1.0, 0.02  # seconds for another that writes


@dataclass(frozen=True)
class Recalled:
    """What is remembered of a profile, and one sentence where there is something that cannot be used."""

    remembered: Remembered = field(default_factory=Remembered)
    problem: str = ""


class Memory:
    """What is remembered of all profiles, in a folder of the user's."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / _FOLDER

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Memory | None:
        """Return that of the user; None without a home."""
        folder = state_folder(environment)
        return None if folder is None else cls(folder)

    def recall(self, identity: str) -> Recalled:
        """Return what is remembered of a profile; nothing, with a sentence, where the file is of no use."""
        try:
            return Recalled(self._read(identity))
        except FileNotFoundError:
            return Recalled()
        except (OSError, BadFile) as error:
            why = error.strerror or str(error) if isinstance(error, OSError) else str(error)
            sentence = _("what was remembered of this profile is ignored: {file}: {why}")
            file = str(self._folder / _name(identity))
            return Recalled(problem=sentence.format(file=visible(file), why=visible(why, 100)))

    def change(self, identity: str, profile: Path, change: Callable[[Remembered], Remembered]) -> str:
        """Change what is remembered of a profile, whatever another lbtui has written meanwhile.

        Returns why it could not be, in a few words, empty when done. Nothing is written into the folder of
        the profile, nor over the file of a later version.
        """
        try:
            if in_profile(self._folder, profile):
                return _("the state folder lies in the profile's")
            make_private(self._folder)
            with _locked(self._folder / _LOCK):
                try:
                    before = self._read(identity)
                except NewerFile as error:
                    return str(error)
                except (OSError, BadFile):
                    before = Remembered()
                keep(self._folder, _name(identity), to_bytes(change(before)))
                self._let_go()
        except OSError as error:
            return visible(error.strerror or str(error), 100)
        return ""

    def _read(self, identity: str) -> Remembered:
        return from_bytes(content_of(self._folder / _name(identity), MOST_BYTES + 1))

    def _let_go(self) -> None:
        """Remove the files that were not written for longest, of more than there may be."""
        files = [(file.stat().st_mtime_ns, file) for file in self._folder.glob("*.json")]
        for _written, file in sorted(files)[:-MOST_PROFILES]:
            file.unlink(missing_ok=True)


def _name(identity: str) -> str:
    return f"{identity}.json"


@contextmanager
def _locked(file: Path) -> Iterator[None]:
    """Hold other lbtui off while a file is read and written; go on after a while, or where none can be.

    A file is written whole at any rate: without the lock the later of two changes may lose the earlier.
    """
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        until = time.monotonic() + _PATIENCE
        while not _took(descriptor) and time.monotonic() < until:
            time.sleep(_TICK)
        yield
    finally:
        os.close(descriptor)


def _took(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system without locks
        return True
    return True
