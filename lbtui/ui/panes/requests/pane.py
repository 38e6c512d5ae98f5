"""The Requests pane: keys and mouse over `requests_view`."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from typing import ClassVar

import polars as pl
from rich.cells import cell_len
from rich.text import Text
from textual import events
from textual.binding import BindingType
from textual.message import Message
from textual.worker import Worker

from lbtui.analysis.data_parallel import first_step
from lbtui.analysis.latency import Arranged, arrange, asks_for_places
from lbtui.analysis.request_places import PLACE_COLUMNS, domain_keys
from lbtui.findings.latency.words import TITLE as WHERE_TIME_WENT
from lbtui.profile import FrameName, Profile, micros
from lbtui.profile.schema import empty
from lbtui.render.canvas import Canvas
from lbtui.render.capabilities import Row
from lbtui.render.text import padded, printable
from lbtui.text import _
from lbtui.ui.kit import keys
from lbtui.ui.kit.background import in_background
from lbtui.ui.kit.keys import key
from lbtui.ui.kit.orders import Pressed
from lbtui.ui.kit.pages import TextPage
from lbtui.ui.kit.pane import HelpEntry, PaneProgress
from lbtui.ui.kit.parts import Taken
from lbtui.ui.kit.places import PANES
from lbtui.ui.kit.saved import zoned
from lbtui.ui.kit.selection import Aim
from lbtui.ui.kit.window import Window, following, life_window, moved, time_at, zoomed
from lbtui.ui.panes.requests import at as requests_at
from lbtui.ui.panes.requests.arranged import ArrangedRequests
from lbtui.ui.panes.requests.data import (
    BINS,
    Request,
    RequestsData,
    RequestsState,
    first_arrangement,
    load_requests,
    place_in,
    with_places,
)
from lbtui.ui.panes.requests.orders import orders_of
from lbtui.ui.panes.requests.parts import facts_of
from lbtui.ui.panes.requests.targets.pane import TargetsPane, looked_at
from lbtui.ui.panes.requests.targets.state import View
from lbtui.ui.panes.requests.view import copied_text, draw
from lbtui.ui.panes.requests.words import (
    Section,
    help_entries,
    request_sections,
)

# So many seconds after loading, the memory that it took is given back.
_AT_REST = 1.0


class RequestsPane(ArrangedRequests):
    """The request table with percentiles and distribution, and the queue states over time."""

    KEY: ClassVar[str] = "5"
    TITLE: ClassVar[str] = _("Requests")
    NEEDS: ClassVar[tuple[FrameName, ...]] = ("requests", "queues")
    SHOWS: ClassVar[tuple[FrameName, ...]] = ("requests", "queues")
    WHEEL: ClassVar[int] = 3
    MORE_DOMAINS: ClassVar[bool] = True
    BINDINGS: ClassVar[list[BindingType]] = [
        *keys.rows(_("request"), _("requests")),
        *keys.columns(_("instant of the lanes")),
        *keys.zoom(_("the time")),
        key("requests.sort", "sort(1)", _("sort by"), _("sort by the next column"), shown=True),
        key("requests.sort-back", "sort(-1)", _("sort back"), _("sort by the previous column")),
        key("requests.reverse", "reverse", _("reverse"), _("reverse the order"), shown=True),
        keys.filtered(_("show only requests that match: part of an id, ttft>50, dp=2, node=ADDRESS …")),
        keys.entered(
            _("its rounds"), _("to the first round of this request in DP; where none is known, all of it")
        ),
        keys.details(_("everything of this request")),
        key(
            "requests.targets",
            "table",
            _("targets"),
            _("what requests attained by domain, node, length and over time"),
        ),
        key(
            "requests.chart",
            "chart",
            _("chart"),
            _("distribution of a time by domain or node, then over input length"),
        ),
        key(
            "requests.window",
            "window",
            _("only in window"),
            _("only requests in service in the window, or all"),
        ),
        key("requests.domain", "domain", _("domain"), _("queues of the selected DP domain, or of all")),
        key("requests.life", "life", _("its time"), _("zoom all panes to the life of this request")),
        key("requests.follow", "follow", _("follow"), _("follow this request in the Timeline")),
    ]

    @dataclass
    class RoundFound(Message):
        """A worker has found when the first step of a request begins on a domain."""

        domain: str
        begin: int  # µs; a message has a `time` of its own

    @dataclass
    class DetailsRead(Message):
        """A worker has read all there is about the request of `page`."""

        page: TextPage
        sections: list[Section]

    # Loading

    def prepare(self, profile: Profile, progress: PaneProgress) -> tuple[RequestsData, Arranged]:
        """Return the data and its first arrangement, or the one that is wanted."""
        data, known = load_requests(profile, self.limits, progress), self.data
        if known is None:
            return data, arrange(data.table, first_arrangement(data.table), BINS)
        if known.placed and data.no_places is None:
            data = with_places(data, profile, progress)
        wanted = self._wanted
        if wanted.sort not in data.sortable or (asks_for_places(wanted.filter) and not data.placed):
            wanted = first_arrangement(data.table)
        return data, arrange(data.table, wanted, BINS)

    def ready(self, result: tuple[RequestsData, Arranged]) -> None:
        """Start with the cursor on the first request; leave it on its request."""
        known, wanted = self._shown, None
        self.data, arranged = result
        if known is None:
            self.state = RequestsState(arranged)
        else:
            wanted = self._wanted
            place = place_in(self.data, arranged, known.request)
            first = max(0, place - self.state.cursor + self.state.first)
            self.state = replace(
                self.state, arranged=arranged, cursor=place, first=first, busy=False, placing=False
            )
        self._wanted, self._pressed = arranged.arrangement, Pressed()
        self._placing = self._waiting = None
        self._orders = orders_of(self.data.table)
        self._step = 1  # by which the last key went over the columns
        self.set_timer(_AT_REST, self._arrange_ahead)
        if wanted is not None:
            # What was asked for meanwhile.
            self._arrange(wanted)
        self.profile_grew()

    def draw(self, width: int, height: int) -> list[Row]:
        """Return the rows; where requests ran is looked for once a column of it is in view."""
        assert self.data is not None
        at = self._shown_in(self.data, width, height).at
        if any(self.data.columns[place].name in PLACE_COLUMNS for place, _x, _width in at.layout.columns):
            self._place()
        if self.data.told is None and self.data.no_requests is None:
            self.lbtui.look_for_findings()
        return draw(self._shown_in(self.data, width, height), Canvas(width, height, self.caps))

    def copied(self) -> str:
        """Return the id of the request under the cursor, else what is known of it or of the queues there."""
        shown = self._shown
        return "" if shown is None else copied_text(shown)

    def table_rows(self) -> Callable[[], pl.DataFrame] | None:
        """Return what makes the rows of the table, in its order."""
        data, rows = self.data, self.state.arranged.rows if self.data is not None else None
        if data is None or rows is None or data.no_requests is not None:
            return None
        return lambda: zoned(data.table[rows])

    def help_entries(self) -> list[HelpEntry]:
        """Return the quantities."""
        return help_entries(self.data)

    def keys_now(self) -> list[tuple[str, str]]:
        """Return the keys, those for what is on as what they would do next."""
        if self.data is None:
            return []
        found = [keys.MOVE, *super().keys_now()]
        if self._wanted.filter:
            found.append(("Esc", _("no filter")))
        if self._wanted.window:
            found.append(("o", _("all requests")))
        elif self.selection.window:
            found.append(("o", _("only in window")))
        if self.selection.domain and self.data.no_queues is None:
            found.append(("d", _("one domain") if self.state.all_domains else _("all domains")))
        found += [("f", _("follow")), ("t", _("targets")), ("c", _("chart"))]
        return [*found, ("z", _("its time")), keys.ZOOM]

    # In words

    def whole_time(self) -> Window | None:
        """Return the time from the first arrival to the last end."""
        return None if self.data is None else self.data.whole

    def domain_keys(self) -> Collection[str] | None:
        """Return the domains that have queues."""
        keys = set() if self.data is None else {key for key in self.data.lanes if key is not None}
        return keys or None

    def parts(self) -> dict[str, str]:
        """Return what is chosen."""
        shown, data = self._shown, self.data
        if shown is None or data is None:
            return {}
        state = replace(self.state, first=shown.first)
        return requests_at.parts_of(data, state, self._wanted, self.selection)

    def take_parts(self, taken: Taken) -> None:
        """Take it; an order comes as by its key, the cursor's place with it."""
        if self.data is not None:
            self.state = requests_at.with_parts(self.state, taken)
            told = requests_at.told_of(self.data, self._wanted, taken, self.selection)
            if (text := told.arrangement.filter) and self.filter_problem(text):
                taken.refuse("f")
                told = replace(told, arrangement=replace(told.arrangement, filter=self._wanted.filter))
            self._arrange_told(told)

    def open_over(self, name: str) -> None:
        """Show Targets, of the requests that are shown once their order is."""
        if self._told is None:
            self.action_table()
        else:
            self._told = replace(self._told, then=self.action_table)

    # Time

    def action_domain(self) -> None:
        """Show the queues of all domains, or of the selected one."""
        if self.data is not None:
            self.state = replace(self.state, all_domains=not self.state.all_domains)
            self.repaint()

    def action_column(self, step: int) -> None:
        """Move the cursor over the lanes by columns; the window follows."""
        shown = self._shown
        if shown is None or not shown.at.plot:
            return
        window, whole = shown.window, shown.data.whole
        time = moved(self.selection.time, step, window, shown.at.plot, whole)
        then = following(time, window, whole)
        self.lbtui.select(time=time, window=self.selection.window if then == window else then)

    def action_zoom(self, factor: float) -> None:
        """Zoom the shared window around the cursor."""
        if (shown := self._shown) is not None:
            window = zoomed(factor, shown.window, shown.data.whole, self.selection.time)
            self.lbtui.select(window=window)

    def action_whole(self) -> None:
        """Show the whole profile."""
        self.lbtui.select(window=None)

    def action_life(self) -> None:
        """Zoom all panes to the life of the request under the cursor."""
        if self._waits(self.action_life):
            return
        shown = self._shown
        if shown is None or shown.request is None or shown.request["arrival"] is None:
            return
        arrival = micros(shown.request["arrival"])
        window = life_window(arrival, shown.request["duration"], shown.data.whole)
        self.lbtui.select(window=window, time=arrival)

    # One request

    def action_follow(self) -> None:
        """Follow the request under the cursor in the Timeline."""
        if self._waits(self.action_follow):
            return
        shown = self._shown
        request = None if shown is None or shown.request is None else shown.request["request_id"]
        if request is not None:
            self.lbtui.select(request=request)
            self.lbtui.show_at(PANES["timeline"], Aim(request=request))

    def action_enter(self) -> None:
        """Go to its first round; where none is known, open its page."""
        if self._waits(self.action_enter):
            return
        request = None if self._shown is None else self._shown.request
        if request is None or self.data is None:
            return
        domains, first = domain_keys(request.get("domain")), request.get("first_round")
        if not domains or first is None:
            self.action_details()
            return

        def work() -> None:
            steps = self.profile.load_domain_steps(PaneProgress(self)).frame
            begin = first_step(steps, domains[0], first)
            self.post_message(self.RoundFound(domains[0], micros(begin or first)))

        in_background(self, work, lambda _why: self.action_details(), group="request-round")

    def on_requests_pane_round_found(self, event: RoundFound) -> None:
        """Go there, with as much of the time in view as now."""
        event.stop()
        window = self.selection.window
        if window is not None and self.data is not None:
            window = following(event.begin, window, self.data.whole)
        self.lbtui.select(domain=event.domain, time=event.begin, window=window)
        self.lbtui.show_at(PANES["dp"], Aim())

    def action_details(self) -> None:
        """Open a page with everything known of the request under the cursor."""
        if self._waits(self.action_details):
            return
        request = None if self._shown is None else self._shown.request
        if request is None:
            return
        known = self._sections(request, empty("handoffs"), empty("transfers"))
        frames: list[FrameName] = [n for n in ("handoffs", "transfers") if self.profile.has(n)]
        page = TextPage(
            _("Request {id}").format(id=request["request_id"] or ""),
            self._page(known, _("reading hand-offs and KV pulls …") if frames else ""),
        )

        def read() -> None:
            progress = PaneProgress(self)
            found = {
                name: self.profile.load(name, progress).frame.filter(request_id=request["request_id"])
                for name in frames
            }
            sections = self._sections(
                request,
                found.get("handoffs", empty("handoffs")),
                found.get("transfers", empty("transfers")),
            )
            self.post_message(self.DetailsRead(page, sections))

        def failed(why: str) -> None:
            page.show(self._page(known, _("hand-offs and KV pulls could not be read: {why}").format(why=why)))

        worker: Worker[None] | None = None
        if frames:
            worker = in_background(self, read, failed, group="request-details")

        def closed(_nothing: None) -> None:
            if worker is not None:
                worker.cancel()

        self.lbtui.push_screen(page, closed)

    def _sections(self, request: Request, handoffs: pl.DataFrame, transfers: pl.DataFrame) -> list[Section]:
        sections = request_sections(request, handoffs, transfers)
        shown = self._shown
        if shown is None or shown.data.told is None or shown.row is None:
            return sections
        return [sections[0], (WHERE_TIME_WENT, facts_of(shown.data.told, shown.row)), *sections[1:]]

    def on_requests_pane_details_read(self, event: DetailsRead) -> None:
        """Show what was read."""
        event.stop()
        event.page.show(self._page(event.sections, ""))

    def _page(self, sections: list[Section], pending: str) -> Text:
        text = Text()
        for title, facts in sections:
            text.append(printable(title, self.caps) + "\n", style="bold")
            room = max(24, *(cell_len(name) + 2 for name, _value in facts))
            for name, value in facts:
                text.append(printable(f"  {padded(name, room)}{value}", self.caps) + "\n")
            text.append("\n")
        return text.append(printable(pending, self.caps), style="dim")

    # Targets

    def action_table(self) -> None:
        """Show what the requests shown attained."""
        self._show_targets("table")

    def action_chart(self) -> None:
        """Show how their times are distributed."""
        self._show_targets("cdf")

    def _show_targets(self, view: View) -> None:
        if self.data is not None and self.data.no_requests is None:
            looked = looked_at(self.data, self.state)
            self.lbtui.show_over(TargetsPane(self.profile, self.caps, looked, view))

    # Mouse

    def on_click(self, event: events.Click) -> None:
        """Move the cursor to a row or an instant, or sort by the column whose header was clicked."""
        shown = self._shown
        if shown is None:
            return
        at = shown.at
        if at.header < event.y <= at.header + at.rows and event.x < at.layout.width:
            self._move_to(shown.first + event.y - at.header - 1)
        elif event.y == at.header and (place := at.layout.column_at(event.x)) is not None:
            name = shown.data.columns[place].name
            if name == self._wanted.sort:
                self.action_reverse()
            elif name in shown.data.sortable:
                self._sort_by(name)
        elif (column := at.lane_column(event.x, event.y)) is not None:
            self.lbtui.select(time=time_at(column, shown.window, at.plot))
