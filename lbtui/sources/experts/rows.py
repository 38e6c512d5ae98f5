"""Rows of domain `eplb_observe` (counts and routing of one EP rank) turned into the rank's EPLB periods.

One process is one EP rank. Its rows come in order: `hot` is a table [layer][slot] of token counts, cumulative
within an EPLB period; `routing` is a table [layer][model expert] -> global slot (rank × slots + slot) and
opens a period.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
import polars as pl

Table: TypeAlias = npt.NDArray[np.int64]
Counts: TypeAlias = npt.NDArray[np.signedinteger[Any]]  # int32 where every number fits
Ints: TypeAlias = npt.NDArray[np.int64]
Kind: TypeAlias = Literal["hot", "routing"]

MOST_TOKENS = 2**53  # beyond it sums of ranks could overflow
_FITS = 2**31 - 1


class ExpertRow(NamedTuple):
    """One row of domain `eplb_observe`."""

    process: int | str
    order: float  # mark id or timestamp: rises within a process
    rank: int
    kind: Kind
    table: Sequence[Sequence[int]] | Table
    time: int = 0  # µs since 1970


@dataclass(frozen=True)
class Period:
    """One EPLB period of one rank: its routing table, and its counts reading by reading.

    `increments` is [reading, layer, slot]: the tokens since the reading before; None without a reading.
    `times` are the readings' (µs since 1970; none where the source has none), `marks` their places in the
    process's order, and `opened` that of the routing table. `restarts` are the readings, from 0, at which a
    counter was found fallen.
    """

    placement: Table | None
    increments: Counts | None
    times: Ints
    marks: Ints
    opened: int | None = None
    restarts: tuple[int, ...] = ()

    @property
    def iterations(self) -> int:
        """How many readings of the counters there are."""
        return 0 if self.increments is None else len(self.increments)

    @cached_property
    def tokens(self) -> Table | None:
        """The tokens of the whole period [layer, slot], None without a reading."""
        return None if self.increments is None else self.increments.sum(axis=0, dtype=np.int64)

    def reading(self, number: int) -> Table:
        """Return what the counters [layer, slot] stood at in a reading. Raises `IndexError` without it."""
        if self.increments is None or number >= len(self.increments):
            raise IndexError(number)
        begin = max((restart for restart in self.restarts if restart <= number), default=0)
        total: Table = self.increments[begin : number + 1].sum(axis=0, dtype=np.int64)
        return total


@dataclass(frozen=True)
class ProcessExperts:
    """All periods of one process, and how many of its rows were left out and why."""

    process: int | str
    rank: int
    periods: tuple[Period, ...]
    before_routing: int = 0  # rows of a period whose beginning, and so whose placement, is unknown
    late: int = 0  # rows that came after a later one
    unusable: int = 0  # no table of whole numbers ≥ 0, or of another shape than the process's first
    rows: int = 0  # of the domain, used or not


def period_of(
    placement: Table | None, readings: Counts | None, times: Ints, marks: Ints, opened: int | None = None
) -> Period:
    """Return the period whose cumulative counts [reading, layer, slot] are `readings`.

    A counter that falls anywhere was restarted: that reading counts from 0, as the first does.
    """
    if readings is None or not len(readings):
        return Period(placement, None, times[:0], marks[:0], opened)
    increments = np.diff(readings, axis=0, prepend=np.zeros_like(readings[:1]))
    restarted = np.flatnonzero((increments < 0).any(axis=(1, 2)))
    increments[restarted] = readings[restarted]
    return Period(placement, compact(increments), times, marks, opened, tuple(restarted.tolist()))


def compact(counts: Counts) -> Counts:
    """Return counts ≥ 0 as int32 where every one fits, which halves what a long series keeps."""
    small = counts.dtype != np.int64 or int(counts.max(initial=0)) <= _FITS
    return counts.astype(np.int32, copy=False) if small else counts


@dataclass
class _Readings:
    placement: Table | None = None
    tables: list[Counts] = field(default_factory=list)
    times: list[int] = field(default_factory=list)
    marks: list[int] = field(default_factory=list)
    opened: int | None = None

    def period(self) -> Period:
        readings = np.stack(self.tables).astype(np.int64, copy=False) if self.tables else None
        times, marks = (np.asarray(numbers, dtype=np.int64) for numbers in (self.times, self.marks))
        return period_of(self.placement, readings, times, marks, self.opened)


@dataclass
class _Process:
    rank: int
    order: float
    shapes: dict[str, tuple[int, ...]] = field(default_factory=dict)
    parts: list[_Readings] = field(default_factory=lambda: [_Readings()])  # [0]: before the first routing row
    late: int = 0
    unusable: int = 0
    rows: int = 0

    def result(self, process: int | str) -> ProcessExperts:
        head, *routed = self.parts
        periods = tuple(part.period() for part in routed or [head])
        early = len(head.tables) if routed else 0
        return ProcessExperts(process, self.rank, periods, early, self.late, self.unusable, self.rows)


class ExpertAccumulator:
    """Takes the rows one by one and keeps their tables, the smallest way numpy has."""

    def __init__(self) -> None:
        self._processes: dict[int | str, _Process] = {}

    def add(self, row: ExpertRow) -> None:
        """Take one row. Rows of one process must come in rising order; one that does not is only counted.

        Nothing is lost with a late `hot` row: the later count includes it.
        """
        process = self._processes.setdefault(row.process, _Process(row.rank, row.order))
        process.rows += 1
        if row.order < process.order:
            process.late += 1
            return
        process.order = row.order
        table = whole_numbers(row.table)
        if table is None or row.rank != process.rank:
            process.unusable += 1
            return
        if process.shapes.setdefault(row.kind, table.shape) != table.shape:
            process.unusable += 1
        elif row.kind == "routing":
            process.parts.append(_Readings(placement=table, opened=int(row.order)))
        else:
            part = process.parts[-1]
            part.tables.append(compact(table))
            part.times.append(row.time)
            part.marks.append(int(row.order))

    def processes(self) -> tuple[ProcessExperts, ...]:
        """Return what each process's rows added up to, ascending by rank."""
        results = [process.result(key) for key, process in self._processes.items()]
        return tuple(sorted(results, key=lambda result: (result.rank, str(result.process))))


def whole_numbers(table: Any) -> Table | None:
    """Return the table as int64 [layer, …], or None if it is no rectangle of whole numbers ≥ 0."""
    try:
        array = np.asarray(table)
    except (ValueError, OverflowError):  # rows of unequal length
        return None
    if array.ndim != 2 or array.size == 0 or array.dtype.kind not in "iu":
        return None
    if array.min() < 0 or int(array.max()) > MOST_TOKENS:
        return None
    return array.astype(np.int64, copy=False)


def read_counts(lines: bytes, rows: int, columns: int, before: int = 0) -> Counts | None:
    """Return lines of `1,2,3` as int64 [row, column], None if any cell is no whole number from 0 to 2^53.

    So it is, too, where the lines are not as many as `rows`, and where any of the `before` first cells of a
    line, which are no columns, is not empty. By polars, which takes whole numbers and nothing else.
    """
    schema = {str(column): pl.Int64() for column in range(before + columns)}
    try:
        frame = pl.read_csv(lines, has_header=False, schema=schema, quote_char=None, low_memory=True)
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException):
        return None
    # Polars passes over empty lines.
    empty = [rows] * before + [0] * columns
    if frame.height != rows or [cells.null_count() for cells in frame.get_columns()] != empty:
        return None
    numbers = frame[:, before:].to_numpy(order="c")
    return None if int(numbers.min()) < 0 or int(numbers.max()) > MOST_TOKENS else numbers
