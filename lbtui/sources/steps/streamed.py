"""The steps of DP domains from a forward table too large to hold: read once, joined part by part."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from lbtui.profile import JoinedSteps, Note, Progress, Provenance, Unreadable
from lbtui.sources.steps.forward_rows import ForwardRows, Rows
from lbtui.sources.steps.large_forward import LargeForward
from lbtui.sources.steps.owners import Owners
from lbtui.sources.steps.same_batches import MOST_COMPARED
from lbtui.sources.steps.step_join import NotJoinable, Passes, StepJoiner
from lbtui.sources.steps.streamed_domains import FindOwners, Rounds, StreamedDomains, duration_of
from lbtui.sources.store import Raw
from lbtui.sources.tables.tables import PRECISION
from lbtui.text import _

SAMPLED = ("prof_id", "host", "dp_rank", "batch_type", "batch_size", "start", "end")
_MOST_SAMPLED = 1_000_000  # rows


@dataclass(frozen=True)
class Streamed:
    """What one reading of a large forward table gives."""

    owners: Owners
    sample: Raw  # the first passes of every process
    joined: JoinedSteps  # columns as `joined_steps` of lbtui.analysis.data_parallel, and host


def stream_steps(
    forward: LargeForward, find_owners: FindOwners, rounds: Rounds, progress: Progress
) -> Streamed | list[Note]:
    """Return the steps of all DP domains; where they cannot be joined part by part, a note on why not.

    `find_owners` tells the domain of every process from the first passes of each, `rounds` the frame
    `batches`.
    """
    try:
        return forward.read(lambda rows: _Stream(forward, find_owners, rounds, rows).read(progress), SAMPLED)
    except NotJoinable as error:
        return [held_whole(forward, str(error))]
    except Unreadable:
        # Reading the whole table tells what is wrong with it.
        return []


def held_whole(forward: LargeForward, why: str) -> Note:
    """Return the note on a large forward table that is not joined while it is read."""
    text = _("All its rows are held in memory, which takes longer and some GB for 10 million rows: {why}.")
    return Note(forward.file, text.format(why=why))


class _Stream:
    def __init__(
        self, forward: LargeForward, find_owners: FindOwners, rounds: Rounds, rows: ForwardRows
    ) -> None:
        self._forward = forward
        self._find_owners = find_owners
        self._rounds_of = rounds
        self._rows = rows
        self._times = np.zeros(0)  # ms, of each process

    def read(self, progress: Progress) -> Streamed:
        parts = self._rows.read(progress)
        head = self._head(parts)
        sample = self._rows.first()
        domains = StreamedDomains(self._raw(sample), self._find_owners, self._rounds_of, self._rows.processes)
        joiner = StepJoiner()
        steps: list[Passes] = []

        def join(rows: Rows) -> None:
            if _stand_twice(rows):
                raise NotJoinable(_("some rows stand twice"))
            if len(self._rows.processes) > domains.placed:
                late = self._rows.processes[domains.placed :]
                more = self._forward.first_of(late, SAMPLED, MOST_COMPARED * len(late))
                domains.add(self._raw(more), self._rows.processes)
            self._add_times(rows)
            if (joined := joiner.join(domains.passes(rows))) is not None:
                steps.append(joined)

        while head:
            join(head.pop(0))
        for rows in parts:
            join(rows)
        if (rest := joiner.rest()) is not None:
            steps.append(rest)
        whole = _by_domain(steps, domains.domains)
        return Streamed(domains.owners, domains.sample, self._loaded(whole, domains))

    def _add_times(self, rows: Rows) -> None:
        duration = duration_of(rows.columns)
        if len(duration) and duration.min() < 0:
            duration = np.where(duration < 0, np.nan, duration)
        known = np.zeros(len(self._rows.processes))
        known[: len(self._times)] = self._times
        self._times = known + np.bincount(rows.columns["prof_id"], duration, len(known))

    def _head(self, parts: Iterator[Rows]) -> list[Rows]:
        """Return the first rows: until every process has enough of them to be compared."""
        head: list[Rows] = []
        counts = np.zeros(0, np.int64)
        for rows in parts:
            head.append(rows)
            found = np.bincount(rows.columns["prof_id"], minlength=len(self._rows.processes))
            counts = np.append(counts, np.zeros(len(found) - len(counts), np.int64)) + found
            if counts.min() >= MOST_COMPARED or counts.sum() >= _MOST_SAMPLED:
                break
        return head

    def _loaded(self, steps: Passes | None, domains: StreamedDomains) -> JoinedSteps:
        if steps is None:
            raise NotJoinable(_("no forward pass in it belongs to a DP domain"))
        if self._rows.lacks_bubbles():
            raise NotJoinable(_("some rows lack their bubble time"))
        notes = [*domains.owners.notes, *self._rows.notes()]
        if domains.uncovered:
            text = _(
                "{count} of {all} forward passes lie in no scheduling round of their size; their tokens "
                "are unknown."
            ).format(count=domains.uncovered, all=self._rows.kept)
            notes.append(Note(self._forward.file, text))
        provenance = self._provenance(self._rows.kept)
        times = pl.DataFrame(
            [
                pl.Series("prof_id", self._rows.processes, dtype=pl.String),
                pl.Series("duration", self._times, nan_to_null=True),
            ]
        ).join(domains.owners.frame.select("prof_id", "domain"), on="prof_id", how="inner")
        return JoinedSteps(domains.frame(steps), (provenance,), tuple(notes), times)

    def _raw(self, frame: pl.DataFrame) -> Raw:
        return Raw(frame, self._provenance(frame.height))

    def _provenance(self, rows: int) -> Provenance:
        return Provenance(self._forward.file, self._forward.reader, PRECISION["forward"], rows)


def _stand_twice(rows: Rows) -> bool:
    processes, starts = rows.columns["prof_id"], rows.columns["start"]
    return bool(((starts[1:] == starts[:-1]) & (processes[1:] == processes[:-1])).any())


def _by_domain(taken: list[Passes], names: list[str]) -> Passes | None:
    """Return the steps taken, each part by domain and start, by the name of the domain; None of no part.

    The list is emptied.
    """
    counts = (np.bincount(part.domain, minlength=len(names)) for part in taken)
    edges = [np.append(0, np.cumsum(count)).tolist() for count in counts]
    pieces = [
        (part, slice(edge[number], edge[number + 1]))
        for number in sorted(range(len(names)), key=names.__getitem__)
        for part, edge in enumerate(edges)
        if edge[number] < edge[number + 1]
    ]
    parts = list(zip(*(part.arrays() for part in taken), strict=True))
    taken.clear()
    # One after the other: the parts of a column go as it is put together.
    columns: list[Any] = []
    while parts:
        of = parts.pop(0)
        columns.append(None if of[0] is None else np.concatenate([of[part][place] for part, place in pieces]))
    return Passes(*columns) if columns else None
