"""The DP pane: what its keys do, and what it shares with the other panes."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import polars as pl
from rich.text import Text
from textual import events
from textual.binding import BindingType
from textual.message import Message

from lbtui.analysis.data_parallel import METRICS, Metric, Round, metric, round_at
from lbtui.profile import Domain, FrameName, Profile, instant
from lbtui.profile.source import ScheduledRequest
from lbtui.render.capabilities import Capabilities
from lbtui.text import _
from lbtui.ui.kit import keys
from lbtui.ui.kit.background import in_background
from lbtui.ui.kit.line_page import LinePage
from lbtui.ui.kit.pages import Picker
from lbtui.ui.kit.pane import Aim, HelpEntry, Stage
from lbtui.ui.kit.parts import Taken
from lbtui.ui.kit.places import PANES
from lbtui.ui.kit.saved import over_time
from lbtui.ui.kit.selection import Selection
from lbtui.ui.kit.sides import SIDE_HELP
from lbtui.ui.kit.window import Window
from lbtui.ui.panes.dp import at as dp_at
from lbtui.ui.panes.dp import filtered
from lbtui.ui.panes.dp import keys as dp_keys
from lbtui.ui.panes.dp.data import DpData, Measured
from lbtui.ui.panes.dp.glance import choice_text
from lbtui.ui.panes.dp.help import help_of
from lbtui.ui.panes.dp.layout import (
    DpState,
    at_place,
    following,
    hit,
    lane_moved,
    moved,
    place_moved,
    scrolled,
    whole,
    with_filter,
    zoomed,
)
from lbtui.ui.panes.dp.loading import Prepared
from lbtui.ui.panes.dp.pictures import DpPictures
from lbtui.ui.panes.dp.round import request_lines, round_text, round_title
from lbtui.ui.panes.dp.sides import shared_state
from lbtui.ui.panes.dp.view import why_missing
from lbtui.ui.panes.replay.kept import Kept as ReplayKept
from lbtui.ui.panes.replay.kept import why_not_replayed

# What can be done before all is read.
_MOVES = frozenset(("row", "column", "page", "end"))


class DpPane(DpPictures):
    """One lane per DP domain, for every metric that a domain has."""

    KEY: ClassVar[str] = "2"
    TITLE: ClassVar[str] = _("DP")
    NEEDS: ClassVar[tuple[FrameName, ...]] = ("batches",)
    SHOWS: ClassVar[tuple[FrameName, ...]] = ("batches", "steps", "kv", "queues")
    SIDED: ClassVar[bool] = True
    BINDINGS: ClassVar[list[BindingType]] = dp_keys.BINDINGS

    def __init__(self, profile: Profile, caps: Capabilities, baseline: Profile | None = None) -> None:
        super().__init__(profile, caps, baseline)
        self._aimed: Aim | None = None  # until its metric is there
        self._told: DpState | None = None  # the same of a view that was told
        self._replayed = ReplayKept()

    @dataclass
    class RoundRead(Message):
        """A worker has found a round, or its requests (None: still reading)."""

        page: LinePage
        at: int  # µs; a message has a `time` of its own
        found: Round | None
        requests: list[ScheduledRequest] | None

    def ready(self, result: Prepared) -> None:
        """Keep what was prepared, the first time put the cursor where it matters, and measure the rest."""
        first = self._both is None
        if self._both is not None and result.data.after is not self._both.after:
            self._forget()
        self._both = result.data
        self._measured[result.measured.after.metric.key] = result.measured
        if first and self._sample is None and result.data.after.domains:
            self._start(result.data.after, result.measured.after)
        elif result.data.after.domains:
            self._keep_place(result.data.after)
        if self._sample is not None:
            self._sample = None
            self._share()
        if self._told is not None:
            self.state, self._told = self._told, None
        self._go_to_change()
        self._measure_rest()
        if first and result.data.after.domains:
            self.lbtui.look_for_findings()

    def _keep_place(self, data: DpData) -> None:
        """Leave the cursor where it is, as far as that is there."""
        state = self.state
        if all(domain.key != state.domain for domain in data.domains):
            state = replace(state, domain=data.domains[0].key)
        state = replace(state, time=max(data.begin, min(state.time, data.end - 1)))
        self.state = following(state, self.selection, data)

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
        """Show the lanes of the metric that a finding is about, those that a filter hides too."""
        keys = [m.key for m in METRICS]
        self._aimed = aim
        if self.state.text and self._both is not None:
            self.state = following(replace(self.state, text=""), self.selection, self._both.after)
            self.repaint()
        if aim.metric in keys:
            self.state = replace(self.state, chart=False)
            self._show_metric(METRICS[keys.index(aim.metric)])
        if aim.instance is not None and self._both is not None:
            self._go_to_instance(aim.instance, self._both.after)
        self._go_to_change()

    def _go_to_change(self) -> None:
        """Of a difference aimed at put the cursor where it is largest, as soon as its metric is there."""
        aim, pair = self._aimed, self._measured.get(self.state.metric)
        if aim is None or pair is None or self._both is None:
            return
        self._aimed = None
        if not self._differs(pair):
            return
        measured, data = self._common(pair).measured, self._both.after
        lanes = measured.lanes_of(aim.instance or "") or range(len(measured.domains))
        rank = next((k for k, place in enumerate(measured.places) if place.lane in lanes), None)
        if rank is not None:
            self._change(at_place(self._local(), data, measured, rank))

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

    def help_entries(self) -> list[HelpEntry]:
        """Return what every figure means."""
        compared = [] if self.baseline is None else [SIDE_HELP]
        notes = self._notes(metric(self.state.metric), self.profile)
        return [*compared, *help_of(), *(HelpEntry(_("Note"), note) for note in notes)]

    def names(self) -> Mapping[str, Sequence[str]]:
        """Return the metrics."""
        return {"metric": [metric.key for metric in METRICS]}

    def table_rows(self) -> Callable[[], pl.DataFrame] | None:
        """Return what makes a row of each column of the lanes, as they are drawn."""
        shown = self._shown()
        if shown is None:
            return None
        _data, measured, scene = shown
        values = scene.worst if self.state.statistic == "worst" else scene.mean
        names = [domain.key for domain in measured.domains]
        return lambda: over_time(scene.edges.tolist(), names, values)

    # In words

    def whole_time(self) -> Window | None:
        """Return the time of the profile opened."""
        return None if self._both is None else whole(self._both.after)

    def domain_keys(self) -> Collection[str] | None:
        """Return the domains of both profiles."""
        sides = [] if self._both is None else [self._both.after, self._both.before]
        return {domain.key for data in sides if data is not None for domain in data.domains}

    def not_here(self) -> Collection[str]:
        """Return the domain selected where it is in neither profile."""
        return () if self.selection.domain in (self.domain_keys() or ()) else ("d",)

    def parts(self) -> dict[str, str]:
        """Return what is chosen of lanes and chart."""
        if self._both is None:
            return {}
        return dp_at.parts_of(self.state, self.selection, whole(self._both.after))

    def take_parts(self, taken: Taken) -> None:
        """Take it; a metric that is still to be read comes as by its key."""
        if self._both is None:
            return
        self.state = dp_at.with_parts(self.state, taken, self.domain_keys() or ())
        if taken.parts.get("f") and filtered.problem(self._both.after.domains, self.state.text):
            taken.refuse("f")
            self.state = replace(self.state, text="")
        if not self._measured_now(metric(self.state.metric)):
            self._told = self.state
            self.load()
        else:
            self.stage = Stage.READY

    def open_over(self, name: str) -> None:
        """Show What-if."""
        self.action_what_if()

    # Keys

    def keys_now(self) -> list[tuple[str, str]]:
        """Return the keys that do something for the side shown."""
        if self._sample_shown(*self.size) is not None:
            return [keys.MOVE]
        idle = {_("sort"), _("chart")} if self.side == "difference" else set()
        found = [each for each in super().keys_now() if each[1] not in idle]
        what_if = [("w", _("What-if"))] if self.profile.has("requests") else []
        # After the way in, before what is of one picture.
        return [keys.MOVE, *found[:2], *self.side_key(), *found[2:4], *what_if, *found[4:], keys.ZOOM]

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool:
        """Tell whether a key may do anything: over a sample the cursor moves, all else is of all steps."""
        moves = action in _MOVES and self._sample_shown(*self.size) is not None
        return moves or super().check_action(action, parameters)

    def why_not(self, action: str) -> str:
        """Return why an action can do nothing now."""
        why = super().why_not(action)
        return why or (why_not_replayed(self.profile) if action == "what_if" else "")

    def _change(self, local: DpState) -> None:
        """Take a new state of the side shown, tell the other panes, and draw."""
        if self._sample_shown(*self.size) is not None:
            self.state = local
            self._share()
            self.repaint()
            return
        if self._both is None or not self._both.of(self.side).domains:
            return
        measured = self._lanes()
        # Where all stands depends on it.
        self.state = replace(self.state, text=local.text)
        if measured is not None and measured.domains:
            local = scrolled(local, measured, self._layout(measured, *self.size).shown)
        self.state = shared_state(local, self._both, self.side)
        self._share()
        self.repaint()

    def action_column(self, columns: int) -> None:
        """Move the cursor over time."""
        if shown := self._shown():
            data, _measured, view = shown
            self._change(moved(self._local(), data, view, columns))

    def action_row(self, lanes: int) -> None:
        """Move the cursor over the lanes."""
        if shown := self._shown():
            self._change(lane_moved(self._local(), shown[1], lanes))

    def page_rows(self) -> int:
        """Return how many lanes are in view."""
        shown = self._shown()
        return 1 if shown is None else max(1, self._layout(shown[1], *self.size).shown)

    def action_hot(self, by: int) -> None:
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

    def action_sort(self, _step: int = 1) -> None:
        """Change the order of the lanes."""
        self._change(replace(self._local(), by_score=not self.state.by_score))

    def action_chart(self) -> None:
        """Change between lanes and line chart."""
        self._change(replace(self._local(), chart=not self.state.chart))

    def action_metric(self, by: int) -> None:
        """Show the next metric that has data, or may have."""
        at = METRICS.index(metric(self.state.metric))
        others = [METRICS[(at + by * step) % len(METRICS)] for step in range(1, len(METRICS))]
        if (chosen := next((m for m in others if not self._is_empty(m)), None)) is not None:
            self._show_metric(chosen)

    def _show_metric(self, chosen: Metric) -> None:
        """Show a metric, loaded first if need be."""
        if self._both is None:
            return
        self.state = replace(self.state, metric=chosen.key)
        if not self._measured_now(chosen):
            self.load()
            return
        self.stage = Stage.READY
        self._change(self._local())

    def action_pick(self) -> None:
        """Let the user choose a metric of all there are."""
        if self._both is not None:
            page = Picker(_("Metric"), self._choices(), self.state.metric)
            self.lbtui.push_screen(page, self._picked)

    def _choices(self) -> list[tuple[str, Text]]:
        """Return every metric with its figure and what stands on it, or why it has no data."""
        both = self._both
        found: list[tuple[str, Text]] = []
        glance = {each.key: each for each in self._glance()}
        for each in METRICS:
            profile, data = self.profile_of(self.side), None if both is None else both.of(self.side)
            why = "" if data is None else why_missing(profile, data, each)
            found.append((each.key, choice_text(each, glance.get(each.key), why, self.caps)))
        return found

    def _picked(self, key: str | None) -> None:
        if (chosen := next((m for m in METRICS if m.key == key), None)) is not None:
            self._show_metric(chosen)

    # Filter

    def filter_text(self) -> str:
        """Return the filter that is on."""
        return self.state.text

    def filter_grammar(self) -> str:
        """Return how a filter is written."""
        return filtered.grammar()

    def filter_problem(self, text: str) -> str | None:
        """Return why a filter is refused: written wrong, or it would leave no lane."""
        measured, data = self._lanes(), self._data
        domains = measured.domains if measured is not None else () if data is None else data.domains
        return filtered.problem(domains, text)

    def filter_by(self, text: str) -> None:
        """Show the lanes that match."""
        if (measured := self._lanes()) is not None:
            self._change(with_filter(self._local(), measured, " ".join(text.split())))

    def filter_undo(self) -> Callable[[], None]:
        """Return what shows the lanes shown now."""
        state, selection = self.state, self.selection

        def undo() -> None:
            self.state = state
            self.lbtui.select(window=selection.window, time=selection.time, domain=selection.domain)
            self.repaint()

        return undo

    def action_enter(self) -> None:
        """Open the scheduling round under the cursor; its requests are read only now."""
        shown = self._shown()
        if shown is None:
            return
        data, measured, _view = shown
        state = self._local()
        index = measured.index(state.domain)
        if index is None:
            return
        self._open_round(data, measured.domains[index], state.time)

    def _open_round(self, data: DpData, domain: Domain, time: int) -> None:
        profile = self.profile_of(self.side)
        title = round_title(domain, time, date=data.dated)
        page = LinePage(title, Text(_("reading …")), self._open_request)
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
        """Fill the page; the requests of a baseline are in no pane."""
        text = round_text(event.found, event.at, event.requests, self.caps)
        known = event.requests if event.requests and self.side != "before" else []
        event.page.show_lines(text, request_lines(text, known))

    def _open_request(self, request_id: str) -> None:
        self.lbtui.show_at(PANES["requests"], Aim(request=request_id))

    def action_what_if(self) -> None:
        """Show what other routing would bring, in this pane's place."""
        from lbtui.ui.panes.replay.pane import RoutingPane

        side = None if self.baseline is None else self.side
        self.lbtui.show_over(RoutingPane(self.profile_of(self.side), self.caps, self._replayed, side))

    def go_out(self) -> bool:
        """Leave the chart, then the filter, then the zoom."""
        if self.state.chart:
            self.action_chart()
            return True
        if self.state.text:
            self.filter_by("")
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
        domain, time = hit(self._layout(measured, *self.size), state, measured, view, event.x, event.y)
        self._change(replace(state, domain=domain or state.domain, time=state.time if time is None else time))
