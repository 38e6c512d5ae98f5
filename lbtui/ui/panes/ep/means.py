"""Below the EP map: what each column holds on average over the layers, as numbers or as bars."""

from __future__ import annotations

from lbtui.render.canvas import Canvas
from lbtui.render.capabilities import Capabilities, Row
from lbtui.render.heatmap import cells_aside, reduce_extreme, reduce_max, without_aside
from lbtui.render.heatmap_view import span
from lbtui.render.lanes import Marks, lane, signed_lane
from lbtui.render.palette import (
    difference_style,
    dim,
    fraction,
    heat_style,
    signed_fraction,
    strong,
)
from lbtui.render.text import blank, fit, minus, number, row
from lbtui.text import _
from lbtui.ui.panes.ep.layout import GUTTER, Shown
from lbtui.ui.panes.ep.shown import column_of

# Bars lower than this tell less than the map above them.
_LEAST_BARS = 4
_MOST_BARS = 16


def mean_rows(drawn: Shown, room: int, caps: Capabilities) -> list[Row]:
    """Return the mean over layers of each column as numbers on their colour: this period, then the others."""
    data, state, shown, view, place = drawn.data, drawn.state, drawn.map, drawn.view, drawn.place
    if state.view == "times" or state.span is not None or shown.kind == "tokens":
        maps = [(_("mean"), shown)]
    else:
        numbers = data.periods.get(state.instance or "", ())
        others = [number for number in numbers if number != state.period]
        wanted = sorted([state.period, *others[: max(0, room - 1)]])
        maps = [
            (_("mean p{period}").format(period=period), found)
            for period in wanted
            if (found := data.maps.get((state.instance or "", state.view, period))) is not None
            and found.shape[1] == shown.shape[1]
        ]
    scale = drawn.scale
    rows = []
    for name, found in maps:
        title_style = strong(caps) if found is shown else dim(caps)
        title = fit(name, GUTTER - 1, caps=caps, align="right", style=title_style)
        cells: Row = []
        for column in range(view.left, min(view.left + place.map_width // view.cell_width, shown.shape[1])):
            value = float(found.means[column])
            text = number(value, max(1, view.cell_width - 1))
            if found.pair is not None:
                text = minus(f"{value:+.{2 if found.kind == 'multiple' else 3}f}").rjust(view.cell_width - 1)
                part = signed_fraction(value, scale.high)
                style = dim(caps) if part is None else difference_style(caps, part, background=True)
            else:
                part = fraction(value, scale.low, scale.high)
                style = dim(caps) if part is None else heat_style(caps, part, background=True)
            cells += fit(text + " ", view.cell_width, caps=caps, style=style)
        rows.append(row(title, " ", row(cells, width=place.map_width), width=place.main))
    return rows


def mean_bars(drawn: Shown, room: int, caps: Capabilities) -> list[Row]:
    """Return the mean over layers of each drawn column as bars below the map, if `room` lines allow it.

    The bars run over the map's colour scale, so that a colour says the same on both; as on the map a bar is
    the largest of what it covers, and those of shared experts are grey.
    """
    shown, view, place = drawn.map, drawn.view, drawn.place
    height = min(room - 1, _MOST_BARS)
    if height < _LEAST_BARS:
        return []
    _rows, columns = span(view, Canvas(place.map_width, 1, caps))
    part = shown.means[None, view.left : view.left + columns]
    aside = cells_aside(view, part.shape[1], shown.shared)
    reduce = reduce_max if shown.pair is None else reduce_extreme
    counted = without_aside(part, view, shown.shared, aside)
    values = reduce(counted, 1, view.columns_per_cell)[0].repeat(view.cell_width).tolist()
    grey = frozenset(cell * view.cell_width + x for cell in aside for x in range(view.cell_width))
    cursor = (column_of(drawn.state) - view.left) // view.columns_per_cell * view.cell_width
    if shown.pair is None:
        bars = lane(values, drawn.scale, caps, height=height, marks=Marks(cursor, aside=grey))
    else:
        bars = signed_lane(values, reach=drawn.scale.high, height=height, caps=caps, cursor=cursor)
    titles = [_("mean of"), _("all"), _("layers")]
    rows = [blank(place.main)]
    for index, line in enumerate(bars):
        title = titles[index] if index < len(titles) else ""
        left = fit(title, GUTTER - 1, caps=caps, align="right", style=dim(caps))
        rows.append(row(left, " ", line, width=place.main))
    return rows
