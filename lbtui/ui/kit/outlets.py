"""What writes files for the screen: it is of the room beside, and handed in by the command."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeAlias

if TYPE_CHECKING:
    import polars as pl

    from lbtui.analysis.eplb.policies import Ints
    from lbtui.profile import Profile, Progress
    from lbtui.remembered import FindingNote
    from lbtui.thresholds import Thresholds

# Writes a placement [layer, slot] of so many ranks to a file of that name, but not into the profile's folder.
Saver: TypeAlias = "Callable[[str, Ints, int, Path], str | None]"


class Reporter(Protocol):
    """Writes a whole report into a file, whose suffix says in which form; says what was written."""

    def __call__(
        self,
        name: str,
        profile: Profile,
        baseline: Profile | None,
        thresholds: Thresholds | None,
        notes: Sequence[FindingNote],
        progress: Progress,
    ) -> str:
        """Raises `CannotWrite` with a sentence where that cannot be, `Cancelled` when `progress` does."""


@dataclass(frozen=True)
class Outlets:
    """Each takes a name as the user typed it, and never writes over a file or into a profile's folder.

    But for `placement`, which returns why not, they return what was written in a sentence, or raise
    `CannotWrite` with one.
    """

    placement: Saver
    text: Callable[[str, str, Path], str]  # what stands in the file, and the profile's folder
    rows: Callable[[str, pl.DataFrame, Path, Progress], str]  # as CSV
    report: Reporter
    export: Callable[[str, str, Profile, Progress], str]  # csv or parquet, into a folder
