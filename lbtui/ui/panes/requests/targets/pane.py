"""The Targets pane: stands in the place of Requests, until Escape."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import ClassVar

import polars as pl
from textual import events
from textual.binding import BindingType
from textual.message import Message

from lbtui.analysis.data_parallel import domains_of
from lbtui.analysis.order import RowNumbers
from lbtui.profile import Profile
from lbtui.render.canvas import Canvas
from lbtui.render.capabilities import Capabilities, Row
from lbtui.text import _, in_list
from lbtui.ui.kit import keys
from lbtui.ui.kit.background import in_background
from lbtui.ui.kit.keys import key
from lbtui.ui.kit.pane import HelpEntry, Pane, PaneProgress
from lbtui.ui.kit.parts import Taken
from lbtui.ui.kit.places import PANES
from lbtui.ui.kit.saved import zoned
from lbtui.ui.kit.selection import Aim
from lbtui.ui.panes.requests.data import RequestsData, RequestsState, judged, with_places
from lbtui.ui.panes.requests.targets import at as targets_at
from lbtui.ui.panes.requests.targets import state as states
from lbtui.ui.panes.requests.targets import view
from lbtui.ui.panes.requests.targets.charts import ChartKey, Drawn, chart_key, drawn
from lbtui.ui.panes.requests.targets.data import TargetsData, saved_groups, targets_data
from lbtui.ui.panes.requests.targets.help import entries
from lbtui.ui.panes.requests.targets.state import TargetsState, View


@dataclass(frozen=True)
class Looked:
    """Which requests are looked at: all of the data, or the rows of a filter, said in words."""

    data: RequestsData
    rows: RowNumbers | None = None
    of: str = ""


def looked_at(data: RequestsData, state: RequestsState) -> Looked:
    """Return the requests that are shown in Requests."""
    arranged = state.arranged
    asked = arranged.arrangement
    if not asked.filter and asked.window is None:
        return Looked(data)
    parts = [
        _("{shown} of {total} requests").format(
            shown=f"{len(arranged.rows):,}", total=f"{data.table.height:,}"
        )
    ]
    parts += [_("filter {filter}").format(filter=asked.filter)] if asked.filter else []
    parts += [_("only those in service in the window")] if asked.window else []
    return Looked(data, arranged.rows, in_list(parts))


class TargetsPane(Pane):
    """What the requests attained by group and over time, and charts of their times."""

    KEY: ClassVar[str] = "targets"
    TITLE: ClassVar[str] = _("Targets")
    WHEEL: ClassVar[int] = 3
    BINDINGS: ClassVar[list[BindingType]] = [
        *keys.rows(_("group"), _("groups")),
        *keys.columns(_("instant, or value of the distribution")),
        keys.entered(_("its requests"), _("the requests of this group that missed a target")),
        key(
            "targets.metric",
            "metric",
            _("metric"),
            _("next time: TTFT, per output token, queue wait, duration"),
        ),
        key(
            "targets.table", "table", _("table"), _("what was attained by domain, node, length and over time")
        ),
        key(
            "targets.chart",
            "chart",
            _("chart"),
            _("distribution of a time, or the time over the input length"),
        ),
        key(
            "targets.kind",
            "kind",
            _("next kind"),
            _("groups of the next kind: domains, P and D nodes, lengths"),
        ),
    ]

    @dataclass
    class Charted(Message):
        """A worker has drawn the chart of `key`."""

        key: ChartKey
        data: TargetsData
        drawn: Drawn

    def __init__(self, profile: Profile, caps: Capabilities, looked: Looked, first: View) -> None:
        super().__init__(profile, caps)
        self._looked = looked
        self.state = TargetsState(first)
        self.data: TargetsData | None = None
        self._chart: tuple[ChartKey, Drawn] | None = None
        self._charting: ChartKey | None = None

    def prepare(self, profile: Profile, progress: PaneProgress) -> TargetsData:
        """Return what the requests attained; looks where they ran, if that was not done yet."""
        looked = self._looked
        requests = judged(looked.data, self.limits)
        if not requests.placed and requests.no_places is None:
            requests = with_places(requests, profile, progress)
        frames = [profile.load(name, progress).frame for name in ("batches", "queues")]
        return targets_data(requests, domains_of(*frames), looked.rows, looked.of)

    def ready(self, result: TargetsData) -> None:
        """Start with the cursor on the selected domain or node, if it is there."""
        self.data = result
        wanted = (self.selection.domain, self.selection.node)
        here = [place for place, group in enumerate(result.rows) if group and group.key in wanted]
        start = replace(self.state, row=here[0] if here else 0)
        self.state = states.viewed(result, start, start.view)

    def draw(self, width: int, height: int) -> list[Row]:
        """Return the rows; a chart comes from a worker once drawn."""
        assert self.data is not None
        canvas = Canvas(width, height, self.caps)
        shown = view.Shown(self.data, self.state, self.selection.time)
        if self.state.view == "table":
            return view.draw_table(shown, canvas)
        chart = self._key(self.data, width, height)
        found = self._charted(self.data, chart)
        return view.draw_chart(shown, chart, found, self._x(self.data, found), canvas)

    def copied(self) -> str:
        """Return what the group under the cursor attained, or what the chart has there."""
        if self.data is None:
            return ""
        shown = view.Shown(self.data, self.state, self.selection.time)
        if self.state.view == "table":
            return view.copied_text(shown)
        found = self._charted(self.data, self._key(self.data, *self.size))
        return view.chart_words(shown, found, self._x(self.data, found))

    def table_rows(self) -> Callable[[], pl.DataFrame] | None:
        """Return what makes a row of the run and of each group, or the requests that a chart is of."""
        data = self.data
        if data is None:
            return None
        if self.state.view == "table":
            return lambda: saved_groups(data)
        return lambda: zoned(data.table)

    def help_entries(self) -> list[HelpEntry]:
        """Return every quantity."""
        return entries()

    def keys_now(self) -> list[tuple[str, str]]:
        """Return the keys that do something with this picture."""
        chart = self.state.view
        return [
            ("Esc", _("Requests")),
            keys.MOVE_ROWS if chart == "scatter" else keys.MOVE,
            *([] if chart == "table" else [("t", _("table")), ("m", _("metric"))]),
            ("c", _("scatter") if chart == "cdf" else _("distribution")),
            *([] if chart == "scatter" else [("v", _("next kind"))]),
            ("⏎", _("its requests")),
        ]

    # In words

    def parts(self) -> dict[str, str]:
        """Return what is chosen."""
        return {} if self.data is None else targets_at.parts_of(self.data, self.state)

    def take_parts(self, taken: Taken) -> None:
        """Take it."""
        if self.data is not None:
            self.state = targets_at.with_parts(self.data, self.state, taken)

    # Charts

    def _key(self, data: TargetsData, width: int, height: int) -> ChartKey:
        return chart_key(data, self.state, Canvas(width, view.chart_height(height), self.caps))

    def _charted(self, data: TargetsData, wanted: ChartKey) -> Drawn | None:
        """Return the chart, None while a worker draws it."""
        if self._chart is not None and self._chart[0] == wanted:
            return self._chart[1]
        if self._charting != wanted:
            self._charting = wanted

            def work() -> None:
                found = drawn(data, wanted, Canvas(wanted.width, wanted.height, self.caps))
                self.post_message(self.Charted(wanted, data, found))

            in_background(self, work, self.fail, group="chart-targets")
        return None

    def on_targets_pane_charted(self, event: Charted) -> None:
        """Show the chart, unless another is wanted by now."""
        event.stop()
        if event.key == self._charting and event.data is self.data:
            self._chart, self._charting = (event.key, event.drawn), None
            self.repaint()

    def _x(self, data: TargetsData, found: Drawn | None) -> float | None:
        """Return the cursor's place on the axis of a distribution: at first the target, else its middle."""
        if found is None or found.chart is None or found.chart.plot is None:
            return None
        _first, _last, _left, columns, low, high = found.chart.plot
        if self.state.column is not None:
            return low + (high - low) * min(self.state.column, columns - 1) / max(1, columns - 1)
        target = data.target(self.state.measure)
        return (low + high) / 2 if target is None else max(low, min(found.scale.places_of(target), high))

    def _moved_column(self, data: TargetsData, found: Drawn, step: int) -> int | None:
        """Return the column of the plot that is so many further than the cursor's."""
        at = self._x(data, found)
        if at is None or found.chart is None or found.chart.plot is None:
            return None
        _first, _last, _left, columns, low, high = found.chart.plot
        column = round((at - low) / ((high - low) or 1.0) * (columns - 1)) + step
        return max(0, min(column, columns - 1))

    # Actions

    def _change(self, state: TargetsState) -> None:
        self.state = state
        self.repaint()

    def action_row(self, step: int) -> None:
        """Move over the groups; a domain or node under the cursor is selected in all panes."""
        if self.data is not None:
            self._change(states.moved(self.data, self.state, step))
            self._select()

    def _select(self) -> None:
        assert self.data is not None
        group = self.data.rows[self.state.row]
        if group is not None and group.kind == "domain":
            self.lbtui.select(domain=str(group.key))
        elif group is not None and group.kind != "input":
            self.lbtui.select(node=str(group.key))

    def action_column(self, step: int) -> None:
        """Move over the stretches of time, or over the values of a distribution."""
        if self.data is None:
            return
        if self.state.view == "table":
            stretches = self.data.slo.stretches
            if stretches:
                here = view.stretch_at(self.data, self.selection.time)
                first = 0 if step > 0 else len(stretches) - 1
                place = first if here is None else max(0, min(here + step, len(stretches) - 1))
                self.lbtui.select(time=(stretches[place].begin + stretches[place].end) // 2)
                self.repaint()
        elif self.state.view == "cdf" and self._chart is not None:
            column = self._moved_column(self.data, self._chart[1], step)
            self._change(replace(self.state, column=column))

    def action_metric(self) -> None:
        """Show the distribution of the next time, or it over the input length."""
        if self.state.view != "table":
            self._change(states.next_measure(self.state))

    def action_table(self) -> None:
        """Show the table."""
        if self.data is not None:
            self._change(states.viewed(self.data, self.state, "table"))

    def action_chart(self) -> None:
        """Show the next chart."""
        if self.data is not None:
            self._change(states.next_view(self.data, self.state))

    def action_kind(self) -> None:
        """Go to the groups of the next kind."""
        if self.data is not None:
            self._change(states.next_kind(self.data, self.state))
            self._select()

    def action_enter(self) -> None:
        """Show the requests of the group that missed a target."""
        if self.data is not None:
            self.lbtui.show_at(
                PANES["requests"], Aim(filter=states.filter_of(self.data.rows[self.state.row]))
            )

    # Mouse

    def on_click(self, event: events.Click) -> None:
        """Move the cursor to the group that was clicked."""
        if self.data is None or self.state.view != "table":
            return
        at = view.places(self.data, *self.size)
        line = event.y - at.header - 1
        if 0 <= line < at.rows:
            first = view.first_row(self.state, at, len(self.data.rows))
            self.action_row(first + line - self.state.row)
