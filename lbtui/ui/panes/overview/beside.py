"""The page that shows a run as the parser's output tells it beside its raw profile."""

from __future__ import annotations

from collections.abc import Sequence

from rich.text import Text

from lbtui.overview.beside import headline, reasons, table
from lbtui.overview.readings import Beside, Pair
from lbtui.render.capabilities import Capabilities
from lbtui.render.text import padded, printable
from lbtui.text import _, in_list


def beside_text(found: Beside, caps: Capabilities) -> Text:
    """Return the page's text: what is compared, why it differs, and every quantity with both its values."""
    text = Text()
    for name, path in ((_("output"), found.output), (_("raw profile"), found.raw)):
        text.append(padded(name, 13), style="dim")
        text.append(printable(path, caps) + "\n")
    text.append("\n" + headline(found) + "\n", style="bold")
    if found.differing:
        _say_table(text, found.differing, caps)
    for why, names in reasons(found):
        text.append("\n" + printable(in_list(names), caps) + "\n", style="dim")
        text.append(printable(f"  {why}", caps) + "\n")
    if same := [pair for pair in found.pairs if not pair.differs]:
        text.append("\n" + _("The same in both, as exactly as the output tells") + "\n", style="bold")
        _say_table(text, same, caps)
    return text


def _say_table(text: Text, pairs: Sequence[Pair], caps: Capabilities) -> None:
    for number, line in enumerate(table(pairs)):
        text.append(printable(line, caps) + "\n", style="" if number else "dim")
