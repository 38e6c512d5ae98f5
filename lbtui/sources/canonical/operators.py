"""Operator times of the EP ranks, from MSPTI: the frames `layer_times` and `rank_intervals`."""

from __future__ import annotations

import re
from collections.abc import Iterator

import polars as pl

from lbtui.profile import Loaded, Note, Progress, Provenance, Unreadable, empty
from lbtui.sources.failure import unreadable_note
from lbtui.sources.frame import MOST_LANES, canonical, possible_lanes
from lbtui.sources.store import Store, rowless_note
from lbtui.sources.tables import cells, csv_file, database
from lbtui.sources.tables.tables import header_rows
from lbtui.text import _, visible

_PID = re.compile(r"[0-9]{1,18}")


def load_layer_times(store: Store, progress: Progress) -> Loaded:
    """Return `layer_times` from ep_balance: one column per process, in numeric pid order, row = layer."""
    notes: list[Note] = []
    for file, reader, wide in _ep_balance(store, progress, notes):
        pids = sorted((c for c in wide.columns if _PID.fullmatch(c)), key=int)
        if not pids:
            notes.append(Note(file, _("{file} has no column named by a pid.").format(file=file)))
            continue
        shown = pids[:MOST_LANES]
        if len(pids) > MOST_LANES or wide.height > MOST_LANES:
            notes.append(_too_large_note(file, len(pids), wide.height))
        wide = wide.head(MOST_LANES)
        # All cells at once: of thousands of columns each would cost a query.
        times = wide.select(shown).unpivot(variable_name="process", value_name="time")
        of_column = pl.int_range(pl.len()) // max(wide.height, 1)
        times = times.with_columns(
            pl.col("process").cast(pl.Int64),
            cells.number(times["time"]),
            layer=pl.int_range(pl.len()) - of_column * wide.height,
            column=of_column,
        )
        frame = canonical(times, "layer_times")
        notes.append(_pid_order_note(file))
        return Loaded(frame, (Provenance(file, reader, _("1 ns"), frame.height),), tuple(notes))
    return Loaded(empty("layer_times"), notes=tuple(notes))


def _ep_balance(
    store: Store, progress: Progress, notes: list[Note]
) -> Iterator[tuple[str, str, pl.DataFrame]]:
    if path := store.output.csv.get("ep_balance"):
        try:
            frame, read_notes = csv_file.read_text(path, progress)
        except Unreadable as error:
            notes.append(unreadable_note(path.name, error))
        else:
            notes += read_notes
            first, again = _first_of_several(frame, visible(path.name))
            notes += again
            if first.is_empty():
                notes.append(rowless_note(path.name))
            else:
                yield visible(path.name), "csv", first
    if store.database and "ep_balance" in store.database_tables:
        file = visible(f"{store.database.name}:ep_balance")
        try:
            with database.connect(store.database, progress) as opened:
                schema = pl.Schema(dict.fromkeys(opened.columns("ep_balance"), pl.Float64()))
                wide = opened.query("SELECT * FROM ep_balance ORDER BY rowid", schema)
        except Unreadable as error:
            notes.append(unreadable_note(file, error))
        else:
            yield file, "sqlite", wide


def _first_of_several(frame: pl.DataFrame, file: str) -> tuple[pl.DataFrame, list[Note]]:
    """Return the rows up to where the header stands once more: a row's layer is its place."""
    again = header_rows(frame)
    if not again.any():
        return frame, []
    first = int(again.arg_max() or 0)
    text = _("Its header stands once more in data row {row}: what follows is of another output and left out.")
    return frame.head(first), [Note(file, text.format(row=first + 1), lost=True)]


def _too_large_note(file: str, processes: int, layers: int) -> Note:
    text = _(
        "It has {processes} processes and {layers} layers, more than any model; only the first {most} of "
        "each are shown."
    )
    return Note(file, text.format(processes=processes, layers=layers, most=MOST_LANES), lost=True)


def _pid_order_note(file: str) -> Note:
    return Note(
        file,
        _("Its columns are pids and no file maps them to ranks; numeric pid order is a guess at the rank."),
    )


def load_rank_intervals(store: Store, progress: Progress) -> Loaded:
    """Return `rank_intervals` from moe_analysis, in numeric pid order."""
    raw, notes = store.table("moe_analysis", progress)
    if raw is None:
        return Loaded(empty("rank_intervals"), notes=tuple(notes))
    possible, lane_notes = possible_lanes(
        raw.frame.sort("process"), "process", raw.provenance.file, "Dataset"
    )
    frame = canonical(possible.with_columns(column=pl.int_range(pl.len())), "rank_intervals")
    note = _pid_order_note(raw.provenance.file)
    return Loaded(frame, (raw.provenance,), (*notes, *raw.notes, *lane_notes, note))
