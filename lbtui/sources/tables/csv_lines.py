"""The lines of a CSV file as UTF-8, some MB at a time, however the file is written."""

from __future__ import annotations

import codecs
import csv
import io
import os
import re
import sys
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import chain, repeat
from typing import BinaryIO

from lbtui.profile import Note
from lbtui.sources.decoded import decoded
from lbtui.sources.inflate import Damaged, inflated
from lbtui.sources.tables.csv_dialect import MIXED, CsvFile
from lbtui.text import _, visible

_FIRST = 256 << 10  # bytes; often only the first rows are wanted
_READ = 8 << 20
_TAIL = 4096  # bytes in which the last line of a block begins as a rule
# A round of thousands of requests has some 100 KB. What goes on for longer is no line of a table, and polars
# holds a block several times.
_LONGEST_LINE = 16 << 20
# No table has so many rows in a block: most of its lines have no cell, and each would be a row of nulls.
_MOST_LINES = 400_000
_EMPTY_LINES = re.compile(rb"\n[,;\t|\r\n]*\n")
# In GB18030 none of these separators is part of a character. Whether a cell is ASCII is not asked: a long
# run of bytes would be looked at once from each of them.
_CELL = re.compile(rb'[^,;\t"\r\n]+')


@lru_cache(4096)
def _recoded(cell: bytes) -> bytes:
    return decoded(cell).encode()


def _cell(found: re.Match[bytes]) -> bytes:
    return found[0] if found[0].isascii() else _recoded(found[0])


class CsvLines:
    """Yields blocks of whole lines, below the header; `notes` tells afterwards what is not in them.

    `ranges` are all that is read, if given: bytes of the file, from one line's begin to another's. They come
    of `end`: where the block yielded last ends in the file, None where it cannot be read from there.
    """

    def __init__(self, file: CsvFile, ranges: Sequence[tuple[int, int]] | None = None) -> None:
        self._file = file
        self._ranges = ranges
        self._recodes = file.encoding not in ("utf-8", MIXED)
        self.notes: list[Note] = []
        self.end: int | None = None

    def blocks(self) -> Iterator[tuple[bytes, int]]:
        """Yield each block with how many bytes of the file are read by then. Raises `OSError`."""
        self.notes = []
        above = self._file.lines_before if self._ranges is None else 0
        placed = not (self._recodes or self._file.compressed)
        begun: list[bytes] = []  # of a line whose end is not read yet
        size = overlong = done = 0
        for part, done in self._utf8():
            cut = part.rfind(b"\n") + 1
            if not cut:
                size += len(part)
                begun = [] if size > _LONGEST_LINE else [*begun, part]
                continue
            if size > _LONGEST_LINE:
                overlong += 1
                above = max(above - 1, 0)
                lines = part[part.find(b"\n") + 1 : cut]
            else:
                # Nothing is copied where the part is all there is.
                lines = b"".join([*begun, part if cut == len(part) else memoryview(part)[:cut]])
            begun = [part[cut:]] if cut < len(part) else []
            size = len(part) - cut
            while above and lines:
                _line, _end, lines = lines.partition(b"\n")
                above -= 1
            if lines:
                self.end = done - size if placed else None
                yield self._repaired(lines), done
        overlong += size > _LONGEST_LINE
        if overlong:
            text = _("{count} rows are longer than {size} MB and left out; parse the profile again.")
            self._tell(text.format(count=overlong, size=_LONGEST_LINE >> 20))
        rest = b"".join(begun)
        if above or self.notes or not rest.strip(b"\0"):
            return
        if rest.endswith((b"\r", b"\0")):
            self.end = done if placed else None
            yield self._repaired(rest), done
        else:
            self._tell(_("The file breaks off without an end of line; its last row is left out."))

    def _utf8(self) -> Iterator[tuple[bytes, int]]:
        """Yield the file's bytes in UTF-8 (where they are text), with the place in the file."""
        recode = self._recodes
        decoder = codecs.getincrementaldecoder(self._file.encoding if recode else "utf-8")("replace")
        with self._file.path.open("rb") as file:
            parts = inflated(file) if self._file.compressed else self._read(file)
            try:
                for part in parts:
                    yield decoder.decode(part).encode() if recode else part, file.tell()
            except Damaged as error:
                text = _(
                    "Its compression is damaged or breaks off ({why}); only the rows before that are read."
                )
                self._tell(text.format(why=visible(str(error), 200)))

    def _read(self, file: BinaryIO) -> Iterator[bytes]:
        """Yield the bytes of the file, or of its ranges, in their order."""
        sizes = chain([min(_FIRST, _READ)], repeat(_READ))
        for begin, end in [(0, sys.maxsize)] if self._ranges is None else self._ranges:
            if begin:
                file.seek(begin)
            while part := file.read(_to_line_end(file, min(next(sizes), end - file.tell()))):
                yield part

    def _repaired(self, block: bytes) -> bytes:
        if len(block) > _MOST_LINES and _line_ends(block) > _MOST_LINES:
            block = _EMPTY_LINES.sub(b"\n", block)
        if block.isascii():  # several times faster than to decode it
            return block
        try:
            block.decode()
        except UnicodeDecodeError:
            lines = block.split(b"\n")
            return b"\n".join(line if line.isascii() else _CELL.sub(_cell, line) for line in lines)
        return block

    def _tell(self, text: str) -> None:
        self.notes.append(Note(visible(self._file.path.name), text, lost=True))


def _to_line_end(file: BinaryIO, size: int) -> int:
    """Return how many of the next `size` bytes end with a line, all where none ends near their end."""
    tail = min(size, _TAIL)
    return size - tail + (os.pread(file.fileno(), tail, file.tell() + size - tail).rfind(b"\n") + 1 or tail)


def _line_ends(block: bytes) -> int:
    """Return how many there are, in a third of the time that `count` takes where they are frequent."""
    import numpy as np  # opening a profile needs none

    return int(np.count_nonzero(np.frombuffer(block, np.uint8) == ord("\n")))


class ClosedQuotes:
    """Takes lines one by one: those with a quote that is not closed are left out, `broken` of them.

    Upstream writes no line breaks inside cells, so such a quote spoils its own line only.
    """

    def __init__(self, separator: str) -> None:
        self.broken = 0
        self._separator = separator

    def only(self, block: bytes) -> bytes:
        """Return the other lines of a block that are not empty, with their quotes as polars reads them."""
        lines = (line if b'"' not in line else self._closed(line) for line in block.split(b"\n"))
        return b"".join([line + b"\n" for line in lines if line and line != b"\r"])

    def _closed(self, line: bytes) -> bytes:
        text = line.decode("utf-8", "replace").rstrip("\r")
        try:
            cells = next(csv.reader([text], delimiter=self._separator, strict=True))
        except csv.Error:
            self.broken += 1
            return b""
        # A quote inside a cell without quotes is no other than its characters, but not to polars.
        written = io.StringIO()
        csv.writer(written, delimiter=self._separator, lineterminator="").writerow(cells)
        return written.getvalue().encode()
