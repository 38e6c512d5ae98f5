"""What can be done: the actions of all panes, found by their words."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from textual.binding import Binding, BindingType

from lbtui.text import _
from lbtui.ui.kit.keys import FAMILIES, families_first, key_of

if TYPE_CHECKING:
    from lbtui.ui.kit.pane import Pane


_MOVING = ("row", "column", "page", "end")


@dataclass(frozen=True)
class Offer:
    """One action: `group` is its pane's title; `why_not` says why it can do nothing now, empty if it can."""

    group: str
    keys: str
    name: str
    tells: str
    why_not: str
    run: Callable[[], object]

    def says(self, word: str) -> bool:
        """Tell whether a word in lower case is in what is said of it; hyphens do not count."""
        said = f"{self.group} {self.name} {self.tells}".lower()
        return word in said or word.replace("-", "") in said.replace("-", "")


def pane_offers(
    pane: Pane, run: Callable[[Pane, str], None], changes: Mapping[str, str] | None = None
) -> list[Offer]:
    """Return a pane's actions, its own first, those that move last; `changes` has keys that are others."""
    found = families_first(pane.BINDINGS)
    order = {binding: (binding.id in FAMILIES, binding.action.startswith(_MOVING)) for binding in found}
    return [
        Offer(
            pane.TITLE,
            key_of(each, changes or {}),
            each.description,
            each.tooltip or each.description,
            pane.why_not(each.action),
            partial(run, pane, each.action),
        )
        for each in sorted(found, key=order.__getitem__)
    ]


def general_offers(
    bindings: Iterable[BindingType],
    run: Callable[[str], object],
    why_not: Mapping[str, str],
    changes: Mapping[str, str],
) -> list[Offer]:
    """Return what can be done in every pane; `why_not` has the ids of what can do nothing now."""
    return [
        Offer(
            _("everywhere"),
            key_of(each, changes),
            each.description,
            each.tooltip or each.description,
            why_not.get(each.id or "", ""),
            partial(run, each.action),
        )
        for each in bindings
        if isinstance(each, Binding)
    ]


def matching(offers: Sequence[Offer], text: str) -> list[Offer]:
    """Return the offers that hold every word of a text, in their order."""
    words = text.lower().split()
    return [offer for offer in offers if all(map(offer.says, words))]


def best(offers: Sequence[Offer], text: str) -> int:
    """Return the place of the offer that a text means most likely: by its name, and one that can work."""
    wanted = text.lower().strip()

    def rank(place: int) -> tuple[bool, bool, bool, int]:
        name = offers[place].name.lower()
        return bool(offers[place].why_not), not name.startswith(wanted), wanted not in name, place

    return min(range(len(offers)), key=rank, default=0)
