"""Expert heat and placements: the frames `expert_heat` and `placements`."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import polars as pl

from lbtui.profile import Loaded, Note, Progress, Provenance, Unreadable, empty
from lbtui.sources import database
from lbtui.sources.canonical.expert_pictures import read_pictures
from lbtui.sources.canonical.scheduling import Scheduling
from lbtui.sources.heat_png.names import parse_heat_name
from lbtui.sources.store import Store
from lbtui.sources.trace_values import count
from lbtui.text import _, visible

if TYPE_CHECKING:
    from lbtui.sources.expert_tables import ExpertRow, ExpertTables

_KINDS: tuple[Literal["hot", "routing"], ...] = ("routing", "hot")

# The marks of domain eplb_observe sit on threads of that name; their own names are the service's choice.
# Tables are large: the order is made of keys alone, and each is fetched when its turn comes.
_KEYS_QUERY = """
SELECT s.id, s.timestamp, CAST(t.pid AS INTEGER)
FROM slice s JOIN (SELECT track_id, tid, pid FROM thread GROUP BY track_id) t USING (track_id)
WHERE t.tid LIKE 'eplb_observe(%'
"""
_KEYS = pl.Schema([("id", pl.Int64()), ("time", pl.Int64()), ("pid", pl.Int64())])
_ARGS = pl.Schema([("args", pl.String())])


def load_expert_heat(
    store: Store, scheduling: Callable[[Progress], Scheduling], progress: Progress
) -> tuple[Loaded, Loaded]:
    """Return `expert_heat` and `placements` from the most precise source at hand.

    profiler.db's or the trace's expert tables give tokens; the heatmap pictures give shares only.
    `scheduling` is asked only where no picture names the instance.
    """
    from lbtui.sources.expert_tables import heat_frames

    notes: list[Note] = []
    for name, reader, tables in _table_sources(store, progress, notes):
        notes += tables.notes
        if not tables.periods:
            continue
        instance = _instance_of_tables(store, scheduling, progress)
        if instance is None:
            instance = _("experts")
            notes.append(Note(name, _("Nothing tells to which instance the expert tables belong.")))
        heat, placements = heat_frames(tables, instance)

        def provenance(frame: pl.DataFrame, name: str = name, reader: str = reader) -> Provenance:
            return Provenance(name, reader, _("exact tokens"), frame.height)

        placed = (provenance(placements),) if placements.height else ()
        return Loaded(heat, (provenance(heat),), tuple(notes)), Loaded(placements, placed)
    return read_pictures(store, notes, progress), Loaded(empty("placements"))


def _table_sources(
    store: Store, progress: Progress, notes: list[Note]
) -> Iterator[tuple[str, str, ExpertTables]]:
    from lbtui.sources.expert_tables import combine, read_tables

    if store.database and {"slice", "thread"} <= store.database_tables:
        name = visible(f"{store.database.name}:slice")
        try:
            tables = read_tables(_database_rows(store.database, progress, notes), name)
        except Unreadable as error:
            notes.append(Note(name, str(error), lost=True))
        else:
            yield name, "sqlite", tables
    # Even a large trace is read where nothing else shows the experts.
    trace, trace_notes = (store.trace if store.output.heat_maps else store.whole_trace)(progress)
    notes += trace_notes
    if trace is not None:
        name = visible(trace.path.name)
        yield name, "trace", combine(trace.experts, name)


def _database_rows(path: Path, progress: Progress, notes: list[Note]) -> Iterator[ExpertRow]:
    unreadable = 0
    with database.connect(path, progress) as opened:
        keys = opened.query(_KEYS_QUERY, _KEYS).drop_nulls().sort("time", "id")
        for order, (number, _time, pid) in enumerate(keys.iter_rows()):
            row = opened.query("SELECT args FROM slice WHERE id = ?", _ARGS, (number,))
            tables = _tables(pid, order, row.item())
            unreadable += not tables
            yield from tables
    if unreadable:
        text = _("{count} expert marks carry no readable rank and table and are left out.")
        notes.append(Note(visible(path.name), text.format(count=unreadable), lost=True))


def _tables(pid: int, order: int, args: str | None) -> list[ExpertRow]:
    """Return the tables that one mark's JSON holds; none if they or their rank cannot be read."""
    from lbtui.sources.expert_tables import ExpertRow

    try:
        fields = json.loads(args or "")
    except (ValueError, RecursionError):
        return []
    rank = count(fields.get("rank")) if isinstance(fields, dict) else None
    if rank is None:
        return []
    found = ((kind, fields.get(f"expert_{kind}")) for kind in _KINDS)
    return [ExpertRow(pid, order, rank, kind, table) for kind, table in found if isinstance(table, list)]


def _instance_of_tables(
    store: Store, scheduling: Callable[[Progress], Scheduling], progress: Progress
) -> str | None:
    """Return the instance that upstream's pictures are named after, or the only one there is.

    Neither profiler.db nor the trace tells the host of expert processes.
    """
    names = map(parse_heat_name, (path.name for path in store.output.heat_maps))
    instances = {visible(name.instance) for name in names if name is not None}
    if not instances:
        instances = set(scheduling(progress).owners.frame["instance"].drop_nulls())
    return instances.pop() if len(instances) == 1 else None
