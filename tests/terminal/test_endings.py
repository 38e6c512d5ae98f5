"""Every way out of the screen gives the terminal back exactly as it was found, and leaves no process."""

import os
import signal
import subprocess
import sys

import pytest

from lbtui.endings import PATIENCE
from tests.tools.person import Person
from tests.tools.terminal import Terminal

LBTUI = [sys.executable, "-m", "lbtui", "--demo"]
# What is imported before the signals are watched may have threads of its own.
WATCHED = "from lbtui import endings; endings.watch()\n"
# A reader that hangs, as on a dead network share; the file STARTED tells that it does.
HANGING = (
    WATCHED
    + """
import os, time, lbtui.sources, lbtui.start
def hang(*_given):
    open(os.environ["STARTED"], "w").close()
    time.sleep(3600)
lbtui.sources.open_profile = hang
raise SystemExit(lbtui.start.main(["somewhere"]))
"""
)
# An app that is asked to end and never does.
STUCK = (
    WATCHED
    + """
import lbtui.start, lbtui.ui.app
lbtui.ui.app.LbtuiApp.exit = lambda self, *args, **kwargs: None
raise SystemExit(lbtui.start.main(["--demo"]))
"""
)
FAILING = (
    WATCHED
    + """
import lbtui.sources, lbtui.start
def fail(*_given):
    raise RuntimeError("no such \\x1b[31mdriver")
lbtui.sources.open_profile = fail
raise SystemExit(lbtui.start.main(["somewhere"]))
"""
)
# A loop that is stuck: in the midst of drawing it waits, or reckons, for ever.
SPINNING = (
    WATCHED
    + """
import os, sys, time, lbtui.start, lbtui.ui.panes.dp.pane as dp
def draw(self, width, height):
    open(os.environ["STARTED"], "w").close()
    while True:
        {body}
dp.DpPane.draw = draw
raise SystemExit(lbtui.start.main(["--demo"]))
"""
)
# A fault of lbtui's own, in the midst of drawing.
BROKEN = (
    WATCHED
    + """
import lbtui.start, lbtui.ui.panes.dp.pane as dp
def draw(self, width, height):
    secret = "what a variable held"
    raise ZeroDivisionError("no such \\x1b[31mlane")
dp.DpPane.draw = draw
raise SystemExit(lbtui.start.main(["--demo"]))
"""
)


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


@pytest.mark.parametrize(("key", "code"), [("q", 0), ("\x03", 130), ("?\x03", 130)])
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
    assert 0 < PATIENCE < 1
    with Terminal([sys.executable, "-c", STUCK], 80, 24) as terminal:
        Person(terminal, 80, 24).sees("DP batch")
        terminal.signal(number)
        assert terminal.wait() == 128 + number
        assert_given_back(terminal)


@pytest.mark.parametrize("body", ["time.sleep(3600)", "pass"])
@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT, "\x03"])
def test_a_loop_that_is_stuck_is_ended_all_the_same(tmp_path, body, ending):
    started = tmp_path / "started"
    command = [sys.executable, "-c", SPINNING.format(body=body)]
    with Terminal(command, 80, 24, {"STARTED": str(started)}) as terminal:
        person = shown(terminal)
        person.press("2")
        person.awaits(lambda _text: started.exists(), "a loop that is stuck")
        terminal.press(ending) if isinstance(ending, str) else terminal.signal(ending)
        assert terminal.wait() == 128 + (signal.SIGINT if isinstance(ending, str) else ending)
        assert_given_back(terminal)


def test_a_terminal_that_takes_nothing_more_holds_nobody(tmp_path):
    with Terminal(LBTUI, 80, 24) as terminal:
        person = shown(terminal)
        # Nobody reads what is drawn: once the line is full, the thread that writes waits for ever.
        for _time in range(2000):
            person.press("\x0c")
        terminal.signal(signal.SIGTERM)
        _pid, status = os.waitpid(terminal.pid, 0)
        terminal.pid = 0
        assert os.waitstatus_to_exitcode(status) == 128 + signal.SIGTERM


# Where Ctrl-C comes, by what Python does just then.
MOMENTS = [
    "import lbtui.cli",
    "import lbtui.options",
    "import textual.app",
    "lbtui.cli.main",
    "lbtui.ui.run.run",
]
INTERRUPTED = """
import os, signal, sys, time
moment = sys.argv[1]
def came(frame, event, argument):
    name = f"{frame.f_globals.get('__name__')}.{frame.f_code.co_name}"
    if name in (moment, f"{moment.removeprefix('import ')}.<module>"):
        sys.setprofile(None)
        os.kill(os.getpid(), signal.SIGINT)
        THEN
sys.setprofile(came)
import lbtui.start
raise SystemExit(lbtui.start.main(sys.argv[2:]))
"""


def interrupted(signal_name, then="time.sleep(3600)"):
    # It does not go on meanwhile: it might be at its end before the signal is seen.
    return INTERRUPTED.replace("SIGINT", signal_name).replace("THEN", then)


@pytest.mark.parametrize("moment", MOMENTS)
def test_ctrl_c_while_starting_is_quiet(moment):
    with Terminal([sys.executable, "-c", interrupted("SIGINT"), moment, "--demo"], 80, 24) as terminal:
        assert terminal.wait() == 130
        assert_given_back(terminal)
        assert b"Traceback" not in terminal.output
        assert b"KeyboardInterrupt" not in terminal.output


# As many calls after the first of our lines, in whatever of Python's or ours.
CALLS = [1, 2, 3, 10, 100, 1_000, 10_000, 30_000]
INTERRUPTED_AT = """
import os, signal, sys
left, first = int(sys.argv[1]), True
def came(frame, event, argument):
    global left, first
    if first and getattr(argument, "__name__", "") != "pthread_sigmask":
        return
    first = False
    if event.endswith("call"):
        left -= 1
        if left == 0:
            sys.setprofile(None)
            os.kill(os.getpid(), signal.SIGINT)
sys.setprofile(came)
import lbtui.start
raise SystemExit(lbtui.start.main(sys.argv[2:]))
"""


@pytest.mark.parametrize("calls", CALLS)
def test_ctrl_c_is_quiet_from_the_first_line_on(calls):
    with Terminal([sys.executable, "-c", INTERRUPTED_AT, str(calls), "--demo"], 80, 24) as terminal:
        assert terminal.wait() == 130
        assert_given_back(terminal)
        assert b"Traceback" not in terminal.output
        assert b"KeyboardInterrupt" not in terminal.output


def test_nothing_is_imported_before_ctrl_c_is_held_back():
    # Each import is a moment in which Python would print where it was.
    script = (
        "import sys, _signal; before = {*sys.modules}; real = _signal.pthread_sigmask\n"
        "def held(*given): print(sorted({*sys.modules} - before)); real(*given)\n"
        "_signal.pthread_sigmask = held\n"
        "import lbtui.start"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "['lbtui', 'lbtui.start']\n"


@pytest.mark.parametrize(
    "moment", ["import polars", "lbtui.sources.open.open_profile", "lbtui.report.as_text.as_text"]
)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_in_a_report_is_quiet(moment, number):
    done = subprocess.run(
        [sys.executable, "-c", interrupted(number.name), moment, "--demo", "--report"],
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (128 + number, b"", b"")


def test_what_nohup_has_ignored_stays_ignored():
    command = f"trap '' HUP; {sys.executable} -c \"$1\" lbtui.report.as_text.as_text --demo --report"
    script = interrupted("SIGHUP", "pass")
    done = subprocess.run(["sh", "-c", command, "sh", script], capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout


def test_a_dropped_line_ends_it_and_leaves_no_process():
    with Terminal(LBTUI, 80, 24) as terminal:
        shown(terminal)
        assert_gone_with_its_line(terminal)


def test_a_dropped_line_ends_it_while_a_reader_hangs(tmp_path):
    with hanging(tmp_path) as terminal:
        assert_gone_with_its_line(terminal)


def test_a_dropped_line_ends_it_even_where_hang_ups_are_ignored():
    ignoring = (
        "import signal; signal.signal(1, signal.SIG_IGN); import lbtui.start; lbtui.start.main(['--demo'])"
    )
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
        terminal.rest()
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
        person.sees("forward_iter")
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
        person.sees("forward_iter")
        person.press("q")
        assert terminal.wait() == 0
        assert_given_back(terminal)


@pytest.mark.parametrize(("key", "code"), [("q", 0), ("\x03", 130)])
def test_a_reader_that_hangs_holds_nobody(tmp_path, key, code):
    with hanging(tmp_path) as terminal:
        terminal.press(key)
        assert terminal.wait() == code
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
