"""All that is told of runs together, worked out once for every form."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from lbtui.profile import Note, Progress
from lbtui.runs.found import Together
from lbtui.runs.model import Run
from lbtui.runs.sweep import sweep_of
from lbtui.runs.together import Sweep, Trends
from lbtui.runs.trends import trends
from lbtui.runs.verdicts import Judged, against


@dataclass(frozen=True)
class Many:
    """Runs in order of time (those of which none is known last), and what they tell together.

    `judged` has each run's verdicts by its name, where there is a baseline.
    """

    folder: Path
    runs: tuple[Run, ...]
    trends: Trends
    sweep: Sweep | None = None
    baseline: Run | None = None
    judged: Mapping[str, Judged] = field(default_factory=dict)
    notes: tuple[Note, ...] = ()

    @property
    def last(self) -> Run | None:
        """The newest run that is read; the baseline counts only where it is alone."""
        read = [run for run in self.runs if run.summary is not None]
        others = [run for run in read if self.baseline is None or run.name != self.baseline.name]
        newest = others or read
        return newest[-1] if newest else None

    @property
    def is_worse(self) -> bool:
        """Tell whether a headline of the newest run is worse than the baseline's."""
        last = self.last
        return last is not None and last.name in self.judged and self.judged[last.name].is_worse


def in_order(runs: Sequence[Run]) -> tuple[Run, ...]:
    """Return runs in order of time, those of which none is known behind the others."""
    return tuple(sorted(runs, key=lambda run: (run.begun is None, run.begun or 0, run.name)))


def told_of(
    together: Together, runs: Sequence[Run], baseline: Run | None = None, progress: Progress | None = None
) -> Many:
    """Return what runs tell together. Raises `Cancelled` when `progress` does."""
    ordered = in_order(runs)
    judged = {} if baseline is None else against(baseline, ordered, progress)
    sweep = sweep_of(ordered, together.stores)
    return Many(together.folder, ordered, trends(ordered), sweep, baseline, judged, together.notes)
