import asyncio
import threading
from pathlib import Path

import polars as pl
import pytest

from lbtui.profile import Loaded, Profile, SourceFile, empty
from lbtui.render.capabilities import Capabilities
from lbtui.render.text import plain
from lbtui.ui.app import LbtuiApp
from lbtui.ui.pages import TextPage
from lbtui.ui.pane import Stage
from tests.tools.driving import settled

ROOT = Path(__file__).parents[2]
DEMO = ROOT / "lbtui" / "demo" / "output"


def shown(app):
    pane = app.panes["1"]
    return plain(pane.picture(*pane.size))


def run(path, size, scenario):
    async def whole():
        app = LbtuiApp(path, Capabilities("256", True))
        async with app.run_test(size=size) as pilot:
            await settled(app, pilot)
            await scenario(app, pilot)

    asyncio.run(whole())


@pytest.mark.parametrize(
    ("line", "key", "expected"),
    [
        ("DP batch", "2", {"domain": "mindie-server-d0/dp5"}),
        ("KV used", "2", {"domain": "mindie-server-d0/dp2"}),
        ("P added", "3", {"node": "10.20.0.12:1025"}),
        ("Experts", "4", {"layer": 10}),
    ],
)
def test_enter_goes_where_the_line_is_worst(line, key, expected):
    async def scenario(app, pilot):
        labels = [found.label for found in app.panes["1"]._known.lines]
        for _step in range(labels.index(line)):
            await pilot.press("down")
        assert f"> {line}" in shown(app)
        await pilot.press("enter")
        assert app.current is app.panes[key]
        assert {name: getattr(app.selection, name) for name in expected} == expected
        if key == "2":
            begin, end = app.panes["1"]._known.window
            assert begin < app.selection.time < end

    run(DEMO, (120, 32), scenario)


def test_identity_and_notes_stand_in_the_first_line():
    async def scenario(app, pilot):
        top = app.query_one("#top")
        first = plain(top.picture(*top.size)).splitlines()[0]
        assert first.startswith("output · 6 hosts · 2026-03-02 10:00:00–10:01:59")
        assert first.endswith(f"{len(app.panes['1']._known.notes)} notes")

    run(DEMO, (200, 50), scenario)


def test_the_cursor_walks_into_the_lists_and_enter_shows_all_there_is_to_say():
    async def scenario(app, pilot):
        await pilot.press("end")
        assert app.panes["1"]._known.notes[-1].text[:40] in " ".join(shown(app).split())
        await pilot.press("enter")
        assert isinstance(app.screen, TextPage)
        await pilot.press("escape")
        await pilot.press("home")
        assert "> DP batch" in shown(app)

    run(DEMO, (80, 24), scenario)


def test_right_and_left_read_values_out_and_share_the_instant():
    async def scenario(app, pilot):
        await pilot.press("right")
        first = app.selection.time
        place = app.panes["1"]._known.lines[0].place
        assert place.start <= first <= place.end
        await pilot.press("right")
        assert app.selection.time > first
        await pilot.press("left")
        assert app.selection.time == pytest.approx(first, abs=2)
        assert "requests a step" in shown(app)

    run(DEMO, (80, 24), scenario)


def test_a_click_moves_the_cursor():
    async def scenario(app, pilot):
        pane = app.panes["1"]
        y = next(i for i, row in enumerate(shown(app).splitlines()) if row.startswith("  P added"))
        await pilot.click(pane, offset=(5, y))
        assert "> P added" in shown(app)

    run(DEMO, (120, 32), scenario)


def slow_profile(tmp_path, gate, entered):
    """A profile whose nodes arrive only when the gate is opened, told cancelled from within."""

    def nodes(progress):
        entered.set()
        assert gate.wait(20)
        progress.advance("coordinator.csv", 1, 2)
        return Loaded(empty("nodes"))

    def requests(_progress):
        frame = pl.DataFrame({"request_id": ["a"], "ttft": [12.5], "arrival": [0]}).with_columns(
            pl.col("arrival").cast(pl.Datetime("us"))
        )
        return Loaded(pl.concat([empty("requests"), frame], how="diagonal"))

    file = SourceFile(tmp_path / "coordinator.csv", "coordinator.csv", "csv", 10)
    return Profile(tmp_path, (file,), loaders={"nodes": nodes, "requests": requests})


def test_shows_what_it_has_while_reading_and_escape_cancels(tmp_path, monkeypatch):
    gate, entered = threading.Event(), threading.Event()
    profile = slow_profile(tmp_path, gate, entered)
    monkeypatch.setattr("lbtui.sources.open_profile", lambda _path: profile)

    async def whole():
        app = LbtuiApp(tmp_path, Capabilities("256", True))
        async with app.run_test(size=(80, 24)) as pilot:
            while not entered.is_set():
                await pilot.pause()
            await pilot.pause()
            pane = app.panes["1"]
            assert pane.stage is Stage.LOADING
            assert "reading nodes …" in shown(app)
            assert "coordinator.csv" in shown(app)
            assert "no forward pass is recorded" in shown(app)
            await pilot.press("escape")
            assert pane.stage is Stage.CANCELLED
            assert "cancelled" in shown(app)
            gate.set()
            await settled(app, pilot)
            assert pane.stage is Stage.CANCELLED
            assert "12.5 ms" not in shown(app)
            await pilot.press("R")
            await settled(app, pilot)
            assert pane.stage is Stage.READY
            assert "p95 12.5 ms" in shown(app)

    asyncio.run(whole())


def test_help_states_the_formula_of_every_line():
    async def scenario(app, pilot):
        pane = app.panes["1"]
        names = " ".join(entry.name for entry in pane.help_entries())
        for line in pane._known.lines:
            assert line.label in names
        await pilot.press("question_mark")
        assert isinstance(app.screen, TextPage)

    run(DEMO, (80, 24), scenario)
