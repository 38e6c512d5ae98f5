"""Expert tables from files that the parser did not write, by instance and phase."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lbtui.profile import ExpertPhase, Note, Progress, SourceFile, instance_names
from lbtui.text import _, visible

if TYPE_CHECKING:
    from lbtui.sources.expert_rows import ProcessExperts
    from lbtui.sources.expert_tables import ExpertTables


@dataclass(frozen=True)
class Found:
    """The expert tables of one source: those of each instance (and phase, where told apart)."""

    file: str
    reader: str
    tables: tuple[tuple[str, ExpertPhase | None, ExpertTables], ...]
    passes: int | None = None  # forward passes behind one reading


def from_raw(
    files: tuple[SourceFile, ...], pictures: tuple[Path, ...], progress: Progress, notes: list[Note]
) -> Found:
    """Return what a raw profile tells, and note where the parser's `pictures` of the same differ from it."""
    from lbtui.sources.expert_tables import combine
    from lbtui.sources.parser_windows import compare
    from lbtui.sources.raw_profile import read_raw

    folder = Path(os.path.commonpath([file.path.parent for file in files]))
    name = visible(f"{folder.name}/ms_service_*.db")
    raw = read_raw({file.path: file.size for file in files}, progress)
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
    return Found(name, "raw_profile", tuple((instance, None, tables) for instance, tables in found))
