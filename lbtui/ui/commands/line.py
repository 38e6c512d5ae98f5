"""The line behind the colon: with the lines before it, and what it may go on with."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, cast

from rich.text import Text
from textual.binding import Binding, BindingType
from textual.widgets import Input, Static

from lbtui.render.palette import dim
from lbtui.text import _, visible
from lbtui.ui.commands.completing import Completion, completed
from lbtui.ui.commands.grammar import Known, command_of, setting_of
from lbtui.ui.commands.history import History
from lbtui.ui.kit.host import Host
from lbtui.ui.kit.line import Question
from lbtui.ui.kit.pages import spelled

# So many names at most are told of those that fit.
_TOLD = 60


class CommandLine(Question):
    """Asks for a command: ↑↓ walk over those before, Tab goes on as it may, Enter does it."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "walk(1)", _("the line before"), priority=True),
        Binding("down", "walk(-1)", _("the next line"), priority=True),
        Binding("tab", "complete(1)", _("complete"), priority=True),
        Binding("shift+tab", "complete(-1)", _("the one before"), priority=True),
        Binding("backspace", "rub_out", _("rub out; leave an empty line"), show=False, priority=True),
    ]

    def __init__(
        self, known: Known, history: History, check: Callable[[str], str | None], begun: str = ""
    ) -> None:
        super().__init__(":", begun, check, _("find TEXT · sql SELECT … · report FILE · w FILE · help"))
        self._known = known
        self._history = history
        self._offered: tuple[str, Completion, int] | None = None  # the line as Tab left it
        history.begin()

    def on_mount(self) -> None:
        """Let what is typed follow what stands there already."""
        line = self.query_one(Input)
        line.select_on_focus = False
        line.cursor_position = len(line.value)
        super().on_mount()

    def on_input_changed(self, event: Input.Changed) -> None:
        """Say how the command at hand is written."""
        if self._offered is not None and event.value == self._offered[0]:
            return
        self._offered = None
        if self.is_current:
            self.tell(None)

    def tell(self, wrong: str | None) -> None:
        """Say what is wrong, else how the command at hand is written."""
        super().tell(wrong)
        if wrong is None:
            word = self.text.lstrip(" :").partition(" ")[0]
            command = command_of(word) or setting_of(word)
            said = "" if command is None else f"{command.usage} · {command.tells}"
            self._say(said or (_("Tab completes · ↑ before · Esc closes") if self.text.strip(" :") else ""))

    def _say(self, words: str) -> None:
        caps = cast(Host, self.app).caps
        shown = spelled(Text(visible(words), style=dim(caps)), caps)
        self.query_one(".line-said", Static).update(shown)

    def action_walk(self, back: int) -> None:
        """Put the line before, or the next, in the place of this."""
        line = self._history.walk(back, self.text)
        if line is not None:
            self._write(line)

    def action_rub_out(self) -> None:
        """Take off the character before the cursor; an empty line is left."""
        if self.text:
            self.query_one(Input).action_delete_left()
        else:
            self.action_leave()

    def action_complete(self, step: int) -> None:
        """Go on as far as there is one way; then through all that fit, one after the other."""
        line = self.query_one(Input)
        before = line.value[: line.cursor_position]
        if self._offered is not None and self._offered[0] == line.value:
            _line, found, at = self._offered
            at = (at + step) % len(found.candidates)
            self._offer(found, at, found.candidates[at])
            return
        found = completed(before, self._known)
        if not found.candidates:
            self._say(_("nothing goes on here"))
            return
        if len(found.candidates) == 1:
            self._write(before[: found.start] + found.candidates[0])
            return
        common, typed = found.common(), before[found.start :]
        if len(common) > len(typed) and common.lower().startswith(typed.lower()):
            self._offer(found, -1, common)
        else:
            at = 0 if step > 0 else len(found.candidates) - 1
            self._offer(found, at, found.candidates[at])

    def _offer(self, found: Completion, at: int, text: str) -> None:
        line = self.query_one(Input)
        whole = line.value[: found.start] + text
        self._offered = (whole, found, at)
        self._write(whole)
        names = [_last(each) for each in found.candidates[max(0, at) : max(0, at) + _TOLD]]
        self._say("  ".join(names))

    def _write(self, text: str) -> None:
        line = self.query_one(Input)
        line.value = text
        line.cursor_position = len(text)


def _last(name: str) -> str:
    """Return a candidate as it is listed: of a path only the last part."""
    parts = name.rstrip("/").rsplit("/", 1)
    return (parts[-1] + "/" * name.endswith("/")).strip() if "/" in name else name.strip()
