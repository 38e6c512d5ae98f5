"""A widget that shows rows drawn elsewhere, and draws again only those that changed."""

from __future__ import annotations

from abc import abstractmethod

from textual.geometry import Region, Size
from textual.strip import Strip
from textual.widget import Widget

from lbtui.render.capabilities import Row


class Picture(Widget):
    """Shows `rows`; `paint` replaces them and refreshes the rows that differ."""

    DEFAULT_CSS = "Picture { background: ansi_default; color: ansi_default; }"

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._strips: list[Strip] = []
        self._drawn_for = Size(0, 0)

    @abstractmethod
    def picture(self, width: int, height: int) -> list[Row]:
        """Return the rows to show in this size; overridden by each kind of picture."""

    def repaint(self) -> None:
        """Draw again and refresh the rows that changed."""
        width, height = self.size
        if not self.is_mounted or not width or not height:
            return
        self._drawn_for = self.size
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
        # Which cells of a row differ is found once, of what is sent (`exact_update`).
        changed = [y for y, before in enumerate(old) if before is not self._strips[y]]
        if changed:
            self.refresh(*(Region(0, y, width, 1) for y in changed))

    def on_resize(self) -> None:
        """Draw for the new size, unless it was for the frame that has it."""
        if self._drawn_for != self.size:
            self._strips = []
            self.repaint()

    def render_line(self, y: int) -> Strip:
        """Return one drawn row."""
        if not self._strips and self.is_mounted:
            # The first frame shows it, not the one after the widget has been told its size.
            self._drawn_for, (width, height) = self.size, self.size
            self._strips = [Strip(row, width) for row in self.picture(width, height)[:height]]
        return self._strips[y] if y < len(self._strips) else Strip.blank(self.size.width)
