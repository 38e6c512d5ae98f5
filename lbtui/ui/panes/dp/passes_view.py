"""The table of forward passes as rows: what is shown, those in view, the one under the cursor in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from rich.cells import cell_len

from lbtui.profile import format_time, format_window, instant
from lbtui.render import palette
from lbtui.render.canvas import Canvas
from lbtui.render.capabilities import Capabilities, Row
from lbtui.render.table import Column, Layout, first_visible, fitting, table
from lbtui.render.text import blank, fit, fit_parts, row, wrapped
from lbtui.text import _, visible
from lbtui.ui.kit.selection import Side
from lbtui.ui.kit.sides import side_chip
from lbtui.ui.panes.dp.passes import BY_NAME, COLUMNS, NAMES, Ordered, Pass

_LONGEST = 48
HEADER = 1  # the line that the table's header stands on


@dataclass(frozen=True, eq=False)
class ShownPasses:
    """What is drawn: the passes in order, the cursor's place among them, the first in view if it may stay."""

    ordered: Ordered
    cursor: int
    scrolled: int
    dated: bool
    side: Side | None = None  # which of two profiles; None: there is one
    doing: str = ""  # how the reading of other passes, or another order, stands
    text: str = ""  # the filter that left these domains

    def lines(self, height: int) -> int:
        """Return how many passes have room."""
        return max(0, height - HEADER - 1 - (height >= 4))

    def first(self, height: int) -> int:
        """Return the place of the first pass in view."""
        return first_visible(self.cursor, self.scrolled, self.lines(height), len(self.ordered.rows))

    def layout(self, width: int) -> Layout:
        """Return where the columns stand."""
        columns = []
        for column in COLUMNS:
            text = column.kind == "text"
            least = min(self.ordered.longest[column.name], _LONGEST) if text else cell_len(column.title) + 1
            time = 11 if self.dated and column.kind == "time" else 0
            room = max(column.width + time, least)
            columns.append(Column(column.title, room, "left" if text else "right", column.priority))
        keep = [NAMES.index(self.ordered.wanted.sort), 0]
        return fitting(columns, max(1, width - 1), keep=keep)

    @cached_property
    def under(self) -> Pass | None:
        """The pass under the cursor."""
        return self.ordered.at(self.cursor)


def draw_passes(shown: ShownPasses, canvas: Canvas) -> list[Row]:
    """Return the table with its state line above and the pass under the cursor below, filling the canvas."""
    width, height, caps = canvas.width, canvas.height, canvas.caps
    ordered, first, lines = shown.ordered, shown.first(height), shown.lines(height)
    seen = ordered.frame[ordered.rows[first : first + lines]].select(NAMES)
    cells = [
        [_cell(name, value, shown.dated) for name, value in zip(NAMES, values, strict=True)]
        for values in seen.iter_rows()
    ]
    wanted = ordered.wanted
    drawn = table(
        cells,
        shown.layout(width),
        height=lines + 1,
        caps=caps,
        cursor=shown.cursor - first,
        sort=(NAMES.index(wanted.sort), wanted.descending),
    )
    rows = [_state_row(shown, width, caps), *(row(" ", line, width=width) for line in drawn)]
    if not len(ordered.rows) and lines:
        rows[HEADER + 1] = fit(
            " " + _("No forward pass begins in this window; 0 shows all."), width, caps=caps
        )
    rows = rows[: height - (height >= 4)]
    if height >= 4:
        rows += [blank(width)] * (height - 1 - len(rows)) + [_reading_row(shown, width, caps)]
    return rows[:height]


def _cell(name: str, value: object, dated: bool) -> str:
    column = BY_NAME[name]
    if column.kind == "text" and value is not None:
        return visible(str(value))
    if isinstance(value, datetime) and dated:
        return format_time(value, 3, date=True)
    return column.cell(value)


def _state_row(shown: ShownPasses, width: int, caps: Capabilities) -> Row:
    ordered, wanted = shown.ordered, shown.ordered.wanted
    column = BY_NAME[wanted.sort]
    order = column.descending if wanted.descending else column.ascending
    count = f"{len(ordered.rows):,}"
    whole = len(ordered.rows) == ordered.total
    text = _("{shown} of {total} forward passes")
    head = (
        _("{total} forward passes").format(total=count)
        if whole
        else text.format(shown=count, total=f"{ordered.total:,}")
    )
    parts = [_('filter "{text}"').format(text=shown.text)] if shown.text else []
    if len(ordered.rows) < ordered.inside:
        # The way to the others before what is known anyway.
        parts.append(_("those about the cursor, + narrows"))
    if shown.doing:
        parts.append(shown.doing)
    begin, end = ordered.span
    decimals = 0 if end - begin >= 20_000_000 else 3
    parts.append(_("by {column}, {order}").format(column=column.words, order=order))
    parts.append(format_window(instant(begin), instant(end), decimals, date=shown.dated))
    chip = side_chip(shown.side, caps)
    return row(
        chip,
        fit(f" {head}", cell_len(head) + 1, caps=caps, style=palette.strong(caps)),
        fit("".join(f" · {part}" for part in parts), width, caps=caps, style=palette.dim(caps)),
        width=width,
    )


def _reading_row(shown: ShownPasses, width: int, caps: Capabilities) -> Row:
    found = shown.under
    if found is None:
        return blank(width)
    place = _("{place} of {total}").format(
        place=f"{shown.cursor + 1:,}", total=f"{len(shown.ordered.rows):,}"
    )
    seen = [NAMES[number] for number, _x, _width in shown.layout(width).columns]
    # Its begin is in the first column.
    said = " · ".join([place, *_facts(found, seen)])
    return fit_parts(f" {said}", width, caps=caps, style=palette.strong(caps))


def copied_text(shown: ShownPasses) -> str:
    """Return the pass under the cursor in one line, for the clipboard."""
    found = shown.under
    if found is None:
        return ""
    begins = _("begins {time}").format(time=format_time(found["start"], 3, date=shown.dated))
    host = [visible(str(found["host"]))] if found["host"] is not None else []
    return " · ".join([begins, *host, *_facts(found, ())])


def _facts(found: Pass, seen: Sequence[str]) -> list[str]:
    """Return when a pass ends and what is known of it, what has no column in view (`seen`) first."""
    facts = [
        ("{value}", "prof_id"),
        (_("dp_rank {value}"), "dp_rank"),
        (_("batch {value}"), "batch_size"),
        ("{value}", "phase"),
        (_("prefill {value}"), "prefill_batch_size"),
        (_("decode {value}"), "decode_batch_size"),
        (_("tokens {value}"), "tokens"),
        (_("forward {value}"), "duration"),
        (_("bubble {value}"), "bubble"),
        (_("forward_iter {value}"), "forward_iter"),
    ]
    # What has no column in view first.
    facts.sort(key=lambda fact: fact[1] in seen)
    spoken = [
        text.format(value=visible(BY_NAME[name].spoken(found[name])))
        for text, name in facts
        if found[name] is not None
    ]
    return [_("ends {time}").format(time=format_time(found["end"], 3)), *spoken]


def said_instead(why: str, canvas: Canvas) -> list[Row]:
    """Return why there is no table, in rows that fill the canvas."""
    width, height, caps = canvas.width, canvas.height, canvas.caps
    lines = wrapped(why, max(1, width - 1), caps, None)
    rows = [fit(" " + _("forward passes"), width, caps=caps, style=palette.strong(caps)), blank(width)]
    rows += [row(" ", line, width=width) for line in lines]
    return (rows + [blank(width)] * height)[:height]
