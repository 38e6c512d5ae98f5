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
from lbtui.ui.actions.offers import Offer

_KEYS, _NAME = 12, 20


def offer_rows(
    offers: Sequence[Offer], cursor: int, canvas: Canvas, nothing: str = "", *, wide: bool = False
) -> list[Row]:
    """Return the offers by group in rows that fill the canvas, the one under the cursor among them.

    `nothing` is said where there is none; `wide` has the names as wide as they are, where there is room.
    """
    if not offers:
        said = fit(" " + nothing, canvas.width, caps=canvas.caps, style=dim(canvas.caps))
        return [said, *([blank(canvas.width)] * (canvas.height - 1))][: canvas.height]
    return [drawn for drawn, _place in _placed(offers, cursor, canvas, wide=wide)]


def offer_at(offers: Sequence[Offer], cursor: int, canvas: Canvas, y: int) -> int | None:
    """Return the place of the offer that is drawn in row `y`, None where there is none."""
    placed = _placed(offers, cursor, canvas)
    return placed[y][1] if 0 <= y < len(placed) else None


def _placed(
    offers: Sequence[Offer], cursor: int, canvas: Canvas, *, wide: bool = False
) -> list[tuple[Row, int | None]]:
    """Return each row with the place of the offer in it."""
    width, height, caps = canvas.width, canvas.height, canvas.caps
    lines: list[tuple[Row, int | None]] = []
    at, group = 0, None
    name = _name_cells(offers, width) if wide else _NAME
    for place, offer in enumerate(offers):
        if offer.group != group:
            group = offer.group
            lines.append((_group_row(group, width, caps), None))
        at = len(lines) if place == cursor else at
        lines.append((_line(offer, place == cursor, name, width, caps), place))
    first = max(0, min(at - height // 2, len(lines) - height))
    seen = lines[first : first + height]
    return seen + [(blank(width), None)] * (height - len(seen))


def _name_cells(offers: Sequence[Offer], width: int) -> int:
    """Return how wide the names stand: more than usual where one is longer, and there is room."""
    longest = max((cell_len(offer.name) for offer in offers), default=0)
    return _NAME if longest < _NAME else max(_NAME, min(longest + 2, width * 2 // 5))


def _group_row(group: str, width: int, caps: Capabilities) -> Row:
    title = printable(f" {group} ", caps)
    rule = Segment(glyphs(caps).rule * max(0, width - cell_len(title)), dim(caps))
    return row(Segment(title, strong(caps)), rule, width=width)


def _line(offer: Offer, here: bool, name: int, width: int, caps: Capabilities) -> Row:
    ink = dim(caps) if offer.why_not else None
    keys = offer.keys if caps.unicode else spell_key(offer.keys)
    words = f"{glyphs(caps).dash} {offer.why_not}" if offer.why_not else offer.tells
    return row(
        Segment(f"{glyphs(caps).right[-1]} " if here else "  ", selected(caps)),
        fit(keys, _KEYS, caps=caps, style=ink or strong(caps)),
        fit(offer.name, name, caps=caps, style=selected(caps) if here else ink),
        fit(words, max(0, width - _KEYS - name - 2), caps=caps, style=dim(caps)),
        width=width,
    )
