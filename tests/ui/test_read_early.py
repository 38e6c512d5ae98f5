"""What is read of a profile while the panes are still being imported."""

import threading
import time
from types import SimpleNamespace

import pytest

from lbtui.profile import Cancelled, Silent, early
from lbtui.profile.early import read_early
from lbtui.profile.once import Once
from lbtui.sources import open_profile
from tests.tools.screens import DEMO


class Held:
    """A profile whose reading goes on until it is let go, and tells how it ended."""

    def __init__(self):
        self.begun, self.go, self.ended = threading.Event(), threading.Event(), threading.Event()
        self.readings = self.cancelled = 0
        self.load_once = Once(self.read)

    def load(self, name, progress):
        assert name == "batches"
        return self.load_once(progress)

    def read(self, progress):
        self.readings += 1
        self.begun.set()
        try:
            while not self.go.wait(0.001):
                progress.advance("file", 0, 1)
        except Cancelled:
            self.cancelled += 1
            self.ended.set()
            raise
        return "read"


def test_who_asks_meanwhile_waits_for_the_same_reading():
    held = Held()
    read_early(held, "batches")
    held.begun.wait()
    held.go.set()
    assert held.load("batches", Silent()) == "read"
    assert held.readings == 1


def test_where_nobody_asks_it_ends_after_a_while(monkeypatch):
    monkeypatch.setattr(early, "_LONGEST", 0.0)
    held = Held()
    read_early(held, "batches")
    assert held.ended.wait(60)
    assert (held.readings, held.cancelled) == (1, 1)


def test_it_goes_on_for_who_asked_after_the_while_is_over(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(early, "time", SimpleNamespace(monotonic=lambda: now[0]))
    held = Held()
    read_early(held, "batches")
    held.begun.wait()

    def end():
        """Let the while be over once the other waits, and then go on for a little."""
        while len(held.load_once._waiting._members) < 2:
            time.sleep(0.001)
        now[0] = 10.0
        while len(held.load_once._waiting._members) > 1:
            time.sleep(0.001)
        held.go.set()

    ending = threading.Thread(target=end)
    ending.start()
    assert held.load("batches", Silent()) == "read"
    ending.join()
    assert (held.readings, held.cancelled) == (1, 0)


@pytest.mark.filterwarnings("error::pytest.PytestUnhandledThreadExceptionWarning")
def test_what_goes_wrong_is_told_by_who_asks(monkeypatch):
    profile = open_profile(DEMO)
    failed = threading.Event()

    def load(name, progress):
        failed.set()
        raise MemoryError

    monkeypatch.setattr(profile, "load", load)
    read_early(profile, "batches")
    assert failed.wait(60)
    for thread in threading.enumerate():
        if thread.name == "read-early":
            thread.join()
