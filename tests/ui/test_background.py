"""Whatever fails beside the event loop is told in one sentence, and the screen goes on."""

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from lbtui.profile import Profile
from lbtui.render.capabilities import Capabilities
from lbtui.render.text import plain
from lbtui.ui.app import LbtuiApp
from lbtui.ui.opening import Asked
from tests.tools.driving import settled

DEMO = Path(__file__).parents[2] / "lbtui" / "demo" / "output"
WHY = "RuntimeError: no such \\x1b[31mlane"


def broken(*_given, **_named):
    raise RuntimeError("no such \x1b[31mlane")


def after(pane_key, keys, monkeypatch, target, size=(160, 50)):
    """Return what is on the screen once `keys` were pressed in a pane, `target` being broken."""
    seen = []

    async def whole():
        app = LbtuiApp(Asked(DEMO), Capabilities("256"))
        async with app.run_test(size=size) as pilot:
            await settled(app, pilot)
            await pilot.press(pane_key)
            await settled(app, pilot)
            with monkeypatch.context() as patched:
                patched.setattr(target, broken)
                await pilot.press(*keys)
                await settled(app, pilot)
                page = app.screen_stack[-1]
                pane = app.current
                if len(app.screen_stack) == 1:
                    seen.append(plain(pane.picture(*pane.size)))
                else:
                    seen.append("\n".join(str(part.render()) for part in page.query("Static")))
            if len(app.screen_stack) == 1:
                await pilot.press("R")
                await settled(app, pilot)
                assert "RuntimeError" not in plain(app.current.picture(*app.current.size))

    asyncio.run(whole())
    return seen[0]


@pytest.mark.parametrize(
    ("pane_key", "keys", "target"),
    [
        ("2", ["c"], "lbtui.ui.panes.dp.pictures.chart_rows"),
        ("3", ["c"], "lbtui.ui.panes.pd.pane.chart_rows"),
        ("2", ["w"], "lbtui.ui.panes.replay.pane.routing_of"),
        ("3", ["w"], "lbtui.ui.panes.replay.pane.ratio_answer_of"),
        ("4", ["w"], "lbtui.ui.panes.what_if.state.recorded"),
        ("4", ["w"], "lbtui.ui.panes.what_if.state.what_if"),
        ("5", ["r"], "lbtui.ui.panes.requests.orders.arrange"),
    ],
)
def test_a_fault_in_a_worker_is_told_and_r_tries_again(pane_key, keys, target, monkeypatch):
    assert WHY in after(pane_key, keys, monkeypatch, target)


def test_a_fault_while_details_are_read_is_told_on_their_page(monkeypatch):
    # The frames are read one by one; that one of them cannot be loaded at all is unforeseen.
    monkeypatch.setattr(Profile, "has", lambda _profile, _name: True)
    assert WHY in after("5", ["enter"], monkeypatch, "lbtui.profile.Profile.load")


def test_the_first_frame_waits_for_no_library_that_reads_files():
    code = "import sys, lbtui.ui.app; print(*sorted({'polars', 'numpy', 'plotext'} & set(sys.modules)))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == ""
