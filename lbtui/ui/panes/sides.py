"""Two profiles in one pane: which of both is shown, and how it is said."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from rich.segment import Segment

from lbtui.render.capabilities import Capabilities, Row
from lbtui.render.palette import cursor
from lbtui.render.text import printable
from lbtui.text import _
from lbtui.ui.selection import Side, side_word

T = TypeVar("T")

_MOST_NAMED = 6


@dataclass(frozen=True)
class Pair(Generic[T]):
    """One thing of both profiles; `before` is None without a baseline."""

    after: T
    before: T | None = None

    def of(self, side: Side) -> T:
        """Return what is drawn of a side; a difference is laid out as after."""
        return self.before if side == "before" and self.before is not None else self.after


def side_chip(side: Side | None, caps: Capabilities) -> Row:
    """Return the mark at the head of a state line, so that nobody takes before for after; none for None."""
    if side is None:
        return []
    return [Segment(printable(f" {side_word(side)} ", caps), cursor(caps))]


def left_out_words(only_after: Sequence[str], only_before: Sequence[str]) -> str:
    """Return what a difference leaves out because one profile alone has it; empty where both have all."""
    texts = [
        text.format(names=_listed(names))
        for text, names in ((_("only after: {names}"), only_after), (_("only before: {names}"), only_before))
        if names
    ]
    return _("left out, {texts}").format(texts="; ".join(texts)) if texts else ""


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(names[:_MOST_NAMED])
    more = len(names) - _MOST_NAMED
    return _("{names} and {more} more").format(names=shown, more=more) if more > 0 else shown
