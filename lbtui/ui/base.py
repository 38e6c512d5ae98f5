"""What our screen does in its own way, not in Textual's: how it ends, what it sends, how it hears keys."""

from __future__ import annotations

import asyncio
import os
from abc import abstractmethod
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import RenderableType
from textual import events
from textual.app import App
from textual.await_complete import AwaitComplete
from textual.driver import Driver
from textual.errors import NoWidget
from textual.filter import LineFilter
from textual.message import Message
from textual.screen import Screen
from textual.widget import Widget
from textual.widgets import Input

from lbtui.codes import BROKEN, INTERRUPTED, OPENED
from lbtui.fault import fault_sentence
from lbtui.log import log_fault
from lbtui.render.capabilities import Capabilities
from lbtui.text import _
from lbtui.ui.kit.background import in_background
from lbtui.ui.kit.pages import Page
from lbtui.ui.kit.picture import Picture
from lbtui.ui.terminal import memory, private
from lbtui.ui.terminal.ascii import AsciiOnly
from lbtui.ui.terminal.clipboard import Clipboard, Copied, said
from lbtui.ui.terminal.update import Shown

if TYPE_CHECKING:
    from lbtui.ui.terminal.driver import TerminalDriver
    from lbtui.ui.terminal.enquiry import Enquiry

# So long a key waits for the page that the key before it opened, or for what a widget has still to do.
_PATIENCE = 1.0


class TerminalApp(App[int]):
    """An app on a terminal; it returns the exit code, and `failure` is the sentence to print after it."""

    ENABLE_COMMAND_PALETTE = False  # lbtui has its own, Ctrl-P
    # Text is selected by the terminal (Shift and drag): Textual's way fails on a click into a page that
    # closes.
    ALLOW_SELECT = False
    copies_to: Clipboard | None = None  # none under test: that of whoever runs it stays as it is

    @dataclass
    class Taken(Message):
        """A worker has copied a text; of one for which another came it has not."""

        copied: Copied | None

    def __init__(self, caps: Capabilities, enquiry: Enquiry | None = None) -> None:
        super().__init__(ansi_color=True)
        # Not the property: Textual would read all its styles once more for it.
        self.set_reactive(App.theme, "ansi-light" if caps.light else "ansi-dark")
        self.set_class(not caps.light, "-dark-mode", update=False)
        self.set_class(caps.light, "-light-mode", update=False)
        self.stylesheet.set_variables(self.get_css_variables())
        self.caps = caps
        self.enquiry = enquiry  # what the terminal was asked, for its driver
        self.terminal: TerminalDriver | None = None  # once it is ours; none under test
        self.failure: str | None = None
        self._left_with: int | None = None  # the exit code, once the user leaves
        self._taken_down = False  # whether the screens are going, or gone
        self._awaited: Widget | None = None
        self._shown = Shown(caps.colors)

    # How it ends

    def exit(self, result: int | None = None, return_code: int = 0, message: object = None) -> None:
        """Leave; what goes wrong from now on does not matter, what went wrong before keeps its code."""
        if self.return_code == BROKEN:
            return
        self._left_with = return_code or result or OPENED
        super().exit(result, return_code)

    def _fatal_error(self) -> None:
        """Leave with one sentence: Textual would print pages of what every variable held, the data too."""
        if self._left_with is not None:
            # A page that was just being opened finds nothing of it there any more.
            private.end_now(self, self._left_with)
            return
        self.failure = fault_sentence(private.failure_of(self))
        private.end_now(self, BROKEN)

    async def _shutdown(self) -> None:
        self._taken_down = True
        await super()._shutdown()

    def _handle_exception(self, error: Exception) -> None:
        """Let go what a worker sent before the end and nobody finds the widgets of any more."""
        if self._taken_down:
            log_fault(error, "after the end")
            return
        super()._handle_exception(error)

    def action_interrupt(self) -> None:
        """Leave with the code that Ctrl-C has everywhere."""
        self.exit(INTERRUPTED, return_code=INTERRUPTED)

    # The terminal

    def get_driver_class(self) -> type[Driver]:
        """Return what stands between the app and the terminal."""
        if not private.driver_stands():
            return super().get_driver_class()
        from lbtui.ui.terminal.driver import TerminalDriver

        return TerminalDriver

    def get_line_filters(self) -> list[LineFilter]:
        """Return what Textual's own widgets are put through; our pictures are as they must be."""
        return [AsciiOnly()] if not self.caps.unicode else []

    def _display(self, screen: Screen[Any], renderable: RenderableType | None) -> None:
        super()._display(screen, self._shown.exact(renderable, screen.size))

    def action_redraw(self) -> None:
        """Draw everything again, whatever the terminal shows."""
        self._shown.forget()
        self.refresh(layout=True)

    # What is copied, and the mouse

    @abstractmethod
    def tell(self, words: str) -> None:
        """Say something in the last line, of a page of text in its own; nothing shows the keys again."""

    def copy_beside(self, text: str, profile: Path | None) -> None:
        """Copy a text, and say where it is; never into the folder of the profile."""
        if (clipboard := self.copies_to) is None:
            self.tell(_("nothing can be copied here"))
            return
        number = clipboard.asked()

        def work() -> None:
            self.post_message(self.Taken(clipboard.take(text, number, profile)))

        def failed(why: str) -> None:
            self.tell(_("it could not be copied: {why}").format(why=why))

        in_background(self, work, failed, group="copy", exclusive=False)

    def on_terminal_app_taken(self, event: Taken) -> None:
        """Write to the terminal what is for it, and say where the text is."""
        if event.copied is not None:
            if self.terminal is not None and event.copied.sequence:
                self.terminal.write(event.copied.sequence)
            self.tell(said(event.copied, os.environ.get("HOME", "")))

    def action_mouse(self) -> None:
        """Leave the mouse to the terminal, or take it again."""
        if self.terminal is None:
            self.tell(_("no mouse here"))
        elif self.terminal.toggle_mouse():
            self.tell(_("the mouse is lbtui's: P leaves it to the terminal"))
        else:
            self.tell(_("the mouse is the terminal's, to mark with: P takes it again"))

    # Keys

    async def on_event(self, event: events.Event) -> None:
        """Run the keys of panes, and those that correct a line, here and now.

        Sent through the widget's queue and up again, as Textual does, the keys after one that opens a page
        would find the page closed or the app where it was: what is typed quickly after `/` was lost, and a
        letter typed after backspace came before it.
        """
        if isinstance(event, (events.Key, events.MouseDown)) and not event.is_forwarded:
            self.tell("")
        if isinstance(event, events.Key) and not event.is_forwarded:
            await self._page_stands()
            line = self.focused if isinstance(self.focused, Input) and not event.is_printable else None
            if line is not None:
                await _done_by(line)
            at_once = line is not None or isinstance(self.focused, Picture)
            if at_once and await private.run_bindings(self, event.key):
                return
        await super().on_event(event)
        if isinstance(event, events.MouseEvent) and not event.is_forwarded:
            # The mouse is faster than any screen: the next is taken when this is done (`mouse`).
            with suppress(NoWidget):
                await _done_by(self.get_widget_at(int(event.x), int(event.y))[0])

    def push_screen(self, screen: Any, *args: Any, **options: Any) -> Any:
        """Show a page; the next key waits until it can take keys.

        Not on one of its kind: what asks for a second came before the first stood, by keys pressed fast.
        """
        if isinstance(screen, Page) and type(screen) is type(self.screen):
            return AwaitComplete()
        result = super().push_screen(screen, *args, **options)
        self._awaited = screen if isinstance(screen, Screen) else None
        return result

    def pop_screen(self) -> AwaitComplete:
        """Close a page; the panes are never closed, however often a page is told to go."""
        memory.forget_drawn_lines()
        return super().pop_screen() if len(self.screen_stack) > 1 else AwaitComplete()

    async def _page_stands(self) -> None:
        """Return once a page just opened has its focus, or soon."""
        page, self._awaited = self._awaited, None
        if page is not None:
            await _done_by(page)


async def _done_by(widget: Widget) -> None:
    """Return once a widget has done with what was sent to it, or soon."""
    done = asyncio.Event()
    widget.call_later(done.set)
    with suppress(asyncio.TimeoutError):
        await asyncio.wait_for(done.wait(), _PATIENCE)
