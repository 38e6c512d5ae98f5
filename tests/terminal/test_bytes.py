"""How many bytes a slow line has to carry. Counts of bytes only: times depend on the machine."""

import sys

import pytest

from tests.findings.service import Group, write_service
from tests.tools.line_bytes import DOWN, KB, changes, frame, moves, started
from tests.tools.person import Person
from tests.tools.terminal import Terminal

PAGE_DOWN, PAGE_UP = "\x1b[6~", "\x1b[5~"
# The most bytes that the frame after a move of the cursor may take.
CURSOR = {"2": 2 * KB, "3": 2 * KB, "4": 4 * KB, "5": 2 * KB, "7": 4 * KB}
WORDS = {
    "1": "DP batch",
    "2": "forward_iter",
    "3": "added requests",
    "4": "rank × layer",
    "5": "241 requests",
    "7": "4,895 slices",
}


@pytest.fixture(scope="module")
def wide():
    with Terminal([sys.executable, "-m", "lbtui", "--demo", "--color", "256"], 200, 50) as terminal:
        person = Person(terminal, 200, 50)
        start = started(person, "DP batch")
        yield person, start, changes(person, WORDS)


def test_the_whole_start_with_all_its_growing(wide):
    assert wide[1] <= 100 * KB


def test_a_change_of_pane(wide):
    assert max(wide[2].values()) <= 40 * KB
    assert min(wide[2].values()) > 1 * KB


@pytest.mark.parametrize("pane", CURSOR)
def test_a_move_of_the_cursor(wide, pane):
    sizes = moves(wide[0], pane, WORDS[pane])
    assert max(sizes) <= CURSOR[pane]
    assert min(sizes) > 0


def test_moves_that_scroll_through_many_domains(tmp_path):
    domains = 128
    write_service(tmp_path, Group(domains=domains, seconds=5))
    with Terminal([sys.executable, "-m", "lbtui", str(tmp_path), "--color", "256"], 200, 50) as terminal:
        person = Person(terminal, 200, 50)
        started(person, "FINDINGS")
        person.press("2")
        person.sees("forward_iter")
        terminal.rest()
        person.press("G")
        terminal.rest()
        person.press("g")
        terminal.rest()
        # Each key changes what is shown: a page is the lanes in view, so that all of them are new.
        pages = [frame(terminal, key) for key in (PAGE_DOWN, PAGE_DOWN)]
        lines = [frame(terminal, DOWN) for _line in range(4)]
        pages += [frame(terminal, key) for key in (PAGE_UP, PAGE_UP)]
    assert max(lines) <= 2 * KB + 100 * (domains - 16)
    assert max(pages) <= 40 * KB


def test_the_views_of_the_experts(wide):
    person = wide[0]
    person.press("4")
    person.sees(WORDS["4"])
    person.terminal.rest()
    sizes = [frame(person.terminal, "v") for _view in range(3)]
    assert max(sizes) <= 50 * KB
    assert min(sizes) > 1 * KB
