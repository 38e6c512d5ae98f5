"""The table of the P/D pane: time × node, tinted by how far a node is above its peers, with totals."""

from __future__ import annotations

import numpy as np
from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style

from lbtui.analysis.imbalance import Floats
from lbtui.analysis.prefill_decode import (
    Count,
    NodeTable,
    beyond_role,
    peak_running,
    role_par,
    role_ratios,
    role_total,
    window_loads,
)
from lbtui.profile import format_time
from lbtui.render import palette
from lbtui.render.capabilities import Capabilities, Row
from lbtui.render.glyphs import glyphs, shades
from lbtui.render.text import fit, number, row
from lbtui.text import _, in_list
from lbtui.ui.kit.heat import heat_of
from lbtui.ui.kit.rows import percent, ratio_text
from lbtui.ui.panes.pd.layout import Grid, Shown
from lbtui.ui.panes.pd.state import count_head, node_names, role_word


class TableDrawing:
    """Draws the rows of one table; holds what all its cells share."""

    def __init__(self, shown: Shown, grid: Grid, caps: Capabilities) -> None:
        self._table = table = shown.table
        self._state = shown.state
        self._grid = grid
        self._lit = shown.lit
        self._caps = caps
        self._window = shown.window
        self._roles = {
            (count, role): role_total(table, count, table.of_role(role))
            for count in grid.counts
            for role in table.roles
        }

    def rows(self, width: int) -> list[Row]:
        """Return headers, the bins in view, sums and shares."""
        first = self._state.first_bin
        return [
            *self._headers(width),
            *(self._bin(place, width) for place in range(first, first + self._grid.rows)),
            self._sums(width),
            self._shares(width),
        ]

    def _headers(self, width: int) -> list[Row]:
        caps, grid = self._caps, self._grid
        short = node_names(self._table)
        names: list[Segment] = [*fit("", grid.time, caps=caps)]
        counts: list[Segment] = [*fit(_(" time"), grid.time, caps=caps, style=palette.dim(caps))]
        for node in grid.nodes:
            full = f"{short[node][:1]} {self._table.hosts[node]}"
            name = full if cell_len(full) <= grid.group else short[node]
            style = palette.selected(caps) if node == self._state.node else palette.strong(caps)
            names += [*fit(_tail(name, grid.group), grid.group, caps=caps, align="right", style=style)]
            names.append(Segment(" "))
        self._divide(names)
        for role in self._table.roles:
            name = _("all {role}").format(role=role_word(role))
            name = name if cell_len(name) <= grid.group else role[:1].upper() + _(" all")
            names += [*fit(name, grid.group, caps=caps, align="right", style=palette.dim(caps)), Segment(" ")]
        for place in range(len(grid.nodes) + len(self._table.roles)):
            if place == len(grid.nodes):
                self._divide(counts)
            parts: list[Segment] = []
            for count, digits in zip(grid.counts, grid.digits, strict=True):
                chosen = count == self._state.count and len(grid.counts) > 1
                style = palette.strong(caps) if chosen else palette.dim(caps)
                parts += [
                    *fit(count_head(count), digits, caps=caps, align="right", style=style),
                    Segment(" "),
                ]
            counts += self._group(parts)
        return [row(names, width=width), row(counts, width=width)]

    def _group(self, parts: list[Segment]) -> list[Segment]:
        """Return a group's cells moved to its right, with the gap behind."""
        used = sum(self._grid.digits) + len(self._grid.digits)
        return [Segment(" " * (self._grid.group - used)), *parts, Segment(" ")]

    def _divide(self, parts: list[Segment]) -> None:
        """Turn the gap behind the nodes into the line before the roles' sums."""
        parts[-1] = Segment(glyphs(self._caps).column, palette.dim(self._caps))

    def _bin(self, place: int, width: int) -> Row:
        caps = self._caps
        lit = self._lit is None or self._lit[0] <= place < self._lit[1]
        here = place == self._state.bin
        style = palette.selected(caps) if here or (lit and self._lit) else None if lit else palette.dim(caps)
        mark = glyphs(caps).right[-1] if here else " "
        parts: list[Segment] = [
            *fit(mark + time_text(self._table, place, self._grid), self._grid.time, caps=caps, style=style)
        ]
        for node in self._grid.nodes:
            parts += self._cell(place, node, muted=not lit)
        self._divide(parts)
        for role in self._table.roles:
            cells: list[Segment] = []
            for count, digits in zip(self._grid.counts, self._grid.digits, strict=True):
                value = float(self._roles[count, role][place])
                ink = palette.dim(caps) if value == 0 or not lit else None
                cells.append(Segment(self._number(value, digits) + " ", ink))
            parts += self._group(cells)
        return row(parts, width=width)

    def _cell(self, place: int, node: int, *, muted: bool) -> list[Segment]:
        caps, table, state = self._caps, self._table, self._state
        under = place == state.bin and node == state.node
        cells: list[Segment] = []
        for count, digits in zip(self._grid.counts, self._grid.digits, strict=True):
            value = float(table.counts[count][place, node])
            part = self._part(count, place, node)
            text = self._number(value, digits)
            if count == "running" and table.rebuilt[place, node]:
                text += glyphs(caps).rebuilt
            elif caps.colors == "none" and part:
                text += self._shade(part)
            else:
                text += " "
            cursor = under and count == state.count
            style = self._style(part, muted=muted, cursor=cursor, under=under)
            # No load is grey: what has a colour carries some.
            cells.append(Segment(text, palette.dim(caps) if not value and not under else style))
        return self._group(cells)

    def _style(self, part: float | None, *, muted: bool, cursor: bool, under: bool) -> Style:
        if cursor:
            return palette.cursor(self._caps)
        if not part:
            return palette.selected(self._caps) if under else self._calm(part, muted=muted)
        return self._tint(part, muted=muted)

    # What a difference draws in another way.

    def _part(self, count: Count, place: int, node: int) -> float | None:
        """Return what tells how far a cell is from its peers; 0 where not at all, None where unknown."""
        apart = float(beyond_role(self._table, count)[place, node])
        return None if np.isnan(apart) else heat_of(np.array([apart]))[0]

    def _calm(self, part: float | None, *, muted: bool) -> Style:
        return palette.dim(self._caps) if part is None or muted else Style.null()

    def _number(self, value: float, digits: int) -> str:
        return glyphs(self._caps).missing.rjust(digits) if np.isnan(value) else number(value, digits)

    def _shade(self, part: float) -> str:
        ramp = shades(self._caps)
        return ramp[max(1, round(part * (len(ramp) - 1)))]

    def _tint(self, part: float, *, muted: bool) -> Style:
        return palette.heat_style(self._caps, part, background=True, muted=muted)

    def _node_sums(self, count: Count) -> Floats:
        first, last = self._window
        if count == "running":
            return peak_running(self._table, first, last)
        return window_loads(self._table, count, first, last)

    def _role_sum(self, count: Count, role: str) -> float:
        first, last = self._window
        series = self._roles[count, role][first:last]
        known = series[~np.isnan(series)]
        if not len(known):
            return np.nan
        return float(known.max() if count == "running" else known.sum())

    def _share_texts(self, node: int) -> tuple[str, str]:
        """Return a node's share with its ratio, and alone."""
        ratios = role_ratios(self._table, window_loads(self._table, "added", *self._window))
        share = percent(float(ratios[node]) / len(self._table.of_role(self._table.nodes[node].role)))
        return f"{share} {ratio_text(float(ratios[node]))}×", share

    def _par_texts(self, role: str) -> tuple[str, str]:
        """Return a role's PAR with and without its name."""
        figure = ratio_text(role_par(self._table, role, *self._window))
        return _("PAR {par}").format(par=figure), figure

    def _sums(self, width: int) -> Row:
        caps, table, grid = self._caps, self._table, self._grid
        values = {count: self._node_sums(count) for count in grid.counts}
        words = [self._sum_word(count) for count in grid.counts]
        title = in_list(dict.fromkeys(words))
        parts: list[Segment] = [*fit(f" {title}", grid.time, caps=caps, style=palette.dim(caps))]
        strong = palette.strong(caps)
        for node in grid.nodes:
            parts += self._group(
                [
                    Segment(self._number(float(values[count][node]), digits) + " ", strong)
                    for count, digits in zip(grid.counts, grid.digits, strict=True)
                ]
            )
        self._divide(parts)
        for role in table.roles:
            parts += self._group(
                [
                    Segment(self._number(self._role_sum(count, role), digits) + " ", strong)
                    for count, digits in zip(grid.counts, grid.digits, strict=True)
                ]
            )
        return row(parts, width=width)

    def _sum_word(self, count: Count) -> str:
        return _("max") if count == "running" else _("sum")

    def _shares(self, width: int) -> Row:
        caps, grid = self._caps, self._grid
        dim = palette.dim(caps)
        parts: list[Segment] = [*fit(_(" share"), grid.time, caps=caps, style=dim)]
        for node in grid.nodes:
            parts += self._first_fitting(*self._share_texts(node))
        self._divide(parts)
        for role in self._table.roles:
            parts += self._first_fitting(*self._par_texts(role))
        return row(parts, width=width)

    def _first_fitting(self, long: str, short: str) -> list[Segment]:
        caps, group = self._caps, self._grid.group
        text = long if len(long) < group else short
        return [*fit(text + " ", group, caps=caps, align="right", style=palette.dim(caps)), Segment(" ")]


def time_text(table: NodeTable, place: int, grid: Grid) -> str:
    """Return the time of a bin as the table shows it, with the day where the table spans several."""
    text = format_time(table.times[place], grid.decimals, date=True)
    return text[5:] if grid.time >= 15 else text[11:]


def _tail(name: str, width: int) -> str:
    """Return the end of a name too long, where nodes differ."""
    return name if len(name) <= width else name[:1] + name[-(width - 1) :]
