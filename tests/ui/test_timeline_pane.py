"""The Timeline pane driven: keys, what it reads when, and what it shares with the other panes."""

import asyncio
import threading
from pathlib import Path

import pytest

import lbtui
from lbtui.profile import micros
from lbtui.render.capabilities import Capabilities
from lbtui.render.text import plain
from lbtui.sources.timeline import database
from lbtui.ui.app import LbtuiApp
from lbtui.ui.opening import Asked
from tests.sources.recorded import lay_out, state_of
from tests.terminal.driven import press, screen_text
from tests.tools.driving import settled

DEMO = Path(lbtui.__file__).parent / "demo" / "output"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return lay_out(tmp_path_factory.mktemp("timeline") / "output", "timeline/profiler.db")


def run(scenario, path, size=(120, 32), pane="7"):
    async def whole():
        app = LbtuiApp(Asked(path), Capabilities("256"))
        async with app.run_test(size=size) as pilot:
            await settled(app, pilot)
            if pane:
                await press(app, pilot, pane)
            await scenario(app, pilot)

    asyncio.run(whole())


def text_of(app):
    return plain(app.current.picture(*app.current.size))


def test_a_request_is_followed_from_a_slice_step_by_step_and_no_more(folder):
    async def scenario(app, pilot):
        pane = app.current
        await press(app, pilot, "slash", *"round", "space", *"p0", "enter")
        await press(app, pilot, "n", "home", "l")
        # The first round of the prefill node, wherever the cursor is.
        shown = pane._shown
        begin = int(pane.data.slices.start[pane.data.slices.offsets[shown.all_lines[0].place]])
        app.select(time=begin // 1000 + 1)
        await press(app, pilot, "f")
        way = pane.state.way
        assert way is not None
        assert app.selection.request == way.request
        assert "following endpoint_common_" in text_of(app)
        # The filter would hide most of it.
        assert pane.state.text == ""
        starts = [int(pane.data.slices.start[index]) for index in way.slices]
        assert starts == sorted(starts)
        for step in (1, 2, 3):
            await press(app, pilot, "n")
            assert pane.state.way.step == step
            assert app.selection.time == starts[step] // 1000
            assert f"step {step + 1} of {len(starts)}" in text_of(app)
        await press(app, pilot, "N", "N", "N", "N")
        assert pane.state.way.step == len(starts) - 1
        await press(app, pilot, "o")
        tracks = {pane.data.slices.track_of(index) for index in way.slices}
        assert {line.place for line in pane._shown.all_lines} == tracks
        await press(app, pilot, "escape")
        assert pane.state.way is None
        assert app.selection.request is None
        assert len(pane._shown.all_lines) > len(tracks)

    run(scenario, folder)


def test_requests_lead_to_the_timeline_of_a_request():
    async def scenario(app, pilot):
        request = app.current._shown.request
        await press(app, pilot, "f")
        pane = app.current
        assert pane.KEY == "7"
        assert pane.state.way.request == request["request_id"] == app.selection.request
        begin, end = app.selection.window
        assert begin <= micros(request["arrival"]) < end
        # And the window is that of the other panes.
        await press(app, pilot, "2")
        assert app.current.state.window == (begin, end)

    run(scenario, DEMO, pane="5")


def test_domain_and_time_are_those_of_the_other_panes(folder):
    async def scenario(app, pilot):
        pane = app.current
        await press(app, pilot, "n")
        domain = app.selection.domain
        assert domain == pane.data.slices.tracks[pane._shown.all_lines[pane._shown.row].place].domain
        other = next(
            one.domain for one in pane.data.slices.tracks if one.kind == "card" and one.domain != domain
        )
        time = pane.data.whole[0] + 2_000_000
        app.select(domain=other, time=time)
        await settled(app, pilot)
        line = pane._shown.all_lines[pane._shown.row]
        assert pane.data.track(line).domain == other
        assert pane.data.track(line).kind == "card"
        assert pane._shown.time == time

    run(scenario, folder)


def test_no_pane_minds_a_window_of_some_microseconds(folder):
    async def scenario(app, pilot):
        for _time in range(30):
            await pilot.press("plus")
        await settled(app, pilot)
        begin, end = app.selection.window
        assert end - begin == app.current._shown.at.columns
        for key in ("l", "l", "h"):
            before = app.selection.time
            await press(app, pilot, key)
            assert abs(app.selection.time - before) == 1
        for pane in ("2", "3", "4", "5", "1", "7"):
            await press(app, pilot, pane, "l", "h", "plus", "minus", "j", "k")
            assert screen_text(app)
        await press(app, pilot, "0")
        assert app.selection.window is None

    run(scenario, folder)


def test_enter_tells_all_of_a_slice_and_leads_on(folder):
    async def scenario(app, pilot):
        pane = app.current
        await press(app, pilot, "slash", *"card", "space", *"p0", "enter", "home")
        track = pane._shown.all_lines[0].place
        index = next(
            i
            for i in range(*(int(pane.data.slices.offsets[track + k]) for k in (0, 1)))
            if pane.data.slices.names[pane.data.slices.name[i]] == "forward"
        )
        pane._go_to(index)
        await press(app, pilot, "enter")
        page = screen_text(app)
        assert "forward · p0-" in page
        assert "1 request · Enter follows it" in page
        assert "batch_size" in page
        request = next(line.strip() for line in page.splitlines() if "endpoint_common" in line)
        await press(app, pilot, "enter")
        assert pane.state.way.request == request.split()[0]

    run(scenario, folder)


def test_a_bubble_has_a_page_too_and_its_lines_lead_to_slices(folder):
    async def scenario(app, pilot):
        pane = app.current
        await press(app, pilot, "n", "enter")
        assert "bubble" in screen_text(app)
        assert "what its domain does meanwhile" in screen_text(app)
        await press(app, pilot, "down", "enter")
        assert pane.state.picked is not None

    run(scenario, folder)


def test_marks_ranges_pins_and_alignment(folder):
    async def scenario(app, pilot):
        pane = app.current
        await press(app, pilot, "apostrophe")
        assert "No mark is set" in screen_text(app)
        await press(app, pilot, "escape", "n")
        at = app.selection.time
        await press(app, pilot, "x", *"slow", "enter")
        assert [mark.name for mark in pane.state.marks] == ["slow"]
        await press(app, pilot, "l", "l", "l", "x", "enter", "l", "apostrophe", "enter")
        assert app.selection.time == at
        await press(app, pilot, "v", "l", "l", "l", "l", "v")
        assert "range" in text_of(app).splitlines()[0]
        await press(app, pilot, "t")
        assert text_of(app).startswith(" range")
        assert "forward" in text_of(app)
        await press(app, pilot, "j", "G", "g", "t", "v", "p", "j", "p")
        assert len(pane.state.pins) == 2
        await press(app, pilot, "p", "a", "j", "a")
        assert pane.state.anchor is None
        # Everything is left again.
        for _time in range(6):
            await press(app, pilot, "escape")
        assert app.current.KEY == "1"

    run(scenario, folder)


def test_of_a_large_file_a_sample_stands_until_all_is_read_and_nothing_is_written(folder, monkeypatch):
    monkeypatch.setattr(database, "LARGE", 1)
    monkeypatch.setattr(database, "_PIECES", 30)
    go = threading.Event()
    real = database.DatabaseSlices.read

    def held(self, progress):
        assert go.wait(60)
        return real(self, progress)

    monkeypatch.setattr(database.DatabaseSlices, "read", held)
    before = state_of(folder)

    async def scenario(app, pilot):
        while "a sample" not in text_of(app):
            await pilot.pause()
        pane = app.current
        assert pane.data.slices.sampled
        assert "~" in text_of(app)
        # What is asked for meanwhile is done then.
        pane._follow("endpoint_common_3")
        assert "once all is read" in text_of(app)
        go.set()
        await settled(app, pilot)
        assert not pane.data.slices.sampled
        assert "a sample" not in text_of(app)
        assert pane.state.way.request == "endpoint_common_3"
        assert any(one.domain for one in pane.data.slices.tracks)

    async def whole():
        app = LbtuiApp(Asked(folder), Capabilities("256"))
        async with app.run_test(size=(120, 32)) as pilot:
            while "7" not in app.panes:
                await pilot.pause()
            await pilot.press("7")
            await scenario(app, pilot)

    asyncio.run(whole())
    assert state_of(folder) == before


def test_what_no_slice_names_is_said(folder):
    async def scenario(app, pilot):
        app.current._follow("nobody")
        await settled(app, pilot)
        assert "no slice names nobody" in text_of(app)
        await press(app, pilot, "escape")
        assert "nobody" not in text_of(app)

    run(scenario, folder)


def test_a_click_goes_to_track_and_time(folder):
    async def scenario(app, pilot):
        pane = app.current
        shown = pane._shown
        await pilot.click(pane, offset=(shown.at.label + 10, 2 + 5))
        await settled(app, pilot)
        assert pane._shown.row == 5
        assert pane._shown.column == 10

    run(scenario, folder)
