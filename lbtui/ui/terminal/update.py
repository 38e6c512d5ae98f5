"""Send the cells that change and no others.

Textual sends a pane that comes into view three times over, and crops an update at its right end only: a
cursor that moves by one column costs 14 KB instead of 1 on a 200 × 50 screen, which is felt over a slow line.
"""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from textual.geometry import Size
from textual.strip import Strip

from lbtui.render.capabilities import Colors
from lbtui.ui.terminal.changed import changed_parts
from lbtui.ui.terminal.pen import Pen
from lbtui.ui.terminal.private import CompositorUpdate, Piece, pieces
from lbtui.ui.terminal.scrolled import move_between


class Shown:
    """What the terminal shows, row by row, as far as is known."""

    def __init__(self, colors: Colors) -> None:
        self.colors = colors
        self._size = Size(0, 0)
        self._rows: dict[int, Strip] = {}

    def forget(self) -> None:
        """Trust in nothing: others may have written to the terminal."""
        self._rows.clear()

    def exact(self, update: RenderableType | None, size: Size) -> RenderableType | None:
        """Return an update of a screen of this size made exact; anything else as it is."""
        found = pieces(update)
        return update if found is None else ExactUpdate(self, found, size)

    def changes(self, pieces: Iterable[Piece], size: Size) -> str:
        """Return the sequences that make the terminal show the pieces; from now on it is taken to."""
        if size != self._size:
            self._size = size
            self.forget()
        pen = Pen(self.colors, size.width)
        rows: dict[int, Strip] = {}
        for x, y, strip in pieces:
            end = x + strip.cell_length
            whole = x == 0 and end == size.width
            row = rows.get(y, self._rows.get(y))
            if row is not None:
                known = (row.crop(0, x), strip, row.crop(end, size.width))
                rows[y] = strip if whole else Strip.join(known)
                continue
            pen.write(x, y, strip)
            # Of a row in part unknown only the known part could be compared.
            if whole:
                self._rows[y] = strip
        if (move := move_between(self._rows, rows)) is not None:
            pen.move(move.sequence())
            shown = move.shown(self._rows)
            # Those that shall stay where they are, too, must be put right.
            rows = {**{y: self._rows[y] for y in shown}, **rows}
            self._rows.update(shown)
        # Rows are compared as a whole: a piece may cut a wide character of which the other half goes, too.
        for y, row in rows.items():
            for x, part in changed_parts(self._rows[y], row):
                pen.write(x, y, part)
        self._rows.update(rows)
        return pen.text()


class ExactUpdate(CompositorUpdate):
    """An update of which only what differs from the terminal is sent."""

    def __init__(self, shown: Shown, pieces: list[Piece], size: Size) -> None:
        self._shown = shown
        self._pieces = pieces
        self._size = size

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for _x, _y, strip in self._pieces:
            yield from strip

    def render_segments(self, console: Console) -> str:
        """Return the terminal sequences of the update; called once it is certain to be sent."""
        return self._shown.changes(self._pieces, self._size)
