"""A raw profile as the `Events` that a trace is."""

from __future__ import annotations

import polars as pl

from lbtui.profile import Note, Progress, Provenance
from lbtui.sources.experts.rows import ProcessExperts
from lbtui.sources.raw.meanings import FILE, PROPOSAL, RUN, RawProfile
from lbtui.sources.raw.processes import Process
from lbtui.sources.trace.events import KV_COUNTERS
from lbtui.sources.trace.nodes import node_frame
from lbtui.sources.trace.requests import handoffs_of, left_queue
from lbtui.sources.trace.requests import requests_of as lives_of
from lbtui.text import _


class RawEvents:
    """`Events` of a raw profile, read with the progress that it was made with.

    Rows name their process by `prof_id`, which is unique, and by its pid, which need not be.
    """

    file = FILE
    reader = "raw"
    experts: tuple[ProcessExperts, ...] = ()  # its files are read where expert heat is

    def __init__(self, raw: RawProfile, progress: Progress) -> None:
        self._raw = raw
        self._progress = progress

    def _frame(self, name: str) -> pl.DataFrame:
        return self._raw.frame(name, self._progress)

    def provenance(self, rows: int, precision: str = _("1 µs")) -> Provenance:
        """Return where that many rows come from."""
        held = {process.file: process.records for process in self._known}
        parts = tuple((file, held.get(file, 0)) for file in self._raw.files)
        return Provenance(self.file, self.reader, precision, rows, parts=parts)

    @property
    def notes(self) -> tuple[Note, ...]:
        """What could not be read, so far."""
        return self._raw.notes()

    @property
    def _known(self) -> tuple[Process, ...]:
        return self._raw.processes(self._progress)[0]

    @property
    def processes(self) -> pl.DataFrame:
        """`prof_id`, `pid`, `host` and `dp_rank` of each process."""
        known = self._known
        return pl.DataFrame(
            {
                "prof_id": [process.prof_id for process in known],
                "pid": [process.pid for process in known],
                "host": [process.host for process in known],
                "dp_rank": [process.dp_rank for process in known],
            },
            schema={"prof_id": pl.String, "pid": pl.Int64, "host": pl.String, "dp_rank": pl.Int32},
        ).unique("prof_id", keep="first", maintain_order=True)

    @property
    def forwards(self) -> pl.DataFrame:
        """Forward passes: `prof_id`, `dp_rank`, `start`, `end`, `duration_ms`, `batch_size`."""
        return self._frame("forwards")

    @property
    def spans(self) -> pl.DataFrame:
        """Scheduling rounds, as a trace has them; `offset` is the place of the record in its process."""
        return self._frame("spans")

    @property
    def queue_events(self) -> pl.DataFrame:
        """Lengths of queues: `time`, `prof_id`, `pid`, `queue`, `size`, `kind`."""
        return self._frame("queue_events")

    def kv_records(self) -> pl.DataFrame:
        """Return records on KV blocks: `prof_id`, `name`, `start`, and what they tell, as text."""
        return self._raw.read("kv", self._progress)

    def proposals(self) -> pl.DataFrame:
        """Return the records of a draft model's proposals: `prof_id`, `start`, `end`, `rid`."""
        return self._raw.records("others", [PROPOSAL], self._progress)

    def runs(self) -> pl.DataFrame:
        """Return the records of runs of a model, which may tell what they accepted."""
        return self._raw.records("others", [RUN], self._progress)

    @property
    def kv_counters(self) -> pl.DataFrame:
        """None: the readings themselves are there."""
        return pl.DataFrame(schema=KV_COUNTERS)

    @property
    def requests(self) -> pl.DataFrame:
        """The canonical frame of that name."""
        return lives_of(self._frame("stages"))

    @property
    def handoffs(self) -> pl.DataFrame:
        """The canonical frame of that name."""
        return handoffs_of(self._frame("stages"))

    def linked(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Return rows with `prof_id` and `request_id` with the ids that the service links them to."""
        return self._raw.links(self._progress).named(rows)

    @property
    def client_ids(self) -> pl.DataFrame:
        """What HTTP events call requests that have longer ids elsewhere."""
        return self._frame("client_ids")

    @property
    def left_queue(self) -> pl.DataFrame:
        """When requests leave a queue in which they wait."""
        return left_queue(self._frame("stages"))

    @property
    def dispatches(self) -> pl.DataFrame:
        """Which nodes a coordinator sent each request to, as a trace has it."""
        return self._frame("dispatches")

    @property
    def nodes(self) -> pl.DataFrame:
        """The canonical frame of that name."""
        return node_frame(self.dispatches)

    @property
    def transfers(self) -> pl.DataFrame:
        """The canonical frame of that name."""
        return self._frame("transfers")
