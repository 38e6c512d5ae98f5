"""The mouse: tabs, cells and the wheel. Nothing needs it; `--no-mouse` leaves it to the terminal."""

import sys

import pytest
from textual.events import MouseScrollDown, MouseScrollUp

from lbtui.render.capabilities import Capabilities
from tests.terminal.driven import drive, pane_text, press
from tests.tools.driving import settled
from tests.tools.person import Person
from tests.tools.terminal import Terminal

WORDS = {
    "2": "forward_iter",
    "3": "added requests",
    "4": "rank × layer",
    "5": "241 requests",
    "7": "4,895 slices",
    "1": "DP batch",
}


def click(column, row):
    """Return a press and a release of the left button in a cell, both counted from 0."""
    return f"\x1b[<0;{column + 1};{row + 1}M\x1b[<0;{column + 1};{row + 1}m"


def test_a_click_on_its_tab_shows_each_pane_in_a_real_terminal():
    with Terminal([sys.executable, "-m", "lbtui", "--demo"], 120, 32) as terminal:
        person = Person(terminal, 120, 32)
        person.sees("DP batch")
        for key, words in WORDS.items():
            # The titles start with the key.
            person.press(click(person.lines()[1].index(f" {key} ") + 2, 1))
            person.sees(words)
        person.press("q")
        assert terminal.wait() == 0


@pytest.mark.parametrize("pane", sorted(WORDS))
def test_the_wheel_moves_there_and_back(pane):
    async def scenario(app, pilot):
        await press(app, pilot, pane)
        rows = [pane_text(app)]
        for event in (MouseScrollDown, MouseScrollUp):
            nothing = dict.fromkeys(("x", "y", "delta_x", "delta_y", "button"), 0)
            app.current.post_message(event(app.current, **nothing, shift=False, meta=False, ctrl=False))
            await settled(app, pilot)
            rows.append(pane_text(app))
        assert rows[0] != rows[1]
        assert rows[0] == rows[2]

    drive(Capabilities("256"), scenario, (120, 32))
