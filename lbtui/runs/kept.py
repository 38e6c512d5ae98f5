"""What runs came to, kept from one time to the next: a file each, found by what its run is, whole or not.

Nothing here is trusted: a file counts only if it is the user's own, names the key that it is looked for by,
and holds what a summary may.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from lbtui import __version__
from lbtui.own_folder import in_profile
from lbtui.profile import SourceFile
from lbtui.runs.model import RunSummary
from lbtui.sources.discover import find_output
from lbtui.sources.identity import identity_of_files
from lbtui.sources.runs_below import MOST_SUMMARY, SUMMARY_VERSION, FoundRun
from lbtui.state_folder import cache_folder, content_of, keep, make_private
from lbtui.text import language
from lbtui.thresholds import Thresholds

MOST_BYTES = 200 << 20
# To be raised with whatever a summary says of the same files: what older ones say is not read any more.
SUMMARISED = 1
_FOLDER = "runs"
_SUMMARY, _PROBLEM = b"summary ", b"problem "
_MOST_PROBLEM = 4000

# What a run came to: its summary, or why nothing of it can be read.
Outcome: TypeAlias = "RunSummary | str"


def key_of(found: FoundRun, thresholds: Thresholds) -> str:
    """Return what a run's summary is kept by: all that it depends on, 64 hexadecimal digits.

    Looks at names, sizes, and first and last bytes of files. Raises `Unreadable`, `SeveralOutputs` and
    `OSError` where there is no such run any more.
    """
    output = find_output(found.reading.path, raw=found.reading.raw, beside=found.beside)
    told = (
        identity_of_files(output.files, output.folder),
        _identity_of_raw(found.beside),
        __version__,
        f"{SUMMARY_VERSION} {SUMMARISED}",
        repr(thresholds),
        language(),
        str(found.reading.raw),
    )
    return hashlib.sha256("\0".join(told).encode("utf-8", "surrogateescape")).hexdigest()


def _problem(key: str, path: Path) -> bytes:
    told = f"{key}\0{path}".encode("utf-8", "surrogateescape")
    return _PROBLEM + hashlib.sha256(told).hexdigest().encode()


def _identity_of_raw(files: Sequence[SourceFile]) -> str:
    return (
        identity_of_files(files, Path(os.path.commonpath([file.path.parent for file in files])))
        if files
        else ""
    )


@dataclass
class Kept:
    """What is kept of all runs; without a folder nothing is. Calls may come from any thread."""

    _folder: Path | None
    _size: int | None = None  # bytes of all files, as far as this process knows
    _writing: threading.Lock = field(default_factory=threading.Lock)

    @classmethod
    def of(cls, environment: Mapping[str, str], opened: Path, *, enabled: bool = True) -> Kept:
        """Return what is kept for the user: nothing if not `enabled`, or if it lay in the folder opened."""
        base = cache_folder(environment) if enabled else None
        if base is None:
            return cls(None)
        folder = base / _FOLDER
        with suppress(OSError):
            if not in_profile(folder, opened):
                for each in (base, folder):
                    make_private(each)
                return cls(folder)
        return cls(None)

    def recall(self, key: str, path: Path) -> Outcome | None:
        """Return what a run came to, None where nothing is kept that can be used.

        Why it cannot be read names files by their `path`, and holds for the run there alone.
        """
        if self._folder is None:
            return None
        file = self._folder / key
        if not file.exists():
            return None
        # Numpy and all of comparison, which the first row does without.
        from lbtui.runs.text import BadSummary, from_bytes

        with suppress(OSError, BadSummary, UnicodeDecodeError):
            head, _end, body = content_of(file, MOST_SUMMARY + 256).partition(b"\n")
            if head == _SUMMARY + key.encode():
                found: Outcome | None = from_bytes(body).summary
            elif head == _problem(key, path) and len(body) <= _MOST_PROBLEM:
                found = body.decode()
            else:
                found = None
            if found is not None:
                # What was used last is let go last.
                os.utime(file, follow_symlinks=False)
            return found
        return None

    def keep(self, key: str, path: Path, outcome: Outcome | bytes) -> None:
        """Keep what the run at a path came to, a summary or its file; silent where that cannot be."""
        if self._folder is None:
            return
        from lbtui.runs.text import Told, to_bytes

        if isinstance(outcome, str):
            head, body = _problem(key, path), outcome.encode("utf-8", "backslashreplace")[:_MOST_PROBLEM]
        else:
            head = _SUMMARY + key.encode()
            body = outcome if isinstance(outcome, bytes) else to_bytes(Told(outcome))
        data = head + b"\n" + body
        # Runs that were copied have one key: only other processes write beside each other.
        with suppress(OSError), self._writing:
            keep(self._folder, key, data)
            self._size = None if self._size is None else self._size + len(data)
            if self._size is None or self._size > MOST_BYTES:
                self._let_go(self._folder)

    def _let_go(self, folder: Path) -> None:
        """Remove the files that were not used for longest, of more than there may be."""
        files = []
        with os.scandir(folder) as scan:
            for entry in scan:
                with suppress(OSError):
                    found = entry.stat(follow_symlinks=False)
                    files.append((found.st_mtime_ns, found.st_size, entry.path))
        left = sum(size for _used, size, _path in files)
        for _used, size, path in sorted(files):
            if left <= MOST_BYTES:
                break
            with suppress(OSError):
                Path(path).unlink(missing_ok=True)
                left -= size
        self._size = left
