"""What the terminal sends, byte by byte, made events: nothing that it may send ends the screen.

Textual's own reading ends for good at bytes that are not UTF-8 and at numbers that no terminal should send,
believes any size, and takes all keys for pasted text until a paste ends.
"""

from __future__ import annotations

import os
import selectors
import signal
import time
from codecs import getincrementaldecoder
from collections.abc import Callable, Iterable
from threading import Event

from textual import events
from textual.geometry import Size
from textual.message import Message

from lbtui import endings
from lbtui.text import visible
from lbtui.ui.terminal.enquiry import ANSWER_ENDS, ANSWER_START
from lbtui.ui.terminal.mouse import MouseGate
from lbtui.ui.terminal.private import BRACKETED_PASTE_END, BRACKETED_PASTE_START, XTermParser

_PIECE = 4096
_TICK = 0.1
# A whole of which nothing has come for so long (s) has lost its end; so has an older one that brings Ctrl-C.
_PATIENCE = 1.0
# Of pasted text only one line is ever of use.
_PASTE_MOST = 10_000
_CTRL_C = "\x03"
# A whole is what comes between these, no keys: a paste, or an answer to the enquiry, which is late here.
_WHOLES = {BRACKETED_PASTE_START: (BRACKETED_PASTE_END,), ANSWER_START: ANSWER_ENDS}
_LONGEST = max(map(len, _WHOLES))


class Keyboard:
    """Reads `fileno` and gives what it makes of it to `take`, what the mouse does to `mouse`.

    `size` tells how large the terminal is.
    """

    def __init__(
        self,
        fileno: int,
        take: Callable[[Message], object],
        mouse: MouseGate,
        size: Callable[[], tuple[int, int]],
    ) -> None:
        self._fileno = fileno
        self._take = take
        self._mouse = mouse
        self._size = size
        self._decode = getincrementaldecoder("utf-8")("replace").decode
        self._parser = XTermParser()
        self._recent = ""
        self._begun = ""  # how the whole that is read begins
        self._held: list[str] = []
        self._since = self._heard = 0.0

    def run(self, stop: Event) -> None:
        """Read until told to stop."""
        with selectors.SelectSelector() as selector:
            selector.register(self._fileno, selectors.EVENT_READ)
            while not stop.is_set():
                if selector.select(_TICK):
                    self._read()
                self.tick()

    def _read(self) -> None:
        try:
            self.feed(os.read(self._fileno, _PIECE))
        except OSError:
            # The terminal is another's for a while, or gone, which is seen elsewhere.
            time.sleep(_TICK)

    def feed(self, data: bytes) -> None:
        """Take bytes as they come."""
        now = time.monotonic()
        for character in self._decode(data):
            (self._within if self._begun else self._typed)(character, now)
        self._heard = now

    def tick(self) -> None:
        """Let time pass: what waits for more that does not come is taken as it is."""
        if self._begun and time.monotonic() - self._heard > _PATIENCE:
            self._end_whole()
        self._guarded(lambda parser: parser.tick())

    def _typed(self, character: str, now: float) -> None:
        self._guarded(lambda parser: parser.feed(character))
        self._recent = (self._recent + character)[-_LONGEST:]
        for start in _WHOLES:
            if self._recent.endswith(start):
                # The parser would wait for its end; it is not asked any more.
                self._parser = XTermParser()
                self._begun, self._since = start, now
                self._held, self._recent = [], ""
                return

    def _within(self, character: str, now: float) -> None:
        if character == _CTRL_C and now - self._since > _PATIENCE:
            self._end_whole()
            self._typed(character, now)
            return
        self._recent = (self._recent + character)[-_LONGEST:]
        if len(self._held) < _PASTE_MOST:
            self._held.append(character)
        if self._recent.endswith(_WHOLES[self._begun]):
            self._end_whole()

    def _end_whole(self) -> None:
        text, pasted = "".join(self._held), self._begun == BRACKETED_PASTE_START
        self._begun, self._recent = "", ""
        if pasted:
            text = text.removesuffix(BRACKETED_PASTE_END)
            self._take(events.Paste("\n".join(visible(line, _PASTE_MOST) for line in text.splitlines())))

    def _guarded(self, ask: Callable[[XTermParser], Iterable[Message]]) -> None:
        made: list[Message] = []
        try:
            made.extend(ask(self._parser))
        except Exception:
            # Characters beyond all there are, numbers of thousands of digits, windows of no pixels.
            self._parser = XTermParser()
        for event in made:
            self._emit(event)

    def _emit(self, event: Message) -> None:
        if isinstance(event, events.MouseEvent):
            self._mouse.put(event)
            return
        if isinstance(event, events.Key):
            if event.key == "ctrl+c":
                # Told to the loop, it would wait for a loop that is stuck.
                endings.end(signal.SIGINT)
                return
            self._mouse.flush()
            if event.character is not None and "\ud800" <= event.character <= "\udfff":
                return
        if isinstance(event, events.Resize):
            # When the size has changed is told, what it is now the system knows.
            size = Size(*self._size())
            if size != event.size:
                # Nor is it believed about pixels, by which the mouse would be placed from now on.
                self._parser = XTermParser()
            event = events.Resize(size, size, size, event.pixel_size)
        self._take(event)
