"""What is said about data: where it comes from, and what to mind about it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from lbtui.text import _


@dataclass(frozen=True)
class SourceFile:
    """One file that lbtui knows how to read. `reader` names the module that does."""

    path: Path
    kind: str  # e.g. forward.csv, profiler.db, heat_png
    reader: str
    size: int  # bytes


@dataclass(frozen=True)
class Cut:
    """How far a file was read, `done` of `total` bytes, some, where no more of it was wanted."""

    file: str
    done: int
    total: int


def cut_words(cut: Cut) -> str:
    """Return the sentence on a file that was read in part."""
    text = _(
        "Reading was stopped: only the first {done} of {total} MB are used, some {percent} %; what lies "
        "behind is in no figure."
    )
    return text.format(
        done=f"{cut.done / 1e6:,.0f}", total=f"{cut.total / 1e6:,.0f}", percent=100 * cut.done // cut.total
    )


# Why nothing of a file is used: it cannot be read, holds no rows, or is of another run.
Verdict: TypeAlias = Literal["unreadable", "no rows", "other run"]


@dataclass(frozen=True)
class Outside:
    """How many of the rows read lie outside the capture shown, in other captures or by themselves."""

    what: Literal["rows", "captures"]
    count: int
    total: int


@dataclass(frozen=True)
class Note:
    """One thing about the data's quality that the user should know, as one sentence."""

    file: str
    text: str
    lost: bool = False  # a part of the file could not be read
    cut: Cut | None = None  # where the user stopped the reading of the file
    outside: Outside | None = None  # rows that enter no figure
    verdict: Verdict | None = None  # on the whole file, or its table


@dataclass(frozen=True)
class Provenance:
    """Where a frame's rows come from."""

    file: str
    reader: str
    precision: str
    rows: int
    # Headers whose cells are in microseconds, and not as they state.
    microseconds: tuple[str, ...] = ()
    # The files that `file` stands for, and the rows read of each.
    parts: tuple[tuple[SourceFile, int], ...] = ()
