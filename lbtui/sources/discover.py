"""Find parsed outputs below a path and tell what each file in them is; looks at names and sizes only."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from lbtui.profile import Note, SourceFile, Unreadable
from lbtui.sources.experts.discover import (
    NOTHING,
    ExpertFiles,
    find_expert_files,
    named_file,
)
from lbtui.sources.experts.json import torch_sentence
from lbtui.sources.heat_png.names import parse_heat_name
from lbtui.sources.other_tools import SPAN_FOLDER, others_below, tool_note, tool_of
from lbtui.sources.tables.tables import TABLES
from lbtui.text import _, in_sentences, visible, with_label

# The second has a column a process, whatever their number.
_CSV_TABLES = frozenset({*TABLES, "ep_balance"})
DATABASE = "profiler.db"
TRACE = "chrome_tracing.json"
# Pictures whose numbers are read better elsewhere; known, so that they are not taken for strangers.
_SUMMARIES = ("batch_summary.csv", "request_summary.csv", "service_summary.csv")
_OTHER_PICTURES = ("_balance_ratio.png", "ep_balance.png", "moe_analysis.png")

_BESIDE = ("picture", "summary")  # what makes no output by itself

# How far around an output its raw profile is looked for: levels, and files and folders.
_BESIDE_DEPTH, _BESIDE_ENTRIES = 4, 5_000
_MAX_DEPTH = 5
_MAX_ENTRIES = 100_000


class SeveralOutputs(Exception):
    """More than one parsed output lies below the path; `folders` are theirs, sorted.

    `raw` tells whether a raw profile lies there, too.
    """

    def __init__(self, path: Path, folders: list[Path], *, raw: bool = False) -> None:
        text = (
            _("{path} holds {count} parsed outputs; choose one of them, or the raw profile with --raw.")
            if raw
            else _("{path} holds {count} parsed outputs; choose one of them.")
        )
        super().__init__(text.format(path=visible(str(path)), count=len(folders)))
        self.folders = folders
        self.raw = raw


@dataclass(frozen=True)
class Output:
    """The files of one parsed output; of a folder without one, what tells of experts by itself.

    `experts` hold what was asked for or lies alone; `beside` is near the output, and its if it fits.
    """

    folder: Path
    csv: dict[str, Path]  # by table name
    database: Path | None
    trace: Path | None
    heat_maps: tuple[Path, ...]
    files: tuple[SourceFile, ...]
    notes: tuple[Note, ...] = ()  # on what has a known name and cannot be read
    experts: ExpertFiles = NOTHING
    beside: ExpertFiles = NOTHING
    summaries: tuple[SourceFile, ...] = ()  # of upstream's `analyze`

    @property
    def parsed(self) -> bool:
        """Whether there is anything that the parser wrote."""
        return bool(self.csv or self.database or self.trace or self.heat_maps)

    @property
    def raw(self) -> bool:
        """Whether this is a raw profile that is to be read in place of what the parser would write."""
        return bool(self.experts.raw) and not self.parsed

    @property
    def sizes(self) -> dict[Path, int]:
        """The size of each file in bytes, as it was at opening."""
        return {file.path: file.size for file in self.files}


def find_output(path: Path, *, raw: bool = False, beside: Sequence[SourceFile] | None = None) -> Output:
    """Return the output at `path`: the folder, its parent, or one file in it.

    With `raw` the raw profile there, whatever the parser wrote beside it. `beside` are the files of the raw
    profile near the output where these are known: then nothing around it is looked at.

    Raises `Unreadable` if there is none or no such path, `SeveralOutputs` if there is more than one.
    """
    try:
        # os.path.realpath says OSError of a loop of links in every Python; Path.resolve does not.
        folder = Path(os.path.realpath(path if path.is_dir() else path.parent, strict=True))
        exists = path.exists()
    except OSError as error:
        raise Unreadable(
            _("{path} cannot be opened ({why}); check the path.").format(
                path=visible(str(path)), why=error.strerror or error
            )
        ) from error
    if not exists:
        raise Unreadable(_("{path} does not exist; check the path.").format(path=visible(str(path))))
    if raw:
        return _raw_profile(path, folder)
    if path.is_file() and (tool := tool_of(path)):
        raise Unreadable(with_label(visible(str(path)), tool_note(path, tool).text))
    if path.is_file() and _kind(path.name) is None and (found := named_file(path)):
        return _of_experts(folder, found)
    if not path.is_dir() and (not path.is_file() or _kind(path.name) is None):
        raise Unreadable(
            _(
                "{path} is no file of a parsed output; give the folder that "
                "`python3 -m ms_service_profiler.parse` wrote."
            ).format(path=visible(str(path)))
        )
    output = read_folder(folder)
    if output.files:
        return _with_beside(output, beside)
    folders = outputs_below(folder)
    if not folders:
        found = find_expert_files(folder)
        if found.files:
            return _of_experts(folder, found)
        if found.pickled:
            raise Unreadable(in_sentences(*map(torch_sentence, found.pickled)))
        if others := others_below(folder):
            first = _("{path} holds no parsed output.").format(path=visible(str(path)))
            raise Unreadable(in_sentences(first, *(with_label(note.file, note.text) for note in others)))
        raise Unreadable(
            _(
                "{path} holds no parsed output (batch.csv, forward.csv, profiler.db, chrome_tracing.json, "
                "…), raw profile or expert dump; run `python3 -m ms_service_profiler.parse "
                "--input-path=PROF_DIR` first."
            ).format(path=visible(str(path)))
        )
    if len(folders) > 1:
        raise SeveralOutputs(path, folders, raw=bool(find_expert_files(folder).raw))
    return _with_beside(read_folder(folders[0]), beside)


def with_experts(output: Output, path: Path) -> Output:
    """Return the output with expert heat from `path`: a raw profile, a dump, or a file of one.

    Raises `Unreadable` if there is neither.
    """
    try:
        found = find_expert_files(path) if path.is_dir() else named_file(path) if path.is_file() else None
    except OSError:
        found = None
    if found is None or not found.loads:
        told = map(torch_sentence, found.pickled) if found else ()
        raise Unreadable(
            in_sentences(*told)
            or _(
                "{path} holds no raw profile (ms_service_*.db), no expert dump (prefill_0.csv, decode_0.csv, "
                "…) and no counts of experts (.npy, CSV, JSON); check the path given with --experts."
            ).format(path=visible(str(path)))
        )
    return replace(
        output, experts=found, files=(*output.files, *found.files), notes=(*output.notes, *found.notes)
    )


def _raw_profile(path: Path, folder: Path) -> Output:
    """Return the raw profile at a path that exists. Raises `Unreadable` if there is none."""
    found = find_expert_files(folder) if path.is_dir() else named_file(path)
    if found is not None and found.raw:
        return _of_experts(folder, found)
    raise Unreadable(
        _(
            "{path} holds no raw profile (ms_service_*.db), in it or below; give the folder above its files."
        ).format(path=visible(str(path)))
    )


def _of_experts(folder: Path, found: ExpertFiles) -> Output:
    files = (*found.files, *found.operators) if found.raw else found.files
    return Output(folder, {}, None, None, (), files, found.notes, found)


def _with_beside(output: Output, known: Sequence[SourceFile] | None) -> Output:
    """Add the raw profile near the output: its folder often lies in that of the raw profile."""
    if known is not None:
        return replace(output, beside=ExpertFiles(raw=tuple(known)))
    here = find_expert_files(output.folder, _BESIDE_DEPTH, _BESIDE_ENTRIES)
    near = find_expert_files(output.folder.parent, _BESIDE_DEPTH, _BESIDE_ENTRIES)
    raw = {file.path: file for file in (*here.raw, *near.raw)}
    return replace(output, beside=ExpertFiles(raw=tuple(raw[path] for path in sorted(raw))))


def _kind(name: str) -> str | None:
    plain = name.removesuffix(".gz")
    if name in (DATABASE, TRACE) or (plain.endswith(".csv") and plain[:-4] in _CSV_TABLES):
        return plain
    if parse_heat_name(name) is not None:
        return "heat_png"
    if name in _SUMMARIES:
        return "summary"
    return "picture" if name.endswith(_OTHER_PICTURES) else None


_READERS = {
    DATABASE: "profiler.db",
    TRACE: "trace",
    "heat_png": "heat_png",
    "picture": "not read",
    "summary": "analyze",
}


def read_folder(folder: Path) -> Output:
    """Return the parsed output that lies in the folder itself, without files if there is none.

    Raises `Unreadable` where it cannot be listed.
    """
    try:
        with os.scandir(folder) as scan:
            entries = sorted(scan, key=lambda entry: entry.name)
    except OSError as error:
        raise Unreadable(
            _("{path} cannot be listed ({why}); check its permissions.").format(
                path=visible(str(folder)), why=error.strerror or error
            )
        ) from error
    files: list[SourceFile] = []
    notes: list[Note] = []
    for entry in entries:
        kind = _kind(entry.name)
        path = Path(entry.path)
        if kind is None or (kind.endswith(".csv") and folder.name == SPAN_FOLDER):
            if tool := tool_of(path):
                notes.append(tool_note(path, tool))
            continue
        size = _size(entry)
        if size is None:
            text = _("It is no regular file and is left out.")
            notes.append(Note(visible(entry.name), text, lost=True))
        else:
            files.append(SourceFile(Path(entry.path), kind, _READERS.get(kind, "csv"), size))
    files, twice = _each_once(files)
    notes += twice
    by_kind = {f.kind: f.path for f in files if f.kind not in ("heat_png", *_BESIDE)}
    return Output(
        folder=folder,
        csv={k[:-4]: p for k, p in by_kind.items() if k.endswith(".csv")},
        database=by_kind.get(DATABASE),
        trace=by_kind.get(TRACE),
        heat_maps=tuple(f.path for f in files if f.kind == "heat_png"),
        files=tuple(files) if any(f.kind not in _BESIDE for f in files) else (),
        summaries=tuple(f for f in files if f.kind == "summary"),
        notes=tuple(notes),
    )


def _each_once(files: list[SourceFile]) -> tuple[list[SourceFile], list[Note]]:
    """Return the files without those that stand beside one of the same table, plain or packed."""
    best: dict[str, SourceFile] = {}
    for file in files:
        if file.kind.endswith(".csv"):
            # The plain one, which comes first, unless it was never written.
            kept = best.get(file.kind)
            best[file.kind] = file if kept is None or not kept.size else kept
    dropped = [file for file in files if best.get(file.kind, file) != file]
    text = _("{file} is read in its place.")
    notes = [Note(visible(f.path.name), text.format(file=visible(best[f.kind].path.name))) for f in dropped]
    return [file for file in files if file not in dropped], notes


def _size(entry: os.DirEntry[str]) -> int | None:
    """Return the size of a regular file, None for all else: a pipe named batch.csv would hang its reader."""
    try:
        return entry.stat().st_size if entry.is_file() else None
    except OSError:  # a loop of links, or gone
        return None


def outputs_below(folder: Path) -> list[Path]:
    """Return the folders below `folder` that hold a parsed output; links are not followed."""
    found: list[Path] = []
    level = [folder]
    seen = 0
    for _depth in range(_MAX_DEPTH):
        below: list[Path] = []
        for parent in level:
            try:
                with os.scandir(parent) as entries:
                    children = []
                    for entry in entries:
                        seen += 1
                        if entry.is_dir(follow_symlinks=False):
                            children.append(Path(entry.path))
                        if seen > _MAX_ENTRIES:
                            return sorted(found)
            except OSError:
                continue
            for child in children:
                try:
                    holds = bool(read_folder(child).files)
                except Unreadable:
                    continue
                if holds:
                    found.append(child)
                else:
                    below.append(child)
        level = below
    return sorted(found)
