"""Runs that were found, of which nothing is read."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from lbtui.profile import Note
from lbtui.runs.model import Run
from lbtui.sources.optimizer_store import OptimizerStore, stores_below
from lbtui.sources.runs_below import Found, runs_below


@dataclass(frozen=True)
class Together:
    """What lies below a folder to be shown side by side: runs, and what upstream's optimizer tried."""

    found: Found
    stores: tuple[OptimizerStore, ...] = ()
    notes: tuple[Note, ...] = ()

    @property
    def folder(self) -> Path:
        """The folder."""
        return self.found.folder


def together_at(path: Path, *, raw: bool = False) -> Together | None:
    """Return what is to be shown side by side at or below a path; None where it opens as one profile, or not.

    That is several runs, a summary, which nothing else opens, or the optimizer's tables where no run is.
    """
    found = runs_below(path, raw=raw)
    alone = len(found.runs) == 1 and found.runs[0].file is None
    if alone or (raw and not found.runs):
        return None
    stores, notes = stores_below(found.folder) if _is_folder(found.folder) else ((), ())
    return Together(found, stores, (*found.notes, *notes)) if found.runs or stores else None


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:  # a name too long
        return False


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
