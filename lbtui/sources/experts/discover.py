"""Find raw profiles, MindIE dumps, token counts and placement files; looks at names and sizes only.

A raw profile has MSPTI's databases too, where operators were recorded. Only a file that was named itself is
looked into, where its name does not tell what it is.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from lbtui.profile import ExpertPhase, Note, SourceFile, Unreadable
from lbtui.sources.experts.json import TORCH, holds_counts, torch_sentence
from lbtui.sources.other_tools import tool_of
from lbtui.text import _, visible

CONFIG = "model_gen_config.json"
RAW, OPERATORS, DUMP, COUNTS, PLACEMENT = (
    "raw_profile",
    "mspti",
    "mindie_dump",
    "expert_counts",
    "placement",
)

_RAW_NAME = re.compile(r"ms_service_.+\.db")
_OPERATORS_NAME = re.compile(r"ascend_service_profiler_.+-\d{1,18}\.db")
# Not the mirrors (`_bak`), which stand in for a file, nor `_topk_`, which hold something else.
_DUMP_NAME = re.compile(r"(prefill|decode)_(\d{1,6})(_bak)?\.csv")
_PLACEMENT_NAME = re.compile(
    r".*(?:global_deployment|expert_map|expert_location|physical_to_logical|placement).*\.json"
)
# SGLang's recorder writes expert_distribution_rank0_timestamp….csv, and .pt, of which users make .npy.
_COUNTS_NAME = re.compile(
    r".*\.npy|.*(?:expert_?(?:distribution|counts?|loads?)|logical_counts?).*\.(?:csv|json)"
)
_TORCH_NAME = re.compile(r".*(?:expert|eplb|logical|placement).*\.pth?")
_MAX_DEPTH = 8
_MAX_ENTRIES = 100_000


class DumpFile(NamedTuple):
    """One rank's file of a dump, in one node's folder; `mirror` is its `_bak` file."""

    phase: ExpertPhase
    rank: int
    folder: Path
    main: Path | None
    mirror: Path | None


@dataclass(frozen=True)
class ExpertFiles:
    """The files below a folder that tell of experts and that the parser did not write."""

    raw: tuple[SourceFile, ...] = ()
    operators: tuple[SourceFile, ...] = ()  # of MSPTI; they tell of no tokens
    dump: tuple[SourceFile, ...] = ()
    counts: tuple[SourceFile, ...] = ()
    configs: tuple[Path, ...] = ()
    placements: tuple[SourceFile, ...] = ()
    pickled: tuple[Path, ...] = ()  # of torch, never opened
    notes: tuple[Note, ...] = ()

    @property
    def files(self) -> tuple[SourceFile, ...]:
        """All of them but MSPTI's, which are read beside others only."""
        return (*self.raw, *self.dump, *self.counts, *self.placements)

    @property
    def loads(self) -> tuple[SourceFile, ...]:
        """Those that tell of tokens."""
        return (*self.raw, *self.dump, *self.counts)

    def dump_files(self) -> list[DumpFile]:
        """Return the dump's files by phase, rank and folder, each with its mirror."""
        found: dict[tuple[ExpertPhase, int, Path], dict[bool, Path]] = {}
        for file in self.dump:
            match = _DUMP_NAME.fullmatch(file.path.name)
            if match:
                phase: ExpertPhase = "prefill" if match[1] == "prefill" else "decode"
                key = (phase, int(match[2]), file.path.parent)
                found.setdefault(key, {})[match[3] is not None] = file.path
        return [
            DumpFile(phase, rank, folder, both.get(False), both.get(True))
            for (phase, rank, folder), both in sorted(found.items())
        ]


NOTHING = ExpertFiles()


def kind_of(name: str) -> str | None:
    """Return which of the kinds `RAW` to `PLACEMENT` a file of this name is, or None."""
    if _RAW_NAME.fullmatch(name):
        return RAW
    if _OPERATORS_NAME.fullmatch(name):
        return OPERATORS
    if _DUMP_NAME.fullmatch(name):
        return DUMP
    if _COUNTS_NAME.fullmatch(name):
        return COUNTS
    return PLACEMENT if _PLACEMENT_NAME.fullmatch(name) else None


def named_file(path: Path) -> ExpertFiles | None:
    """Return the expert files of which the file at `path`, of no name of the parser's, is one; None if none.

    Raises `OSError` when it is gone, `Unreadable` with what to do for a file of torch.
    """
    kind = kind_of(path.name)
    if kind in (RAW, DUMP):
        return find_expert_files(path.parent, depth=0)
    if kind == OPERATORS:
        return None
    if path.suffix in TORCH:
        raise Unreadable(torch_sentence(path))
    if path.suffix == ".json" and kind != COUNTS:
        kind = COUNTS if holds_counts(path) else PLACEMENT
    elif path.suffix == ".csv" and kind is None:
        # Imports polars, which the screen does without for its first frame.
        from lbtui.sources.experts.counts_csv import looks_like_counts

        kind = COUNTS if looks_like_counts(path) else None
    if kind is None:
        return None
    file = SourceFile(path, kind, kind, path.stat().st_size)
    return ExpertFiles(counts=(file,)) if kind == COUNTS else ExpertFiles(placements=(file,))


def find_expert_files(folder: Path, depth: int = _MAX_DEPTH, most: int = _MAX_ENTRIES) -> ExpertFiles:
    """Return what lies in `folder` and `depth` levels below it; links to folders are not followed.

    No more than `most` files and folders are looked at; a note tells where there are more.
    """
    found: dict[str, list[SourceFile]] = {kind: [] for kind in (RAW, OPERATORS, DUMP, COUNTS, PLACEMENT)}
    configs: list[Path] = []
    pickled: list[Path] = []
    notes: list[Note] = []
    for entry in entries_below(folder, depth, most, notes):
        kind = kind_of(entry.name)
        if _TORCH_NAME.fullmatch(entry.name):
            pickled.append(Path(entry.path))
        if (kind is None and entry.name != CONFIG) or (kind == DUMP and tool_of(Path(entry.path))):
            continue
        size = size_of(entry)
        if size is None:
            text = _("It is no regular file and is left out.")
            notes.append(Note(visible(entry.name), text, lost=True))
        elif kind is None:
            configs.append(Path(entry.path))
        else:
            found[kind].append(SourceFile(Path(entry.path), kind, kind, size))
    raw, operators, dump, counts, placements = (
        tuple(sorted(files, key=lambda file: file.path)) for files in found.values()
    )
    notes += [Note(visible(path.name), torch_sentence(path), lost=True) for path in sorted(pickled)]
    return ExpertFiles(
        raw, operators, dump, counts, tuple(sorted(configs)), placements, tuple(sorted(pickled)), tuple(notes)
    )


def entries_below(folder: Path, depth: int, most: int, notes: list[Note]) -> Iterator[os.DirEntry[str]]:
    """Yield what is no folder, level by level."""
    level = [folder]
    seen = 0
    for _level in range(depth + 1):
        below: list[Path] = []
        for parent in level:
            try:
                with os.scandir(parent) as scan:
                    # One more than is looked at, to learn whether there are more.
                    entries = sorted(islice(scan, most - seen + 1), key=lambda entry: entry.name)
            except OSError:
                continue
            for entry in entries:
                seen += 1
                if seen > most:
                    text = _("It holds more than {most} files: what comes after these was not looked at.")
                    notes.append(Note(visible(folder.name), text.format(most=most), lost=True))
                    return
                if _is_folder(entry):
                    below.append(Path(entry.path))
                else:
                    yield entry
        level = below


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir(follow_symlinks=False)
    except OSError:
        return False


def size_of(entry: os.DirEntry[str]) -> int | None:
    """Return the size of a regular file, None for all else: a pipe would hang its reader."""
    try:
        return entry.stat().st_size if entry.is_file() else None
    except OSError:
        return None


def belonging(raw: tuple[SourceFile, ...], prof_ids: Collection[str]) -> tuple[SourceFile, ...]:
    """Return the raw files of the run whose processes are `prof_ids`.

    Beside an output may lie the raw profiles of other runs too: those below the innermost folder that holds
    every process known from the output are its.
    """
    known = [file.path.parent for file in raw if file.path.stem in prof_ids]
    if not known:
        return ()
    run = Path(os.path.commonpath(known))
    # The profiler makes a folder of this name for each kind of data of a host.
    run = run.parent if run.name == "Trace_Service" else run
    return tuple(file for file in raw if file.path.is_relative_to(run))
