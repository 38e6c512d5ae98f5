"""Marks of domain `eplb_observe` as JSON text, many read at once: there are tens of millions of counts."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from lbtui.profile import Note
from lbtui.sources.experts.rows import (
    Counts,
    ExpertAccumulator,
    ExpertRow,
    Kind,
    ProcessExperts,
    period_of,
    read_counts,
)
from lbtui.sources.safe_values import count
from lbtui.text import _

_KINDS: tuple[Kind, ...] = ("routing", "hot")
_TO_LINES = bytes.maketrans(b"]", b"\n")
_LEFT_OUT = b"[ \t\r\n"
_MOST_KEPT_HEADS = 10_000


class Mark(NamedTuple):
    """One mark of one process: its order within it, its time (µs since 1970, 0 if unknown), its JSON."""

    order: int
    time: int
    fields: bytes


@dataclass
class MarkReader:
    """Reads the marks of one process after another; `unreadable` counts those without rank and table."""

    unreadable: int = 0
    _heads: dict[tuple[bytes, bytes], tuple[int, Kind] | None] = field(default_factory=dict)

    def read(self, process: int | str, marks: Iterable[Mark]) -> list[ProcessExperts]:
        """Return what the marks of one process tell, in rising order; [] where none can be read."""
        kept = list(marks)
        fast = self._read_alike(process, kept)
        if fast is not None:
            return [fast]
        accumulator = ExpertAccumulator()
        for mark in kept:
            rows = _rows(process, mark)
            self.unreadable += not rows
            for row in rows:
                accumulator.add(row)
        return list(accumulator.processes())

    def notes(self, file: str) -> list[Note]:
        """Return what was left out of all that was read, said of a file."""
        if not self.unreadable:
            return []
        text = _("{count} expert marks carry no readable rank and table and are left out.")
        return [Note(file, text.format(count=self.unreadable), lost=True)]

    def _read_alike(self, process: int | str, marks: list[Mark]) -> ProcessExperts | None:
        """Return what marks tell that each hold one table, all alike; None if any is not so.

        Numbers are read by polars' CSV reader, which takes whole numbers and nothing else.
        """
        bodies: dict[Kind, list[bytes]] = {"hot": [], "routing": []}
        times: list[int] = []  # of the `hot` marks
        places: list[int] = []
        opens: list[int] = []  # how many `hot` marks came before each `routing` mark
        opened: list[int | None] = [None]
        ranks: set[int] = set()
        order = None
        for mark in marks:
            split = self._split(mark.fields)
            if split is None or (order is not None and mark.order < order):
                return None
            order = mark.order
            rank, kind, body = split
            ranks.add(rank)
            bodies[kind].append(body)
            if kind == "hot":
                times.append(mark.time)
                places.append(mark.order)
            else:
                opens.append(len(times))
                opened.append(mark.order)
        if len(ranks) != 1 or not bodies["hot"]:
            return None
        counts, routings = _tables(bodies["hot"]), _tables(bodies["routing"])
        if counts is None or (routings is None and opens):
            return None
        parts = zip(
            [None, *([] if routings is None else routings.astype(np.int64))],
            [0, *opens],
            [*opens, len(times)],
            opened,
            strict=True,
        )
        when, where = (np.asarray(numbers, dtype=np.int64) for numbers in (times, places))
        periods = tuple(
            period_of(placement, counts[begin:end], when[begin:end], where[begin:end], first)
            for placement, begin, end, first in parts
        )
        if not opens:
            return ProcessExperts(process, ranks.pop(), periods, rows=len(marks))
        return ProcessExperts(process, ranks.pop(), periods[1:], before_routing=opens[0], rows=len(marks))

    def _split(self, fields: bytes) -> tuple[int, Kind, bytes] | None:
        """Return rank, kind and the inside of the only table of a mark, None if it is not so plain."""
        begin, end = fields.find(b"[["), fields.rfind(b"]]")
        if begin < 0 or end < begin:
            return None
        head = (fields[:begin], fields[end + 2 :])
        if head not in self._heads:
            if len(self._heads) >= _MOST_KEPT_HEADS:
                self._heads.clear()
            self._heads[head] = _meaning(b"0".join(head))
        meaning = self._heads[head]
        if meaning is None:
            return None
        return (*meaning, fields[begin + 1 : end + 1])


def _meaning(fields: bytes) -> tuple[int, Kind] | None:
    """Return rank and kind of a mark whose table was replaced by 0."""
    known = _object(fields)
    rank = count(known.get("rank"))
    kinds = [kind for kind in _KINDS if f"expert_{kind}" in known]
    if rank is None or len(kinds) != 1 or known[f"expert_{kinds[0]}"] != 0:
        return None
    return rank, kinds[0]


def _tables(bodies: list[bytes]) -> Counts | None:
    """Return tables of one shape [table, row, column], each given as `[1,2],[3,4]`; None if one differs."""
    if not bodies:
        return None
    rows = bodies[0].count(b"[")
    columns = bodies[0].partition(b"]")[0].count(b",") + 1
    if {body.count(b"[") for body in bodies} != {rows}:
        return None
    # `[1,2],[3,4]` becomes the lines `,1,2` and `,3,4`: one pass over the text, hundreds of MB in all.
    lines = b"," + b",".join(bodies).translate(_TO_LINES, _LEFT_OUT)
    numbers = read_counts(lines, rows * len(bodies), columns, before=1)
    return None if numbers is None else numbers.reshape(len(bodies), rows, columns)


def _rows(process: int | str, mark: Mark) -> list[ExpertRow]:
    """Return the tables that one mark holds; none if they or their rank cannot be read."""
    fields = _object(mark.fields)
    rank = count(fields.get("rank"))
    if rank is None:
        return []
    found = ((kind, fields.get(f"expert_{kind}")) for kind in _KINDS)
    return [
        ExpertRow(process, mark.order, rank, kind, table, mark.time)
        for kind, table in found
        if isinstance(table, list)
    ]


def _object(text: bytes) -> dict[str, object]:
    try:
        fields = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return fields if isinstance(fields, dict) else {}
