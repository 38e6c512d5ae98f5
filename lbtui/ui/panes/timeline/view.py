"""The Timeline pane's picture put together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from rich.cells import cell_len
from rich.segment import Segment

from lbtui.analysis import timeline
from lbtui.analysis.timeline import Span
from lbtui.profile import instant
from lbtui.profile.slices import Slices
from lbtui.render import palette
from lbtui.render.axis import bracketed, time_axis, time_pointer
from lbtui.render.canvas import Canvas
from lbtui.render.capabilities import Capabilities, Row
from lbtui.render.lanes import Marks, pointed
from lbtui.render.slices import Block, From, connected, track_row
from lbtui.render.text import blank, fit, printable, row
from lbtui.text import _, plural, visible
from lbtui.ui.kit.rows import percent, told_rows
from lbtui.ui.panes.timeline.data import Line, TimelineData
from lbtui.ui.panes.timeline.layout import Shown, narrow
from lbtui.ui.panes.timeline.state import range_of
from lbtui.ui.panes.timeline.words import (
    bubble_words,
    column_words,
    length_text,
    series_of,
    series_of_kind,
    signed_text,
    slice_words,
    step_words,
    time_text,
    track_name,
)

_LEAST = 3  # columns of a slice that stands as a block
_LEAST_GAP = 8  # columns of a bubble that is named
_MOST_BLOCKS = 4  # a column
_Steps = tuple[tuple[int, From], ...]


@dataclass(frozen=True)
class _Lit:
    """What of a track is of the followed request: slices with where each came from, when it waits there."""

    steps: _Steps
    waits: tuple[Span, ...]


def draw(shown: Shown, canvas: Canvas) -> list[Row]:
    """Return the tracks with everything around them, in rows that fill the canvas."""
    width, height, caps = canvas.width, canvas.height, canvas.caps
    at = shown.at
    begin, end = shown.window
    rows = [state_row(shown, width, caps), _framed(shown, [], _pointer(shown, caps), _headings(shown, caps))]
    rows += _tracks(shown, caps)
    rows += [blank(width)] * (at.lines - len(shown.lines))
    axis = time_axis(instant(begin), instant(end), at.columns, caps)
    rows.append(_framed(shown, [], axis, []))
    rows += told_rows(*_reading(shown), canvas.sized(height=at.reading))
    return [row(each, width=width) for each in rows[:height]]


def _framed(shown: Shown, label: Row, plot: Row, figures: Row) -> Row:
    at = shown.at
    return row(
        row(label, width=at.label), row(plot, width=at.columns), figures,
        width=at.label + at.columns + sum(at.figures),
    )  # fmt: skip


# The state line and the pointer


def state_row(shown: Shown, width: int, caps: Capabilities) -> Row:
    """Return the line that says what is drawn, what matters most first."""
    data, state, slices = shown.data, shown.state, shown.data.slices
    urgent = []
    if slices.sampled:
        text = _("a sample: {shown} of {total} slices")
        urgent.append(text.format(shown=f"{slices.count:,}", total=f"{slices.total:,}"))
    if state.doing:
        urgent.append(state.doing)
    parts = [] if slices.sampled else [plural("1 slice", "{count} slices", slices.count)]
    if state.way is not None:
        parts.insert(
            0,
            _("following {request}: {count} slices").format(
                request=visible(state.way.request, 60), count=len(state.way.slices)
            ),
        )
    parts += _choices(shown)
    column = (shown.window[1] - shown.window[0]) * 1000 / shown.at.columns
    parts.append(_("1 column = {length}").format(length=length_text(column)))
    if len(shown.all_lines) > len(shown.lines):
        parts.append(
            _("tracks {first} to {last} of {count}").format(
                first=shown.top + 1, last=shown.top + len(shown.lines), count=len(shown.all_lines)
            )
        )
    parts.append(data.slices.file)
    if data.slices.lacks:
        parts.append(_("no preprocess, sample, queues: ? says why"))
    head = fit(f" {' · '.join(urgent)} ", sum(cell_len(e) + 3 for e in urgent), caps=caps) if urgent else []
    marked = [Segment(segment.text, palette.severity(caps, "warning")) for segment in head]
    text = " · ".join(parts)
    return row(
        marked, fit(f" {text}", max(1, width - Segment.get_line_length(marked)), caps=caps), width=width
    )


def _choices(shown: Shown) -> list[str]:
    """Return what the user has chosen to see otherwise."""
    state, data, parts = shown.state, shown.data, []
    if state.anchor is not None and state.anchor[0] in data.by_key:
        parts.append(_("align: a on another track puts its cursor here"))
    for key, shift in state.shifts:
        if key in data.by_key:
            parts.append(
                _("{track} shifted by {shift}").format(
                    track=visible(data.by_key[key].name, 40), shift=signed_text(shift)
                )
            )
    found = range_of(state, shown.time)
    if state.begin is not None:
        length = length_text((found[1] - found[0]) * 1000) if found else length_text(0)
        text = _("range {length}") if state.end is not None else _("range {length} so far, v ends it")
        parts.append(text.format(length=length))
    if state.text:
        parts.append(_('filter "{text}"').format(text=visible(state.text, 40)))
    if state.only and state.way is not None:
        parts.append(_("only its tracks"))
    if state.pins:
        parts.append(_("{count} pinned").format(count=len(state.pins)))
    return parts


def _decimals(shown: Shown) -> int:
    column = (shown.window[1] - shown.window[0]) / shown.at.columns
    return 1 if column >= 100_000 else 3 if column >= 1000 else 6


def _pointer(shown: Shown, caps: Capabilities) -> Row:
    """Return the line above the tracks: the instant under the cursor, the range and the marks."""
    columns, (begin, end) = shown.at.columns, shown.window
    pointer = time_pointer(
        instant(shown.time), shown.column, columns, caps, decimals=_decimals(shown), date=shown.data.dated
    )

    def column(time: int) -> float:
        return (time - begin) * columns / max(1, end - begin)

    found = range_of(shown.state, shown.time)
    spans = [(column(found[0]), column(found[1]), palette.accent(caps))] if found else []
    line = bracketed(pointer, spans, columns, caps)
    for mark in shown.state.marks:
        line = _flagged(line, int(column(mark.time)), f"'{visible(mark.name, 12)}", caps)
    return line


def _flagged(line: Row, column: int, text: str, caps: Capabilities) -> Row:
    """Return a line with a flag at a column, where nothing else stands there."""
    plain = "".join(segment.text for segment in line)
    text = printable(text, caps)
    if not 0 <= column <= len(plain) - len(text) or len(text) != len(text.encode("utf-8")):
        return line
    if plain[column : column + len(text)].strip(" ─-"):
        return line
    head, tail = Segment.divide(line, [column, len(plain)])
    _cut, tail = Segment.divide(tail, [len(text), len(plain) - column])
    return [*head, Segment(text, palette.strong(caps)), *tail]


def _headings(shown: Shown, caps: Capabilities) -> Row:
    names = (_("busy"), _("slices"), _("longest"))
    parts: Row = []
    for name, cells in zip(names, shown.at.figures, strict=False):
        parts += fit(name, cells, align="right", caps=caps, style=palette.dim(caps))
    return parts


# Tracks


def _tracks(shown: Shown, caps: Capabilities) -> list[Row]:
    """Return a line for each track in view."""
    plots = [
        list(
            _drawn(
                shown.data.slices,
                line.place,
                shown.span(line),
                shown.at.columns,
                caps,
                None
                if shown.state.way is None
                else _Lit(
                    shown.steps.get(line.place, ()),
                    tuple(span for place, span in shown.waits if place == line.place),
                ),
            )
        )
        for line in shown.lines
    ]
    for above, below, column, here in shown.hops():
        between = range(min(above, below) + 1, max(above, below))
        connected(plots, column, between, caps, strong=here)
    rows = []
    for place, (line, plot) in enumerate(zip(shown.lines, plots, strict=True)):
        here = shown.all_lines[shown.row].place == line.place
        [drawn] = pointed([plot], caps, Marks(cursor=shown.column, here=here))
        rows.append(_framed(shown, _label(shown, place, line, caps), drawn, _figures(shown, line, caps)))
    return rows


def _label(shown: Shown, place: int, line: Line, caps: Capabilities) -> Row:
    """Return a track's name; what it has in common with the track above is not said again."""
    at = shown.at
    above = shown.lines[place - 1] if place else None
    # The first below the pinned ones is told whole, too.
    if above is not None and shown.is_pinned(place) != shown.is_pinned(place - 1):
        above = None
    here = shown.all_lines[shown.row].place == line.place
    style = palette.selected(caps) if here else None
    what = line.what if len(shown.at.figures) > 1 else narrow(line)
    lead = "•" if shown.is_pinned(place) and caps.unicode else "*" if shown.is_pinned(place) else " "
    if not line.host and not line.domain:
        return fit(f"{lead}{what}", at.label - 1, caps=caps, style=style)
    same_host = above is not None and above.host == line.host
    same = same_host and above is not None and above.domain == line.domain
    host = "" if same_host and not here else line.host
    domain = "" if same and not here else line.domain
    quiet = palette.dim(caps) if not here else style
    parts: Row = [Segment(lead, style)]
    for text, cells, own in ((host, at.host, quiet), (domain, at.domain, quiet), (what, at.what, style)):
        if cells:
            parts += [*fit(text, cells, caps=caps, style=own), Segment(" ")]
    return parts


def _figures(shown: Shown, line: Line, caps: Capabilities) -> Row:
    slices = shown.data.slices
    found = timeline.figures(slices, line.place, shown.span(line))
    many = slices.total / max(1, slices.count)
    about = "~" if slices.sampled else ""
    texts = [
        about + percent(min(1.0, found.share * many)) if found.share else "",
        f"{about}{round(found.count * many):,}",
        length_text(found.longest) if found.longest else "",
    ]
    if not found.count and not found.share:
        texts = ["", "", ""]
    parts: Row = []
    for text, cells in zip(texts, shown.at.figures, strict=False):
        parts += fit(text, cells, align="right", caps=caps)
    return parts


@lru_cache(maxsize=2048)
def _drawn(
    slices: Slices, place: int, span: Span, columns: int, caps: Capabilities, of: _Lit | None
) -> tuple[Segment, ...]:
    """Return the plot of one track; `of` is what there is of a followed request."""
    found = timeline.summary(slices, place, span, columns)
    many = slices.total / max(1, slices.count)
    # Of events alone the bars tell how many there are.
    most = 0 if found.share.any() else int(found.count.max(initial=0))
    shares = [
        None if not share and not count else count / most if most else min(1.0, share * many)
        for share, count in zip(found.share.tolist(), found.count.tolist(), strict=True)
    ]
    kind = slices.tracks[place].kind
    steps = None if of is None else of.steps
    lit = None if steps is None else _lit(slices, span, columns, steps)
    blocks = [*_gaps(slices, place, span, shares), *_blocks(slices, place, span, columns, steps)]
    blocks += _waiting(of.waits if of is not None else (), span, shares)
    return tuple(track_row(shares, blocks, series_of_kind(kind), lit, caps))


def _columns_of(slices: Slices, index: int, span: Span, columns: int) -> tuple[int, int]:
    """Return the column in which a slice begins, and the one after its last; at least one."""
    length = max(1, span[1] - span[0])
    first = (int(slices.start[index]) - span[0]) * columns // length
    return first, max(first + 1, (slices.end(index) - span[0]) * columns // length)


def _lit(slices: Slices, span: Span, columns: int, steps: _Steps) -> frozenset[int]:
    found: set[int] = set()
    for index, _came in steps:
        first, end = _columns_of(slices, index, span, columns)
        found.update(range(max(0, first), min(end, columns)))
    return frozenset(found)


def _blocks(slices: Slices, place: int, span: Span, columns: int, steps: _Steps | None) -> list[Block]:
    """Return the slices of a track that are wide enough, what holds others before these."""
    least = (span[1] - span[0]) * _LEAST // max(1, columns)
    came = dict(steps or ())
    found = []
    for index in timeline.large_in(slices, place, span, max(1, least))[: _MOST_BLOCKS * columns].tolist():
        first, end = _columns_of(slices, index, span, columns)
        name = visible(slices.names[int(slices.name[index])], 80)
        texts = (f"{name} {length_text(int(slices.duration[index]))}", name)
        lit = None if steps is None else index in came
        found.append(Block(first, end, texts, series_of(name), lit, came.get(index, "")))
    return found


def _gaps(slices: Slices, place: int, span: Span, shares: Sequence[float | None]) -> list[Block]:
    """Return the bubbles of a card that are wide enough to be named, where nothing else runs in them."""
    columns = len(shares)
    least = (span[1] - span[0]) * _LEAST_GAP // max(1, columns)
    begins, ends = timeline.bubbles_in(slices, place, span, least)
    found = []
    for begin, end in zip(begins.tolist(), ends.tolist(), strict=True):
        length = max(1, span[1] - span[0])
        first = max(0, (begin - span[0]) * columns // length + 1)
        last = min(columns, (end - span[0]) * columns // length)
        free = _widest(shares, first, last)
        if free[1] - free[0] >= _LEAST_GAP:
            words = _("bubble {length}").format(length=length_text(end - begin))
            found.append(Block(*free, (words, _("bubble")), 0, gap=True))
    return found


def _waiting(waits: Sequence[Span], span: Span, shares: Sequence[float | None]) -> list[Block]:
    """Return when a followed request waits in a queue, where that is wide enough to be seen."""
    columns, length = len(shares), max(1, span[1] - span[0])
    found = []
    for begin, end in waits:
        first, last = ((time - span[0]) * columns // length for time in (begin, end))
        # The events at both ends stay to be seen.
        if last - first > 2 and last > 0 and first < columns:
            texts = (_("queue {length}").format(length=length_text(end - begin)), _("queue"))
            found.append(Block(first + 1, last, texts, 0, lit=True, gap=True))
    return found


def _widest(shares: Sequence[float | None], first: int, last: int) -> tuple[int, int]:
    """Return the longest run of columns in which nothing runs."""
    best = first, first
    at = first
    while at < last:
        end = at
        while end < last and shares[end] is None:
            end += 1
        if end - at > best[1] - best[0]:
            best = at, end
        at = end + 1
    return best


# What is under the cursor


def _reading(shown: Shown) -> tuple[str, list[str]]:
    """Return what is under the cursor: where it is, and everything of it, what matters most first."""
    cursor = shown.cursor
    if cursor is None:
        return _("no track"), []
    data, state = shown.data, shown.state
    head = f"{time_text(shown.time * 1000, date=data.dated)} · {track_name(data, cursor.place)}"
    parts: list[str] = []
    if cursor.slice is not None:
        parts += slice_words(data, cursor.slice)
    if state.way is not None and state.picked == state.way.slices[state.way.step]:
        parts.insert(1, step_words(data, state.way.slices, state.way.step))
    elif state.way is not None and cursor.slice in state.way.members:
        parts.insert(1, _("of {request}").format(request=visible(state.way.request, 60)))
    for place, (begin, end) in shown.waits:
        if place == cursor.place and begin <= cursor.time < end:
            parts.insert(0, _("queue {length}").format(length=length_text(end - begin)))
    if cursor.bubble is not None:
        parts.insert(0 if cursor.slice is None else 1, bubble_words(cursor.bubble))
    parts.append(column_words(data, cursor))
    return head, parts


def copied_text(shown: Shown) -> str:
    """Return what is under the cursor in one line, for the clipboard."""
    if shown.cursor is None:
        return ""
    head, parts = _reading(shown)
    return " · ".join((head, *parts))


def forget() -> None:
    """Keep nothing of slices that are no longer shown."""
    _drawn.cache_clear()


def empty_rows(data: TimelineData, why: Sequence[str], canvas: Canvas) -> list[Row]:
    """Return why there is nothing to draw."""
    width, caps = canvas.width, canvas.caps
    rows = [
        fit(" " + _("No slices in this profile."), width, caps=caps, style=palette.strong(caps)),
        blank(width),
    ]
    for text in (*why, *data.slices.lacks):
        rows.append(fit(f" {visible(text)}", width, caps=caps))
    return rows
