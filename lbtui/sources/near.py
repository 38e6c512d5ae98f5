"""The other readings of a run near one of them: outputs of a raw profile, the raw profile of an output.

Names tell, and of an output that only lies beside a raw profile the processes that its tables begin with.
"""

from __future__ import annotations

import os
import re
import sqlite3
from collections.abc import Sequence
from contextlib import closing, suppress
from pathlib import Path

from lbtui.profile import Reading, Unreadable
from lbtui.sources.discover import DATABASE, Output, outputs_below, read_folder
from lbtui.sources.raw_runs import above_hosts, by_folder, hosts_of

_MOST = 16  # outputs
_PROF_ID = re.compile(r"ms_service_[^,;\s\"]+")
_HEAD_BYTES = 1 << 14
_HEAD_ROWS = 100
_MOST_SIBLINGS = 200


def readings_near(output: Output) -> tuple[Reading, ...]:
    """Return where else the run is to be seen: never what is looked for, and not more than 16."""
    if output.raw:
        return tuple(Reading(path) for path in _outputs_of(output)[:_MOST])
    return tuple(Reading(path, raw=True) for path in raw_folders(output)[:_MOST])


def raw_folders(output: Output) -> list[Path]:
    """Return the folders of the raw profiles near a parsed output: one, unless several runs lie there.

    Every host has one folder in a run; where one has several below those that lie side by side, each of these
    is a run.
    """
    raw = output.beside.raw
    if not raw:
        return []
    whole, runs = by_folder(raw)
    hosts = [host for files in runs.values() for host in hosts_of(files)]
    if len(hosts) != len(set(hosts)):
        return sorted(runs)
    # It may lie elsewhere, where that is known.
    base = Path(os.path.commonpath([whole, output.folder.parent]))
    return [above_hosts(whole, base, set(hosts))]


def _outputs_of(output: Output) -> list[Path]:
    """Return the outputs in and below the folder of a raw profile, and beside it those of its processes."""
    folder = output.folder
    found = [path for path in (folder,) if _is_output(path)] + outputs_below(folder)
    own = {file.path.stem for file in output.experts.raw}
    beside = [path for path in _siblings(folder) if not own.isdisjoint(prof_ids_of(path))]
    return found + beside


def _siblings(folder: Path) -> list[Path]:
    try:
        with os.scandir(folder.parent) as scan:
            paths = [Path(entry.path) for entry in scan if entry.is_dir(follow_symlinks=False)]
    except OSError:
        return []
    return [path for path in sorted(paths)[:_MOST_SIBLINGS] if path != folder]


def _is_output(folder: Path) -> bool:
    try:
        return bool(read_folder(folder).files)
    except Unreadable:
        return False


def prof_ids_of(folder: Path) -> set[str]:
    """Return the processes that the first rows of an output's tables name."""
    # Not listed: nobody knows what lies in a folder beside it, and how much.
    told = set().union(*(_PROF_ID.findall(_head(folder / name)) for name in ("batch.csv", "forward.csv")))
    database = folder / DATABASE
    return told or (set(_PROF_ID.findall(_rows(database))) if _is_file(database) else set())


def _is_file(path: Path) -> bool:
    """Tell whether there is a regular file: a pipe would hang its reader."""
    try:
        return path.is_file()
    except OSError:
        return False


def _head(path: Path) -> str:
    if not _is_file(path):
        return ""
    try:
        with path.open("rb") as file:
            return file.read(_HEAD_BYTES).decode("utf-8", "replace")
    except OSError:
        return ""


def _rows(path: Path) -> str:
    from lbtui.sources.tables.database import opened_for_reading  # polars, which the first frame does without

    with suppress(sqlite3.Error, Unreadable, OSError, UnicodeDecodeError):
        connection, _place = opened_for_reading(path)
        with closing(connection):
            for table in ("batch", "forward"):
                # Not a view, which could do anything; upstream's tables have rowids.
                kinds = connection.execute(
                    "SELECT type FROM sqlite_master WHERE name = ?", (table,)
                ).fetchall()
                columns = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
                if ("table",) in kinds and "prof_id" in columns:
                    sql = f"SELECT CAST(prof_id AS TEXT) FROM {table} LIMIT {_HEAD_ROWS}"
                    found: Sequence[tuple[str | None]] = connection.execute(sql).fetchall()
                    return "\n".join({name for (name,) in found if name})
    return ""
