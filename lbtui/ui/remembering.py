"""What our screen remembers of a profile for the next time: where the user was, filters, marks, notes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol, cast

from textual.dom import DOMNode

from lbtui.keymap import shown_first
from lbtui.log import log_fault
from lbtui.text import _
from lbtui.ui.kit.at import PANE_KEYS, NoView, View, format_view, listed_pairs, pairs, parse_view
from lbtui.ui.kit.background import in_background
from lbtui.ui.kit.selection import Selection

if TYPE_CHECKING:
    from lbtui.findings import Finding
    from lbtui.profile import Profile
    from lbtui.remembered import FindingNote, Remembered
    from lbtui.ui.kit.pane import Pane
    from lbtui.ui.opening import Asked, Opened

_NAMES = {key: name for name, key in PANE_KEYS.items()}
# Of a pane that is not the last one shown, by the words of a view.
_FILTER, _MARKS = "f", "marks"
_TIMES = frozenset({"t", "w", "ct", "cw"})
_CURSOR = frozenset({"row", "col"})


class App(Protocol):
    """The app, as far as what is remembered needs it."""

    asked: Asked
    profile: Profile | None
    panes: dict[str, Pane]
    findings: tuple[Finding, ...]
    selection: Selection

    @property
    def under(self) -> Pane | None:
        """The pane of the tab that is lit, whatever stands in its place."""

    def view(self) -> View | None:
        """Return what is shown, in words; None as long as the pane has nothing to show."""

    def tell(self, words: str) -> None:
        """Say something in the last line."""

    def call_later(self, callback: Callable[..., Any], *args: Any) -> bool:
        """Call something once what was sent before is done; from any thread."""

    def moved_by_nobody(self) -> AbstractContextManager[None]:
        """Take what is selected meanwhile for no move of the user's."""


class Remembering:
    """Shows a profile as the user left it, and keeps how that is."""

    def __init__(self, app: App) -> None:
        self._app = app
        self.notes: tuple[FindingNote, ...] = ()  # on findings of the profile
        self.identity = ""  # of the profile, empty where nothing is remembered
        self.which = ""  # what the view is remembered by, beside the profile
        self._identified: Profile | None = None  # of which that is the identity
        self._seen: set[str] = set()  # identities that were shown in this session
        self._coming: Mapping[str, Mapping[str, str]] = {}  # by pane, what it takes once it is ready
        self._left: Callable[[], str] | None = None  # what writes what is still to be remembered

    # As it was left

    def recall(self, opened: Opened) -> View | None:
        """Take what is remembered of a profile just opened; return the view to begin with, or None.

        What the command line asks for goes before it; only notes on findings are taken then. A profile that
        is read again stays as it is shown.
        """
        found, again = opened.recalled, opened.identity in self._seen
        self.identity, self._identified, self.which = opened.identity, opened.profile, opened.which
        self._seen.add(opened.identity)
        if found is not None:
            self.notes = found.remembered.notes
        if found is None or again:
            return None
        said, view, asked = found.problem, None, self._app.asked
        if asked.at is None:
            view = _worth_showing(_view(found.remembered.views.get(self.which, "")), asked)
            self._coming = found.remembered.parts
            if view is not None or self._coming:
                word = _("shown as you left it; {key} begins fresh, --no-state always does")
                said = said or word.format(key=shown_first("app.fresh", asked.keys))
        if said:
            self._app.call_later(self._app.tell, said)
        return view

    def pane_ready(self, pane: Pane) -> None:
        """Give a pane that is ready its filter and marks of last time."""
        name = _NAMES.get(pane.KEY, "")
        if (parts := self._coming.get(name)) is None or not pane.tells_view:
            return
        from lbtui.ui.kit.parts import Taken

        self._coming = {other: own for other, own in self._coming.items() if other != name}
        with self._app.moved_by_nobody():
            pane.take_parts(Taken(parts, pane.whole_time()))

    def forget(self) -> None:
        """Forget where the user was, filters and marks; notes on findings stay."""
        self._coming = {}
        self._change(lambda known: known.fresh())

    # What is written

    def keep_note(self, finding: Finding, text: str) -> None:
        """Keep what the user says of a finding of those found, an empty text nothing."""
        from lbtui.findings.notes import note_of, note_on
        from lbtui.remembered import Remembered

        note, before = note_on(finding, text), note_of(finding, self.notes, self._app.findings)
        instead = None if before is None else before.key
        self.notes = Remembered(notes=self.notes).with_note(note, instead).notes
        self._change(lambda known: known.with_note(note, instead))
        if self._app.asked.memory is None or not self.identity:
            self._app.tell(_("the note holds until you leave: nothing is written (--no-state)"))

    def keep_marks(self, pane: Pane) -> None:
        """Keep the marks of a pane at once: they are work, where the user was is not."""
        self._change(partial(_with_parts, parts={_NAMES[pane.KEY]: _parts_of(pane)}))

    def _change(self, change: Callable[[Remembered], Remembered]) -> None:
        """Write a change beside the event loop; say so where it cannot be."""
        memory, profile, identity = self._app.asked.memory, self._app.profile, self.identity
        if memory is None or not identity or profile is None:
            return

        def failed(why: str) -> None:
            self._app.tell(_("it could not be remembered: {why}").format(why=why))

        def work() -> None:
            if why := memory.change(identity, profile.path, change):
                self._app.call_later(failed, why)

        self._in_background(work, failed)

    def take_down(self) -> None:
        """Take down what is shown, to be written when the profile is left."""
        memory, profile, identity = self._app.asked.memory, self._app.profile, self.identity
        if memory is None or profile is None or not identity:
            return
        try:
            view = self._app.view() or self._view_below()
            panes = [pane for pane in self._app.panes.values() if pane.tells_view]
            parts = {_NAMES[pane.KEY]: _parts_of(pane) for pane in panes}
        # Nobody may be kept from leaving by what is only remembered.
        except Exception as error:
            log_fault(error, "what is remembered")
            return
        parts = {name: own for name, own in parts.items() if name not in self._coming}
        if view is not None:
            # They are kept by themselves, with those that another lbtui sets.
            view = _without(view, frozenset({_MARKS}))
        text, which = "" if view is None else format_view(view), self.which
        # One that is being recorded is another by now: what was seen is of the bytes that are there.
        grown = profile is not self._identified
        notes = self.notes if grown else ()

        def change(known: Remembered) -> Remembered:
            found = _with_parts(known, parts)
            for note in notes:
                found = found.with_note(note)
            return found.with_view(which, text) if text else found

        def write() -> str:
            from lbtui.sources import identity_of

            return memory.change(identity_of(profile) if grown else identity, profile.path, change)

        self._left = write

    def _view_below(self) -> View | None:
        """Return the pane in whose place something stands that no view tells, as an answer to a query."""
        from lbtui.ui.kit.parts import selected_parts

        if (under := self._app.under) is None or not under.tells_view:
            return None
        return View(_NAMES[under.KEY], selected_parts(self._app.selection, under.whole_time()))

    def write(self) -> str:
        """Write what was taken down last; return why it could not be, empty when done or nothing was."""
        write, self._left = self._left, None
        return "" if write is None else write()

    def leave(self) -> None:
        """Take down what is shown, and write it while another profile is opened."""
        self.take_down()
        self._in_background(self.write, lambda _why: None)

    def _in_background(self, work: Callable[[], object], failed: Callable[[str], object]) -> None:
        in_background(cast(DOMNode, self._app), work, failed, group="remember", exclusive=False)


def _view(text: str) -> View | None:
    try:
        return parse_view(text) if text else None
    except NoView:  # of another version
        return None


def _worth_showing(view: View | None, asked: Asked) -> View | None:
    """Return a view as it is to be shown, None where there is only a cursor in the pane that opens first.

    Of what is watched the end is shown, wherever the user was.
    """
    if view is not None and asked.watch:
        view = _without(view, _TIMES)
    home = "overview" if asked.baseline is None else "compare"
    return None if view is None or (view.pane == home and set(view.parts) <= _CURSOR) else view


def _without(view: View, names: frozenset[str]) -> View:
    return replace(view, parts={name: own for name, own in view.parts.items() if name not in names})


def _parts_of(pane: Pane) -> dict[str, str]:
    """Return the filter and the marks of a pane."""
    own = pane.parts()
    return {name: own[name] for name in (_FILTER, _MARKS) if own.get(name)}


def _with_parts(known: Remembered, parts: Mapping[str, Mapping[str, str]]) -> Remembered:
    """Return what is remembered with parts of panes, and the marks that another lbtui has set."""
    merged = {}
    for name, own in parts.items():
        marks = {**dict(_marks(known.parts.get(name, {}))), **dict(_marks(own))}
        merged[name] = {**own, **({_MARKS: listed_pairs(marks.items())} if marks else {})}
    return known.with_parts(merged)


def _marks(parts: Mapping[str, str]) -> list[tuple[str, str]]:
    try:
        return pairs(parts.get(_MARKS, ""))
    except NoView:
        return []
