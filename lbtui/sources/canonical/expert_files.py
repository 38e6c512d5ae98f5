"""Expert tables from files that the parser did not write, by instance and phase."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from lbtui.profile import ExpertPhase, Note, PlacementFile, Progress, SourceFile, Unreadable, instance_names
from lbtui.sources.experts.discover import ExpertFiles
from lbtui.sources.failure import unreadable_note
from lbtui.text import _, in_series, visible, with_label

if TYPE_CHECKING:
    from lbtui.sources.experts.mindie_dump import DumpPhase
    from lbtui.sources.experts.rows import ProcessExperts
    from lbtui.sources.experts.tables import ExpertTables


Part: TypeAlias = "tuple[str, ExpertPhase | None, ExpertTables]"


@dataclass(frozen=True)
class Found:
    """The expert tables of one source: those of each instance (and phase, where told apart)."""

    file: str
    reader: str
    tables: tuple[Part, ...]
    passes: int | None = None  # forward passes behind one reading
    parts: tuple[tuple[SourceFile, int], ...] = ()  # as in `Provenance`
    precision: str = _("exact tokens")


def from_raw(
    files: tuple[SourceFile, ...], pictures: tuple[Path, ...], progress: Progress, notes: list[Note]
) -> Found:
    """Return what a raw profile tells, and note where the parser's `pictures` of the same differ from it."""
    from lbtui.sources.experts.parser_windows import compare
    from lbtui.sources.experts.raw_profile import read_raw
    from lbtui.sources.experts.tables import combine

    folder = Path(os.path.commonpath([file.path.parent for file in files]))
    name = visible(f"{folder.name}/ms_service_*.db")
    raw = read_raw(files, progress)
    notes += raw.notes
    instance_of = instance_names(host for host, _process in raw.processes)
    by_instance: dict[str, list[ProcessExperts]] = {}
    for host, process in raw.processes:
        by_instance.setdefault(instance_of[host], []).append(process)
    found = [(instance, combine(parts, name)) for instance, parts in sorted(by_instance.items())]
    if not found:
        text = _("None of its {count} files holds expert marks (domain eplb_observe).")
        notes.append(Note(name, text.format(count=len(files))))
    for instance, tables in found:
        notes += compare(tables, instance, pictures)
    by_instance_tables = tuple((instance, None, tables) for instance, tables in found)
    return Found(name, "raw_profile", by_instance_tables, parts=raw.parts)


def from_dump(found: ExpertFiles, progress: Progress, notes: list[Note]) -> Found:
    """Return what a MindIE dump tells, its phases apart."""
    from lbtui.sources.experts.mindie_dump import read_dump

    phases = read_dump(found, progress, notes)
    folder = Path(os.path.commonpath([file.path.parent for file in found.dump]))
    folder = folder.parent if folder.name in ("prefill", "decode") else folder
    name = visible(folder.name)
    passes = {part.config.passes for part in phases}
    rows = {one.process: one.rows for part in phases for one in part.tables.processes}
    return Found(
        visible(with_label(folder.name, in_series(f"{part.phase}_*.csv" for part in phases))),
        "mindie_dump",
        tuple((name, part.phase, _with_map(part, found.placements, notes)) for part in phases),
        passes.pop() if len(passes) == 1 else None,
        tuple((file, rows[file.path.name]) for file in found.dump if file.path.name in rows),
    )


def from_counts(
    found: ExpertFiles, placement: PlacementFile | None, progress: Progress, notes: list[Note]
) -> Found:
    """Return what files of counts tell, each an instance; by rank where a placement tells the ranks."""
    from lbtui.sources.experts.counts import read_counts_files
    from lbtui.sources.experts.spread import spread, unplaced

    counted = read_counts_files(found.counts, progress, notes)
    names = [counts.name for counts in counted]
    tables: list[Part] = []
    exact = True
    for counts in counted:
        parent = visible(counts.files[0].path.parent.name)
        instance = counts.name if names.count(counts.name) == 1 else f"{parent}/{counts.name}"
        notes += counts.notes
        file = placement or counts.placement
        placed = _no_ranks(counts.name) if file is None else spread(counts.name, counts.tokens, file)
        if isinstance(placed, Note):
            notes.append(placed)
            tables.append((instance, None, unplaced(counts.tokens)))
        else:
            exact = exact and placed.exact
            tables.append((instance, None, placed.tables))
    rows = [
        (file, counts.tokens.shape[0] * counts.tokens.shape[1]) for counts in counted for file in counts.files
    ]
    several = _("{count} files of counts").format(count=len(names))
    return Found(
        names[0] if len(names) == 1 else several,
        "expert_counts",
        tuple(tables),
        precision=_("exact tokens") if exact else _("exact tokens, those of copies shared evenly"),
        parts=tuple(rows),
    )


def _no_ranks(name: str) -> Note:
    """Return that counts of experts tell no ranks, and what does."""
    text = _(
        "It tells the tokens of experts, not on which ranks these lie: a PAR over ranks needs a placement "
        "(--placement FILE)."
    )
    return Note(name, text)


def _with_map(part: DumpPhase, placements: tuple[SourceFile, ...], notes: list[Note]) -> ExpertTables:
    """Return a phase's tables with the placement its config names, or without EPLB that in order."""
    from lbtui.sources.experts.placement import read_placement
    from lbtui.sources.experts.placing import fitting, in_order, placed

    config, tables = part.config, part.tables
    if config.map_name is None:
        placement = in_order(tables, config.experts or 0)
        return tables if placement is None else placed(tables, placement)
    name = visible(config.map_name)
    near = sorted(
        (file.path for file in placements if file.path.name == config.map_name),
        key=lambda path: (path.parent != part.folder, path),
    )
    if not near:
        text = _(
            "The placement in use, {file}, is not beside the dump: give it with --placement to see which "
            "experts its slots hold."
        )
        notes.append(Note(name, text.format(file=name)))
        return tables
    try:
        placement = fitting(read_placement(near[0]), tables, config.shared_files)
    except Unreadable as error:
        notes.append(unreadable_note(name, error))
        return tables
    if placement is None:
        notes.append(Note(name, _("It has other layers, devices or slots than the dump, and is not used.")))
        return tables
    return placed(tables, placement, config.experts or 0)
