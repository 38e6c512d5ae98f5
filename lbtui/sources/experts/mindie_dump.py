"""MindIE's expert dump: `{prefill|decode}_{rank}.csv`, cumulative token counts appended every few passes.

A file has no header; each block is `num_moe_layers` lines of one number for each expert of the rank. Folders
of several nodes may hold the same rank: their counts add up, as far as all have blocks.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lbtui.profile import ExpertPhase, Note, Progress, Unreadable
from lbtui.sources.experts.discover import DumpFile, ExpertFiles
from lbtui.sources.experts.mindie_config import DumpConfig, read_config
from lbtui.sources.experts.rows import (
    MOST_TOKENS,
    Counts,
    ProcessExperts,
    compact,
    period_of,
    read_counts,
)
from lbtui.sources.experts.tables import ExpertTables, combine, listing
from lbtui.sources.failure import unreadable_note, unreadable_on_failure
from lbtui.text import _, visible

_MOST_BYTES = 1 << 30
_PHASES: tuple[ExpertPhase, ...] = ("prefill", "decode")


@dataclass(frozen=True)
class DumpPhase:
    """The tables of one phase, and what its config says."""

    phase: ExpertPhase
    tables: ExpertTables
    config: DumpConfig
    folder: Path  # of its first file


def read_dump(found: ExpertFiles, progress: Progress, notes: list[Note]) -> list[DumpPhase]:
    """Return what each phase of a dump holds; `notes` get what cannot be read. Raises `Cancelled`."""
    files = found.dump_files()
    sizes = {file.path: file.size for file in found.dump}
    reading = _Reading(progress, sizes, notes)
    phases = []
    for phase in _PHASES:
        mine = [file for file in files if file.phase == phase]
        if not mine:
            continue
        config = _config(phase, mine, found.configs, notes)
        if config is not None:
            tables = _phase(phase, mine, config, reading)
            phases.append(DumpPhase(phase, tables, config, mine[0].folder))
    return phases


def _config(
    phase: ExpertPhase, files: Sequence[DumpFile], configs: Sequence[Path], notes: list[Note]
) -> DumpConfig | None:
    """Return the config of a phase. Only the node of rank 0 has one; that of another phase does as well."""
    folders = {file.folder for file in files}
    # A phase's own first, then that of a folder around.
    near = sorted(configs, key=lambda path: (path.parent not in folders, phase not in path.parts, path))
    for path in near:
        try:
            return read_config(path, notes)
        except Unreadable as error:
            notes.append(unreadable_note(path.name, error))
    if not near:
        text = _(
            "No model_gen_config.json lies beside the {phase} files, so that their layers are unknown; copy "
            "it from the node of rank 0."
        )
        notes.append(Note(visible(files[0].folder.name), text.format(phase=phase), lost=True))
    return None


def _phase(
    phase: ExpertPhase, files: Sequence[DumpFile], config: DumpConfig, reading: _Reading
) -> ExpertTables:
    name = f"{phase}_*.csv"
    ranks = sorted({file.rank for file in files})
    shared = ranks[: config.shared_files]
    if shared:
        text = _(
            "{phase} files {ranks} hold shared experts only (num_dangling_shared_experts), which every token "
            "passes: left out."
        ).format(phase=phase, ranks=listing(shared))
        reading.notes.append(Note(name, text))
    processes = []
    for rank in ranks[config.shared_files :]:
        blocks = [
            read
            for file in files
            if file.rank == rank and (read := reading.blocks(file, config.layers)) is not None
        ]
        if blocks:
            processes.append(_process(phase, rank, blocks, reading.notes))
    return combine(processes, name, absent=frozenset(shared))


def _process(phase: ExpertPhase, rank: int, nodes: Sequence[Counts], notes: list[Note]) -> ProcessExperts:
    """Return one rank's readings, those of several nodes added up."""
    name = f"{phase}_{rank}.csv"
    total = nodes[0]
    if len(nodes) > 1:
        alike = [blocks for blocks in nodes if blocks.shape[1:] == total.shape[1:]]
        length = min(map(len, alike))
        total = np.sum([blocks[:length] for blocks in alike], axis=0, dtype=np.int64)
        text = _("It lies in {count} folders: the tokens of {used} are added up, {length} blocks of each.")
        notes.append(Note(name, text.format(count=len(nodes), used=len(alike), length=length)))
    nothing = np.empty(0, dtype=np.int64)
    period = period_of(None, total, nothing, np.arange(len(total), dtype=np.int64))
    return ProcessExperts(name, rank, (period,), rows=len(total))


class _Reading:
    """Reads the files one by one, telling how far it is."""

    def __init__(self, progress: Progress, sizes: dict[Path, int], notes: list[Note]) -> None:
        self.notes = notes
        self._progress = progress
        self._sizes = sizes
        self._done = 0
        self._total = max(sum(sizes.values()), 1)

    def blocks(self, file: DumpFile, layers: int) -> Counts | None:
        """Return the counts [block, layer, expert] of a file, or of its mirror where it cannot be read."""
        result = None
        for path in (file.main, file.mirror):
            if path is None:
                continue
            self._progress.advance(path.name, self._done, self._total)
            self._done += self._sizes[path]
            if result is not None:
                continue
            try:
                result = self._read(path, layers)
            except Unreadable as error:
                self.notes.append(unreadable_note(path.name, error))
            else:
                if path == file.mirror:
                    text = _("It is read in place of {file}.").format(file=f"{file.phase}_{file.rank}.csv")
                    self.notes.append(Note(visible(path.name), text))
        return result

    def _read(self, path: Path, layers: int) -> Counts:
        if self._sizes[path] > _MOST_BYTES:
            raise _broken(path, _("it has more than {size} MB").format(size=_MOST_BYTES >> 20))
        with unreadable_on_failure(path):
            text = path.read_bytes()
        table, torn = numbers(path, text)
        whole = len(table) // layers
        if not whole:
            raise _broken(
                path,
                _("{lines} lines are no whole block of {layers} layers").format(
                    lines=len(table), layers=layers
                ),
            )
        left = len(table) - whole * layers + torn
        if left:
            text_left = _("It ends within a block: its last {count} lines are left out.").format(count=left)
            self.notes.append(Note(visible(path.name), text_left, lost=True))
        return compact(table[: whole * layers].reshape(whole, layers, -1))


def numbers(path: Path, text: bytes) -> tuple[Counts, int]:
    """Return the lines of a file as int64 [line, column], and how many torn ones (0 or 1) end it.

    Raises `Unreadable` with the first line that is not as the others or holds anything but whole numbers ≥ 0.
    """
    text = text.replace(b"\r", b"").replace(b" ", b"")
    # MindIE ends every line; a file copied while it is written may end within one, even within a number.
    torn = 0 if text.endswith(b"\n") else 1
    text = text.rpartition(b"\n")[0] if torn else text.rstrip(b"\n")
    if not text:
        raise _broken(path, _("it has no whole line"))
    columns = text.partition(b"\n")[0].count(b",") + 1
    table = read_counts(text, text.count(b"\n") + 1, columns)
    if table is not None:
        return table, torn
    raise _broken(path, _why(text.split(b"\n"), columns))


def _why(lines: Iterable[bytes], columns: int) -> str:
    for number, line in enumerate(lines, 1):
        cells = line.split(b",")
        if len(cells) != columns:
            return _("line {line} has {found} columns, the first has {columns}").format(
                line=number, found=len(cells), columns=columns
            )
        for cell in cells:
            # Longer ones are beyond 64 bits, whatever they are.
            if not (cell.isdigit() and len(cell) <= 18 and int(cell) <= MOST_TOKENS):
                return _("line {line} holds {cell}, which is no number of tokens").format(
                    line=number, cell=visible(cell.decode("utf-8", "replace"), 30) or _("an empty cell")
                )
    return _("it is no table of numbers")


def _broken(path: Path, why: str) -> Unreadable:
    return Unreadable(
        _("{file} cannot be read as an expert dump ({why}); copy it again.").format(
            file=visible(path.name), why=why
        )
    )
