"""What a pane may ask of the app around it. Panes know this and not the app, which knows the panes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from textual.message import Message
from textual.screen import Screen
from textual.widget import Widget

from lbtui.render.capabilities import Capabilities
from lbtui.text import _
from lbtui.ui.kit.selection import Aim, Selection

if TYPE_CHECKING:
    from lbtui.analysis.eplb.policies import Ints
    from lbtui.findings import Finding
    from lbtui.findings.latency.told import Told
    from lbtui.profile import Note
    from lbtui.remembered import FindingNote
    from lbtui.thresholds import Thresholds

_Answer = TypeVar("_Answer")
# What is said where runs are shown and something of one is asked for.
NO_RUN: str = _("no run is open: Enter opens the one under the cursor")


@dataclass
class OpenFailed(Message):
    """There is nothing to open; `sentence` says why."""

    sentence: str


class Host(Protocol):
    """The app, as its panes see it."""

    caps: Capabilities
    selection: Selection
    thresholds: Thresholds | None
    findings: tuple[Finding, ...]  # of the profile opened (after), once they were looked for
    told: Told | None  # where the time of its requests went, once that was looked for

    @property
    def notes(self) -> tuple[FindingNote, ...]:
        """The user's notes on findings."""

    def select(self, **changes: Any) -> None:
        """Change the shared selection and tell all panes."""

    def moved_by_nobody(self) -> AbstractContextManager[None]:
        """Take what is selected meanwhile for no move of the user's."""

    def action_pane(self, key: str) -> None:
        """Show a pane."""

    def show_at(self, key: str, aim: Aim) -> None:
        """Show a pane with what is aimed at."""

    def show_over(self, pane: Widget) -> None:
        """Show a pane in the place of the current one, until Escape or until another is shown."""

    def stage_changed(self) -> None:
        """Learn that a pane's loading began, ended or broke off."""

    def look_for_findings(self) -> None:
        """Have the findings looked for, once: panes learn of them by `profile_grew`."""

    def action_side(self) -> None:
        """Show the next of after, before and difference; say how to compare without a baseline."""

    def ask(
        self,
        prompt: str,
        value: str,
        check: Callable[[str], str | None],
        answer: Callable[[str], None],
    ) -> None:
        """Ask for a line of text; `check` returns a sentence if it is wrong, `answer` takes it."""

    def tell(self, words: str) -> None:
        """Say something in the last line, until the next key."""

    def keep_note(self, finding: Finding, text: str) -> None:
        """Keep what the user says of a finding, for the next time too; an empty text takes it off."""

    def marks_changed(self, pane: Widget) -> None:
        """Keep the marks of a pane."""

    def save_placement(self, name: str, placement: Ints, ranks: int) -> str | None:
        """Write a placement [layer, slot] to a new file of the user's; return why not, None when done."""

    def write(self, name: str) -> None:
        """Write what is shown into a new file of the user's; say where it is, or why not."""

    def copy(self, text: str) -> None:
        """Copy a text to the clipboard, as far as there is one; say in the last line where it is."""

    def push_screen(
        self, screen: Screen[_Answer], callback: Callable[[_Answer | None], None] | None = None
    ) -> object:
        """Show a page over the panes."""

    def show_identity(self, identity: str, notes: Sequence[Note]) -> None:
        """Change line 1."""

    def pane_ready(self, pane: Widget) -> None:
        """Take note that a pane has learnt more."""

    def keys_changed(self, pane: Widget) -> None:
        """Show the keys that matter in the pane, if it is shown."""
