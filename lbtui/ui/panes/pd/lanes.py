"""The upper part of the P/D pane: one lane per node, or the line chart."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta

import numpy as np
from rich.cells import cell_len
from rich.segment import Segment

from lbtui.analysis.imbalance import Floats
from lbtui.analysis.prefill_decode import (
    Count,
    NodeTable,
    beyond_role,
    node_shares,
    role_chance_par,
    role_par,
    role_ratios,
    window_loads,
)
from lbtui.profile import format_time
from lbtui.render import palette
from lbtui.render.axis import nice_step, time_axis
from lbtui.render.canvas import Canvas, Scale
from lbtui.render.capabilities import Capabilities, Row
from lbtui.render.chart import Chart, line_chart
from lbtui.render.glyphs import glyphs
from lbtui.render.lanes import Marks, lane
from lbtui.render.text import fit, number, right, row
from lbtui.text import _
from lbtui.ui.kit.heat import heat_of
from lbtui.ui.kit.rows import joined, percent, ratio_text
from lbtui.ui.panes.pd.layout import Lanes, Shown
from lbtui.ui.panes.pd.state import PdState, count_word, role_word, shown_nodes
from lbtui.ui.panes.pd.ways import Way, way_row

# Lines of a chart that can be told apart.
MOST_LINES = 8
_TICK_CELLS = 12


def lane_rows(shown: Shown, lanes: Lanes, canvas: Canvas) -> list[Row]:
    """Return the lanes under their roles' headings, and the axis.

    Beside each lane stand the node's figure over the lit bins (all without a window), its share and its
    ratio to the mean of its role's nodes.
    """
    table, state, window, caps = shown.table, shown.state, shown.window, canvas.caps
    loads = window_loads(table, state.count, *window)
    ratios = role_ratios(table, loads)
    outstanding = {s.node for s in node_shares(table, *window) if s.stands_out}

    def of_node(node: int) -> tuple[list[Row], Row]:
        marked = state.count != "running" and table.nodes[node] in outstanding
        peers = len(table.of_role(table.nodes[node].role))
        figures = float(loads[node]), float(ratios[node]), peers
        return _lane(shown, node, lanes, caps), _statistics(*figures, marked, lanes.statistics, caps)

    return stacked(shown, lanes, canvas, lambda role: _heading(shown, role), of_node)


def stacked(
    shown: Shown,
    lanes: Lanes,
    canvas: Canvas,
    heading: Callable[[str], tuple[Sequence[str], str]],
    of_node: Callable[[int], tuple[list[Row], Row]],
) -> list[Row]:
    """Return lanes under the headings of their roles, and the axis.

    `heading` gives the parts of a role's heading, and what the first figure beside its lanes is; `of_node`
    the lines of a node's lane, and its figures.
    """
    table, width, caps = shown.table, canvas.width, canvas.caps
    rows: list[Row] = []
    for item in lanes.items:
        if isinstance(item, str):
            rows.append(_heading_row(item, *heading(item), lanes, width, caps))
            continue
        style = palette.selected(caps) if item == shown.state.node else None
        name = fit(f" {table.hosts[item]}", lanes.label, caps=caps, style=style)
        lines, figures = of_node(item)
        rows += [row(" " * lanes.label, line, width=width) for line in lines[:-1]]
        rows.append(row(name, lines[-1], figures, width=width))
    rows += [_way_row(shown, way, lanes, canvas) for way in shown.data.ways[: lanes.ways]]
    return [*rows, row(" " * lanes.label, _axis(table, lanes.columns, caps), width=width)]


def _way_row(shown: Shown, way: Way, lanes: Lanes, canvas: Canvas) -> Row:
    bins, lit = len(shown.table.times), shown.lit
    marks = Marks(
        cursor=lanes.column_of(shown.state.bin, bins),
        lit=lit and lanes.span(*lit, bins),
        # It has no peers to stand above.
        heat=[0.0] * lanes.columns,
    )
    cells = (lanes.label, lanes.statistics, canvas.width)
    if way.across and shown.data.doubt:
        way = replace(way, name=f"{way.name} ?")
    return way_row(way, squeezed(way.longest, lanes.columns), cells, marks, canvas.caps)


def _heading(shown: Shown, role: str) -> tuple[list[str], str]:
    table, count, window = shown.table, shown.state.count, shown.window
    total = float(np.nansum(window_loads(table, count, *window)[table.of_role(role)]))
    running = count == "running"
    words = _("mean {total} {count}") if running else _("{total} {count}")
    parts = [
        words.format(total=number(total), count=count_word(count)),
        _("PAR {par}").format(par=ratio_text(role_par(table, role, *window, count))),
    ]
    if count == "added":
        parts.append(_("chance alone {par}").format(par=ratio_text(role_chance_par(table, role, *window))))
    return parts, _("mean") if running else _("total")


def _heading_row(
    role: str, parts: Sequence[str], figure: str, lanes: Lanes, width: int, caps: Capabilities
) -> Row:
    """Return a role's heading above its lanes: the parts, and what the figures beside the lanes are."""
    titles = (
        right(figure, 8) + right(_("share"), 7) + right(_("× mean"), 8) + "   " if lanes.statistics else ""
    )
    left = [
        *fit(f" {role_word(role)}  ", lanes.label, caps=caps, style=palette.strong(caps)),
        *joined(parts, lanes.columns, caps, palette.dim(caps)),
    ]
    return row(left, fit(titles, cell_len(titles), caps=caps, style=palette.dim(caps)), width=width)


def _statistics(
    load: float, ratio: float, peers: int, marked: bool, width: int, caps: Capabilities
) -> list[Segment]:
    if not width:
        return []
    style = palette.severity(caps, "critical") if marked else None
    text = f"{number(load, 8)}{percent(ratio / peers):>7}{ratio_text(ratio):>8} "
    return [
        *fit(text, width - 2, caps=caps, style=style),
        Segment(glyphs(caps).critical if marked else "  ", style),
    ]


def _lane(shown: Shown, node: int, lanes: Lanes, caps: Capabilities) -> list[Row]:
    table, state, lit = shown.table, shown.state, shown.lit
    bins = len(table.times)
    high = table.peak(state.count, table.nodes[node].role) or 1.0
    rebuilt = squeezed(table.rebuilt[:, node].astype(float), lanes.columns) > 0
    return lane(
        squeezed(table.counts[state.count][:, node], lanes.columns).tolist(),
        Scale(0.0, high),
        caps,
        height=lanes.lane_height,
        marks=Marks(
            cursor=lanes.column_of(state.bin, bins),
            here=node == state.node,
            underlined=rebuilt.tolist() if state.count == "running" else None,
            lit=lit and lanes.span(*lit, bins),
            heat=heat_of(squeezed(beyond_role(table, state.count)[:, node], lanes.columns)),
        ),
    )


def squeezed(values: Floats, columns: int) -> Floats:
    """Return the values of bins as `columns` columns: each bin repeated, or the largest of several bins."""
    bins = len(values)
    starts = np.arange(columns) * bins // columns
    return values[starts] if bins <= columns else np.fmax.reduceat(values, starts)


def _axis(table: NodeTable, columns: int, caps: Capabilities) -> Row:
    length = timedelta(seconds=table.bin_seconds)
    if table.even:
        return time_axis(table.times[0], table.times[-1] + length, columns, caps)
    # Bins are not evenly spaced: only the ends can be named.
    left, right = (format_time(time, 0, date=table.dated) for time in (table.times[0], table.times[-1]))
    text = left + " " * max(1, columns - len(left) - len(right)) + right
    return fit(text, columns, caps=caps, style=palette.dim(caps))


def chart_nodes(table: NodeTable, state: PdState) -> tuple[int, ...]:
    """Return the nodes of the line chart: those shown, of more than eight the busiest and the cursor's."""
    shown = shown_nodes(table, state)
    if len(shown) <= MOST_LINES:
        return tuple(shown)
    loads = np.nan_to_num(window_loads(table, state.count))
    chosen = sorted(shown, key=lambda i: (i != state.node, -loads[i]))[:MOST_LINES]
    return tuple(sorted(chosen))


def chart_x(table: NodeTable, bin: int) -> float:
    """Return where a bin stands in the line chart: seconds since the first."""
    return float(table.starts[bin] - table.starts[0]) / 1e6


def chart_rows(table: NodeTable, count: Count, nodes: Sequence[int], canvas: Canvas) -> Chart:
    """Return the line chart of a count, x = time of day, one line per node. Takes tens of ms."""
    xs = [chart_x(table, bin) for bin in range(len(table.times))]
    return line_chart(
        [
            (
                f"{table.nodes[i].role[:1].upper()} {table.hosts[i]}",
                xs,
                table.counts[count][:, i].tolist(),
            )
            for i in nodes
        ],
        canvas,
        y_label=(
            _("requests running at the end of each {seconds} s")
            if count == "running"
            else _("requests {count} in each {seconds} s")
        ).format(count=count_word(count), seconds=f"{table.bin_seconds:g}"),
        x_ticks=_ticks(table, canvas.width),
    )


def _ticks(table: NodeTable, width: int) -> list[tuple[float, str]]:
    span = max(float(table.starts[-1] - table.starts[0]) / 1e6, table.bin_seconds)
    least = max(span * _TICK_CELLS / max(width, _TICK_CELLS), table.bin_seconds)
    step = nice_step(timedelta(seconds=least)).total_seconds()
    # Round in the files' zone, whose offset is a whole number of hours.
    offset = -(float(table.starts[0]) / 1e6) % step
    count = int((span - offset) // step) + 1 if offset <= span else 0
    places = [offset + i * step for i in range(count)]
    cut = 5 if table.dated else 0  # no label has room for the year
    times = [table.times[0] + timedelta(seconds=x) for x in places]
    labels = [format_time(time, 0, date=table.dated)[cut:] for time in times]
    return list(zip(places, labels, strict=True))
