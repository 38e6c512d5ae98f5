"""The other readings of a run near one of them: outputs of a raw profile, the raw profile of an output.

Names tell, and of an output that only lies beside a raw profile the processes that its tables begin with.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Sequence
from pathlib import Path

from lbtui.profile import Reading, SourceFile, Unreadable, host_and_pid
from lbtui.sources.discover import DATABASE, Output, outputs_below, read_folder

_MOST = 16  # outputs
_PROF_ID = re.compile(r"ms_service_[^,;\s\"]+")
_HEAD_BYTES = 1 << 16
_HEAD_ROWS = 500
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
    whole = Path(os.path.commonpath([file.path.parent for file in raw]))
    runs: dict[Path, list[SourceFile]] = {}
    for file in raw:
        below = file.path.relative_to(whole).parts
        runs.setdefault(whole / below[0] if len(below) > 1 else whole, []).append(file)
    hosts = [host for files in runs.values() for host in {_host(file) for file in files}]
    found = sorted(runs) if len(hosts) != len(set(hosts)) else [whole]
    return [_above_hosts(path, output.folder.parent, set(hosts)) for path in found]


def _above_hosts(path: Path, base: Path, hosts: Collection[str]) -> Path:
    """Return the folder that holds those of the hosts, no higher than `base`."""
    below = path.relative_to(base).parts
    place = next((place for place, part in enumerate(below) if part in hosts), len(below))
    found = base.joinpath(*below[:place])
    # The profiler makes a folder of this name for each kind of data of a host.
    return found.parent if found.name == "Trace_Service" else found


def _host(file: SourceFile) -> str:
    named = host_and_pid(file.path.stem)
    return named[0] if named else file.path.stem


def _outputs_of(output: Output) -> list[Path]:
    """Return the outputs in and below the folder of a raw profile, and beside it those of its processes."""
    folder = output.folder
    found = [path for path in (folder,) if _is_output(path)] + outputs_below(folder)
    prof_ids = {file.path.stem for file in output.experts.raw}
    beside = [path for path in _siblings(folder) if _tells_of(path, prof_ids)]
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


def _tells_of(folder: Path, prof_ids: Collection[str]) -> bool:
    """Tell whether a table of the output begins with a row of one of the processes."""
    # Not listed: nobody knows what lies in a folder beside it, and how much.
    tables = (folder / "batch.csv", folder / "forward.csv")
    if any(_any_in(_head(path), prof_ids) for path in tables):
        return True
    database = folder / DATABASE
    return _is_file(database) and _any_in(_rows(database), prof_ids)


def _is_file(path: Path) -> bool:
    """Tell whether there is a regular file: a pipe would hang its reader."""
    try:
        return path.is_file()
    except OSError:
        return False


def _any_in(text: str, prof_ids: Collection[str]) -> bool:
    return not set(_PROF_ID.findall(text)).isdisjoint(prof_ids)


def _head(path: Path) -> str:
    if not _is_file(path):
        return ""
    try:
        with path.open("rb") as file:
            return file.read(_HEAD_BYTES).decode("utf-8", "replace")
    except OSError:
        return ""


def _rows(path: Path) -> str:
    from lbtui.sources.tables import database  # polars, which the first frame does without

    try:
        with database.connect(path) as opened:
            for table in ("batch", "forward"):
                if table in opened.tables() and "prof_id" in opened.columns(table):
                    sql = f"SELECT CAST(prof_id AS TEXT) FROM {table} LIMIT {_HEAD_ROWS}"
                    found: Sequence[tuple[str | None]] = opened.connection.execute(sql).fetchall()
                    return "\n".join({name for (name,) in found if name})
    except Unreadable:
        pass
    return ""
