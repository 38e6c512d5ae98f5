"""The P/D pane in the app: keys, shared selection, chart and pages."""

import asyncio
from pathlib import Path

import pytest

from lbtui.render.capabilities import Capabilities
from lbtui.render.palette import selected
from lbtui.render.text import plain
from lbtui.ui.app import LbtuiApp
from lbtui.ui.kit.pages import TextPage
from lbtui.ui.opening import Asked
from tests.tools.driving import settled

DATA = Path(__file__).parent.parent / "data"


def session(path, play, size=(120, 32)):
    """Run the app on `path`, open the pane, and let `play(app, pane, press)` use it."""

    async def run():
        app = LbtuiApp(Asked(path), Capabilities("256"))
        async with app.run_test(size=size) as pilot:

            async def press(*keys):
                for key in keys:
                    await pilot.press(key)
                    await settle()

            async def settle():
                await settled(app, pilot)

            press.settle, press.pilot = settle, pilot
            await settle()
            await press("3")
            await play(app, app.panes["3"], press)

    asyncio.run(run())


def shown(pane):
    return plain([list(strip) for strip in pane._strips])


def test_one_key_leads_to_the_node_that_got_too_much_and_moves_are_shared():
    async def play(app, pane, press):
        assert "whole run: 71 % of prefills, 1.42× mean" in shown(pane)
        await press("down", "l", "j")
        table = pane._data.table
        assert app.selection.node == "10.20.1.11:1025"
        assert app.selection.time == int(table.starts[6])
        app.select(time=int(table.starts[2]) + 1, node="10.20.0.11:1025")
        await press.settle()
        assert "08:00:10 · 10.20.0.11:1025 prefill: 2 added, 2 ended, 0 running" in shown(pane)
        app.select(window=(int(table.starts[4]), int(table.starts[4]) + 9_000_000))
        await press.settle()
        assert "08:00:20–08:00:30 lit" in shown(pane)
        await press("n")
        assert "08:00:20 · 10.20.0.12:1025" in shown(pane)

    session(DATA / "pd_ep", play)


def test_metric_chart_and_hand_offs_and_escape_leaves_them_one_by_one():
    async def play(app, pane, press):
        await press("m", "m", "c")
        assert "requests running at the end of each 5 s" in shown(pane)
        drawn = pane._chart
        await press("down")
        assert pane._chart is drawn
        await press("t")
        assert "KV pull per decode rank" in shown(pane)
        before = app.selection
        await press("down")
        assert app.selection == before
        await press("escape")
        assert "KV pull" not in shown(pane)
        await press("escape")
        assert "requests running at the end" not in shown(pane)
        assert app._current == "3"
        await press("escape")
        assert app._current == "1"

    session(DATA / "pd_ep", play)


def test_the_chart_names_every_node_and_marks_the_cursors_bin_and_node():
    async def play(app, pane, press):
        await press("c")
        before = shown(pane).splitlines()
        hosts = pane._data.table.hosts
        assert all(any(f" {host}" in line for line in before[2:4]) for host in hosts)

        def lit():
            rows = [list(strip) for strip in pane._strips][2:4]
            return [s.text.split()[-1] for row in rows for s in row if s.style == selected(app.caps)]

        assert lit() == [hosts[pane._state.node]]
        await press("right")
        assert lit() == [hosts[pane._state.node]]
        lines = shown(pane).splitlines()
        await press("down")
        assert shown(pane).splitlines()[4:12] != lines[4:12], "the cursor went on"

    session(DATA / "pd_ep", play, size=(80, 32))


def test_filters_a_page_and_a_click():
    async def play(app, pane, press):
        await press("slash", *"1.13", "enter")
        assert 'filter "1.13": 1 of 6 nodes' in shown(pane)
        await press("enter")
        assert isinstance(app.screen, TextPage)
        await press("escape", "escape")
        assert "filter" not in shown(pane)
        await press("p")
        assert "prefill only" in shown(pane)
        lines = shown(pane).splitlines()
        y = next(i for i, line in enumerate(lines) if line.startswith(" 08:00:10"))
        await press.pilot.click(pane, offset=(12, y))
        await press.settle()
        assert "08:00:10 · 10.20.0.11:1025" in shown(pane)
        await press("d")
        assert shown(pane).count(" end ") == 0

    session(DATA / "pd_ep", play)


@pytest.mark.parametrize("size", [(80, 24), (60, 20)])
def test_without_nodes_every_key_is_harmless_and_the_reason_stands_there(size):
    async def play(app, pane, press):
        text = shown(pane)
        assert "No data" in text
        await press(*"mtcpdn", "slash", "enter", "up", "left", "pagedown", "end")
        assert shown(pane) == text

    session(DATA / "csv_only", play, size)


def test_a_key_draws_the_pane_once_and_rows_that_stay_keep_their_strips(monkeypatch):
    async def play(app, pane, press):
        drawn = []
        picture = pane.picture
        monkeypatch.setattr(pane, "picture", lambda *size: drawn.append(size) or picture(*size))
        for key in ("down", "right", "m", "up", "left", "n"):
            drawn.clear()
            before = pane._strips
            await press(key)
            assert len(drawn) == 1, key
            assert any(old is new for old, new in zip(before, pane._strips, strict=True)), key
            assert [list(strip) for strip in pane._strips] == picture(*pane.size), key

    session(DATA / "pd_ep", play)
