"""Pages of text: a pane's help (how to read it, keys, formulas, words), and the notes on the data."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from rich.text import Text
from textual.binding import Binding, BindingType

from lbtui.manual import TOPICS, glossary, introduction
from lbtui.render.glyphs import spell_key
from lbtui.text import _, in_list, visible
from lbtui.ui.kit.keys import families_first, key_of

if TYPE_CHECKING:
    from lbtui.profile import Note
    from lbtui.ui.kit.pane import Pane


def help_text(pane: Pane, general: Iterable[BindingType], changes: Mapping[str, str] | None = None) -> Text:
    """Return the page's text, styled, holding no markup of its own; `general` are the keys of every pane.

    `changes` has the keys of the actions that the config gives others.
    """
    text = Text(introduction(pane.TITLE) + "\n\n")
    text.append(_("Keys") + "\n", style="bold")
    for binding in [*families_first(pane.BINDINGS), *general]:
        if isinstance(binding, Binding):
            keys = key_of(binding, changes or {})
            text.append(f"  {keys if pane.caps.unicode else spell_key(keys):<14}")
            text.append(f"{binding.tooltip or binding.description}\n")
    _append(text, _("What is shown"), ((entry.name, entry.text) for entry in pane.help_entries()))
    _append(text, _("Words"), glossary())
    more = _("More: lbtui --manual TOPIC prints {topics}.")
    text.append("\n" + more.format(topics=in_list(TOPICS)) + "\n")
    return text


def _append(text: Text, title: str, entries: Iterable[tuple[str, str]]) -> None:
    text.append("\n" + title + "\n", style="bold")
    for name, meaning in entries:
        text.append(f"  {name}\n", style="bold")
        text.append(f"    {meaning}\n")


def notes_text(notes: Iterable[Note]) -> Text:
    """Return all notes whole, with the file of each; what is lost first."""
    text = Text()
    for note in sorted(notes, key=lambda note: not note.lost):
        text.append(visible(note.file) + "\n", style="bold")
        text.append(f"  {visible(note.text)}\n")
    if not text:
        text.append(_("None: nothing was left out or is to be minded in what is read so far."))
    return text
