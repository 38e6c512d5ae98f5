"""Open a path: find the output, tell which frames it can yield, and wire each to its loader."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from lbtui.log import log
from lbtui.profile import (
    FrameName,
    Loaded,
    Note,
    PlacementFile,
    Profile,
    Progress,
    Silent,
    SourceFile,
    Unreadable,
    empty,
)
from lbtui.profile.captures import Choice
from lbtui.profile.model import Loader, ScheduledRequest
from lbtui.profile.once import Once
from lbtui.profile.progress import UpTo
from lbtui.sources.discover import Output, find_output, with_experts
from lbtui.sources.discover_experts import COUNTS, DUMP, PLACEMENT, RAW
from lbtui.sources.rounds import read_round
from lbtui.sources.store import Store
from lbtui.text import _, visible

if TYPE_CHECKING:
    import polars as pl

_T = TypeVar("_T")

# Which tables (CSV or profiler.db) can yield a frame; the trace can yield those marked True.
_YIELDS: dict[FrameName, tuple[tuple[str, ...], bool]] = {
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


def open_profile(
    path: Path, experts: Path | None = None, placement: Path | None = None, capture: Choice = None
) -> Profile:
    """Return the profile at `path`; looks at names, sizes and table names only, whatever the size.

    `experts` is a raw profile or a MindIE dump to take expert heat from, `placement` a placement file: that
    of the loads where nothing else tells it, and a candidate. `capture` is the one to show of several that
    lie far apart in time. Raises `Unreadable` when nothing there can be
    read, `SeveralOutputs` when there is a choice to make.
    """
    output = find_output(path)
    if experts is not None:
        output = with_experts(output, experts)
    _check_counts(output)
    given = _placement(output, placement)
    store = Store(output)
    notes = (*output.notes, *store.notes)
    present = store.database_tables | output.csv.keys()
    available: list[FrameName] = [
        name
        for name, (tables, in_trace) in _YIELDS.items()
        if present.intersection(tables) or (in_trace and output.trace)
    ]
    available += [name for name in _of_experts(output, bool(available)) if name not in available]
    if not available:
        sentences = " ".join(note.text for note in notes)
        raise Unreadable(
            sentences
            or _("{path} holds no table that lbtui knows; parse the profile again.").format(
                path=visible(str(output.folder))
            )
        )
    for file in output.files:
        log.info("file %s, %s, %d bytes", file.path, file.kind, file.size)
    _log_notes(notes)
    loaders = _Loaders(store, given)
    return Profile(
        path=output.folder,
        files=output.files,
        notes=notes,
        loaders={name: _telling(name, loaders.named[name]) for name in available},
        round_reader=loaders.read_round,
        domain_steps_loader=_timed("joined steps", loaders.joined_steps),
        steps_reader=loaders.steps_between,
        unparsed=None if output.parsed else _unparsed(output),
        placement=given,
        passes_reader=_timed("passes", loaders.passes),
        steps_in_parts=loaders.each_part_of_steps,
        expert_series_loader=_timed("expert series", loaders.load_series),
        cuts=store.cuts,
        capture=capture,
        summaries_reader=lambda: store.summaries()[0],
        holders={name: tuple(_holders(name, output, store)) for name in _YIELDS},
    )


def _holders(name: FrameName, output: Output, store: Store) -> Iterator[SourceFile]:
    """Yield the files of the output that may tell a frame."""
    tables, in_trace = _YIELDS[name]
    held = store.database_tables or None
    csv = {output.csv[table] for table in tables if table in output.csv}
    for file in output.files:
        if (
            file.path in csv
            or (file.path == output.trace and in_trace)
            # Of one that cannot be opened nobody knows what it held.
            or (file.path == output.database and (held is None or not held.isdisjoint(tables)))
            or (name == "expert_heat" and file.kind in ("heat_png", RAW, DUMP, COUNTS))
            or (name == "placements" and file.kind in (RAW, DUMP, COUNTS, PLACEMENT))
        ):
            yield file


def _of_experts(output: Output, others: bool) -> tuple[FrameName, ...]:
    """Return the frames that files other than tables and traces yield; `others` tells whether these do."""
    # Whether a raw profile near the output is its own, only its tables tell.
    if output.experts.loads or (output.beside.raw and others):
        return ("expert_heat", "placements")
    if output.experts.placements and not output.parsed:
        return ("placements",)
    return ("expert_heat",) if output.heat_maps else ()


def _check_counts(output: Output) -> None:
    """Raise `Unreadable` where nothing but counts of experts is to be read, and none of them can."""
    counts = output.experts.counts
    if not counts or output.experts.raw or output.experts.dump:
        return
    from lbtui.sources.expert_counts import check

    sentences = []
    for file in counts:
        try:
            check(file)
        except Unreadable as error:
            sentences.append(str(error))
    if len(sentences) == len(counts):
        raise Unreadable(" ".join(sentences[:3]))


def _placement(output: Output, asked: Path | None) -> PlacementFile | None:
    """Return the placement asked for, else the first of those that lie alone, or one beside counts.

    Raises `Unreadable`.
    """
    from lbtui.sources.placement import read_placement

    if asked is not None:
        return read_placement(asked)
    lying = output.experts.placements
    alone = not output.parsed and not output.experts.raw and not output.experts.dump
    # Of several beside counts none is known to be theirs.
    if not alone or not lying or (output.experts.counts and len(lying) > 1):
        return None
    return read_placement(lying[0].path)


def _unparsed(output: Output) -> tuple[str, str]:
    """Return why all but experts is missing where the parser wrote nothing, and how to get it."""
    if output.experts.raw:
        return (
            _("this is a raw profile, of which lbtui reads the expert heat only"),
            _("parse it: python3 -m ms_service_profiler.parse --input-path={folder}").format(
                folder=visible(str(output.folder))
            ),
        )
    alone = output.experts.placements and not output.experts.loads
    return (
        _("only a placement of experts is here, no load and no parsed output")
        if alone
        else _("only expert loads are here, no parsed output"),
        _("record with msServiceProfiler, parse, and give this folder with --experts"),
    )


def _telling(name: FrameName, load: Loader) -> Loader:
    """Let a file that breaks while a frame is made of it be told in a note, as everywhere else."""

    timed = _timed(name, load)

    def load_or_tell(progress: Progress) -> Loaded:
        try:
            loaded = timed(progress)
        except Unreadable as error:
            loaded = Loaded(empty(name), notes=(Note(name, str(error), lost=True),))
        log.info("frame %s: %d rows", name, loaded.frame.height)
        _log_notes(loaded.notes)
        return loaded

    return load_or_tell


def _timed(name: str, load: Callable[[Progress], _T]) -> Callable[[Progress], _T]:
    """Let the log tell how long a reading took, and how it ended."""

    def load_timed(progress: Progress) -> _T:
        begun, ended = time.monotonic(), "done"
        try:
            return load(progress)
        except BaseException as error:
            ended = type(error).__name__
            raise
        finally:
            log.info("reading %s: %s after %.3f s", name, ended, time.monotonic() - begun)

    return load_timed


def _log_notes(notes: Iterable[Note]) -> None:
    for note in notes:
        log.info("note on %s: %s", note.file, note.text)


class _Loaders:
    """The loader of each frame; what several frames need is computed once."""

    def __init__(self, store: Store, placement: PlacementFile | None) -> None:
        from lbtui.sources.canonical import experts, kv, nodes, operators, queues, requests, scheduling
        from lbtui.sources.canonical.large_forward import large_forward
        from lbtui.sources.canonical.other_run import DATED

        self._store = store
        scheduled = Once(lambda progress: scheduling.load_scheduling(store, progress))
        batches = Once(lambda progress: scheduling.load_batches(scheduled(progress)))
        heat = experts.Experts(store, scheduled, placement)
        self.load_series = heat.load_series
        self._scheduled = scheduled
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
        self.named |= {name: self.of_this_run(name, self.named[name]) for name in DATED}

    def of_this_run(self, name: FrameName, load: Loader) -> Loader:
        """Let a frame of another run than the scheduling's be left out, and told."""
        from lbtui.sources.canonical.other_run import of_this_run

        def checked(progress: Progress) -> Loaded:
            loaded = load(progress)
            # A large table of passes is not read just for this.
            return loaded if self._large else of_this_run(loaded, name, self._scheduled(progress))

        return checked

    def joined_steps(self, progress: Progress) -> Loaded | None:
        """Return the steps of DP domains where the forward passes are too many to be held, else None."""
        return self._scheduled(progress).joined

    def passes(self, progress: Progress) -> pl.DataFrame:
        """Return the forward passes of all cards, read now, where they are too many to be held."""
        from lbtui.sources.canonical.streamed_passes import read_passes

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
        from lbtui.sources.canonical.steps_in_parts import each_part

        return each_part(self._scheduled(progress), self._batches(progress), take, progress)

    def steps_between(self, begin: int, end: int) -> pl.DataFrame | None:
        """Return the `steps` that start between two instants (µs), read now; None where all are held."""
        from lbtui.sources.canonical.scheduling import steps_between

        scheduled = self._scheduled(Silent())
        return steps_between(scheduled, self._batches(Silent()), begin, end)

    def read_round(self, prof_id: str, row: int) -> list[ScheduledRequest]:
        """Return the requests of the scheduling round at `row` of the file that `batches` came from.

        Raises `Unreadable` when that file is another by now.
        """
        batch = self._scheduled(Silent()).batch
        return [] if batch is None else read_round(self._store, batch, prof_id, row)
