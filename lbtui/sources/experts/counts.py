"""Token counts by model expert, as other engines and users' own scripts keep them: .npy, CSV and JSON.

`[layer, expert]` or `[step, layer, expert]`. They tell how much each expert had to do, not where it lies:
ranks
come from a placement.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from lbtui.profile import Note, PlacementFile, Progress, SourceFile, Unreadable
from lbtui.sources.experts.array import check_array, read_array, whole_tokens
from lbtui.sources.experts.bytes import BadContent
from lbtui.sources.experts.counts_csv import looks_like_counts, read_table
from lbtui.sources.experts.json import COUNTS, SLOTS, members, read_json
from lbtui.sources.experts.placement import placed_layers
from lbtui.sources.experts.rows import MOST_TOKENS, Table
from lbtui.sources.failure import unreadable_note
from lbtui.text import _, visible

# As many as `expert_tables` has cells.
_MOST_CELLS = 2_000_000
_MOST_FILES = 16
# So many readings that never fall are counters, not counts of steps.
_FEWEST_READINGS = 4
# expert_distribution_rank3_timestamp1744347750.37.csv of SGLang: one file a rank, the same dump within
# seconds.
_OF_RANK = re.compile(r"(.*)rank(\d{1,6})_timestamp(\d{1,12})(?:\.\d+)?(\.csv)")
_SAME_DUMP = 60


@dataclass(frozen=True)
class ExpertCounts:
    """The counts of one file, or of the files of all ranks: `tokens` is [step, layer, expert], by step."""

    name: str
    files: tuple[SourceFile, ...]
    tokens: Table
    notes: tuple[Note, ...]
    placement: PlacementFile | None = None  # that stands in the same file


def check(file: SourceFile) -> None:
    """Raise `Unreadable` with a sentence where the head of a file shows that it cannot be read."""
    try:
        if file.path.suffix == ".npy":
            check_array(file.path)
        elif file.path.suffix == ".csv" and not looks_like_counts(file.path):
            raise BadContent(_("its first line is neither of numbers nor names layers and experts"))
    except BadContent as error:
        raise _bad(file.path, str(error)) from error


def read_counts_files(
    files: Sequence[SourceFile], progress: Progress, notes: list[Note]
) -> list[ExpertCounts]:
    """Return what the files hold, ranks of one dump added up; `notes` get what cannot be read."""
    found: list[ExpertCounts] = []
    total = max(sum(file.size for file in files), 1)
    done = 0
    for file in files[:_MOST_FILES]:
        progress.advance(visible(file.path.name), done, total)
        done += file.size
        try:
            found.append(_read(file))
        except Unreadable as error:
            notes.append(unreadable_note(file.path.name, error))
    if len(files) > _MOST_FILES:
        text = _("Of {count} files of counts the first {most} are read: give one by itself.")
        notes.append(
            Note(visible(files[0].path.parent.name), text.format(count=len(files), most=_MOST_FILES))
        )
    return _joined(found)


def _read(file: SourceFile) -> ExpertCounts:
    path = file.path
    placement = None
    said: list[str] = []
    try:
        if path.suffix == ".npy":
            array = read_array(path)
        elif path.suffix == ".csv":
            array, said = read_table(path)
        else:
            array, placement = _of_json(path)
        tokens, more = _steps(array)
    except BadContent as error:
        raise _bad(path, str(error)) from error
    name = visible(path.name)
    return ExpertCounts(name, (file,), tokens, tuple(Note(name, text) for text in [*said, *more]), placement)


def _of_json(path: Path) -> tuple[Table, PlacementFile | None]:
    fields = read_json(path)
    found = next(members(fields, COUNTS), None)
    if found is None:
        raise BadContent(_('it has no list "{key}"').format(key=COUNTS))
    try:
        array = np.asarray(found.value)
    except (ValueError, OverflowError) as error:
        raise BadContent(_("its layers have different numbers of experts")) from error
    if array.dtype.kind not in "iuf":
        raise BadContent(_("its cells are no numbers"))
    placed = next(members(found.around[0], *SLOTS), None)
    return whole_tokens(array), None if placed is None else placed_layers(path, placed)


def _steps(array: Table) -> tuple[Table, list[str]]:
    """Return the counts [step, layer, expert] of each step alone, and what to mind about them."""
    if array.ndim not in (2, 3):
        raise BadContent(
            _("its shape is {shape}; [layer, expert] or [step, layer, expert] is needed").format(
                shape=" × ".join(map(str, array.shape)) or _("one number")
            )
        )
    if int(array.min()) < 0:
        raise BadContent(_("it holds a number below 0"))
    if float(array.sum(dtype=np.float64)) > MOST_TOKENS:
        raise BadContent(_("its counts add up to more tokens than can be"))
    if array.ndim == 2 and _is_placement(array):
        raise BadContent(
            _(
                "each of its rows names every expert from 0 to {last}: a placement; give it with --placement"
            ).format(last=int(array.max()))
        )
    tokens = array[None] if array.ndim == 2 else array
    if tokens[0].size > _MOST_CELLS:
        raise BadContent(_("it has more layers and experts than any model"))
    said = []
    rises = np.diff(tokens, axis=0)
    if len(tokens) >= _FEWEST_READINGS and (rises >= 0).all() and rises.any():
        tokens = np.concatenate([tokens[:1], rises])
        said.append(
            _("Its {count} steps never fall: they are read as counters, each less the one before.").format(
                count=len(tokens)
            )
        )
    return tokens, said


def _is_placement(array: Table) -> bool:
    """Tell whether [layer, slot] are experts' ids: every layer has all from 0 to the same highest."""
    last = int(array.max())
    return 8 <= last + 1 <= array.shape[1] and all(len(np.unique(layer)) == last + 1 for layer in array)


def _joined(found: Iterable[ExpertCounts]) -> list[ExpertCounts]:
    """Return the counts, those that ranks of one dump wrote made one."""
    alone: list[ExpertCounts] = []
    by_dump: dict[tuple[Path, str], list[tuple[int, int, ExpertCounts]]] = {}
    for counts in found:
        path = counts.files[0].path
        match = _OF_RANK.fullmatch(path.name)
        if match:
            by_dump.setdefault((path.parent, match[1]), []).append((int(match[3]), int(match[2]), counts))
        else:
            alone.append(counts)
    for ranks in by_dump.values():
        ranks.sort(key=lambda entry: entry[:2])
        while ranks:
            dump = _one_dump(ranks)
            ranks = [entry for entry in ranks if entry not in dump]
            alone.append(_added([counts for _time, _rank, counts in sorted(dump, key=lambda e: e[1])]))
    return alone


def _one_dump(ranks: list[tuple[int, int, ExpertCounts]]) -> list[tuple[int, int, ExpertCounts]]:
    """Return the first dump: each rank once, all within a minute of the first."""
    near = [entry for entry in ranks if entry[0] - ranks[0][0] <= _SAME_DUMP]
    first = {rank: (time, rank, counts) for time, rank, counts in reversed(near)}
    return list(first.values())


def _added(ranks: Sequence[ExpertCounts]) -> ExpertCounts:
    one = ranks[0]
    if len(ranks) == 1:
        text = _(
            "It is of one rank alone, with what its own tokens chose; its folder has the others, if any."
        )
        return replace(one, notes=(*one.notes, Note(one.name, text)))
    shape = tuple(max(sizes) for sizes in zip(*(counts.tokens.shape for counts in ranks), strict=True))
    padded = [
        np.pad(c.tokens, [(0, most - own) for most, own in zip(shape, c.tokens.shape, strict=True)])
        for c in ranks
    ]
    same = all(np.array_equal(padded[0], other) for other in padded[1:])
    name = visible(_OF_RANK.sub(r"\1rank*\4", one.files[0].path.name))
    text = (
        _("The files of {count} ranks hold the same counts: they saw the same tokens, which count once.")
        if same
        else _("The counts of {count} ranks are added up: each has what its own tokens chose.")
    )
    tokens: Table = padded[0] if same else np.stack(padded).sum(axis=0)
    notes = Counter(note.text for counts in ranks for note in counts.notes)
    said = tuple(Note(name, each) for each in [*notes, text.format(count=len(ranks))])
    return ExpertCounts(name, tuple(f for counts in ranks for f in counts.files), tokens, said)


def _bad(path: Path, why: str) -> Unreadable:
    return Unreadable(
        _("{file} cannot be read as token counts of experts ({why}).").format(
            file=visible(path.name), why=why
        )
    )
