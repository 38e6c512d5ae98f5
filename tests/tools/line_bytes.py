"""How many bytes a slow line has to carry. Counts of bytes only: times depend on the machine."""

from __future__ import annotations

from collections.abc import Mapping

from tests.tools.person import Person
from tests.tools.terminal import PATIENCE, Terminal

KB = 1000
RIGHT, LEFT, DOWN, UP = "\x1b[C", "\x1b[D", "\x1b[B", "\x1b[A"
# What moves the cursor, per pane.
MOVES: Mapping[str, tuple[str, ...]] = {
    "2": (RIGHT, LEFT, DOWN, UP),
    "3": (RIGHT, LEFT, DOWN, UP),
    "4": (RIGHT, LEFT, DOWN, UP),
    "5": (DOWN, UP),
    "7": (RIGHT, LEFT, DOWN, UP),
}


def frame(terminal: Terminal, key: str) -> int:
    """Return how many bytes come after a key that changes the screen."""
    before = len(terminal.output)
    terminal.press(key)
    terminal.read(PATIENCE)
    terminal.rest()
    return len(terminal.output) - before


def moves(person: Person, pane: str, words: str) -> list[int]:
    """Return the bytes of each move of the cursor in a pane, which shows the words."""
    person.press(pane)
    person.sees(words)
    person.terminal.rest()
    return [frame(person.terminal, key) for key in MOVES[pane]]


def started(person: Person, words: str) -> int:
    """Return the bytes of the whole start, once everything is read and the words are there."""
    person.sees(words, 600)
    person.misses("Escape cancels", 600)
    person.terminal.rest()
    return len(person.terminal.output)


def changes(person: Person, words: Mapping[str, str]) -> dict[str, int]:
    """Return the bytes of a change to each pane, which shows the words, once everything is loaded."""
    sizes = {}
    for _time in range(2):
        for pane, shown in words.items():
            before = len(person.terminal.output)
            person.press(pane)
            person.sees(shown, 600)
            person.terminal.rest()
            sizes[pane] = len(person.terminal.output) - before
    return sizes
