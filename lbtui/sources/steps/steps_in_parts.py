"""The frame `steps` of a forward table too large to hold, part by part: the same rows in the same order."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TypeVar

import polars as pl

from lbtui.profile import Loaded, Progress
from lbtui.sources.steps.scheduling import Scheduling, load_steps
from lbtui.sources.steps.step_join import NotJoinable
from lbtui.text import _

_T = TypeVar("_T")
_PART = 500_000  # rows at once


def each_part(
    scheduling: Scheduling,
    batches: Loaded,
    take: Callable[[Iterator[pl.DataFrame]], _T],
    progress: Progress,
) -> _T | None:
    """Return what `take` makes of the parts, read now; None where all passes are held, or must be.

    `take` is called again where the parts before broke off at a cell that must be read in another way.
    """
    if scheduling.large is None or scheduling.forward is None:
        return None
    forward = scheduling.forward

    def steps(rows: pl.DataFrame) -> pl.DataFrame:
        if rows["forward_iter"].null_count():
            raise NotJoinable(_("some rows lack their forward_iter"))
        return load_steps(replace(scheduling, forward=replace(forward, frame=rows)), batches).frame

    try:
        return scheduling.large.parts(lambda parts: take(map(steps, _by_start(parts))), progress)
    except NotJoinable:
        return None


def _by_start(parts: Iterator[pl.DataFrame]) -> Iterator[pl.DataFrame]:
    """Yield the rows, which come by start, in parts; those that start at once are never parted."""
    waiting: list[pl.DataFrame] = []
    for part in parts:
        waiting.append(part)
        if sum(rows.height for rows in waiting) >= _PART:
            rows = pl.concat(waiting)
            last = rows["start"] == rows["start"].max()
            waiting = [rows.filter(last)]
            if not last.all():
                yield rows.filter(~last)
    if waiting and (rows := pl.concat(waiting)).height:
        yield rows
