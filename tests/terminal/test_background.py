"""Whether the background is light: what is asked and believed, and that an answer is never typed."""

import os
import pty
import sys
import termios
import time
from contextlib import contextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st
from textual import events

from lbtui.render.capabilities import Capabilities
from lbtui.ui.terminal import keyboard
from lbtui.ui.terminal.enquiry import Enquiry, background_of, may_be_asked
from tests.terminal.test_input import keys, typed
from tests.tools.person import Person
from tests.tools.terminal import Terminal

ASKED = b"\x1b]11;?\x07"
WHITE, BLACK = b"\x1b]11;rgb:ffff/ffff/ffff\x07", b"\x1b]11;rgb:0000/0000/0000\x1b\\"
# A colour that only one of the schemes has: the accent of 256 colours.
DARK_ACCENT, LIGHT_ACCENT = b"8;5;206", b"8;5;163"


@pytest.mark.parametrize(
    ("color", "background"),
    [
        ("rgb:ffff/ffff/ffff", "light"),
        ("rgb:0000/0000/0000", "dark"),
        ("rgb:ff/ff/ff", "light"),
        ("rgb:f/f/f", "light"),
        ("rgb:FDFD/F6F6/E3E3", "light"),  # Solarized
        ("rgb:0000/2b2b/3636", "dark"),
        ("rgb:2828/2c2c/3434", "dark"),
        ("rgba:ffff/ffff/ffff/8000", "light"),
        ("#fafafa", "light"),
        ("#000", "dark"),
        # Middle grey: black is read better on it (5.3:1) than white (3.9:1).
        ("rgb:80/80/80", "light"),
        ("rgb:70/70/70", "dark"),
        # Saturated: blue is dark and yellow light.
        ("rgb:0000/0000/ffff", "dark"),
        ("rgb:ffff/ffff/0000", "light"),
        ("", None),
        ("?", None),
        ("white", None),
        ("rgb:", None),
        ("rgb:ffff/ffff", None),
        ("rgb:ffff/ffff/fffff", None),
        ("rgb:-1/-1/-1", None),
        ("rgb:gg/gg/gg", None),
        ("#ffff", None),
        ("rgb:٣/٣/٣", None),
    ],
)
def test_colours_are_light_or_dark(color, background):
    assert background_of(color) == background


@given(st.text())
def test_any_text_is_a_colour_or_none(text):
    assert background_of(text) in ("light", "dark", None)
    assert background_of(f"rgb:{text}") in ("light", "dark", None)


@pytest.mark.parametrize(
    ("environ", "caps", "asked"),
    [
        ({"TERM": "xterm-256color"}, Capabilities("256"), True),
        ({"TERM": "tmux-256color"}, Capabilities("16"), True),
        ({"TERM": "linux"}, Capabilities("16"), False),
        ({"TERM": "xterm-256color"}, Capabilities("none"), False),
    ],
)
def test_who_is_asked(environ, caps, asked):
    assert may_be_asked(environ, caps) == asked


@contextmanager
def line():
    """Give both ends of a terminal's line."""
    ours, theirs = pty.openpty()
    try:
        yield ours, theirs
    finally:
        os.close(ours)
        os.close(theirs)


def said(answer, before=b""):
    """Return what is made of an answer, what is left as typed, and what the terminal was sent."""
    with line() as (ours, theirs):
        found = termios.tcgetattr(theirs)
        os.write(ours, before)
        with Enquiry(theirs, theirs) as enquiry:
            assert not termios.tcgetattr(theirs)[3] & termios.ECHO
            os.write(ours, answer)
            background = enquiry.answer()
            assert enquiry.attributes == found
        assert termios.tcgetattr(theirs) == found
        return background, enquiry.typed, os.read(ours, 1000)


@pytest.mark.parametrize(
    ("answer", "background", "left"),
    [
        (WHITE, "light", b""),
        (BLACK, "dark", b""),
        (b"", None, b""),
        # What is typed meanwhile is kept, in its order.
        (b"2" + WHITE + b"jj", "light", b"2jj"),
        (b"\x1b[A" + BLACK, "dark", b"\x1b[A"),
        # One answer only; the keyboard swallows the others.
        (WHITE + BLACK, "light", BLACK),
        (b"\x1b]11;rgb:ffff/ff", None, b"\x1b]11;rgb:ffff/ff"),
        (b"\x1b]10;rgb:ffff/ffff/ffff\x07", None, b"\x1b]10;rgb:ffff/ffff/ffff\x07"),
        (b"\x1b]11;no colour\x07", None, b""),
        (b"\x1b]11;\xff\xfe\x07", None, b""),
        (b"\x1b]11;" + b"f" * 3000 + b"\x07", None, b"\x1b]11;" + b"f" * 3000 + b"\x07"),
    ],
)
def test_an_answer_in_time(answer, background, left):
    found, kept, sent = said(answer)
    assert (found, kept) == (background, left)
    assert sent == ASKED


def test_an_answer_is_not_waited_for_for_ever(monkeypatch):
    with line() as (ours, theirs), Enquiry(theirs, theirs) as enquiry:
        # What comes all the time is left when there is enough of it.
        for _time in range(3):
            os.write(ours, b"x" * 3000)
            assert enquiry.answer() is None
        assert len(enquiry.typed) < 10_000


def test_what_is_no_terminal_is_not_asked():
    reader, writer = os.pipe()
    with Enquiry(reader, writer) as enquiry:
        assert enquiry.attributes is None
    os.write(writer, b"nothing else")
    assert os.read(reader, 100) == b"nothing else"
    os.close(reader)
    os.close(writer)


@pytest.mark.parametrize("answer", [WHITE, BLACK, b"\x1b]11;\x07", b"\x1b]11;" + b"q" * 50_000 + b"\x07"])
def test_a_late_answer_is_no_keys_however_it_is_cut(answer):
    for cut in {*range(1, min(40, len(answer))), len(answer) - 1}:
        assert keys(typed(b"j" + answer[:cut], answer[cut:] + b"k")) == ["j", "k"], cut


def test_a_late_answer_that_never_ends_ends_after_a_second(monkeypatch):
    monkeypatch.setattr(keyboard, "_PATIENCE", 0.05)
    taken = typed(b"\x1b]11;rgb:ff", b"", b"j", wait=0.2)
    assert keys(taken) == ["j"]
    assert not any(isinstance(event, events.Paste) for event in taken)


def test_alt_and_a_bracket_are_still_keys():
    assert keys(typed(b"\x1b]", b"", b"1", wait=keyboard._TICK * 2))[-1] == "1"
    assert len(keys(typed(b"\x1b]", b"", b"1", wait=keyboard._TICK * 2))) == 2


@contextmanager
def demo(*options, **environment):
    command = [sys.executable, "-m", "lbtui", "--demo", *options]
    with Terminal(command, 100, 30, environment) as terminal:
        yield terminal, Person(terminal, 100, 30)


def asked(terminal, seconds=60.0):
    """Return whether the terminal is asked before anything is drawn."""
    deadline = time.monotonic() + seconds
    while ASKED not in terminal.output and b"\x1b[?1049h" not in terminal.output:
        assert time.monotonic() < deadline
        terminal.read(0.05)
    return ASKED in terminal.output


def left(terminal, person):
    person.press("q")
    assert terminal.wait() == 0
    assert terminal.attributes() == terminal.found
    assert terminal.modes() == {}
    written = bytes(terminal.output)
    assert b"rgb:" not in written
    assert b"^[]11" not in written
    return written


@pytest.mark.parametrize(
    ("answer", "accent"), [(WHITE, LIGHT_ACCENT), (BLACK, DARK_ACCENT), (b"", DARK_ACCENT)]
)
def test_the_colours_are_those_of_the_background(answer, accent):
    with demo() as (terminal, person):
        assert asked(terminal)
        # In a moment in which others would be typed.
        terminal.press(answer.decode())
        person.sees("FINDINGS")
        written = left(terminal, person)
    other = LIGHT_ACCENT if accent == DARK_ACCENT else DARK_ACCENT
    assert accent in written
    assert other not in written


def test_a_late_answer_changes_nothing_and_is_not_typed():
    with demo() as (terminal, person):
        person.sees("FINDINGS")
        # Typed, it would quit (q) or ask (/) or reload (R).
        terminal.press("\x1b]11;rgb:ffff/ffff/ffff\x07")
        person.press("2")
        person.sees("forward_iter")
        assert LIGHT_ACCENT not in left(terminal, person)


def test_what_is_typed_before_the_screen_stands_is_done():
    with demo() as (terminal, person):
        assert asked(terminal)
        terminal.press("2" + WHITE.decode())
        person.sees("forward_iter")
        assert LIGHT_ACCENT in left(terminal, person)


def test_an_end_before_the_screen_stands_gives_the_terminal_back():
    with demo() as (terminal, _person):
        assert asked(terminal)
        terminal.press("\x03")
        assert terminal.wait() == 130
        assert terminal.attributes() == terminal.found


@pytest.mark.parametrize(
    ("options", "config", "environment", "answer", "light"),
    [
        ((), "", {"COLORFGBG": "0;15"}, b"", True),
        ((), "", {"COLORFGBG": "15;0"}, b"", False),
        ((), "", {"COLORFGBG": "0;15"}, BLACK, False),
        ((), "dark", {"COLORFGBG": "0;15"}, None, False),
        ((), "light", {"COLORFGBG": "15;0"}, None, True),
        ((), "auto", {}, WHITE, True),
        (("--background", "dark"), "light", {"COLORFGBG": "0;15"}, None, False),
        (("--background", "light"), "dark", {}, None, True),
        (("--background", "auto"), "dark", {}, WHITE, True),
        ((), "", {"NO_COLOR": "1"}, None, None),
        (("--color", "none"), "", {"COLORFGBG": "0;15"}, None, None),
    ],
)
def test_option_then_config_then_answer_then_environment(
    tmp_path, options, config, environment, answer, light
):
    (tmp_path / "lbtui").mkdir()
    text = f'[screen]\nbackground = "{config}"\n' if config else ""
    (tmp_path / "lbtui" / "config.toml").write_text(text)
    with demo(*options, XDG_CONFIG_HOME=str(tmp_path), **environment) as (terminal, person):
        # Where the answer cannot matter none is asked for.
        assert asked(terminal) == (answer is not None)
        terminal.press((answer or b"").decode())
        person.sees("FINDINGS")
        written = left(terminal, person)
    assert (LIGHT_ACCENT in written) == bool(light)
    assert (DARK_ACCENT in written) == (light is False)


@pytest.mark.parametrize("where", ["linux", "pipe", "dumb"])
def test_who_cannot_answer_gets_no_stray_bytes(where):
    if where == "linux":
        with demo(TERM="linux") as (terminal, person):
            assert not asked(terminal)
            person.sees("FINDINGS")
            left(terminal, person)
        return
    command = [sys.executable, "-m", "lbtui", "--demo"]
    if where == "pipe":
        command = ["sh", "-c", f"{sys.executable} -m lbtui --demo | cat"]
    with Terminal(command, 100, 30, {"TERM": "dumb" if where == "dumb" else "xterm-256color"}) as terminal:
        assert terminal.wait() == 0
        assert b"\x1b" not in terminal.output
