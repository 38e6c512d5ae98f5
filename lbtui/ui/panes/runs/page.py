"""The page on which columns are chosen."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar, cast

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from lbtui.text import _
from lbtui.ui.kit.host import Host
from lbtui.ui.kit.keys import key
from lbtui.ui.kit.pages import Page, spelled


class ColumnsPage(Page[None]):
    """Lets the user choose columns, each a name and what is said of it; the pane follows at once."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q", "dismiss", _("close")),
        Binding("space", "pick", _("show or hide")),
        key("common.down", "move(1)", _("down")),
        key("common.up", "move(-1)", _("up")),
    ]

    def __init__(
        self,
        choices: Sequence[tuple[str, str]],
        shown: Sequence[str],
        follow: Callable[[Sequence[str]], None],
    ) -> None:
        super().__init__()
        self._choices, self._shown, self._follow = choices, set(shown), follow

    def compose(self) -> ComposeResult:
        """Lay out title, list and the closing line."""
        caps = cast(Host, self.app).caps
        with Vertical(classes="page"):
            yield Static(spelled(Text(_("Columns"), style="bold"), caps), classes="page-title")
            yield OptionList(*(Option(self._text(name, words), id=name) for name, words in self._choices))
            foot = Text(_("Enter or Space shows or hides it · Escape closes"), style="dim")
            yield Static(spelled(foot, caps), classes="page-foot")

    def _text(self, name: str, words: str) -> Text:
        mark = "x" if name in self._shown else " "
        return spelled(Text(f"[{mark}] {words}"), cast(Host, self.app).caps)

    def action_move(self, by: int) -> None:
        """Go down or up."""
        found = self.query_one(OptionList)
        (found.action_cursor_down if by > 0 else found.action_cursor_up)()

    def action_pick(self) -> None:
        """Show or hide the column under the cursor."""
        self.query_one(OptionList).action_select()

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """Show or hide the column, there and in the pane."""
        name = event.option_id or ""
        self._shown ^= {name}
        words = dict(self._choices)[name]
        self.query_one(OptionList).replace_option_prompt(name, self._text(name, words))
        self._follow([each for each, _words in self._choices if each in self._shown])
