"""The list of findings as rows: how severe, where, what, when, its lane, what it costs."""

from __future__ import annotations

from dataclasses import dataclass

from rich.segment import Segment
from rich.style import Style

from lbtui.findings.pictures import Drawn, Picture
from lbtui.findings.words import (
    DIMENSIONS,
    MARKS,
    cost_words,
    figure_words,
    subject_words,
    window_words,
)
from lbtui.profile import micros
from lbtui.render.canvas import Scale
from lbtui.render.capabilities import Capabilities, Row
from lbtui.render.lanes import Marks, lane
from lbtui.render.palette import dim, selected, severity, strong
from lbtui.render.text import blank, fit, row
from lbtui.text import _
from lbtui.ui.panes.overview.data import FOUND, Contents, Entry
from lbtui.ui.panes.overview.lines import Placed, columns_showing, cursor_mark, stretched


@dataclass(frozen=True)
class _Columns:
    """The widths of the list's columns; 0 is left out."""

    subject: int
    figure: int
    window: int
    lane: int
    cost: int


def _columns(width: int) -> _Columns:
    room = max(width - _BEFORE, 0)
    if width >= 150:
        return _Columns(30, 30, 19, room - 30 - 30 - 19 - 26, 26)
    if width >= 110:
        return _Columns(25, 30, 18, room - 25 - 30 - 18 - 24, 24)
    if width >= 76:
        # When it was stands in the explanation, and shows in the lane.
        return _Columns(18, 28, 0, room - 18 - 28 - 15, 15)
    subject = min(18, room * 2 // 5)
    return _Columns(subject, room - subject, 0, 0, 0)


# Cursor, mark and dimension.
_BEFORE = 2 + 3 + 4


def finding_rows(contents: Contents, at: int, width: int, room: int, caps: Capabilities) -> list[Placed]:
    """Return the rows of the list, at most `room`, so that the entry under the cursor is among them."""
    if contents.diagnosis is None:
        looking = fit(
            "  " + _("imbalances are looked for once everything is read"), width, caps=caps, style=dim(caps)
        )
        waiting: list[Placed] = [(looking, None)]
        return waiting[:room]
    listed = [(i, e) for i, e in enumerate(contents.entries) if e.kind in FOUND]
    place = next((n for n, (i, _e) in enumerate(listed) if i == at), 0)
    top = max(0, min(place + 1 - room, len(listed) - room))
    return [
        (
            _finding_row(entry.found, i == at, contents, width, caps)
            if entry.found
            else _plain_row(entry, i == at, width, caps),
            i,
        )
        for i, entry in listed[top : top + room]
    ]


def _plain_row(entry: Entry, here: bool, width: int, caps: Capabilities) -> Row:
    style = selected(caps) if here else strong(caps) if entry.kind == "even" else dim(caps)
    mark = MARKS["info"] if entry.kind == "remarks" else ""
    title = fit(f"{mark:>2} {entry.title}", min(len(entry.title) + 5, width), caps=caps, style=style)
    short = fit(entry.short, max(width - 2 - len(entry.title) - 5, 0), caps=caps, style=dim(caps))
    return row(cursor_mark(here, caps), title, short, width=width)


def _finding_row(found: Drawn, here: bool, contents: Contents, width: int, caps: Capabilities) -> Row:
    finding, columns = found.finding, _columns(width)
    level, name = severity(caps, finding.severity), selected(caps) if here else strong(caps)

    def cell(text: str, size: int, style: Style | None = None) -> Row:
        # A blank at the end keeps columns apart.
        return [*fit(text, size - 1, caps=caps, style=style), Segment(" ")] if size else []

    return row(
        cursor_mark(here, caps),
        fit(f"{MARKS[finding.severity]:>2} ", 3, caps=caps, style=level),
        fit(DIMENSIONS[finding.dimension], 4, caps=caps, style=dim(caps)),
        cell(subject_words(finding, contents.hosts), columns.subject, name),
        cell(figure_words(finding), columns.figure, level),
        cell(window_words(finding, date=contents.known.dated), columns.window, dim(caps)),
        _lane_row(found.picture, found, columns.lane - 1, here, caps) if columns.lane > 1 else [],
        blank(1) if columns.lane > 1 else [],
        cell(cost_words(finding), columns.cost),
        width=width,
    )


def _lane_row(picture: Picture | None, found: Drawn, width: int, here: bool, caps: Capabilities) -> Row:
    """Return the subject's lane, its finding's window or column in colour and the rest in grey."""
    if picture is None:
        return blank(width)
    values = stretched(picture.own.values, width, alike=picture.span is None)
    count = len(picture.own.values)
    lit = None
    if picture.span is not None and found.finding.window is not None:
        begin, end = picture.span
        first, last = (min(max(micros(t), begin), end) - begin for t in found.finding.window)
        bins = (first * count // (end - begin), -(-last * count // (end - begin)))
        lit = columns_showing(*bins, count, len(values))
    elif picture.at is not None:
        lit = columns_showing(picture.at, picture.at + 1, count, len(values))
    (drawn,) = lane(values, Scale(0.0, picture.high), caps, marks=Marks(here=here, lit=lit))
    return row(drawn, width=width)
