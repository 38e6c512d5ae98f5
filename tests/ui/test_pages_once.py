"""Keys pressed in quick succession put up a page once, whichever page it is and whenever it comes."""

import asyncio
import shutil
from pathlib import Path

import pytest
from textual import events

from lbtui.render.capabilities import Capabilities
from lbtui.ui.app import LbtuiApp
from lbtui.ui.kit.filtering import FilterLine
from lbtui.ui.kit.pages import Page, TextPage
from lbtui.ui.opening import Asked
from lbtui.ui.panes.runs.pane import RunsPane
from tests.terminal.driven import DEMO
from tests.tools.driving import settled

CHARACTERS = {"question_mark": "?", "slash": "/", "enter": "\r", "escape": "\x1b"}


SAMPLES = Path(__file__).parent.parent / "data"


def send(app, *keys):
    """Let keys come in one read: none waits for what the one before does."""
    for key in keys:
        app.post_message(events.Key(key, CHARACTERS.get(key, key)))


def pages(app):
    return [type(screen) for screen in app.screen_stack if isinstance(screen, Page)]


OPENING = [
    ("question_mark", TextPage, "12345"),
    ("slash", FilterLine, "35"),
    ("i", TextPage, "15"),
]


def test_a_key_pressed_thrice():
    async def scenario():
        app = LbtuiApp(Asked(DEMO), Capabilities("256"))
        async with app.run_test(size=(100, 30)) as pilot:
            for pane in "12345":
                await settled(app, pilot)
                app.action_pane(pane)
                await settled(app, pilot)
                for key, kind, panes in OPENING:
                    if pane not in panes:
                        continue
                    send(app, key, key, key)
                    await settled(app, pilot)
                    assert pages(app) == [kind], (pane, key)
                    send(app, "escape")
                    await settled(app, pilot)
                    assert pages(app) == [], (pane, key)

    asyncio.run(scenario())


def test_a_key_pressed_twice_before_there_are_panes(monkeypatch):
    monkeypatch.setattr(LbtuiApp, "_open", lambda self: None)

    async def scenario():
        app = LbtuiApp(Asked(DEMO), Capabilities("256"))
        async with app.run_test(size=(100, 30)) as pilot:
            await settled(app, pilot)
            send(app, "6", "6", "6")
            await settled(app, pilot)
            assert pages(app) == [TextPage]
            send(app, "escape")
            await settled(app, pilot)
            assert pages(app) == []

    asyncio.run(scenario())


@pytest.mark.parametrize(("first", "times"), [(True, 1), (True, 5), (False, 2)])
def test_read_again_where_several_outputs_lie(tmp_path, times, first):
    for name in ("a", "b"):
        shutil.copytree(SAMPLES / "csv_only", tmp_path / name)

    async def scenario():
        app = LbtuiApp(Asked(tmp_path / "a"), Capabilities("256"))
        async with app.run_test(size=(100, 30)) as pilot:
            if not first:
                await settled(app, pilot)
            app.asked = Asked(tmp_path)
            send(app, *"R" * times)
            await settled(app, pilot)
            while not isinstance(app.current, RunsPane):
                await pilot.pause(0.05)
            assert len(app.query(RunsPane)) == 1
            send(app, "enter")
            await settled(app, pilot)
            assert pages(app) == []
            assert app.profile.path.resolve().parent == tmp_path.resolve()

    asyncio.run(scenario())


def test_an_opening_that_comes_late_is_of_no_consequence(monkeypatch):
    """Of two openings only the later counts, also where what it found was on its way already."""

    async def scenario():
        app = LbtuiApp(Asked(DEMO), Capabilities("256"))
        async with app.run_test(size=(100, 30)) as pilot:
            await settled(app, pilot)
            put_up = []
            opened = LbtuiApp.on_opened
            monkeypatch.setattr(
                LbtuiApp, "on_opened", lambda self, event: put_up.append(event) or opened(self, event)
            )
            app._open()
            app._open()
            await settled(app, pilot)
            assert len(put_up) == 1
            assert len(app.query("#panes > *")) == len(app.panes)

    asyncio.run(scenario())
