"""Someone at a terminal: presses keys and reads the screen, as an emulator makes it of the bytes."""

from __future__ import annotations

import re
from collections.abc import Callable

import pyte

from tests.tools.terminal import PATIENCE, Terminal

# Keyboard protocol and queries: sequences with a private prefix that pyte would print.
_UNKNOWN_TO_PYTE = re.compile(rb"\x1b\[[<>=][0-9;]*[a-zA-Z]|\x1bP.*?\x1b\\|\x1b\[\?[0-9;]*\$p")


class Person:
    """Reads what `terminal` shows and fails when the awaited does not come."""

    def __init__(self, terminal: Terminal, columns: int, rows: int) -> None:
        self.terminal = terminal
        self.screen = pyte.Screen(columns, rows)
        self._stream = pyte.ByteStream(self.screen)
        self._read = 0

    def lines(self) -> list[str]:
        """Return the screen's lines as they are now."""
        new = bytes(self.terminal.output[self._read :])
        self._read += len(new)
        self._stream.feed(_UNKNOWN_TO_PYTE.sub(b"", new))
        return list(self.screen.display)

    def text(self) -> str:
        """Return the screen as it is now."""
        return "\n".join(self.lines())

    def awaits(self, wanted: Callable[[str], bool], what: str, seconds: float = PATIENCE) -> str:
        """Return the screen once it is as wanted; fail after so many seconds in which nothing came."""
        silent = 0.0
        while not wanted(text := self.text()):
            assert silent < seconds, f"{what} is not so:\n{text}"
            if not self.terminal.read(0.1):
                silent += 0.1
        return text

    def sees(self, words: str, seconds: float = PATIENCE) -> str:
        """Return the screen once it holds the words."""
        return self.awaits(lambda text: words in text, repr(words), seconds)

    def misses(self, words: str, seconds: float = PATIENCE) -> str:
        """Return the screen once it holds the words no more."""
        return self.awaits(lambda text: words not in text, f"without {words!r}", seconds)

    def press(self, keys: str) -> None:
        """Press keys."""
        self.terminal.press(keys)
