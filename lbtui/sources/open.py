"""Open a path: find the output, tell which frames it can yield, and wire each to its loader."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from lbtui.log import log
from lbtui.profile import (
    FrameName,
    PlacementFile,
    Profile,
    Reading,
    SourceFile,
    Unreadable,
)
from lbtui.profile.captures import Choice
from lbtui.sources.discover import Output, find_output, with_experts
from lbtui.sources.experts.discover import COUNTS, DUMP, OPERATORS, PLACEMENT, RAW
from lbtui.sources.loaders import YIELDS, Guarded, Loaders, log_notes
from lbtui.sources.near import readings_near
from lbtui.sources.snapshot import Snapshot
from lbtui.sources.store import Store
from lbtui.text import _, in_sentences, visible

if TYPE_CHECKING:
    from lbtui.sources.raw.meanings import Kept


def open_profile(
    path: Path,
    experts: Path | None = None,
    placement: Path | None = None,
    capture: Choice = None,
    raw: bool = False,
    kept: Kept | None = None,
) -> Profile:
    """Return the profile at `path`; looks at names, sizes and table names only, whatever the size.

    `experts` is a raw profile or a MindIE dump to take expert heat from, `placement` a placement file: that
    of the loads where nothing else tells it, and a candidate. `capture` is the one to show of several that
    lie far apart in time. `raw` opens the raw profile, whatever the parser wrote beside it; `kept` is what
    earlier openings read of one that is being recorded.

    Raises `Unreadable` when nothing there can be read, `SeveralOutputs` when there is a choice to make.
    """
    output = find_output(path, raw=raw)
    if experts is not None:
        output = with_experts(output, experts)
    return _opened(output, placement, capture, kept)


def open_one_of_many(reading: Reading, beside: Sequence[SourceFile]) -> Profile:
    """Return the profile of a run among others, as `open_profile` does, and look at nothing around it.

    `beside` are the files of the raw profile that an output is of.
    """
    return _opened(find_output(reading.path, raw=reading.raw, beside=beside), around=False)


def _opened(
    output: Output,
    placement: Path | None = None,
    capture: Choice = None,
    kept: Kept | None = None,
    *,
    around: bool = True,
) -> Profile:
    """Return the profile of an output; `around` tells whether outputs of a raw profile are looked for."""
    files = (*output.files, *output.beside.files)
    growing = [file.path for file in files if file.kind in (RAW, OPERATORS)]
    snapshot = Snapshot((file.path for file in files), growing)
    _check_counts(output)
    given = _placement(output, placement)
    store = _store(output, kept)
    notes = (*output.notes, *store.notes)
    available = _frames(output, store)
    if not available:
        sentences = in_sentences(*(note.text for note in notes))
        raise Unreadable(
            sentences
            or _("{path} holds no table that lbtui knows; parse the profile again.").format(
                path=visible(str(output.folder))
            )
        )
    for file in output.files:
        log.info("file %s, %s, %d bytes", file.path, file.kind, file.size)
    log_notes(notes)
    holders = {name: tuple(_holders(name, output, store)) for name in YIELDS}
    near = tuple(file.path for file in output.beside.files)
    guarded = Guarded(Loaders(store, given), available, snapshot, holders, near)
    return Profile(
        path=output.folder,
        files=output.files,
        notes=notes,
        source=guarded,
        unparsed=None if output.parsed or output.raw else _unparsed(output),
        placement=given,
        cuts=store.cuts,
        capture=capture,
        holders=holders,
        raw=output.raw,
        near=readings_near(output) if around or not output.raw else (),
    )


def _frames(output: Output, store: Store) -> list[FrameName]:
    """Return the frames that the files can yield."""
    present = store.database_tables | output.csv.keys()
    found: list[FrameName] = [
        name
        for name, (tables, in_trace) in YIELDS.items()
        if present.intersection(tables) or (in_trace and store.has_trace) or name in store.yields
    ]
    return found + [name for name in _of_experts(output, bool(found)) if name not in found]


def _store(output: Output, kept: Kept | None) -> Store:
    if not output.raw:
        return Store(output)
    from lbtui.sources.raw.store import RawStore

    return RawStore(output, kept)


def _holders(name: FrameName, output: Output, store: Store) -> Iterator[SourceFile]:
    """Yield the files of the output that may tell a frame."""
    tables, in_trace = YIELDS[name]
    held = store.database_tables or None
    csv = {output.csv[table] for table in tables if table in output.csv}
    for file in output.files:
        if (
            file.path in csv
            or (file.path == output.trace and in_trace)
            or (file.kind == RAW and output.raw)
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
    from lbtui.sources.experts.counts import check

    sentences = []
    for file in counts:
        try:
            check(file)
        except Unreadable as error:
            sentences.append(str(error))
    if len(sentences) == len(counts):
        raise Unreadable(in_sentences(*sentences[:3]))


def _placement(output: Output, asked: Path | None) -> PlacementFile | None:
    """Return the placement asked for, else the first of those that lie alone, or one beside counts.

    Raises `Unreadable`.
    """
    lying = output.experts.placements
    alone = not output.parsed and not output.experts.raw and not output.experts.dump
    # Of several beside counts none is known to be theirs.
    if asked is None and (not alone or not lying or (output.experts.counts and len(lying) > 1)):
        return None
    from lbtui.sources.experts.placement import read_placement  # numpy

    return read_placement(asked or lying[0].path)


def _unparsed(output: Output) -> tuple[str, str]:
    """Return why all but experts is missing where the parser wrote nothing, and how to get it."""
    alone = output.experts.placements and not output.experts.loads
    return (
        _("only a placement of experts is here, no load and no parsed output")
        if alone
        else _("only expert loads are here, no parsed output"),
        _("record with msServiceProfiler, parse, and give this folder with --experts"),
    )
