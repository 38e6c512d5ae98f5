"""The log holds what helps to find a fault, nothing of the data, and lies where it may."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from lbtui.codes import BROKEN, OPENED, UNWRITTEN
from tests.bench.fuzz import raw_controls
from tests.tools.person import Person
from tests.tools.terminal import Terminal

DATA = Path(__file__).parent / "data"
PROFILE = DATA / "csv_only"
KEPT = [
    "lbtui 0.",
    "Python",
    "polars",
    "machine",
    "libc",
    "page",
    "TERM",
    "frame steps: 853 rows",
    "reading steps: done",
]
# A fault of lbtui's own, and one in a pane's thread; SECRET is a value, not a name.
FAULTY = """
from lbtui import endings; endings.watch()
import lbtui.start, lbtui.overview.run as overview
def fail(*given, **named):
    SECRET = "what a " + "variable held"
    raise ZeroDivisionError("no such \\x1b[31mthing")
overview.overview = fail
raise SystemExit(lbtui.start.main())
"""


def lbtui(*arguments, **environment):
    return subprocess.run(
        [sys.executable, "-m", "lbtui", *map(str, arguments)],
        capture_output=True,
        env={**os.environ, **environment},
        check=False,
    )


@pytest.mark.parametrize("by", ["option", "environment"])
def test_it_holds_what_ran_where_on_what(tmp_path, by):
    log = tmp_path / "log"
    if by == "option":
        done = lbtui(PROFILE, "--report", "--log", log)
    else:
        done = lbtui(PROFILE, "--report", LBTUI_LOG=str(log), TERM="xterm-256color")
    assert (done.returncode, done.stderr) == (OPENED, b"")
    text = log.read_text()
    for file in PROFILE.iterdir():
        assert f"{file}, {file.name}, {file.stat().st_size} bytes" in text
    for words in KEPT:
        assert words in text or (words == "TERM" and by == "option")
    assert not raw_controls(text, "\n")
    assert "Traceback" not in text


def test_of_the_data_it_holds_no_row(tmp_path):
    # Names of files and counts only: no request id, no host, no time of the rows.
    done = lbtui(PROFILE, "--json", "--log", tmp_path / "log")
    assert done.returncode == 0
    text = (tmp_path / "log").read_text()
    rows = (PROFILE / "request.csv").read_text().splitlines()[1:]
    ids = {row.split(",")[0] for row in rows}
    assert len(ids) > 50
    assert not [one for one in ids if len(one) > 5 and one in text]


def test_a_fault_is_in_it_with_its_traceback_and_without_values(tmp_path):
    log = tmp_path / "log"
    for _time in range(2):
        done = subprocess.run(
            [sys.executable, "-c", FAULTY, str(PROFILE), "--report", "--log", str(log)],
            capture_output=True,
            check=False,
        )
        assert done.returncode == BROKEN
        assert b"Traceback" not in done.stderr
    text = log.read_text()
    # What was there before stays.
    assert text.count("Traceback") == 2
    assert "ZeroDivisionError: no such \\x1b[31mthing" in text
    assert "what a variable held" not in text
    assert not raw_controls(text, "\n")


def test_on_the_screen_it_tells_the_terminal(tmp_path):
    log = tmp_path / "log"
    with Terminal([sys.executable, "-m", "lbtui", "--demo", "--log", str(log)], 90, 24) as terminal:
        person = Person(terminal, 90, 24)
        person.sees("DP batch")
        person.misses("Escape cancels")
        person.press("q")
        assert terminal.wait() == 0
    text = log.read_text()
    assert "capabilities Capabilities(colors='256', unicode=True, light=False)" in text
    assert "columns=90, lines=24" in text
    assert "reading steps: done after" in text


@pytest.mark.parametrize(
    "place", ["{profile}/log", "{profile}/../profile/log", "{link}/log", "{tmp}", "{tmp}/none/log"]
)
def test_where_it_may_not_or_cannot_lie_is_one_sentence(tmp_path, place):
    profile = tmp_path / "profile"
    shutil.copytree(PROFILE, profile)
    (tmp_path / "link").symlink_to(profile)
    before = sorted(profile.iterdir())
    log = place.format(profile=profile, link=tmp_path / "link", tmp=tmp_path)
    done = lbtui(profile, "--report", "--log", log)
    assert (done.returncode, done.stdout) == (UNWRITTEN, b"")
    assert done.stderr.count(b"\n") == 1
    assert sorted(profile.iterdir()) == before


def test_a_full_disk_does_not_disturb():
    done = lbtui(PROFILE, "--report", "--log", "/dev/full")
    # It is no regular file: refused like a pipe, which would be waited for.
    assert done.returncode == UNWRITTEN
