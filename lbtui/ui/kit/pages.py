"""Pages over the panes: help, a scheduling round."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, TypeVar, cast

from rich.text import Text
from textual.app import ComposeResult
from textual.await_complete import AwaitComplete
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from lbtui.lines import broken
from lbtui.render.capabilities import Capabilities
from lbtui.render.glyphs import spell
from lbtui.text import _, language, visible
from lbtui.ui.kit.host import Host
from lbtui.ui.kit.keys import key

_Answer = TypeVar("_Answer")


def spelled(text: Text, caps: Capabilities) -> Text:
    """Return a styled text as this terminal can show it."""
    if caps.unicode or text.plain.isascii():
        return text
    ends = {place for span in text.spans for place in (span.start, span.end)}
    whole = Text(style=text.style)
    for piece in text.divide(sorted(ends)):
        said = Text(spell(piece.plain))
        for span in piece.spans:
            said.stylize(span.style)
        whole.append_text(said)
    return whole


def flowed(text: Text, width: int) -> Text:
    """Return a text with its lines broken at so many cells where they hold Chinese.

    Textual breaks these anywhere, and the Latin words in them too.
    """
    lines = Text("\n").join(_flowed_line(line, width) for line in text.split("\n", allow_blank=True))
    lines.style = text.style
    return lines


def _flowed_line(line: Text, width: int) -> Text:
    plain = line.plain
    if plain.isascii() or line.cell_len <= width:
        return line
    indent = len(plain) - len(plain.lstrip(" "))
    pieces, at = [], indent
    for piece in broken(plain[indent:], max(width - indent, 1)):
        # Blanks at which a line is broken stand in neither.
        at = plain.index(piece, at)
        pieces.append(Text(" " * indent) + line[at : at + len(piece)])
        at += len(piece)
    return Text("\n").join(pieces)


class Page(ModalScreen[_Answer]):
    """A page that is closed once: a second Enter typed before it is gone must not close what lies below."""

    def dismiss(self, result: _Answer | None = None) -> AwaitComplete:
        """Close the page with an answer."""
        return super().dismiss(result) if self.is_current else AwaitComplete()


class TextPage(Page[None]):
    """A page of text to read and scroll; Escape, q or Enter closes it. `text` holds no markup."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,enter", "dismiss", _("close")),
        key("common.down", "scroll('down')", _("scroll")),
        key("common.up", "scroll('up')", _("scroll")),
        key("app.copy", "copy", _("copy")),
        key("app.copy-pane", "copy_page", _("copy all")),
    ]

    FOOT: ClassVar[str] = _("Escape closes · arrows scroll")

    def __init__(self, title: str, text: Text) -> None:
        super().__init__()
        self._title = title
        self._text = self._composed = text

    def compose(self) -> ComposeResult:
        """Lay out title, text and the closing line."""
        self._composed = self._text
        with Vertical(classes="page"):
            yield Static(self._shown(Text(visible(self._title), style="bold")), classes="page-title")
            with VerticalScroll(classes="page-body"):
                yield Static(self._shown(self._text), classes="page-text")
            foot = Text(self.FOOT, style="dim")
            yield Static(self._shown(foot), classes="page-foot")

    def on_mount(self) -> None:
        """Let the arrow keys scroll at once, and show what came while the page was put up."""
        self.query_one(VerticalScroll).focus()
        if self._text is not self._composed:
            self.show(self._text)

    def show(self, text: Text) -> None:
        """Replace the text, e.g. once a detail has been read: maybe before the page stands, or after."""
        self._text = text
        for shown in self.query(".page-text").results(Static):
            shown.update(self._shown(self._flowed(text)))

    def on_resize(self) -> None:
        """Break the lines anew."""
        if language() != "en":
            self.show(self._text)

    def _flowed(self, text: Text) -> Text:
        width = self.query_one(VerticalScroll).size.width - 1  # the scroll bar's
        return flowed(text, width) if width > 0 and language() != "en" else text

    def tell(self, words: str) -> None:
        """Say something in the last line; nothing shows there how the page is left."""
        foot = Text(words or self.FOOT, style="bold" if words else "dim")
        for line in self.query(".page-foot").results(Static):
            line.update(self._shown(foot))

    def _shown(self, text: Text) -> Text:
        return spelled(text, cast(Host, self.app).caps)

    def action_copy(self) -> None:
        """Copy what is under the cursor: of a page without one all of it."""
        self.action_copy_page()

    def action_copy_page(self) -> None:
        """Copy the page's title and text."""
        cast(Host, self.app).copy(f"{self._title}\n\n{self._text.plain}".rstrip())

    def action_scroll(self, direction: str) -> None:
        """Scroll by one line."""
        body = self.query_one(VerticalScroll)
        (body.scroll_down if direction == "down" else body.scroll_up)(animate=False)


class Picker(Page[str | None]):
    """Lets the user pick one of several, each a name and what is said of it; Escape answers None."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q", "dismiss", _("close")),
        key("common.down", "move(1)", _("down")),
        key("common.up", "move(-1)", _("up")),
    ]

    def __init__(self, title: str, choices: Sequence[tuple[str, Text]], chosen: str) -> None:
        super().__init__()
        self._title, self._choices, self._chosen = title, choices, chosen

    def compose(self) -> ComposeResult:
        """Lay out title, list and the closing line."""
        caps = cast(Host, self.app).caps
        with Vertical(classes="page"):
            yield Static(spelled(Text(self._title, style="bold"), caps), classes="page-title")
            yield OptionList(*(Option(spelled(text, caps), id=name) for name, text in self._choices))
            foot = Text(_("Enter shows it · Escape closes"), style="dim")
            yield Static(spelled(foot, caps), classes="page-foot")

    def on_mount(self) -> None:
        """Begin at what is shown now."""
        self.query_one(OptionList).highlighted = [name for name, _text in self._choices].index(self._chosen)

    def action_move(self, by: int) -> None:
        """Go down or up."""
        found = self.query_one(OptionList)
        (found.action_cursor_down if by > 0 else found.action_cursor_up)()

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """Answer what was picked."""
        self.dismiss(event.option_id)
