"""The list of actions as rows."""

from __future__ import annotations

from collections.abc import Sequence

from rich.cells import cell_len
from rich.segment import Segment

from lbtui.render.canvas import Canvas
from lbtui.render.capabilities import Capabilities, Row
from lbtui.render.glyphs import glyphs, spell_key
from lbtui.render.palette import dim, selected, strong
from lbtui.render.text import blank, fit, printable, row
from lbtui.text import _
from lbtui.ui.actions.offers import Offer

_KEYS, _NAME = 12, 20


def offer_rows(offers: Sequence[Offer], cursor: int, canvas: Canvas) -> list[Row]:
    """Return the offers by group in rows that fill the canvas, the one under the cursor among them."""
    return [drawn for drawn, _place in _placed(offers, cursor, canvas)]


def offer_at(offers: Sequence[Offer], cursor: int, canvas: Canvas, y: int) -> int | None:
    """Return the place of the offer that is drawn in row `y`, None where there is none."""
    placed = _placed(offers, cursor, canvas)
    return placed[y][1] if 0 <= y < len(placed) else None


def _placed(offers: Sequence[Offer], cursor: int, canvas: Canvas) -> list[tuple[Row, int | None]]:
    """Return each row with the place of the offer in it."""
    width, height, caps = canvas.width, canvas.height, canvas.caps
    lines: list[tuple[Row, int | None]] = []
    at, group = 0, None
    for place, offer in enumerate(offers):
        if offer.group != group:
            group = offer.group
            lines.append((_group_row(group, width, caps), None))
        at = len(lines) if place == cursor else at
        lines.append((_line(offer, place == cursor, width, caps), place))
    if not offers:
        lines = [(fit(" " + _("No action is called so."), width, caps=caps, style=dim(caps)), None)]
    first = max(0, min(at - height // 2, len(lines) - height))
    seen = lines[first : first + height]
    return seen + [(blank(width), None)] * (height - len(seen))


def _group_row(group: str, width: int, caps: Capabilities) -> Row:
    title = printable(f" {group} ", caps)
    rule = Segment(glyphs(caps).rule * max(0, width - cell_len(title)), dim(caps))
    return row(Segment(title, strong(caps)), rule, width=width)


def _line(offer: Offer, here: bool, width: int, caps: Capabilities) -> Row:
    ink = dim(caps) if offer.why_not else None
    keys = offer.keys if caps.unicode else spell_key(offer.keys)
    words = f"{glyphs(caps).dash} {offer.why_not}" if offer.why_not else offer.tells
    return row(
        Segment(f"{glyphs(caps).right[-1]} " if here else "  ", selected(caps)),
        fit(keys, _KEYS, caps=caps, style=ink or strong(caps)),
        fit(offer.name, _NAME, caps=caps, style=selected(caps) if here else ink),
        fit(words, max(0, width - _KEYS - _NAME - 2), caps=caps, style=dim(caps)),
        width=width,
    )
