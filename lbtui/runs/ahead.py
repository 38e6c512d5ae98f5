"""Children that summarise runs, one of them started before it is known whether there are any.

A child takes as long to start as this process does: by the time runs are found it has done so, too.
"""

from __future__ import annotations

import os
from itertools import islice
from pathlib import Path

from lbtui.children import Child, started

# Two children use two cores: threads of theirs would only get in each other's way, and take memory.
_ENVIRONMENT = dict.fromkeys(("POLARS_MAX_THREADS", "OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"), "1")
_MOST_ENTRIES = 500
# What makes a folder one output.
_TABLES = (".csv", ".csv.gz", "profiler.db", "chrome_tracing.json")

_waiting: list[Child] = []


def start_ahead(path: Path) -> None:
    """Start a child if many runs may lie below a path; `summariser` takes it, or `let_go` ends it."""
    try:
        if _may_hold_many(path):
            _waiting.append(_started())
    except OSError:
        return


def _may_hold_many(path: Path) -> bool:
    with os.scandir(path) as scan:
        entries = list(islice(scan, _MOST_ENTRIES))
    folders = sum(entry.is_dir(follow_symlinks=False) for entry in entries)
    return folders > 1 and not any(entry.name.endswith(_TABLES) for entry in entries)


def _started() -> Child:
    return started("lbtui.runs.child", _ENVIRONMENT)


def summariser() -> Child:
    """Return a child, the one that waits if one does. Raises `OSError` where none can be started."""
    try:
        return _waiting.pop()
    except IndexError:
        return _started()


def is_waiting() -> bool:
    """Tell whether a child waits."""
    return bool(_waiting)


def let_go() -> None:
    """End the child that waits, if one does."""
    while _waiting:
        child = _waiting.pop()
        child.kill()
        # It has nothing left to say.
        child.communicate()
