"""Tells what is of another run than the scheduling rounds and forward passes: only where nothing meets."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import polars as pl

from lbtui.profile import FrameName, Loaded, Note, empty, format_window
from lbtui.sources.steps.engine import Engine
from lbtui.sources.steps.scheduling import Scheduling
from lbtui.sources.store import Raw
from lbtui.text import _, in_list, visible

# Where the times of frames are that are placed by nothing but these.
_TIMES: dict[FrameName, tuple[str, str]] = {
    "kv": ("time", "time"),
    "queues": ("time", "time"),
    "nodes": ("time", "time"),
    "requests": ("arrival", "arrival"),
    "transfers": ("start", "end"),
    "handoffs": ("arrival", "end"),
    "speculation": ("start", "end"),
}
DATED = tuple(_TIMES)
_FEWEST = 5  # rows on either side: less proves nothing
_HOUR = 3_600_000_000
_MOST_HOURS = 14  # by which a wrong zone can be off
_MARGIN = 60_000_000  # µs: files of one run need not begin and end together
_KV_OF_OTHERS = {"KVCacheStatus": "vLLM", "allocate": "SGLang", "free": "SGLang"}


def of_this_run(loaded: Loaded, name: FrameName, scheduling: Scheduling) -> Loaded:
    """Return a frame, or none of its rows and a note where neither hosts nor times meet the scheduling's."""
    frame = loaded.frame
    if frame.is_empty() or name not in _TIMES or not loaded.provenance:
        return loaded
    file = loaded.provenance[0].file
    passes = [raw for raw in (scheduling.batch, scheduling.forward) if raw is not None]
    if not passes or file.split(":")[0] in {raw.provenance.file.split(":")[0] for raw in passes}:
        return loaded
    times = frame.select(list(dict.fromkeys(_TIMES[name])))
    why = _by_host(frame, scheduling) if name == "queues" else ""
    why = why or _by_time(times, [raw.frame.select("start", "end") for raw in passes])
    if not why:
        return loaded
    return Loaded(empty(name), notes=(other_run_note(file, why),))


def other_run_note(file: str, why: str) -> Note:
    """Return the note on a file that is left out."""
    text = _("It is of another run and is left out: {why}.")
    return Note(file, text.format(why=why), lost=True, verdict="other run")


def other_engine(events: Raw, engine: Engine | None) -> str:
    """Return why KV events are not of the rounds' engine, by their names; empty where they may be."""
    if engine != "mindie":
        return ""
    names = events.frame["name"].unique().to_list()
    found = next((of for name, of in _KV_OF_OTHERS.items() if name in names), None)
    if found is None:
        return ""
    return _("it is written as of {engine}, the scheduling rounds are MindIE's").format(engine=found)


def other_requests(events: pl.Series, rounds: pl.Series) -> str:
    """Return why request ids are of another run than those of the rounds; empty where any may be the same."""
    ours, theirs = _ids(rounds), _ids(events)
    if min(len(ours), len(theirs)) < _FEWEST or ours & theirs:
        return ""
    text = _("none of its {count} request ids is in a scheduling round")
    return text.format(count=len(theirs))


def _ids(ids: pl.Series) -> set[str]:
    """Return the ids and what they begin with: engines add a number or a hash."""
    known = ids.drop_nulls().unique().to_list()
    return {part for rid in known for part in (rid, rid.rpartition("-")[0], rid.removesuffix(".0")) if part}


def _by_host(frame: pl.DataFrame, scheduling: Scheduling) -> str:
    theirs = set(frame["host"].drop_nulls().unique())
    ours = set(scheduling.owners.frame["host"].drop_nulls().unique())
    if not ours or not theirs or ours & theirs:
        return ""
    text = _("its hosts ({theirs}) are not those of the scheduling rounds ({ours})")
    return text.format(theirs=_listed(theirs), ours=_listed(ours))


def _listed(hosts: Iterable[str]) -> str:
    return visible(in_list(sorted(hosts)), 200)


@dataclass(frozen=True)
class _Span:
    begin: int
    end: int

    def meets(self, other: _Span, shift: int) -> bool:
        return self.begin + shift <= other.end + _MARGIN and self.end + shift >= other.begin - _MARGIN


def _by_time(frame: pl.DataFrame, passes: list[pl.DataFrame]) -> str:
    theirs, ours = _span([frame]), _span(passes)
    if theirs is None or ours is None:
        return ""
    # Texts in another zone than they are taken for are off by whole hours.
    if any(theirs.meets(ours, hours * _HOUR) for hours in range(-_MOST_HOURS, _MOST_HOURS + 1)):
        return ""
    text = _("its times ({theirs}) are not those of the scheduling rounds ({ours})")
    return text.format(theirs=_window(theirs), ours=_window(ours))


def _span(frames: list[pl.DataFrame]) -> _Span | None:
    times = pl.concat([frame[name].cast(pl.Int64) for frame in frames for name in frame.columns]).drop_nulls()
    if len(times) < _FEWEST:
        return None
    low, high = times.min(), times.max()
    assert isinstance(low, int)
    assert isinstance(high, int)
    return _Span(low, high)


def _window(span: _Span) -> str:
    first, last = (pl.Series([t]).cast(pl.Datetime("us")).item() for t in (span.begin, span.end))
    return format_window(first, last, date=True)
