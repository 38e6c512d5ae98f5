"""A service's events as frames, whatever file they were read from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

import polars as pl

from lbtui.profile import Note, Provenance

if TYPE_CHECKING:
    from lbtui.sources.experts.rows import ProcessExperts  # needs numpy, which opening does without

READERS = ("trace", "raw")  # of events, not of tables


class Events(Protocol):
    """What a trace or a raw profile tells; `file` is its name as it is shown.

    Times are UTC, naive, cut to whole microseconds. Columns of `forwards`, `spans`, `queue_events` and
    `kv_counters` are in `trace.events`, those of `dispatches` in `trace.nodes`; where processes are told
    apart by more than their pid there is `prof_id`, too. `requests`, `nodes`, `transfers` and `handoffs` are
    canonical. `experts` has one entry per EP process: `experts.tables.combine` joins those of one instance.
    """

    @property
    def file(self) -> str:
        """The name of the file, as it is shown."""

    @property
    def reader(self) -> str:
        """One of `READERS`."""

    @property
    def processes(self) -> pl.DataFrame:
        """`pid`, `host` and `dp_rank` of each process."""

    @property
    def forwards(self) -> pl.DataFrame:
        """Forward passes."""

    @property
    def spans(self) -> pl.DataFrame:
        """Scheduling rounds."""

    @property
    def queue_events(self) -> pl.DataFrame:
        """Lengths of queues."""

    @property
    def kv_counters(self) -> pl.DataFrame:
        """Free KV blocks of processes, where these are all that is told of them."""

    @property
    def requests(self) -> pl.DataFrame:
        """The canonical frame."""

    @property
    def client_ids(self) -> pl.DataFrame:
        """The `trace.requests.CLIENT_IDS` of requests that have longer ids in rounds and queues."""

    def linked(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Return rows with `prof_id` and `request_id`, or a list of them, with the ids they are linked to."""

    @property
    def left_queue(self) -> pl.DataFrame:
        """`request_id` and `time` of each request that leaves a queue in which it waits for its prefill."""

    @property
    def dispatches(self) -> pl.DataFrame:
        """Which nodes a coordinator sent each request to."""

    @property
    def nodes(self) -> pl.DataFrame:
        """The canonical frame."""

    @property
    def transfers(self) -> pl.DataFrame:
        """The canonical frame."""

    @property
    def handoffs(self) -> pl.DataFrame:
        """The canonical frame."""

    @property
    def experts(self) -> Sequence[ProcessExperts]:
        """What each EP process tells."""

    @property
    def notes(self) -> tuple[Note, ...]:
        """What could not be read."""

    def provenance(self, rows: int, precision: str = ...) -> Provenance:
        """Return where that many rows come from."""
