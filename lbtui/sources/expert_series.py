"""The expert tables of one instance, iteration by iteration."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from lbtui.profile import UNPLACED, ExpertSeries, Note
from lbtui.sources.expert_rows import Period
from lbtui.sources.expert_tables import ExpertTables, columns_of_slots, listing
from lbtui.text import _


def expert_series(
    tables: ExpertTables,
    instance: str,
    file: str,
    phase: Literal["prefill", "decode"] | None = None,
    passes: int | None = None,
) -> tuple[ExpertSeries | None, list[Note]]:
    """Return the series of one instance, None without an iteration that all ranks read, and what to mind."""
    notes: list[Note] = []
    parts = [
        [process.periods[number] for process in tables.processes] for number in range(len(tables.periods))
    ]
    lengths = [min(period.iterations for period in part) for part in parts]
    for number, part in enumerate(parts):
        _tell_unequal(tables.ranks, number, part, file, notes)
    total = sum(lengths)
    if not total:
        return None, notes
    layers = len(tables.periods[0])
    slots = tables.slots_per_rank
    used = [period.increments for part in parts for period in part if period.increments is not None]
    tokens = np.empty((total, layers, len(tables.ranks) * slots), dtype=np.result_type(*used))
    time = np.empty(total, dtype=np.int64)
    begin = 0
    for part, length in zip(parts, lengths, strict=True):
        for place, period in enumerate(part):
            if period.increments is not None:
                columns = slice(place * slots, (place + 1) * slots)
                tokens[begin : begin + length, :, columns] = period.increments[:length]
        time[begin : begin + length] = part[0].times[:length]
        begin += length
    placements, experts = _placements(tables, file, notes)
    return ExpertSeries(
        instance=instance,
        phase=phase,
        ranks=tables.ranks,
        slots_per_rank=slots,
        tokens=tokens,
        period=np.repeat(np.arange(len(lengths), dtype=np.int32), lengths),
        time=time.astype("datetime64[us]"),
        placements=placements,
        experts=experts,
        passes=passes,
    ), notes


def _tell_unequal(
    ranks: tuple[int, ...], number: int, part: list[Period], file: str, notes: list[Note]
) -> None:
    counts = [period.iterations for period in part]
    least, most = min(counts), max(counts)
    if least == most:
        return
    short = [rank for rank, count in zip(ranks, counts, strict=True) if count == least]
    text = _(
        "EP ranks {ranks} were read {least} times in EPLB period {period}, others up to {most} times: over "
        "time it is shown as far as all were read."
    ).format(ranks=listing(short), least=least, most=most, period=number)
    notes.append(Note(file, text))


def _placements(
    tables: ExpertTables, file: str, notes: list[Note]
) -> tuple[tuple[NDArray[np.int32] | None, ...], int]:
    """Return [layer, column] -> model expert of each period, and how many experts the tables name.

    A slot belongs to the expert that any rank's table sends there: each rank names its own copy of the
    shared expert, and may name another replica of any.
    """
    placements: list[NDArray[np.int32] | None] = []
    experts = 0
    for number, tokens in enumerate(tables.periods):
        layers, columns = tokens.shape
        found = [process.periods[number].placement for process in tables.processes]
        usable = [table for table in found if table is not None and len(table) == layers]
        if not usable:
            placements.append(None)
            continue
        experts = max(experts, *(table.shape[1] for table in usable))
        column_of = columns_of_slots(tables)
        placement = np.full((layers, columns), UNPLACED, dtype=np.int32)
        disputed = 0
        for table in usable:
            column = np.where(table < len(column_of), column_of[np.minimum(table, len(column_of) - 1)], -1)
            layer, expert = np.nonzero(column >= 0)
            place = column[layer, expert]
            known = placement[layer, place]
            disputed += int(((known != UNPLACED) & (known != expert)).sum())
            free = known == UNPLACED
            placement[layer[free], place[free]] = expert[free]
        _tell_doubts(tokens, placement, disputed, number, file, notes)
        placements.append(placement)
    return tuple(placements), experts


def _tell_doubts(
    tokens: NDArray[np.int64],
    placement: NDArray[np.int32],
    disputed: int,
    number: int,
    file: str,
    notes: list[Note],
) -> None:
    unnamed = int(((placement == UNPLACED) & (tokens > 0)).sum())
    if unnamed:
        text = _(
            "In EPLB period {period} {count} slots have tokens though no routing table names them: over time "
            "their expert is unknown (the maps count them to the last model expert, as the parser does)."
        ).format(period=number, count=unnamed)
        notes.append(Note(file, text))
    if disputed:
        text = _("In EPLB period {period} routing tables send {count} slots to several experts.").format(
            period=number, count=disputed
        )
        notes.append(Note(file, text))
