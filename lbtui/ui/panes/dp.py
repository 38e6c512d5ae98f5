"""The DP pane: its keys, its workers, and what it shares with the other panes."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from rich.text import Text
from textual import events
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.worker import Worker, WorkerState

from lbtui.analysis.data_parallel import METRICS, Metric, MetricKey, Round, metric, round_at
from lbtui.profile import FrameName, Profile
from lbtui.profile.model import ScheduledRequest
from lbtui.render.capabilities import Capabilities, Row
from lbtui.render.palette import dim
from lbtui.render.text import blank, fit
from lbtui.text import _, visible
from lbtui.ui.pages import TextPage
from lbtui.ui.pane import Aim, HelpEntry, Pane, PaneProgress, Stage
from lbtui.ui.panes.dp_chart import ChartKey, chart_key, chart_rows, chart_state_row
from lbtui.ui.panes.dp_data import DpData, Measured, Scene, dp_data, instant, measure, scene
from lbtui.ui.panes.dp_help import help_of
from lbtui.ui.panes.dp_layout import (
    DpState,
    at_place,
    hit,
    lane_moved,
    layout,
    moved,
    place_moved,
    reaching,
    scrolled,
    view_window,
    zoomed,
)
from lbtui.ui.panes.dp_round import round_text, round_title
from lbtui.ui.panes.dp_view import draw, missing_rows, reading_rows
from lbtui.ui.selection import Selection

# Above so many steps or lanes, a key would wait: a worker computes while the last picture stays.
_AT_ONCE = 20_000
_LANES_AT_ONCE = 32
_KEPT = 32
_WORK, _ROUND = "dp-work", "dp-round"


@dataclass(frozen=True)
class Prepared:
    """What a worker brings: everything for one metric."""

    data: DpData
    measured: Measured


class DpPane(Pane):
    """One lane per DP domain, for every metric that a domain has."""

    KEY: ClassVar[str] = "2"
    TITLE: ClassVar[str] = _("DP")
    NEEDS: ClassVar[tuple[FrameName, ...]] = ("steps", "batches")
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left,h", "move(-1)", _("time"), show=False, key_display="← h", tooltip=_("one column back")),
        Binding("right,l", "move(1)", _("time"), show=False, key_display="→ l", tooltip=_("one column on")),
        Binding("H", "move(-10)", _("time"), show=False, tooltip=_("ten columns back")),
        Binding("L", "move(10)", _("time"), show=False, tooltip=_("ten columns on")),
        Binding("up,k", "lane(-1)", _("lane"), show=False, key_display="↑ k", tooltip=_("the lane above")),
        Binding("down,j", "lane(1)", _("lane"), show=False, key_display="↓ j", tooltip=_("the lane below")),
        Binding("pageup", "lane(-10)", _("lane"), show=False, tooltip=_("ten lanes up")),
        Binding("pagedown", "lane(10)", _("lane"), show=False, tooltip=_("ten lanes down")),
        Binding("m", "metric(1)", _("metric"), tooltip=_("the next metric")),
        Binding("M", "metric(-1)", _("metric"), show=False, tooltip=_("the metric before")),
        Binding(
            "n", "place(1)", _("next outstanding"), tooltip=_("the next place that stands out, most first")
        ),
        Binding("N", "place(-1)", _("outstanding"), show=False, tooltip=_("the place before in that order")),
        Binding(
            "enter", "round", _("round"), key_display="⏎", tooltip=_("this scheduling round: cards, requests")
        ),
        Binding("plus,equals_sign", "zoom(0.5)", _("zoom"), key_display="+ -", tooltip=_("zoom in; - out")),
        Binding("minus", "zoom(2)", _("zoom out"), show=False, key_display="-", tooltip=_("zoom out")),
        Binding("0", "whole", _("whole"), tooltip=_("the whole time")),
        Binding("a", "statistic", _("mean/max"), tooltip=_("mean or worst value of each column")),
        Binding("s", "sort", _("sort"), tooltip=_("order by host, or by how far lanes stand out")),
        Binding("c", "chart", _("chart"), tooltip=_("line chart of the metric against forward_iter")),
    ]

    @dataclass
    class SceneMade(Message):
        """A worker has summarised the lanes of one view."""

        key: tuple[MetricKey, tuple[int, int], int]
        scene: Scene

    @dataclass
    class ChartMade(Message):
        """A worker has drawn a chart."""

        key: ChartKey
        rows: list[Row]

    @dataclass
    class RoundRead(Message):
        """A worker has found a round, or its requests (None: still reading)."""

        page: TextPage
        time: int
        found: Round | None
        requests: list[ScheduledRequest] | None

    def __init__(self, profile: Profile, caps: Capabilities) -> None:
        super().__init__(profile, caps)
        self.state = DpState()
        self._data: DpData | None = None
        self._measured: dict[MetricKey, Measured] = {}
        self._scenes: dict[tuple[MetricKey, tuple[int, int], int], Scene] = {}
        self._charts: dict[ChartKey, list[Row]] = {}
        self._last: Scene | None = None
        self._working: set[Hashable] = set()
        self._page: TextPage | None = None

    # Loading

    def prepare(self, progress: PaneProgress) -> Prepared:
        """Return the shared data and the lanes of the metric chosen."""
        chosen = metric(self.state.metric)
        data = self._data
        if data is None:
            steps, batches = self.profile.load("steps").frame, self.profile.load("batches").frame
            kv = queues = None
            if steps.is_empty():
                # Without steps the domains and the window can only come from these.
                kv = self.profile.load("kv", progress).frame
                queues = self.profile.load("queues", progress).frame
            data = dp_data(steps, batches, kv, queues)
        return Prepared(data, measure(chosen, data, self.profile.load(chosen.frame, progress).frame))

    def ready(self, result: Prepared) -> None:
        """Keep what was prepared; the first time put the cursor where it matters."""
        first = self._data is None
        self._data = result.data
        self._measured[result.measured.metric.key] = result.measured
        if first and result.data.domains:
            self._start(result.data, result.measured)

    def _start(self, data: DpData, measured: Measured) -> None:
        chosen = self.selection
        state = replace(self.state, domain=data.domains[0].key, time=data.begin)
        state = at_place(state, data, measured, 0)
        if chosen.domain is not None and measured.index(chosen.domain) is not None:
            state = replace(state, domain=chosen.domain)
            own = [p for p in measured.places if measured.domains[p.lane].key == chosen.domain]
            state = replace(state, time=own[0].centre) if own else state
        self.state = self._following(state, chosen, data)
        self._share()

    def _following(self, state: DpState, selection: Selection, data: DpData) -> DpState:
        """Return the state with what is selected elsewhere; what lies outside this pane's data is left."""
        window = selection.window
        if window is not None:
            begin, end = max(window[0], data.begin), min(window[1], data.end)
            window = (begin, end) if end > begin else None
        time = state.time
        if selection.time is not None and data.begin <= selection.time < data.end:
            time = selection.time
        elif window is not None and not window[0] <= time < window[1]:
            time = (window[0] + window[1]) // 2
        domain = state.domain
        if selection.domain is not None and any(d.key == selection.domain for d in data.domains):
            domain = selection.domain
        return reaching(replace(state, window=window, time=time, domain=domain), data)

    def selection_changed(self, selection: Selection) -> None:
        """Follow the window, the instant and the domain chosen elsewhere."""
        if self._data is None:
            return
        state = self._following(self.state, selection, self._data)
        if state != self.state:
            self.state = state
            self.repaint()

    def aimed(self, aim: Aim) -> None:
        """Show the lanes of the metric that a finding is about."""
        keys = [m.key for m in METRICS]
        if aim.metric in keys:
            self.state = replace(self.state, chart=False)
            self.action_metric(keys.index(aim.metric) - keys.index(self.state.metric))

    def _share(self) -> None:
        self.lbtui.select(window=self.state.window, time=self.state.time, domain=self.state.domain)

    # Drawing

    def draw(self, width: int, height: int) -> list[Row]:
        """Return the lanes, the chart, or why there is nothing."""
        data, measured = self._data, self._measured.get(self.state.metric)
        assert data is not None
        if measured is None or not measured.has_values:
            chosen = metric(self.state.metric)
            return missing_rows(data, chosen, self._notes(chosen), width, self.caps)[:height]
        view = self._scene(measured, layout(measured, width, height).columns)
        if view is None:
            waiting = fit(" " + _("computing …"), width, caps=self.caps, style=dim(self.caps))
            return [blank(width), blank(width), waiting][:height]
        if self.state.chart:
            return self._chart_picture(data, measured, view, width, height)
        return draw(data, measured, view, self.state, width, height, self.caps)

    def _chart_picture(
        self, data: DpData, measured: Measured, view: Scene, width: int, height: int
    ) -> list[Row]:
        reading = 2 if height >= 12 else 1
        key = chart_key(
            measured, self.state.domain, view_window(self.state, data), width, max(1, height - 1 - reading)
        )
        rows = self._charts.get(key)
        if rows is None:
            rows = [fit(" " + _("drawing …"), width, caps=self.caps, style=dim(self.caps))]
            rows += [blank(width)] * (key.height - 1)
            self._work(
                key,
                lambda: self.post_message(self.ChartMade(key, chart_rows(key, data, measured, self.caps))),
            )
        return [
            chart_state_row(key, measured, self.caps),
            *rows,
            *reading_rows(data, measured, view, self.state, width, reading, self.caps),
        ][:height]

    def on_dp_pane_chart_made(self, event: ChartMade) -> None:
        """Show a chart."""
        self._keep(self._charts, event.key, event.rows)
        self._working.discard(event.key)
        self.repaint()

    def _scene(self, measured: Measured, columns: int) -> Scene | None:
        """Return the view's summary; while a worker makes it, the last one, or None."""
        assert self._data is not None
        window = view_window(self.state, self._data)
        key = (measured.metric.key, window, columns)
        if (made := self._scenes.get(key)) is not None:
            self._last = made
            return made
        if sum(len(lane.values) for lane in measured.lanes) <= _AT_ONCE:
            made = scene(measured, window, columns)
            self._keep(self._scenes, key, made)
            self._last = made
            return made
        self._work(key, lambda: self.post_message(self.SceneMade(key, scene(measured, window, columns))))
        return self._last if self._last and len(self._last.mean) == len(measured.lanes) else None

    def on_dp_pane_scene_made(self, event: SceneMade) -> None:
        """Show a view that took a while."""
        self._keep(self._scenes, event.key, event.scene)
        self._working.discard(event.key)
        self.repaint()

    def _work(self, key: Hashable, work: Callable[[], object]) -> None:
        """Run `work` in a thread, once for a key: a thread cannot be stopped, only not be started."""
        if key not in self._working:
            self._working.add(key)
            self.run_worker(work, thread=True, group=_WORK, exit_on_error=False)

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        """Say why a picture or a round could not be made; the base does so for loading."""
        if event.state is not WorkerState.ERROR or event.worker.group not in (_WORK, _ROUND):
            return
        event.stop()
        self._failure = visible(f"{type(event.worker.error).__name__}: {event.worker.error}")
        if event.worker.group == _ROUND:
            if self._page is not None:
                self._page.show(Text(_("This round could not be read: {why}").format(why=self._failure)))
            return
        self._working.clear()
        self.stage = Stage.FAILED
        self.repaint()

    @staticmethod
    def _keep(cache: dict[Any, Any], key: Any, value: Any) -> None:
        while len(cache) >= _KEPT:
            del cache[next(iter(cache))]
        cache[key] = value

    def _notes(self, chosen: Metric) -> list[str]:
        loaded = self.profile.loaded().get(chosen.frame)
        return [f"{note.file}: {note.text}" for note in loaded.notes] if loaded else []

    def help_entries(self) -> list[HelpEntry]:
        """Return what every figure means."""
        return [*help_of(), *(HelpEntry(_("Note"), note) for note in self._notes(metric(self.state.metric)))]

    # Keys

    def _change(self, state: DpState) -> None:
        """Take a new state, tell the other panes, and draw."""
        if self._data is None or not self._data.domains:
            return
        measured = self._measured.get(state.metric)
        if measured is not None and measured.domains:
            state = scrolled(state, measured, layout(measured, *self.size).shown)
        self.state = state
        self._share()
        self.repaint()

    def _shown(self) -> tuple[DpData, Measured, Scene] | None:
        """Return what is drawn, None where no lanes are."""
        measured = self._measured.get(self.state.metric)
        if self.stage is not Stage.READY or self._data is None or measured is None or not measured.has_values:
            return None
        view = self._scene(measured, layout(measured, *self.size).columns)
        return (self._data, measured, view) if view is not None else None

    def action_move(self, columns: int) -> None:
        """Move the cursor over time."""
        if shown := self._shown():
            data, _measured, view = shown
            self._change(moved(self.state, data, view, columns))

    def action_lane(self, lanes: int) -> None:
        """Move the cursor over the lanes."""
        if shown := self._shown():
            self._change(lane_moved(self.state, shown[1], lanes))

    def action_place(self, by: int) -> None:
        """Go to a place that stands out."""
        if shown := self._shown():
            data, measured, _view = shown
            self._change(place_moved(self.state, data, measured, by))

    def action_zoom(self, factor: float) -> None:
        """Zoom around the cursor."""
        if shown := self._shown():
            self._change(zoomed(self.state, shown[0], factor))

    def action_whole(self) -> None:
        """Show the whole time."""
        if self._data is not None:
            self._change(replace(self.state, window=None))

    def action_statistic(self) -> None:
        """Change between the mean and the worst value of each column."""
        self._change(replace(self.state, statistic="worst" if self.state.statistic == "mean" else "mean"))

    def action_sort(self) -> None:
        """Change the order of the lanes."""
        self._change(replace(self.state, by_score=not self.state.by_score))

    def action_chart(self) -> None:
        """Change between lanes and line chart."""
        self._change(replace(self.state, chart=not self.state.chart))

    def action_metric(self, by: int) -> None:
        """Show another metric, loaded first if need be."""
        if self._data is None:
            return
        keys = [m.key for m in METRICS]
        chosen = metric(keys[(keys.index(self.state.metric) + by) % len(keys)])
        self.state = replace(self.state, metric=chosen.key)
        if chosen.key not in self._measured:
            frame = self.profile.loaded().get(chosen.frame)
            sizes = (self._data.size, 0 if frame is None else frame.frame.height)
            if frame is None or max(sizes) > _AT_ONCE or len(self._data.domains) > _LANES_AT_ONCE:
                self.load()
                return
            self._measured[chosen.key] = measure(chosen, self._data, frame.frame)
        self.stage = Stage.READY
        self._change(self.state)

    def action_round(self) -> None:
        """Open the scheduling round under the cursor; its requests are read only now."""
        shown = self._shown()
        if shown is None:
            return
        data, measured, _view = shown
        index = measured.index(self.state.domain)
        if index is None:
            return
        time, domain = self.state.time, measured.domains[index]
        page = self._page = TextPage(round_title(domain, time), Text(_("reading …")))
        self.lbtui.push_screen(page)

        def work() -> None:
            found = round_at(data.steps, data.batches, domain.key, instant(time))
            self.post_message(self.RoundRead(page, time, found, None))
            requests: list[ScheduledRequest] = []
            if found is not None and found.scheduler is not None and found.row is not None:
                requests = self.profile.requests_of_round(found.scheduler, found.row)
            self.post_message(self.RoundRead(page, time, found, requests))

        self.run_worker(work, thread=True, exclusive=True, group=_ROUND, exit_on_error=False)

    def on_dp_pane_round_read(self, event: RoundRead) -> None:
        """Fill the page."""
        event.page.show(round_text(event.found, event.time, event.requests, self.caps))

    def go_out(self) -> bool:
        """Leave the chart, then the zoom."""
        if self.state.chart:
            self.action_chart()
            return True
        if self.state.window is not None:
            self.action_whole()
            return True
        return False

    # Mouse

    def on_click(self, event: events.Click) -> None:
        """Move the cursor to what was clicked."""
        shown = self._shown()
        if shown is None or self.state.chart:
            return
        _data, measured, view = shown
        domain, time = hit(layout(measured, *self.size), self.state, measured, view, event.x, event.y)
        self._change(
            replace(
                self.state,
                domain=domain or self.state.domain,
                time=self.state.time if time is None else time,
            )
        )

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        """Go down."""
        self.action_lane(1)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        """Go up."""
        self.action_lane(-1)
