"""How many bytes a slow line has to carry. Counts of bytes only: times depend on the machine."""

import sys

import pytest

from tests.tools.person import Person
from tests.tools.terminal import PATIENCE, Terminal

KB = 1000
# Keys, and the most bytes that the frame after each may take.
CURSOR = {
    "2": (("\x1b[C", "\x1b[D", "\x1b[B", "\x1b[A"), 2 * KB),
    "3": (("\x1b[C", "\x1b[D", "\x1b[B", "\x1b[A"), 4 * KB),
    "4": (("\x1b[C", "\x1b[D", "\x1b[B", "\x1b[A"), 4 * KB),
    "5": (("\x1b[B", "\x1b[A"), 4 * KB),
}
WORDS = {"1": "DP batch", "2": "batch size", "3": "added requests", "4": "rank × layer", "5": "241 requests"}


def frame(terminal, key, silence=0.25):
    """Return how many bytes come after a key."""
    before = len(terminal.output)
    terminal.press(key)
    terminal.read(PATIENCE)
    terminal.settle(silence)
    return len(terminal.output) - before


@pytest.fixture(scope="module")
def wide():
    with Terminal([sys.executable, "-m", "lbtui", "--demo", "--color", "256"], 200, 50) as terminal:
        person = Person(terminal, 200, 50)
        person.sees("DP batch")
        person.misses("Escape cancels")
        terminal.settle(0.5)
        start = len(terminal.output)
        sizes = {}
        # The second time everything is loaded: what is counted is the change of pane.
        for _time in range(2):
            for pane, words in WORDS.items():
                before = len(terminal.output)
                person.press(pane)
                person.sees(words)
                terminal.settle(0.4)
                sizes[pane] = len(terminal.output) - before
        yield terminal, person, start, sizes


def test_the_whole_start_with_all_its_growing(wide):
    assert wide[2] <= 100 * KB


def test_a_change_of_pane(wide):
    assert max(wide[3].values()) <= 40 * KB
    assert min(wide[3].values()) > 1 * KB


@pytest.mark.parametrize("pane", CURSOR)
def test_a_move_of_the_cursor(wide, pane):
    terminal, person, _start, _sizes = wide
    keys, most = CURSOR[pane]
    person.press(pane)
    person.sees(WORDS[pane])
    terminal.settle(0.4)
    sizes = [frame(terminal, key, 0.1) for key in keys]
    assert max(sizes) <= most
    assert min(sizes) > 0


def test_the_views_of_the_experts(wide):
    terminal, person, _start, _sizes = wide
    person.press("4")
    person.sees(WORDS["4"])
    terminal.settle(0.4)
    sizes = [frame(terminal, "v") for _view in range(3)]
    assert max(sizes) <= 50 * KB
    assert min(sizes) > 1 * KB
