"""The EP pane."""

from __future__ import annotations

from typing import Any, ClassVar

from lbtui.render.capabilities import Row
from lbtui.render.text import fit
from lbtui.text import _
from lbtui.ui.pane import HelpEntry, Pane, PaneProgress


class EpPane(Pane):
    """The EP pane."""

    KEY: ClassVar[str] = "4"
    TITLE: ClassVar[str] = _("EP")

    def prepare(self, progress: PaneProgress) -> Any:
        """Return what is drawn."""
        return None

    def ready(self, result: Any) -> None:
        """Keep what is drawn."""

    def draw(self, width: int, height: int) -> list[Row]:
        """Return the rows."""
        return [fit("", width, caps=self.caps)]

    def help_entries(self) -> list[HelpEntry]:
        """Return the quantities."""
        return []
