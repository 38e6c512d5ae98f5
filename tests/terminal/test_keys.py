"""Keys typed faster than pages open, the one order of Escape, and the line that names the keys."""

import sys

from rich.cells import cell_len

from lbtui.render.capabilities import Capabilities
from lbtui.ui.bars import keys_row
from tests.tools.person import Person
from tests.tools.terminal import Terminal

LBTUI = [sys.executable, "-m", "lbtui", "--demo"]


def test_what_is_typed_right_after_the_question_reaches_it():
    with Terminal(LBTUI, 120, 32) as terminal:
        person = Person(terminal, 120, 32)
        person.sees("DP batch")
        person.press("5")
        person.sees("241 requests")
        # All at once, with letters that are keys of the pane and of the app.
        person.press("/qzq12\r")
        text = person.sees("0 of 241")
        assert "filter qzq12" in text
        assert terminal.wait(0.2) is None
        person.press("\x1b")
        person.sees(" 241 requests")
        # A second Enter is the pane's: it goes to the rounds of the request.
        person.press("/ttft>50\r\r")
        person.sees("forward_iter")
        person.press("5")
        person.sees("filter ttft>50")
        person.press("q")
        assert terminal.wait() == 0


def test_what_is_typed_right_after_the_answer_is_the_panes():
    with Terminal(LBTUI, 120, 32) as terminal:
        person = Person(terminal, 120, 32)
        person.sees("DP batch")
        person.press("5")
        person.sees("slowest first")
        # A letter behind Enter is no part of the filter, and is not lost.
        for reversed_ in ("fastest first", "slowest first", "fastest first"):
            person.press("/ttft>50\rr")
            person.sees(reversed_)
            assert "filter ttft>50" in person.sees("Esc no filter")
            person.press("\x1b")
            person.misses("filter ttft>50")
        person.press("q")
        assert terminal.wait() == 0


def test_escape_closes_what_is_open_then_goes_one_level_out():
    with Terminal(LBTUI, 120, 32) as terminal:
        person = Person(terminal, 120, 32)
        person.sees("DP batch")
        person.press("5")
        person.sees("241 requests")
        person.press("/ttft>50\r")
        person.sees("filter ttft>50")
        # Escape and a key at once would be Alt and that key: wait for what each does.
        person.press("?")
        person.sees("Requests: keys and quantities")
        person.press("\x1b")
        person.misses("keys and quantities")
        person.sees("filter ttft>50")
        person.press("/")
        person.sees("Esc undoes")
        person.press("\x1b")
        person.misses("Esc undoes")
        person.sees("filter ttft>50")
        person.press("\x1b")
        person.misses("filter ttft>50")
        person.sees("241 requests")
        person.press("\x1b")
        person.sees("FINDINGS")
        person.press("q")
        assert terminal.wait() == 0


def test_the_last_line_always_tells_how_to_get_help():
    keys = [(letter, "something that takes room") for letter in "abcdefgh"]
    general = [("?", "help"), ("^P", "actions"), ("1-5", "panes"), ("q", "quit")]
    for width in (60, 80, 120, 400):
        text = "".join(segment.text for segment in keys_row(keys, general, width, Capabilities("none")))
        assert cell_len(text) == width
        assert "? help" in text
        assert "^P actions" in text or width < 80
        assert text.rstrip().endswith("q quit")
        assert text.startswith("a something")
    assert text.count("something") == len(keys)
