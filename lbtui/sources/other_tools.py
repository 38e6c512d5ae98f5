"""Files of upstream's other commands and of other tools: what they are, and what lbtui needs instead."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Literal, TypeAlias

from lbtui.profile import Note
from lbtui.text import _, visible

Tool: TypeAlias = Literal["span", "split", "compare", "torch", "packed", "analyze"]

SPAN_FOLDER = "span_info"
_SPLIT = re.compile(r"(?:prefill|decode)(?:_detail|_\d{1,6})?\.csv")
_COMPARED = "span_comparation_result.csv"
_TORCH = re.compile(r".*_ascend_pt|ASCEND_PROFILER_OUTPUT|trace_view\.json|profiler_info(?:_\d+)?\.json")
_SUMMARY = re.compile(r"(?:batch|request|service)_summary\.csv")
_PACKED = re.compile(r"(?:chrome_tracing\.json|profiler\.db)\.(?:gz|zst|xz|bz2|zip)")
# The beginning of all that `split` writes; a MindIE dump has no header.
_SPLIT_HEADER = b"name,during_time(ms),"
_SPAN_HEADER = b"span_name,"
_MAX_DEPTH = 5
_MAX_ENTRIES = 20_000

_WORDS: dict[Tool, str] = {
    "span": _(
        "It is written by `parse --span`, which gives the times of single spans and nothing else; lbtui "
        "needs what `python3 -m ms_service_profiler.parse --input-path=PROF_DIR` writes without --span."
    ),
    "split": _(
        "It is written by `ms_service_profiler split`, which sums up the spans of chosen rounds; lbtui needs "
        "what `python3 -m ms_service_profiler.parse --input-path=PROF_DIR` writes."
    ),
    "compare": _(
        "It is written by `ms_service_profiler compare`; give lbtui the two outputs themselves: "
        "`lbtui AFTER --baseline BEFORE`."
    ),
    "torch": _(
        "It is written by torch_npu's profiler, which records operators and not the service; record with "
        "msServiceProfiler (config: enable=1) and parse, or look at it in MindStudio Insight."
    ),
    "analyze": _(
        "It is a summary of `ms_service_profiler analyze` without the tables that it is of; lbtui needs the "
        "CSV files that were written with it."
    ),
    "packed": _("It is packed, and lbtui reads only CSV files so; unpack it beside the others."),
}


def tool_of(path: Path) -> Tool | None:
    """Return which other tool wrote a file or folder, by its name; where others use that, by its header."""
    name = path.name
    if name == SPAN_FOLDER or (path.parent.name == SPAN_FOLDER and name.endswith(".csv")):
        return "span"
    if name == _COMPARED:
        return "compare"
    if _TORCH.fullmatch(name):
        return "torch"
    if _SUMMARY.fullmatch(name):
        return "analyze"
    if _PACKED.fullmatch(name):
        return "packed"
    if _SPLIT.fullmatch(name):
        return "split" if _begins(path, _SPLIT_HEADER) else None
    return "span" if name.endswith(".csv") and _begins(path, _SPAN_HEADER) else None


def _begins(path: Path, header: bytes) -> bool:
    try:
        if not path.is_file():  # a pipe would hang its reader
            return False
        with path.open("rb") as file:
            return file.read(len(header) + 3).removeprefix(b"\xef\xbb\xbf").startswith(header)
    except OSError:
        return False


def tool_note(path: Path, tool: Tool) -> Note:
    """Return the note that says what a file is."""
    return Note(visible(path.name), _WORDS[tool])


def others_below(folder: Path) -> list[Note]:
    """Return a note for each other tool whose files lie in `folder` or below it, on the first of them."""
    found: dict[Tool, Note] = {}
    for entry in islice(_entries(folder), _MAX_ENTRIES):
        path = Path(entry)
        if (tool := tool_of(path)) and tool not in found:
            found[tool] = tool_note(path, tool)
    return list(found.values())


def _entries(folder: Path) -> Iterator[str]:
    level = [str(folder)]
    yield str(folder)
    for _depth in range(_MAX_DEPTH):
        below: list[str] = []
        for parent in level:
            try:
                with os.scandir(parent) as scan:
                    entries = sorted(islice(scan, _MAX_ENTRIES), key=lambda entry: entry.name)
            except OSError:
                continue
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    below.append(entry.path)
                    yield entry.path
                elif entry.is_file():
                    yield entry.path
        level = below
