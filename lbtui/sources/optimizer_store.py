"""The sets of parameters that upstream's optimizer tried: `data_storage_*.csv`.

A row is written for each set (`DataStorage.save`): the figures of the benchmark, the parameters of
`config.toml`, then `error`, `backup`, `duration`, `real_evaluation` and `fitness`, and how many requests were
sent. What a column means is told by upstream's "Output File Description" and by its code; the statistic of a
latency is not told (the mean, unless its config says otherwise), so both latencies keep upstream's names.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from lbtui.profile import Note, Silent, Unreadable
from lbtui.sources.experts.discover import entries_below, size_of
from lbtui.sources.failure import unreadable_note, unreadable_on_failure
from lbtui.sources.limits import LARGEST
from lbtui.sources.tables import csv_file
from lbtui.text import _, visible

_NAME = re.compile(r"data_storage.{0,200}\.csv", re.DOTALL)
# How these are called here, by column: the same quantity as our metric of that name, told by the client.
_OURS = {"generate_speed": "requests.throughput.output_tokens", "throughput": "requests.throughput.requests"}
# The units of the other figures.
UNITS: Mapping[str, str] = {
    "time_to_first_token": _("s"),
    "time_per_output_token": _("s"),
    "success_rate": "",
    "duration": _("s"),
    "fitness": "",  # what the optimizer minimises
}
# Upstream itself takes these for unknown where they are 0.
_POSITIVE = ("generate_speed", "time_to_first_token", "time_per_output_token")
_FIGURES = (*_OURS, *UNITS)
_NEEDED = ("generate_speed", "time_to_first_token", "time_per_output_token", "fitness")
_NO_PARAMETERS = (*_FIGURES, "error", "backup", "real_evaluation")
# An optimisation of a day has some 150 rows.
_LARGEST_FILE = 64 << 20  # bytes
_MOST_ROWS = 10_000
_MOST_FILES = 100
_MOST_DEPTH, _MOST_ENTRIES = 8, 100_000

Value: TypeAlias = str | float | bool


@dataclass(frozen=True)
class OptimizerRow:
    """One set of parameters, by the optimizer's names, and what came of it.

    `figures` have throughput by our keys (a second), the others by upstream's names in `UNITS`; unknown ones
    are left out. `error` is why it failed. Without `measured` the optimizer's model predicted the figures.
    """

    name: str
    parameters: Mapping[str, Value]
    figures: Mapping[str, float]
    error: str = ""
    measured: bool = True


@dataclass(frozen=True)
class OptimizerStore:
    """The rows of one file, in the order in which they were tried."""

    name: str
    rows: tuple[OptimizerRow, ...] = ()
    notes: tuple[Note, ...] = ()


def stores_below(folder: Path) -> tuple[tuple[OptimizerStore, ...], tuple[Note, ...]]:
    """Return what the optimizer's tables below a folder hold, by path, and what could not be read of them.

    Links to folders are not followed.
    """
    notes: list[Note] = []
    entries = entries_below(folder, _MOST_DEPTH, _MOST_ENTRIES, notes)
    paths = sorted(
        Path(entry.path) for entry in entries if _NAME.fullmatch(entry.name) and size_of(entry) is not None
    )
    if len(paths) > _MOST_FILES:
        text = _("Only the first {most} of {count} tables of the optimizer are read.")
        told = text.format(most=_MOST_FILES, count=len(paths))
        notes.append(Note(visible(folder.name), told, lost=True))
    stores: list[OptimizerStore] = []
    for path in paths[:_MOST_FILES]:
        try:
            stores.append(read_store(path))
        except Unreadable as error:
            notes.append(unreadable_note(path.name, error))
    return tuple(stores), (*notes, *(note for store in stores for note in store.notes))


def read_store(path: Path) -> OptimizerStore:
    """Return what the optimizer tried. Raises `Unreadable` with a sentence if the file is no such table."""
    name = visible(path.name)
    with unreadable_on_failure(path):
        size = path.stat().st_size
    if size > _LARGEST_FILE:
        raise Unreadable(_("{file} is no table of the optimizer: it is far too large.").format(file=name))
    frame, notes = csv_file.read_text(path, Silent())
    if lacking := [column for column in _NEEDED if column not in frame.columns]:
        text = _("{file} is no table of the optimizer: it has no column {column}.")
        raise Unreadable(text.format(file=name, column=lacking[0]))
    if frame.height > _MOST_ROWS:
        text = _("Only the first {count} rows are read.")
        notes = [*notes, Note(name, text.format(count=f"{_MOST_ROWS:,}"), lost=True)]
        frame = frame.head(_MOST_ROWS)
    rows = [_row(f"{path.stem} {place}", cells) for place, cells in enumerate(frame.iter_rows(named=True), 1)]
    return OptimizerStore(name, tuple(rows), tuple(notes))


def _row(name: str, cells: Mapping[str, str | None]) -> OptimizerRow:
    figures = {_OURS.get(column, column): _figure(column, cells.get(column)) for column in _FIGURES}
    return OptimizerRow(
        visible(name, 200),
        {
            visible(column, 100): _value(cell)
            for column, cell in cells.items()
            if column and column not in _NO_PARAMETERS and cell is not None and cell.strip()
        },
        {key: value for key, value in figures.items() if math.isfinite(value)},
        visible(" ".join((cells.get("error") or "").split()), 200),
        (cells.get("real_evaluation") or "").strip().lower() != "false",
    )


def _figure(column: str, cell: str | None) -> float:
    """Return a number, NaN where it is none or upstream takes it for unknown."""
    value = _number(cell or "")
    unknown = column in _POSITIVE and value <= 0
    return math.nan if unknown else value


def _value(cell: str) -> Value:
    word = cell.strip()
    if word.lower() in ("true", "false"):
        return word.lower() == "true"
    number = _number(word)
    return number if math.isfinite(number) else visible(word, 200)


def _number(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        return math.nan
    return value if abs(value) <= LARGEST else math.nan
