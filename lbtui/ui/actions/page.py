"""The page that finds an action by its words."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import ClassVar, cast

from rich.text import Text
from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.widgets import Input, Static

from lbtui.render.canvas import Canvas
from lbtui.render.capabilities import Row
from lbtui.render.palette import dim
from lbtui.text import _
from lbtui.ui.actions.offers import Offer, best, matching
from lbtui.ui.actions.view import offer_at, offer_rows
from lbtui.ui.kit.host import Host
from lbtui.ui.kit.pages import Page, spelled
from lbtui.ui.kit.picture import Picture


@dataclass(frozen=True)
class Asking:
    """What a page says: before the line, in it while it is empty, below the list, where there is nothing."""

    prompt: str
    hint: str
    foot: str
    nothing: str
    wide: bool = False  # whether the names are as wide as they are


def _for_actions() -> Asking:
    return Asking(
        _("actions"),
        _("words of what you want to do: what-if, filter, zoom …"),
        _("⏎ does it · ↑↓ move · Escape closes"),
        _("No action is called so."),
    )


class OfferList(Picture):
    """Draws the offers found."""

    def picture(self, width: int, height: int) -> list[Row]:
        """Return the rows."""
        page = cast(ActionsPage, self.screen)
        return offer_rows(
            *page.found(), self.canvas(width, height), page.asking.nothing, wide=page.asking.wide
        )

    def canvas(self, width: int, height: int) -> Canvas:
        """Return what it draws on."""
        return Canvas(width, height, cast(Host, self.app).caps)

    def on_click(self, event: events.Click) -> None:
        """Choose the offer that was clicked."""
        page = cast(ActionsPage, self.screen)
        place = offer_at(*page.found(), self.canvas(*self.size), event.y)
        if place is not None:
            page.choose(place)


class ActionsPage(Page[Offer]):
    """Lists what can be done; what is written narrows it down, Enter chooses, Escape answers None.

    `search` finds what a text means where that is not among `offers`.
    """

    # Of the page and at once: the line has the focus, and what is typed quickly comes in its order.
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "choose", _("do it"), priority=True),
        Binding("escape,ctrl+p", "leave", _("close"), priority=True),
        Binding("up", "move(-1)", _("action above"), priority=True),
        Binding("down", "move(1)", _("action below"), priority=True),
        Binding("pageup", "page(-1)", _("a page up"), priority=True),
        Binding("pagedown", "page(1)", _("a page down"), priority=True),
    ]

    def __init__(
        self,
        offers: Sequence[Offer],
        search: Callable[[str], Sequence[Offer]] | None = None,
        asking: Asking | None = None,
        text: str = "",
    ) -> None:
        super().__init__()
        self._offers = offers
        self.asking = asking or _for_actions()
        self._search = search or partial(matching, offers)
        self._first = text
        self._sought: tuple[str, Sequence[Offer]] | None = None
        self._text = ""
        self._cursor = 0

    def compose(self) -> ComposeResult:
        """Lay out the line, the list and the closing line."""
        caps = cast(Host, self.app).caps
        with Vertical(classes="page"):
            with Horizontal(classes="page-line"):
                prompt = spelled(Text(self.asking.prompt + " ", style="bold"), caps)
                yield Static(prompt, classes="line-prompt")
                hint = spelled(Text(self.asking.hint), caps)
                yield Input(self._first, placeholder=hint.plain, compact=True, select_on_focus=False)
            yield OfferList(classes="page-body")
            foot = Text(self.asking.foot, style=dim(caps))
            yield Static(spelled(foot, caps), classes="page-foot")

    def found(self) -> tuple[Sequence[Offer], int]:
        """Return what matches the line as it is written now, and the cursor's place in it."""
        text = self.query_one(Input).value
        if self._sought is None or self._sought[0] != text:
            self._sought = text, self._search(text)
        found = self._sought[1]
        if text != self._text:
            self._text, self._cursor = text, best(found, text)
        return found, self._cursor

    def on_input_changed(self) -> None:
        """Show what matches."""
        self._draw()

    def _draw(self) -> None:
        self.query_one(OfferList).repaint()

    def action_move(self, step: int) -> None:
        """Move the cursor."""
        found, cursor = self.found()
        self._cursor = max(0, min(cursor + step, len(found) - 1))
        self._draw()

    def action_page(self, pages: int) -> None:
        """Move the cursor by a page."""
        self.action_move(pages * max(1, self.query_one(OfferList).size.height - 1))

    def action_choose(self) -> None:
        """Do what is under the cursor."""
        self.choose(self.found()[1])

    def choose(self, place: int) -> None:
        """Close with the offer at a place; one that can do nothing now says why, and stays."""
        found, _cursor = self.found()
        self._cursor = place
        if found and not found[place].why_not:
            self.dismiss(found[place])
        else:
            self._draw()

    def action_leave(self) -> None:
        """Close."""
        self.dismiss(None)
