"""Expert heat and placements: the frames `expert_heat` and `placements`, and heat over time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import polars as pl

from lbtui.profile import (
    Loaded,
    LoadedSeries,
    Note,
    PlacementFile,
    Progress,
    Provenance,
    SourceFile,
    Unreadable,
    empty,
)
from lbtui.profile.identity import UNNAMED_EXPERTS
from lbtui.profile.once import Once
from lbtui.sources.canonical.expert_files import Found, Part, from_counts, from_dump, from_raw
from lbtui.sources.canonical.expert_pictures import read_pictures
from lbtui.sources.experts.discover import belonging
from lbtui.sources.failure import unreadable_note
from lbtui.sources.heat_png.names import parse_heat_name
from lbtui.sources.steps.scheduling import Scheduling
from lbtui.sources.store import Store
from lbtui.text import _, visible

if TYPE_CHECKING:
    from lbtui.sources.experts.tables import ExpertTables


class Experts:
    """What an output tells of its experts, from the most precise source at hand, read once.

    A raw profile, profiler.db's or the trace's expert tables give tokens, iteration by iteration; the heatmap
    pictures give shares of each period only.
    """

    def __init__(
        self,
        store: Store,
        scheduling: Callable[[Progress], Scheduling],
        placement: PlacementFile | None = None,
    ) -> None:
        self._store = store
        self._placement = placement
        self._scheduling = scheduling
        self._found = Once(self._find)
        self._frames = Once(self._load_frames)
        self.load_series = Once(self._load_series)

    def load_heat(self, progress: Progress) -> Loaded:
        """Return the frame `expert_heat`."""
        return self._frames(progress)[0]

    def load_placements(self, progress: Progress) -> Loaded:
        """Return the frame `placements`."""
        return self._frames(progress)[1]

    def _load_frames(self, progress: Progress) -> tuple[Loaded, Loaded]:
        found, notes = self._found(progress)
        if found is None:
            return read_pictures(self._store, list(notes), progress), self._given_placement()
        from lbtui.sources.experts.frames import heat_frames

        frames = [heat_frames(tables, instance, phase) for instance, phase, tables in found.tables]
        heat, placements = (pl.concat(parts, rechunk=True) for parts in zip(*frames, strict=True))

        def provenance(frame: pl.DataFrame) -> tuple[Provenance, ...]:
            return (Provenance(found.file, found.reader, found.precision, frame.height, parts=found.parts),)

        placed = provenance(placements) if placements.height else ()
        return Loaded(heat, provenance(heat), tuple(notes)), Loaded(placements, placed)

    def _given_placement(self) -> Loaded:
        """Return the frame `placements` of a placement file that lies alone."""
        file = self._placement
        if file is None or self._store.output.parsed:
            return Loaded(empty("placements"))
        from lbtui.sources.experts.frames import placement_frame
        from lbtui.sources.experts.placement_oddities import file_notes

        frame = placement_frame(file)
        read = (Provenance(file.file, "placement", _("exact"), frame.height),)
        return Loaded(frame, read, tuple(file_notes(file)))

    def _load_series(self, progress: Progress) -> LoadedSeries:
        found, _notes = self._found(progress)
        if found is None:
            return LoadedSeries()
        from lbtui.sources.experts.series import expert_series

        series = (
            expert_series(tables, instance, phase, found.passes) for instance, phase, tables in found.tables
        )
        return LoadedSeries(tuple(one for one in series if one is not None))

    def _find(self, progress: Progress) -> tuple[Found | None, list[Note]]:
        from lbtui.sources.experts.load_oddities import load_notes
        from lbtui.sources.experts.placement_oddities import table_notes
        from lbtui.sources.experts.series import series_notes

        notes: list[Note] = []
        for found in self._sources(progress, notes):
            kept = tuple(part for part in found.tables if part[2].periods)
            for _instance, _phase, tables in found.tables:
                notes += [*tables.notes, *series_notes(tables, found.file)]
            if kept:
                parts = tuple(self._placed(part, notes) for part in kept)
                for instance, phase, tables in parts:
                    if found.reader != "expert_counts":  # has told it of the file
                        notes += table_notes(tables, found.file)
                    notes += load_notes(tables, f"{instance} {phase}" if phase else instance, found.file)
                return replace(found, tables=parts), notes
        return None, notes

    def _sources(self, progress: Progress, notes: list[Note]) -> Iterator[Found]:
        """Yield what each source has: what was asked for, then the most precise first."""
        output = self._store.output
        if output.experts.raw:
            yield from_raw(output.experts.raw, output.heat_maps, progress, notes)
        if output.experts.dump:
            yield from_dump(output.experts, progress, notes)
        if output.experts.counts and (output.experts.raw or output.experts.dump):
            text = _("It is not read beside a raw profile or a dump: give it by itself, or with --experts.")
            notes += [Note(visible(file.path.name), text) for file in output.experts.counts]
        elif output.experts.counts:
            yield from_counts(output.experts, self._placement, progress, notes)
        if near := self._beside(progress):
            yield from_raw(near, output.heat_maps, progress, notes)
        for name, reader, tables in _table_sources(self._store, progress, notes):
            instance = self._instance(name, notes, progress) if tables.periods else ""
            yield Found(name, reader, ((instance, None, tables),))

    def _placed(self, part: Part, notes: list[Note]) -> Part:
        """Return the tables with the placement given by the user, where they have none of their own."""
        instance, phase, tables = part
        file = self._placement
        if file is None or not tables.ranks or any(table is not None for table in tables.placements):
            return part
        from lbtui.sources.experts.placing import fitting, placed

        extra = file.experts.shape[1] - len(tables.ranks)
        # Devices before the first rank hold shared experts only.
        shared = extra if file.has_ranks and extra > 0 and tables.ranks[0] == extra else 0
        placement = fitting(file, tables, shared)
        if placement is None:
            text = _(
                "It has other layers, devices or slots than the loads of {instance}: no expert is named."
            )
            notes.append(Note(file.file, text.format(instance=instance)))
            return part
        return instance, phase, placed(tables, placement)

    def _beside(self, progress: Progress) -> tuple[SourceFile, ...]:
        """Return the raw profile near the output, if it is this output's."""
        near = self._store.output.beside.raw
        if not near:
            return ()
        return belonging(near, set(self._scheduling(progress).owners.frame["prof_id"]))

    def _instance(self, name: str, notes: list[Note], progress: Progress) -> str:
        """Return the instance that upstream's pictures are named after, or the only one there is.

        Neither profiler.db nor the trace tells the host of expert processes.
        """
        names = map(parse_heat_name, (path.name for path in self._store.output.heat_maps))
        instances = {visible(name.instance) for name in names if name is not None}
        if not instances:
            instances = set(self._scheduling(progress).owners.frame["instance"].drop_nulls())
        if len(instances) == 1:
            return str(instances.pop())
        notes.append(Note(name, _("Nothing tells to which instance the expert tables belong.")))
        return UNNAMED_EXPERTS


def _table_sources(
    store: Store, progress: Progress, notes: list[Note]
) -> Iterator[tuple[str, str, ExpertTables]]:
    from lbtui.sources.experts.slices import read_processes
    from lbtui.sources.experts.tables import combine

    if store.database and {"slice", "thread"} <= store.database_tables:
        name = visible(f"{store.database.name}:slice")
        try:
            processes = read_processes(store.database, progress, notes)
        except Unreadable as error:
            notes.append(unreadable_note(name, error))
        else:
            yield name, "sqlite", combine(processes, name)
    # Even a large trace is read where nothing else shows the experts.
    trace, trace_notes = (store.trace if store.output.heat_maps else store.whole_trace)(progress)
    notes += trace_notes
    if trace is not None:
        name = trace.file
        yield name, trace.reader, combine(trace.experts, name)
