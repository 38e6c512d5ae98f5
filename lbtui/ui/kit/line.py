"""A line of text asked for in the place of the last line, everything above it staying in view."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, cast

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.widgets import Input, Static

from lbtui.render.palette import dim, severity
from lbtui.text import _, visible
from lbtui.ui.kit.host import Host
from lbtui.ui.kit.pages import Page, spelled


class Question(Page[str | None]):
    """Asks for one line of text; Escape answers None. `check` returns a sentence if the text is wrong."""

    # Of the page and at once, so that a key after Enter, in the same read, finds the page closed.
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "keep", _("keep"), priority=True),
        Binding("escape", "leave", _("close"), priority=True),
    ]

    def __init__(
        self, prompt: str, value: str, check: Callable[[str], str | None], placeholder: str = ""
    ) -> None:
        super().__init__()
        self._prompt = prompt
        self._value = value
        self._check = check
        self._placeholder = placeholder

    def compose(self) -> ComposeResult:
        """Lay out the question, its answer, and what is to be said of it."""
        caps = cast(Host, self.app).caps
        with Horizontal(classes="line"):
            yield Static(
                spelled(Text(f" {visible(self._prompt)} ", style="bold"), caps), classes="line-prompt"
            )
            hint = spelled(Text(self._placeholder), caps).plain
            yield Input(self._value, placeholder=hint, compact=True)
            yield Static("", classes="line-said")

    def on_mount(self) -> None:
        """Say how to leave."""
        self.tell(None)

    def tell(self, wrong: str | None) -> None:
        """Say what is wrong with the text, or which keys keep and leave it."""
        caps = cast(Host, self.app).caps
        # An empty line has its grammar to show.
        said = Text(_("⏎ keeps  Esc undoes") if self.text else "", style=dim(caps))
        if wrong is not None:
            said = Text(visible(wrong), style=severity(caps, "critical"))
        self.query_one(".line-said", Static).update(spelled(said, caps))

    @property
    def text(self) -> str:
        """What is written now."""
        return self.query_one(Input).value

    def action_keep(self) -> None:
        """Answer, or say what is wrong with the text."""
        if (sentence := self._check(self.text)) is None:
            self.dismiss(self.text)
        else:
            self.tell(sentence)

    def action_leave(self) -> None:
        """Answer nothing."""
        self.dismiss(None)
