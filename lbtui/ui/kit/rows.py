"""Figures and sentences of the panes, as short as the room asks for."""

from __future__ import annotations

import math
from collections.abc import Sequence

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style

from lbtui.profile import Missing
from lbtui.render.canvas import Canvas
from lbtui.render.capabilities import Capabilities, Row
from lbtui.render.palette import dim, selected, strong
from lbtui.render.text import blank, fit, fit_parts, printable, row, wrapped
from lbtui.text import _


def joined(parts: Sequence[str], width: int, caps: Capabilities, style: Style | None = None) -> Row:
    """Return as many of the parts as fit, most important first; the first is cut if even that does not."""
    text = f" {parts[0]}" if parts else ""
    for part in parts[1:]:
        longer = f"{text} · {part}"
        if cell_len(printable(longer, caps)) <= width:
            text = longer
    return fit(text, width, caps=caps, style=style)


def missing_rows(missing: Sequence[Missing], width: int, caps: Capabilities) -> list[Row]:
    """Return why there is nothing to show and how to collect it, wrapped to the width."""
    rows: list[Row] = []
    for item in missing:
        rows.append(
            fit(" " + _("No data: {what}").format(what=item.what), width, caps=caps, style=strong(caps))
        )
        why = _("Because {reason}.").format(reason=item.reason)
        how = _("To have it: {how}.").format(how=item.how_to_collect)
        for text, style in ((why, dim(caps)), (how, None)):
            rows += [row("   ", line, width=width) for line in wrapped(text, max(1, width - 3), caps, style)]
        rows.append(blank(width))
    return rows


def ratio_text(value: float) -> str:
    """Return a ratio with two decimals, a dash where there is none."""
    return "–" if math.isnan(value) else f"{value:.2f}"


def percent(share: float) -> str:
    """Return a share in percent, whole from 10 % on, a dash where there is none."""
    if math.isnan(share):
        return "–"
    if 0 < share < 0.0005:
        return "<0.1 %"
    return f"{100 * share:.0f} %" if share >= 0.095 or share == 0 else f"{100 * share:.1f} %"


def told_rows(head: str, parts: Sequence[str], canvas: Canvas) -> list[Row]:
    """Return what is under the cursor: the parts joined by dots, a new line begun where one does not fit."""
    width, lines, caps = canvas.width, canvas.height, canvas.caps
    texts = [f" {head}"]
    for part in parts:
        joined = f"{texts[-1]} · {part}"
        if cell_len(joined) > width and len(texts) < lines:
            texts.append(f" {part}")
        else:
            texts[-1] = joined
    rows = []
    for k, text in enumerate(texts):
        if k == 0:
            rows.append(
                row(
                    Segment(printable(f" {head}", caps), selected(caps)),
                    fit_parts(text[len(head) + 1 :], max(0, width - cell_len(head) - 1), caps=caps),
                    width=width,
                )
            )
        else:
            rows.append(fit_parts(text, width, caps=caps))
    return rows + [blank(width)] * (lines - len(rows))
