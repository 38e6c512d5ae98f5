"""A raw profile in the place of an output's tables: its records yield what these and the trace do."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from lbtui.profile import FrameName, Loaded, Note, Progress, Silent
from lbtui.sources.discover import Output
from lbtui.sources.raw.events import RawEvents, RawProfile
from lbtui.sources.raw.kv import load_kv
from lbtui.sources.raw.operators import read_layer_times, read_rank_intervals
from lbtui.sources.raw.speculation import load_speculation
from lbtui.sources.store import Known, Store


class RawStore(Store):
    """What a raw profile tells; it has no tables."""

    def __init__(self, output: Output) -> None:
        super().__init__(output)
        self._raw = RawProfile(output.experts.raw)

    @property
    def has_trace(self) -> bool:
        """A raw profile is events throughout."""
        return True

    def trace(self, progress: Progress) -> tuple[RawEvents, list[Note]]:
        """Return the events, which are read when they are asked for."""
        events = RawEvents(self._raw, progress)
        return events, list(events.notes)

    whole_trace = trace

    @property
    def own(self) -> Mapping[FrameName, Callable[[Known, Progress], Loaded]]:
        """The loaders of frames that no event of a trace tells, or not as well."""
        raw, operators = self._raw, self.output.experts.operators
        own: dict[FrameName, Callable[[Known, Progress], Loaded]] = {
            "kv": lambda known, progress: load_kv(RawEvents(raw, progress), known.owners(progress)),
            "speculation": lambda _known, progress: load_speculation(RawEvents(raw, progress)),
        }
        if operators:
            own["layer_times"] = lambda known, progress: read_layer_times(
                operators, progress, known.layers(progress)
            )
            own["rank_intervals"] = lambda _known, progress: read_rank_intervals(operators, progress)
        return own

    def read_span(self, prof_id: str, offset: int) -> tuple[tuple[Any, ...] | None, str | None]:
        """Return what proves a scheduling round, and its requests, as `Store.read_span`."""
        record = self._raw.record(prof_id, offset, "rounds", Silent())
        if record is None:
            return None, None
        return (record.name, prof_id, record.start, record.end), record.fields["rid"]
