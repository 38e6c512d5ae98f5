"""Streams the elements of one very large JSON list, keeping a few MiB of it in memory."""

from __future__ import annotations

import codecs
import json
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from lbtui.profile import Progress, Unreadable
from lbtui.text import _

CHUNK = 1 << 20  # bytes a read; larger ones measured no faster
# A 58 × 257 expert table is 60 KB of text; 100 layers × 1024 experts would be 1 MB.
LARGEST = 16 << 20  # characters of one element
_REPORT_EVERY = 0.2  # s
# `-Infinity`, `\uXXXX`, `false`: the longest token whose cut end the decoder reports at its beginning.
_LONGEST_TOKEN = 12
# `1.5e+` cut there reads as 1.5, and `e+` stays.
_NUMBER_TAIL = 2

_BLANK = re.compile(r"[ \t\r\n]*")
_SEPARATOR = re.compile(r"[ \t\r\n]*(,?)[ \t\r\n]*")
# Control characters inside strings are against the standard and harmless here.
_decode = json.JSONDecoder(strict=False).raw_decode


@dataclass(frozen=True)
class Break:
    """Where a file stopped being readable: the byte of the first element that was not read, and why."""

    byte: int
    reason: str


class _Broken(Exception):
    def __init__(self, position: int, reason: str) -> None:
        super().__init__(reason)
        self.position = position
        self.reason = reason


class _Window:
    """The part of the file in memory, as text. Positions count its characters."""

    def __init__(
        self, file: BinaryIO, chunk: int, largest: int, report: Callable[[int], bool] | None = None
    ) -> None:
        self.text = ""
        self._file = file
        self._report = report  # is told how many bytes are done, and tells whether more is wanted
        self.enough = False
        self._chunk = chunk
        self._largest = largest
        # A byte that is no UTF-8 must neither stop the reading nor shift the offsets.
        self._decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
        self._known = (0, 0)  # a position and the byte of the file it stands for
        self._ascii = True
        self.ended = False

    def more(self, keep: int) -> bool:
        """Forget what is before `keep`, which becomes position 0, and read on; False at the file's end."""
        if self.ended:
            return False
        if len(self.text) - keep > self._largest:
            raise _Broken(keep, _("one element is larger than {size} MiB").format(size=self._largest >> 20))
        byte = self.byte(keep)
        rest = self.text[keep:]
        # Doubling keeps the repeated decoding of one large element linear.
        data = self._file.read(max(self._chunk, len(rest)))
        self.ended = not data
        self.text = rest + self._decoder.decode(data, final=self.ended)
        self._ascii = self.text.isascii()
        self._known = (0, byte)
        if self._report and not self._report(byte):
            self.enough = True
        return True

    def byte(self, position: int) -> int:
        """Return the offset in the file of the character at `position`; positions must not fall."""
        known, byte = self._known
        if self._ascii:
            return byte + position - known
        byte += len(self.text[known:position].encode("utf-8", "surrogateescape"))
        self._known = (position, byte)
        return byte

    def skip_blank(self, position: int) -> int:
        """Return the position of the next character that is no white space; at the end, the text's length."""
        while True:
            position = _blank_end(self.text, position)
            if position < len(self.text) or not self.more(position):
                return position
            position = 0

    def value(self, position: int) -> tuple[Any, int, int]:
        """Decode the value at `position`; return it, its position now (after reading on) and its end."""
        while True:
            try:
                value, end = _decode(self.text, position)
            except RecursionError:
                raise _Broken(position, _("it is nested too deeply")) from None
            except ValueError as error:
                if not (_may_be_cut(error, len(self.text)) and self.more(position)):
                    raise _Broken(position, self._reason(error)) from None
            else:
                # What follows decides whether a number at the end of the text is whole.
                if end + _NUMBER_TAIL < len(self.text) or not self.more(position):
                    return value, position, end
            position = 0

    def _reason(self, error: ValueError) -> str:
        if self.ended and _may_be_cut(error, len(self.text)):
            return _("the file ends there")
        return _("it is no JSON: {error}").format(error=str(error)[:100])


def _blank_end(text: str, position: int) -> int:
    match = _BLANK.match(text, position)
    assert match  # the pattern matches the empty text
    return match.end()


def _may_be_cut(error: ValueError, length: int) -> bool:
    return isinstance(error, json.JSONDecodeError) and (
        error.msg.startswith("Unterminated string") or error.pos >= length - _LONGEST_TOKEN
    )


class ElementReader:
    """Iterates once over a JSON list: a bare one, or the one under `traceEvents` of an object.

    Yields (offset in bytes, value). `broken` is set when the iteration ended before the list did; all
    elements before that byte have been yielded. `stopped` is set to the byte at which it ended since
    `progress` wanted no more. `skip` matches a run of elements that nobody wants, from
    the first one's beginning to the next one's beginning; they are passed over undecoded. Raises
    `Unreadable` when the file cannot be opened or does not begin as such a list, and `Cancelled` when
    `progress` does.
    """

    def __init__(
        self,
        path: Path,
        progress: Progress,
        *,
        skip: re.Pattern[str] | None = None,
        chunk: int = CHUNK,
        largest: int = LARGEST,
    ) -> None:
        self.path = path
        self._skip = skip
        self.broken: Break | None = None
        self.stopped: int | None = None
        self._progress = progress
        self._chunk = chunk
        self._largest = largest

    def __iter__(self) -> Iterator[tuple[int, Any]]:
        try:
            with self.path.open("rb") as file:
                window = _Window(file, self._chunk, self._largest, self._reporter())
                try:
                    yield from self._elements(window, self._find_list(window))
                except _Broken as broken:
                    self.broken = Break(window.byte(broken.position), broken.reason)
        except OSError as error:
            raise Unreadable(
                _("{file} cannot be read: {error}.").format(file=self.path.name, error=error.strerror)
            ) from error

    def _reporter(self) -> Callable[[int], bool]:
        total = self.path.stat().st_size
        reported = -_REPORT_EVERY

        def report(done: int) -> bool:
            nonlocal reported
            now = time.monotonic()
            if now - reported < _REPORT_EVERY:
                return True
            reported = now
            return self._progress.wants_more(self.path.name, done, total)

        return report

    def _find_list(self, window: _Window) -> int:
        """Return the position after the `[` of the list."""
        window.more(0)
        start = window.skip_blank(1 if window.text.startswith("\ufeff") else 0)
        opening = window.text[start : start + 1]
        if opening == "[":
            return start + 1
        if opening == "{":
            try:
                return self._find_member(window, start + 1)
            except _Broken:
                pass
        raise Unreadable(
            _("{file} is not a trace: it is neither a JSON list nor an object with traceEvents.").format(
                file=self.path.name
            )
        )

    @staticmethod
    def _find_member(window: _Window, position: int) -> int:
        while True:
            position = window.skip_blank(position)
            key, _start, position = window.value(position)
            position = window.skip_blank(position)
            if window.text[position : position + 1] != ":":
                raise _Broken(position, "")
            position = window.skip_blank(position + 1)
            if key == "traceEvents" and window.text[position : position + 1] == "[":
                return position + 1
            _value, _start, position = window.value(position)
            position = window.skip_blank(position)
            if window.text[position : position + 1] != ",":
                raise _Broken(position, "")
            position += 1

    def _elements(self, window: _Window, position: int) -> Iterator[tuple[int, Any]]:
        position = window.skip_blank(position)
        if window.text[position : position + 1] == "]":
            return
        text = window.text
        while True:
            skipped = self._skip.match(text, position) if self._skip else None
            if skipped:
                position = skipped.end()
            try:
                value, end = _decode(text, position)
                whole = end + _NUMBER_TAIL < len(text)
            except (ValueError, RecursionError):
                whole = False
            if not whole:
                value, position, end = window.value(position)
                text = window.text
            yield window.byte(position), value
            separator = _SEPARATOR.match(text, end)
            assert separator  # the pattern matches the empty text
            position = separator.end()
            comma = separator[1]
            if position == len(text):
                # More white space, the comma or the next element may lie beyond the window.
                position = window.skip_blank(end)
                comma = window.text[position : position + 1]
                if comma == ",":
                    position = window.skip_blank(position + 1)
                text = window.text
            following = text[position : position + 1]
            if following == "]":
                return
            if not following:
                raise _Broken(position, _("the file ends there"))
            if comma != ",":
                raise _Broken(position, _("a comma is missing"))
            if window.enough:
                self.stopped = window.byte(position)
                return


def read_element(path: Path, offset: int) -> Any:
    """Return the JSON value that begins at byte `offset`, as `ElementReader` gave it.

    Raises `Unreadable` when there is none, as after the file was changed.
    """
    try:
        with path.open("rb") as file:
            file.seek(offset)
            # An element read alone is mostly small; the window grows by doubling when it is not.
            window = _Window(file, 1 << 14, LARGEST)
            window.more(0)
            return window.value(0)[0]
    except (OSError, _Broken) as error:
        raise Unreadable(
            _("{file} cannot be read at byte {offset}: {error}.").format(
                file=path.name, offset=offset, error=getattr(error, "reason", error)
            )
        ) from error
