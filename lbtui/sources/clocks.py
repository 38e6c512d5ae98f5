"""What the times of an output's files mean, learnt from the first rows of each.

Upstream writes most times twice: as the wall clock of Shanghai and as a number since 1970. What comes
after it may change one of the two: a container without a zone database writes UTC, a spreadsheet rounds the
numbers and cuts the texts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

import polars as pl

from lbtui.profile import Note
from lbtui.profile.time import ZONE_OFFSET_US
from lbtui.sources import limits
from lbtui.sources.tables import cells
from lbtui.sources.tables.tables import TABLES, TIMES, Clock, matching, stated_unit
from lbtui.text import _, in_list, visible

HEAD = 1000  # rows that are looked at
_SECOND = 1_000_000  # µs
_LEAST_ROUNDED = 10 * _SECOND  # eight decimals of 1.76722560E+12 ms; spreadsheets show five
_QUARTER = 900 * _SECOND  # zones differ by whole quarters of an hour
_FURTHEST = 14 * 3600 * _SECOND
_FEWEST = 4  # rows that may tell that times are rounded
_SHARE = 0.9  # of the rows must agree
_SHORTEST = 2 * 1000  # µs: of less, times of whole ms tell no unit

# Of two ways in which a file writes a time or a duration, what is wrong with one.
_Fault: TypeAlias = Literal["numbers rounded", "all rounded", "differ", "unit"]


@dataclass(frozen=True)
class Clocks:
    """The clock of each table, whether its own rows tell it or those of others; and what to say."""

    of: Mapping[str, Clock]
    notes: Mapping[str, list[Note]]


@dataclass
class _Told:
    """What the rows of one file tell: its zone, if they do, and of which column which header is right."""

    zone_us: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    texts: set[str] = field(default_factory=set)
    unknown: set[str] = field(default_factory=set)
    faults: set[_Fault] = field(default_factory=set)
    factor: float = 1.0
    microseconds: list[str] = field(default_factory=list)


def headers_to_see(table: str, present: Collection[str]) -> list[str]:
    """Return the headers among those `present` whose first cells tell the clock of `table`, if they may."""
    columns = TABLES[table]
    found = {name: matching(table, name, present) for name in columns if columns[name].kind in TIMES}
    if not any(len(of) > 1 or (of and columns[name].kind == "epoch") for name, of in found.items()):
        return []
    if "end" in found and "duration" in columns:
        found["duration"] = matching(table, "duration", present)[:1]
    return [header for of in found.values() for header in of]


def find_clocks(heads: Mapping[str, pl.DataFrame], files: Mapping[str, str]) -> Clocks:
    """Return the clocks of an output.

    `heads` are first rows of its tables as text, with their files' headers; `files` names those, by table.
    """
    told = {table: _told(table, head) for table, head in heads.items()}
    zones = {table: own.zone_us for table, own in told.items() if own.zone_us is not None}
    # What has texts alone was written by the same parser.
    usual = Counter(zones.values()).most_common(1)[0][0] if zones else ZONE_OFFSET_US
    clocks = {}
    for table in TABLES:
        own = told.get(table, _Told())
        clocks[table] = Clock(
            zones.get(table, usual),
            own.headers,
            frozenset(own.texts),
            frozenset(own.unknown),
            own.factor,
            tuple(own.microseconds),
        )
    notes = {table: _fault_notes(own, files[table]) for table, own in told.items()}
    others = [table for table, zone in zones.items() if zone != ZONE_OFFSET_US]
    if others:
        notes[others[0]].insert(0, _zone_note([files[table] for table in others], zones[others[0]]))
    return Clocks(clocks, notes)


def _told(table: str, head: pl.DataFrame) -> _Told:
    told = _Told()
    taken: dict[str, pl.Series] = {}
    found = {n: matching(table, n, head.columns) for n, c in TABLES[table].items() if c.kind in TIMES}
    epochs = {h: times for of in found.values() for h in of if (times := _numbers(head[h])) is not None}
    rounded = _rounded(epochs)
    for name, present in found.items():
        numbers = {h: epochs[h] for h in present if h in epochs}
        texts = {h: times for h in present if h not in numbers and (times := _texts(head[h])) is not None}
        number, text = next(iter(numbers), None), next(iter(texts), None)
        if number in rounded:
            if text is None:
                told.unknown.add(name)
                told.faults.add("all rounded")
            else:
                told.headers[name] = text
                told.faults.add("numbers rounded")
        elif number is not None and text is not None:
            zone = _zone(texts[text], numbers[number])
            if zone is None:
                told.headers[name] = number
                told.faults.add("differ")
            told.zone_us = zone if told.zone_us is None else told.zone_us
        # The best header may hold nothing that can be read.
        readable = [h for h in present if h in numbers or h in texts]
        if readable and name not in told.unknown:
            header = told.headers.setdefault(name, readable[0])
            taken[name] = {**numbers, **texts}[header]
            if header not in numbers:
                told.texts.add(name)
            elif _are_renamed(header, head[header]):
                told.microseconds.append(header)
    duration = matching(table, "duration", head.columns) if "duration" in TABLES[table] else []
    if duration and "start" in taken and "end" in taken:
        told.factor = _factor(head[duration[0]], stated_unit(duration[0]), taken["end"] - taken["start"])
    if told.factor != 1:
        told.faults.add("unit")
        # Whether it is in the same unit, nothing tells; it is the time to the next start.
        told.unknown |= {"bubble"} & TABLES[table].keys()
    return told


def _factor(durations: pl.Series, ms_per_unit: float, spans_us: pl.Series) -> float:
    """Return 0.001 or 1000 if durations are so many times as long as from start to end, else 1."""
    written = cells.milliseconds(durations) * ms_per_unit
    ratio = (written / (spans_us / 1000)).filter((spans_us >= _SHORTEST) & (written > 0)).drop_nulls()
    if len(ratio) < _FEWEST:
        return 1.0
    for factor in (0.001, 1000.0):
        if (ratio * factor).is_between(0.9, 1.1).mean() >= _SHARE:
            return factor
    return 1.0


def _numbers(column: pl.Series) -> pl.Series | None:
    """Return the times (µs) if the column is mostly numbers since 1970."""
    return _mostly(cells.epoch(cells.text(column).cast(pl.Float64, strict=False)), column)


def _texts(column: pl.Series) -> pl.Series | None:
    """Return the wall clock (µs) if the column is mostly texts of one."""
    return _mostly(cells.local_datetime(column, 0), column)


def _are_renamed(header: str, column: pl.Series) -> bool:
    """Tell whether numbers are µs that state to be ms, as upstream's batch.csv has them."""
    median = cells.number(column).median()
    in_us = isinstance(median, float) and median > 0 and limits.microseconds_per_unit(median) == 1
    return in_us and header.endswith("(ms)")


def _mostly(times: pl.Series, column: pl.Series) -> pl.Series | None:
    said = len(column) - cells.text(column).null_count()
    return times.cast(pl.Int64) if 2 * (len(times) - times.null_count()) > said else None


def _rounded(epochs: Mapping[str, pl.Series]) -> set[str]:
    """Return which times are rounded: most of them equal and all whole seconds, as with `1.76723E+12`.

    What starts on whole seconds and ends between them was started so.
    """
    known = {header: times.drop_nulls() for header, times in epochs.items()}
    whole = all((times % _SECOND == 0).all() for times in known.values())
    step = _SECOND if whole else _LEAST_ROUNDED
    return {
        header
        for header, times in known.items()
        if (times % step == 0).all() and len(times) >= _FEWEST and 2 * times.n_unique() <= len(times)
    }


def _zone(texts: pl.Series, numbers: pl.Series) -> int | None:
    """Return by how many µs, whole quarters of an hour, nearly all texts are ahead of their numbers."""
    ahead = (texts - numbers).drop_nulls()
    if ahead.is_empty():
        return ZONE_OFFSET_US
    zone = int((ahead / _QUARTER).round(0).cast(pl.Int64).mode().min() or 0) * _QUARTER
    agree = int(((ahead - zone).abs() < _SECOND).sum())
    return zone if agree >= _SHARE * len(ahead) and abs(zone) <= _FURTHEST else None


def _zone_note(files: list[str], zone_us: int) -> Note:
    minutes = abs(zone_us) // (60 * _SECOND)
    text = _(
        "By the numbers beside them the time texts of {files} are those of UTC{offset} and not of "
        "Asia/Shanghai; they are read so, and with them the texts that have no number beside them."
    )
    offset = f"{'-' if zone_us < 0 else '+'}{minutes // 60:02d}:{minutes % 60:02d}"
    return Note(files[0], text.format(files=visible(in_list(files), 300), offset=offset))


def _fault_notes(told: _Told, file: str) -> list[Note]:
    sentences: dict[_Fault, str] = {
        "numbers rounded": _("Its time numbers are rounded, as a spreadsheet does; its time texts are used."),
        "all rounded": _(
            "Its times are rounded, as a spreadsheet does when it saves a file: parse the profile again, or "
            "copy the file from where it was written."
        ),
        "differ": _(
            "Its time texts and the numbers beside them differ, and not by the hours of a zone; the numbers "
            "are used."
        ),
        "unit": _(
            "Its during_time is in {unit} and not as its name states, by the start and end beside it; it is "
            "read so."
        ).format(unit="µs" if told.factor < 1 else "s"),
    }
    return [Note(file, sentences[fault], lost=fault == "all rounded") for fault in sorted(told.faults)]
