import asyncio
import re
import threading
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
from textual.events import MouseScrollDown

from lbtui import cli
from lbtui.profile import Loaded, LoadedSeries, Profile
from lbtui.profile.once import Once
from lbtui.render.capabilities import Capabilities
from lbtui.render.text import plain
from lbtui.sources import open_profile
from lbtui.sources.experts.placement import read_placement
from lbtui.thresholds import Offer, Thresholds
from lbtui.ui.app import LbtuiApp
from lbtui.ui.help import help_text
from lbtui.ui.opening import Asked
from lbtui.ui.panes.ep import loading as ep_along
from tests.terminal.driven import screen_text
from tests.tools.driving import settled

pytestmark = pytest.mark.usefixtures("read_once")

ROOT = Path(__file__).parents[2]
DEMO = ROOT / "lbtui" / "demo" / "output"
PICTURES = ROOT / "tests" / "data" / "pd_ep_png"


def shown(app):
    pane = app.panes["4"]
    return plain(pane.picture(*pane.size)).splitlines()


def run(path, scenario, size=(120, 32), baseline=None):
    async def whole():
        app = LbtuiApp(Asked(path, baseline=baseline), Capabilities("256"))
        async with app.run_test(size=size) as pilot:
            await settled(app, pilot)
            await pilot.press("4")
            await settled(app, pilot)
            await scenario(app, pilot)

    asyncio.run(whole())


def test_one_key_from_the_start_stands_on_the_hot_rank_and_enter_shows_its_experts():
    async def scenario(app, pilot):
        assert "· rank 3 ·" in shown(app)[-1]
        # Nothing was chosen yet, so nothing is said to the other panes.
        assert app.selection.rank is None
        await pilot.press("enter")
        assert "experts of rank 3" in shown(app)[0]
        assert "rank 3 slot" in shown(app)[-1]
        assert app.selection.rank == 3
        await pilot.press("L")
        assert "experts of rank 4" in shown(app)[0]
        assert app.selection.rank == 4
        await pilot.press("escape")
        assert shown(app)[0].startswith("rank × layer")
        assert "· rank 4 ·" in shown(app)[-1]
        assert app.current is app.panes["4"]
        await pilot.press("escape")
        assert app.current is app.panes["1"]

    run(DEMO, scenario)


def test_v_period_scale_and_cursor_keys():
    async def scenario(app, pilot):
        layer = app.panes["4"]._state.layer
        await pilot.press("v", "v")
        assert shown(app)[0].startswith("model expert × layer · period 0 (1 of 3)")
        assert f"layer {layer} · expert 37" in shown(app)[-1]
        await pilot.press("]", "C")
        assert "period 1 (2 of 3)" in shown(app)[0]
        assert any("× mean, this period" in line for line in shown(app))
        assert app.selection.period == 1
        await pilot.press("[", "0", "plus")
        assert "period 0 (1 of 3)" in shown(app)[0]
        assert "max of" not in shown(app)[0]
        await pilot.press("j", "l", "up", "left")
        assert app.selection.layer == layer
        await pilot.press("v", "v")
        assert shown(app)[0].startswith("fast/slow ranks")
        await pilot.press("down")
        assert app.panes["4"]._state.process == app.panes["4"]._data.intervals[1].column

    run(DEMO, scenario)


def test_a_click_moves_the_cursor_and_the_wheel_scrolls():
    async def scenario(app, pilot):
        pane = app.panes["4"]
        top = next(y for y, line in enumerate(shown(app)) if line.lstrip().startswith("0 "))
        labels = shown(app)[top - 1]
        await pilot.click(pane, offset=(labels.index(" 6 ") + 2, top + 2))
        assert "· rank 6 ·" in shown(app)[-1]
        layer = app.selection.layer
        rows = pane._view.rows_per_cell
        assert layer // rows // 2 == 2
        wheel = dict.fromkeys(("x", "y", "delta_x", "delta_y", "button"), 0)
        pane.post_message(MouseScrollDown(pane, **wheel, shift=False, meta=False, ctrl=False))
        await pilot.pause()
        assert app.selection.layer // rows == layer // rows + 3

    run(DEMO, scenario)


def test_follows_what_another_pane_selects():
    async def scenario(app, pilot):
        app.select(rank=1, layer=22, period=2)
        await pilot.pause()
        reading = shown(app)[-1]
        tokens = (
            open_profile(DEMO)
            .load("expert_heat")
            .frame.filter(view="rank", rank=1, layer=22, period=2)
            .select(pl.col("tokens"))
            .item()
        )
        assert reading.startswith("layer 22 · rank 1 ·")
        assert f"· {tokens:,} tokens ·" in reading

    run(DEMO, scenario)


def test_pictures_alone_open_and_the_missing_views_are_explained_in_the_help():
    async def scenario(app, pilot):
        await pilot.press("v", "v", "v")
        assert "not here: GroupedMatmul time, fast/slow ranks" in shown(app)[0]
        page = help_text(app.panes["4"], app.BINDINGS).plain
        assert "record with MSPTI collection" in page
        for line in ("max / mean", "99.5 % quantile", "95 % t-interval", "INVERTED"):
            assert line in page

    run(PICTURES, scenario, (80, 24))


def test_a_profile_without_experts_says_how_to_collect_them():
    async def scenario(app, pilot):
        assert shown(app)[0] == " No expert load in this profile."
        assert any("eplb_observe" in line for line in shown(app))
        await pilot.press("v", "n", "right", "enter", "plus", "C", "I", "]", "L")
        assert shown(app)[0] == " No expert load in this profile."

    run(ROOT / "tests" / "data" / "csv_only", scenario)


def test_stepping_along_the_iterations_and_back_out():
    async def scenario(app, pilot):
        assert any("over time: 10 iterations" in line for line in shown(app))
        await pilot.press(".", ".")
        assert "iteration 1 · period 0" in shown(app)[0]
        await pilot.press(",", "m")
        assert "iteration 0 · period 0 (1 of 3) · tokens" in shown(app)[0]
        await pilot.press("]")
        assert "rank × layer · period 1" in shown(app)[0]
        await pilot.press(".", "escape")
        assert "rank × layer · period 1" in shown(app)[0]
        assert app.current is app.panes["4"]

    run(DEMO, scenario)


def test_running_goes_on_to_the_end_and_escape_stops_it(monkeypatch):
    # The test turns the crank itself.
    monkeypatch.setattr(ep_along, "_FRAME_SECONDS", 3600)

    async def scenario(app, pilot):
        pane = app.panes["4"]
        await pilot.press("space")
        assert pane._playing is not None
        pane._play()
        assert "iteration 1 " in shown(app)[0]
        await pilot.press("escape")
        assert pane._playing is None
        assert pane._state.span is not None
        await pilot.press("space")
        for _frame in range(12):
            pane._play()
        assert pane._playing is None
        # The last has no tokens: `.` still goes there.
        assert "iteration 8 " in shown(app)[0]
        await pilot.press("space")
        assert pane._playing is None
        await pilot.press(".")
        assert "iteration 9 " in shown(app)[0]
        await pilot.press("escape")
        assert pane._state.span is None

    run(DEMO, scenario)


def test_the_reading_of_iterations_is_told_cancelled_and_taken_up_again(monkeypatch):
    gate, read = threading.Event(), Profile.load_expert_series
    failing = []

    def slow(profile, progress):
        assert gate.wait(20)
        progress.advance("chrome_tracing.json", 1, 2)
        if failing:
            raise RuntimeError(failing.pop())
        return read(profile, progress)

    async def scenario(app, pilot):
        pane = app.panes["4"]
        monkeypatch.setattr(Profile, "load_expert_series", slow)
        pane._read_iterations()
        assert "reading iterations …, Escape cancels" in shown(app)[0]
        await pilot.press("escape")
        assert "iterations not read, R reads them" in shown(app)[0]
        gate.set()
        failing.append("no such \x1b[31mtable")
        await pilot.press("R")
        await settled(app, pilot)
        assert "could not be read: RuntimeError: no such \\x1b[31mtable; R tries again" in shown(app)[0]
        await pilot.press("R")
        await settled(app, pilot)
        assert "iterations" not in shown(app)[0]
        assert app.panes["4"]._state.behind == ""

    run(DEMO, scenario, (200, 50))


def what_if(app):
    assert app.current.TITLE == "What-if"
    return plain(app.current.picture(*app.current.size))


def test_what_if_asks_answers_and_returns():
    async def scenario(app, pilot):
        await pilot.press("w")
        await settled(app, pilot)
        assert "DeepSeek's EPLB, global · R = 24 redundant experts for 128 · 8 ranks" in what_if(app)
        assert "No such gain is to be expected" in what_if(app)
        await pilot.press("minus", "down")
        await settled(app, pilot)
        assert "R = 16 redundant" in what_if(app)
        assert "computing" not in what_if(app)
        await pilot.press("0")
        await settled(app, pilot)
        assert "R = 24 redundant" in what_if(app)
        await pilot.press("minus", "minus", "minus")
        await settled(app, pilot)
        assert "This placement makes the worst layer worse" in what_if(app)
        await pilot.press("r", "backspace", "7", "enter")
        await settled(app, pilot)
        assert "R = 5 redundant experts for 128 · 7 ranks" in what_if(app)
        assert "moves unknown: other ranks than in use" in what_if(app)
        await pilot.press("p")
        await settled(app, pilot)
        assert "hierarchical" in what_if(app)
        await pilot.press("D", "backspace", "2", "enter")
        await settled(app, pilot)
        assert "7 ranks cannot be shared evenly by 2 nodes." in what_if(app)
        await pilot.press("e", "4", "4", "enter")
        await settled(app, pilot)
        assert "44 MiB an expert" in what_if(app)
        await pilot.press("escape")
        assert app.current is app.panes["4"]

    run(DEMO, scenario)


def test_what_if_ends_in_a_verdict_and_a_page_has_what_it_rests_on():
    async def scenario(app, pilot):
        for keys in (("w",), ("e", *"44", "enter"), ("T", *"200", "enter")):
            await pilot.press(*keys)
            await settled(app, pilot)
        assert "Not enough evidence: load stays on its ranks" in " ".join(what_if(app).split())
        await pilot.press("i")
        await settled(app, pilot)
        page = " ".join(screen_text(app).split())
        assert "Not enough evidence: load stays on its ranks" in page
        assert "989 of them to one rank: 1.8 s at 44 MiB an expert and 200 Gbit/s" in page
        await pilot.press("escape")
        assert app.current.TITLE == "What-if"

    run(DEMO, scenario)


def test_what_if_takes_size_and_link_of_the_command_line():
    async def scenario(app, pilot):
        await pilot.press("4", "w")
        await settled(app, pilot)
        assert "44 MiB an expert · 200 Gbit/s" in what_if(app)

    thresholds = Thresholds(offer=Offer(44.0, 200.0))

    async def whole():
        app = LbtuiApp(Asked(DEMO, thresholds=thresholds), Capabilities("256"))
        async with app.run_test(size=(120, 40)) as pilot:
            await settled(app, pilot)
            await scenario(app, pilot)

    asyncio.run(whole())


def test_what_if_stands_in_the_frame_of_the_app():
    async def scenario(app, pilot):
        top, bottom = app.query_one("TopBar"), app.query_one("BottomBar")
        # Typed at once: the second and third key wait until it stands.
        for key in ("w", "question_mark"):
            await pilot.press(key)
        page = str(app.screen.query_one(".page-text").render())
        assert "recommended R" in page
        await pilot.press("escape")
        await settled(app, pilot)
        assert " 4 EP · What-if " in plain(top.picture(120, 2))
        assert "+ - 0 redundant  " in plain(bottom.picture(120, 1))
        place = plain(top.picture(120, 2)).splitlines()[1].index("Requests")
        await pilot.click(top, offset=(place, 1))
        assert app.current is app.panes["5"]
        await pilot.press("4", "w", "4")
        assert app.current is app.panes["4"]
        assert " 4 EP  " in plain(top.picture(120, 2))
        await pilot.press("w", "tab")
        assert app.current is app.panes["5"]
        await pilot.press("4", "w", "R")
        await settled(app, pilot)
        assert app.current is app.panes["4"]
        assert len(app.query("WhatIfPane")) == 0

    run(DEMO, scenario)


def test_what_if_without_iterations_says_why():
    async def scenario(app, pilot):
        await pilot.press("w")
        await settled(app, pilot)
        assert "no expert heat by iteration" in what_if(app)
        await pilot.press("plus", "0", "p", "r", "e", "E", "down", "escape")
        assert app.current is app.panes["4"]

    run(PICTURES, scenario, (80, 24))


def test_each_side_has_its_own_iterations_and_a_difference_none():
    async def scenario(app, pilot):
        await pilot.press(".")
        assert "iteration 0 " in shown(app)[0]
        await pilot.press("b")
        assert shown(app)[0].startswith(" before ")
        assert "iteration" not in shown(app)[0]
        assert any("over time: 10 iterations" in line for line in shown(app))
        await pilot.press(".", "b")
        assert shown(app)[0].startswith(" difference ")
        assert not any("over time" in line for line in shown(app))
        await pilot.press(".", "space", "w")
        await settled(app, pilot)
        assert "redundant experts for 128 · 8 ranks" in what_if(app)
        await pilot.press("escape", "b")
        assert shown(app)[0].startswith(" after ")
        assert any("over time: 10 iterations" in line for line in shown(app))

    run(DEMO, scenario, baseline=DEMO)


def test_escape_cancels_the_reading_of_iterations_and_leaves_the_maps():
    async def scenario(app, pilot):
        pane = app.panes["4"]
        pane._phases = {p: {s: replace(d, over={}) for s, d in by.items()} for p, by in pane._phases.items()}
        pane._read_iterations()
        assert pane.cancel()
        assert not pane.cancel()
        await settled(app, pilot)
        assert shown(app)[0].startswith("rank × layer")

    run(DEMO, scenario)


def test_prefill_decode_and_both_where_phases_are_told_apart():
    """The demo's experts as two phases: decode has twice the tokens of prefill."""
    profile = open_profile(DEMO)
    heat = profile.load("expert_heat").frame
    (whole,) = profile.load_expert_series().series

    def phase(name, times):
        own = heat.with_columns(tokens=pl.col("tokens") * times, phase=pl.lit(name))
        return own, replace(whole, phase=name, tokens=whole.tokens * times)

    parts = [phase("prefill", 1), phase("decode", 2)]
    loaded = Loaded(pl.concat([own for own, _series in parts]))

    async def scenario(app, pilot):
        pane = app.panes["4"]
        profile._frames["expert_heat"] = Once(lambda _progress: loaded)
        profile.source.load_series = lambda _progress: LoadedSeries(tuple(series for _own, series in parts))
        pane.renew(profile)
        await settled(app, pilot)
        tokens = {}
        for name in ("prefill and decode", "prefill", "decode"):
            assert f"· {name} · p" in shown(app)[0]
            reading = shown(app)[-1]
            tokens[name] = int(re.search(r"([\d,]+) tokens", reading)[1].replace(",", ""))
            # Each phase has iterations of its own, so together they have none.
            assert any("over time" in line for line in shown(app)) == (name != "prefill and decode")
            await pilot.press("w")
            await settled(app, pilot)
            page = what_if(app)
            assert f"held out ({10 if name == 'prefill and decode' else 5})" in page
            assert f"experts · {name} · 8 ranks" in page
            await pilot.press("escape", "p")
        assert tokens["decode"] == 2 * tokens["prefill"]
        assert tokens["prefill and decode"] == 3 * tokens["prefill"]
        app.select(instance="experts decode", rank=5)
        await pilot.pause()
        assert "· decode · period 0" in shown(app)[0]
        assert "· rank 5 ·" in shown(app)[-1]

    run(DEMO, scenario)


def test_what_if_saves_its_placement_outside_the_profile(tmp_path):
    async def scenario(app, pilot):
        app.outlets = cli._outlets()
        await pilot.press("p", "w")
        await settled(app, pilot)
        await pilot.press("p", "p")
        await settled(app, pilot)
        await pilot.press("E")
        assert "the placement in use" in what_if(app)
        assert "Nothing to save" in what_if(app)
        await pilot.press("p")
        await settled(app, pilot)
        await pilot.press("E")
        await settled(app, pilot)
        for name in (DEMO / "map.json", tmp_path / "map.json"):
            app.screen.query_one("Input").value = str(name)
            await pilot.press("enter")
            await settled(app, pilot)
        assert "saved as" in what_if(app)
        table = read_placement(tmp_path / "map.json").experts
        assert table.reshape(58, -1).tolist() == app.current.state.outcome.found.placement.tolist()
        await pilot.press("plus")
        await settled(app, pilot)
        assert "saved as" not in what_if(app)
        assert not (DEMO / "map.json").exists()

    run(DEMO, scenario)
