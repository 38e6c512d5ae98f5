"""A track of slices as one line: what is wide stands as a block with its name, what is dense as bars."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from rich.cells import cell_len
from rich.style import Style

from lbtui.render import palette
from lbtui.render.capabilities import Capabilities, Row
from lbtui.render.glyphs import glyphs
from lbtui.render.lanes import runs
from lbtui.render.text import merge, printable

From: TypeAlias = Literal["", "above", "below", "before"]

_LEAST_WORD = 4  # cells of a name that is cut


@dataclass(frozen=True)
class Block:
    """A slice that is at least some columns wide, from `first` up to `end`; `came` is where its flow is from.

    `texts` are what may stand in it, the first that has room. Of `lit` None nothing is told apart.
    """

    first: int
    end: int
    texts: tuple[str, ...]
    series: int
    lit: bool | None = None
    came: From = ""
    gap: bool = False  # nothing runs here; lit, it is waited


def track_row(
    shares: Sequence[float | None],
    blocks: Sequence[Block],
    series: int,
    lit: frozenset[int] | None,
    caps: Capabilities,
) -> Row:
    """Return a track: bars of the busy share of each column (None: nothing), and blocks over them.

    `lit` are the columns that are lit, the others being dim; None: nothing is told apart.
    """
    ramp = glyphs(caps).vertical
    steps = len(ramp) - 1
    own, dim, accent = palette.series(caps, series), palette.dim(caps), palette.selected(caps)
    text = [" " if share is None else ramp[max(1, min(steps, round(share * steps)))] for share in shares]
    if lit is None:
        styles = [own] * len(text)
    else:
        styles = [accent if column in lit else dim for column in range(len(text))]
    for block in blocks:
        _put(block, text, styles, caps)
    return merge(runs(text, styles)) if text else []


def _put(block: Block, text: list[str], styles: list[Style], caps: Capabilities) -> None:
    first, end = max(block.first, 0), min(block.end, len(text))
    if first >= end:
        return
    room = end - first
    border = _border(block, caps) if block.first >= 0 else ""
    words = _fitting(block.texts, room - len(border), caps)
    # What is not lit stays to be seen as long as it is.
    pad = glyphs(caps).rule if block.lit is False or (block.gap and block.lit) else " "
    said = f"{border}{words} " if words and pad != " " else border + words
    cells = said.ljust(room, pad)[:room]
    style = _style(block, caps)
    if cell_len(cells) == room:
        text[first:end], styles[first:end] = cells, [style] * room
        return
    at = first
    for character in cells:
        wide = cell_len(character)
        if at + wide > end:
            break
        text[at], styles[at] = character, style
        if wide == 2:
            text[at + 1], styles[at + 1] = "", style
        at += wide
    for rest in range(at, end):
        text[rest], styles[rest] = pad, style


def _border(block: Block, caps: Capabilities) -> str:
    symbols = glyphs(caps)
    arrows = {"above": symbols.down, "below": symbols.up, "before": symbols.right[-1]}
    if block.gap:
        return " "
    return arrows.get(block.came, symbols.separator) if block.lit else symbols.separator


def _style(block: Block, caps: Capabilities) -> Style:
    if block.gap and block.lit:
        return palette.accent(caps)
    if block.gap or block.lit is False:
        return palette.dim(caps)
    return palette.cursor(caps) if block.lit else palette.filled(caps, block.series)


def _fitting(texts: Sequence[str], room: int, caps: Capabilities) -> str:
    """Return the first text that has room, else the last cut, nothing where that would say nothing."""
    known = [printable(text, caps) for text in texts]
    for text in known:
        if cell_len(text) <= room:
            return text
    if not known or room < _LEAST_WORD:
        return ""
    end = glyphs(caps).ellipsis
    cut = known[-1]
    while cut and cell_len(cut) + len(end) > room:
        cut = cut[:-1]
    return cut + end


def connected(
    rows: list[Row], column: int, between: range, caps: Capabilities, *, strong: bool = False
) -> None:
    """Draw a line down through some rows at a column, where these hold nothing or only what is dim."""
    dim = palette.dim(caps)
    style = palette.selected(caps) if strong else palette.accent(caps)
    for place in between:
        at = 0
        for number, segment in enumerate(rows[place]):
            inside = column - at
            if 0 <= inside < len(segment.text):
                if segment.text[inside] != " " and segment.style != dim and not strong:
                    break
                parts = (segment.text[:inside], segment.text[inside + 1 :])
                line = type(segment)(glyphs(caps).column, style)
                new = [type(segment)(parts[0], segment.style), line, type(segment)(parts[1], segment.style)]
                rows[place] = [*rows[place][:number], *(s for s in new if s.text), *rows[place][number + 1 :]]
                break
            at += len(segment.text)
