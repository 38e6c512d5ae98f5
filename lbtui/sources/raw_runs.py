"""Which raw profiles lie side by side: by folders, the hosts they are of and when they were recorded."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Collection, Iterable, Sequence
from contextlib import closing, suppress
from itertools import accumulate
from pathlib import Path
from typing import NamedTuple

from lbtui.profile import SourceFile, Unreadable, host_and_pid
from lbtui.sources.limits import LATEST

# Recordings of other hosts that lie further apart in time (ns) are no parts of one run: hosts of a service
# record when it serves, and their clocks do not differ so much.
_APART = 60_000_000_000
# Files that are opened to learn when they were recorded; beyond these only names tell.
_MOST_OPENED = 600
_TABLES = (("Mstx", "timestamp"), ("slice", "timestamp"))


class RawRun(NamedTuple):
    """A raw profile: the folder to be opened, and its files."""

    folder: Path
    files: tuple[SourceFile, ...]


def raw_runs(files: Sequence[SourceFile], base: Path) -> list[RawRun]:
    """Return the raw profiles that files below `base` make up, sorted by folder.

    Every host has one folder in a run; where one has several below those that lie side by side, each of these
    is a run, unless other processes of it were recorded at the same time, as of P and D on one host.
    """
    return _Runs().of(files, base) if files else []


class _Runs:
    def __init__(self) -> None:
        self._left = _MOST_OPENED

    def of(self, files: Sequence[SourceFile], base: Path) -> list[RawRun]:
        """Return the runs of files in `base` or below it, of which none has a folder above that."""
        whole, groups = by_folder(files)
        hosts = {folder: hosts_of(own) for folder, own in groups.items()}
        count, known = sum(map(len, hosts.values())), set().union(*hosts.values())
        if len(groups) == 1 or (count == len(known) and all(hosts[path] <= {path.name} for path in groups)):
            return [_run(whole, files, base)]
        below = {folder: [] if folder == whole else self.of(own, folder) for folder, own in groups.items()}
        each = [
            run
            for folder, own in sorted(groups.items())
            for run in (below[folder] or [_run(folder, own, folder)])
        ]
        if any(len(runs) > 1 for runs in below.values()):
            return each
        # No process records twice at a time.
        if len({file.path.stem for file in files}) < len(files):
            return each
        gaps = _gaps([self._recorded(own) for own in groups.values()])
        if count != len(known):
            together = gaps is not None and max(gaps) <= 0
        else:
            # Containers have other names each time.
            together = gaps is None or min(gaps) <= _APART
        return [_run(whole, files, base)] if together else each

    def _recorded(self, files: Sequence[SourceFile]) -> tuple[int, int] | None:
        """Return from when to when (ns) the largest of the files was recorded."""
        if not self._left:
            return None
        self._left -= 1
        return recorded(max(files, key=lambda file: (file.size, file.path)).path)


def _run(folder: Path, files: Sequence[SourceFile], base: Path) -> RawRun:
    return RawRun(above_hosts(folder, base, hosts_of(files)), tuple(files))


def by_folder(files: Sequence[SourceFile]) -> tuple[Path, dict[Path, list[SourceFile]]]:
    """Return the innermost folder that holds all files, and these by the folder in it, or itself."""
    whole = Path(os.path.commonpath([file.path.parent for file in files]))
    groups: dict[Path, list[SourceFile]] = {}
    for file in files:
        below = file.path.relative_to(whole).parts
        groups.setdefault(whole / below[0] if len(below) > 1 else whole, []).append(file)
    return whole, groups


def hosts_of(files: Iterable[SourceFile]) -> set[str]:
    """Return the hosts that the files' names tell."""
    return {_host(file) for file in files}


def _host(file: SourceFile) -> str:
    named = host_and_pid(file.path.stem)
    return named[0] if named else file.path.stem


def above_hosts(path: Path, base: Path, hosts: Collection[str]) -> Path:
    """Return the folder that holds those of the hosts, no higher than `base`."""
    below = path.relative_to(base).parts
    place = next((place for place, part in enumerate(below) if part in hosts), len(below))
    found = base.joinpath(*below[:place])
    # The profiler makes a folder of this name for each kind of data of a host.
    return found.parent if found.name == "Trace_Service" and found != base else found


def recorded(path: Path) -> tuple[int, int] | None:
    """Return the times (ns) of the first and the last record of a file, None where it does not tell."""
    # Polars, which a folder of outputs alone does without.
    from lbtui.sources.tables.database import opened_for_reading

    with suppress(sqlite3.Error, Unreadable, OSError, UnicodeDecodeError):
        connection, _place = opened_for_reading(path)
        with closing(connection):
            names = {
                name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
            }
            for table, column in _TABLES:
                if table not in names:
                    continue
                ends = [
                    connection.execute(
                        f"SELECT {column} FROM {table} ORDER BY rowid {order} LIMIT 1"
                    ).fetchone()
                    for order in ("ASC", "DESC")
                ]
                found = [row[0] for row in ends if row and isinstance(row[0], int)]
                if len(found) == 2 and all(0 < time <= LATEST * 1000 for time in found):
                    return min(found), max(found)
    return None


def _gaps(times: Sequence[tuple[int, int] | None]) -> list[int] | None:
    """Return how long (ns) nothing was recorded before each but the first; None where one is unknown."""
    known = sorted(time for time in times if time is not None)
    if len(known) < len(times):
        return None
    ends = accumulate((end for _begin, end in known), max)
    return [begin - end for (begin, _end), end in zip(known[1:], ends, strict=False)]
