"""The filter of a pane: a line that the pane follows while it is written."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import ClassVar

from textual.widgets import Input

from lbtui.text import _
from lbtui.ui.kit.line import Question
from lbtui.ui.kit.pane import Pane


class Filtered(Pane):
    """A pane that shows only what matches a text, or goes to what it names: `/` asks for it."""

    ASKS_FOR: ClassVar[str] = _("filter")  # before the line

    @abstractmethod
    def filter_text(self) -> str:
        """Return the filter that is on, empty for none, as in a pane that only goes there."""

    @abstractmethod
    def filter_grammar(self) -> str:
        """Return how a filter is written, in a few words."""

    @abstractmethod
    def filter_problem(self, text: str) -> str | None:
        """Return what is wrong with a filter, as a sentence; None if nothing is."""

    @abstractmethod
    def filter_by(self, text: str) -> None:
        """Show only what matches a filter that has no problem."""

    @abstractmethod
    def filter_undo(self) -> Callable[[], None]:
        """Return what shows again all that is shown now, with the cursor where it is now."""

    def action_filter(self) -> None:
        """Ask for a filter."""
        self.lbtui.push_screen(FilterLine(self))


class FilterLine(Question):
    """Asks for a filter: the pane follows each text that is right, Enter keeps it, Escape undoes it."""

    def __init__(self, pane: Filtered) -> None:
        super().__init__(pane.ASKS_FOR, pane.filter_text(), pane.filter_problem, pane.filter_grammar())
        self._pane = pane
        self._undo = pane.filter_undo()
        self._followed = pane.filter_text()

    def on_input_changed(self, event: Input.Changed) -> None:
        """Let the pane follow; of a wrong text say why, and leave the pane at the last right one."""
        # A key after Enter is not the filter's any more.
        if self.is_current:
            wrong = self._check(event.value)
            self.tell(wrong)
            if wrong is None:
                self._follow(event.value)

    def _follow(self, text: str) -> None:
        if text != self._followed:
            self._followed = text
            self._pane.filter_by(text)

    def action_keep(self) -> None:
        """Keep the filter: it may have changed since the pane was last told."""
        if self._check(self.text) is None:
            self._follow(self.text)
        super().action_keep()

    def action_leave(self) -> None:
        """Show what was shown before."""
        self._undo()
        super().action_leave()
