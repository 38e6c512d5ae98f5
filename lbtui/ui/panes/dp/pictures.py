"""What the DP pane draws: computed at once or by a worker, and kept; the pane itself moves the cursor."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, replace
from typing import Any

from textual.message import Message

from lbtui.analysis.data_parallel import METRICS, MetricKey, metric
from lbtui.profile import Profile
from lbtui.render.canvas import Canvas
from lbtui.render.capabilities import Capabilities, Row
from lbtui.render.chart import Chart
from lbtui.render.palette import dim
from lbtui.render.text import blank, fit
from lbtui.text import _
from lbtui.ui.kit.background import in_background
from lbtui.ui.kit.pane import Stage
from lbtui.ui.kit.selection import Side
from lbtui.ui.kit.sides import Pair
from lbtui.ui.panes.dp import difference as dp_difference
from lbtui.ui.panes.dp.chart import ChartKey, chart_key, chart_rows, chart_state_row, marked_rows
from lbtui.ui.panes.dp.data import DpData, Measured, Scene
from lbtui.ui.panes.dp.difference import Difference
from lbtui.ui.panes.dp.layout import Kind, Layout, Shown, layout, view_window
from lbtui.ui.panes.dp.loading import AT_ONCE, DpMetrics
from lbtui.ui.panes.dp.marks import Mark, marks_of
from lbtui.ui.panes.dp.sample import SampledLanes, sample_words, sampled, sampled_scene, starting
from lbtui.ui.panes.dp.scenes import Ahead, SceneKey, made_ahead
from lbtui.ui.panes.dp.sides import Common, common, difference, offset_of, scenes
from lbtui.ui.panes.dp.view import copied_text, draw, missing_rows, reading_rows

_KEPT = 32
# So many seconds after a picture that took a while, the other metrics are made ready.
_AT_REST = 0.3
_AHEAD = "ahead"


class DpPictures(DpMetrics):
    """Draws the metric chosen at the cursor, and keeps what was made for it."""

    @dataclass
    class SceneMade(Message):
        """A worker has summarised the lanes of one view."""

        of: Pair[DpData]
        key: SceneKey
        scene: Pair[Scene]

    @dataclass
    class MetricMade(Message):
        """A worker has made a metric before it was asked for."""

        of: Pair[DpData]
        made: Ahead

    @dataclass
    class ChartMade(Message):
        """A worker has drawn a chart."""

        of: Pair[DpData]
        key: tuple[Side, ChartKey]
        chart: Chart

    def __init__(self, profile: Profile, caps: Capabilities, baseline: Profile | None = None) -> None:
        self._charts: dict[tuple[Side, ChartKey], Chart] = {}
        super().__init__(profile, caps, baseline)
        self._drawn: Side = "after"
        self._sample: SampledLanes | None = None
        # What was drawn last, until another is made: of data before these, too.
        self._last: dict[MetricKey, tuple[SceneKey, Pair[Scene]]] = {}

    # A sample, until all is read

    def sample(self, profile: Profile) -> SampledLanes | None:
        """Return batch sizes of a sample of a large table, where these are what is shown first."""
        if self._both is not None or self.baseline is not None or self.state.metric != "batch_size":
            return None
        found = profile.sample_steps()
        return None if found is None else sampled(found, self.limits.expected)

    def sampled(self, result: SampledLanes) -> None:
        """Keep it, with the cursor where a domain seems to stand out most."""
        self._sample = result
        self.state = starting(result, self.state, self.selection)

    def _sample_shown(self, width: int, height: int) -> tuple[DpData, Measured, Scene] | None:
        """Return what is drawn of a sample in a size, None where none is."""
        if self._sample is None or self.stage is not Stage.LOADING or self.state.metric != "batch_size":
            return None
        columns = self._layout(self._sample.measured, width, height).columns
        return self._sample.data, self._sample.measured, sampled_scene(self._sample, columns)

    def _loading_rows(self, width: int, height: int) -> list[Row]:
        found = self._sample_shown(width, height)
        if found is None or self._sample is None:
            return super()._loading_rows(width, height)
        now = Shown.of(*found, self._local(), self._layout(found[1], width, height))
        now = replace(now, sample=f"{sample_words(self._sample.sample)} · {self._progress_text}")
        return draw(now, Canvas(width, height, self.caps))

    def _forget(self) -> None:
        """Forget what was made of data that are shown no more, but for the last pictures."""
        super()._forget()
        self._scenes: dict[SceneKey, Pair[Scene]] = {}
        self._old_charts, self._charts = self._charts, {}
        self._commons: dict[MetricKey, Common] = {}
        self._marks: dict[MetricKey, tuple[Mark, ...]] = {}

    def _lanes(self) -> Measured | None:
        """Return the lanes of the side that is shown, None until they are loaded."""
        pair = self._measured.get(self.state.metric)
        if pair is None:
            return None
        return self._common(pair).measured if self._differs(pair) else pair.of(self.side)

    def _common(self, pair: Pair[Measured]) -> Common:
        """Return the lanes that both profiles have of a metric."""
        assert self._both is not None
        key = pair.after.metric.key
        if key not in self._commons:
            self._commons[key] = common(pair, self._both)
        return self._commons[key]

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
        canvas, pair = Canvas(width, height, self.caps), self._measured.get(self.state.metric)
        if pair is None or self._empty_side(pair) is not None:
            side = self.side if pair is None else self._empty_side(pair) or self.side
            return self._missing(side, canvas)[:height]
        if self._differs(pair):
            both = self._difference(pair, width, height)
            if both is not None:
                return dp_difference.draw(both, self._local(), width, height, self.caps)
            return self._waiting(width, height)
        measured = pair.of(self.side)
        now = self._now(measured, self._layout(measured, width, height))
        if now is None:
            return self._waiting(width, height)
        return self._chart_picture(now, canvas) if now.state.chart else draw(now, canvas)

    def copied(self) -> str:
        """Return what is under the cursor: an instant, a domain and its values there."""
        pair = self._measured.get(self.state.metric)
        if self._both is None or pair is None or self._empty_side(pair) is not None:
            return ""
        if self._differs(pair):
            both = self._difference(pair, *self.size)
            there = both is not None and both.both.lanes
            return dp_difference.copied_text(both, self._local()) if both is not None and there else ""
        measured = pair.of(self.side)
        now = self._now(measured, self._layout(measured, *self.size))
        return "" if now is None else copied_text(now)

    def _now(self, measured: Measured, at: Layout) -> Shown | None:
        """Return what is drawn of one profile, None while its scene is made."""
        assert self._both is not None
        view = self._scene(measured, at.columns)
        if view is None:
            return None
        data = self._both.of(self.side)
        now = Shown.of(data, measured, view, self._local(), at)
        now = replace(now, glance=self._glance())
        return replace(now, marks=self._marks_of(measured), partner=self._partner(now))

    def _layout(self, measured: Measured, width: int, height: int) -> Layout:
        """Return where all stands of the lanes that are shown."""
        pair = self._measured.get(self.state.metric)
        if pair is not None and self._differs(pair):
            return layout(measured, width, height, "signed", self.state.text)
        kind: Kind = "single" if self._partner_key() is None else "paired"
        return layout(measured, width, height, kind, self.state.text)

    def _partner(self, now: Shown) -> Shown | None:
        """Return what is drawn below the lanes, None while it is made or where it has no room."""
        key = self._partner_key()
        if key is None or not now.at.partner_height:
            return None
        if not self._measured_now(metric(key)):
            self._measure_partner(metric(key))
            return None
        measured = self._measured[key].of(self.side)
        view = self._scene(measured, now.at.columns)
        return (
            None
            if view is None
            else replace(now, measured=measured, view=view, marks=self._marks_of(measured))
        )

    def _marks_of(self, measured: Measured) -> tuple[Mark, ...]:
        """Return the findings at the lanes of after, of which they are."""
        if self.side != "after":
            return ()
        key = measured.metric.key
        if key not in self._marks:
            self._marks[key] = marks_of(self.lbtui.findings, measured)
        return self._marks[key]

    def profile_grew(self) -> None:
        """Show the findings once they are known, and measure what another pane has read."""
        self._marks.clear()
        if self.stage is Stage.READY:
            self.repaint()
            self._measure_rest()

    def _missing(self, side: Side, canvas: Canvas) -> list[Row]:
        assert self._both is not None
        chosen = metric(self.state.metric)
        profile = self.profile_of(side)
        return missing_rows(
            profile,
            self._both.of(side),
            chosen,
            self._notes(chosen, profile),
            canvas,
            side=None if self.baseline is None else side,
        )

    def _waiting(self, width: int, height: int) -> list[Row]:
        waiting = fit(" " + _("computing …"), width, caps=self.caps, style=dim(self.caps))
        return [blank(width), blank(width), waiting][:height]

    def _difference(self, pair: Pair[Measured], width: int, height: int) -> Difference | None:
        """Return the difference as drawn in this size, None while its scenes are made."""
        assert self._both is not None
        both = self._common(pair)
        views = self._views(self._layout(both.measured, width, height).columns)
        if views is None or not both.lanes:
            return None if views is None else Difference(both, pair, views, views.after, 0)
        return Difference(both, pair, views, difference(views, both), offset_of(self._both))

    def _chart_picture(self, now: Shown, canvas: Canvas) -> list[Row]:
        width, height = canvas.width, canvas.height
        reading = 2 if height >= 12 else 1
        data, measured, state = now.data, now.measured, now.state
        key = chart_key(
            measured, state, view_window(state, data), Canvas(width, max(1, height - 1 - reading), self.caps)
        )
        chart = self._charts.get((self.side, key))
        side, both = self.side, self._both
        assert both is not None
        if chart is not None:
            rows = marked_rows(chart, key, data, measured, state, self.caps)
        else:
            drawing = fit(" " + _("drawing …"), width, caps=self.caps, style=dim(self.caps))
            rows = self._old_chart(side, key, now) or [drawing, *[blank(width)] * (key.height - 1)]
            self._work(
                (side, key),
                lambda: self.post_message(
                    self.ChartMade(both, (side, key), chart_rows(key, data, measured, self.caps))
                ),
            )
        return [
            chart_state_row(key, measured, self.caps, state.side),
            *rows,
            *reading_rows(now, canvas.sized(height=reading)),
        ][:height]

    def _old_chart(self, side: Side, key: ChartKey, now: Shown) -> list[Row] | None:
        """Return the same chart of the data before, None where none was drawn."""
        for (of, old), chart in self._old_charts.items():
            if of == side and replace(old, window=key.window, lanes=key.lanes) == key:
                return marked_rows(chart, old, now.data, now.measured, now.state, self.caps)
        return None

    def on_dp_pictures_chart_made(self, event: ChartMade) -> None:
        """Show a chart."""
        if event.of is not self._both:
            return
        self._keep(self._charts, event.key, event.chart)
        self._working.discard(event.key)
        self.repaint()

    def _scene(self, measured: Measured, columns: int) -> Scene | None:
        """Return the summary of the side shown; while a worker makes it, the last one, or None."""
        views = self._views(columns, measured.metric.key)
        view = None if views is None else views.of(self.side)
        return view if view is not None and len(view.mean) == len(measured.lanes) else None

    def _views(self, columns: int, chosen: MetricKey | None = None) -> Pair[Scene] | None:
        """Return the summaries of both profiles, of the metric shown unless another is named.

        While they are made, the last ones, or None.
        """
        assert self._both is not None
        data, state, side = self._both, self.state, self.side
        chosen = chosen or state.metric
        measured = self._measured[chosen]
        key = SceneKey(chosen, state.window, columns, side if data.before is not None else "after")
        if (made := self._scenes.get(key)) is not None:
            self._last[chosen] = key, made
            return made
        lanes = [*measured.after.lanes, *(measured.before.lanes if measured.before is not None else ())]
        if sum(len(lane.values) for lane in lanes) <= AT_ONCE:
            made = scenes(data, measured, state, columns, side)
            self._keep(self._scenes, key, made)
            self._last[chosen] = key, made
            return made
        self._work(
            key,
            lambda: self.post_message(
                self.SceneMade(data, key, scenes(data, measured, state, columns, side))
            ),
        )
        last = self._last.get(chosen)
        return last[1] if last is not None and last[0].side == key.side else None

    def on_dp_pictures_scene_made(self, event: SceneMade) -> None:
        """Show a view that took a while."""
        if event.of is not self._both:
            return
        self._keep(self._scenes, event.key, event.scene)
        self._working.discard(event.key)
        self.repaint()
        self.set_timer(_AT_REST, self._prepare_ahead)

    def _prepare_ahead(self) -> None:
        """Make the next metric of steps of a large profile, after them those of other frames."""
        self._make_ahead()
        if not self._working:
            self._measure_all()

    def _make_ahead(self) -> None:
        """Make the next metric of steps that is not there yet: its key shall not wait for it."""
        if self.stage is not Stage.READY or self._both is None or self.baseline is not None:
            return
        if _AHEAD in self._working:
            return
        chosen = next((m for m in METRICS if m.frame == "steps" and not self._measured_now(m)), None)
        if chosen is None:
            return
        both, state, (width, height) = self._both, self.state, self.size
        data = both.after

        def work() -> None:
            self.post_message(self.MetricMade(both, made_ahead(chosen, data, state, width, height)))

        self._working.add(_AHEAD)
        # Why it failed is said when it is asked for.
        in_background(self, work, lambda _why: None, group="dp-ahead")

    def on_dp_pictures_metric_made(self, event: MetricMade) -> None:
        """Keep a metric for when it is asked for, and make the next."""
        if event.of is not self._both:
            return
        made = event.made
        self._measured.setdefault(made.key.metric, Pair(made.measured))
        self._keep(self._scenes, made.key, Pair(made.scene))
        self._working.discard(_AHEAD)
        self._prepare_ahead()

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

    def _shown(self) -> tuple[DpData, Measured, Scene] | None:
        """Return what is drawn, None where no lanes are."""
        if (sample := self._sample_shown(*self.size)) is not None:
            return sample
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
        view = self._scene(measured, self._layout(measured, *self.size).columns)
        return (data, measured, view) if view is not None else None
