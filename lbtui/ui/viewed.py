"""What of our screen tells its view in words, and shows one that is told: links, `:` commands, what is
remembered of a profile.
"""

from __future__ import annotations

import os
import shlex
from abc import abstractmethod
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from rich.text import Text

from lbtui.text import _
from lbtui.ui.kit.at import OVERS, PANE_KEYS, View, format_view
from lbtui.ui.kit.pages import TextPage
from lbtui.ui.watched import WatchedApp

if TYPE_CHECKING:
    from lbtui.ui.kit.pane import Pane

NAMES = {key: name for name, key in PANE_KEYS.items()}


class ViewedApp(WatchedApp):
    """An app whose view can be told, and shown again."""

    _inner: View | None = None  # of which what stands over its pane is still to come

    @property
    @abstractmethod
    def current(self) -> Pane | None:
        """The pane that is shown."""

    @property
    @abstractmethod
    def under(self) -> Pane | None:
        """The pane of the tab that is lit, whatever stands in its place."""

    @abstractmethod
    def action_pane(self, key: str) -> None:
        """Show a pane, or say what it takes."""

    @abstractmethod
    def look_for_findings(self) -> None:
        """Have the findings looked for, unless they are."""

    @abstractmethod
    def copy(self, text: str) -> None:
        """Copy a text; the last line says then where it is."""

    def view(self) -> View | None:
        """Return what is shown, in words; None as long as the pane has nothing to show."""
        from lbtui.ui.kit.parts import selected_parts

        under, shown = self.under, self.current
        if under is None or shown is None or not (under.tells_view and shown.tells_view):
            return None
        parts = {**selected_parts(self.selection, under.whole_time()), **under.parts()}
        if shown is under:
            return View(NAMES[under.KEY], parts)
        return View(NAMES[under.KEY], parts, shown.KEY, shown.parts())

    def show_view(self, view: View) -> None:
        """Show a view as soon as its pane has its data; what of it does not fit is said in the last line.

        Parts that it does not have stay as they are.
        """
        key = PANE_KEYS[view.pane]
        if key not in self.panes:
            self.tell(_("Compare needs a baseline: --baseline BEFORE"))
            return
        under, shown = self.under, self.current
        stands = shown is not None and (shown is under or view.over == shown.KEY)
        if under is None or key != under.KEY or not stands:
            self.action_pane(key)
        pane = self.panes[key]
        pane.once_ready(partial(self._take, view, pane))

    def _take(self, view: View, pane: Pane) -> None:
        from lbtui.ui.kit.parts import Taken, selected

        taken = Taken(view.parts, pane.whole_time())
        with self.moved_by_nobody():
            if changes := selected(taken, pane.domain_keys()):
                self.select(**changes)
            pane.take_parts(taken)
        pane.repaint()
        self._inner = None
        if view.over in OVERS.get(view.pane, ()):
            self._inner = view
            if (shown := self.current) is not None and view.over == shown.KEY:
                self.over_stands(shown)
            else:
                pane.open_over(view.over)
        elif view.over:
            taken.parts = {**taken.parts, "over": view.over}
            taken.refuse("over")
        if said := taken.said:
            self.tell(said)
        self.look_for_findings()

    def over_stands(self, pane: Pane) -> None:
        """Give a pane that stands in the place of another its parts, as soon as it has its data."""
        view, self._inner = self._inner, None
        if view is not None and view.over == pane.KEY:
            pane.once_ready(partial(self._take_inner, view, pane))

    def _take_inner(self, view: View, pane: Pane) -> None:
        from lbtui.ui.kit.parts import Taken

        taken = Taken(view.inner, pane.whole_time())
        pane.take_parts(taken)
        pane.repaint()
        if said := taken.said:
            self.tell(said)

    # The link

    def link(self) -> str:
        """Return the line for a shell that opens this view; empty as long as there is nothing to show."""
        view = self.view()
        if view is None or self.profile is None:
            return ""
        named, asked = self.asked.named, self.asked
        path, raw = (asked.path, asked.raw) if named else (self.profile.path, self.profile.raw)
        return command(path, asked.given, raw=raw, at=view)

    def action_link(self) -> None:
        """Show the line that opens this view, and copy it."""
        if len(self.screen_stack) > 1:
            return
        # What it opens knows all that line 1 tells.
        self.look_for_findings()
        if not (line := self.link()):
            self.tell(_("nothing is shown yet that a line could open"))
            return
        self.push_screen(TextPage(_("This line opens what is shown here"), Text(line)))
        self.call_after_refresh(partial(self.copy, line))


def command(path: Path, given: Sequence[str], *, raw: bool, at: View) -> str:
    """Return the line for a shell that opens a profile at a view, with the options that were given."""
    demo = path == DEMO
    words = ["lbtui", *(["--demo"] if demo else [str(path.absolute())]), *given]
    words += ["--raw"] if raw else []
    return " ".join(map(shell_word, [*words, "--at", format_view(at)]))


DEMO = Path(__file__).parents[1] / "demo" / "output"


def shell_word(word: str) -> str:
    """Return a word as a POSIX shell takes it for one; with bytes or controls as bash, zsh and ksh do."""
    if word.isprintable():
        return shlex.quote(word)
    return "$'" + "".join(map(_in_shell, os.fsencode(word))) + "'"


def _in_shell(byte: int) -> str:
    char = chr(byte)
    return char if " " <= char <= "~" and char not in "\\'" else f"\\{byte:03o}"
