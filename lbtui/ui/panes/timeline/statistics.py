"""The statistics of a range of the Timeline pane: a line for each name of slices."""

from __future__ import annotations

from collections.abc import Sequence

from rich.cells import cell_len

from lbtui.analysis.timeline import NameFigures
from lbtui.profile import format_window, instant
from lbtui.profile.slices import BUBBLE
from lbtui.render import palette
from lbtui.render.canvas import Canvas
from lbtui.render.capabilities import Row
from lbtui.render.table import Column, first_visible, fitting, table
from lbtui.render.text import blank, fit, row
from lbtui.text import _, plural, visible
from lbtui.ui.kit.rows import percent
from lbtui.ui.kit.window import Window
from lbtui.ui.panes.timeline.layout import Shown
from lbtui.ui.panes.timeline.state import range_of
from lbtui.ui.panes.timeline.words import length_text

_SHARE = _("share: of the range, on the tracks that have slices of that name")


def range_shown(shown: Shown) -> tuple[Window, bool]:
    """Return what the statistics are of (µs): the range, if one is selected, else the window; and which."""
    found = range_of(shown.state, shown.time) if shown.state.end is not None else None
    return (shown.window, False) if found is None else (found, True)


def draw_statistics(shown: Shown, rows: Sequence[NameFigures] | None, canvas: Canvas) -> list[Row]:
    """Return the table of the statistics of the range, or of the window; of None that they are made."""
    width, height, caps = canvas.width, canvas.height, canvas.caps
    (begin, end), ranged = range_shown(shown)
    text = _("{of} {window}, {length} · slices that begin there, on {tracks}").format(
        of=_("range") if ranged else _("window"),
        window=format_window(instant(begin), instant(end), 3, date=shown.data.dated),
        length=length_text((end - begin) * 1000),
        tracks=plural("1 track", "{count} tracks", len(shown.all_lines)),
    )
    head = [fit(f" {text}", width, caps=caps, style=palette.strong(caps)), blank(width)]
    if rows is None:
        return [*head, fit(" " + _("counting …"), width, caps=caps, style=palette.dim(caps))]
    cells = _cells(rows)
    names = max([cell_len(_("name")), *(cell_len(each[0]) for each in cells)])
    columns = [
        Column(_("name"), min(names, max(12, width // 3)), "left"),
        Column(_("count"), 9, priority=1),
        Column(_("total"), 9, priority=2),
        Column(_("mean"), 9, priority=3),
        Column(_("p95"), 9, priority=4),
        Column(_("longest"), 9, priority=5),
        Column(_("share"), 7, priority=2),
    ]
    lines = max(1, height - len(head) - 2)
    cursor = max(0, min(shown.state.table_row, len(rows) - 1))
    top = first_visible(cursor, 0, max(1, lines - 1), len(rows))
    drawn = table(
        cells[top:],
        fitting(columns, width - 1),
        height=lines,
        caps=caps,
        cursor=cursor - top if rows else None,
    )
    foot = [blank(width), fit(f" {_SHARE}", width, caps=caps, style=palette.dim(caps))]
    return [*head, *(row(" ", line, width=width) for line in drawn), *foot][:height]


def copied_text(shown: Shown, rows: Sequence[NameFigures] | None) -> str:
    """Return the row under the cursor in one line, for the clipboard; empty while they are made."""
    if not rows:
        return ""
    (begin, end), _ranged = range_shown(shown)
    name, count, *lengths = _cells(rows)[max(0, min(shown.state.table_row, len(rows) - 1))]
    titles = (_("total"), _("mean"), _("p95"), _("longest"), _("share"))
    said = [f"{title} {text}" for title, text in zip(titles, lengths, strict=True)]
    window = format_window(instant(begin), instant(end), 3, date=shown.data.dated)
    return " · ".join((window, name, f"{_('count')} {count}", *said))


def _cells(rows: Sequence[NameFigures]) -> list[list[str]]:
    """Return the cells of the table; events have a number, and no length."""
    return [
        [
            visible(each.name, 60) if each.name != BUBBLE else _("bubble"),
            f"{each.count:,}",
            *(
                length_text(length) if each.longest else "–"
                for length in (each.total, each.mean, each.p95, each.longest)
            ),
            percent(each.share) if each.longest or each.share else "–",
        ]
        for each in rows
    ]
