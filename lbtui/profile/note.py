"""What is said about data: where it comes from, and what to mind about it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class SourceFile:
    """One file that lbtui knows how to read. `reader` names the module that does."""

    path: Path
    kind: str  # e.g. forward.csv, profiler.db, heat_png
    reader: str
    size: int  # bytes


@dataclass(frozen=True)
class Note:
    """One thing about the data's quality that the user should know, as one sentence."""

    file: str
    text: str
    lost: bool = False  # a part of the file could not be read


@dataclass(frozen=True)
class Provenance:
    """Where a frame's rows come from."""

    file: str
    reader: str
    precision: str
    rows: int
    # The files that `file` stands for, and the rows read of each.
    parts: tuple[tuple[SourceFile, int], ...] = ()
