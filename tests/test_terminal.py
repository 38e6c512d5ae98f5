"""The command in a real pseudo-terminal: what a person sees, and that the terminal is left as it was."""

import re
import sys
from pathlib import Path

import pyte
import pytest

from tests.tools.terminal import Terminal

DATA = Path(__file__).parent / "data"
SIZES = [(80, 24), (200, 50)]
# Words that stand in one pane alone.
PANES = {"2": "batch size", "3": "added requests", "4": "rank × layer", "5": "241 requests"}


class Person:
    """Presses keys and reads the screen, as an emulator makes it of the bytes."""

    def __init__(self, terminal, columns, rows):
        self.terminal = terminal
        self._screen = pyte.Screen(columns, rows)
        self._stream = pyte.ByteStream(self._screen)
        self._read = 0

    def text(self):
        new = bytes(self.terminal.output[self._read :])
        self._read += len(new)
        self._stream.feed(_known_to_pyte(new))
        return "\n".join(self._screen.display)

    def sees(self, words, seconds=20.0):
        """Return the screen once it holds the words; fail if that takes too long."""
        silent = 0.0
        while words not in (text := self.text()):
            assert silent < seconds, f"{words!r} is not on the screen:\n{text}"
            if not self.terminal.read(0.1):
                silent += 0.1
        return text

    def press(self, keys):
        self.terminal.press(keys)


def _known_to_pyte(data):
    """Leave out sequences with a private prefix that pyte would print: keyboard protocol and queries."""
    return re.sub(rb"\x1b\[[<>=][0-9;]*[a-zA-Z]|\x1bP.*?\x1b\\|\x1b\[\?[0-9;]*\$p", b"", data)


@pytest.mark.parametrize(("columns", "rows"), SIZES)
def test_each_pane_shows_its_content_and_q_leaves_the_terminal_clean(columns, rows):
    with Terminal([sys.executable, "-m", "lbtui", "--demo"], columns, rows) as terminal:
        person = Person(terminal, columns, rows)
        person.sees("PAR 2.08")
        for key, words in PANES.items():
            person.press(key)
            person.sees(words)
        person.press("?")
        person.sees("Requests: keys and quantities")
        person.press("\x1b")
        # Escape and a key at once would be Alt and that key.
        person.sees("by TTFT")
        person.press("1")
        person.sees("DP batch")
        text = person.sees("P added")
        assert text.splitlines()[0].startswith("output · 6 hosts · 2026-03-02 10:00:00")
        person.press("q")
        assert terminal.wait(10) == 0
        end = bytes(terminal.output)
    # The alternate screen is left, the cursor shown, and mouse reports are off.
    assert end.rfind(b"\x1b[?1049l") > end.rfind(b"\x1b[?1049h") >= 0
    assert end.rfind(b"\x1b[?25h") > end.rfind(b"\x1b[?25l")
    assert end.rfind(b"\x1b[?1000l") > end.rfind(b"\x1b[?1000h")


def test_enter_leads_from_the_overview_to_the_culprit():
    with Terminal([sys.executable, "-m", "lbtui", "--demo"], 120, 32) as terminal:
        person = Person(terminal, 120, 32)
        person.sees("PAR 2.08")
        person.press("\r")
        person.sees("batch size")
        # The reading line of the DP pane names the domain under its cursor.
        person.sees("dp5 · ")
        person.press("q")
        assert terminal.wait(10) == 0


def test_without_colour_and_utf8_only_ascii_is_drawn():
    plain = {"LANG": "C", "LC_ALL": "C", "NO_COLOR": "1"}
    with Terminal([sys.executable, "-m", "lbtui", "--demo"], 80, 24, plain) as terminal:
        person = Person(terminal, 80, 24)
        text = person.sees("PAR 2.08")
        assert text.isascii()
        person.press("q")
        assert terminal.wait(10) == 0


def test_a_resize_is_followed():
    with Terminal([sys.executable, "-m", "lbtui", str(DATA / "pd_ep")], 80, 24) as terminal:
        person = Person(terminal, 200, 50)
        person.sees("P added")
        terminal.resize(200, 50)
        # What has room only on a wide screen.
        person.sees("chance 1.06")
        person.press("q")
        assert terminal.wait(10) == 0


def test_several_outputs_let_the_user_choose(tmp_path):
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        for file in (DATA / "pd_ep").iterdir():
            (tmp_path / name / file.name).symlink_to(file)
    with Terminal([sys.executable, "-m", "lbtui", str(tmp_path)], 80, 24) as terminal:
        person = Person(terminal, 80, 24)
        text = person.sees("second")
        assert "first" in text
        person.press("\r")
        person.sees("71 % of 168")
        person.press("q")
        assert terminal.wait(10) == 0


def test_nothing_to_open_ends_with_a_sentence_and_a_clean_terminal(tmp_path):
    with Terminal([sys.executable, "-m", "lbtui", str(tmp_path)], 80, 24) as terminal:
        assert terminal.wait(20) == 3
        output = bytes(terminal.output)
    assert b"holds no parsed output" in output[output.rfind(b"\x1b[?1049l") :].replace(b"\r\n", b" ")
