"""The steps of DP domains in blocks of a large forward table: a sample, while all is still to be read."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
from numpy.typing import NDArray

from lbtui.profile import Cancelled, empty
from lbtui.profile.place import parts_of, times_of
from lbtui.profile.progress import ForAWhile
from lbtui.profile.sample import StepSample
from lbtui.sources.steps.forward_rows import Blocks
from lbtui.sources.steps.large_forward import LargeForward
from lbtui.sources.steps.step_join import NotJoinable, Passes, StepJoiner, concatenated
from lbtui.sources.steps.streamed_domains import FindOwners, StreamedDomains
from lbtui.sources.store import Raw

_SECONDS = 1.5
# Of the sample, in so many blocks at most, of so many passes of every process at least.
_ROWS, _BLOCKS, _PASSES = 260_000, 2048, 6


def sample_steps(forward: LargeForward, first: Raw, find_owners: FindOwners) -> StepSample | None:
    """Return a sample of the steps; None where blocks of the table do not tell them.

    So it is where its rows are not in the order of their start, cells need to be looked at one by one, a
    process is not among the `first` rows, or the disk takes long to go from block to block. Raises
    `Unreadable`.
    """
    processes = first.frame["prof_id"].n_unique()
    rows = max(_PASSES * processes, _ROWS // _BLOCKS)
    try:
        found = forward.blocks(min(max(_ROWS // rows, 1), _BLOCKS), rows, ForAWhile(_SECONDS))
    except Cancelled:
        return None
    if found is None or len(found.processes) > processes:
        return None
    try:
        domains = StreamedDomains(first, find_owners, lambda _owners: empty("batches"), found.processes)
        return _sample(forward.file, found, domains)
    except NotJoinable:
        return None


def _sample(file: str, found: Blocks, domains: StreamedDomains) -> StepSample | None:
    passes = domains.passes(found.rows)
    begins, ends = _blocks_of(found)
    many = len(domains.domains)
    joiner = StepJoiner()
    block = np.searchsorted(begins, passes.start, side="right") - 1
    # A domain of each block is one for itself: no step reaches from one block into another.
    parted = replace(passes, domain=block * many + passes.domain)
    taken = [steps for steps in (joiner.join(parted), joiner.rest()) if steps is not None]
    if not taken:
        return None
    steps = concatenated(taken)
    begun = ~_cut(steps, many) & (steps.start < ends[steps.domain // many])
    steps = steps.take(np.flatnonzero(begun))
    steps = steps.take(np.lexsort((steps.start, steps.domain % many)))
    of_block = pl.Series("block", (steps.domain // many).astype(np.uint32))
    frame = domains.frame(replace(steps, domain=steps.domain % many)).with_columns(of_block)
    if frame["batch_size"].null_count() or len(parts_of([times_of("steps", frame)])) != 1:
        return None
    window = int(passes.start.min()), int(passes.end.max())
    return StepSample(frame, begins, ends, window, file, found.share)


def _blocks_of(found: Blocks) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return when the first and the last pass of each block begin."""
    ends = np.cumsum(found.counts)
    start = found.rows.columns["start"]
    if (np.diff(start) < 0).any():
        raise NotJoinable
    return start[ends - found.counts], start[ends - 1]


def _cut(steps: Passes, many: int) -> NDArray[np.bool_]:
    """Tell of which steps some cards began before their block: the first of it that lack a card.

    Those that go on behind its end have begun in it, and count.
    """
    order = np.lexsort((steps.start, steps.domain))
    first = np.zeros(len(order), bool)
    first[order[np.flatnonzero(np.diff(steps.domain[order], prepend=-1))]] = True
    most = np.zeros(many, np.int64)
    np.maximum.at(most, steps.domain % many, steps.card)
    cut: NDArray[np.bool_] = first & (steps.card < most[steps.domain % many])
    return cut
