"""The SQL pane: stands in the place of the pane in which a query was asked, until Escape."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import ClassVar

import polars as pl
from rich.text import Text
from textual import events
from textual.binding import BindingType
from textual.message import Message

from lbtui.profile import Cancelled, Profile
from lbtui.render.canvas import Canvas
from lbtui.render.capabilities import Capabilities, Row
from lbtui.sql import Answered, Asked, SqlError, ask
from lbtui.sql.ask import Cancelling
from lbtui.text import _
from lbtui.ui.kit import keys
from lbtui.ui.kit.background import in_background
from lbtui.ui.kit.keys import key
from lbtui.ui.kit.pages import TextPage
from lbtui.ui.kit.pane import HelpEntry, Pane, PaneProgress
from lbtui.ui.panes.sql import view
from lbtui.ui.panes.sql.data import SqlData, in_order
from lbtui.ui.panes.sql.view import SqlState

Asker = Callable[[Asked, Cancelling], Answered]


class SqlPane(Pane):
    """The rows that a query gives, of which only those in view are drawn."""

    KEY: ClassVar[str] = "sql"
    TITLE: ClassVar[str] = _("SQL")
    WHEEL: ClassVar[int] = 3
    TAKES_PARTS: ClassVar[bool] = False
    BINDINGS: ClassVar[list[BindingType]] = [
        *keys.rows(_("row"), _("rows")),
        *keys.columns(_("column")),
        keys.entered(_("the row"), _("everything in this row, with the query and its notes")),
        keys.details(_("everything in this row, with the query and its notes")),
        key(
            "sql.sort",
            "sort",
            _("sort"),
            _("sort by the column under the cursor; again: the other way"),
            shown=True,
        ),
        key("sql.reverse", "reverse", _("reverse"), _("reverse the order")),
        key("sql.save", "save", _("save"), _("save all rows as CSV, in this order"), shown=True),
    ]

    @dataclass
    class Sorted(Message):
        """A worker has found an order of the rows of `data`."""

        data: SqlData
        order: tuple[int, bool]
        rows: pl.Series

    def __init__(
        self,
        profile: Profile,
        caps: Capabilities,
        asked: Asked,
        answer: Asker = ask,
    ) -> None:
        super().__init__(profile, caps)
        self.asked = asked
        self._answer = answer
        self._cancelling = Cancelling()
        self.data: SqlData | None = None
        self.state = SqlState()

    # Loading

    def load(self) -> None:
        """Have the query answered by a child."""
        self._cancelling = Cancelling()
        super().load()
        self._progress_text = _("the query runs …") + "   " + _("Escape cancels")
        self.repaint()

    def discard(self) -> None:
        """Let nothing come of what runs: the child is killed."""
        self._cancelling.cancel()
        super().discard()

    def prepare(self, profile: Profile, progress: PaneProgress) -> SqlData:
        """Return the answer, or why there is none."""
        query = self.asked.query.text
        try:
            found = self._answer(self.asked, self._cancelling)
        except SqlError as error:
            if error.kind == "cancelled":
                raise Cancelled from error
            return SqlData(query, pl.DataFrame(), why=str(error))
        data = SqlData(query, found.frame, tuple(found.notes))
        # It is worked out when asked for first: not while drawing.
        _columns = data.columns
        return data

    def ready(self, result: SqlData) -> None:
        """Show the rows."""
        self.data, self.state = result, SqlState()

    @property
    def tells_view(self) -> bool:
        """Whether a line can open it: none has a query in it."""
        return False

    # Drawing

    def draw(self, width: int, height: int) -> list[Row]:
        """Return the rows."""
        assert self.data is not None
        if not self.data.why:
            self.state = view.in_view(self.data, self.state, width, height)
        return view.draw(self.data, self.state, Canvas(width, height, self.caps))

    def copied(self) -> str:
        """Return the value under the cursor."""
        return "" if self.data is None else self.data.why or view.cell_words(self.data, self.state)

    def table_rows(self) -> Callable[[], pl.DataFrame] | None:
        """Return what makes all rows, in the order in which they are shown."""
        data, rows = self.data, self.state.rows
        if data is None or data.why:
            return None
        return lambda: data.frame if rows is None else data.frame[rows]

    def keys_now(self) -> list[tuple[str, str]]:
        """Return the keys that do something."""
        if self.data is None or self.data.why or not self.data.frame.height:
            return [("Esc", _("back"))]
        return [("Esc", _("back")), keys.MOVE, *super().keys_now()]

    def help_entries(self) -> list[HelpEntry]:
        """Return what is shown."""
        return [
            HelpEntry(
                _("the table"),
                _(
                    "The rows that the query gives, in its order until s sorts. Times are in the zone of "
                    "the files, the difference of two in ms; – is null. Fractions have as many decimals as "
                    "show four digits of the column's largest; the last line has the value under the cursor "
                    "whole. Tables, columns and their units: lbtui --manual sql."
                ),
            ),
            HelpEntry(
                _("notes (i)"),
                _("What is to be minded of the tables that the query names, and why one has no rows."),
            ),
        ]

    # Actions

    def _move(self, down: int, right: int) -> None:
        if self.data is not None:
            self.state = view.moved(self.data, self.state, down, right)
            self.repaint()

    def action_row(self, step: int) -> None:
        """Move over the rows."""
        self._move(step, 0)

    def action_column(self, step: int) -> None:
        """Move over the columns; what does not fit beside each other follows."""
        self._move(0, step)

    def page_rows(self) -> int:
        """Return how many rows are in view."""
        return max(1, self.size.height - 5)

    def action_sort(self) -> None:
        """Sort by the column under the cursor."""
        self._sort(view.next_order(self.state))

    def action_reverse(self) -> None:
        """Reverse the order, where there is one."""
        if self.state.order is not None:
            place, descending = self.state.order
            self._sort((place, not descending))

    def _sort(self, order: tuple[int, bool]) -> None:
        data = self.data
        if data is None or not data.frame.height:
            return
        self.state = replace(self.state, busy=True)

        def work() -> None:
            self.post_message(self.Sorted(data, order, in_order(data.frame, order)))

        def failed(_why: str) -> None:
            self.state = replace(self.state, busy=False)
            self.repaint()

        in_background(self, work, failed, group="sql-order")
        self.repaint()

    def on_sql_pane_sorted(self, event: Sorted) -> None:
        """Show the rows in their order."""
        event.stop()
        if event.data is self.data:
            self.state = view.ordered(self.state, event.order, event.rows)
            self.repaint()

    def action_enter(self) -> None:
        """Show the row whole."""
        self.action_details()

    def action_details(self) -> None:
        """Show the row whole, with the query and what is to be minded."""
        if self.data is not None:
            text = self.data.why or view.page_words(self.data, self.state)
            self.lbtui.push_screen(TextPage(_("SQL"), Text(text)))

    def action_save(self) -> None:
        """Ask for a name, and save all rows there."""
        if self.table_rows() is None:
            return

        def check(name: str) -> str | None:
            return None if name.lower().endswith(".csv") else _("the name ends in .csv")

        self.lbtui.ask(_("Save as?"), "answer.csv", check, self.lbtui.write)

    def on_click(self, event: events.Click) -> None:
        """Move the cursor to what was clicked; sort by the column whose header was."""
        data = self.data
        if data is None or data.why:
            return
        width, height = self.size
        place = view.place_at(data, self.state, width, height, event.y)
        column = view.layout(data, self.state.left, width).column_at(event.x)
        if place is None:
            return
        if column is not None:
            self.state = replace(self.state, column=column)
        if place >= 0:
            self.state = replace(self.state, row=place)
            self.repaint()
        elif column is not None:
            self.action_sort()
