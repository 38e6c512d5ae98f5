"""The expert tables of one instance, iteration by iteration."""

from __future__ import annotations

import numpy as np

from lbtui.profile import EMPTY, UNPLACED, ExpertPhase, ExpertSeries, Note
from lbtui.sources.experts.rows import Period
from lbtui.sources.experts.tables import ExpertTables, listing
from lbtui.text import _


def expert_series(
    tables: ExpertTables, instance: str, phase: ExpertPhase | None = None, passes: int | None = None
) -> ExpertSeries | None:
    """Return the series of one instance, None without ranks or an iteration that all of them read."""
    if not tables.processes:
        return None
    parts = _parts(tables)
    lengths = list(map(_length, parts))
    total = sum(lengths)
    if not total:
        return None
    layers = len(tables.periods[0])
    slots = tables.slots_per_rank
    used = [period.increments for part in parts for period in part if period.increments is not None]
    tokens = np.empty((total, layers, len(tables.ranks) * slots), dtype=np.result_type(*used))
    time = np.zeros(total, dtype=np.int64)
    begin = 0
    for part, length in zip(parts, lengths, strict=True):
        for place, period in enumerate(part):
            if period.increments is not None:
                columns = slice(place * slots, (place + 1) * slots)
                tokens[begin : begin + length, :, columns] = period.increments[:length]
        if len(part[0].times) >= length:
            time[begin : begin + length] = part[0].times[:length]
        begin += length
    return ExpertSeries(
        instance=instance,
        phase=phase,
        ranks=tables.ranks,
        slots_per_rank=slots,
        tokens=tokens,
        period=np.repeat(np.arange(len(lengths), dtype=np.int32), lengths),
        time=time.astype("datetime64[us]") if time.all() else None,
        # No token is in an empty slot, whoever it is counted to.
        placements=tuple(
            None if table is None else np.where(table == EMPTY, UNPLACED, table)
            for table in tables.placements
        ),
        experts=tables.experts,
        passes=passes,
    )


def series_notes(tables: ExpertTables, file: str) -> list[Note]:
    """Return what to mind about the series of the tables; none is made for it."""
    notes: list[Note] = []
    if not tables.processes:
        return notes
    for number, part in enumerate(_parts(tables)):
        _tell_unequal(tables.ranks, number, part, file, notes)
        _tell_apart(number, part, _length(part), file, notes)
    return notes


def _parts(tables: ExpertTables) -> list[list[Period]]:
    """Return the periods of the ranks [period][place]."""
    return [
        [process.periods[number] for process in tables.processes] for number in range(len(tables.periods))
    ]


def _length(part: list[Period]) -> int:
    """Return how many iterations all ranks read."""
    return min(period.iterations for period in part)


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


def _tell_apart(number: int, part: list[Period], length: int, file: str, notes: list[Note]) -> None:
    """Tell where readings of the same ordinal lie so far apart in time that they can be no same iteration."""
    if length < 2 or any(len(period.times) < length for period in part):
        return
    times = np.stack([period.times[:length] for period in part])
    apart = np.median(times.max(axis=0) - times.min(axis=0))
    step = np.median(np.diff(times[0]))
    if not 0 < step < 2 * apart:
        return
    text = _(
        "In EPLB period {period} readings of the ranks that count as one iteration are {apart:.2f} s apart, "
        "one iteration takes {step:.2f} s: single iterations may mix several."
    ).format(period=number, apart=apart / 1e6, step=step / 1e6)
    notes.append(Note(file, text))
