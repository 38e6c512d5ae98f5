"""Two profiles in one pane: which of both is shown, and how it is said."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from rich.segment import Segment

from lbtui.render.capabilities import Capabilities, Row
from lbtui.render.palette import cursor
from lbtui.render.text import minus, number, printable
from lbtui.text import _, in_clauses, in_list
from lbtui.ui.kit.pane import HelpEntry
from lbtui.ui.kit.selection import Side, side_word

T = TypeVar("T")

_MOST_NAMED = 6

SIDE_HELP = HelpEntry(
    _("after, before, difference (b)"),
    _(
        "With --baseline, b shows the profile opened (after), the baseline (before) on the same scale, or "
        "after − before of what both have; what one alone has is named and left out. Runs are laid on each "
        "other at their starts. Of a line in the middle of a lane orange, more, stands on it, and blue, "
        "less, hangs from it; in ASCII # far more, + more, - less, = far less. DP: mean (or max) of each "
        "column and the lanes' figures, by instance and dp_rank; PAR where both have the same domains. P/D: "
        "counts per bin and node, by address, or in their order where no address of a role stayed. EP: × "
        "mean of each layer and rank, slot or expert, by EPLB period; a cell that covers several shows the "
        "largest change. Whether a difference is more than chance, pane 6 says."
    ),
)


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


def signed(value: float, width: int = 0) -> str:
    """Return a difference as text, right-aligned in `width`: a sign before all but 0, a dash for none."""
    text = number(value, max(1, width - (value > 0)) if width else None).strip()
    if not text.strip("−0."):
        text = "0"
    return (f"+{text}" if value > 0 and text != "0" else text).rjust(width)


def signed_ratio(value: float) -> str:
    """Return a difference of ratios with two decimals, a dash for none."""
    text = "–" if math.isnan(value) else minus(f"{value:+.2f}")
    return "0.00" if text in ("+0.00", "−0.00") else text


def left_out_words(only_after: Sequence[str], only_before: Sequence[str]) -> str:
    """Return what a difference leaves out because one profile alone has it; empty where both have all."""
    texts = [
        text.format(names=_listed(names))
        for text, names in ((_("only after: {names}"), only_after), (_("only before: {names}"), only_before))
        if names
    ]
    return _("left out, {texts}").format(texts=in_clauses(texts)) if texts else ""


def _listed(names: Sequence[str]) -> str:
    shown = in_list(names[:_MOST_NAMED])
    more = len(names) - _MOST_NAMED
    return _("{names} and {more} more").format(names=shown, more=more) if more > 0 else shown
