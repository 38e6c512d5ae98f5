"""A page of text of which some lines lead on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import ClassVar, cast

from rich.text import Text
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll

from lbtui.render.palette import cursor
from lbtui.text import _
from lbtui.ui.kit.host import Host
from lbtui.ui.kit.pages import TextPage


class LinePage(TextPage):
    """A page whose cursor goes over the lines that lead on; Enter calls `enter` with the name of one."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("enter", "enter", _("go there"))]
    FOOT: ClassVar[str] = _("Escape closes · arrows move · Enter opens the request under the cursor")

    def __init__(self, title: str, text: Text, enter: Callable[[str], None]) -> None:
        super().__init__(title, text)
        self._enter = enter
        self._plain = text
        self._names: list[tuple[int, str]] = []
        self._at = 0

    def show_lines(self, text: Text, names: Mapping[int, str]) -> None:
        """Show a text; `names` are those of the lines (from 0) that lead on."""
        self._plain = text
        self._names = sorted(names.items())
        self._light()

    def _light(self) -> None:
        lit = self._plain.copy()
        if self._names:
            lines = self._plain.plain.split("\n")
            line = self._names[self._at][0]
            begin = sum(len(each) + 1 for each in lines[:line])
            lit.stylize(cursor(cast(Host, self.app).caps), begin, begin + len(lines[line]))
        self.show(lit)

    def action_scroll(self, direction: str) -> None:
        """Move over the lines that lead on; scroll where there are none."""
        if not self._names:
            super().action_scroll(direction)
            return
        step = 1 if direction == "down" else -1
        self._at = max(0, min(self._at + step, len(self._names) - 1))
        self._light()
        body = self.query_one(VerticalScroll)
        # From the first on, what stands above them is of use.
        line = self._names[self._at][0] if self._at else 0
        body.scroll_to(y=max(0, line - body.size.height // 2), animate=False)

    def action_copy(self) -> None:
        """Copy the line under the cursor; the page where there is none."""
        if not self._names:
            super().action_copy()
            return
        cast(Host, self.app).copy(self._plain.plain.split("\n")[self._names[self._at][0]].strip())

    def action_enter(self) -> None:
        """Close the page, and go to what the line under the cursor names."""
        if not self.is_current:
            return
        self.dismiss()
        if self._names:
            self._enter(self._names[self._at][1])
