"""What is read of a profile before a pane asks for it."""

import asyncio
import threading
import time
from contextlib import suppress
from types import SimpleNamespace

import pytest

from lbtui.profile import Cancelled, Silent, early, progress
from lbtui.profile.early import read_early
from lbtui.profile.once import Once
from lbtui.render.capabilities import Capabilities
from lbtui.ui.app import LbtuiApp
from lbtui.ui.opening import Asked
from tests.tools.driving import settled
from tests.tools.screens import DEMO


class Held:
    """A profile whose reading goes on until it is let go, and tells how it ended."""

    def __init__(self):
        self.begun, self.go = threading.Event(), threading.Event()
        self.readings = self.cancelled = 0
        self.load_once = Once(self.read)

    def sample_steps(self):
        assert not self.begun.is_set(), "what is seen first comes first"

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
            raise
        return "read"


@pytest.fixture
def held():
    return Held()


def early_of(held):
    thread = threading.Thread(target=read_quietly, args=[held])
    thread.start()
    held.begun.wait()
    return thread


def read_quietly(held):
    with suppress(Cancelled):
        read_early(held, "batches")


def test_who_asks_meanwhile_waits_for_the_same_reading(held):
    thread = early_of(held)
    held.go.set()
    assert held.load("batches", Silent()) == "read"
    thread.join()
    assert held.readings == 1


def test_where_nobody_asks_it_ends_after_a_while(monkeypatch, held):
    monkeypatch.setattr(early, "_LONGEST", 0.0)
    early_of(held).join()
    assert (held.readings, held.cancelled) == (1, 1)


def test_it_goes_on_for_who_asked_after_the_while_is_over(monkeypatch, held):
    now = [0.0]
    monkeypatch.setattr(progress, "time", SimpleNamespace(monotonic=lambda: now[0]))
    reading = early_of(held)

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
    reading.join()
    assert (held.readings, held.cancelled) == (1, 0)


def test_what_goes_wrong_early_disturbs_none(monkeypatch):
    asked = []

    def failing(profile, name):
        asked.append((profile.path, name))
        raise ValueError("broken")

    monkeypatch.setattr(early, "read_early", failing)
    app = LbtuiApp(Asked(DEMO), Capabilities("256"))

    async def whole():
        async with app.run_test(size=(120, 36)) as pilot:
            await settled(app, pilot)
            assert asked == [(app.profile.path, "batches")]
            strips = app.screen._compositor.render_strips(app.screen.size)
            shown = "".join(strip.text for strip in strips)
            assert "most severe first" in shown
            assert "broken" not in shown

    asyncio.run(whole())
