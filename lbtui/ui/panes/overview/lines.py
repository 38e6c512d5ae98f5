"""The Overview's lower part as rows: the lines of load with their lanes, then the lists."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TypeAlias

from rich.cells import cell_len
from rich.segment import Segment

from lbtui.overview.model import Line, Overview
from lbtui.profile import instant
from lbtui.render.axis import time_axis
from lbtui.render.canvas import Canvas, Scale
from lbtui.render.capabilities import Capabilities, Row
from lbtui.render.glyphs import glyphs
from lbtui.render.lanes import Marks, lane
from lbtui.render.palette import dim, selected, severity, strong
from lbtui.render.text import blank, fit, fit_parts, printable, row
from lbtui.text import _
from lbtui.ui.kit.selection import Selection
from lbtui.ui.panes.overview.data import FOUND, Entry, Kind, Shown

# A row and the entry that it shows.
Placed: TypeAlias = tuple[Row, "int | None"]

_LABEL, _HEADLINE = 12, 13
_WORST, _WORST_WIDE = 38, 48


def _columns(width: int) -> tuple[bool, int, int]:
    """Return whether `beside` has room, and the widths of the lane and of where it is worst."""
    worst = min(_WORST_WIDE if width >= 160 else _WORST, max(0, width - 42))
    beside = width >= 100
    used = 2 + _LABEL + _HEADLINE * (2 if beside else 1) + (worst + 1 if worst else 0)
    return beside, max(width - used, 0), worst


def lane_columns(width: int) -> int:
    """Return how many columns a lane has in a pane of this width."""
    return _columns(width)[1]


def line_rows(shown: Shown, canvas: Canvas) -> list[Placed]:
    """Return the lines of load, with axes and taller lanes where the rows allow, each with its entry."""
    width, room, caps = canvas.width, canvas.height, canvas.caps
    found = [(i, e.line) for i, e in enumerate(shown.contents.entries) if e.line is not None]
    timed = [line.over_time and bool(line.values) for _i, line in found]
    last_timed = max((i for i, t in enumerate(timed) if t), default=-1)
    last_ranks = max((i for i, (_e, line) in enumerate(found) if line.values and not timed[i]), default=-1)
    # The lists below keep at least half of a high pane.
    tall = 2 if room >= 2 * (2 * len(found) + 1) else 1
    axes = room >= len(found) + 4
    rows: list[Placed] = []
    for i, (entry, line) in enumerate(found):
        drawn = _one_line(shown, line, entry == shown.at, canvas.sized(height=tall))
        rows += [(r, entry) for r in drawn]
        if axes and i == last_timed and shown.known.window:
            rows.append((_axis_row(shown.known.window, width, caps), None))
        if axes and i == last_ranks:
            rows.append((_rank_row(len(line.values), width, caps), None))
    return rows


def _before_lane(width: int) -> int:
    return 2 + _LABEL + _HEADLINE * (2 if _columns(width)[0] else 1)


def _rank_row(count: int, width: int, caps: Capabilities) -> Row:
    """Return the numbers of ranks under their columns, as many as have room."""
    columns = _columns(width)[1]
    step = next((s for s in (1, 2, 4, 8, 16, 32) if _rank_column(s, count, columns) >= 4), count)
    text = ""
    for rank in range(0, count, step):
        text = text.ljust(_rank_column(rank, count, columns)) + str(rank)
    return row(blank(_before_lane(width)), fit(text, columns, caps=caps, style=dim(caps)), width=width)


def _rank_column(rank: int, count: int, columns: int) -> int:
    return rank * (columns // count) if count <= columns else rank * columns // count


def _axis_row(window: tuple[int, int], width: int, caps: Capabilities) -> Row:
    columns, before = _columns(width)[1], _before_lane(width)
    begin, end = window
    # A window that begins just after a round second would lose the label of its first column.
    late = begin % 1_000_000
    if late * columns < end - begin:
        begin -= late
    axis = time_axis(instant(begin), instant(end), columns, caps)
    return row(blank(before), axis, width=width)


def _one_line(shown: Shown, line: Line, here: bool, canvas: Canvas) -> list[Row]:
    """Return a line as high as the canvas."""
    width, tall, caps = canvas.width, canvas.height, canvas.caps
    beside, columns, worst = _columns(width)
    mark = cursor_mark(here, caps)
    label = fit(line.label, _LABEL, caps=caps, style=selected(caps) if here else None)
    if not line.values:
        text = _("no data: {why}").format(why=line.absent) if line.absent else glyphs(caps).ellipsis
        body = fit(text, max(width - 2 - _LABEL, 0), caps=caps, style=dim(caps))
        return [row(mark, label, body, width=width), *[blank(width)] * (tall - 1)]
    head = fit(line.headline, _HEADLINE, caps=caps, style=strong(caps))
    aside = fit(line.beside, _HEADLINE, caps=caps, style=dim(caps)) if beside else []
    values = stretched(line.values, columns, alike=not line.over_time)
    lane_rows = lane(
        values,
        Scale(0.0, max((v for v in line.values if v == v), default=1.0)),
        caps,
        height=tall,
        marks=Marks(
            cursor=_cursor_column(shown, line, columns, here),
            here=here,
            underlined=_worst_columns(shown.known, line, len(values)),
            lit=_lit(shown.known, line, shown.selection, columns),
            heat=None if shown.contents.is_loud(line) else [0.0] * len(values),
        ),
    )
    words = [Segment(" "), *fit_parts(line.worst, worst, caps=caps)] if worst else []
    above = [blank(_before_lane(width))] * (tall - 1)
    lane_rows = [row(picture, width=columns) for picture in lane_rows]
    rows = [row(b, picture, width=width) for b, picture in zip(above, lane_rows[:-1], strict=True)]
    return [*rows, row(mark, label, head, aside, lane_rows[-1], words, width=width)]


def stretched(values: Sequence[float], width: int, *, alike: bool) -> list[float]:
    """Return the values spread over `width` columns: the largest that each covers, NaN for no data.

    Fewer values than columns are repeated; `alike` gives each equally many columns and may leave some of
    the width unused, as ranks want it and time does not.
    """
    if not values or width < 1:
        return []
    if alike and len(values) <= width:
        width = width // len(values) * len(values)
    cuts = [i * len(values) // width for i in range(width + 1)]
    return [
        max((v for v in values[a : max(b, a + 1)] if v == v), default=float("nan")) for a, b in pairwise(cuts)
    ]


def columns_showing(first: int, last: int, count: int, columns: int) -> tuple[int, int]:
    """Return the half-open range of columns in which `stretched` shows any of values [first, last)."""
    cuts = [i * count // columns for i in range(columns + 1)]
    shown = [i for i, (a, b) in enumerate(pairwise(cuts)) if a < last and max(b, a + 1) > first]
    return (shown[0], shown[-1] + 1) if shown else (0, 0)


def column_of(time: int, window: tuple[int, int], columns: int) -> int | None:
    """Return the column that an instant falls in, None outside the window."""
    begin, end = window
    if not begin <= time <= end or columns < 1:
        return None
    return min((time - begin) * columns // (end - begin), columns - 1)


def _cursor_column(shown: Shown, line: Line, columns: int, here: bool) -> int | None:
    time, window, column = shown.selection.time, shown.known.window, shown.state.column
    if line.over_time:
        return None if time is None or window is None else column_of(time, window, columns)
    if not here or column is None or not columns:
        return None
    return _rank_column(column, len(line.values), columns)


def _worst_columns(known: Overview, line: Line, columns: int) -> list[bool]:
    """Return which columns lie in the stretch in which the line is worst."""
    marks = [False] * columns
    place = line.place
    if line.over_time and known.window and place and place.start is not None:
        first = column_of(place.start, known.window, columns)
        last = column_of(place.end if place.end is not None else place.start, known.window, columns)
        if first is not None:
            last = columns - 1 if last is None else last
            marks[first : last + 1] = [True] * (last + 1 - first)
    return marks


def _lit(known: Overview, line: Line, selection: Selection, columns: int) -> tuple[int, int] | None:
    if not line.over_time or selection.window is None or known.window is None:
        return None
    begin, end = (min(max(t, known.window[0]), known.window[1]) for t in selection.window)
    first, last = (column_of(t, known.window, columns) for t in (begin, end))
    return (first, last + 1) if first is not None and last is not None else None


def list_rows(everything: Sequence[Entry], at: int, width: int, caps: Capabilities) -> list[Placed]:
    """Return the sections below the lines, whole, each row with its entry."""
    rows: list[Placed] = []
    # Each section its own column of titles: file names are long, labels are not.
    title_widths: dict[Kind, int] = {}
    for entry in everything:
        widest = max(title_widths.get(entry.kind, 0), cell_len(entry.title))
        title_widths[entry.kind] = min(widest, 46, width // 3)
    for i, entry in enumerate(everything):
        if entry.line is not None or entry.kind in (*FOUND, "missed"):
            continue
        if entry.heading:
            rows.append((heading(entry.heading, width, caps), None))
        title_width = title_widths[entry.kind]
        rows.append((_entry_row(entry, i == at, title_width, width, caps), i))
        if entry.below:
            indent = title_width + 4
            below = fit(entry.below, max(width - indent, 0), caps=caps, style=None if i == at else dim(caps))
            rows.append((row(blank(indent), below, width=width), i))
    return rows


def missed_rows(shown: Shown, width: int, caps: Capabilities) -> list[Placed]:
    """Return the row of why requests missed their targets, nothing where that is not told."""
    found = [(i, entry) for i, entry in enumerate(shown.contents.entries) if entry.kind == "missed"]
    size = max((cell_len(entry.title) for _i, entry in found), default=0)
    return [(_entry_row(entry, i == shown.at, size, width, caps), i) for i, entry in found]


def heading(text: str, width: int, caps: Capabilities, more: str = "") -> Row:
    """Return a rule with a section's name in it, and at its end what there is `more`."""
    end = printable(more, caps)
    after = [Segment(f" {end} {glyphs(caps).rule * 2}", dim(caps))] if end else []
    room = max(width - 4 - (cell_len(end) + 4 if end else 0), 0)
    name = printable(text, caps)
    title = fit(name, min(cell_len(name), room), caps=caps, style=strong(caps))
    return row(
        Segment(glyphs(caps).rule * 2 + " ", dim(caps)),
        title,
        Segment(" " + glyphs(caps).rule * max(room - cell_len(name), 0), dim(caps)),
        after,
        width=width,
    )


def cursor_mark(here: bool, caps: Capabilities) -> Segment:
    """Return what stands before an entry: the cursor or nothing, two cells."""
    return Segment("> ", selected(caps)) if here else Segment("  ")


def _entry_row(entry: Entry, here: bool, title_width: int, width: int, caps: Capabilities) -> Row:
    mark = cursor_mark(here, caps)
    title = fit(entry.title, title_width, caps=caps, style=selected(caps) if here else None)
    style = severity(caps, "warning") if entry.warning else None if here else dim(caps)
    text = fit(entry.short, max(width - title_width - 4, 0), caps=caps, style=style)
    return row(mark, title, Segment("  "), text, width=width)
