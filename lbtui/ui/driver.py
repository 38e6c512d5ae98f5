"""The terminal while the screen is on it: entered, left and given back exactly as it was found."""

from __future__ import annotations

import asyncio
import os
import select
import signal
import sys
import termios
import threading
from typing import Any

from textual.drivers.linux_driver import LinuxDriver

# So long may an orderly end take before the terminal is put back by force.
_PATIENCE = 0.7
_ENDING = (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM)
# Presses, releases, drags and the wheel, with coordinates beyond 223. Not every motion: over a slow line that
# is a flood, and nothing here waits for it.
_MOUSE_MODES = (1000, 1002, 1006)
_MOUSE_PIXELS = 1016
# What `LinuxDriver.stop_application_mode` writes: paste, wrap, keyboard, screen, cursor, focus.
_LEAVE = "\x1b[?2004l\x1b[?7h\x1b[<u\x1b[?1049l\x1b[?25h\x1b[?1004l"


class TerminalDriver(LinuxDriver):
    """Draws on standard output, ends on signals and on a hung-up line, and survives being stopped."""

    def __init__(self, app: Any, **options: Any) -> None:
        super().__init__(app, **options)
        # Standard error may go to a file.
        assert sys.__stdout__ is not None
        self._file = sys.__stdout__
        self._output = sys.__stdout__.fileno()
        self._suspended = False
        threading.Thread(target=self._watch_line, name="line", daemon=True).start()

    def start_application_mode(self) -> None:
        """Take the terminal, and the signals that ask for an end."""
        super().start_application_mode()  # type: ignore[no-untyped-call]
        loop = asyncio.get_running_loop()
        for number in _ENDING:
            loop.add_signal_handler(number, self._end, number)

    def _get_terminal_size(self) -> tuple[int, int]:
        # COLUMNS and LINES, left in the environment by a program before, would hold whatever the size is.
        try:
            size = os.get_terminal_size(self._output)
        except OSError:
            return super()._get_terminal_size()
        return (size.columns, size.lines) if size.columns and size.lines else super()._get_terminal_size()

    # Ending

    def _end(self, number: signal.Signals) -> None:
        """End in an orderly way; by force if that takes too long."""
        code = 128 + number
        timer = threading.Timer(_PATIENCE, self._force_end, (code,))
        timer.daemon = True
        timer.start()
        self._app.exit(code, return_code=code)

    def _force_end(self, code: int) -> None:
        mouse = "".join(f"\x1b[?{mode}l" for mode in (*_MOUSE_MODES, _MOUSE_PIXELS)) if self._mouse else ""
        try:
            if self.attrs_before is not None:
                termios.tcsetattr(self.fileno, termios.TCSANOW, self.attrs_before)
            os.write(self._output, (mouse + _LEAVE).encode())
        except (OSError, termios.error):
            pass  # the line is gone
        finally:
            os._exit(code)

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

    def _enable_mouse_support(self) -> None:
        if self._mouse:
            self.write("".join(f"\x1b[?{mode}h" for mode in _MOUSE_MODES))

    def _disable_mouse_support(self) -> None:
        if self._mouse:
            pixels = (_MOUSE_PIXELS,) if self._mouse_pixels else ()
            self.write("".join(f"\x1b[?{mode}l" for mode in (*_MOUSE_MODES, *pixels)))
