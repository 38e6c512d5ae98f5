"""The Compare pane: every metric of two profiles, with its interval and a verdict."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import ClassVar

import polars as pl
from rich.text import Text
from textual import events
from textual.binding import BindingType

from lbtui.comparison import Comparison, compare
from lbtui.comparison import Row as Compared
from lbtui.findings.diagnosis import told_of
from lbtui.findings.doubts import comparable, doubt_of
from lbtui.findings.latency.change import explained
from lbtui.profile import Profile, Unreadable
from lbtui.render.canvas import Canvas
from lbtui.render.capabilities import Capabilities, Row
from lbtui.text import _, in_sentences, visible
from lbtui.ui.kit import keys
from lbtui.ui.kit.filtering import Filtered
from lbtui.ui.kit.keys import key
from lbtui.ui.kit.pages import TextPage
from lbtui.ui.kit.pane import HelpEntry, PaneProgress
from lbtui.ui.kit.parts import Taken
from lbtui.ui.panes.compare import at as compare_at
from lbtui.ui.panes.compare import view as compare_view
from lbtui.ui.panes.compare.help import entries
from lbtui.ui.panes.compare.target import side_of, target_of
from lbtui.ui.panes.compare.view import CompareState, shown_rows
from lbtui.ui.panes.compare.waterfall import waterfall_text
from lbtui.ui.panes.compare.words import row_sentences


class ComparePane(Filtered):
    """Holds the cursor; the rows come from `analysis.comparison`."""

    KEY: ClassVar[str] = "6"
    TITLE: ClassVar[str] = _("Compare")
    TAKES_PARTS: ClassVar[bool] = False
    BINDINGS: ClassVar[list[BindingType]] = [
        *keys.rows(_("row"), _("rows")),
        *keys.hot(_("next change"), _("to the next row that changed beyond chance")),
        keys.entered(
            _("go there"), _("see the difference in the pane of this metric, its subject under the cursor")
        ),
        keys.filtered(_("only rows whose metric, subject or verdict holds a text")),
        keys.details(_("everything known of this row, on a page")),
        key(
            "compare.changed",
            "changed",
            _("changed only"),
            _("only the rows that changed beyond chance"),
            shown=True,
        ),
    ]

    def __init__(self, profile: Profile, caps: Capabilities, baseline: Profile | None = None) -> None:
        super().__init__(profile, caps, baseline)
        self._comparison: Comparison | None = None
        self._state = CompareState()

    def prepare(self, profile: Profile, progress: PaneProgress) -> Comparison:
        """Return the comparison of both profiles."""
        assert self.baseline is not None
        comparison = compare(self.baseline, profile, progress, self.limits.targets)
        if notes := [*self.baseline.cuts, *profile.cuts]:
            raise Unreadable(_("{file} was read in part only").format(file=notes[0].file))
        sides = self.baseline, profile
        before, after = (doubt_of(side, self.limits, progress) for side in sides)
        told = [told_of(side, self.limits, progress) for side in sides]
        return explained(comparable(comparison, before, after), *told)

    def ready(self, result: Comparison) -> None:
        """Put the cursor on what matters most; leave it on the row that it was on."""
        row, self._comparison = self._row(), result
        if row is None:
            self._state = compare_view.starting(result)
            return
        same = [(r.metric, r.subject) == (row.metric, row.subject) for r in shown_rows(result, self._state)]
        place = same.index(True) if True in same else self._state.cursor
        self._state = compare_view.moved(result, replace(self._state, cursor=place), 0)

    def draw(self, width: int, height: int) -> list[Row]:
        """Return the rows."""
        assert self._comparison is not None
        return compare_view.draw(self._comparison, self._state, Canvas(width, height, self.caps))

    def copied(self) -> str:
        """Return the row under the cursor in sentences, without its formula."""
        compared = self._row()
        return "" if compared is None else in_sentences(*row_sentences(compared)[:-1])

    def table_rows(self) -> Callable[[], pl.DataFrame] | None:
        """Return what makes the rows of the table."""
        if self._comparison is None:
            return None
        rows = shown_rows(self._comparison, self._state)
        return lambda: compare_view.saved_rows(rows)

    def help_entries(self) -> list[HelpEntry]:
        """Return the method, and every metric with its formula."""
        return entries(self._comparison)

    def _go(self, change: Callable[[Comparison, CompareState], CompareState]) -> None:
        if self._comparison is not None:
            self._state = change(self._comparison, self._state)
            self.repaint()

    def _row(self) -> Compared | None:
        if self._comparison is None:
            return None
        rows = shown_rows(self._comparison, self._state)
        return rows[self._state.cursor] if self._state.cursor < len(rows) else None

    # In words

    def parts(self) -> dict[str, str]:
        """Return what is chosen."""
        return compare_at.parts_of(self._state)

    def take_parts(self, taken: Taken) -> None:
        """Take it."""
        self._go(lambda known, state: compare_at.with_parts(known, state, taken))

    # Keys

    def keys_now(self) -> list[tuple[str, str]]:
        """Return the keys that matter."""
        return [keys.MOVE_ROWS, *super().keys_now()]

    def action_row(self, step: int) -> None:
        """Move the cursor over the rows."""
        self._go(lambda known, state: compare_view.moved(known, state, step))

    def action_hot(self, step: int) -> None:
        """Go to the next row that changed."""
        self._go(lambda known, state: compare_view.next_change(known, state, step))

    def action_changed(self) -> None:
        """Show only what changed, or all."""
        state = self._state
        self._filter(changed_only=not state.changed_only, text=state.text)

    def _filter(self, *, changed_only: bool, text: str) -> None:
        self._go(
            lambda known, state: compare_view.filtered(known, state, changed_only=changed_only, text=text)
        )

    def filter_text(self) -> str:
        """Return the words that the rows shown hold."""
        return self._state.text

    def filter_grammar(self) -> str:
        """Return how a filter is written."""
        return _("parts of a dimension, metric, subject or verdict, all must hold: kv p95 worse")

    def filter_problem(self, text: str) -> str | None:
        """Return nothing: that no row matches is said in the pane."""
        return None

    def filter_by(self, text: str) -> None:
        """Show the rows that match."""
        self._filter(changed_only=self._state.changed_only, text=" ".join(text.split()))

    def filter_undo(self) -> Callable[[], None]:
        """Return what shows the rows shown now."""
        before = self._state
        return lambda: self._go(lambda _known, _state: before)

    def action_enter(self) -> None:
        """Go to the row's pane."""
        if (compared := self._row()) is not None:
            target = target_of(compared)
            self.lbtui.select(**target.selection, side=side_of(compared))
            self.lbtui.show_at(target.pane, target.aim)

    def action_details(self) -> None:
        """Show everything known of the row on a page."""
        if (compared := self._row()) is not None:
            text = Text("\n\n".join(map(visible, row_sentences(compared))))
            if compared.terms:
                text = Text("\n\n").join([waterfall_text(compared, self.caps), text])
            self.lbtui.push_screen(TextPage(visible(compared.metric.label), text))

    def go_out(self) -> bool:
        """Take off the filter, then show all rows again."""
        if self._state.text:
            self.filter_by("")
        elif self._state.changed_only:
            self.action_changed()
        else:
            return False
        return True

    # Mouse

    def on_click(self, event: events.Click) -> None:
        """Move the cursor to the row that was clicked."""
        if self._comparison is not None:
            found = compare_view.row_at(self._comparison, self._state, *self.size, event.y)
            if found is not None:
                self.action_row(found - self._state.cursor)
