"""Under the EP map: how uneven the ranks are over the iterations, and where the cursor is among them."""

from __future__ import annotations

import numpy as np

from lbtui.analysis.eplb.over_time import Columns, balance_top, par_top
from lbtui.analysis.imbalance import Floats
from lbtui.profile import format_time
from lbtui.render.canvas import Scale
from lbtui.render.capabilities import Capabilities, Row
from lbtui.render.glyphs import glyphs
from lbtui.render.lanes import Marks, lane
from lbtui.render.palette import accent, dim
from lbtui.render.text import fit, fit_parts, number, row
from lbtui.text import _
from lbtui.ui.panes.ep.data import EpData
from lbtui.ui.panes.ep.iterations import EpOver, cell_width, columns
from lbtui.ui.panes.ep.layout import GUTTER, Layout
from lbtui.ui.panes.ep.shown import EpState, over_of
from lbtui.ui.panes.ep.words import iteration_words

# Room for an iteration's number and a gap.
_TICK = 12


def time_rows(data: EpData, state: EpState, place: Layout, caps: Capabilities) -> list[Row]:
    """Return the block as `place.time` rows: words, lanes, an axis."""
    over = over_of(data, state)
    if not place.time or over is None:
        return []
    shown = columns(over, place.map_width)
    cursor = None if state.span is None else shown.column_of(state.span[0])
    cell = cell_width(shown, place.map_width)
    words = _whole_words(over, shown) if cursor is None else _moment_words(over, shown, cursor, state)
    place_of_cursor = None if cursor is None else cursor * cell + cell // 2
    rows = [fit_parts(words, place.main, caps=caps, style=None if cursor is None else accent(caps))]
    of_par, of_balance = Scale(1.0, par_top(over.figures)), Scale(0.0, balance_top(over.figures))
    figures: list[tuple[str, Floats, Scale]] = [
        (_("PAR mean"), shown.mean, of_par),
        (_("PAR max"), shown.worst, of_par),
        (_("balance"), shown.balance, of_balance),
    ]
    marks = Marks(place_of_cursor, here=True)
    for title, values, scale in figures[: place.time - 1]:
        wide = np.repeat(values, cell).tolist()
        for index, line in enumerate(lane(wide, scale, caps, height=place.lane, marks=marks, parted=True)):
            name = title if index == place.lane - 1 else ""
            left = fit(name, GUTTER - 1, caps=caps, align="right", style=dim(caps))
            rows.append(row(left, " ", row(line, width=place.map_width), width=place.main))
    if place.time > len(figures) * place.lane + 1:
        rows.append(row(" " * GUTTER, _axis(over, shown, cell, place.map_width, caps), width=place.main))
    return rows[: place.time]


def _most(values: Floats, least: float) -> float:
    return float(np.nanmax(values, initial=least))


def _least(values: Floats) -> float:
    return float(np.nanmin(values, initial=np.inf))


def _from_to(low: str, high: str) -> str:
    return low if low == high else f"{low}–{high}"


def _whole_words(over: EpOver, shown: Columns) -> str:
    count = len(over.series.period)
    if not np.isfinite(shown.mean).any():
        return _("{count} iterations, none with tokens").format(count=number(count))
    parts = [
        _("{count} iterations").format(count=number(count)),
        _("PAR mean {mean}, max {worst}").format(
            mean=_from_to(f"{_least(over.figures.mean):.2f}", f"{_most(over.figures.mean, 1.0):.2f}"),
            worst=f"{_most(over.figures.worst, 1.0):.2f}",
        ),
        _("balance {range} tokens").format(
            range=_from_to(number(_least(over.figures.balance)), number(_most(over.figures.balance, 0.0)))
        ),
    ]
    each = -(-count // max(1, len(shown.mean)))
    if each > 1:
        parts.append(_("1 column up to {each}").format(each=each))
    if over.series.passes:
        parts.append(_("each {passes} forward passes").format(passes=over.series.passes))
    return _("over time: {parts}").format(parts=" · ".join(parts))


def _moment_words(over: EpOver, shown: Columns, column: int, state: EpState) -> str:
    if state.span is None:
        return ""
    parts = [iteration_words(state.span)]
    if np.isnan(shown.mean[column]):
        parts.append(_("no tokens"))
    else:
        parts += [
            _("PAR mean {mean}, max {worst} (layer {layer})").format(
                mean=f"{shown.mean[column]:.2f}",
                worst=f"{shown.worst[column]:.2f}",
                layer=int(shown.worst_layer[column]),
            ),
            _("balance {ratio} tokens").format(ratio=number(float(shown.balance[column]))),
        ]
    if shown.changed[column]:
        parts.append(_("new table"))
    if over.series.time is not None:
        parts.append(format_time(over.series.time[state.span[0]].astype("datetime64[us]").item(), 1))
    return " · ".join(parts)


def _axis(over: EpOver, shown: Columns, cell: int, width: int, caps: Capabilities) -> Row:
    """Return where the expert table changed, and the iterations' numbers where these leave room."""
    text = [" "] * width
    for column, changed in enumerate(shown.changed):
        if changed:
            period = over.period_of(int(shown.edges[column + 1]) - 1)
            _put(text, column * cell, f"{glyphs(caps).column}p{period}", room=0)
    for column in range(0, len(shown.mean), -(-_TICK // cell)):
        _put(text, column * cell, str(int(shown.edges[column])), room=1)
    return fit("".join(text), width, caps=caps, style=dim(caps))


def _put(text: list[str], at: int, label: str, room: int) -> None:
    """Write a label where nothing is written, nor within `room` cells before or after it."""
    before, after = max(0, at - room), at + len(label) + room
    if at + len(label) <= len(text) and all(cell == " " for cell in text[before:after]):
        text[at : at + len(label)] = label
