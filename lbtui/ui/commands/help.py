"""What `help` lists."""

from __future__ import annotations

from collections.abc import Iterable

from rich.text import Text

from lbtui.text import _
from lbtui.ui.commands.grammar import COMMANDS, SETTINGS, Command

_WIDTH = 26


def commands_text(one: Command | None = None) -> Text:
    """Return all commands as they are written, each with what it does; of one that alone."""
    if one is not None:
        return _listed([(one.usage, one.tells)])
    text = _listed([(command.usage, command.tells) for command in COMMANDS])
    text.append("\n" + _("Where to go, and what to set") + "\n", style="bold")
    goes = [
        ("1 … 7", _("a pane, by its key or its name: dp, pd, ep …")),
        ("dp5", _("a DP domain; svc/dp5 where dp5 is not enough")),
    ]
    text.append_text(_listed([*goes, *((setting.usage, setting.tells) for setting in SETTINGS)]))
    parts = _("any parts of a view, as ^Y shows them")
    text.append_text(_listed([("dp;t=08:00:24.5;m=tokens", parts), ("m=tokens;w=all", parts)]))
    text.append("\n" + _("More, with examples: lbtui --manual commands") + "\n")
    return text


def _listed(found: Iterable[tuple[str, str]]) -> Text:
    text = Text()
    for usage, tells in found:
        text.append(f"  :{usage:<{_WIDTH}}", style="bold")
        text.append(f" {tells}\n")
    return text
