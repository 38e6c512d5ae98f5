"""The request table as shown: which requests, in which order, what is known of them, the cursor on one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from textual.message import Message
from textual.worker import get_current_worker

from lbtui.analysis.latency import Arranged, Arrangement, asks_for_places, filter_error
from lbtui.analysis.request_places import PLACE_COLUMNS
from lbtui.text import _, visible
from lbtui.ui.kit.background import in_background
from lbtui.ui.kit.filtering import Filtered
from lbtui.ui.kit.orders import Orders, Pressed
from lbtui.ui.kit.pane import PaneProgress
from lbtui.ui.kit.selection import Aim, Selection
from lbtui.ui.panes.requests import at as requests_at
from lbtui.ui.panes.requests.data import RequestsData, RequestsState, window_of, with_places, with_told
from lbtui.ui.panes.requests.layout import Shown, places
from lbtui.ui.panes.requests.orders import next_column, orders_of, sorted_by
from lbtui.ui.panes.requests.words import filter_grammar

_SHOW_BUSY = 300_000  # rows from which arranging can be noticed
# An order of more rows takes longer than it is until the next key, and memory that the table needs itself.
_MOST_AHEAD = 4_000_000


class ArrangedRequests(Filtered):
    """Keeps the order wanted; asks workers for it, and for what is known of requests besides their times."""

    @dataclass
    class ArrangedMessage(Message):
        """A worker has arranged the requests."""

        arranged: Arranged

    @dataclass
    class Placed(Message):
        """A worker has looked where the requests ran."""

        before: RequestsData
        data: RequestsData

    data: RequestsData | None = None
    state: RequestsState
    _wanted: Arrangement
    _orders: Orders[Arrangement, Arranged]
    _step: int
    _placing: RequestsData | None = None  # the data for which it is looked for where requests ran
    _waiting: Arrangement | None = None  # what needs to know that first
    _told: requests_at.Told | None = None  # where the cursor is in an order still to come
    _pressed: Pressed  # for a request of an order still to come

    # What is where

    def _shown_in(self, data: RequestsData, width: int, height: int) -> Shown:
        at = places(data, self.state.arranged.arrangement.sort, width, height)
        return Shown(data, self.state, self.selection, at)

    @property
    def _shown(self) -> Shown | None:
        return None if self.data is None else self._shown_in(self.data, *self.size)

    # Moving over requests

    def _move_to(self, place: int) -> None:
        if self.data is None:
            return
        place = max(0, min(place, len(self.state.arranged.rows) - 1))
        self.state = replace(self.state, cursor=place)
        self.state = replace(self.state, first=self._shown_in(self.data, *self.size).first)
        self.repaint()

    def action_row(self, step: int) -> None:
        """Move by one request."""
        if self.data is not None:
            self._move_to(self.state.cursor + step)

    def page_rows(self) -> int:
        """Return how many requests are in view, but one."""
        shown = self._shown
        return 1 if shown is None else max(1, shown.at.rows - 1)

    # Where their time went

    def profile_grew(self) -> None:
        """Show where the time of the requests went, once that is known."""
        told, data = self.lbtui.told, self.data
        if told is None or data is None or data.told is told:
            return

        def work() -> None:
            self.post_message(self.Placed(data, with_told(data, told)))

        in_background(self, work, lambda _why: None, group="place-requests")

    # Where requests ran

    def _place(self) -> None:
        """Look for it, once for the data that is here."""
        data = self.data
        if data is None or data.placed or data.no_places is not None or self._placing is data:
            return
        self._placing = data
        self.state = replace(self.state, placing=True)

        def work() -> None:
            self.post_message(self.Placed(data, with_places(data, self.profile, PaneProgress(self))))

        def failed(why: str) -> None:
            self.post_message(self.Placed(data, replace(data, no_places=why)))

        in_background(self, work, failed, group="place-requests")

    def on_arranged_requests_placed(self, event: Placed) -> None:
        """Show where the requests ran; their rows stay as they are."""
        event.stop()
        if self.data is not event.before:
            return
        self.data = event.data
        self._orders = orders_of(self.data.table)
        self.state = replace(self.state, placing=self._placing is event.before and not self.data.placed)
        self.profile_grew()
        if self._told is not None:
            self._arrange_told(self._told)
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            self._arrange(waiting)
        self._arrange_ahead()
        self.repaint()

    def aimed(self, aim: Aim) -> None:
        """Show one request, or those that a filter leaves in the window selected."""
        if self.data is None:
            return
        if aim.filter is not None:
            window = window_of(self.data, self.selection) if self.selection.window else None
            self._arrange(replace(self._wanted, filter=aim.filter, window=window))
        if aim.request is not None:
            self._go_to(aim.request)

    def _go_to(self, request_id: str) -> None:
        """Put the cursor on a request; if it is left out, take off what leaves it out."""
        assert self.data is not None
        found = self.data.table["request_id"].eq_missing(request_id).arg_true()
        if not len(found):
            return
        at = np.flatnonzero(self.state.arranged.rows == found[0])
        if len(at) and self._wanted == self.state.arranged.arrangement:
            self._move_to(int(at[0]))
        else:
            self._arrange(replace(self._wanted, filter=request_id, window=None))

    def _unplaced(self) -> str:
        assert self.data is not None
        return visible(self.data.no_places or "") or _("no file tells where requests ran")

    # Arranging

    def _arrange_told(self, told: requests_at.Told) -> None:
        """Arrange as a view that was told has it, as soon as the columns that this needs are there."""
        assert self.data is not None
        self._told = told
        if told.arrangement.sort in self.data.sortable:
            self._arrange(told.arrangement)
            self._told_place()
        elif told.arrangement.sort in PLACE_COLUMNS:
            self._place()
        else:
            self.lbtui.look_for_findings()

    def _arrange(self, wanted: Arrangement) -> None:
        data = self.data
        if data is None:
            return
        self._pressed.drop()
        if self._told is not None and wanted != self._told.arrangement:
            self._told = None
        if wanted == self._wanted:
            return
        if asks_for_places(wanted.filter) and not data.placed:
            if data.no_places is None:
                self._waiting = wanted
                self._place()
                self.repaint()
            return
        self._wanted = wanted
        if (made := self._orders.ready(wanted)) is not None:
            self._show(made)
            return
        if data.table.height >= _SHOW_BUSY:
            self.state = replace(self.state, busy=True)
            self.repaint()

        def work() -> None:
            made = self._orders.make(wanted, lambda: get_current_worker().is_cancelled)
            self.post_message(self.ArrangedMessage(made))

        in_background(self, work, self.fail, group="arrange-requests")

    def _arrange_ahead(self) -> None:
        """Make the order that the last key would ask for next, unless another is being made."""
        shown = self.state.arranged.arrangement
        if self.data is None or self.data.table.height > _MOST_AHEAD or self._wanted != shown:
            return
        following = next_column(shown, self._step, self.data.sortable)

        def work() -> None:
            self._orders.make_ahead(following, lambda: get_current_worker().is_cancelled)

        # Why it failed is said when it is asked for.
        in_background(self, work, lambda _why: None, group="arrange-requests")

    def on_arranged_requests_arranged_message(self, event: ArrangedMessage) -> None:
        """Show an arrangement unless another is wanted by now."""
        event.stop()
        if self.data is not None and event.arranged.arrangement == self._wanted:
            self._show(event.arranged)

    def _told_place(self) -> None:
        """Put the cursor where a view that was told has it, once its order is shown."""
        told = self._told
        if told is None or self.data is None or self._wanted != told.arrangement:
            return
        if self.state.arranged.arrangement != told.arrangement:
            return
        self._told = None
        self.state = requests_at.placed(self.data, self.state, told)
        self.repaint()
        told.then()

    def _show(self, after: Arranged) -> None:
        """Show an arrangement.

        A new order starts at its top; otherwise the cursor stays on its request where that is still shown.
        """
        before = self.state.arranged
        old, new = before.arrangement, after.arrangement
        place = 0
        if (old.sort, old.descending) == (new.sort, new.descending) and len(before.rows):
            same = np.flatnonzero(after.rows == before.rows[self.state.cursor])
            place = int(same[0]) if len(same) else 0
        self.state = replace(self.state, arranged=after, busy=False, first=0)
        self._move_to(place)
        self._told_place()
        self._pressed.do()
        self.call_after_refresh(self._arrange_ahead)

    def _waits(self, act: Callable[[], None]) -> bool:
        """Tell whether something is done later, with a request of the order that is asked for."""
        if self.data is None:
            return False
        return self._pressed.waits(act, coming=self._wanted != self.state.arranged.arrangement)

    def _sort_by(self, name: str) -> None:
        self._arrange(sorted_by(name, self._wanted))

    def action_sort(self, step: int) -> None:
        """Sort by the next or the previous column, numbers from the greatest down."""
        if self.data is not None:
            self._step = step
            self._arrange(next_column(self._wanted, step, self.data.sortable))

    def action_reverse(self) -> None:
        """Reverse the order."""
        if self.data is not None:
            self._arrange(replace(self._wanted, descending=not self._wanted.descending))

    def why_not(self, action: str) -> str:
        """Return why an action can do nothing now."""
        if why := super().why_not(action):
            return why
        windowed = self.data is not None and self._wanted.window
        if action == "window" and not windowed and self.selection.window is None:
            return _("no window is selected: + in any pane")
        return _("no DP domain is selected") if action == "domain" and not self.selection.domain else ""

    def filter_text(self) -> str:
        """Return the filter that is on."""
        return self._wanted.filter

    def filter_grammar(self) -> str:
        """Return how a filter is written."""
        return filter_grammar()

    def filter_problem(self, text: str) -> str | None:
        """Return what is wrong with a filter."""
        unknown = asks_for_places(text) and self.data is not None and self.data.no_places is not None
        return filter_error(text) or (self._unplaced() if unknown else None)

    def filter_by(self, text: str) -> None:
        """Show the requests that match."""
        self._arrange(replace(self._wanted, filter=" ".join(text.split())))

    def filter_undo(self) -> Callable[[], None]:
        """Return what shows the requests shown now."""
        state, wanted = self.state, self._wanted

        def undo() -> None:
            self.state = replace(state, busy=False)
            self._wanted = state.arranged.arrangement
            self._move_to(state.cursor)
            # What was still being arranged is asked for again.
            self._arrange(wanted)

        return undo

    def action_window(self) -> None:
        """Show only the requests in service in the window, or all again."""
        if self.data is not None:
            window = None if self._wanted.window else window_of(self.data, self.selection)
            self._arrange(replace(self._wanted, window=window))

    def selection_changed(self, selection: Selection) -> None:
        """Follow the shared window, time and domain."""
        if self.data is None:
            return
        if self._wanted.window:
            self._arrange(replace(self._wanted, window=window_of(self.data, selection)))
        self.repaint()

    def cancel(self) -> bool:
        """Cancel loading, or an arrangement that takes long: what is shown stays, the other is dropped."""
        if super().cancel():
            return True
        if self.data is None or not self.state.busy:
            return False
        self._wanted = self.state.arranged.arrangement
        self._pressed.drop()
        self.state = replace(self.state, busy=False)
        self.repaint()
        return True

    def go_out(self) -> bool:
        """Take off the filter, then the restriction to the window."""
        if self.data is None:
            return False
        if self._wanted.filter:
            self._arrange(replace(self._wanted, filter=""))
        elif self._wanted.window:
            self._arrange(replace(self._wanted, window=None))
        else:
            return False
        return True
