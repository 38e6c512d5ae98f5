"""Every way out of the screen gives the terminal back exactly as it was found, and leaves no process."""

import os
import signal
import sys
import time

import pytest

from tests.tools.person import Person
from tests.tools.terminal import Terminal

LBTUI = [sys.executable, "-m", "lbtui", "--demo"]
# A reader that hangs, as on a dead network share.
HANGING = """
import time, lbtui.sources, lbtui.cli
lbtui.sources.open_profile = lambda path: time.sleep(60)
raise SystemExit(lbtui.cli.main(["somewhere"]))
"""
FAILING = """
import lbtui.sources, lbtui.cli
def fail(path):
    raise RuntimeError("no such \\x1b[31mdriver")
lbtui.sources.open_profile = fail
raise SystemExit(lbtui.cli.main(["somewhere"]))
"""


def shown(terminal):
    person = Person(terminal, 80, 24)
    person.sees("DP batch")
    assert terminal.modes(), "the screen changes no modes: this test would notice nothing"
    assert terminal.attributes() != terminal.found
    return person


def assert_given_back(terminal):
    assert terminal.modes() == {}
    assert terminal.attributes() == terminal.found


@pytest.mark.parametrize(("key", "code"), [("q", 0), ("\x03", 0)])
def test_q_and_ctrl_c(key, code):
    with Terminal(LBTUI, 80, 24) as terminal:
        shown(terminal).press(key)
        assert terminal.wait(5) == code
        assert_given_back(terminal)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_signal_ends_within_a_second(number):
    with Terminal(LBTUI, 80, 24) as terminal:
        shown(terminal)
        start = time.monotonic()
        terminal.signal(number)
        assert terminal.wait(5) == 128 + number
        assert time.monotonic() - start < 1.5
        assert_given_back(terminal)


def test_a_dropped_line_ends_within_a_second_and_leaves_no_process():
    with Terminal(LBTUI, 80, 24) as terminal:
        shown(terminal)
        group = terminal.pid
        start = time.monotonic()
        terminal.close()
        assert terminal.wait(5) in (128 + signal.SIGHUP, -signal.SIGHUP)
        assert time.monotonic() - start < 1.5
        with pytest.raises(ProcessLookupError):
            os.killpg(group, 0)


def test_a_dropped_line_ends_it_even_where_hang_ups_are_ignored():
    ignoring = "import signal, lbtui.cli; signal.signal(1, signal.SIG_IGN); lbtui.cli.main(['--demo'])"
    with Terminal([sys.executable, "-c", ignoring], 80, 24) as terminal:
        shown(terminal)
        terminal.close()
        assert terminal.wait(5) is not None


def test_stopped_by_ctrl_z_the_shell_has_its_terminal_and_fg_brings_the_screen_back():
    with Terminal(LBTUI, 80, 24) as terminal:
        person = shown(terminal)
        modes, attributes = terminal.modes(), terminal.attributes()
        person.misses("Escape cancels")
        person.sees("!!")  # the findings come last and change the screen
        terminal.settle(0.5)
        before = person.text()
        for _time in range(2):
            person.press("\x1a")
            assert terminal.stopped(5)
            assert_given_back(terminal)
            terminal.output += b"\x1b[2J"  # as a shell may do
            terminal.signal(signal.SIGCONT)
            assert person.awaits(lambda text: text == before, "the screen from before")
            assert terminal.modes() == modes
            assert terminal.attributes() == attributes
        person.press("2")
        person.sees("batch size")
        person.press("q")
        assert terminal.wait(5) == 0
        assert_given_back(terminal)


def test_stopped_by_force_it_still_knows_how_the_terminal_was():
    with Terminal(LBTUI, 80, 24) as terminal:
        person = shown(terminal)
        terminal.signal(signal.SIGSTOP)
        assert terminal.stopped(5)
        terminal.signal(signal.SIGCONT)
        person.press("2")
        person.sees("batch size")
        person.press("q")
        assert terminal.wait(5) == 0
        assert_given_back(terminal)


@pytest.mark.parametrize("key", ["q", "\x03"])
def test_a_reader_that_hangs_holds_nobody(key):
    with Terminal([sys.executable, "-c", HANGING], 80, 24) as terminal:
        person = Person(terminal, 80, 24)
        person.sees("Opening somewhere")
        person.press(key)
        assert terminal.wait(5) == 0
        assert_given_back(terminal)


def test_an_unforeseen_failure_of_opening_ends_with_a_sentence():
    with Terminal([sys.executable, "-c", FAILING], 80, 24) as terminal:
        assert terminal.wait(20) == 3
        assert_given_back(terminal)
        after = terminal.output[terminal.output.rindex(b"\x1b") :].decode()
    assert "lbtui: somewhere could not be opened: RuntimeError: no such \\x1b[31mdriver" in after
    assert "Traceback" not in after


def test_what_goes_wrong_may_be_redirected_without_losing_the_screen(tmp_path):
    command = ["sh", "-c", f"{' '.join(LBTUI)} 2>{tmp_path / 'log'}"]
    with Terminal(command, 80, 24) as terminal:
        shown(terminal).press("q")
        assert terminal.wait(5) == 0
        assert_given_back(terminal)
    assert (tmp_path / "log").read_bytes() == b""
