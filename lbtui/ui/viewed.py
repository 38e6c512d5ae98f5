"""The view in words: told of the panes, and shown again as soon as they have their data.

Links, `:` commands and what is remembered of a profile go this way.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from lbtui.text import _
from lbtui.ui.kit.at import OVERS, PANE_KEYS, View, format_view
from lbtui.ui.kit.selection import Selection

if TYPE_CHECKING:
    from lbtui.ui.kit.pane import Pane

DEMO = Path(__file__).parents[1] / "demo" / "output"
NAMES = {key: name for name, key in PANE_KEYS.items()}


class Viewed(Protocol):
    """The app, as far as its view needs it."""

    panes: dict[str, Pane]
    selection: Selection

    @property
    def current(self) -> Pane | None:
        """The pane that is shown."""

    @property
    def under(self) -> Pane | None:
        """The pane of the tab that is lit, whatever stands in its place."""

    def tell(self, words: str) -> None:
        """Say something in the last line."""

    def select(self, **changes: Any) -> None:
        """Change the shared selection and tell all panes."""

    def moved_by_nobody(self) -> AbstractContextManager[None]:
        """Take what is selected meanwhile for no move of the user's."""

    def action_pane(self, key: str) -> None:
        """Show a pane."""

    def look_for_findings(self) -> None:
        """Have the findings looked for, unless they are."""


class Views:
    """Tells the view of an app, and shows another."""

    def __init__(self, app: Viewed) -> None:
        self._app = app
        self._covered: dict[str, str] = {}  # the parts of the pane in whose place another stands
        self._inner: View | None = None  # of which what stands over its pane is still to come

    def now(self) -> View | None:
        """Return what is shown, in words; None as long as the pane has nothing to show."""
        from lbtui.ui.kit.parts import selected_parts

        under, shown = self._app.under, self._app.current
        if under is None or shown is None or not (under.tells_view and shown.tells_view):
            return None
        selected = selected_parts(self._app.selection, under.whole_time())
        selected = {name: value for name, value in selected.items() if name not in under.not_here()}
        if shown is under:
            return View(NAMES[under.KEY], {**selected, **under.parts()})
        return View(NAMES[under.KEY], {**selected, **self._covered}, shown.KEY, shown.parts())

    def show(self, view: View) -> None:
        """Show a view as soon as its pane has its data; what of it does not fit is said in the last line.

        Parts that it does not have stay as they are.
        """
        key = PANE_KEYS[view.pane]
        if key not in self._app.panes:
            self._app.tell(_("Compare needs a baseline: --baseline BEFORE"))
            return
        under, shown = self._app.under, self._app.current
        stands = shown is not None and (shown is under or view.over == shown.KEY)
        if under is None or key != under.KEY or not stands:
            self._app.action_pane(key)
        pane = self._app.panes[key]
        pane.once_ready(partial(self._take, view, pane))

    def _take(self, view: View, pane: Pane) -> None:
        from lbtui.ui.kit.parts import Taken, selected

        if self._app.under is not pane:
            # The user has gone on while it was read.
            return
        taken = Taken(view.parts, pane.whole_time())
        if view.parts:
            with self._app.moved_by_nobody():
                if changes := selected(taken, pane.domain_keys(), more=pane.MORE_DOMAINS):
                    self._app.select(**changes)
                pane.take_parts(taken)
        pane.repaint()
        self._inner = None
        if view.over in OVERS.get(view.pane, ()):
            self._inner = view
            if (shown := self._app.current) is not None and view.over == shown.KEY:
                self.over_stands(shown)
            else:
                pane.open_over(view.over)
        elif view.over:
            taken.parts = {**taken.parts, "over": view.over}
            taken.refuse("over")
        if said := taken.said:
            self._app.tell(said)
        self._app.look_for_findings()

    def covered(self) -> None:
        """Keep what a pane tells before another stands in its place: then it has no size to tell it by."""
        under = self._app.under
        self._covered = under.parts() if under is not None and under.tells_view else {}

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
            self._app.tell(said)


def command(path: Path, given: Sequence[str], *, raw: bool, at: View) -> str:
    """Return the line for a shell that opens a profile at a view, with the options that were given."""
    demo = path == DEMO
    words = ["lbtui", *(["--demo"] if demo else [str(path.absolute())]), *given]
    words += ["--raw"] if raw else []
    return " ".join(map(shell_word, [*words, "--at", format_view(at)]))


def shell_word(word: str) -> str:
    """Return a word as a POSIX shell takes it for one; with bytes or controls as bash, zsh and ksh do."""
    if word.isprintable():
        return shlex.quote(word)
    return "$'" + "".join(map(_in_shell, word.encode("utf-8", "surrogateescape"))) + "'"


def _in_shell(byte: int) -> str:
    char = chr(byte)
    return char if " " <= char <= "~" and char not in "\\'" else f"\\{byte:03o}"
