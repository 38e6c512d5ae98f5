"""The P/D pane of after − before: signed lanes, a table of differences, hand-offs side by side."""

from __future__ import annotations

import math

import numpy as np
from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style

from lbtui.analysis.imbalance import Floats
from lbtui.analysis.node_difference import NodeDifference
from lbtui.analysis.prefill_decode import Count, NodeTable, Spread, role_par, role_ratios, window_loads
from lbtui.profile import format_time
from lbtui.render import palette
from lbtui.render.canvas import Canvas
from lbtui.render.capabilities import Capabilities, Row
from lbtui.render.glyphs import glyphs
from lbtui.render.lanes import signed_lane
from lbtui.render.text import blank, fit, minus, number, printable, right, row, wrapped
from lbtui.text import _, in_list
from lbtui.ui.kit.rows import joined, percent, ratio_text
from lbtui.ui.kit.sides import side_chip, signed, signed_ratio
from lbtui.ui.panes.pd.lanes import squeezed, stacked
from lbtui.ui.panes.pd.layout import Lanes, Shown
from lbtui.ui.panes.pd.state import PdData, PdState, count_title, count_word, role_word
from lbtui.ui.panes.pd.table import TableDrawing

_LABEL, _FIGURE = 28, 9


def points(value: float) -> str:
    """Return a difference of shares in percentage points."""
    return "–" if math.isnan(value) else _("{points} pp").format(points=minus(f"{100 * value:+.0f}"))


def state_row(data: PdData, state: PdState, width: int, caps: Capabilities) -> Row:
    """Return the state line: what is subtracted, how the runs are laid on each other, the scale."""
    chip = side_chip(data.side, caps)
    title = _(" hand-offs and KV pulls") if state.transfers else f" {count_title(state.count)}"
    parts = [_("after − before")]
    table = data.table
    if isinstance(table, NodeDifference) and not state.transfers:
        before, after = table.both
        here, there = (format_time(side.times[0], 0, date=True) for side in (after, before))
        parts.append(_("both from their start: {here} over {there}").format(here=here, there=there))
        scales = in_list(
            f"{role_word(role)} ±{number(table.peak(state.count, role))}" for role in table.roles
        )
        parts.append(_("colour {scales}").format(scales=scales))
        parts.append(_("1 row = {seconds} s").format(seconds=f"{table.bin_seconds:g}"))
    if data.left_out:
        parts.insert(1, data.left_out)
    used = cell_len(title) + Segment.get_line_length(chip)
    return row(
        chip,
        fit(title, min(cell_len(title), width), caps=caps, style=palette.strong(caps)),
        fit(" ·", min(2, max(0, width - used)), caps=caps, style=palette.dim(caps)),
        joined(parts, max(0, width - used - 2), caps, palette.dim(caps)),
        width=width,
    )


def rows(shown: Shown, chart: list[Row] | None, canvas: Canvas) -> list[Row]:
    """Return the pane of a difference as rows that fill the canvas at most."""
    width, height, caps = canvas.width, canvas.height, canvas.caps
    data, placed, state = shown.data, shown.at, shown.state
    drawn = [state_row(data, state, width, caps)]
    if not isinstance(data.table, NodeDifference):
        why = _("No difference of requests per node: {why}.").format(why=data.left_out)
        lines = wrapped(why, max(1, width - 1), caps, palette.dim(caps))
        drawn += [blank(width), *(row(" ", line, width=width) for line in lines), blank(width)]
        return [*drawn, *_transfers(data, state, max(0, height - len(drawn)), width, caps)]
    if placed.chart and not state.transfers:
        drawn += (chart or [])[: placed.chart]
        drawn += [blank(width)] * (placed.chart + 1 - len(drawn))
    elif placed.lanes:
        drawn += lane_rows(shown, data.table, placed.lanes, canvas)
    if placed.grid:
        drawn += DifferenceDrawing(shown, placed.grid, caps).rows(width)
    elif state.transfers:
        drawn += _transfers(data, state, max(0, height - len(drawn) - placed.reading), width, caps)
    if state.transfers:
        reading = [joined(_transfer_words(data, state), width, caps)][: placed.reading]
    else:
        reading = reading_rows(shown, data.table, width, caps)
    drawn = drawn[: max(0, height - len(reading))]
    return [*drawn, *[blank(width)] * (height - len(reading) - len(drawn)), *reading]


# Lanes


def lane_rows(shown: Shown, table: NodeDifference, lanes: Lanes, canvas: Canvas) -> list[Row]:
    """Return signed lanes under their roles' headings, with each node's figures before and after."""
    count, window, caps = shown.state.count, shown.window, canvas.caps
    loads = window_loads(table, count, *window)
    before, after = (role_ratios(side, window_loads(side, count, *window)) for side in table.both)

    def of_node(node: int) -> tuple[list[Row], Row]:
        drawn = signed_lane(
            squeezed_furthest(table.counts[count][:, node], lanes.columns).tolist(),
            reach=table.peak(count, table.nodes[node].role) or 1.0,
            # An odd one has a blank line above, which keeps lanes apart.
            height=lanes.lane_height - (lanes.lane_height > 2 and lanes.lane_height % 2 == 0),
            caps=caps,
            cursor=lanes.column_of(shown.state.bin, len(table.times)),
            lit_row=node == shown.state.node,
        )
        peers = len(table.of_role(table.nodes[node].role))
        change = float(after[node] - before[node])
        text = f"{signed(float(loads[node]), 8)}{points(change / peers):>7}{signed_ratio(change):>8}"
        drawn = [blank(lanes.columns)] * (lanes.lane_height - len(drawn)) + drawn
        return drawn, fit(text, lanes.statistics, caps=caps) if lanes.statistics else []

    return stacked(shown, lanes, canvas, lambda role: (_role_parts(shown, table, role), _("change")), of_node)


def squeezed_furthest(values: Floats, columns: int) -> Floats:
    """Return the differences of bins as columns: of several bins the furthest from 0."""
    most, least = squeezed(values, columns), -squeezed(-values, columns)
    return np.where(np.nan_to_num(most) >= -np.nan_to_num(least), most, least)


def _role_parts(shown: Shown, table: NodeDifference, role: str) -> list[str]:
    """Return a role's sums and PAR before and after."""
    count, window = shown.state.count, shown.window
    sums = [float(np.nansum(window_loads(side, count, *window)[side.of_role(role)])) for side in table.both]
    pars = [ratio_text(role_par(side, role, *window, count)) for side in table.both]
    mean = _("mean ") if count == "running" else ""
    return [
        _("{mean}{before} → {after} {count}").format(
            mean=mean, before=number(sums[0]), after=number(sums[1]), count=count_word(count)
        ),
        _("PAR {before} → {after}").format(before=pars[0], after=pars[1]),
    ]


# The table


class DifferenceDrawing(TableDrawing):
    """Draws the table of a difference: signed numbers on the diverging colours."""

    _table: NodeDifference

    def _part(self, count: Count, place: int, node: int) -> float | None:
        peak = self._table.peak(count, self._table.nodes[node].role) or 1.0
        return palette.signed_fraction(float(self._table.counts[count][place, node]), peak)

    def _calm(self, part: float | None, *, muted: bool) -> Style:
        return palette.dim(self._caps)

    def _number(self, value: float, digits: int) -> str:
        return (
            super()._number(value, digits)
            if math.isnan(value)
            else printable(signed(value, digits), self._caps)
        )

    def _shade(self, part: float) -> str:
        signs = glyphs(self._caps).signed
        return signs[round((part + 1) / 2 * (len(signs) - 1))]

    def _tint(self, part: float, *, muted: bool) -> Style:
        if muted:
            return palette.dim(self._caps)
        return palette.difference_style(self._caps, part, background=True)

    def _node_sums(self, count: Count) -> Floats:
        return window_loads(self._table, count, *self._window)

    def _role_sum(self, count: Count, role: str) -> float:
        sums = self._node_sums(count)[self._table.of_role(role)]
        return float(np.nansum(sums)) if not np.isnan(sums).all() else math.nan

    def _sum_word(self, count: Count) -> str:
        return _("change")

    def _share_texts(self, node: int) -> tuple[str, str]:
        before, after = (
            role_ratios(side, window_loads(side, "added", *self._window))[node] for side in self._table.both
        )
        peers = len(self._table.of_role(self._table.nodes[node].role))
        share = points(float(after - before) / peers)
        return f"{share} {signed_ratio(float(after - before))}×", share.replace(" ", "")

    def _par_texts(self, role: str) -> tuple[str, str]:
        before, after = (role_par(side, role, *self._window) for side in self._table.both)
        return _("PAR {par}").format(par=signed_ratio(after - before)), signed_ratio(after - before)


# Reading


def reading_rows(shown: Shown, table: NodeDifference, width: int, caps: Capabilities) -> list[Row]:
    """Return the cell under the cursor before and after, then its node over the window."""
    return [joined(parts, width, caps) for parts in _cell_words(shown, table)][: shown.at.reading]


def reading(shown: Shown) -> list[str]:
    """Return what is to say of what is under the cursor: a cell and its node, or a hand-off."""
    table = shown.data.table
    if isinstance(table, NodeDifference) and not shown.state.transfers:
        first, second = _cell_words(shown, table)
        return [*first, *second]
    return [] if shown.data.before is None else _transfer_words(shown.data, shown.state)


def _cell_words(shown: Shown, table: NodeDifference) -> tuple[list[str], list[str]]:
    """Return the cell under the cursor before and after, then its node over the window."""
    before, after = table.both
    state, window = shown.state, shown.window
    node = table.nodes[state.node]
    time = format_time(table.times[state.bin], 0, date=table.dated)
    first = [_("{time} · {node} {role}").format(time=time, node=node.address, role=role_word(node.role))]
    first += [
        _change(count_word(count), _cell(before, state, count), _cell(after, state, count))
        for count in ("added", "ended", "running")
    ]
    if before.nodes[state.node].address != node.address:
        first.append(_("before it was {node}").format(node=before.nodes[state.node].address))
    peers = len(table.of_role(node.role))
    ratios = [
        float(role_ratios(side, window_loads(side, "added", *window))[state.node]) for side in table.both
    ]
    pars = [ratio_text(role_par(side, node.role, *window)) for side in table.both]
    second = [
        _("{when}: share of {role} {before} → {after}").format(
            when=shown.extent,
            role=role_word(node.role),
            before=percent(ratios[0] / peers),
            after=percent(ratios[1] / peers),
        ),
        _("{before} → {after}× mean").format(before=ratio_text(ratios[0]), after=ratio_text(ratios[1])),
        _("PAR {before} → {after}").format(before=pars[0], after=pars[1]),
    ]
    return first, second


def _cell(table: NodeTable, state: PdState, count: Count) -> float:
    return float(table.counts[count][state.bin, state.node])


def _change(name: str, before: float, after: float) -> str:
    return _("{name} {before} → {after} ({difference})").format(
        name=name, before=number(before), after=number(after), difference=signed(after - before)
    )


# Hand-offs and KV pulls


def _transfers(data: PdData, state: PdState, lines: int, width: int, caps: Capabilities) -> list[Row]:
    """Return the stages of hand-offs and the pulls of each rank, before and after."""
    before = data.before
    assert before is not None
    drawn: list[Row] = []
    place = 0
    for title, ours, theirs in (
        (_(" hand-off, ms"), data.stages, before.stages),
        (_(" KV pull per decode rank, ms"), data.pulls, before.pulls),
    ):
        if ours:
            drawn.append(_transfer_heading(title, width, caps))
        for after, other in zip(ours, theirs, strict=True):
            drawn.append(_transfer_line(after, other, place == state.line, width, caps))
            place += 1
    first = max(0, min(state.line - lines // 2, len(drawn) - lines)) if lines < len(drawn) else 0
    return drawn[first : first + lines]


def _transfer_words(data: PdData, state: PdState) -> list[str]:
    assert data.before is not None
    ours, theirs = [*data.stages, *data.pulls], [*data.before.stages, *data.before.pulls]
    if state.line >= len(ours):
        return []
    after, before = ours[state.line], theirs[state.line]
    words = [after.label]
    for name, a, b in (
        (_("n"), float(after.known), float(before.known)),
        (_("mean"), after.mean, before.mean),
        (_("p50"), after.p50, before.p50),
        (_("p95"), after.p95, before.p95),
        (_("max"), after.max, before.max),
    ):
        words.append(_change(name, b, a))
    return [*words, _("times in ms")]


def _transfer_heading(title: str, width: int, caps: Capabilities) -> Row:
    words = [_("p50 before"), _("after"), _("change"), _("p95 before"), _("after"), _("change")]
    cells = "".join(right(word, _FIGURE + 2) for word in words)
    return row(
        fit(title, min(_LABEL, width), caps=caps, style=palette.strong(caps)),
        fit(cells, max(0, width - _LABEL), caps=caps, style=palette.dim(caps)),
        width=width,
    )


def _transfer_line(after: Spread, before: Spread, here: bool, width: int, caps: Capabilities) -> Row:
    mark = glyphs(caps).right[-1] if here else " "
    style = palette.selected(caps) if here else None
    cells: list[Segment] = []
    for a, b in ((after.p50, before.p50), (after.p95, before.p95)):
        reach = max(abs(a), abs(b))
        part = palette.signed_fraction(a - b, reach)
        ink = palette.dim(caps) if part is None else palette.difference_style(caps, part)
        cells += [
            Segment(f"{number(b):>{_FIGURE + 2}}{number(a):>{_FIGURE + 2}}"),
            Segment(printable(f"{signed(a - b):>{_FIGURE + 2}}", caps), ink),
        ]
    return row(fit(mark + after.label, _LABEL, caps=caps, style=style), row(*cells, width=66), width=width)
