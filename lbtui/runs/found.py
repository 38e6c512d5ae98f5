"""Runs that were found, of which nothing is read."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from lbtui.runs.model import Run
from lbtui.sources.runs_below import Found


def is_many(found: Found) -> bool:
    """Tell whether runs are to be shown side by side: several, or a summary, which nothing else opens."""
    return len(found.runs) > 1 or any(run.file is not None for run in found.runs)


def runs_of(found: Found) -> tuple[Run, ...]:
    """Return the runs, in the order in which they were found."""
    return tuple(Run(one.name, one.reading, one.parameters, file=one.file) for one in found.runs)


def baseline_among(runs: Iterable[Run], named: Path) -> Run | None:
    """Return the run that a path names, or a name below the folder; None if none of them is meant."""
    try:
        path = named.resolve()
    except (OSError, RuntimeError):
        path = named
    for run in runs:
        if run.name == str(named) or path == (run.file or run.reading.path):
            return run
    return None
