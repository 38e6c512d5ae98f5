"""A run as the parser's output tells it, beside what its raw profile does: why they differ, and in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from rich.cells import cell_len

from lbtui.overview.model import Overview
from lbtui.overview.parser_faults import Where, fault_of
from lbtui.overview.readings import FRAMES, Beside, Pair, Unit, Values, pairs_of, values_of
from lbtui.overview.text import clock, percent
from lbtui.profile import FrameName, Note, Profile, Progress, Reading, Unreadable
from lbtui.sources import open_profile
from lbtui.text import _, plural, visible

HEADS = (_("quantity"), _("output"), _("raw profile"))


@dataclass(frozen=True)
class _Read:
    """What a reading tells, and by which reader each of its frames."""

    values: Values
    readers: Mapping[FrameName, str]
    processes: frozenset[str]  # that schedule

    @property
    def main(self) -> str:
        """The reader of the passes, or where there are none of the rounds."""
        return self.readers.get("steps") or self.readers.get("batches") or ""


def read_beside(profile: Profile, other: Reading, progress: Progress | None = None) -> Beside:
    """Return how a profile and another reading of its run differ, one of them being the raw profile.

    Reads whole frames of both. Raises `Unreadable`, and `Cancelled` when `progress` does.
    """
    opened = open_profile(other.path, raw=other.raw)
    output, raw = (profile, opened) if other.raw else (opened, profile)
    told, recorded = _read(output, progress), _read(raw, progress)
    engine = raw.engine(progress) or output.engine(progress)
    meet = _meet(told, recorded)
    pairs = [
        replace(pair, why=_why(pair, engine, told)) if pair.differs and meet else pair
        for pair in pairs_of(told.values, recorded.values)
    ]
    return Beside(visible(str(output.path)), visible(str(raw.path)), tuple(pairs), meet)


def _read(profile: Profile, progress: Progress | None) -> _Read:
    values: dict[str, float | None] = {}
    readers: dict[FrameName, str] = {}
    processes: frozenset[str] = frozenset()
    for name in FRAMES:
        loaded = profile.load_domain_steps(progress) if name == "steps" else profile.load(name, progress)
        values |= values_of(name, loaded.frame)
        if loaded.provenance and not loaded.frame.is_empty():
            readers[name] = loaded.provenance[0].reader
        if name == "batches":
            processes = frozenset(loaded.frame["prof_id"].drop_nulls().unique())
    return _Read(values, readers, processes)


def _meet(one: _Read, other: _Read) -> bool:
    """Tell whether both are of one recording: of a process in common, and of times that overlap.

    Where one of them has neither rounds nor passes nothing tells that they are not.
    """
    if one.processes and other.processes and one.processes.isdisjoint(other.processes):
        return False
    begins, ends = ([read.values.get(key) for read in (one, other)] for key in ("first", "last"))
    if None in begins or None in ends:
        return True
    return max(time for time in begins if time) <= min(time for time in ends if time)


def _why(pair: Pair, engine: str | None, output: _Read) -> str:
    """Return what explains a difference; empty where nothing is known that does."""
    frame = pair.quantity.frame
    missing = frame not in output.readers
    reader = output.readers.get(frame) or output.main
    if fault := fault_of(Where(engine, pair.quantity.key, frame, reader, missing)):
        return fault
    return _("The output has none of it.") if missing else ""


def with_outputs(known: Overview, profile: Profile, progress: Progress | None = None) -> Overview:
    """Return the overview of a raw profile with how the outputs near it differ; others as they are."""
    found: list[Beside] = []
    notes: list[Note] = []
    for other in profile.near if profile.raw else ():
        try:
            found.append(read_beside(profile, other, progress))
        except Unreadable as error:
            notes.append(Note(visible(other.path.name), str(error), lost=True))
    return replace(known, beside=tuple(found), notes=(*known.notes, *notes))


def headline(beside: Beside) -> str:
    """Return in one sentence how far two readings are the same."""
    if not beside.meet:
        return _("The two are of different recordings: their processes or their times do not meet.")
    differing, count = len(beside.differing), len(beside.pairs)
    if not differing:
        return _("All {count} quantities are the same.").format(count=count)
    text = plural("1 quantity differs", "{count} quantities differ", differing)
    return _("{differing} of {count}.").format(differing=text, count=count)


def table(pairs: Sequence[Pair]) -> list[str]:
    """Return a line a quantity with its name and both values, under a heading, in columns."""
    rows = [HEADS, *((pair.quantity.label, *_values(pair)) for pair in pairs)]
    name, output, raw = (max(cell_len(row[place]) for row in rows) for place in range(3))
    return [
        f"{row[0]}{' ' * (name - cell_len(row[0]))}  {' ' * (output - cell_len(row[1]))}{row[1]}"
        f"  {' ' * (raw - cell_len(row[2]))}{row[2]}"
        for row in rows
    ]


def reasons(beside: Beside) -> list[tuple[str, list[str]]]:
    """Return each reason once, in the order of the quantities, with the names of those that it explains."""
    found: dict[str, list[str]] = {}
    for pair in beside.differing:
        why = pair.why or _("No fault of the parser that is known explains it.")
        found.setdefault(why, []).append(pair.quantity.label)
    return list(found.items()) if beside.meet else []


def _values(pair: Pair) -> tuple[str, str]:
    unit = pair.quantity.unit
    return _value(pair.output, unit), _value(pair.raw, unit)


def _value(value: float | None, unit: Unit) -> str:
    if value is None:
        return "–"
    if unit == "instant":
        return clock(int(value), 6)
    if unit == "share":
        return percent(value)
    return f"{value:,.3f} ms" if unit == "ms" else f"{value:,.0f}"
