"""What the files of a profile yield, as one object: frames by name, and what is read when asked for."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias, TypeVar

import polars as pl

from lbtui.profile.experts import LoadedSeries
from lbtui.profile.note import Note, Provenance
from lbtui.profile.progress import Progress
from lbtui.profile.sample import StepSample
from lbtui.profile.schema import FrameName
from lbtui.profile.slices import NoSlices, SliceReader
from lbtui.profile.summary import Summary

_T = TypeVar("_T")
Loader: TypeAlias = "Callable[[Progress], Loaded]"


@dataclass(frozen=True)
class Loaded:
    """A frame with where it came from and what to mind about it."""

    frame: pl.DataFrame
    provenance: tuple[Provenance, ...] = ()
    notes: tuple[Note, ...] = ()


@dataclass(frozen=True)
class JoinedSteps(Loaded):
    """Steps of DP domains, with what is kept of the passes that they were joined of.

    `card_times`: domain, prof_id, duration (ms, of all passes of the card together; null if one is negative).
    """

    card_times: pl.DataFrame = field(default_factory=pl.DataFrame)


@dataclass(frozen=True)
class ScheduledRequest:
    """One request of a scheduling round: its id, its iteration and the tokens scheduled for it."""

    request_id: str
    iteration: int | None
    tokens: int | None


_STRING, _TIME = pl.String(), pl.Datetime("us")


@dataclass(frozen=True)
class RequestPlaces:
    """Where requests ran, one row a request and domain: `service`, and a row a dispatch: `dispatches`.

    `first` is the start of the request's first round on the domain; a dispatch has the addresses (ip:port)
    of the P/D nodes that the coordinator chose.
    """

    service: pl.DataFrame = field(
        default_factory=lambda: pl.DataFrame(
            schema={"request_id": _STRING, "domain": _STRING, "first": _TIME}
        )
    )
    dispatches: pl.DataFrame = field(
        default_factory=lambda: pl.DataFrame(
            schema={"request_id": _STRING, "prefill_address": _STRING, "decode_address": _STRING}
        )
    )


@dataclass(frozen=True)
class RequestRounds:
    """What rounds and events tell of requests' lives; `request` is the place of one among those asked for.

    `members`: request, prof_id, row (of `batches`), a row for each of its rounds. `taken`: request, time at
    which a scheduler took it up. `dispatched`: request, time. `pulls`: request, start, end.
    """

    members: pl.DataFrame = field(
        default_factory=lambda: pl.DataFrame(
            schema={"request": pl.UInt32, "prof_id": pl.Categorical, "row": pl.Int64}
        )
    )
    taken: pl.DataFrame = field(
        default_factory=lambda: pl.DataFrame(schema={"request": pl.UInt32, "time": _TIME})
    )
    dispatched: pl.DataFrame = field(
        default_factory=lambda: pl.DataFrame(schema={"request": pl.UInt32, "time": _TIME})
    )
    pulls: pl.DataFrame = field(
        default_factory=lambda: pl.DataFrame(schema={"request": pl.UInt32, "start": _TIME, "end": _TIME})
    )


class Source(Protocol):
    """Files as a `Profile` reads them. A source of frames alone has only to say which, and to load them.

    Any of its methods but `summaries` may raise `Cancelled` when `progress` does, and `Unreadable`.
    """

    names: Collection[FrameName] = ()
    """The frames that a file could yield."""

    def load(self, name: FrameName, progress: Progress) -> Loaded:
        """Return one of these frames; what cannot be read is told in its notes."""
        raise NotImplementedError

    def joined_steps(self, progress: Progress) -> Loaded | None:
        """Return the steps of DP domains where the forward passes are too many to be held, else None."""

    def sample_steps(self, progress: Progress) -> StepSample | None:
        """Return a sample of the steps of DP domains, read now; None where these are soon read, or untold."""

    def passes(self, progress: Progress) -> pl.DataFrame:
        """Return the forward passes of all cards, read now, where `joined_steps` gives steps."""
        raise NotImplementedError

    def each_part_of_steps(
        self, take: Callable[[Iterator[pl.DataFrame]], _T], progress: Progress
    ) -> _T | None:
        """Return what `take` makes of `steps` part by part, if these are too many to be held, else None."""

    def steps_between(self, begin: int, end: int, progress: Progress) -> pl.DataFrame | None:
        """Return the `steps` that start between two instants (µs), read now; None where all are held."""

    def load_series(self, progress: Progress) -> LoadedSeries:
        """Return expert heat iteration by iteration; empty where no file tells it."""
        return LoadedSeries()

    def read_round(self, prof_id: str, row: int) -> list[ScheduledRequest]:
        """Return the requests of the scheduling round at `row` of the file that `batches` came from."""
        return []

    def read_request_places(self, progress: Progress) -> RequestPlaces:
        """Return what rounds and dispatches tell of where requests ran, read now."""
        return RequestPlaces()

    def read_request_rounds(self, request_ids: pl.Series, progress: Progress) -> RequestRounds:
        """Return in which rounds each of these requests was, and the moments of its life, read now."""
        return RequestRounds()

    def node_changes(self, progress: Progress) -> pl.DataFrame | None:
        """Return when P/D nodes get requests and end them, None where only counts in bins are known.

        Columns: `time`, `address`, `role`, and `added` and `ended`, of which one is 1 and the other 0.
        """

    def slices(self, progress: Progress) -> SliceReader:
        """Return what reads the slices of all processes, as far as a file tells them."""
        return NoSlices()

    def engine(self, progress: Progress) -> str | None:
        """Return the name of the serving engine, None where nothing tells."""

    def summaries(self) -> tuple[Summary, ...]:
        """Return what upstream's `analyze` wrote beside the tables, if it did."""
        return ()


class Nothing(Source):
    """The source of a profile without files."""
