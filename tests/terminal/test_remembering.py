"""What is remembered from one start of the command to the next, in a real terminal."""

import os
import shutil
import signal
import sys
from pathlib import Path

import pytest

from tests.tools.person import Person
from tests.tools.terminal import Terminal

RUN = Path(__file__).parents[1] / "data" / "cases" / "dead_domain"
LBTUI = [sys.executable, "-m", "lbtui", str(RUN)]
SIZE = 120, 32
WORD = "shown as you left it; F begins fresh"


def profiles(state_home):
    return list((state_home / "lbtui").rglob("*.json"))


def visited(do, *options):
    with Terminal([*LBTUI, *options], *SIZE, {}) as terminal:
        person = Person(terminal, *SIZE)
        person.sees("dp.stalled")
        do(person)
        person.press("q")
        assert terminal.wait() == 0


def to_dp(person):
    person.press("2")
    person.sees("× mean")


def test_a_profile_comes_back_as_it_was_left_and_fresh_where_that_is_wanted(state_home):
    before = sorted((path, path.stat().st_mtime_ns) for path in RUN.rglob("*"))

    def note(person):
        person.press("A")
        person.sees(" note ")
        person.press("seen in May\r")
        person.sees("note       seen in May")
        to_dp(person)

    visited(note)
    with Terminal(LBTUI, *SIZE, {}) as terminal:
        person = Person(terminal, *SIZE)
        person.sees(WORD)
        person.sees("× mean")
        person.press("F")
        person.sees("note       seen in May")
        person.press("q")
        assert terminal.wait() == 0
    visited(lambda person: person.sees("note       seen in May"))
    (file,) = profiles(state_home)
    kept = file.read_bytes()
    # Nothing of it is read or written where it is not wanted, and what is copied is in no file.
    with Terminal([*LBTUI, "--no-state"], *SIZE, {"TMUX": ""}) as terminal:
        person = Person(terminal, *SIZE)
        person.sees("dp.stalled")
        assert "seen in May" not in person.text()
        to_dp(person)
        person.press("Y")
        person.sees("in no file: --no-state")
        person.press("q")
        assert terminal.wait() == 0
    assert file.read_bytes() == kept
    assert sorted(path.name for path in (state_home / "lbtui").iterdir()) == ["profiles"]
    assert sorted((path, path.stat().st_mtime_ns) for path in RUN.rglob("*")) == before


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGHUP])
def test_whoever_ends_it_it_is_remembered(state_home, end):
    with Terminal(LBTUI, *SIZE, {}) as terminal:
        person = Person(terminal, *SIZE)
        person.sees("dp.stalled")
        to_dp(person)
        os.kill(terminal.pid, end)
        terminal.wait()
    (file,) = profiles(state_home)
    assert '"dp' in file.read_text()


def test_a_copy_in_another_place_is_the_same(state_home, tmp_path):
    visited(to_dp)
    shutil.copytree(RUN, tmp_path / "elsewhere")
    with Terminal([*LBTUI[:-1], str(tmp_path / "elsewhere")], *SIZE, {}) as terminal:
        person = Person(terminal, *SIZE)
        person.sees(WORD)
        person.sees("× mean")
        person.press("q")
        assert terminal.wait() == 0
    assert len(profiles(state_home)) == 1


def test_a_state_folder_that_cannot_be_is_no_reason_to_fail(state_home):
    state_home.parent.mkdir(exist_ok=True)
    state_home.write_text("a file where the folder should be")
    visited(to_dp)

    def note(person):
        person.press("A")
        person.sees(" note ")
        person.press("x\r")
        person.sees("it could not be remembered: File exists")

    visited(note)


def test_other_keys_of_the_config(tmp_path):
    config = tmp_path / "config.toml"
    config.write_text('[keys]\napp.dp = "f2"\napp.quit = "ctrl+q"\ndp.metric = "x"\n', "utf-8")
    with Terminal([*LBTUI, "--config", str(config)], *SIZE, {}) as terminal:
        person = Person(terminal, *SIZE)
        person.sees("dp.stalled")
        person.sees("^Q quit")
        person.press("q2")
        person.press("\x1bOQ")
        person.sees("× mean")
        person.sees("x metric")
        person.press("\x11")
        assert terminal.wait() == 0
