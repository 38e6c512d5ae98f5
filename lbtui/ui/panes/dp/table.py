"""The DP pane with its table of forward passes: `t` shows it in the place of the lanes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import ClassVar

import polars as pl
from textual import events
from textual.binding import BindingType
from textual.message import Message
from textual.worker import Worker, get_current_worker

from lbtui.analysis.data_parallel import Metric
from lbtui.profile import Profile, micros
from lbtui.render.canvas import Canvas
from lbtui.render.capabilities import Capabilities, Row
from lbtui.text import _
from lbtui.ui.kit import keys
from lbtui.ui.kit.background import in_background
from lbtui.ui.kit.orders import Orders, Pressed
from lbtui.ui.kit.pane import PaneProgress, Stage
from lbtui.ui.kit.parts import Taken
from lbtui.ui.kit.progress_words import progress_words
from lbtui.ui.kit.saved import zoned
from lbtui.ui.kit.selection import Side
from lbtui.ui.panes.dp import at as dp_at
from lbtui.ui.panes.dp import keys as dp_keys
from lbtui.ui.panes.dp.data import DpData
from lbtui.ui.panes.dp.filtered import places_left
from lbtui.ui.panes.dp.layout import view_window, zoomed
from lbtui.ui.panes.dp.loading import AT_ONCE
from lbtui.ui.panes.dp.pane import DpPane
from lbtui.ui.panes.dp.passes import (
    NAMES,
    Ordered,
    Reader,
    Wanted,
    are_held,
    is_at,
    next_column,
    place_of,
    sorted_by,
)
from lbtui.ui.panes.dp.passes_view import HEADER, ShownPasses, copied_text, draw_passes, said_instead


class DpTablePane(DpPane):
    """The lanes, or in their place the table of forward passes."""

    BINDINGS: ClassVar[list[BindingType]] = dp_keys.BINDINGS

    @dataclass
    class PassesOrdered(Message):
        """A worker has put the forward passes of a profile in order."""

        side: Side
        ordered: Ordered

    def __init__(self, profile: Profile, caps: Capabilities, baseline: Profile | None = None) -> None:
        super().__init__(profile, caps, baseline)
        self._tabled = False
        self._order = ("start", False)  # the column, whether downwards
        self._to_top = False  # that order is new: the cursor goes to its top
        self._step = 1  # by which the last key went over the columns
        self._asking: Worker[None] | None = None
        self._pressed = Pressed()  # for a pass of an order still to come
        self._doing = ""  # how far the reading is
        self._unread = ""  # why nothing came of it
        self._about: int | None = None  # where passes are listed first, of a view that was told
        # Of the cursor, and of the first pass in view, as the last key left them.
        self._place, self._first = 0, 0

    def _forget(self) -> None:
        """Forget what was made of data that are shown no more."""
        super()._forget()
        self._orders: dict[Side, Orders[Wanted, Ordered]] = {}
        self._ordered: dict[Side, Ordered] = {}
        self._asked: Wanted | None = None  # of the worker
        self._given_up: Wanted | None = None  # the reading of which was cancelled

    # What is there

    @property
    def _of(self) -> Side:
        """Whose passes are shown: a difference has none of its own."""
        return "before" if self.side == "before" else "after"

    def _wanted(self, data: DpData) -> Wanted:
        state, made = self._local(), self._ordered.get(self._of)
        window, about = view_window(state, data), 0
        if not are_held(data):
            near = (
                made is not None
                and made.wanted.window == window
                and made.span[0] <= state.time < made.span[1]
            )
            first = state.time if self._about is None else self._about
            about = made.wanted.about if made is not None and near else first
        left = places_left(data.domains, state.text)
        domains = frozenset(data.domains[i].key for i in left) if state.text else None
        return Wanted(window, about, *self._order, domains)

    def _passes(self) -> Ordered | None:
        """Return the passes as wanted; while a worker orders them those shown before, None without any."""
        data, side = self._data, self._of
        if data is None or data.steps.is_empty():
            return None
        wanted, kept = self._wanted(data), self._ordered.get(side)
        if kept is not None and kept.wanted == wanted:
            return kept
        if side not in self._orders:
            source = self.profile_of(side).source

            def read(begin: int, end: int) -> pl.DataFrame | None:
                return source.steps_between(begin, end, PaneProgress(self))

            self._orders[side] = Orders(Reader(data, read).ordered)
        orders = self._orders[side]
        made = orders.ready(wanted)
        if made is None and are_held(data) and data.steps.height <= AT_ONCE:
            made = orders.make(wanted, lambda: False)
        if made is None:
            if wanted != self._given_up:
                self._order_beside(side, wanted)
            return kept
        self._ordered[side] = made
        return made

    def _order_beside(self, side: Side, wanted: Wanted) -> None:
        if self._asked == wanted:
            return
        self._asked, self._unread, self._given_up, orders = wanted, "", None, self._orders[side]
        self._doing = _("reading …") + "  " + _("Escape cancels")

        def work() -> None:
            made = orders.make(wanted, lambda: get_current_worker().is_cancelled)
            self.post_message(self.PassesOrdered(side, made))

        def failed(why: str) -> None:
            self._unread = why
            self._pressed.drop()
            self.repaint()

        self._asking = in_background(self, work, failed, group="dp-passes")

    def on_pane_progressed(self, event: DpPane.Progressed) -> None:
        """Show how far the reading of passes is; that of the pane itself is shown by the pane."""
        if self._asked is not None and self.stage is Stage.READY:
            words = progress_words(event.what, event.done, event.total, event.rate)
            self._doing = words + "  " + _("Escape cancels")
            if self._tabled:
                self.repaint()

    def cancel(self) -> bool:
        """Cancel loading, or the reading of passes that the table waits for."""
        if super().cancel():
            return True
        if not self._tabled or self._asked is None or self._asking is None:
            return False
        self._asking.cancel()
        self._pressed.drop()
        self._given_up, self._asked, self._to_top = self._asked, None, False
        if (kept := self._ordered.get(self._of)) is not None:
            self._order = kept.wanted.sort, kept.wanted.descending
        self.repaint()
        return True

    def _doing_words(self, wanted: Wanted) -> str:
        """Return how the passes that are wanted stand; nothing where they are shown."""
        if self._asked is not None:
            return self._doing
        return _("others not read, t and t again reads them") if wanted == self._given_up else ""

    def on_dp_table_pane_passes_ordered(self, event: PassesOrdered) -> None:
        """Show an order, unless another is wanted by now."""
        event.stop()
        if self._asked == event.ordered.wanted:
            self._asked = self._about = None
            self._ordered[event.side] = event.ordered
            self._settle()

    def _settle(self) -> None:
        """Put the cursor on the top of a new order as soon as it is there, and make the next ahead."""
        ordered = self._passes()
        if ordered is None or self._asked is not None:
            self.repaint()
            return
        if self._to_top:
            self._to_top, self._first = False, 0
            self._go_to(ordered, 0)
        else:
            self.repaint()
        self._pressed.do()
        if ordered.frame.height > AT_ONCE:
            self.call_after_refresh(self._order_ahead)

    def _order_ahead(self) -> None:
        """Make the order that the last key would ask for next, unless another is being made."""
        made = self._ordered.get(self._of)
        if made is None or self._asked is not None:
            return
        orders, following = self._orders[self._of], next_column(made.wanted, self._step)

        def work() -> None:
            orders.make_ahead(following, lambda: get_current_worker().is_cancelled)

        # Why it failed is said when it is asked for.
        in_background(self, work, lambda _why: None, group="dp-passes")

    def _shown_passes(self) -> ShownPasses | None:
        ordered, data = self._passes(), self._data
        if ordered is None or data is None:
            return None
        state, place = self._local(), self._place
        if not is_at(ordered.at(place), state.domain, state.time):
            place = place_of(ordered, state.domain, state.time)
        side = None if self.baseline is None else self._of
        doing = self._doing_words(self._wanted(data))
        return ShownPasses(ordered, place, self._first, data.dated, side, doing, state.text)

    def draw(self, width: int, height: int) -> list[Row]:
        """Return the lanes, or the table, or why there is none."""
        if not self._tabled:
            return super().draw(width, height)
        self._drawn = self.side
        canvas, shown = Canvas(width, height, self.caps), self._shown_passes()
        if shown is not None and not self._unread:
            return draw_passes(shown, canvas)
        if self._unread:
            why = _("These forward passes could not be read: {why}").format(why=self._unread)
        elif self._data is not None and self._data.steps.is_empty():
            missing = self.profile_of(self._of).missing_of("steps")
            why = _("No {what}: {reason}; {how}.").format(
                what=missing.what, reason=missing.reason, how=missing.how_to_collect
            )
        elif self._asked is None and self._given_up is not None:
            why = _("Reading was cancelled. t shows the lanes, and t again reads.")
        else:
            why = self._doing
        return said_instead(why, canvas)

    def copied(self) -> str:
        """Return what is under the cursor, in the table the pass."""
        if not self._tabled:
            return super().copied()
        shown = self._shown_passes()
        return "" if shown is None or self._unread else copied_text(shown)

    def table_rows(self) -> Callable[[], pl.DataFrame] | None:
        """Return what makes the rows of the lanes, or of the table in its order."""
        if not self._tabled:
            return super().table_rows()
        shown = self._shown_passes()
        if shown is None or self._unread:
            return None
        ordered = shown.ordered
        return lambda: zoned(ordered.frame[ordered.rows])

    # In words

    def parts(self) -> dict[str, str]:
        """Return what is chosen of lanes and chart, or of the table."""
        found, shown, data = super().parts(), self._shown_passes() if self._tabled else None, self._data
        if shown is None or data is None:
            return found
        about = None if are_held(data) else shown.ordered.wanted.about
        table = dp_at.Tabled(self._order, shown.cursor, shown.first(self.size.height), about)
        return {**found, **dp_at.table_parts(table, self.whole_time() or shown.ordered.wanted.window)}

    def take_parts(self, taken: Taken) -> None:
        """Take it."""
        super().take_parts(taken)
        table = dp_at.table_of(dp_at.Tabled(self._order, self._place, self._first), taken)
        if table is not None:
            self._order, self._place, self._first = table.order, table.place, table.first
            self._about = table.about
        if taken.parts.get("v") is not None:
            self._tabled = table is not None

    # Keys

    def keys_now(self) -> list[tuple[str, str]]:
        """Return the keys, in the table those that do something there."""
        found = super().keys_now()
        if not self._tabled:
            return found
        enter, hot, filtered = ([each for each in found if each[0] == key] for key in ("⏎", "n", "/"))
        own = [("s", _("sort by")), ("r", _("reverse")), *self.side_key(), *filtered, ("t", _("lanes"))]
        return [keys.MOVE_ROWS, *enter, *own, *hot, keys.ZOOM]

    def action_table(self) -> None:
        """Change between the lanes and the table of forward passes."""
        self._tabled = not self._tabled
        self._unread, self._given_up = "", None
        self._pressed.drop()
        self.repaint()

    def _go_to(self, ordered: Ordered, place: int) -> None:
        """Put the cursor on a pass: its begin and its domain hold in the other panes."""
        self._place = max(0, min(place, len(ordered.rows) - 1))
        if (found := ordered.at(self._place)) is None:
            self.repaint()
            return
        shown = ShownPasses(ordered, self._place, self._first, False)
        self._first = shown.first(self.size.height)
        self._change(replace(self._local(), time=micros(found["start"]), domain=str(found["domain"])))

    def action_row(self, lanes: int) -> None:
        """Move the cursor over the lanes, or the passes."""
        if not self._tabled:
            super().action_row(lanes)
        elif (shown := self._shown_passes()) is not None:
            self._first = shown.first(self.size.height)
            self._go_to(shown.ordered, shown.cursor + lanes)

    def page_rows(self) -> int:
        """Return how many lanes or passes are in view."""
        shown = self._shown_passes() if self._tabled else None
        return super().page_rows() if shown is None else max(1, shown.lines(self.size.height) - 1)

    def action_column(self, columns: int) -> None:
        """Move the cursor over time; in the table rows do."""
        if not self._tabled:
            super().action_column(columns)

    def action_zoom(self, factor: float) -> None:
        """Zoom around the cursor."""
        if not self._tabled:
            super().action_zoom(factor)
        elif self._data is not None:
            self._change(zoomed(self._local(), self._data, factor))

    def action_sort(self, step: int = 1) -> None:
        """Change the order of the lanes, or sort the passes by the next or the previous column."""
        if not self._tabled:
            super().action_sort(step)
        elif self._data is not None:
            self._step = step
            self._order_by(next_column(self._wanted(self._data), step))

    def action_reverse(self) -> None:
        """Reverse the order of the passes."""
        if self._tabled and self._data is not None:
            wanted = self._wanted(self._data)
            self._order_by(replace(wanted, descending=not wanted.descending))

    def _order_by(self, wanted: Wanted) -> None:
        self._order, self._to_top = (wanted.sort, wanted.descending), True
        self._settle()

    def action_statistic(self) -> None:
        """Change between the mean and the worst value of each column of the lanes."""
        if not self._tabled:
            super().action_statistic()

    def _show_metric(self, chosen: Metric) -> None:
        """Show a metric in the lanes."""
        self._tabled = False
        super()._show_metric(chosen)

    def action_chart(self) -> None:
        """Change between lanes and line chart."""
        self._tabled = False
        super().action_chart()

    def action_enter(self) -> None:
        """Open the scheduling round under the cursor."""
        shown = self._shown_passes() if self._tabled else None
        if shown is None or self._data is None:
            super().action_enter()
        elif not self._pressed.waits(self.action_enter, coming=self._asked is not None) and shown.under:
            domain = next(d for d in self._data.domains if d.key == shown.under["domain"])
            self._open_round(self._data, domain, micros(shown.under["start"]))

    def filter_undo(self) -> Callable[[], None]:
        """Return what shows the lanes or passes shown now."""
        undo, place, first = super().filter_undo(), self._place, self._first

        def back() -> None:
            self._place, self._first = place, first
            undo()

        return back

    def go_out(self) -> bool:
        """Leave the table, then the chart, then the zoom."""
        if self._tabled:
            self.action_table()
            return True
        return super().go_out()

    # Mouse

    def on_click(self, event: events.Click) -> None:
        """Move the cursor to what was clicked, or sort by the column whose header was."""
        if not self._tabled:
            super().on_click(event)
            return
        shown, data = self._shown_passes(), self._data
        if shown is None or data is None:
            return
        line = event.y - HEADER - 1
        if line == -1 and (place := shown.layout(self.size.width).column_at(event.x - 1)) is not None:
            if NAMES[place] == self._order[0]:
                self.action_reverse()
            else:
                self._order_by(sorted_by(NAMES[place], self._wanted(data)))
        elif 0 <= line < shown.lines(self.size.height):
            self._first = shown.first(self.size.height)
            if self._first + line < len(shown.ordered.rows):
                self._go_to(shown.ordered, self._first + line)
