"""What-if's two lists: PAR by the number of redundant experts, and by layer."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style

from lbtui.analysis.eplb.recorded import Recorded
from lbtui.analysis.eplb.what_if import Point, WhatIf
from lbtui.render.canvas import Canvas
from lbtui.render.capabilities import Row
from lbtui.render.glyphs import glyphs
from lbtui.render.lanes import bar
from lbtui.render.palette import accent, dim, fraction, severity, strong
from lbtui.render.table import Cell, Column, Layout, first_visible, fitting, table
from lbtui.render.text import fit, number, row
from lbtui.text import _
from lbtui.ui.panes.what_if.state import Outcome
from lbtui.ui.panes.what_if.words import par_words, recommended_word

# A title and the columns' heads.
HEAD = 2
_LEAST_BAR = 6
_WIDEST_BAR = 40


def curve_rows(data: Recorded, outcome: Outcome, found: WhatIf, canvas: Canvas) -> list[Row]:
    """Return PAR against redundant experts, the number chosen in view and lit, the recommended marked.

    Above them stands the placement in use. The bars are of the worst layer's excess over 1.
    """
    caps, points, before = canvas.caps, outcome.points, found.held_out
    word = recommended_word(data, outcome, before.worst[0][1])
    marked = outcome.recommended if word else None
    chosen = next((i for i, p in enumerate(points) if p.redundant == outcome.settings.redundant), 0)
    room = max(0, canvas.height - HEAD - 1)
    first = first_visible(chosen, 0, max(1, room), len(points))
    shown = points[first : first + room]
    in_use = [
        "", _("in use"), "", "", par_words(before.means[0]), par_words(before.worst[0][1]), "", "",
    ]  # fmt: skip
    cells: list[Sequence[Cell]] = [in_use]
    for point in shown:
        style = accent(caps) if point.redundant == outcome.settings.redundant else None
        cells.append([Segment(text, style) for text in _point_cells(point, point is marked, word, canvas)])
    columns = [
        Column("", 1),
        Column(_("R"), 6),
        Column(_("slots a rank"), 12, priority=3),
        Column(_("MiB a rank"), 10, priority=1),
        Column(_("mean"), 5),
        Column(_("worst layer"), 11),
        Column(_("fitted mean"), 11, priority=4),
        Column("", cell_len(word), "left", priority=2),
    ]
    if all(point.mib is None for point in points):
        # Of an unknown size there is nothing to say.
        columns[3] = Column("", 0, priority=9)
    bars = [(_("worst layer"), [before.worst[0][1], *(point.held_out[1] for point in shown)])]
    title = _("PAR held out by redundant experts R")
    return _list(title, fitting(columns, canvas.width), cells, bars, canvas)


def _point_cells(point: Point, marked: bool, word: str, canvas: Canvas) -> list[str]:
    mean, worst = point.held_out
    return [
        glyphs(canvas.caps).point if marked else "",
        str(point.redundant),
        f"+{number(point.extra_slots)}",
        "" if point.mib is None else f"+{number(point.mib)}",
        par_words(mean),
        par_words(worst),
        par_words(point.fitted[0]),
        word if marked else "",
    ]


def layer_rows(found: WhatIf, order: Sequence[int], places: tuple[int, int], canvas: Canvas) -> list[Row]:
    """Return PAR by layer, held out, in `order`; `places` are the first that is shown and the cursor's.

    A layer that gets worse has the colour of a warning.
    """
    caps, judged = canvas.caps, found.held_out
    first, cursor = places
    shown = order[first : first + max(0, canvas.height - HEAD)]
    cells: list[Sequence[Cell]] = []
    for layer in shown:
        before, after = float(judged.before[layer]), float(judged.after[layer])
        style: Style | None = severity(caps, "warning") if after > before else None
        texts = [str(layer), par_words(before), par_words(after), par_words(float(found.fitted.after[layer]))]
        moved = "–" if found.moved is None else number(int(found.moved[layer]))
        cells.append([Segment(text, style) for text in (*texts, moved)])
    columns = [
        Column(_("layer"), 5),
        Column(_("before"), 6),
        Column(_("after"), 6),
        Column(_("fitted"), 6),
        Column(_("to move"), 7, priority=1),
    ]
    title = _("PAR by layer, held out · {first}–{last} of {count}").format(
        first=first + 1, last=first + len(shown), count=len(order)
    )
    bars = [
        (name, [float(pars[layer]) for layer in shown])
        for name, pars in ((_("before"), judged.before), (_("after"), judged.after))
    ]
    return _list(title, fitting(columns, canvas.width), cells, bars, canvas, cursor - first)


def _list(
    title: str,
    layout: Layout,
    cells: Sequence[Sequence[Cell]],
    pars: Sequence[tuple[str, Sequence[float]]],
    canvas: Canvas,
    cursor: int | None = None,
) -> list[Row]:
    """Return the title over a table with named bars of `pars` at its right where there is room."""
    width, height, caps = canvas.width, canvas.height, canvas.caps
    rows = table(cells, layout, height=max(0, height - 1), caps=caps, cursor=cursor)
    each = min(_WIDEST_BAR, (width - layout.width) // max(1, len(pars)) - 2)
    known = [value for _name, values in pars for value in values if not np.isnan(value)]
    high = max(known, default=1.0)
    drawn = []
    for place, line in enumerate(rows):
        bars: Row = []
        for name, values in pars if each >= _LEAST_BAR and place <= len(cells) else ():
            part = fraction(values[place - 1], 1.0, high) if place else None
            bars.append(Segment("  "))
            bars += bar(part, each, caps) if place else fit(name, each, caps=caps, style=dim(caps))
        drawn.append(row(line, bars, width=width))
    return [fit(title, width, caps=caps, style=strong(caps)), *drawn][:height]
