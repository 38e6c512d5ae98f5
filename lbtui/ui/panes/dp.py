"""The DP pane: its keys, its workers, and what it shares with the other panes."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from rich.text import Text
from textual import events
from textual.binding import Binding, BindingType
from textual.message import Message

from lbtui.analysis.data_parallel import METRICS, Metric, MetricKey, Round, metric, round_at
from lbtui.profile import FrameName, Profile
from lbtui.profile.model import ScheduledRequest
from lbtui.render.capabilities import Capabilities, Row
from lbtui.render.palette import dim
from lbtui.render.text import blank, fit
from lbtui.text import _
from lbtui.ui.background import in_background
from lbtui.ui.pages import TextPage
from lbtui.ui.pane import Aim, HelpEntry, Pane, PaneProgress, Stage
from lbtui.ui.panes import dp_difference
from lbtui.ui.panes.dp_chart import ChartKey, chart_key, chart_rows, chart_state_row
from lbtui.ui.panes.dp_data import DpData, Measured, Scene, dp_data, instant, measure
from lbtui.ui.panes.dp_difference import Difference
from lbtui.ui.panes.dp_help import help_of
from lbtui.ui.panes.dp_layout import (
    DpState,
    at_place,
    following,
    hit,
    lane_moved,
    layout,
    moved,
    place_moved,
    scrolled,
    view_window,
    zoomed,
)
from lbtui.ui.panes.dp_round import round_text, round_title
from lbtui.ui.panes.dp_sides import common, difference, local_state, offset_of, scenes, shared_state
from lbtui.ui.panes.dp_view import draw, missing_rows, reading_rows
from lbtui.ui.panes.sides import SIDE_HELP, Pair
from lbtui.ui.selection import Selection, Side

# Above so many steps or lanes, a key would wait: a worker computes while the last picture stays.
_AT_ONCE = 20_000
_LANES_AT_ONCE = 32
_KEPT = 32


@dataclass(frozen=True)
class SceneKey:
    """All that the scenes of a view depend on. `window` is of after, None for all."""

    metric: MetricKey
    window: tuple[int, int] | None
    columns: int
    side: Side


@dataclass(frozen=True)
class Prepared:
    """What a worker brings: everything for one metric."""

    data: Pair[DpData]
    measured: Pair[Measured]


class DpPane(Pane):
    """One lane per DP domain, for every metric that a domain has."""

    KEY: ClassVar[str] = "2"
    TITLE: ClassVar[str] = _("DP")
    NEEDS: ClassVar[tuple[FrameName, ...]] = ("batches",)
    SIDED: ClassVar[bool] = True
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
        Binding(
            "b", "side", _("before"), show=False, tooltip=_("after, before, difference (with --baseline)")
        ),
    ]

    @dataclass
    class SceneMade(Message):
        """A worker has summarised the lanes of one view."""

        key: SceneKey
        scene: Pair[Scene]

    @dataclass
    class ChartMade(Message):
        """A worker has drawn a chart."""

        key: tuple[Side, ChartKey]
        rows: list[Row]

    @dataclass
    class RoundRead(Message):
        """A worker has found a round, or its requests (None: still reading)."""

        page: TextPage
        time: int
        found: Round | None
        requests: list[ScheduledRequest] | None

    def __init__(self, profile: Profile, caps: Capabilities, baseline: Profile | None = None) -> None:
        super().__init__(profile, caps, baseline)
        self.state = DpState()  # in the times and domains of after, whichever side is shown
        self._drawn: Side = "after"
        self._both: Pair[DpData] | None = None
        self._measured: dict[MetricKey, Pair[Measured]] = {}
        self._scenes: dict[SceneKey, Pair[Scene]] = {}
        self._charts: dict[tuple[Side, ChartKey], list[Row]] = {}
        self._last: tuple[SceneKey, Pair[Scene]] | None = None
        self._working: set[Hashable] = set()

    # Loading

    def prepare(self, progress: PaneProgress) -> Prepared:
        """Return the shared data and the lanes of the metric chosen."""
        chosen = metric(self.state.metric)
        known = self._both or Pair[DpData | None](None)
        data, measured = self._of_profile(self.profile, known.after, chosen, progress)
        if self.baseline is None:
            return Prepared(Pair(data), Pair(measured))
        before = self._of_profile(self.baseline, known.before, chosen, progress)
        return Prepared(Pair(data, before[0]), Pair(measured, before[1]))

    @staticmethod
    def _of_profile(
        profile: Profile, data: DpData | None, chosen: Metric, progress: PaneProgress
    ) -> tuple[DpData, Measured]:
        if data is None:
            steps, batches = profile.load_domain_steps(progress).frame, profile.load("batches").frame
            kv = queues = None
            if steps.is_empty():
                # Without steps the domains and the window can only come from these.
                kv = profile.load("kv", progress).frame
                queues = profile.load("queues", progress).frame
            data = dp_data(steps, batches, kv, queues)
        of_steps = chosen.frame == "steps"
        frame = data.steps if of_steps else profile.load(chosen.frame, progress).frame
        return data, measure(chosen, data, frame)

    def ready(self, result: Prepared) -> None:
        """Keep what was prepared; the first time put the cursor where it matters."""
        first = self._both is None
        self._both = result.data
        self._measured[result.measured.after.metric.key] = result.measured
        if first and result.data.after.domains:
            self._start(result.data.after, result.measured.after)

    def _start(self, data: DpData, measured: Measured) -> None:
        chosen = self.selection
        state = replace(self.state, domain=data.domains[0].key, time=data.begin)
        state = at_place(state, data, measured, 0)
        if chosen.domain is not None and measured.index(chosen.domain) is not None:
            state = replace(state, domain=chosen.domain)
            own = [p for p in measured.places if measured.domains[p.lane].key == chosen.domain]
            state = replace(state, time=own[0].centre) if own else state
        self.state = following(state, chosen, data)
        self._share()

    def selection_changed(self, selection: Selection) -> None:
        """Follow the window, the instant and the domain chosen elsewhere."""
        if self._both is None:
            return
        state = following(self.state, selection, self._both.after)
        if state != self.state or self.side != self._drawn:
            self.state = state
            self.repaint()

    def aimed(self, aim: Aim) -> None:
        """Show the lanes of the metric that a finding is about."""
        keys = [m.key for m in METRICS]
        if aim.metric in keys:
            self.state = replace(self.state, chart=False)
            self.action_metric(keys.index(aim.metric) - keys.index(self.state.metric))
        if aim.instance is not None and self._both is not None:
            self._go_to_instance(aim.instance, self._both.after)

    def _go_to_instance(self, instance: str, data: DpData) -> None:
        """Put the cursor on the lane of an instance that stands out most, or its first."""
        measured = self._measured.get(self.state.metric)
        own = [] if measured is None else measured.after.lanes_of(instance)
        if measured is not None and own:
            lane = max(own, key=lambda i: measured.after.scores[i])
            self.state = replace(self.state, domain=measured.after.domains[lane].key)
        elif found := [d.key for d in data.domains if d.instance == instance]:
            self.state = replace(self.state, domain=found[0])
        self._share()
        self.repaint()

    def _share(self) -> None:
        self.lbtui.select(window=self.state.window, time=self.state.time, domain=self.state.domain)

    # Drawing

    @property
    def _data(self) -> DpData | None:
        """The data of the side that is shown."""
        return None if self._both is None else self._both.of(self.side)

    def _local(self) -> DpState:
        """Return the state in the times and domains of the side that is shown."""
        return self.state if self._both is None else local_state(self.state, self._both, self.side)

    def _lanes(self) -> Measured | None:
        """Return the lanes of the side that is shown, None until they are loaded."""
        pair = self._measured.get(self.state.metric)
        if pair is None:
            return None
        return common(pair).measured if self._differs(pair) else pair.of(self.side)

    def _differs(self, pair: Pair[Measured]) -> bool:
        """Tell whether a difference is drawn: where both have values, as else nothing can be subtracted."""
        return (
            self.side == "difference"
            and pair.before is not None
            and pair.before.has_values
            and pair.after.has_values
        )

    def draw(self, width: int, height: int) -> list[Row]:
        """Return the lanes, the chart, or why there is nothing."""
        assert self._both is not None
        self._drawn = self.side
        data, state, pair = self._both.of(self.side), self._local(), self._measured.get(self.state.metric)
        if pair is None or self._empty_side(pair) is not None:
            side = self.side if pair is None else self._empty_side(pair) or self.side
            return self._missing(side, width)[:height]
        if self._differs(pair):
            shown = self._difference(pair, width, height)
            if shown is not None:
                return dp_difference.draw(shown, state, width, height, self.caps)
            return self._waiting(width, height)
        measured = pair.of(self.side)
        view = self._scene(measured, layout(measured, width, height).columns)
        if view is None:
            return self._waiting(width, height)
        if state.chart:
            return self._chart_picture(data, measured, view, width, height)
        return draw(data, measured, view, state, width, height, self.caps)

    def _empty_side(self, pair: Pair[Measured]) -> Side | None:
        """Return which profile has nothing to draw of what is shown, None if all is there."""
        sides: tuple[Side, ...] = ("after", "before") if self.side == "difference" else (self.side,)
        return next((side for side in sides if not pair.of(side).has_values), None)

    def _missing(self, side: Side, width: int) -> list[Row]:
        assert self._both is not None
        chosen = metric(self.state.metric)
        profile = self.baseline if side == "before" and self.baseline is not None else self.profile
        return missing_rows(
            profile,
            self._both.of(side),
            chosen,
            self._notes(chosen, profile),
            width,
            self.caps,
            side=None if self.baseline is None else side,
        )

    def _waiting(self, width: int, height: int) -> list[Row]:
        waiting = fit(" " + _("computing …"), width, caps=self.caps, style=dim(self.caps))
        return [blank(width), blank(width), waiting][:height]

    def _difference(self, pair: Pair[Measured], width: int, height: int) -> Difference | None:
        """Return the difference as drawn in this size, None while its scenes are made."""
        assert self._both is not None
        both = common(pair)
        views = self._views(layout(both.measured, width, height).columns)
        if views is None or not both.lanes:
            return None if views is None else Difference(both, pair, views, views.after, 0)
        return Difference(both, pair, views, difference(views, both), offset_of(self._both))

    def _chart_picture(
        self, data: DpData, measured: Measured, view: Scene, width: int, height: int
    ) -> list[Row]:
        reading = 2 if height >= 12 else 1
        state = self._local()
        key = chart_key(measured, state.domain, view_window(state, data), width, max(1, height - 1 - reading))
        rows = self._charts.get((self.side, key))
        if rows is None:
            side = self.side
            rows = [fit(" " + _("drawing …"), width, caps=self.caps, style=dim(self.caps))]
            rows += [blank(width)] * (key.height - 1)
            self._work(
                (side, key),
                lambda: self.post_message(
                    self.ChartMade((side, key), chart_rows(key, data, measured, self.caps))
                ),
            )
        return [
            chart_state_row(key, measured, self.caps, state.side),
            *rows,
            *reading_rows(data, measured, view, state, width, reading, self.caps),
        ][:height]

    def on_dp_pane_chart_made(self, event: ChartMade) -> None:
        """Show a chart."""
        self._keep(self._charts, event.key, event.rows)
        self._working.discard(event.key)
        self.repaint()

    def _scene(self, measured: Measured, columns: int) -> Scene | None:
        """Return the summary of the side shown; while a worker makes it, the last one, or None."""
        views = self._views(columns)
        view = None if views is None else views.of(self.side)
        return view if view is not None and len(view.mean) == len(measured.lanes) else None

    def _views(self, columns: int) -> Pair[Scene] | None:
        """Return the summaries of both profiles; while they are made, the last ones, or None."""
        assert self._both is not None
        data, state, side = self._both, self.state, self.side
        measured = self._measured[state.metric]
        key = SceneKey(state.metric, state.window, columns, side if data.before is not None else "after")
        if (made := self._scenes.get(key)) is not None:
            self._last = key, made
            return made
        lanes = [*measured.after.lanes, *(measured.before.lanes if measured.before is not None else ())]
        if sum(len(lane.values) for lane in lanes) <= _AT_ONCE:
            made = scenes(data, measured, state, columns, side)
            self._keep(self._scenes, key, made)
            self._last = key, made
            return made
        self._work(
            key, lambda: self.post_message(self.SceneMade(key, scenes(data, measured, state, columns, side)))
        )
        if self._last is None or (self._last[0].metric, self._last[0].side) != (key.metric, key.side):
            return None
        return self._last[1]

    def on_dp_pane_scene_made(self, event: SceneMade) -> None:
        """Show a view that took a while."""
        self._keep(self._scenes, event.key, event.scene)
        self._working.discard(event.key)
        self.repaint()

    def _work(self, key: Hashable, work: Callable[[], object]) -> None:
        """Run `work` in a thread, once for a key: a thread cannot be stopped, only not be started."""
        if key not in self._working:
            self._working.add(key)
            in_background(self, work, self.fail, group="dp-work", exclusive=False)

    def fail(self, why: str) -> None:
        """Say why; what was not made is made again after R."""
        self._working.clear()
        super().fail(why)

    @staticmethod
    def _keep(cache: dict[Any, Any], key: Any, value: Any) -> None:
        while len(cache) >= _KEPT:
            del cache[next(iter(cache))]
        cache[key] = value

    def _notes(self, chosen: Metric, profile: Profile) -> list[str]:
        loaded = profile.loaded().get(chosen.frame)
        return [f"{note.file}: {note.text}" for note in loaded.notes] if loaded else []

    def help_entries(self) -> list[HelpEntry]:
        """Return what every figure means."""
        compared = [] if self.baseline is None else [SIDE_HELP]
        notes = self._notes(metric(self.state.metric), self.profile)
        return [*compared, *help_of(), *(HelpEntry(_("Note"), note) for note in notes)]

    # Keys

    def keys_now(self) -> list[tuple[str, str]]:
        """Return the keys that do something for the side shown."""
        idle = {_("next outstanding"), _("sort"), _("chart")} if self.side == "difference" else set()
        keys = [key for key in super().keys_now() if key[1] not in idle]
        return [*keys[:2], *self.side_key(), *keys[2:]]

    def _change(self, local: DpState) -> None:
        """Take a new state of the side shown, tell the other panes, and draw."""
        if self._both is None or not self._both.of(self.side).domains:
            return
        measured = self._lanes()
        if measured is not None and measured.domains:
            local = scrolled(local, measured, layout(measured, *self.size).shown)
        self.state = shared_state(local, self._both, self.side)
        self._share()
        self.repaint()

    def _shown(self) -> tuple[DpData, Measured, Scene] | None:
        """Return what is drawn, None where no lanes are."""
        pair = self._measured.get(self.state.metric)
        if self.stage is not Stage.READY or self._both is None or pair is None:
            return None
        data = self._both.of(self.side)
        if self._empty_side(pair) is not None:
            return None
        if self._differs(pair):
            shown = self._difference(pair, *self.size)
            return None if shown is None or not shown.both.lanes else (data, shown.both.measured, shown.view)
        measured = pair.of(self.side)
        view = self._scene(measured, layout(measured, *self.size).columns)
        return (data, measured, view) if view is not None else None

    def action_move(self, columns: int) -> None:
        """Move the cursor over time."""
        if shown := self._shown():
            data, _measured, view = shown
            self._change(moved(self._local(), data, view, columns))

    def action_lane(self, lanes: int) -> None:
        """Move the cursor over the lanes."""
        if shown := self._shown():
            self._change(lane_moved(self._local(), shown[1], lanes))

    def action_place(self, by: int) -> None:
        """Go to a place that stands out."""
        if shown := self._shown():
            data, measured, _view = shown
            self._change(place_moved(self._local(), data, measured, by))

    def action_zoom(self, factor: float) -> None:
        """Zoom around the cursor."""
        if shown := self._shown():
            self._change(zoomed(self._local(), shown[0], factor))

    def action_whole(self) -> None:
        """Show the whole time."""
        if self._data is not None:
            self._change(replace(self._local(), window=None))

    def action_statistic(self) -> None:
        """Change between the mean and the worst value of each column."""
        self._change(replace(self._local(), statistic="worst" if self.state.statistic == "mean" else "mean"))

    def action_sort(self) -> None:
        """Change the order of the lanes."""
        self._change(replace(self._local(), by_score=not self.state.by_score))

    def action_chart(self) -> None:
        """Change between lanes and line chart."""
        self._change(replace(self._local(), chart=not self.state.chart))

    def action_metric(self, by: int) -> None:
        """Show another metric, loaded first if need be."""
        if self._both is None:
            return
        keys = [m.key for m in METRICS]
        chosen = metric(keys[(keys.index(self.state.metric) + by) % len(keys)])
        self.state = replace(self.state, metric=chosen.key)
        if chosen.key not in self._measured:
            data = [self._both.after, *([self._both.before] if self._both.before is not None else [])]
            profiles = [self.profile, *([self.baseline] if self.baseline is not None else [])]
            frames = [profile.loaded().get(chosen.frame) for profile in profiles]
            sizes = [own.size for own in data] + [f.frame.height for f in frames if f is not None]
            domains = sum(len(own.domains) for own in data)
            if None in frames or max(sizes) > _AT_ONCE or domains > _LANES_AT_ONCE:
                self.load()
                return
            made = [measure(chosen, own, f.frame) for own, f in zip(data, frames, strict=True) if f]
            self._measured[chosen.key] = Pair(*made)
        self.stage = Stage.READY
        self._change(self._local())

    def action_round(self) -> None:
        """Open the scheduling round under the cursor; its requests are read only now."""
        shown = self._shown()
        if shown is None:
            return
        data, measured, _view = shown
        state = self._local()
        index = measured.index(state.domain)
        if index is None:
            return
        time, domain = state.time, measured.domains[index]
        profile = self.baseline if self.side == "before" and self.baseline is not None else self.profile
        page = TextPage(round_title(domain, time), Text(_("reading …")))
        self.lbtui.push_screen(page)

        def work() -> None:
            begin, end = data.span_at(domain.key, time)
            around = profile.steps_around(begin, end)
            found = round_at(around, data.batches, domain.key, instant(time))
            self.post_message(self.RoundRead(page, time, found, None))
            requests: list[ScheduledRequest] = []
            if found is not None and found.scheduler is not None and found.row is not None:
                requests = profile.requests_of_round(found.scheduler, found.row)
            self.post_message(self.RoundRead(page, time, found, requests))

        def failed(why: str) -> None:
            page.show(Text(_("This round could not be read: {why}").format(why=why)))

        in_background(self, work, failed, group="dp-round")

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
        state = self._local()
        domain, time = hit(layout(measured, *self.size), state, measured, view, event.x, event.y)
        self._change(replace(state, domain=domain or state.domain, time=state.time if time is None else time))

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        """Go down."""
        self.action_lane(1)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        """Go up."""
        self.action_lane(-1)
