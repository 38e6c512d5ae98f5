"""The list of findings as rows: how severe, where, what, when, its lane, what it costs."""

from __future__ import annotations

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style

from lbtui.findings.pictures import Drawn, Picture
from lbtui.findings.words import DIMENSIONS, MARKS
from lbtui.profile import micros
from lbtui.render.canvas import Scale
from lbtui.render.capabilities import Capabilities, Row
from lbtui.render.glyphs import glyphs
from lbtui.render.lanes import Marks, bar, lane
from lbtui.render.palette import better, dim, selected, severity, strong
from lbtui.render.text import blank, fit, row
from lbtui.text import _
from lbtui.ui.panes.overview.data import FOUND, Contents, Entry
from lbtui.ui.panes.overview.lines import Placed, columns_showing, cursor_mark, stretched
from lbtui.ui.panes.overview.listed import Columns, Listed, columns, listed


def cost_heading(contents: Contents, width: int) -> tuple[str, int]:
    """Return what stands above the costs, and how wide their column is; nothing without findings."""
    found = listed(contents, width)
    if not found:
        return "", 0
    at = columns(found, width)
    room, long = at.bar + at.cost, _("cost, share of time")
    return long if cell_len(long) <= room else _("cost"), room


def finding_rows(contents: Contents, at: int, width: int, room: int, caps: Capabilities) -> list[Placed]:
    """Return the rows of the list, at most `room`, so that the entry under the cursor is among them.

    Where not all have room the last row tells how many there are besides.
    """
    if contents.diagnosis is None:
        looking = fit(
            "  " + _("imbalances are looked for once everything is read"), width, caps=caps, style=dim(caps)
        )
        waiting: list[Placed] = [(looking, None)]
        return waiting[:room]
    entries = [(i, e) for i, e in enumerate(contents.entries) if e.kind in FOUND]
    shown = room if len(entries) <= room or room < 2 else room - 1
    place = next((n for n, (i, _e) in enumerate(entries) if i == at), 0)
    top = max(0, min(place + 1 - shown, len(entries) - shown))
    texts = iter(listed(contents, width))
    found = {i: next(texts) for i, entry in entries if entry.found}
    widths = columns(list(found.values()), width)
    highest = max((each.share or 0.0 for each in found.values()), default=0.0)
    rows: list[Placed] = []
    for i, entry in entries[top : top + shown]:
        if entry.found is None:
            rows.append((_plain_row(entry, i == at, width, caps), i))
        else:
            cost = _cost(found[i], highest, widths, entry.found, caps)
            cells = _cells(found[i], widths, entry.found, i == at, caps)
            rows.append((row(cells, cost, width=width), i))
    if shown < min(room, len(entries)):
        rows.append((fit(_besides(top, len(entries) - top - shown), width, caps=caps, style=dim(caps)), None))
    return rows


def _besides(above: int, below: int) -> str:
    said = [
        _("{count} more").format(count=below) if below else "",
        _("{count} above").format(count=above) if above else "",
    ]
    return "     " + " · ".join(part for part in said if part)


def _plain_row(entry: Entry, here: bool, width: int, caps: Capabilities) -> Row:
    mark, style = "", dim(caps)
    said: Style | None = style
    if entry.kind == "remarks":
        mark = MARKS["info"]
    elif entry.good:
        mark, style, said = glyphs(caps).good, better(caps), None
    else:
        style = severity(caps, "warning")
    if here and not entry.good:
        style = selected(caps)
    title = f"{mark:>2} {entry.title}"
    used = min(cell_len(title) + 2, width)
    room = max(width - 2 - used, 0)
    # What is not judged stands below, whole.
    text = entry.short if entry.kind == "remarks" or entry.good or cell_len(entry.short) <= room else ""
    short = fit(text, room, caps=caps, style=said)
    return row(cursor_mark(here, caps), fit(title, used, caps=caps, style=style), short, width=width)


def _cells(texts: Listed, widths: Columns, found: Drawn, here: bool, caps: Capabilities) -> Row:
    """Return all of a finding's row but its cost."""
    finding = found.finding
    level, name = severity(caps, finding.severity), selected(caps) if here else strong(caps)

    def cell(text: str, size: int, style: Style | None = None) -> Row:
        # A blank at the end keeps columns apart.
        return [*fit(text, size - 1, caps=caps, style=style), Segment(" ")] if size else []

    return [
        cursor_mark(here, caps),
        *fit(f"{MARKS[finding.severity]:>2} ", 3, caps=caps, style=level),
        *fit(DIMENSIONS[finding.dimension], 4, caps=caps, style=dim(caps)),
        *cell(texts.subject, widths.subject, name),
        *cell(texts.figure, widths.figure, level),
        *cell(texts.window, widths.window, dim(caps)),
        *(_lane_row(found, widths.lane - 1, here, caps) if widths.lane else []),
        *blank(1 if widths.lane else 0),
    ]


def _cost(texts: Listed, highest: float, widths: Columns, found: Drawn, caps: Capabilities) -> Row:
    """Return the cost: a bar as long as its share of the highest, and the share; else the amount."""
    if texts.share is None:
        known = found.finding.cost.value is not None
        return fit(texts.cost, widths.bar + widths.cost, caps=caps, style=None if known else dim(caps))
    level = severity(caps, found.finding.severity)
    drawn = bar(texts.share / highest if highest else 0.0, widths.bar - 1, caps, level)
    return [*drawn, Segment(" "), *fit(texts.cost, widths.cost, caps=caps)]


def _lane_row(found: Drawn, width: int, here: bool, caps: Capabilities) -> Row:
    """Return the subject's lane, its finding's window or column in colour and the rest in grey."""
    picture: Picture | None = found.picture
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
