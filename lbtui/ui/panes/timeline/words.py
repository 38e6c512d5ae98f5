"""The Timeline pane's sentences: the state line, what is under the cursor, one slice with all it tells."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.cells import cell_len, set_cell_size
from rich.text import Text

from lbtui.analysis import timeline
from lbtui.analysis.timeline import Bubble, Span
from lbtui.profile import format_time, instant
from lbtui.profile.slices import FORWARD, SliceFields
from lbtui.render.capabilities import Capabilities
from lbtui.render.text import number, padded, printable
from lbtui.text import _, plural, visible, with_comma
from lbtui.ui.kit.rows import percent
from lbtui.ui.panes.timeline.data import TimelineData

# Which colour of a chart the slices of a name have.
_SERIES = {
    FORWARD: 2,
    "Execute": 0,
    "modelExec": 0,
    "modelRunnerExec": 5,
    "BatchSchedule": 4,
    "batchFrameworkProcessing": 4,
    "preprocess": 1,
    "sample": 3,
    "PullKVCache": 3,
    "hand-off": 1,
    "specDecoding": 1,
}
_KIND_SERIES = {
    "coordinator": 4, "front": 4, "handoff": 1, "schedule": 4, "round": 0, "card": 2, "pull": 3,
    "experts": 5, "operators": 5, "other": 4,
}  # fmt: skip
_OTHERS = (0, 1, 3, 4, 5)
_MOST_REQUESTS = 200  # that a page lists


def series_of(name: str) -> int:
    """Return the colour of the slices of a name, the same each time."""
    found = _SERIES.get(name)
    return _OTHERS[sum(name.encode("utf-8", "replace")) % len(_OTHERS)] if found is None else found


def series_of_kind(kind: str) -> int:
    """Return the colour of a track's bars."""
    return _KIND_SERIES.get(kind, 4)


def length_text(ns: float) -> str:
    """Return a length of time with the unit that suits it."""
    for size, unit in ((1e9, "s"), (1e6, "ms"), (1e3, "µs")):
        if abs(ns) >= size:
            return f"{number(ns / size)} {unit}"
    return f"{number(ns)} ns"


def signed_text(ns: int) -> str:
    """Return how much later (+) or earlier (−) something is drawn."""
    return f"{'+' if ns >= 0 else '−'}{length_text(abs(ns))}"


def time_text(ns: int, *, date: bool) -> str:
    """Return an instant to the microsecond."""
    return format_time(instant(ns // 1000), 6, date=date)


def slice_name(data: TimelineData, index: int) -> str:
    """Return the name of a slice, harmless."""
    return visible(data.slices.names[int(data.slices.name[index])], 80)


def track_name(data: TimelineData, place: int) -> str:
    """Return the name of a track, harmless."""
    return visible(data.by_place[place].name, 120)


@dataclass(frozen=True)
class Cursor:
    """What is under the cursor: a track, an instant (ns, of the track's own time), and the column there."""

    place: int
    time: int
    column: Span
    slice: int | None
    bubble: Bubble | None


def slice_words(data: TimelineData, index: int) -> list[str]:
    """Return what a slice is: its name and length, when it begins and ends."""
    slices = data.slices
    length, begin = int(slices.duration[index]), int(slices.start[index])
    name = slice_name(data, index)
    if not length:
        return [
            _("{name}, an event").format(name=name),
            _("at {time}").format(time=time_text(begin, date=data.dated)),
        ]
    return [
        f"{name} {length_text(length)}",
        _("{begin} to {end}").format(
            begin=time_text(begin, date=data.dated), end=time_text(begin + length, date=False)
        ),
    ]


def column_words(data: TimelineData, cursor: Cursor) -> str:
    """Return how busy the column under the cursor is, and with how many slices."""
    found = timeline.figures(data.slices, cursor.place, cursor.column)
    about = "~" if data.slices.sampled else ""
    many = data.slices.total / max(1, data.slices.count)
    count = round(found.count * many)
    if not found.count:
        return _("this column: {share} busy").format(share=about + percent(min(1.0, found.share * many)))
    text = _("this column: {share} busy, {count} begin, longest {longest}")
    return text.format(
        share=about + percent(min(1.0, found.share * many)),
        count=f"{about}{count:,}",
        longest=length_text(found.longest),
    )


def bubble_words(bubble: Bubble) -> str:
    """Return what a bubble is."""
    return _("bubble {length} between two forward passes").format(length=length_text(bubble.length))


def step_words(data: TimelineData, way: Sequence[int], step: int) -> str:
    """Return where a followed request is, and how long after its step before."""
    here = way[step]
    text = _("step {step} of {count}").format(step=step + 1, count=len(way))
    if step:
        before = way[step - 1]
        after = int(data.slices.start[here]) - data.slices.end(before)
        words = _("{length} after {name} ended") if after >= 0 else _("{length} before {name} ended")
        then = words.format(length=length_text(abs(after)), name=slice_name(data, before))
        text = with_comma(text, then)
    return text


@dataclass(frozen=True)
class SlicePage:
    """All that is known of one slice, as lines; which of them lead on, and where to."""

    text: Text
    leads: dict[int, str]


def page_title(data: TimelineData, cursor: Cursor) -> str:
    """Return the title of the page of what is under the cursor."""
    name = _("bubble") if cursor.slice is None else slice_name(data, cursor.slice)
    return f"{name} · {track_name(data, cursor.place)}"


def slice_page(
    data: TimelineData, cursor: Cursor, told: SliceFields | None, why: str, caps: Capabilities
) -> SlicePage:
    """Return the page of the slice or bubble under the cursor.

    `told` is None while its fields are read, `why` if they cannot be.
    """
    page = _Page(caps)
    index, bubble = cursor.slice, cursor.bubble
    if index is not None:
        span = int(data.slices.start[index]), data.slices.end(index)
        for words in slice_words(data, index):
            page.put(words)
    elif bubble is not None:
        span = bubble.begin, bubble.end
        page.put(bubble_words(bubble))
        page.put(time_text(bubble.begin, date=data.dated))
    else:
        return SlicePage(page.text, page.leads)
    if index is not None and (number := timeline.forward_number(data.slices, index)) is not None:
        page.put(_("forward pass {number} of its card in these files").format(number=f"{number:,}"))
    page.put("")
    if index is not None:
        _put_fields(page, told, why)
    found = timeline.belonging(data.slices, cursor.place, span, index)
    if found:
        page.put(_("What it holds, and what its domain does meanwhile · Enter goes there"), "bold")
    names = min(20, max((cell_len(slice_name(data, at)) for at in found), default=0))
    for at in found:
        after = signed_text(int(data.slices.start[at]) - span[0])
        name, on = slice_name(data, at), track_name(data, data.slices.track_of(at))
        length = length_text(int(data.slices.duration[at])) if data.slices.duration[at] else _("event")
        page.put(
            f"  {after:>9}  {length:>7}  {padded(set_cell_size(name, names), names)}  {on}", lead=f"s{at}"
        )
    return SlicePage(page.text, page.leads)


class _Page:
    """Lines of text, of which some lead on."""

    def __init__(self, caps: Capabilities) -> None:
        self.text, self.leads = Text(), dict[int, str]()
        self._caps, self._line = caps, 0

    def put(self, words: str, style: str = "", lead: str = "") -> None:
        if lead:
            self.leads[self._line] = lead
        self.text.append(printable(visible(words, 600), self._caps) + "\n", style=style)
        self._line += 1


def _put_fields(page: _Page, told: SliceFields | None, why: str) -> None:
    if told is None:
        page.put(why or _("reading …"), "dim")
        return
    if told.requests:
        count = plural("1 request", "{count} requests", len(told.requests))
        page.put(_("{requests} · Enter follows it").format(requests=count), "bold")
        for request in told.requests[:_MOST_REQUESTS]:
            page.put(f"  {request}", lead=f"r{request}")
        page.put("")
    if told.fields:
        page.put(_("Fields"), "bold")
        width = min(28, max(cell_len(name) for name, _value in told.fields) + 2)
        for name, value in told.fields:
            page.put(f"  {padded(visible(name, 60), width)}{value}")
        page.put("")
