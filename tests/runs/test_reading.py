"""Runs among many, read in children: what is told of each, and that nothing of one hurts another."""

import os
import queue
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace

import pytest

from lbtui import children
from lbtui.profile import Cancelled, Progress, Reading
from lbtui.runs import ahead, reading
from lbtui.runs.first import first_look
from lbtui.runs.found import runs_of
from lbtui.runs.kept import key_of
from lbtui.runs.model import Run, RunSummary, Shape
from lbtui.runs.reading import Asked, Begun, Failed, Read, RunsReader, read_all
from lbtui.runs.summarise import summarised
from lbtui.runs.task import Answer
from lbtui.runs.text import Told, to_bytes
from lbtui.sources import open_profile
from lbtui.sources.runs_below import runs_below
from lbtui.thresholds import Thresholds
from tests.sources.engines import output_of, raw_of
from tests.sources.recorded import state_of

RUN, OTHER = "vllm_v1_dp2", "vllm_v0"
LONG = 120  # s: never reached, but a test must not wait for ever


@pytest.fixture
def base(tmp_path):
    """An output, a raw profile, one that cannot be read, and a summary; in this order."""
    folder = tmp_path / "profiles"
    for name in ("d-out", "b-broken"):
        (folder / name).mkdir(parents=True)
    output_of(RUN, "csv", folder / "d-out")
    raw_of(OTHER, folder / "c-raw")
    (folder / "b-broken" / "profiler.db").write_bytes(b"no database" * 1000)
    told = Told(RunSummary("ab", 5, 6, Shape("vLLM")), "elsewhere", parameters={"p": 1.0})
    (folder / "a.summary").write_bytes(to_bytes(told))
    for path in folder.rglob("*"):
        os.utime(path, (1_000_000_000, 1_000_000_000))
    return folder


def events_of(found, asked, on_event=lambda _event: None):
    """Return all that is told, in order."""
    events = queue.SimpleQueue()

    def tell(event):
        on_event(event)
        events.put(event)

    reader = RunsReader(found, asked, tell)
    reader.start()
    told = []
    while sum(not isinstance(event, Begun) for event in told) < len(found.runs):
        told.append(events.get(timeout=LONG))
    reader.wait()
    assert events.empty()
    return told


def test_all_runs_are_told_and_the_second_time_no_child_is_started(base, monkeypatch):
    before = state_of(base)
    found = runs_below(base)
    assert [run.name for run in found.runs] == ["d-out", "c-raw", "b-broken", "a.summary"]
    told = events_of(found, Asked())
    last = {event.place: event for event in told if not isinstance(event, Begun)}
    profiles = {0: open_profile(base / "d-out"), 1: open_profile(base / "c-raw", raw=True)}
    for place, profile in profiles.items():
        own = summarised(profile)
        assert last[place].summary.start == own.start
        assert last[place].summary.shape == own.shape
        assert len(last[place].summary.measures) == len(own.measures)
        assert last[place].summary.identity
        (begun,) = (event for event in told if isinstance(event, Begun) and event.place == place)
        assert (begun.start, begun.shape) == first_look(profile)
        assert told.index(begun) < told.index(last[place])
    assert "profiler.db" in last[2].why
    assert last[3] == Read(3, RunSummary("ab", 5, 6, Shape("vLLM")), None, {"p": 1.0})

    def never(*_args, **_more):
        raise AssertionError

    monkeypatch.setattr(subprocess, "Popen", never)
    again = events_of(found, Asked(look=True))
    assert [event.place for event in again] == [0, 1, 2, 3]
    assert again[2:] == [last[2], last[3]]
    assert [event.summary.start for event in again[:2]] == [last[0].summary.start, last[1].summary.start]
    assert state_of(base) == before


def test_without_a_cache_nothing_is_kept(base):
    found = runs_below(base / "b-broken")
    (one,) = runs_below(base, raw=True).runs
    found = replace(found, folder=base, runs=(one,))
    (*_begun, event) = events_of(found, Asked(cached=False, look=True))
    assert isinstance(event, Read)
    assert not os.path.exists(os.environ["XDG_CACHE_HOME"])  # noqa: PTH110


def test_a_child_that_dies_fails_its_run_alone(base):
    found = runs_below(base)
    runs = (found.runs[0], replace(found.runs[0], name="again"), found.runs[1])
    found = replace(found, runs=runs)

    def kill(event):
        if isinstance(event, Begun) and event.place == 0:
            (child,) = reader[0]._children
            os.kill(child.pid, signal.SIGKILL)

    reader = []
    events = queue.SimpleQueue()
    reader.append(
        RunsReader(found, Asked(children=1, cached=False), lambda event: (kill(event), events.put(event)))
    )
    reader[0].start()
    told = [events.get(timeout=LONG)]
    while sum(not isinstance(event, Begun) for event in told) < 3:
        told.append(events.get(timeout=LONG))
    reader[0].wait()
    last = [event for event in told if not isinstance(event, Begun)]
    assert last[0] == Failed(0, "the system ended its reading (signal 9), as where memory is short.")
    assert [type(event) for event in last[1:]] == [Read, Read]
    assert reader[0]._children == set()


def test_after_a_cancel_nothing_is_told_and_no_child_is_left(base):
    found = runs_below(base)
    begun = threading.Event()
    told = []

    def tell(event):
        told.append(event)
        if isinstance(event, Begun):
            begun.set()

    reader = RunsReader(found, Asked(cached=False), tell)
    reader.start()
    assert begun.wait(LONG)
    children = list(reader._children)
    reader.cancel()
    count = len(told)
    reader.wait()
    assert len(told) == count
    assert all(child.returncode is not None for child in children)
    # Before it began.
    reader = RunsReader(found, Asked(cached=False), told.append)
    reader.cancel()
    reader.start()
    reader.wait()
    assert len(told) == count


def test_two_lbtui_at_once_do_not_disturb_each_other(base):
    found = runs_below(base)
    results = []
    threads = [
        threading.Thread(target=lambda: results.append(read_all(found, Asked(children=1)))) for _n in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    first, second = results
    assert [run.name for run in first] == ["d-out", "c-raw", "b-broken", "a.summary"]
    for one, other in zip(first, second, strict=True):
        assert one.is_read
        assert (one.begun, one.problem) == (other.begun, other.problem)
    assert first[3].parameters == {"p": 1.0}


def test_reading_all_is_cancelled_by_its_progress(base):
    class Stop(Progress):
        def advance(self, what, done, total):
            raise Cancelled

    with pytest.raises(Cancelled):
        read_all(runs_below(base), Asked(), Stop())
    assert read_all(replace(runs_below(base), runs=()), Asked(), Stop()) == ()


def test_a_run_that_went_away_meanwhile_says_so(base):
    found = runs_below(base)
    for file in (base / "d-out").iterdir():
        file.unlink()
    (base / "a.summary").unlink()
    found = replace(found, runs=(found.runs[0], found.runs[3]))
    first, second = events_of(found, Asked())
    assert "holds no parsed output" in first.why
    assert second.why == "the summary cannot be read: No such file or directory."


@pytest.mark.parametrize("content", [b"", b"{", b'{"lbtui_run": 1}', b'{"lbtui_run": 2}', b"x" * (9 << 20)])
def test_a_summary_that_is_none_says_so(base, content):
    found = runs_below(base)
    (base / "a.summary").write_bytes(content)
    (event,) = events_of(replace(found, runs=(found.runs[3],)), Asked())
    assert event.why.startswith("the summary cannot be read: it is ")


def test_a_child_that_has_grown_is_replaced(base, monkeypatch):
    found = runs_below(base)
    first = found.runs[0]
    found = replace(found, runs=(first, replace(first, name="again"), replace(first, name="once more")))
    started = []

    def start(*arguments):
        started.append(arguments)
        return children.started(*arguments)

    monkeypatch.setattr(ahead, "started", start)
    monkeypatch.setattr(reading, "_MOST_KEPT", 0)
    told = events_of(found, Asked(children=1, cached=False))
    assert sum(isinstance(event, Read) for event in told) == 3
    assert len(started) == 4  # one waits for a fourth run that does not come


def test_where_no_child_can_be_started_each_run_says_so(base, monkeypatch):
    def fail(*_arguments):
        raise OSError(12, "Cannot allocate memory")

    monkeypatch.setattr(ahead, "started", fail)
    found = runs_below(base)
    told = events_of(replace(found, runs=found.runs[:3]), Asked(look=False))
    whys = [event.why for event in sorted(told, key=lambda event: event.place)]
    assert whys == ["its reading failed: Cannot allocate memory"] * 3


def test_an_answer_that_is_none_fails_its_run_and_no_other(base, monkeypatch):
    answers = iter((Answer("read", b"no summary", 0), ValueError("a frame"), None))

    def ask(self, _task, _begun):
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        self.process.kill()
        self.process.wait()
        return answer

    monkeypatch.setattr(reading._Child, "ask", ask)
    found = runs_below(base)
    told = events_of(replace(found, runs=found.runs[:3]), Asked(children=1, look=False))
    assert [event.why for event in told] == [
        "its reading failed: it is no JSON",
        "its reading failed: ValueError: a frame",
        "the system ended its reading (signal 9), as where memory is short.",
    ]


def test_a_child_ends_with_its_parent(base):
    code = f"""
import time
from pathlib import Path
from lbtui.runs.reading import Asked, RunsReader
from lbtui.sources.runs_below import runs_below
def tell(event):
    print(*(child.pid for child in reader._children), flush=True)
reader = RunsReader(runs_below(Path({str(base)!r})), Asked(children=1, cached=False, look=False), tell)
reader.start()
time.sleep({LONG})
"""
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as parent:
        pid = int(parent.stdout.readline().split()[0])
        parent.kill()
    until = time.monotonic() + LONG
    while is_running(pid) and time.monotonic() < until:
        time.sleep(0.05)
    assert not is_running(pid)


def is_running(pid):
    """Tell whether a process is there and has not ended; nobody may have waited for it."""
    try:
        with open(f"/proc/{pid}/stat") as file:  # noqa: PTH123
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_what_comes_before_anyone_listens_is_told_then(base):
    found = runs_below(base)
    reader = RunsReader(replace(found, runs=(found.runs[3],)), Asked())
    reader.start()
    reader.wait()
    told = []
    reader.listen(told.append)
    assert [type(event) for event in told] == [Read]


def test_a_child_is_started_ahead_where_many_runs_may_lie(base, tmp_path):
    for path in (base / "d-out", base / "a.summary", tmp_path / "missing", tmp_path):
        ahead.start_ahead(path)
        assert ahead._waiting == []
    ahead.start_ahead(base)
    (child,) = ahead._waiting
    found = runs_below(base)
    pids = set()
    told = events_of(
        replace(found, runs=found.runs[:1]),
        Asked(children=1, look=False, cached=False),
        lambda _event: pids.add(child.poll()),
    )
    assert isinstance(told[-1], Read)
    assert ahead._waiting == []
    assert child.returncode is not None
    assert pids == {None}
    for unwanted in (ahead.let_go, lambda: read_all(replace(found, runs=(found.runs[3],)), Asked())):
        ahead.start_ahead(base)
        (child,) = ahead._waiting
        unwanted()
        assert child.wait(LONG) is not None


def test_rows_change_by_what_is_told():
    run = Run("a", Reading("a"), {"p": 2.0})
    begun = Begun(0, 5, Shape("vLLM")).told_of(run)
    assert (begun.begun, begun.shape, begun.is_read) == (5, Shape("vLLM"), False)
    read = Read(0, RunSummary("ab", 6), None, {"p": 1.0, "q": 3.0}).told_of(begun)
    assert (read.begun, read.parameters, read.is_read) == (6, {"p": 2.0, "q": 3.0}, True)
    assert Begun(0, 7, Shape()).told_of(read) == read
    assert Failed(0, "no").told_of(run).problem == "no"


def test_rows_are_of_what_is_found(base):
    found = runs_below(base)
    assert [(run.name, run.is_read) for run in runs_of(found)] == [(run.name, False) for run in found.runs]
    assert key_of(found.runs[0], Thresholds()) == key_of(found.runs[0], Thresholds())
