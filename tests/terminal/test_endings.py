"""Every way out of the screen gives the terminal back exactly as it was found, and leaves no process."""

import os
import signal
import sys

import pytest

from lbtui.ui.driver import _PATIENCE
from tests.tools.person import Person
from tests.tools.terminal import Terminal

LBTUI = [sys.executable, "-m", "lbtui", "--demo"]
# A reader that hangs, as on a dead network share; the file STARTED tells that it does.
HANGING = """
import os, time, lbtui.sources, lbtui.cli
def hang(*_given):
    open(os.environ["STARTED"], "w").close()
    time.sleep(3600)
lbtui.sources.open_profile = hang
raise SystemExit(lbtui.cli.main(["somewhere"]))
"""
# An app that is asked to end and never does.
STUCK = """
import lbtui.cli, lbtui.ui.app
lbtui.ui.app.LbtuiApp.exit = lambda self, *args, **kwargs: None
raise SystemExit(lbtui.cli.main(["--demo"]))
"""
FAILING = """
import lbtui.sources, lbtui.cli
def fail(*_given):
    raise RuntimeError("no such \\x1b[31mdriver")
lbtui.sources.open_profile = fail
raise SystemExit(lbtui.cli.main(["somewhere"]))
"""
# A fault of lbtui's own, in the midst of drawing.
BROKEN = """
import lbtui.cli, lbtui.ui.panes.dp as dp
def draw(self, width, height):
    secret = "what a variable held"
    raise ZeroDivisionError("no such \\x1b[31mlane")
dp.DpPane.draw = draw
raise SystemExit(lbtui.cli.main(["--demo"]))
"""


def shown(terminal):
    person = Person(terminal, 80, 24)
    person.sees("DP batch")
    assert terminal.modes(), "the screen changes no modes: this test would notice nothing"
    assert terminal.attributes() != terminal.found
    return person


def hanging(folder):
    """Return a terminal in which a reader hangs by now."""
    started = folder / "started"
    terminal = Terminal([sys.executable, "-c", HANGING], 80, 24, {"STARTED": str(started)})
    Person(terminal, 80, 24).awaits(lambda _text: started.exists(), "the reader's start")
    return terminal


def assert_gone_with_its_line(terminal):
    group = terminal.pid
    terminal.close()
    assert terminal.wait() in (128 + signal.SIGHUP, -signal.SIGHUP)
    with pytest.raises(ProcessLookupError):
        os.killpg(group, 0)


def assert_given_back(terminal):
    assert terminal.modes() == {}
    assert terminal.attributes() == terminal.found


@pytest.mark.parametrize(("key", "code"), [("q", 0), ("\x03", 0)])
def test_q_and_ctrl_c(key, code):
    with Terminal(LBTUI, 80, 24) as terminal:
        shown(terminal).press(key)
        assert terminal.wait() == code
        assert_given_back(terminal)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_signal_ends_it(number):
    with Terminal(LBTUI, 80, 24) as terminal:
        shown(terminal).terminal.signal(number)
        assert terminal.wait() == 128 + number
        assert_given_back(terminal)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_it_by_force_where_the_screen_is_stuck(number):
    # How soon is told by the timer alone: other programs on the machine must not make this red.
    assert 0 < _PATIENCE < 1
    with Terminal([sys.executable, "-c", STUCK], 80, 24) as terminal:
        Person(terminal, 80, 24).sees("DP batch")
        terminal.signal(number)
        assert terminal.wait() == 128 + number
        assert_given_back(terminal)


def test_a_dropped_line_ends_it_and_leaves_no_process():
    with Terminal(LBTUI, 80, 24) as terminal:
        shown(terminal)
        assert_gone_with_its_line(terminal)


def test_a_dropped_line_ends_it_while_a_reader_hangs(tmp_path):
    with hanging(tmp_path) as terminal:
        assert_gone_with_its_line(terminal)


def test_a_dropped_line_ends_it_even_where_hang_ups_are_ignored():
    ignoring = "import signal, lbtui.cli; signal.signal(1, signal.SIG_IGN); lbtui.cli.main(['--demo'])"
    with Terminal([sys.executable, "-c", ignoring], 80, 24) as terminal:
        shown(terminal)
        terminal.close()
        assert terminal.wait() is not None


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
            assert terminal.stopped()
            assert_given_back(terminal)
            terminal.output += b"\x1b[2J"  # as a shell may do
            terminal.signal(signal.SIGCONT)
            assert person.awaits(lambda text: text == before, "the screen from before")
            assert terminal.modes() == modes
            assert terminal.attributes() == attributes
        person.press("2")
        person.sees("batch size")
        person.press("q")
        assert terminal.wait() == 0
        assert_given_back(terminal)


def test_stopped_by_force_it_still_knows_how_the_terminal_was():
    with Terminal(LBTUI, 80, 24) as terminal:
        person = shown(terminal)
        terminal.signal(signal.SIGSTOP)
        assert terminal.stopped()
        terminal.output += b"\x1b[2J"
        terminal.signal(signal.SIGCONT)
        # What is typed before the screen is back goes to the terminal that was.
        person.sees("FINDINGS")
        person.press("2")
        person.sees("batch size")
        person.press("q")
        assert terminal.wait() == 0
        assert_given_back(terminal)


@pytest.mark.parametrize("key", ["q", "\x03"])
def test_a_reader_that_hangs_holds_nobody(tmp_path, key):
    with hanging(tmp_path) as terminal:
        terminal.press(key)
        assert terminal.wait() == 0
        assert_given_back(terminal)


def test_an_unforeseen_failure_of_opening_ends_with_a_sentence():
    with Terminal([sys.executable, "-c", FAILING], 80, 24) as terminal:
        assert terminal.wait() == 3
        assert_given_back(terminal)
        after = terminal.output[terminal.output.rindex(b"\x1b") :].decode()
    assert "lbtui: somewhere could not be opened: RuntimeError: no such \\x1b[31mdriver" in after
    assert "Traceback" not in after


def test_what_goes_wrong_may_be_redirected_without_losing_the_screen(tmp_path):
    command = ["sh", "-c", f"{' '.join(LBTUI)} 2>{tmp_path / 'log'}"]
    with Terminal(command, 80, 24) as terminal:
        shown(terminal).press("q")
        assert terminal.wait() == 0
        assert_given_back(terminal)
    assert (tmp_path / "log").read_bytes() == b""


def test_a_fault_of_its_own_is_one_sentence_and_the_terminal_is_given_back():
    with Terminal([sys.executable, "-c", BROKEN], 80, 24) as terminal:
        shown(terminal).press("2")
        assert terminal.wait() == 70
        assert_given_back(terminal)
        after = terminal.output[terminal.output.rindex(b"\x1b") :].decode()
    assert "a fault of lbtui itself" in after
    assert "ZeroDivisionError: no such \\x1b[31mlane" in after
    assert after.rstrip().count("\n") == 0, after
    assert b"what a variable held" not in terminal.output
