"""Rows that only moved up or down: the terminal moves them itself, for a few bytes instead of thousands."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from typing import NamedTuple

from textual.strip import Strip

# So many rows more must come right by moving than go wrong.
_WORTH = 4


class Move(NamedTuple):
    """The rows from `top` to `bottom` move up by `up` rows (down if negative); what comes in is blank."""

    top: int
    bottom: int
    up: int

    def sequence(self) -> str:
        """Return the sequence, as the VT102 knew it, for a terminal that stands in no style."""
        turn = f"{self.up}M" if self.up > 0 else f"{-self.up}L"
        return f"\x1b[{self.top + 1};{self.bottom + 1}r\x1b[{self.top + 1}H\x1b[{turn}\x1b[r"

    def shown(self, before: Mapping[int, Strip]) -> dict[int, Strip]:
        """Return what the moved rows show then."""
        blank = Strip.blank(before[self.top].cell_length)
        return {
            y: before[y + self.up] if self.top <= y + self.up <= self.bottom else blank
            for y in range(self.top, self.bottom + 1)
        }


def move_between(before: Mapping[int, Strip], after: Mapping[int, Strip]) -> Move | None:
    """Return the move after which most of the rows `after` stand where they shall; None if none is worth it.

    `before` are all rows that are known, `after` those that may change.
    """
    changed = {y: row for y, row in after.items() if y in before and before[y] != row}
    if len(changed) < _WORTH:
        return None
    places: defaultdict[str, list[int]] = defaultdict(list)
    for y, row in before.items():
        places[row.text].append(y)
    moves = [
        (place - y, y)
        for y, row in changed.items()
        if (text := row.text).strip()
        for place in places.get(text, ())
        if place != y and before[place] == row
    ]
    if not moves:
        return None
    ((up, _count),) = Counter(by for by, _y in moves).most_common(1)
    right = [y for by, y in moves if by == up]
    move = Move(min(right) + min(up, 0), max(right) + max(up, 0), up)
    region = range(move.top, move.bottom + 1)
    if any(y not in before for y in region):
        return None
    shown = move.shown(before)
    wrong = sum(y not in changed and shown[y] != before[y] for y in region)
    return move if len(right) - wrong >= _WORTH else None
