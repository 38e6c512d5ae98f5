"""A widget that shows rows drawn elsewhere, and sends only the cells that changed."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator

from rich.cells import get_character_cell_size
from rich.style import Style
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

from lbtui.render.capabilities import Row

# Two changed runs closer than this are sent as one: moving the cursor costs about as many bytes.
_JOIN = 8
# Beyond a row's end; unlike the second half of a wide character it is a cell of its own.
_NO_CELL: tuple[str, Style | None] = ("\0", None)


class Picture(Widget):
    """Shows `rows`; `paint` replaces them and refreshes what differs."""

    DEFAULT_CSS = "Picture { background: ansi_default; color: ansi_default; }"

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._strips: list[Strip] = []

    @abstractmethod
    def picture(self, width: int, height: int) -> list[Row]:
        """Return the rows to show in this size; overridden by each kind of picture."""

    def repaint(self) -> None:
        """Draw again and refresh the cells that changed."""
        width, height = self.size
        if not self.is_mounted or not width or not height:
            return
        rows = self.picture(width, height)[:height]
        old = self._strips
        if len(old) != len(rows):
            self._strips = [Strip(row, width) for row in rows]
            self.refresh()
            return
        # A row that stays keeps its strip, and with it what Textual remembers of it.
        self._strips = [
            strip if list(strip) == row else Strip(row, width) for strip, row in zip(old, rows, strict=True)
        ]
        regions = [
            Region(x, y, length, 1)
            for y, (before, after) in enumerate(zip(old, self._strips, strict=True))
            for x, length in changed_runs(before, after)
        ]
        if regions:
            self.refresh(*regions)

    def on_resize(self) -> None:
        """Draw for the new size."""
        self._strips = []
        self.repaint()

    def render_line(self, y: int) -> Strip:
        """Return one drawn row."""
        return self._strips[y] if y < len(self._strips) else Strip.blank(self.size.width)


def changed_runs(before: Strip, after: Strip) -> Iterator[tuple[int, int]]:
    """Yield (x, length) of the cells that differ between two rows, near neighbours joined.

    A run holds whole characters: half of a wide one cannot be sent.
    """
    if before is after:
        return
    first, last = list(before), list(after)
    if before.cell_length == after.cell_length and first == last:
        return
    # Most of a changed row stays as it was: what both begin and end with needs no look at its cells.
    head = _alike(first, last)
    tail = 0
    if before.cell_length == after.cell_length:
        tail = _alike(first[head:][::-1], last[head:][::-1])
    skipped = sum(segment.cell_length for segment in first[:head])
    old, new = (_cells(row[head : len(row) - tail]) for row in (first, last))
    length = max(len(old), len(new))
    old += [_NO_CELL] * (length - len(old))
    new += [_NO_CELL] * (length - len(new))
    start = end = -1
    x = 0
    while x < length:
        width = 1
        while x + width < length and "" in (old[x + width][0], new[x + width][0]):
            width += 1
        if old[x : x + width] != new[x : x + width]:
            if start >= 0 and x - end > _JOIN:
                yield skipped + start, end - start
                start = -1
            if start < 0:
                start = x
            end = x + width
        x += width
    if start >= 0:
        yield skipped + start, end - start


def _alike(first: Row, last: Row) -> int:
    """Return how many segments both begin with."""
    pairs = zip(first, last, strict=False)
    return next((n for n, (a, b) in enumerate(pairs) if a != b), min(len(first), len(last)))


def _cells(row: Row) -> list[tuple[str, Style | None]]:
    """Return character and style of each cell; the second cell of a wide character is empty."""
    cells: list[tuple[str, Style | None]] = []
    for text, style, _control in row:
        if text.isascii():
            cells.extend((character, style) for character in text)
        else:
            for character in text:
                cells.append((character, style))
                cells.extend([("", style)] * (get_character_cell_size(character) - 1))
    return cells
