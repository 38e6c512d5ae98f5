"""Keys that the config changes: they work, the old ones do not, and every place names them."""

import asyncio
from pathlib import Path

from lbtui.render.capabilities import Capabilities
from lbtui.render.text import plain
from lbtui.ui.actions.page import ActionsPage, OfferList
from lbtui.ui.app import LbtuiApp
from lbtui.ui.bars import BottomBar, TopBar
from lbtui.ui.kit.pages import TextPage
from lbtui.ui.opening import Asked
from tests.tools.driving import settled

DATA = Path(__file__).parents[1] / "data"
CHANGES = {
    "dp.metric": "x",
    "dp.chart": "m",
    "common.down": "f5",
    "common.whole": "ctrl+g",
    "app.help": "f1",
    "app.dp": "f2",
    "app.notes": "ctrl+n",
    "app.actions": "f3",
    "app.copy": "Z",
}


def driven(do, changes=CHANGES):
    async def whole():
        app = LbtuiApp(Asked(DATA / "pd_ep", keys=changes), Capabilities("256", True))
        async with app.run_test(size=(180, 40)) as pilot:
            await settled(app, pilot)
            await do(app, pilot)

    asyncio.run(whole())


def lines(app, kind):
    bar = app.screen_stack[0].query_one(kind)
    return plain(bar.picture(*bar.size))


def test_new_keys_work_and_old_ones_do_not():
    async def do(app, pilot):
        await pilot.press("2")
        assert app.current.KEY == "1"
        await pilot.press("f2")
        await settled(app, pilot)
        assert app.current.KEY == "2"
        first = plain(app.current.picture(*app.current.size))
        await pilot.press("x")
        await settled(app, pilot)
        then = plain(app.current.picture(*app.current.size))
        assert then != first
        await pilot.press("c")
        await settled(app, pilot)
        assert plain(app.current.picture(*app.current.size)) == then
        await pilot.press("question_mark")
        assert len(app.screen_stack) == 1
        await pilot.press("f1")
        assert isinstance(app.screen, TextPage)
        await pilot.press("escape")
        assert len(app.screen_stack) == 1

    driven(do)


def test_bars_help_and_actions_name_them():
    async def do(app, pilot):
        await pilot.press("f2")
        await settled(app, pilot)
        top, bottom = lines(app, TopBar), lines(app, BottomBar)
        assert "F2 DP" in top
        assert " 2 DP" not in top
        assert "^N " in top.splitlines()[0]
        assert "F1 help" in bottom
        assert "F3 actions" in bottom
        assert "x metric" in bottom
        assert "m chart" in bottom
        assert "+ - ^G zoom" in bottom
        assert "↑ F5 ← → move" in bottom
        await pilot.press("f1")
        page = app.screen.query_one(".page-text").render().plain
        assert "  x             the next metric that has data" in page
        assert "  F5            lane below" in page
        assert "  F1            help" in page
        await pilot.press("escape", "f3")
        assert isinstance(app.screen, ActionsPage)
        await pilot.press(*"metric that has")
        listed = app.screen.query_one(OfferList)
        assert "x           metric" in plain(listed.picture(*listed.size))

    driven(do)


def test_a_click_on_a_renamed_tab_shows_its_pane():
    async def do(app, pilot):
        await pilot.click(TopBar, offset=(lines(app, TopBar).splitlines()[1].index("DP"), 1))
        await settled(app, pilot)
        assert app.current.KEY == "2"

    driven(do)


def test_without_changes_nothing_is_named_otherwise():
    async def do(app, pilot):
        await pilot.press("2")
        await settled(app, pilot)
        assert "1-7 panes" in lines(app, BottomBar)
        assert "? help" in lines(app, BottomBar)
        assert "↑↓←→ move" in lines(app, BottomBar)

    driven(do, {})
