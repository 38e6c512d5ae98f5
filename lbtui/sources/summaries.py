"""The figures in the summaries of upstream's `analyze`: batch_summary, request_summary, service_summary."""

from __future__ import annotations

import re
from collections.abc import Iterable

from lbtui.profile import Note, Silent, SourceFile, Summary, Unreadable
from lbtui.sources.failure import unreadable_note
from lbtui.sources.tables import cells, csv_file
from lbtui.text import _, visible

_LARGEST = 1 << 20  # bytes; they have some ten lines
_WITH_UNIT = re.compile(r"(.*?)\s*\(([^()]*)\)")


def read_summaries(files: Iterable[SourceFile]) -> tuple[tuple[Summary, ...], tuple[Note, ...]]:
    """Return all figures, and a note on each file that has none."""
    found: list[Summary] = []
    notes: list[Note] = []
    for file in files:
        name = visible(file.path.name)
        try:
            own = _figures(file, name)
        except Unreadable as error:
            notes.append(unreadable_note(name, error))
            continue
        found += own
        if not own:
            text = _("It holds no figure: `analyze` found no such rows.")
            notes.append(Note(name, text, lost=True, verdict="no rows"))
    return tuple(found), tuple(notes)


def _figures(file: SourceFile, name: str) -> list[Summary]:
    if file.size > _LARGEST:
        raise Unreadable(_("{file} is no summary of `analyze`: it is far too large.").format(file=name))
    frame, _notes = csv_file.read_text(file.path, Silent())
    if "Metric" not in frame.columns:
        raise Unreadable(_("{file} has no column Metric, as `analyze` writes it.").format(file=name))
    found: list[Summary] = []
    numbers = {
        column: cells.number(frame[column]).to_list() for column in frame.columns if column != "Metric"
    }
    for place, metric in enumerate(cells.text(frame["Metric"]).to_list()):
        named = _WITH_UNIT.fullmatch(metric or "")
        words, unit = named.groups() if named else (metric or "", "")
        found += [
            Summary(name, visible(words, 100), visible(unit, 20), visible(statistic, 20), values[place])
            for statistic, values in numbers.items()
            if metric and values[place] is not None
        ]
    return found
