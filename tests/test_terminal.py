"""The command in a real pseudo-terminal: what a person sees, and that the terminal is left as it was."""

import sys
from pathlib import Path

import pytest

from tests.tools.person import Person
from tests.tools.terminal import Terminal

DATA = Path(__file__).parent / "data"
SIZES = [(80, 24), (200, 50)]
# Words that stand in one pane alone.
PANES = {
    "2": "forward_iter",
    "3": "added requests",
    "4": "rank × layer",
    "5": "241 requests",
    "7": "4,895 slices",
}


@pytest.mark.parametrize(("columns", "rows"), SIZES)
def test_each_pane_shows_its_content_and_q_leaves_the_terminal_clean(columns, rows):
    with Terminal([sys.executable, "-m", "lbtui", "--demo"], columns, rows) as terminal:
        person = Person(terminal, columns, rows)
        person.sees("PAR 2.08")
        for key, words in PANES.items():
            person.press(key)
            person.sees(words)
        person.press("5")
        person.sees("241 requests")
        person.press("?")
        person.sees("Requests: keys and quantities")
        person.press("\x1b")
        # Escape and a key at once would be Alt and that key.
        person.sees("by queue wait")
        person.press("1")
        person.sees("DP batch")
        person.sees(
            "1.40× the mean rank"
        )  # once the findings are there, what is below them lies further down
        person.press("j" * 15)
        text = person.sees("P added")
        assert text.splitlines()[0].startswith("output · 6 hosts · 2026-03-02 10:00:00")
        person.press("q")
        assert terminal.wait() == 0
        end = bytes(terminal.output)
    # The alternate screen is left, the cursor shown, and mouse reports are off.
    assert end.rfind(b"\x1b[?1049l") > end.rfind(b"\x1b[?1049h") >= 0
    assert end.rfind(b"\x1b[?25h") > end.rfind(b"\x1b[?25l")
    assert end.rfind(b"\x1b[?1000l") > end.rfind(b"\x1b[?1000h")


def test_enter_leads_from_a_finding_to_its_domain():
    with Terminal([sys.executable, "-m", "lbtui", "--demo"], 120, 32) as terminal:
        person = Person(terminal, 120, 32)
        critical = [line for line in person.sees("!! KV").splitlines() if "!! " in line]
        # What costs more stands above it.
        for _line in critical[: next(i for i, line in enumerate(critical) if "!! KV" in line)]:
            person.press("j")
        person.press("\r")
        # The reading line of the DP pane names the domain under its cursor, and what was found of it.
        text = person.sees("dp2 · !! 51 % of time at last blocks")
        assert "KV cache usage" in text.splitlines()[2]
        person.press("q")
        assert terminal.wait() == 0


def test_without_colour_and_utf8_only_ascii_is_drawn():
    plain = {"LANG": "C", "LC_ALL": "C", "NO_COLOR": "1"}
    with Terminal([sys.executable, "-m", "lbtui", "--demo"], 80, 24, plain) as terminal:
        person = Person(terminal, 80, 24)
        text = person.sees("PAR 2.08")
        assert text.isascii()
        person.press("q")
        assert terminal.wait() == 0


def test_a_resize_is_followed():
    with Terminal([sys.executable, "-m", "lbtui", str(DATA / "pd_ep")], 80, 24) as terminal:
        person = Person(terminal, 200, 50)
        person.sees("P added")
        terminal.resize(200, 50)
        # What has room only on a wide screen.
        person.sees("chance 1.06")
        person.press("q")
        assert terminal.wait() == 0


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
        assert terminal.wait() == 0


def test_nothing_to_open_ends_with_a_sentence_and_a_clean_terminal(tmp_path):
    with Terminal([sys.executable, "-m", "lbtui", str(tmp_path)], 80, 24) as terminal:
        assert terminal.wait() == 3
        output = bytes(terminal.output)
    assert b"holds no parsed output" in output[output.rfind(b"\x1b[?1049l") :].replace(b"\r\n", b" ")
