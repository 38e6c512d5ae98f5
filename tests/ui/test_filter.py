"""The filter: one line, which the pane follows while it is written."""

import asyncio
from pathlib import Path

import pytest
from textual.widgets import Input

import lbtui
from lbtui.render.capabilities import Capabilities
from lbtui.render.text import plain
from lbtui.ui.app import LbtuiApp
from lbtui.ui.kit.filtering import Filtered, FilterLine
from lbtui.ui.opening import Asked
from lbtui.ui.panes.order import with_comparison
from tests.terminal.driven import press, screen_text
from tests.tools.driving import settled

pytestmark = pytest.mark.usefixtures("read_once")

DEMO = Path(lbtui.__file__).parent / "demo" / "output"
CSV_ONLY = Path(__file__).parents[1] / "data" / "csv_only"
# A text that fewer match, one that goes on from it and is wrong or matches nothing, and what tells of it.
TEXTS = {
    "2": ("d0-worker", "dpx", "No lane"),
    "3": ("decode", "x", "No node"),
    "4": ("layer=31", "x", "one number"),
    "5": ("ttft>2000", "x", "no number"),
    "6": ("batch", "x", "No row matches"),
    "7": ("card", "x", "No track"),
}
FILTERED = [pane.KEY for pane in with_comparison() if issubclass(pane, Filtered)]
GOES = "4"  # this pane goes to what is named, and hides nothing


def run(pane, scenario, size=(120, 32)):
    async def whole():
        asked = Asked(CSV_ONLY, baseline=CSV_ONLY) if pane == "6" else Asked(DEMO)
        app = LbtuiApp(asked, Capabilities("256"))
        async with app.run_test(size=size) as pilot:
            await settled(app, pilot)
            await press(app, pilot, pane)
            await scenario(app, pilot)

    asyncio.run(whole())


async def write(app, pilot, text):
    """Write as a person does, letter by letter."""
    for letter in text:
        await pilot.press({">": "greater_than_sign", "-": "minus", "=": "equals_sign"}.get(letter, letter))
        await settled(app, pilot)


def shown(app):
    return plain(app.current.picture(*app.current.size))


@pytest.mark.parametrize("pane", FILTERED)
def test_a_pane_follows_the_line_escape_gives_back_what_was_and_enter_keeps(pane):
    right, more, told = TEXTS[pane]
    kept = "" if pane == GOES else right

    async def scenario(app, pilot):
        await press(app, pilot, "down")
        before, selection = shown(app), app.selection
        await press(app, pilot, "slash")
        # The pane stands, but for the last line, whose hint is the grammar.
        above = screen_text(app).splitlines()
        assert [line.rstrip() for line in above[2:-1]] == before.split("\n")
        assert above[-1].startswith(f" {app.current.ASKS_FOR} {app.current.filter_grammar()[:20]}")
        await write(app, pilot, right)
        followed = shown(app)
        assert followed != before
        assert app.current.filter_text() == kept
        assert [line.rstrip() for line in screen_text(app).splitlines()[2:-1]] == followed.split("\n")
        await write(app, pilot, more)
        assert told in screen_text(app)
        if app.current.filter_problem(right + more):
            assert shown(app) == followed
            await press(app, pilot, "enter")
            assert isinstance(app.screen, FilterLine), "a wrong filter is not kept"
        await press(app, pilot, "escape")
        assert (shown(app), app.selection) == (before, selection)
        assert len(app.screen_stack) == 1

        # Enter keeps, and the line begins with what was kept.
        await press(app, pilot, "slash")
        await write(app, pilot, right)
        followed = shown(app)
        await press(app, pilot, "enter")
        assert (shown(app), app.current.filter_text()) == (followed, kept)
        await press(app, pilot, "slash")
        assert app.screen.query_one(Input).value == kept
        await press(app, pilot, "escape")
        assert shown(app) == followed
        if pane == GOES:
            return
        # What is kept is taken off by Escape in the pane.
        await press(app, pilot, "escape")
        assert app.current.filter_text() == ""
        assert shown(app).splitlines()[0] == before.splitlines()[0]

    run(pane, scenario)
