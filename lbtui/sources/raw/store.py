"""A raw profile in the place of an output's tables: its records yield what these and the trace do."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from lbtui.profile import FrameName, Loaded, Note, Progress, Silent
from lbtui.sources.discover import Output
from lbtui.sources.raw.events import RawEvents, RawProfile
from lbtui.sources.raw.kv import load_kv
from lbtui.sources.raw.speculation import load_speculation
from lbtui.sources.steps.owners import Owners
from lbtui.sources.store import Store


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
    def own(self) -> Mapping[FrameName, Callable[[Owners, Progress], Loaded]]:
        """The loaders of frames that records tell better than tables do."""
        return {
            "kv": lambda owners, progress: load_kv(RawEvents(self._raw, progress), owners),
            "speculation": lambda _owners, progress: load_speculation(RawEvents(self._raw, progress)),
        }

    def read_span(self, prof_id: str, offset: int) -> tuple[tuple[Any, ...] | None, str | None]:
        """Return what proves a scheduling round, and its requests, as `Store.read_span`."""
        record = self._raw.record(prof_id, offset, "rounds", Silent())
        if record is None:
            return None, None
        return (record.name, prof_id, record.start, record.end), record.fields["rid"]
