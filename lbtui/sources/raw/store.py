"""A raw profile in the place of an output's tables: its records yield what these and the trace do."""

from __future__ import annotations

from typing import Any

from lbtui.profile import FrameName, Note, Progress, Silent
from lbtui.sources.discover import Output
from lbtui.sources.raw.events import RawEvents
from lbtui.sources.raw.meanings import Kept, RawProfile
from lbtui.sources.store import Store


class RawStore(Store):
    """What a raw profile tells; it has no tables."""

    def __init__(self, output: Output, kept: Kept | None = None) -> None:
        super().__init__(output)
        self.raw = RawProfile(output.experts.raw, kept)

    @property
    def has_trace(self) -> bool:
        """A raw profile is events throughout."""
        return True

    def trace(self, progress: Progress) -> tuple[RawEvents, list[Note]]:
        """Return the events, which are read when they are asked for."""
        return RawEvents(self.raw, progress), []  # its notes are told with each frame

    whole_trace = trace

    @property
    def yields(self) -> frozenset[FrameName]:
        """What no trace tells."""
        of_operators: list[FrameName] = ["layer_times", "rank_intervals"]
        return frozenset({"speculation", *(of_operators if self.output.experts.operators else ())})

    def read_span(self, prof_id: str, offset: int) -> tuple[tuple[Any, ...] | None, str | None]:
        """Return what proves a scheduling round, and its requests, as `Store.read_span`."""
        record = self.raw.record(prof_id, offset, "runs", Silent())
        if record is None:
            return None, None
        return (record.name, prof_id, record.start, record.end), record.fields["rid"]
