"""Ctrl-P: every action of every pane, found by its words and done in its pane."""

import asyncio
from pathlib import Path

import pytest
from textual.binding import Binding

import lbtui
from lbtui.render.canvas import Canvas
from lbtui.render.capabilities import Capabilities
from lbtui.render.text import plain
from lbtui.ui.actions.offers import Offer, best, matching, pane_offers
from lbtui.ui.actions.page import ActionsPage
from lbtui.ui.actions.view import offer_at, offer_rows
from lbtui.ui.app import LbtuiApp
from lbtui.ui.opening import Asked
from tests.terminal.driven import press, screen_text
from tests.tools.driving import settled

pytestmark = pytest.mark.usefixtures("read_once")

DATA = Path(__file__).parents[1] / "data"
DEMO = Path(lbtui.__file__).parent / "demo" / "output"


def offer(name, group="DP", tells="", why_not=""):
    return Offer(group, "x", name, tells, why_not, lambda: name)


def run(path, scenario, size=(100, 30), baseline=None):
    async def whole():
        app = LbtuiApp(Asked(path, baseline=baseline), Capabilities("256"))
        async with app.run_test(size=size) as pilot:
            await settled(app, pilot)
            await scenario(app, pilot)

    asyncio.run(whole())


def offered(app):
    return app.screen._offers


def test_an_offer_is_found_by_words_in_any_order_and_without_hyphens():
    offers = [offer("What-if", "EP", "another placement"), offer("metric", tells="the next metric")]
    for text in ("what-if", "whatif", "WHAT if", "placement ep", "what-if ep "):
        assert matching(offers, text) == offers[:1], text
    assert matching(offers, "") == offers
    assert matching(offers, "placement dp") == []


def test_the_cursor_starts_at_what_is_named_so_and_can_work():
    offers = [
        offer("before", tells="sort before"),
        offer("re-sort"),
        offer("sort", why_not="no"),
        offer("sort"),
    ]
    assert best(offers, "sort") == 3
    assert best(offers[:3], "sort") == 1
    assert best(offers[:1], "sort") == 0
    assert best([], "sort") == 0


@pytest.mark.parametrize("size", [(60, 20), (100, 7), (30, 1)])
def test_every_offer_can_be_reached_and_is_clicked_where_it_is_drawn(size):
    offers = [offer(f"name{i}", f"pane {i // 4}", why_not="because" if i % 3 else "") for i in range(40)]
    for caps in (Capabilities("256"), Capabilities("none", False)):
        canvas = Canvas(*size, caps)
        for cursor, each in enumerate(offers):
            rows = offer_rows(offers, cursor, canvas)
            assert [sum(segment.cell_length for segment in row) for row in rows] == [size[0]] * size[1]
            (line,) = [line for line in plain(rows).splitlines() if line.startswith(("→", ">"))]
            assert f" {each.name} " in f"{line} "
            y = plain(rows).splitlines().index(line)
            assert offer_at(offers, cursor, canvas, y) == cursor
            assert ("- because" in line.replace("–", "-")) == (bool(each.why_not) and size[0] > 50)


def test_every_key_of_every_pane_and_of_the_app_is_offered_once():
    async def scenario(app, pilot):
        await press(app, pilot, "3", "ctrl+p")
        found = [(each.group, each.keys, each.name) for each in offered(app)]
        assert len(found) == len(set(found))
        wanted = {
            (pane.TITLE, each.key_display, each.description)
            for pane in app.panes.values()
            for each in pane.BINDINGS
            if isinstance(each, Binding)
        }
        assert wanted <= set(found)
        assert {name for group, _keys, name in found if group == "everywhere"} == {
            each.description for each in app.BINDINGS
        }
        # This pane's come first.
        assert found[0][0] == "P/D"
        # And the page's own keys lead out of it again.
        await press(app, pilot, "ctrl+p")
        assert len(app.screen_stack) == 1

    run(DATA / "csv_only", scenario)


def test_an_action_of_another_pane_is_done_there_once_it_has_its_data():
    async def scenario(app, pilot):
        await press(app, pilot, "2", "ctrl+p", *"its", "space", *"time")
        assert "zoom all panes to the life" in screen_text(app)
        await press(app, pilot, "enter")
        assert app.current.TITLE == "Requests"
        assert app.selection.window is not None
        # Of several of a name that of the pane shown comes first.
        await press(app, pilot, "2", "ctrl+p", *"whatif", "enter")
        assert "DP · What-if: routing" in screen_text(app)
        await press(app, pilot, "2", "ctrl+p", *"what-if", "space", *"experts", "enter")
        # What needs the iterations waits for them.
        assert app.current.TITLE == "What-if"
        assert "EP · What-if" in screen_text(app)

    run(DEMO, scenario)


def test_what_cannot_work_now_says_why_and_stays():
    async def scenario(app, pilot):
        whys = {(each.group, each.name): each.why_not for each in offered_by(app)}
        assert whys["DP", "before"] == "no baseline (--baseline BEFORE)"
        assert whys["EP", "view"].startswith("not here: expert heat")
        assert whys["Requests", "only in window"] == "no window is selected: + in any pane"
        app.select(window=(0, 1))
        assert {each.name: each.why_not for each in offered_by(app)}["only in window"] == ""
        assert whys["DP", "metric"] == whys["Overview", "details"] == ""
        await press(app, pilot, "ctrl+p", *"compare", "enter")
        assert isinstance(app.screen, ActionsPage)
        assert "– no baseline" in screen_text(app)

    def offered_by(app):
        return [each for pane in app.panes.values() for each in pane_offers(pane, lambda *_given: None)]

    run(DATA / "vllm_small", scenario)
