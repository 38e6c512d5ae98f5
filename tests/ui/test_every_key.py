"""Every key in every stage of every pane, in windows of any size: nothing breaks, and the screen stays."""

import asyncio
import threading
from random import Random

import pytest
from textual import events
from textual.binding import Binding

from lbtui.profile import Silent
from lbtui.render.capabilities import Capabilities
from lbtui.ui.app import LbtuiApp
from lbtui.ui.kit import pane as pane_module
from lbtui.ui.kit.pane import Pane, Stage
from lbtui.ui.opening import Asked
from tests.terminal.driven import DEMO
from tests.tools.driving import handled, settled

# These end or stop it.
ENDING = {"q", "ctrl+c", "ctrl+z", "ctrl+q"}
CHARACTERS = {
    "question_mark": "?", "slash": "/", "space": " ", "plus": "+", "minus": "-", "full_stop": ".",
    "comma": ",", "left_square_bracket": "[", "right_square_bracket": "]",
    "less_than_sign": "<", "greater_than_sign": ">",
    "equals_sign": "=", "colon": ":", "enter": "\r", "tab": "\t", "backspace": "\x7f", "escape": "\x1b",
}  # fmt: skip
MORE = [
    "tab",
    "shift+tab",
    "backspace",
    "delete",
    "home",
    "end",
    "pageup",
    "pagedown",
    "f1",
    "insert",
    "x",
    "Z",
]
UNREAD = (Stage.WAITING, Stage.LOADING, Stage.CANCELLED, Stage.FAILED)


def keys_of(pane):
    bindings = [one for kind in type(pane).__mro__ for one in kind.__dict__.get("BINDINGS", ())]
    bindings += LbtuiApp.BINDINGS
    found = [key for one in bindings if isinstance(one, Binding) for key in one.key.split(",")]
    return sorted({*found, *MORE} - ENDING)


def key_event(key):
    return events.Key(key, key if len(key) == 1 else CHARACTERS.get(key))


async def press(app, pilot, keys):
    for key in keys:
        app.post_message(key_event(key))
    await handled(pilot)


async def leave_pages(app, pilot):
    for _page in range(5):
        if len(app.screen_stack) > 1:
            await press(app, pilot, ["escape"])


def stand_still(pane, stage):
    """Let a pane that shall never get its data stand in a stage."""
    if stage is not Stage.WAITING:
        pane.load()
    if stage is Stage.CANCELLED:
        pane.cancel()
    elif stage is Stage.FAILED:
        pane.fail("no such thing")
    assert pane.stage is stage


class Never:
    """A worker that never comes to anything."""

    def cancel(self):
        pass


@pytest.mark.parametrize("stage", UNREAD)
@pytest.mark.parametrize(
    ("baseline", "size"),
    [(None, (100, 30)), (None, (2, 2)), (DEMO, (100, 30))],
    ids=["alone", "alone, 2 x 2", "compared"],
)
def test_before_a_pane_has_its_data(monkeypatch, stage, size, baseline):
    monkeypatch.setattr(pane_module, "in_background", lambda *given, **options: Never())

    async def scenario():
        app = LbtuiApp(Asked(DEMO, baseline=baseline), Capabilities("256"))
        async with app.run_test(size=size) as pilot:
            await settled(app, pilot)
            pressed = 0
            for number, pane in list(app.panes.items()):
                # Shown, a pane begins to load; only the first is.
                with monkeypatch.context() as still:
                    still.setattr(Pane, "activate", lambda self: None)
                    app.action_pane(number)
                    await handled(pilot)
                    if pane.stage is not stage:
                        pane._stage = Stage.WAITING
                        stand_still(pane, stage)
                    for key in keys_of(pane):
                        app.action_pane(number)
                        await press(app, pilot, [key])
                        await leave_pages(app, pilot)
                        pane._stage = Stage.WAITING
                        stand_still(pane, stage)
                        pressed += 1
                    for kind in (events.MouseScrollDown, events.MouseScrollUp, events.Click):
                        pane.post_message(kind(pane, 1, 0, 0, 0, 1, False, False, False))
                        await handled(pilot)
            assert pressed > 100
            assert app.is_running

    asyncio.run(scenario())


@pytest.mark.parametrize(("size", "seed"), [((100, 30), 0), ((2, 2), 1)])
def test_once_a_pane_has_its_data_and_while_it_is_read(size, seed):
    rng = Random(seed)

    async def scenario():
        app = LbtuiApp(Asked(DEMO), Capabilities("256"))
        async with app.run_test(size=size) as pilot:
            await settled(app, pilot)
            for number, pane in list(app.panes.items()):
                keys = keys_of(pane)
                rng.shuffle(keys)
                await press(app, pilot, [number])
                # Half of them while it may still be read, Escape among them.
                for key in (*keys, "escape", "R", *keys):
                    app.action_pane(number)
                    await press(app, pilot, [key])
                    await leave_pages(app, pilot)
                await settled(app, pilot)
            assert app.is_running

    asyncio.run(scenario())


@pytest.mark.parametrize("baseline", [None, DEMO], ids=["alone", "compared"])
def test_between_r_and_the_profile_opened_anew(monkeypatch, baseline):
    async def scenario():
        app = LbtuiApp(Asked(DEMO, baseline=baseline), Capabilities("256"))
        async with app.run_test(size=(100, 30)) as pilot:
            await settled(app, pilot)
            for number in dict(app.tabs):
                app.action_pane(number)
                await settled(app, pilot)
            # It takes a while: all panes are there, and none of the profile to come.
            old = dict(app.panes)
            monkeypatch.setattr(LbtuiApp, "_open", lambda self: None)
            await press(app, pilot, ["R"])
            assert not app.panes
            for number, pane in old.items():
                # The first before any other has moved the cursor.
                for key in ("enter", *keys_of(pane)):
                    for one in old.values():
                        one.set_class(one is pane, "-shown")
                    await handled(pilot)
                    pane.focus()
                    await handled(pilot)
                    assert app.focused is pane
                    await press(app, pilot, [key])
                    await leave_pages(app, pilot)
                    assert app.is_running, (number, key)

    asyncio.run(scenario())


def test_what_is_prepared_for_a_pane_that_is_gone_asks_nothing_of_the_app(monkeypatch):
    asked = []
    host_of = Pane.lbtui.fget

    def host_asked_for(self):
        if threading.current_thread() is not threading.main_thread():
            asked.append(self.KEY)
        return host_of(self)

    monkeypatch.setattr(pane_module, "in_background", lambda *given, **options: Never())
    monkeypatch.setattr(Pane, "lbtui", property(host_asked_for))

    async def scenario():
        app = LbtuiApp(Asked(DEMO, baseline=DEMO), Capabilities("256"))
        async with app.run_test(size=(100, 30)) as pilot:
            await settled(app, pilot)
            for pane in app.panes.values():
                pane.load()
                await asyncio.to_thread(pane.prepare, app.profile, Silent())

    asyncio.run(scenario())
    assert not asked


def test_escape_after_a_cancel_goes_out(monkeypatch):
    monkeypatch.setattr(pane_module, "in_background", lambda *given, **options: Never())

    async def scenario():
        app = LbtuiApp(Asked(DEMO), Capabilities("256"))
        async with app.run_test(size=(100, 30)) as pilot:
            await settled(app, pilot)
            for number in "2345":
                await press(app, pilot, [number])
                await settled(app, pilot)  # a pane begins to load once it is drawn
                assert app.current.stage is Stage.LOADING
                await press(app, pilot, ["escape"])
                assert app.current.stage is Stage.CANCELLED
                await press(app, pilot, ["escape"])
                assert app.current.KEY == "1"

    asyncio.run(scenario())
