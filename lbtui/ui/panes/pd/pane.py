"""The P/D pane: requests per prefill and decode node over time, and their hand-offs."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import polars as pl
from textual import events
from textual.binding import BindingType
from textual.message import Message

from lbtui.analysis.node_events import node_events
from lbtui.analysis.prefill_decode import (
    COUNTS,
    Count,
    NodeTable,
    node_table,
    outstanding,
    stage_spreads,
    transfer_spreads,
)
from lbtui.findings.doubts import doubt_of
from lbtui.profile import FrameName, Profile
from lbtui.profile.collect import COLLECT, words_of
from lbtui.render.canvas import Canvas
from lbtui.render.capabilities import Capabilities, Row
from lbtui.render.chart import Chart
from lbtui.text import _
from lbtui.ui.kit import keys
from lbtui.ui.kit.background import in_background
from lbtui.ui.kit.filtering import Filtered
from lbtui.ui.kit.keys import key
from lbtui.ui.kit.pages import TextPage
from lbtui.ui.kit.pane import Aim, HelpEntry, PaneProgress
from lbtui.ui.kit.parts import Taken
from lbtui.ui.kit.saved import over_time, zoned
from lbtui.ui.kit.selection import Selection, Side
from lbtui.ui.kit.sides import SIDE_HELP
from lbtui.ui.kit.window import Window
from lbtui.ui.panes.pd import at as pd_at
from lbtui.ui.panes.pd import state as pd_state
from lbtui.ui.panes.pd.bins import in_view
from lbtui.ui.panes.pd.help import HELP
from lbtui.ui.panes.pd.lanes import chart_nodes, chart_rows, chart_x
from lbtui.ui.panes.pd.layout import Layout, Shown, clicked, layout
from lbtui.ui.panes.pd.sides import furthest, shift, shifted, sides, switched
from lbtui.ui.panes.pd.state import PdData, PdState
from lbtui.ui.panes.pd.view import copied_text, draw
from lbtui.ui.panes.pd.ways import ways_of
from lbtui.ui.panes.pd.words import cell_page
from lbtui.ui.panes.replay.kept import Kept as ReplayKept
from lbtui.ui.panes.replay.kept import why_not_replayed


@dataclass(frozen=True)
class ChartKey:
    """All that a line chart depends on, so that a cursor move does not draw it again."""

    side: Side
    count: Count
    nodes: tuple[int, ...]
    width: int
    height: int


class PdPane(Filtered):
    """The P/D pane."""

    KEY: ClassVar[str] = "3"
    TITLE: ClassVar[str] = _("P/D")
    NEEDS: ClassVar[tuple[FrameName, ...]] = ("nodes", "transfers", "handoffs")
    SHOWS: ClassVar[tuple[FrameName, ...]] = ("nodes", "transfers", "handoffs")
    SIDED: ClassVar[bool] = True
    BINDINGS: ClassVar[list[BindingType]] = [
        *keys.rows(_("bin"), _("bins")),
        *keys.columns(_("node")),
        *keys.zoom(_("the time")),
        *keys.hot(_("next hot spot"), _("to the node and bin that stand out next, most first")),
        keys.entered(_("details"), _("the cell under the cursor as a page")),
        keys.filtered(_("only nodes whose address or role holds a text")),
        keys.SIDE,
        key("pd.metric", "metric", _("metric"), _("next count: added, ended, running"), shown=True),
        key("pd.table", "table", _("hand-offs"), _("table, or hand-offs and KV pulls"), shown=True),
        key(
            "pd.chart",
            "chart",
            _("chart"),
            _("lanes, or line chart of the chosen count per node"),
            shown=True,
        ),
        key("pd.role", "role", _("P/D"), _("next of: both roles, prefill, decode"), shown=True),
        key(
            "pd.density",
            "density",
            _("one/three"),
            _("cells: the chosen count, or all three"),
            shown=True,
        ),
        key(
            "pd.what-if",
            "what_if",
            _("What-if"),
            _("what other numbers of P and D nodes would bring, by replay"),
        ),
    ]

    @dataclass
    class Charted(Message):
        """A worker has drawn the line chart for `key`."""

        key: ChartKey
        table: NodeTable
        chart: Chart

    _drawn: Side = "after"
    _asked = PdState()  # as a key left it, before its scrolling is settled
    _of: NodeTable | None = None  # whose bins it counts
    _chart: tuple[ChartKey, Chart] | None = None
    _charted: NodeTable | None = None  # of which the chart is
    _charting: tuple[ChartKey, NodeTable] | None = None

    def __init__(self, profile: Profile, caps: Capabilities, baseline: Profile | None = None) -> None:
        super().__init__(profile, caps, baseline)
        self._sides: dict[Side, PdData] = {}
        self._replayed = ReplayKept()

    @property
    def _data(self) -> PdData | None:
        """What is shown of the two profiles, in the bins that are in view."""
        return self._in_view(self.size.width)

    def _in_view(self, width: int) -> PdData | None:
        data = self._sides.get(self.side)
        return None if data is None else in_view(data, self._here.window, width)

    def _on(self, data: PdData) -> PdState:
        """Return what was chosen last, on the bins of the data."""
        if self._of is None or data.table is None or self._of is data.table:
            return self._asked
        return pd_state.rebinned(self._of, data.table, self._asked)

    @property
    def _here(self) -> Selection:
        """The shared selection in the times of the side shown."""
        return shifted(self.selection, shift(self._sides, self.side)) if self._sides else self.selection

    def prepare(self, profile: Profile, progress: PaneProgress) -> dict[Side, PdData]:
        """Return the table over time, the hand-offs' stages and the pulls per rank, of each side."""
        before = None if self.baseline is None else self._of_profile(self.baseline, progress)
        return sides(self._of_profile(profile, progress), before)

    def _of_profile(self, profile: Profile, progress: PaneProgress) -> PdData:
        nodes, handoffs, transfers = (
            profile.load(name, progress).frame for name in ("nodes", "handoffs", "transfers")
        )
        table = None if nodes.is_empty() else node_table(nodes, self.limits.expected)
        changes = None if table is None or self.baseline is not None else profile.node_changes(progress)
        return PdData(
            table,
            tuple(transfer_spreads(transfers)),
            () if handoffs.is_empty() else tuple(stage_spreads(handoffs)),
            handoffs.sort("arrival", nulls_last=True),
            tuple(m for m in profile.missing() if m.what in _OWN),
            doubt=doubt_of(profile, self.limits, progress),
            ways=() if table is None else ways_of(table, transfers, handoffs),
            events=None if table is None or changes is None else node_events(changes, table),
            pulled=transfers,
        )

    def ready(self, result: dict[Side, PdData]) -> None:
        """Put the cursor where something is selected, or on what stands out most; leave it where it is."""
        old, new = self._sides.get("after"), result["after"]
        of, self._sides = self._of, result
        if old is None or old.table is None or new.table is None or of is None:
            # A pane that was never laid out has no columns to have bins by.
            shown = self._data_of("after") if self.size.width else new
            self._asked, self._of = pd_state.starting(shown, self.selection), shown.table
            self._drawn = "after"
        elif (table := self._data_of(self._drawn).table) is not None:
            self._asked, self._of = pd_state.renewed(of, table, self._asked), table
        self._follow_side()

    def _data_of(self, side: Side) -> PdData:
        data = self._sides.get(side, self._sides["after"])
        return in_view(data, self._here.window, self.size.width)

    def _follow_side(self) -> None:
        """Keep the cursor's node and bin, counted from the start, when another side is shown."""
        data, old = self._data, self._sides.get(self._drawn)
        if data is not None and self.side != self._drawn:
            if data.table is not None:
                self._asked = switched(old.table if old is not None else None, data.table, self._asked)
                self._of = data.table
            self._drawn = self.side

    @property
    def _table(self) -> NodeTable | None:
        return self._data.table if self._data else None

    def aimed(self, aim: Aim) -> None:
        """Show a rank's KV pulls or all hand-offs, or the table at a role's busiest node."""
        data = self._data
        if data is None:
            return
        state = pd_state.aimed_at(data, self._state, aim.pull)
        if aim.handoffs:
            state = replace(state, transfers=True)
        if aim.role is not None and data.table is not None:
            state = pd_state.at_role(data.table, state, aim.role)
        self._change(state)

    def draw(self, width: int, height: int) -> list[Row]:
        """Return the rows; the line chart comes from a worker once drawn."""
        data = self._in_view(width)
        assert data is not None
        shown = Shown(data, layout(data, self._on(data), width, height), self._here)
        return draw(shown, self._chart_for(shown.at, width), Canvas(width, height, self.caps))

    def names(self) -> Mapping[str, Sequence[str]]:
        """Return the counts."""
        return {"metric": COUNTS}

    def table_rows(self) -> Callable[[], pl.DataFrame] | None:
        """Return what makes a row of each bin and the chosen count of each node, or of each hand-off."""
        data = self._data
        if data is None:
            return None
        state, table = self._on(data), data.table
        if state.transfers:
            return None if data.handoffs.is_empty() else lambda: zoned(data.handoffs)
        if table is None:
            return None
        nodes = pd_state.shown_nodes(table, state)
        names = [f"{table.nodes[node].role} {table.nodes[node].address}" for node in nodes]
        edges = [*table.starts.tolist(), int(table.starts[-1] + table.bin_seconds * 1e6)]
        return lambda: over_time(edges, names, table.counts[state.count][:, nodes].T)

    def help_entries(self) -> list[HelpEntry]:
        """Return the quantities."""
        return HELP if self.baseline is None else [SIDE_HELP, *HELP]

    def keys_now(self) -> list[tuple[str, str]]:
        """Return the keys, those without effect in this view left out."""
        if self._data is None:
            return []
        if self._data.table is None:
            moving = [keys.MOVE_ROWS] if self._data.stages or self._data.pulls else []
            return [*moving, *self.side_key()]
        idle = {_("details"), _("one/three")} if self._state.transfers else set()
        idle |= {_("details")} if self.side == "difference" else set()
        found = [keys.MOVE, *(each for each in super().keys_now() if each[1] not in idle)]
        what_if = [("w", _("What-if"))] if self.profile.has("requests") else []
        return [*found[:2], *self.side_key(), *found[2:6], *what_if, *found[6:]]

    def selection_changed(self, selection: Selection) -> None:
        """Move the cursor to the selected time and node, and light the selected seconds."""
        self._follow_side()
        if table := self._table:
            self._change(pd_state.following(table, self._state, self._here))
        elif self._data is not None:
            self.repaint()

    def go_out(self) -> bool:
        """Leave hand-offs, chart and filter, one at a time."""
        state, table = self._state, self._table
        if table is None:
            return False
        if state.transfers:
            self._change(replace(state, transfers=False))
        elif state.chart:
            self._change(replace(state, chart=False))
        elif state.text or state.role:
            self._change(pd_state.with_filter(table, state, role=None, text=""))
        else:
            return False
        return True

    # Chart

    def _chart_for(self, placed: Layout, width: int) -> list[Row] | None:
        table = self._table
        if table is None or not placed.chart:
            return None
        key = ChartKey(self.side, self._state.count, chart_nodes(table, self._state), width, placed.chart)
        is_drawn = self._chart is not None and self._chart[0] == key
        if not (is_drawn and self._charted is table) and self._charting != (key, table):
            self._charting = key, table

            def work() -> None:
                chart = chart_rows(table, key.count, key.nodes, Canvas(key.width, key.height, self.caps))
                self.post_message(self.Charted(key, table, chart))

            in_background(self, work, self.fail, group="chart-3")
        if self._chart is None or not is_drawn:
            return None
        state = placed.state
        chosen = key.nodes.index(state.node) if state.node in key.nodes else None
        return self._chart[1].marked(chosen, chart_x(table, state.bin), self.caps)

    def fail(self, why: str) -> None:
        """Say why; a chart that was not made is made again after R."""
        self._charting = None
        super().fail(why)

    def on_pd_pane_charted(self, event: Charted) -> None:
        """Show the chart, unless another is wanted by now."""
        event.stop()
        if (event.key, event.table) == self._charting:
            self._chart, self._charted = (event.key, event.chart), event.table
            self._charting = None
            self.repaint()

    def copied(self) -> str:
        """Return the cell under the cursor with its node, or the line of the hand-offs."""
        data = self._data
        if data is None:
            return ""
        return copied_text(Shown(data, layout(data, self._on(data), *self.size), self._here))

    # In words

    def whole_time(self) -> Window | None:
        """Return the time of the table of the profile opened."""
        data = self._sides.get("after")
        return None if data is None or data.table is None else pd_state.whole_of(data, data.table)

    def not_here(self) -> Collection[str]:
        """Return the node selected where no table has it."""
        tables = [each.table for each in self._sides.values() if each.table is not None]
        known = {node.address for table in tables for node in table.nodes}
        return () if self.selection.node in known else ("n",)

    def parts(self) -> dict[str, str]:
        """Return what is chosen."""
        data = self._data
        if data is None:
            return {}
        return pd_at.parts_of(data, self._state, self._here, self.whole_time())

    def take_parts(self, taken: Taken) -> None:
        """Take it."""
        data = self._data
        if data is None:
            return
        if "n" in taken.parts and self.not_here():
            taken.refuse("n")
        self._asked, self._of = pd_at.with_parts(data, self._state, taken), data.table

    def open_over(self, name: str) -> None:
        """Show What-if."""
        self.action_what_if()

    # Keys

    def _placed(self) -> Layout | None:
        data = self._data
        return layout(data, self._on(data), *self.size) if data else None

    @property
    def _state(self) -> PdState:
        """What is chosen, scrolled so that the cursor is in view."""
        placed = self._placed()
        return self._asked if placed is None else placed.state

    def _change(self, state: PdState) -> None:
        """Take a state."""
        if (data := self._data) is not None:
            if state != self._state:
                self._asked, self._of = state, data.table
            self.repaint()

    def _move_to(self, table: NodeTable, state: PdState) -> None:
        """Change the cursor's cell and tell all panes."""
        if self._data is None:
            return
        self._asked, self._of = state, table
        before = self.selection
        time = int(table.starts[state.bin]) - shift(self._sides, self.side)
        self.lbtui.select(time=time, node=table.nodes[state.node].address)
        if self.selection == before:
            # Else it was drawn as the other panes were told.
            self.repaint()

    def action_row(self, bins: int) -> None:
        """Move the cursor by bins, or lines of the hand-offs."""
        data, table, state = self._data, self._table, self._state
        if data is None:
            return
        if table is None or state.transfers:
            self._change(pd_state.moved_line(data, state, bins))
        elif (further := pd_state.beyond(data, table, state, self._here, bins)) is not None:
            self.lbtui.select(time=further[0], window=further[1], node=table.nodes[state.node].address)
        else:
            self._move_to(table, pd_state.moved(table, state, bins, 0))

    def action_column(self, nodes: int) -> None:
        """Move the cursor by nodes."""
        if (table := self._table) and not self._state.transfers:
            self._move_to(table, pd_state.moved(table, self._state, 0, nodes))

    def page_rows(self) -> int:
        """Return how many bins or lines are in view."""
        placed = self._placed()
        return 1 if placed is None else max(1, placed.grid.rows if placed.grid else placed.transfer_lines)

    def action_zoom(self, factor: float) -> None:
        """Zoom the shared window around the cursor's bin; it is lit and summed up, or the bins follow it."""
        data = self._data
        if data is not None and data.table is not None and self.side != "difference":
            window = pd_state.zoomed(data, data.table, self._state, self._here, factor)
            by = shift(self._sides, self.side)
            self.lbtui.select(window=window and (window[0] - by, window[1] - by))

    def action_whole(self) -> None:
        """Show the whole time."""
        self.lbtui.select(window=None)

    def action_metric(self) -> None:
        """Show the next count."""
        self._change(pd_state.next_count(self._state))

    def action_table(self) -> None:
        """Swap table and hand-offs."""
        if self._table:
            self._change(replace(self._state, transfers=not self._state.transfers))

    def action_chart(self) -> None:
        """Swap lanes and line chart."""
        self._change(replace(self._state, chart=not self._state.chart))

    def action_density(self) -> None:
        """Show one count in a cell, or three."""
        if (placed := self._placed()) and placed.grid:
            self._change(replace(self._state, three=len(placed.grid.counts) == 1))

    def action_role(self) -> None:
        """Show the next role's nodes."""
        if table := self._table:
            self._move_to(table, pd_state.next_role(table, self._state))

    def action_hot(self, by: int) -> None:
        """Put the cursor on what stands out next."""
        table, state = self._table, self._state
        if table is None:
            return
        places = furthest(table, state.count) if self.side == "difference" else outstanding(table)
        self._move_to(table, pd_state.place_moved(table, state, places, by))

    def why_not(self, action: str) -> str:
        """Return why an action can do nothing now."""
        data = self._data
        if (why := super().why_not(action)) or data is None:
            return why
        if action == "transfers" and not data.stages and not data.pulls:
            return _("not here: {what}").format(what=COLLECT["handoffs"].what)
        if action == "what_if":
            return why_not_replayed(self.profile)
        return _("one role only") if action == "role" and self._table and len(self._table.roles) < 2 else ""

    def action_what_if(self) -> None:
        """Show what another ratio of prefill to decode nodes would bring, in this pane's place."""
        from lbtui.ui.panes.replay.pane import RatioPane

        side = None if self.baseline is None else self.side
        self.lbtui.show_over(RatioPane(self.profile_of(self.side), self.caps, self._replayed, side))

    # Filter

    def filter_text(self) -> str:
        """Return the words that the nodes shown hold."""
        return self._state.text

    def filter_grammar(self) -> str:
        """Return how a filter is written."""
        return _("parts of an address or a role, all must hold: decode 1.13")

    def filter_problem(self, text: str) -> str | None:
        """Return why a filter is refused: it would leave no node."""
        if (table := self._table) is None or pd_state.matching(table.nodes, self._state.role, text):
            return None
        return _("No node shown now has that in its address or role.")

    def filter_by(self, text: str) -> None:
        """Show the nodes that match."""
        if table := self._table:
            role = self._state.role
            self._move_to(table, pd_state.with_filter(table, self._state, role=role, text=text.strip()))

    def filter_undo(self) -> Callable[[], None]:
        """Return what shows the nodes shown now."""
        state, selection = self._state, self.selection

        def undo() -> None:
            self.lbtui.select(time=selection.time, node=selection.node)
            self._asked = state
            self.repaint()

        return undo

    def action_enter(self) -> None:
        """Show the cell under the cursor as a page."""
        shows_cell = not self._state.transfers and self.side != "difference"
        if self._data and self._table and (placed := self._placed()) and shows_cell:
            self.lbtui.push_screen(TextPage(*cell_page(Shown(self._data, placed, self._here))))

    # Mouse

    def on_click(self, event: events.Click) -> None:
        """Move the cursor to the cell or lane that was clicked."""
        if not (table := self._table) or not (placed := self._placed()):
            return
        if (state := clicked(table, placed, event.x, event.y)) is not None:
            self._move_to(table, state)


_OWN = {words_of(name, raw=raw)[0] for name in PdPane.NEEDS for raw in (False, True)}
