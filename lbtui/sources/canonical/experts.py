"""Expert heat, placements and the MSPTI tables: what the EP pane shows."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import polars as pl

from lbtui.profile import SCHEMAS, Loaded, Note, Progress, Provenance, Unreadable, empty
from lbtui.sources import csv_file, database
from lbtui.sources.heat_png.names import parse_heat_name
from lbtui.sources.store import Store
from lbtui.text import _, visible

if TYPE_CHECKING:
    from lbtui.sources.expert_tables import ExpertRow, ExpertTables
    from lbtui.sources.heat_png import HeatMap

_KINDS: tuple[Literal["hot", "routing"], ...] = ("routing", "hot")

# The marks of domain eplb_observe sit on threads of that name; their own names are the service's choice.
_EXPERT_QUERY = """
SELECT CAST(t.pid AS INTEGER), s.timestamp, s.id, s.args
FROM slice s JOIN thread t USING (track_id)
WHERE t.tid LIKE 'eplb_observe(%' ORDER BY s.timestamp, s.id
"""


def load_expert_heat(store: Store, progress: Progress) -> tuple[Loaded, Loaded]:
    """Return `expert_heat` and `placements` from the most precise source at hand.

    profiler.db's or the trace's expert tables give tokens; the heatmap pictures give shares only.
    """
    from lbtui.sources.expert_tables import heat_frames

    notes: list[Note] = []
    for name, reader, tables in _table_sources(store, progress, notes):
        if not tables.periods:
            continue
        heat, placements = heat_frames(tables, _instance_of_tables(store, notes, name))
        notes += tables.notes
        provenance = (Provenance(name, reader, "exact tokens", heat.height),)
        return Loaded(heat, provenance, tuple(notes)), Loaded(placements, provenance)
    return _from_pictures(store, notes, progress), Loaded(empty("placements"))


def _table_sources(
    store: Store, progress: Progress, notes: list[Note]
) -> Iterator[tuple[str, str, ExpertTables]]:
    from lbtui.sources.expert_tables import combine, read_tables

    if path := store.output.database:
        name = f"{path.name}:slice"
        try:
            rows = _database_rows(path, progress, notes)
        except Unreadable as error:
            notes.append(Note(visible(path.name), str(error)))
        else:
            yield name, "sqlite", read_tables(rows, name)
    if store.output.trace:
        trace, trace_notes = store.trace(progress)
        notes += trace_notes
        if trace is not None:
            yield store.output.trace.name, "trace", combine(trace.experts, store.output.trace.name)


def _database_rows(path: Path, progress: Progress, notes: list[Note]) -> list[ExpertRow]:
    from lbtui.sources.expert_tables import ExpertRow

    if not {"slice", "thread"} <= database.tables_of(path):
        return []
    with database.connect(path) as connection:
        raw = database.query(connection, _EXPERT_QUERY, ["pid", "time", "id", "args"], progress, path)
    rows: list[ExpertRow] = []
    unreadable = 0
    for order, (pid, args) in enumerate(raw.select("pid", "args").iter_rows()):
        try:
            fields = json.loads(args)
            rank = fields["rank"]
        except (ValueError, TypeError, KeyError, RecursionError):
            unreadable += 1
            continue
        for kind in _KINDS:
            if isinstance(table := fields.get(f"expert_{kind}"), list) and isinstance(rank, int):
                rows.append(ExpertRow(pid, order, rank, kind, table))
    if unreadable:
        notes.append(
            Note(
                visible(path.name),
                _("{count} expert marks carry no readable table and are left out.").format(count=unreadable),
            )
        )
    return rows


def _instance_of_tables(store: Store, notes: list[Note], file: str) -> str:
    """The trace does not tell the host of expert processes; upstream's pictures are named after it."""
    named = Counter(
        name.instance for path in store.output.heat_maps if (name := parse_heat_name(path.name)) is not None
    )
    if len(named) == 1:
        return next(iter(named))
    notes.append(
        Note(file, _("The expert tables do not tell their instance, and no single heatmap picture names it."))
    )
    return "experts"


def _from_pictures(store: Store, notes: list[Note], progress: Progress) -> Loaded:
    if not store.output.heat_maps:
        return Loaded(empty("expert_heat"), notes=tuple(notes))
    from lbtui.sources.heat_png import read_heat_map

    maps: list[HeatMap] = []
    provenance: list[Provenance] = []
    total = sum(path.stat().st_size for path in store.output.heat_maps)
    done = 0
    for path in store.output.heat_maps:
        progress.advance(path.name, done, total)
        try:
            heat = read_heat_map(path)
        except Unreadable as error:
            notes.append(Note(visible(path.name), str(error)))
        else:
            maps.append(heat)
            provenance.append(
                Provenance(path.name, "heat_png", "1/256 of the map's range", heat.relative.size)
            )
            if heat.note:
                notes.append(Note(visible(path.name), heat.note))
        done += path.stat().st_size
    columns_of_ranks = {
        (m.name.instance, m.name.period): m.relative.shape[1] for m in maps if m.name.view == "rank"
    }
    frames = []
    for heat in maps:
        ranks = columns_of_ranks.get((heat.name.instance, heat.name.period))
        frames.append(_picture_frame(heat, ranks, notes))
    if not frames:
        return Loaded(empty("expert_heat"), notes=tuple(notes))
    notes.append(
        Note(
            _("heatmap pictures"),
            _("Expert heat is read back from pictures: each layer's shares are known, token counts are not."),
        )
    )
    return Loaded(pl.concat(frames), tuple(provenance), tuple(notes))


def _picture_frame(heat: HeatMap, ranks: int | None, notes: list[Note]) -> pl.DataFrame:
    layers, columns = heat.relative.shape
    view = heat.name.view
    slots = columns // ranks if ranks and columns % ranks == 0 else None
    if view == "expert" and slots is None:
        notes.append(
            Note(
                visible(f"{heat.name.instance} {heat.name.period}"),
                _("No by_rank picture tells how many slots a rank has; rank boundaries are unknown."),
            )
        )
    column = pl.col("column")
    frame = pl.DataFrame(
        {
            "layer": [layer for layer in range(layers) for _column in range(columns)],
            "column": list(range(columns)) * layers,
            "share": heat.shares.ravel() if heat.shares is not None else [None] * (layers * columns),
            "relative": heat.relative.ravel(),
        },
        schema_overrides={"share": pl.Float64},
    )
    null = pl.lit(None, pl.Int32)
    rank = column if view == "rank" else column // slots if view == "expert" and slots else null
    slot = column % slots if view == "expert" and slots else null
    return frame.with_columns(
        instance=pl.lit(heat.name.instance),
        view=pl.lit(view),
        period=pl.lit(heat.name.period),
        rank=rank,
        slot=slot,
        expert=column if view == "model_expert" else null,
        tokens=pl.lit(None, pl.Int64),
        phase=pl.lit(None, pl.String),
    ).select([pl.col(name).cast(dtype) for name, dtype in SCHEMAS["expert_heat"].items()])


def load_layer_times(store: Store, progress: Progress) -> Loaded:
    """Return `layer_times` from ep_balance: one column per process, in numeric pid order, row = layer."""
    notes: list[Note] = []
    for name, reader, wide in _ep_balance(store, progress, notes):
        pids = sorted((c for c in wide.columns if c.strip().isdigit()), key=int)
        if not pids:
            notes.append(Note(name, _("{file} has no column named by a pid.").format(file=name)))
            continue
        frame = pl.concat(
            pl.DataFrame({"time": wide[pid].cast(pl.Float64, strict=False)}).with_columns(
                layer=pl.int_range(pl.len()), process=pl.lit(int(pid)), column=pl.lit(column)
            )
            for column, pid in enumerate(pids)
        ).select([pl.col(c).cast(dtype) for c, dtype in SCHEMAS["layer_times"].items()])
        notes.append(_pid_order_note(name))
        return Loaded(frame, (Provenance(name, reader, "1 ns", frame.height),), tuple(notes))
    return Loaded(empty("layer_times"), notes=tuple(notes))


def _ep_balance(
    store: Store, progress: Progress, notes: list[Note]
) -> Iterator[tuple[str, str, pl.DataFrame]]:
    if path := store.output.csv.get("ep_balance"):
        try:
            header = csv_file.read_header(path)
            frame, read_notes = csv_file.read_text_columns(path, header, header, progress)
            notes += read_notes
            yield path.name, "csv", frame
        except Unreadable as error:
            notes.append(Note(visible(path.name), str(error)))
    if path := store.output.database:
        try:
            if "ep_balance" in database.tables_of(path):
                with database.connect(path) as connection:
                    columns = database.columns_of(connection, "ep_balance")
                    yield (
                        f"{path.name}:ep_balance",
                        "sqlite",
                        database.query(
                            connection, "SELECT * FROM ep_balance ORDER BY rowid", columns, progress, path
                        ),
                    )
        except Unreadable as error:
            notes.append(Note(visible(path.name), str(error)))


def _pid_order_note(file: str) -> Note:
    return Note(
        visible(file),
        _("Its columns are pids and no file maps them to ranks; numeric pid order is a guess at the rank."),
    )


def load_rank_intervals(store: Store, progress: Progress) -> Loaded:
    """Return `rank_intervals` from moe_analysis, in numeric pid order."""
    raw, notes = store.table("moe_analysis", progress)
    if raw is not None:
        frame = (
            raw.frame.sort("process")
            .with_columns(column=pl.int_range(pl.len()))
            .select([pl.col(c).cast(dtype) for c, dtype in SCHEMAS["rank_intervals"].items()])
        )
        note = _pid_order_note(raw.provenance.file)
        return Loaded(frame, (raw.provenance,), (*notes, *raw.notes, note))
    return Loaded(empty("rank_intervals"), notes=tuple(notes))
