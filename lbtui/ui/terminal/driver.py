"""The terminal while the screen is on it: entered, left and given back exactly as it was found."""

from __future__ import annotations

import os
import select
import signal
import sys
import termios
import threading
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

from textual.drivers.linux_driver import LinuxDriver
from textual.message import Message

from lbtui import endings
from lbtui.ui.terminal import private
from lbtui.ui.terminal.enquiry import Enquiry
from lbtui.ui.terminal.keyboard import Keyboard
from lbtui.ui.terminal.mouse import MouseGate

# Presses, releases, drags and the wheel, with coordinates beyond 223. Not every motion: over a slow line that
# is a flood, and nothing here waits for it.
_MOUSE_MODES = (1000, 1002, 1006)
_MOUSE_PIXELS = 1016
# No screen is larger, but a line's settings may say so: every cell is drawn.
_MOST_COLUMNS, _MOST_ROWS = 1000, 500
# What `LinuxDriver.stop_application_mode` writes: paste, wrap, keyboard, screen, cursor, focus.
_LEAVE = "\x1b[?2004l\x1b[?7h\x1b[<u\x1b[?1049l\x1b[?25h\x1b[?1004l"


class TerminalDriver(LinuxDriver):
    """Draws on standard output, ends on signals and on a hung-up line, and survives being stopped."""

    def __init__(self, app: Any, **options: Any) -> None:
        super().__init__(app, **options)
        app.terminal = self
        # Standard error may go to a file.
        assert sys.__stdout__ is not None
        self._file = sys.__stdout__
        self._output = sys.__stdout__.fileno()
        self._suspended = False
        self._enquiry: Enquiry | None = app.enquiry
        self._typed = self._enquiry.typed if self._enquiry is not None else b""
        # What is to be done while the terminal is ours, should the process be ended by force.
        self._taken = ExitStack()
        threading.Thread(target=self._watch_line, name="line", daemon=True).start()

    def start_application_mode(self) -> None:
        """Take the terminal; it is given back even if the process is ended by force."""
        self._taken.enter_context(endings.before_force(self._give_back))
        super().start_application_mode()  # type: ignore[no-untyped-call]
        if self._enquiry is not None:
            # What Textual found are the settings for the enquiry.
            self.attrs_before = self._enquiry.attributes
            self._enquiry = None

    def close(self) -> None:
        """Write what is still to be written; by then the terminal was given back."""
        super().close()
        self._taken.close()

    def run_input_thread(self) -> None:
        """Read what the terminal sends until told to stop."""
        if not private.parser_stands():
            super().run_input_thread()
            return
        mouse = MouseGate(lambda event: self._take_mouse(event, mouse.handled))
        keyboard = Keyboard(self.fileno, self.process_message, mouse, self._get_terminal_size)
        typed, self._typed = self._typed, b""
        keyboard.feed(typed)
        keyboard.run(self.exit_event)

    def _take_mouse(self, event: Message, handled: Callable[[], object]) -> None:
        self.process_message(event)
        self._app.call_later(handled)

    def _get_terminal_size(self) -> tuple[int, int]:
        # COLUMNS and LINES, left in the environment by a program before, would hold whatever the size is.
        try:
            columns, rows = os.get_terminal_size(self._output)
        except OSError:
            columns = rows = 0
        if not (columns and rows):
            columns, rows = super()._get_terminal_size()
        return min(columns, _MOST_COLUMNS), min(rows, _MOST_ROWS)

    # Ending

    def _give_back(self) -> None:
        """Put the terminal back as it was, in any thread and whatever the others do."""
        mouse = "".join(f"\x1b[?{mode}l" for mode in (*_MOUSE_MODES, _MOUSE_PIXELS)) if self._mouse else ""
        if self.attrs_before is not None:
            termios.tcsetattr(self.fileno, termios.TCSANOW, self.attrs_before)
        os.write(self._output, (mouse + _LEAVE).encode())

    def _watch_line(self) -> None:
        """End at once when the terminal is gone: nothing is left to draw on, and reads return nothing."""
        poll = select.poll()
        poll.register(self.fileno, 0)
        if any(event & select.POLLHUP for _fd, event in poll.poll()):
            os._exit(128 + signal.SIGHUP)

    # Stopping and continuing

    def suspend_application_mode(self) -> None:
        """Give the terminal back for a while."""
        self._suspended = True
        super().suspend_application_mode()

    def resume_application_mode(self) -> None:
        """Take the terminal again."""
        self._suspended = False
        super().resume_application_mode()

    def _sigcont_application(self, *_signal: Any) -> None:
        # SIGSTOP cannot be caught: the terminal may have been used by others since.
        if self._auto_restart and not self._suspended:
            self.suspend_application_mode()
            self._must_signal_resume = True
        super()._sigcont_application()

    # Mouse

    def toggle_mouse(self) -> bool:
        """Leave the mouse to the terminal, or take it again; return whether it is ours now."""
        if self._mouse:
            self._disable_mouse_support()
            self._mouse = False
        else:
            self._mouse = True
            self._enable_mouse_support()
        return self._mouse

    def _enable_mouse_support(self) -> None:
        if self._mouse:
            self.write("".join(f"\x1b[?{mode}h" for mode in _MOUSE_MODES))

    def _disable_mouse_support(self) -> None:
        if self._mouse:
            pixels = (_MOUSE_PIXELS,) if self._mouse_pixels else ()
            self.write("".join(f"\x1b[?{mode}l" for mode in (*_MOUSE_MODES, *pixels)))
