"""What the Timeline pane draws: slices, their tracks in order with their names, the time that they span."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache

from lbtui.analysis import timeline
from lbtui.analysis.named_terms import named_term, ranks_of, values_of
from lbtui.analysis.timeline import Span
from lbtui.profile import Domain, Profile, dated, short_names
from lbtui.profile.progress import Progress
from lbtui.profile.slices import SliceReader, Slices, Track, TrackKind
from lbtui.text import _, in_list
from lbtui.ui.kit.window import Window

_NAMES = ("dp", "domain", "host")
_KINDS: Mapping[TrackKind, str] = {
    "coordinator": _("coordinator"),
    "front": _("front end"),
    "handoff": _("hand-off"),
    "schedule": _("schedule"),
    "round": _("round"),
    "card": _("card"),
    "pull": _("KV pull"),
    "experts": _("experts"),
    "operators": _("operators"),
}


@dataclass(frozen=True)
class Line:
    """A track as it is named: where it is, of which domain, and what it is. `place` is that in the slices."""

    place: int
    host: str
    domain: str
    what: str

    @property
    def name(self) -> str:
        """The whole name."""
        return " ".join(part for part in (self.host, self.domain, self.what) if part)


@dataclass(frozen=True, eq=False)
class TimelineData:
    """The slices of a profile; `reader` tells more of one. Compared by identity."""

    reader: SliceReader
    slices: Slices
    lines: tuple[Line, ...]
    whole: Window  # µs

    @cached_property
    def dated(self) -> bool:
        """Whether instants need their date."""
        return dated(self.whole)

    @cached_property
    def by_key(self) -> Mapping[str, Line]:
        """The tracks by their keys."""
        return {self.slices.tracks[line.place].key: line for line in self.lines}

    @cached_property
    def by_place(self) -> Mapping[int, Line]:
        """The tracks by their places."""
        return {line.place: line for line in self.lines}

    def track(self, line: Line) -> Track:
        """Return the track of a line."""
        return self.slices.tracks[line.place]

    @property
    def span(self) -> Span:
        """All of the time, in ns."""
        return self.whole[0] * 1000, self.whole[1] * 1000


def data_of(reader: SliceReader, slices: Slices, shown: Window | None = None) -> TimelineData:
    """Return what is drawn of some slices; of several captures only the time `shown` (µs) can be gone to."""
    found = timeline.extent(slices)
    whole = (0, 1) if found is None else (found[0] // 1000, found[1] // 1000 + 1)
    if shown is not None and shown[0] < whole[1] and whole[0] < shown[1]:
        whole = max(whole[0], shown[0]), min(whole[1], shown[1])
    order = timeline.in_order(slices)
    used = [place for place in order if slices.offsets[place] < slices.offsets[place + 1]]
    data = TimelineData(reader, slices, tuple(_lines(slices, used)), whole)
    # A key must not wait for these.
    timeline.longest_bubbles(slices, tuple(line.place for line in data.lines), data.span)
    return data


def capture_of(profile: Profile, progress: Progress) -> Window | None:
    """Return the capture that is shown (µs), None where there is but one."""
    captures = profile.captures(progress)
    if captures is None or not captures.others:
        return None
    return captures.shown.begin, captures.shown.end + 1


def _lines(slices: Slices, places: Iterable[int]) -> Iterable[Line]:
    places = list(places)
    tracks = [slices.tracks[place] for place in places]
    hosts = short_names(one.host for one in tracks if one.host and one.kind != "coordinator")
    # By name alone, such as d0 and d0: the ranks of P and D repeat.
    alike = Counter((one.host, one.domain, one.dp_rank, one.kind) for one in tracks)
    for place, one in zip(places, tracks, strict=True):
        cache = _("KV cache") if "KVCache" in one.thread else ""
        what = _KINDS.get(one.kind) or cache or one.thread or _("other")
        if alike[one.host, one.domain, one.dp_rank, one.kind] > 1 and one.kind != "other":
            what += f" {one.pid}" if one.pid is not None else ""
            what += f" {one.thread}" if one.kind == "operators" else ""
        named = Domain(one.domain or "", "", one.host, one.dp_rank).name
        domain = "" if one.dp_rank is None and one.domain is None else named
        host = "" if one.kind == "coordinator" else hosts.get(one.host, one.host)
        yield Line(place, host, domain, what)


# The filter


def grammar() -> str:
    """Return how a filter is written, in a few words."""
    return _("part of a track's name (card, d0, pull), dp=2, host=NAME, domain=NAME, all must hold")


def problem(data: TimelineData, text: str) -> str | None:
    """Return why a filter is refused: it is written wrong, or leaves no track; None if nothing is wrong."""
    try:
        left = lines_left(data, text)
    except ValueError as error:
        return str(error)
    return None if left else _("No track has that in its name.")


@lru_cache(maxsize=16)
def lines_left(data: TimelineData, text: str) -> tuple[Line, ...]:
    """Return the tracks of which all terms of a filter hold.

    Raises `ValueError` with a sentence for a term that names nothing to ask for.
    """
    left = list(data.lines)
    for word in text.split():
        asked = named_term(word, _NAMES)
        if asked is not None:
            left = [line for line in left if _is_named(data.track(line), line, *asked)]
        elif "=" in word:
            names = in_list(f"{name}=" for name in _NAMES)
            raise ValueError(_("“{word}” asks for none of {names}.").format(word=word, names=names))
        else:
            left = [line for line in left if word.lower() in _said(data.track(line), line)]
    return tuple(left)


def _is_named(one: Track, line: Line, name: str, values: list[str]) -> bool:
    if name == "dp":
        return one.dp_rank in ranks_of(values)
    said = {one.host, line.host} | ({one.domain, line.domain} if name == "domain" else set())
    return any(value in said for value in values_of(name, values))


def _said(one: Track, line: Line) -> str:
    return f"{line.name}\n{one.host}\n{one.domain}\n{one.thread}\n{one.process}".lower()
