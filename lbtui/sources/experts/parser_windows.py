"""What upstream's parser makes of expert marks, where that is not all of them, and how its pictures show it.

The parser cuts each process's marks into periods by mark id, strictly between one routing mark and the next;
the last period ends before id (marks − 1), though ids count from 0 in one layout and from 1 in the other and
other rows may have ids too. Then all ranks are cut to as many readings as the shortest has.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lbtui.profile import Note, Unreadable
from lbtui.sources.experts.rows import ProcessExperts
from lbtui.sources.experts.tables import ExpertTables
from lbtui.sources.heat_png.names import parse_heat_name
from lbtui.text import _, in_list, visible

# A picture is read to 1/256 of its range.
_PRECISION = 1.3 / 256
_MOST_PICTURES = 16


def windows(process: ProcessExperts) -> list[list[tuple[int, int]]]:
    """Return the readings, each as (period, number in it), of each of the parser's periods."""
    readings = [
        (int(mark), (number, place))
        for number, period in enumerate(process.periods)
        for place, mark in enumerate(period.marks)
    ]
    opened = [period.opened for period in process.periods if period.opened is not None]
    if not opened:
        return [[reading for _mark, reading in readings]]
    marks = [mark for mark, _reading in readings]
    bounds = sorted({*opened, process.rows - 1})
    return [
        [reading for _mark, reading in readings[bisect_right(marks, low) : bisect_left(marks, high)]]
        for low, high in pairwise(bounds)
    ]


def parser_sums(tables: ExpertTables, period: int) -> NDArray[np.int64] | None:
    """Return the tokens [layer, rank] that the parser counts in a period, None if it draws none."""
    cut = [windows(process) for process in tables.processes]
    if any(period >= len(parts) for parts in cut):
        return None
    used = [parts[period] for parts in cut]
    shortest = min(map(len, used))
    if not shortest:
        return None
    columns = []
    for process, readings in zip(tables.processes, used, strict=True):
        number, place = readings[shortest - 1]
        # Differences of cumulative counts add up to the last of them.
        columns.append(process.periods[number].reading(place).sum(axis=1))
    return np.stack(columns, axis=1)


def lost_marks(tables: ExpertTables, period: int) -> dict[int, list[int]]:
    """Return, by rank, the ids of the readings of a period that the parser leaves out."""
    cut = [windows(process) for process in tables.processes]
    used = [parts[period] if period < len(parts) else [] for parts in cut]
    shortest = min(map(len, used), default=0)
    lost = {}
    for process, readings in zip(tables.processes, used, strict=True):
        kept = {place for number, place in readings[:shortest] if number == period}
        marks = process.periods[period].marks
        out = [int(mark) for place, mark in enumerate(marks) if place not in kept]
        if out:
            lost[process.rank] = out
    return lost


def compare(tables: ExpertTables, instance: str, pictures: Sequence[Path]) -> list[Note]:
    """Return notes on the `by_rank` pictures of an instance that show other shares than its marks give."""
    notes: list[Note] = []
    named = [(path, parse_heat_name(path.name)) for path in pictures]
    mine = [
        (name.period, path)
        for path, name in named
        if name is not None and name.view == "rank" and visible(name.instance) == instance
    ]
    for period, path in sorted(mine)[:_MOST_PICTURES]:
        shares = _shares_of(path)
        if shares is None or period >= len(tables.periods):
            continue
        layers, _columns = tables.periods[period].shape
        ours = _shares(tables.periods[period].reshape(layers, len(tables.ranks), -1).sum(axis=2))
        if _same(shares, ours):
            continue
        theirs = parser_sums(tables, period)
        lost = lost_marks(tables, period)
        if theirs is not None and lost and _same(shares, _shares(theirs)):
            rank, marks = next(iter(lost.items()))
            text = _(
                "The picture lacks readings of EPLB period {period} that the parser lost ({count} in all; of "
                "rank {rank} marks {marks}); the numbers here include them."
            ).format(
                period=period,
                count=sum(map(len, lost.values())),
                rank=rank,
                marks=in_list(map(str, marks[:6])) + (", …" if len(marks) > 6 else ""),
            )
        else:
            text = _(
                "The picture of EPLB period {period} shows other shares than the marks give, and not for "
                "want of marks that the parser is known to lose; it may be of another run."
            ).format(period=period)
        notes.append(Note(visible(path.name), text))
    return notes


def _shares_of(path: Path) -> NDArray[np.float64] | None:
    from lbtui.sources.heat_png import read_heat_map

    try:
        return read_heat_map(path).shares
    except Unreadable:
        return None


def _shares(tokens: NDArray[np.int64]) -> NDArray[np.float64]:
    sums = tokens.sum(axis=1, keepdims=True)
    shares: NDArray[np.float64] = tokens / np.maximum(sums, 1)
    return shares


def _same(picture: NDArray[np.float64], shares: NDArray[np.float64]) -> bool:
    if picture.shape != shares.shape:
        return False
    allowed = _PRECISION * (picture.max() - picture.min())
    return bool(np.abs(picture - shares).max() <= allowed)
