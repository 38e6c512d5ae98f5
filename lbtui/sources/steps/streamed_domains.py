"""Which DP domain every process of a large forward table belongs to, as far as the file is read."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from lbtui.profile.schema import ColumnType
from lbtui.sources.steps.forward_rows import NUMBERS, PHASES, Rows
from lbtui.sources.steps.owners import Owners
from lbtui.sources.steps.row_checks import EXACT, SHARE
from lbtui.sources.steps.step_join import NO_PHASE, NotJoinable, Numbers, Passes
from lbtui.sources.store import Raw
from lbtui.sources.tables import usable
from lbtui.text import _

FindOwners = Callable[[Raw], Owners]
Rounds = Callable[[Owners], pl.DataFrame]

_OF_ROUNDS = ("prefill_batch_size", "decode_batch_size", "tokens")


class StreamedDomains:
    """The domain and the card of it that every process is; `placed` counts the processes known."""

    def __init__(self, sample: Raw, find_owners: FindOwners, rounds: Rounds, processes: list[str]) -> None:
        self.sample = sample
        self.uncovered = 0
        self._find_owners = find_owners
        self._batches = rounds
        self._place(processes)
        self._rounds = self._rounds_by_domain()

    def add(self, more: Raw, processes: list[str]) -> None:
        """Take processes that appear later. Raises `NotJoinable` if others change domains for it."""
        before = self._members()
        frame = pl.concat([self.sample.frame, more.frame])
        self.sample = replace(self.sample, frame=frame)
        known = self.placed
        self._place(processes)
        if [{p for p in domain if p < known} for domain in self._members()][: len(before)] != before:
            raise NotJoinable(_("a process that begins late changes which processes are one DP domain"))
        self._rounds = self._rounds_by_domain()

    def _place(self, processes: list[str]) -> None:
        self.placed = len(processes)
        self.owners = self._find_owners(self.sample)
        rows = {row["prof_id"]: row for row in self.owners.frame.iter_rows(named=True)}
        if not rows.keys() >= set(processes):
            raise NotJoinable(_("the first rows of a process cannot be found by its name"))
        # In order of appearance, so that a later process leaves the numbers of those before as they are.
        self.domains = list(
            dict.fromkeys(rows[p]["domain"] for p in processes if rows[p]["domain"] is not None)
        )
        self._owner_of = {rows[p]["domain"]: rows[p] for p in reversed(processes)}
        numbers = {domain: number for number, domain in enumerate(self.domains)}
        self._domain = np.array([numbers.get(rows[p]["domain"], -1) for p in processes], dtype=np.int16)
        self._card = np.zeros(len(processes), dtype=np.int32)
        for number in range(len(self.domains)):
            members = np.flatnonzero(self._domain == number)
            # As prof_ids are ordered.
            order = sorted(range(len(members)), key=lambda m: processes[members[m]])
            self._card[members[order]] = np.arange(len(members))

    def _members(self) -> list[set[int]]:
        return [set(np.flatnonzero(self._domain == n).tolist()) for n in range(len(self.domains))]

    def _rounds_by_domain(self) -> dict[int, dict[str, NDArray[Any]]]:
        batches = self._batches(self.owners).filter(pl.col("domain").is_in(self.domains)).sort("start")
        numbers = {domain: number for number, domain in enumerate(self.domains)}
        columns = ("start", "end", "batch_size", *_OF_ROUNDS)
        return {
            numbers[str(key[0])]: {
                name: part[name].cast(pl.Int64 if name in ("start", "end") else pl.Float64).to_numpy()
                for name in columns
            }
            for key, part in batches.partition_by("domain", as_dict=True).items()
        }

    def passes(self, rows: Rows) -> Passes:
        """Return the rows as passes of their domains; those of no domain are left out."""
        columns = rows.columns
        if contradict(columns):
            raise NotJoinable(_("during_time of some rows is not the time from start to end"))
        domain = self._domain[columns["prof_id"]]
        if domain.min(initial=0) < 0:
            kept = domain >= 0
            columns = {name: values[kept] for name, values in columns.items()}
            domain = domain[kept]
        if len(domain) and usable.any_unknown(columns["forward_iter"]):
            raise NotJoinable(_("some rows lack their forward_iter"))
        columns = {**columns, "duration": duration_of(columns)}
        extra = self._of_rounds(domain, columns) if self._rounds else {}
        return Passes(
            domain=domain,
            card=self._card[columns["prof_id"]],
            start=columns["start"],
            end=columns["end"],
            phase=_filled(columns["batch_type"], extra),
            **{name: columns[name] for name in NUMBERS},
            **extra,
        )

    def _of_rounds(
        self, domain: NDArray[Any], columns: Mapping[str, NDArray[Any]]
    ) -> dict[str, NDArray[Any]]:
        """Return what the round of the same size that each pass starts in tells; NaN where there is none."""
        found = {name: np.full(len(domain), np.nan) for name in _OF_ROUNDS}
        self.uncovered += len(domain)
        start, size = columns["start"], columns["batch_size"]
        for number, rounds in self._rounds.items():
            rows = np.flatnonzero(domain == number)
            at = np.searchsorted(rounds["start"], start[rows], side="right") - 1
            fits = (at >= 0) & (start[rows] < rounds["end"][at]) & (size[rows] == rounds["batch_size"][at])
            for name, values in found.items():
                values[rows[fits]] = rounds[name][at[fits]]
            self.uncovered -= int(fits.sum())
        return found

    def frame(self, steps: Passes) -> pl.DataFrame:
        """Return steps with the columns of `joined_steps`, and the host of the domain's first process."""
        owners = [self._owner_of[domain] for domain in self.domains]

        def named(column: str) -> pl.Series:
            return chosen(column, [str(owner[column]) for owner in owners], steps.domain)

        def numbers(name: str, kind: ColumnType) -> pl.Series:
            values: Numbers | None = getattr(steps, name)
            column: pl.Series
            if values is None:
                column = pl.Series(name, [None], dtype=kind).new_from_index(0, len(steps.start))
            else:
                column = pl.Series(name, values, nan_to_null=True).cast(kind)
            return column

        ranks = np.array([np.nan if o["dp_rank"] is None else o["dp_rank"] for o in owners])
        known = steps.phase != NO_PHASE
        phases = chosen("phase", PHASES, np.where(known, steps.phase, 0))
        return pl.DataFrame(
            [
                *(named(column) for column in ("domain", "instance", "host")),
                pl.Series("dp_rank", ranks[steps.domain], nan_to_null=True).cast(pl.Int32),
                *(pl.Series(n, getattr(steps, n)).cast(pl.Datetime("us")) for n in ("start", "end")),
                *(numbers(n, pl.Float64()) for n in ("duration", "bubble")),
                *(numbers(n, pl.Int32()) for n in ("batch_size", "prefill_batch_size", "decode_batch_size")),
                numbers("tokens", pl.Int64()),
                phases if known.all() else phases.set(pl.Series(~known), None),
                numbers("forward_iter", pl.Int64()),
                pl.Series("cards", steps.card).cast(pl.UInt32),
            ]
        )


def contradict(columns: Mapping[str, NDArray[Any]]) -> bool:
    """Tell whether `checked_durations` may find fault with any row of the columns of `Rows`."""
    duration = columns["duration"]
    span = (columns["end"] - columns["start"]) / 1000
    return bool((np.abs(duration - span) > EXACT + SHARE * duration).any())


def duration_of(columns: Mapping[str, NDArray[Any]]) -> Numbers:
    """Return the durations (ms) of the columns of `Rows`, from start to end where the file has none."""
    duration: Numbers = columns["duration"]
    if len(duration) and usable.any_unknown(duration):
        return np.where(np.isnan(duration), (columns["end"] - columns["start"]) / 1000, duration)
    return duration


def chosen(name: str, values: Sequence[str | None], places: NDArray[Any]) -> pl.Series:
    """Return the values at these places as a categorical column."""
    categories = pl.Series(name, values, dtype=pl.Categorical)
    chosen: pl.Series = categories.gather(pl.Series(places.astype(np.uint32)))
    return chosen


def _filled(phases: NDArray[np.uint8], rounds: Mapping[str, NDArray[Any]]) -> NDArray[np.uint8]:
    """Return the phases, unknown ones by which requests the round has."""
    if not rounds or not (phases == NO_PHASE).any():
        return phases
    prefill, decode = rounds["prefill_batch_size"] > 0, rounds["decode_batch_size"] > 0
    by_size = np.select([prefill & decode, prefill, decode], [2, 0, 1], NO_PHASE)
    return np.where(phases == NO_PHASE, by_size, phases).astype(np.uint8)
