"""Whether the terminal's background is light: it is asked for its colour (OSC 11) before the screen is
imported, which takes longer than nearly every answer.

Until the screen reads by itself nothing that comes is shown or lost: not an answer that is late, which
`Keyboard` swallows, and not what is typed meanwhile.
"""

from __future__ import annotations

import os
import re
import select
import termios
import time
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from typing import Any

from lbtui import endings
from lbtui.render.capabilities import Background, Capabilities
from lbtui.render.luminance import is_light

# Ended by BEL: rxvt-unicode answers the other end, ESC \, with half of it.
_ASKED = b"\x1b]11;?\x07"
ANSWER_START, ANSWER_ENDS = "\x1b]11;", ("\x07", "\x1b\\")
# So long (s) after it was asked the answer is waited for, if there is still nothing else to do.
_PATIENCE = 0.1
# Of what comes instead of an answer only so many bytes are looked at.
_MOST = 4096
_ANSWER = re.compile(rb"\x1b\]11;([^\x00-\x1f\x7f]{0,100})(?:\x07|\x1b\\)")
_RGB = re.compile(r"rgba?:([0-9a-f]{1,4})/([0-9a-f]{1,4})/([0-9a-f]{1,4})(?:/[0-9a-f]{1,4})?", re.IGNORECASE)
_HASH = re.compile(
    r"#(?:([0-9a-f])([0-9a-f])([0-9a-f])|([0-9a-f]{2})([0-9a-f]{2})([0-9a-f]{2}))", re.IGNORECASE
)


def may_be_asked(environ: Mapping[str, str], caps: Capabilities) -> bool:
    """Return whether the answer matters and the terminal knows a question from text.

    Older Linux consoles print a part of it; they are dark.
    """
    return caps.colors != "none" and environ.get("TERM") != "linux"


def background_of(color: str) -> Background | None:
    """Return what a colour as X11 writes it is (`rgb:ffff/ffff/ffff`, `#ffffff`); None if it is none."""
    found = _RGB.fullmatch(color) or _HASH.fullmatch(color)
    if found is None:
        return None
    parts = [part for part in found.groups() if part is not None]
    light = is_light([255 * int(part, 16) / (16 ** len(part) - 1) for part in parts])
    return "light" if light else "dark"


class Enquiry:
    """Asks as it is entered, and gives the terminal back as it was found.

    `keyboard` is read, `screen` written. `attributes` are the line's settings as they were (None where it has
    none: then nothing is asked), `typed` is what came and is no answer.
    """

    def __init__(self, keyboard: int, screen: int) -> None:
        self._keyboard, self._screen = keyboard, screen
        self._asked = 0.0
        self._stack = ExitStack()
        self.attributes: list[Any] | None = None
        self.typed = b""

    def __enter__(self) -> Enquiry:
        """Ask; nothing that the terminal sends is shown from now on."""
        with suppress(termios.error, OSError):
            self.attributes = termios.tcgetattr(self._keyboard)
            self._stack.callback(self._give_back)
            self._stack.enter_context(endings.before_force(self._give_back))
            silent = [*self.attributes]
            silent[3] &= ~(termios.ECHO | termios.ICANON)
            termios.tcsetattr(self._keyboard, termios.TCSANOW, silent)
            self._asked = time.monotonic()
            os.write(self._screen, _ASKED)
        return self

    def answer(self) -> Background | None:
        """Return what the terminal says, None where it has said nothing that is understood."""
        until = self._asked + _PATIENCE
        while len(self.typed) < _MOST and self._read(until - time.monotonic()):
            if (found := _ANSWER.search(self.typed)) is not None:
                self.typed = self.typed[: found.start()] + self.typed[found.end() :]
                return background_of(found[1].decode("ascii", "replace"))
        return None

    def __exit__(self, *_error: object) -> None:
        """Give the terminal back."""
        self._stack.close()

    def _read(self, patience: float) -> bool:
        """Take what comes in so many seconds, what is there already in any case; return whether any did."""
        try:
            if not select.select([self._keyboard], [], [], max(0.0, patience))[0]:
                return False
            data = os.read(self._keyboard, _MOST)
        except OSError:
            return False
        self.typed += data
        return bool(data)

    def _give_back(self) -> None:
        with suppress(termios.error):
            # An answer to a program that is gone would be typed into the shell.
            termios.tcflush(self._keyboard, termios.TCIFLUSH)
            termios.tcsetattr(self._keyboard, termios.TCSANOW, self.attributes or [])
