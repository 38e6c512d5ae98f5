"""The loader of each frame of an output, refused where its files have changed since it was opened."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from lbtui.log import log
from lbtui.profile import (
    FrameName,
    Loaded,
    LoadedSeries,
    Note,
    PlacementFile,
    Progress,
    Silent,
    Source,
    SourceFile,
    Summary,
    Unreadable,
    empty,
)
from lbtui.profile.once import Once
from lbtui.profile.progress import UpTo
from lbtui.profile.sample import StepSample
from lbtui.profile.slices import SliceFields, SliceReader, Slices
from lbtui.profile.source import Loader, RequestPlaces, RequestRounds, ScheduledRequest
from lbtui.sources.rounds import read_round
from lbtui.sources.snapshot import Snapshot
from lbtui.sources.store import Store

if TYPE_CHECKING:
    import polars as pl

    from lbtui.sources.steps.owners import Owners
    from lbtui.sources.store import Raw

_T = TypeVar("_T")


# Which tables (CSV or profiler.db) can yield a frame; the trace can yield those marked True.
YIELDS: dict[FrameName, tuple[tuple[str, ...], bool]] = {
    "batches": (("batch",), True),
    "steps": (("forward", "batch"), True),
    "kv": (("kvcache", "batch"), True),
    "queues": (("request_status", "slice"), True),
    "nodes": (("coordinator",), True),
    "requests": (("request",), True),
    "transfers": (("pd_split_kvcache",), True),
    "handoffs": (("pd_split_communication",), True),
    "expert_heat": (("slice",), True),
    "placements": (("slice",), True),
    "layer_times": (("ep_balance",), False),
    "rank_intervals": (("moe_analysis",), False),
    "speculation": (("spec_decode",), False),
}


class Loaders:
    """The loader of each frame; what several frames need is computed once."""

    def __init__(self, store: Store, placement: PlacementFile | None) -> None:
        from lbtui.sources.canonical import experts, kv, moments, nodes, operators, queues, requests
        from lbtui.sources.canonical.other_run import DATED
        from lbtui.sources.steps import scheduling
        from lbtui.sources.steps.large_forward import large_forward

        self._store = store
        scheduled = Once(lambda progress: scheduling.load_scheduling(store, progress))
        batches = Once(lambda progress: scheduling.load_batches(scheduled(progress)))
        heat = experts.Experts(store, scheduled, placement)
        self.load_series = heat.load_series
        self.summaries = store.summaries
        self._scheduled = scheduled
        self._marks = Once(lambda progress: moments.read_marks(store, progress))
        self._batches = batches
        self._large = large_forward(store) is not None
        self.named: dict[FrameName, Loader] = {
            "batches": batches,
            "steps": lambda p: scheduling.load_steps(
                scheduling.with_all_passes(store, scheduled(p), p), batches(p)
            ),
            "kv": lambda p: kv.load_kv(store, scheduled(p), p),
            "queues": lambda p: queues.load_queues(store, scheduled(p).owners, p),
            "nodes": lambda p: nodes.load_nodes(store, p),
            "requests": lambda p: requests.load_requests(store, scheduled, p),
            "transfers": lambda p: requests.load_transfers(store, p),
            "handoffs": lambda p: requests.load_handoffs(store, p),
            "expert_heat": heat.load_heat,
            "placements": heat.load_placements,
            "layer_times": lambda p: operators.load_layer_times(store, p),
            "rank_intervals": lambda p: operators.load_rank_intervals(store, p),
            "speculation": lambda p: requests.load_speculation(store, p),
        }
        if store.output.raw:
            from lbtui.sources.raw.loaders import raw_loaders, with_notes
            from lbtui.sources.raw.store import RawStore

            assert isinstance(store, RawStore)
            self.named |= raw_loaders(store, self)
            self.named = {name: with_notes(store, load) for name, load in self.named.items()}
        self.named |= {name: self.of_this_run(name, self.named[name]) for name in DATED}

    def owners(self, progress: Progress) -> Owners:
        """Return the DP domain of every process."""
        return self._scheduled(progress).owners

    def layers(self, progress: Progress) -> int | None:
        """Return how many MoE layers the model has, None where no expert table tells."""
        last = self.named["expert_heat"](progress).frame.select("layer").max().item()
        return None if last is None else last + 1

    def node_changes(self, progress: Progress) -> pl.DataFrame | None:
        """Return when P/D nodes get requests and end them; None where a table counts these in bins."""
        from lbtui.sources.trace.nodes import node_changes

        counted, _notes = self._store.table("coordinator", progress)
        if counted is not None:
            return None
        trace, _notes = self._store.trace(progress)
        return None if trace is None else node_changes(trace.dispatches)

    def engine(self, progress: Progress) -> str | None:
        """Return the serving engine that the scheduling rounds are of."""
        from lbtui.sources.steps.engine import engine_of

        batch = self._scheduled(progress).batch
        return None if batch is None else engine_of(batch.frame)

    def of_this_run(self, name: FrameName, load: Loader) -> Loader:
        """Let a frame of another run than the scheduling's be left out, and told."""
        from lbtui.sources.canonical.other_run import of_this_run

        def checked(progress: Progress) -> Loaded:
            loaded = load(progress)
            # A large table of passes is not read just for this.
            return loaded if self._large else of_this_run(loaded, name, self._scheduled(progress))

        return checked

    def raw_batch(self, progress: Progress) -> Raw | None:
        """Return the table of scheduling rounds as it was read, None where there is none."""
        return self._scheduled(progress).batch

    def slices(self) -> SliceReader:
        """Return what reads the slices of all processes."""
        from lbtui.sources.timeline.reader import slice_reader

        return slice_reader(self._store, self)

    def joined_steps(self, progress: Progress) -> Loaded | None:
        """Return the steps of DP domains where the forward passes are too many to be held, else None."""
        return self._scheduled(progress).joined

    def sample_steps(self, progress: Progress) -> StepSample | None:
        """Return a sample of the steps of DP domains, None where these are not too many to be held."""
        from lbtui.sources.steps.scheduling import sample_of

        return sample_of(self._store, progress) if self._large else None

    def passes(self, progress: Progress) -> pl.DataFrame:
        """Return the forward passes of all cards, read now, where they are too many to be held."""
        from lbtui.sources.steps.streamed_passes import read_passes

        scheduled = self._scheduled(progress)
        forward = scheduled.large
        assert forward is not None
        # As far as the steps made of them reach.
        cuts = (note.cut for note in self._store.cuts if note.cut and note.file == forward.file)
        end = next((cut.done for cut in cuts), None)
        return read_passes(forward, scheduled.owners, UpTo(progress, end))

    def each_part_of_steps(
        self, take: Callable[[Iterator[pl.DataFrame]], _T], progress: Progress
    ) -> _T | None:
        """Return what `take` makes of `steps` part by part, if these are too many to be held, else None."""
        from lbtui.sources.steps.steps_in_parts import each_part

        return each_part(self._scheduled(progress), self._batches(progress), take, progress)

    def steps_between(self, begin: int, end: int, progress: Progress) -> pl.DataFrame | None:
        """Return the `steps` that start between two instants (µs), read now; None where all are held."""
        from lbtui.sources.steps.scheduling import steps_between

        scheduled = self._scheduled(progress)
        return steps_between(scheduled, self._batches(progress), (begin, end), progress)

    def read_round(self, prof_id: str, row: int) -> list[ScheduledRequest]:
        """Return the requests of the scheduling round at `row` of the file that `batches` came from.

        Raises `Unreadable` when that file is another by now.
        """
        batch = self._scheduled(Silent()).batch
        return [] if batch is None else read_round(self._store, batch, prof_id, row)

    def read_request_places(self, progress: Progress) -> RequestPlaces:
        """Return what rounds and dispatches tell of where requests ran, read now."""
        from lbtui.sources.canonical.kv_owners import read_service
        from lbtui.sources.canonical.moments import dispatches_in

        service, _told = read_service(self._store, self._scheduled(progress).owners, progress)
        places = RequestPlaces(service.select("request_id", "domain", "first"))
        trace, _told = self._store.trace(progress)
        if trace is None:
            return RequestPlaces(places.service, dispatches_in(self._marks(progress)))
        return RequestPlaces(places.service, trace.dispatches.select(places.dispatches.columns))

    def read_request_rounds(self, request_ids: pl.Series, progress: Progress) -> RequestRounds:
        """Return in which rounds each of these requests was, and the moments of its life, read now."""
        import polars as pl

        from lbtui.sources.canonical.moments import read_moments
        from lbtui.sources.steps.members import read_members

        scheduled = self._scheduled(progress)
        batches = self._batches(progress).frame
        members, taken = read_members(self._store, scheduled, batches, request_ids, progress)
        transfers = self.named["transfers"](progress).frame
        dispatched, pulls = read_moments(self._store, scheduled, transfers, self._marks, progress)
        # Of millions of requests few may be named here, if any.
        told = pl.concat([found.select("request_id") for found in (dispatched, pulls)])
        asked = request_ids if told.height else request_ids.clear()
        ids = pl.DataFrame({"request_id": asked}).with_row_index("request")
        known = ids.join(told, on="request_id", how="semi", maintain_order="left")
        known = known.unique("request_id", keep="first", maintain_order=True)
        named = [found.join(known, on="request_id").drop("request_id") for found in (dispatched, pulls)]
        return RequestRounds(members, taken, dispatched=named[0], pulls=named[1])


def log_notes(notes: Iterable[Note]) -> None:
    """Let the log tell notes."""
    for note in notes:
        log.info("note on %s: %s", note.file, note.text)


class Guarded(Source):
    """What `Loaders` reads, refused where a file it comes from has changed since the profile was opened.

    Steps and rounds are what nearly all else is placed by, so their files count for every frame.
    """

    def __init__(
        self,
        loaders: Loaders,
        names: Collection[FrameName],
        snapshot: Snapshot,
        holders: Mapping[FrameName, Sequence[SourceFile]],
        near: Sequence[Path],
    ) -> None:
        self.names = names
        self._loaders = loaders
        self._snapshot = snapshot
        self._holders = holders
        self._near = near  # raw profiles beside the output, for expert heat

    @contextmanager
    def _reading(self, what: str, *names: FrameName) -> Iterator[None]:
        """Refuse what has changed; let the log tell how long a reading took, and how it ended."""
        files = {file.path: None for name in ("steps", "batches", *names) for file in self._holders[name]}
        near = self._near if "expert_heat" in names or "placements" in names else ()
        begun, ended = time.monotonic(), "done"
        try:
            with self._snapshot.unchanged((*files, *near)):
                yield
        except BaseException as error:
            ended = type(error).__name__
            raise
        finally:
            log.info("reading %s: %s after %.3f s", what, ended, time.monotonic() - begun)

    def load(self, name: FrameName, progress: Progress) -> Loaded:
        """Return a frame; a file that breaks meanwhile is told in a note, as elsewhere."""
        try:
            with self._reading(name, name):
                loaded = self._loaders.named[name](progress)
        except Unreadable as error:
            loaded = Loaded(empty(name), notes=(Note(name, str(error), lost=True),))
        log.info("frame %s: %d rows", name, loaded.frame.height)
        log_notes(loaded.notes)
        return loaded

    def load_series(self, progress: Progress) -> LoadedSeries:
        """Return what `Loaders.load_series` does; raises `Unreadable` where the files have changed."""
        with self._reading("expert series", "expert_heat", "placements"):
            return self._loaders.load_series(progress)

    def joined_steps(self, progress: Progress) -> Loaded | None:
        """Return what `Loaders.joined_steps` does; told in a note where the files have changed."""
        try:
            with self._reading("joined steps"):
                return self._loaders.joined_steps(progress)
        except Unreadable as error:
            return Loaded(empty("steps"), notes=(Note("steps", str(error), lost=True),))

    def sample_steps(self, progress: Progress) -> StepSample | None:
        """Return what `Loaders.sample_steps` does."""
        with self._reading("a sample of steps"):
            return self._loaders.sample_steps(progress)

    def passes(self, progress: Progress) -> pl.DataFrame:
        """Return what `Loaders.passes` does."""
        with self._reading("passes"):
            return self._loaders.passes(progress)

    def each_part_of_steps(
        self, take: Callable[[Iterator[pl.DataFrame]], _T], progress: Progress
    ) -> _T | None:
        """Return what `Loaders.each_part_of_steps` does."""
        with self._reading("steps in parts"):
            return self._loaders.each_part_of_steps(take, progress)

    def steps_between(self, begin: int, end: int, progress: Progress) -> pl.DataFrame | None:
        """Return what `Loaders.steps_between` does."""
        with self._reading("steps between"):
            return self._loaders.steps_between(begin, end, progress)

    def read_round(self, prof_id: str, row: int) -> list[ScheduledRequest]:
        """Return what `Loaders.read_round` does."""
        with self._reading("a round"):
            return self._loaders.read_round(prof_id, row)

    def read_request_places(self, progress: Progress) -> RequestPlaces:
        """Return what `Loaders.read_request_places` does."""
        with self._reading("where requests ran"):
            return self._loaders.read_request_places(progress)

    def read_request_rounds(self, request_ids: pl.Series, progress: Progress) -> RequestRounds:
        """Return what `Loaders.read_request_rounds` does."""
        with self._reading("rounds of requests", "transfers"):
            return self._loaders.read_request_rounds(request_ids, progress)

    def node_changes(self, progress: Progress) -> pl.DataFrame | None:
        """Return what `Loaders.node_changes` does."""
        with self._reading("changes of nodes", "nodes"):
            return self._loaders.node_changes(progress)

    def slices(self, progress: Progress) -> SliceReader:
        """Return what `Loaders.slices` does; each of its readings is refused where its files have changed."""
        with self._reading("which slices", "queues"):
            return _GuardedSlices(self._loaders.slices(), lambda what: self._reading(what, *self.names))

    def engine(self, progress: Progress) -> str | None:
        """Return what `Loaders.engine` does."""
        with self._reading("the engine"):
            return self._loaders.engine(progress)

    def summaries(self) -> tuple[Summary, ...]:
        """Return what `Store.summaries` found."""
        return self._loaders.summaries()[0]


class _GuardedSlices(SliceReader):
    """A reader of slices whose files must be those that were there at first."""

    def __init__(self, reader: SliceReader, reading: Callable[[str], AbstractContextManager[None]]) -> None:
        self._reader, self._reading = reader, reading
        self.large = reader.large

    def sample(self, progress: Progress) -> Slices:
        """Return slices from all over the time."""
        with self._reading("a sample of slices"):
            return self._reader.sample(progress)

    def read(self, progress: Progress) -> Slices:
        """Return all slices."""
        with self._reading("slices"):
            slices = self._reader.read(progress)
        log_notes(slices.notes)
        return slices

    def placed(self, slices: Slices, progress: Progress) -> Slices:
        """Return the slices with the DP domains of their tracks."""
        with self._reading("whose slices"):
            return self._reader.placed(slices, progress)

    def fields(self, slices: Slices, index: int) -> SliceFields:
        """Return what the file tells of one slice."""
        with self._reading("a slice"):
            return self._reader.fields(slices, index)

    def flow(self, slices: Slices, request: str, progress: Progress) -> Sequence[int]:
        """Return the slices of a request."""
        with self._reading("the way of a request"):
            return self._reader.flow(slices, request, progress)
