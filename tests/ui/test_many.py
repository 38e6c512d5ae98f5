"""The app over many runs: they are shown at once and read beside it, one is opened, two are compared."""

import asyncio
import shutil
from pathlib import Path

import polars as pl
import pytest

from lbtui import cli
from lbtui.cli import main
from lbtui.remembered import Memory
from lbtui.render.capabilities import Capabilities
from lbtui.render.text import plain
from lbtui.ui.app import LbtuiApp
from lbtui.ui.bars import TopBar
from lbtui.ui.kit.pages import TextPage
from lbtui.ui.opening import Asked
from lbtui.ui.panes.runs.pane import RunsPane
from tests.sources.test_optimizer_store import MEASURED, row, store
from tests.terminal.driven import pane_text, press
from tests.tools.driving import settled
from tests.tools.some_runs import write_week

DATA = Path(__file__).parents[1] / "data"


@pytest.fixture(scope="module")
def week(tmp_path_factory):
    return write_week(tmp_path_factory.mktemp("week"))


async def read(app, pilot):
    """Return once all runs are read, and what they tell together is shown."""
    while app.many is None or not app.many.all_read or app.many.shown is not app.many.runs:
        await pilot.pause(0.05)
    await settled(app, pilot)
    while app.many.told != app.many.asked_for:
        await pilot.pause(0.05)
    await settled(app, pilot)


def drive(asked, scenario, size=(140, 32)):
    async def whole():
        app = LbtuiApp(asked, Capabilities("256"))
        async with app.run_test(size=size) as pilot:
            await settled(app, pilot)
            await scenario(app, pilot)
        return app

    return asyncio.run(whole())


def named(app):
    """Return the name of the run under the cursor."""
    return app.current.data.known[app.current._place()].run.name


async def go_to(app, pilot, name):
    await press(app, pilot, "home")
    for _row in app.many.runs:
        if named(app) == name:
            return
        await press(app, pilot, "down")
    raise AssertionError(name)


def top(app):
    return plain(app.screen_stack[0].query_one(TopBar).picture(140, 2))


def test_all_runs_are_shown_and_read(week):
    async def scenario(app, pilot):
        assert isinstance(app.current, RunsPane)
        assert {run.name for run in app.many.runs} == {"a,p_nodes=1/output", "b/output", "c/output", "broken"}
        await read(app, pilot)
        text = pane_text(app)
        assert "batch.csv has no column" in text
        assert "DP 4" in text
        assert "dp.straggler" in text
        assert top(app).startswith(f"4 runs below {week}")
        assert "Overview" not in top(app)
        parameters = {run.name: dict(run.parameters) for run in app.many.runs}
        assert parameters["a,p_nodes=1/output"] == {"p_nodes": 1}
        assert parameters["b/output"] == {"p_nodes": 2}
        # Nothing is open: keys of panes lead nowhere, Escape and q do.
        await press(app, pilot, "2", "tab", "escape")
        assert isinstance(app.current, RunsPane)
        assert app.panes == {}

    drive(Asked(week), scenario)


def test_enter_opens_a_run_and_escape_leads_back(week):
    async def scenario(app, pilot):
        await read(app, pilot)
        await go_to(app, pilot, "b/output")
        await press(app, pilot, "enter")
        await settled(app, pilot)
        assert app.profile.path == week / "b" / "output"
        assert "Overview" in top(app)
        assert app.many.pane is None
        await press(app, pilot, "2", "escape", "escape")
        assert isinstance(app.current, RunsPane)
        assert named(app) == "b/output"
        assert app.profile is None
        assert "dp.straggler" in pane_text(app)
        await press(app, pilot, "enter")
        await settled(app, pilot)
        await press(app, pilot, "O")
        assert isinstance(app.current, RunsPane)

    drive(Asked(week), scenario)


def test_two_that_are_marked_are_compared(week):
    async def scenario(app, pilot):
        await read(app, pilot)
        begun = {run.reading.path: run.begun for run in app.many.runs}
        await go_to(app, pilot, "a,p_nodes=1/output")
        await press(app, pilot, "space")
        await go_to(app, pilot, "c/output")
        await press(app, pilot, "space", "v")
        await settled(app, pilot)
        paths = [app.baseline.path, app.profile.path]
        assert sorted(paths) == [week / "a,p_nodes=1" / "output", week / "c" / "output"]
        assert begun[paths[0]] < begun[paths[1]]
        # The line that opens this names both.
        assert f"--baseline {paths[0]}" in app.link().replace("'", "")
        assert app.current is app.panes["6"]
        assert "step time wasted" in pane_text(app)
        assert "Compare" in top(app)
        await press(app, pilot, "escape")
        assert isinstance(app.current, RunsPane)
        # One that is opened then is compared with nothing.
        await press(app, pilot, "enter")
        await settled(app, pilot)
        assert app.baseline is None
        assert "Compare" not in top(app)
        assert "--baseline" not in app.link()

    drive(Asked(week), scenario)


def test_a_baseline_by_key_and_by_option(week):
    async def by_key(app, pilot):
        await read(app, pilot)
        await go_to(app, pilot, "a,p_nodes=1/output")
        await press(app, pilot, "B")
        await read(app, pilot)
        assert app.many.judged["c/output"].is_worse
        assert not app.many.judged["b/output"].is_worse
        await press(app, pilot, "B")
        await read(app, pilot)
        assert app.many.judged == {}

    async def by_option(app, pilot):
        await read(app, pilot)
        assert app.many.judged["c/output"].is_worse
        assert "vs baseline" in pane_text(app)

    drive(Asked(week), by_key)
    drive(Asked(week, baseline=week / "a,p_nodes=1" / "output"), by_option)
    drive(Asked(week, baseline=Path("a,p_nodes=1/output")), by_option)

    async def none_of_them(app, pilot):
        await read(app, pilot)
        assert app.many.judged == {}
        assert "is none of these runs" in plain(app.screen_stack[0].query_one("#bottom").picture(140, 1))

    drive(Asked(week, baseline=DATA / "even_small"), none_of_them)


def test_a_note_is_remembered_with_its_run(week, tmp_path):
    memory = Memory(tmp_path / "state")
    asked = Asked(week, memory=memory)

    async def write(app, pilot):
        await read(app, pilot)
        await go_to(app, pilot, "b/output")
        await press(app, pilot, "A", *"hot", "enter")
        await settled(app, pilot)
        assert "hot" in pane_text(app)

    async def again(app, pilot):
        await read(app, pilot)
        notes = {run.name: run.note for run in app.many.runs}
        assert notes == {"a,p_nodes=1/output": "", "b/output": "hot", "c/output": "", "broken": ""}

    drive(asked, write)
    drive(asked, again)
    assert not list(week.rglob("*.json.*"))


def test_read_again_finds_what_came(tmp_path):
    for name in ("a", "b"):
        shutil.copytree(DATA / "even_small", tmp_path / name)

    async def scenario(app, pilot):
        await read(app, pilot)
        shutil.copytree(DATA / "csv_only", tmp_path / "c")
        await press(app, pilot, "R")
        await settled(app, pilot)
        await read(app, pilot)
        assert {run.name for run in app.many.runs} == {"a", "b", "c"}

    drive(Asked(tmp_path), scenario)


def test_reading_ends_with_the_screen(week):
    async def scenario(app, pilot):
        while app.many.reader is None or not app.many.reader._children:
            await pilot.pause(0.01)
        children = list(app.many.reader._children)
        await pilot.press("q")
        for child in children:
            assert child.wait(60) is not None

    drive(Asked(week, cached=False), scenario)


def test_summaries_are_shown_and_opened_where_their_runs_lie(week, tmp_path, capsys):
    folder = tmp_path / "gathered"
    folder.mkdir()
    for name in ("b", "c"):
        assert main([str(week / name), "--summary", str(folder / f"{name}.json")]) == 0
    gone = tmp_path / "moved"
    shutil.copytree(week / "b", gone)
    assert main([str(gone), "--summary", str(folder / "gone.json")]) == 0
    shutil.rmtree(gone)
    capsys.readouterr()

    async def scenario(app, pilot):
        await read(app, pilot)
        assert {run.name for run in app.many.runs} == {"b.json", "c.json", "gone.json"}
        assert "dp.straggler" in pane_text(app)
        await go_to(app, pilot, "gone.json")
        await press(app, pilot, "enter")
        await settled(app, pilot)
        assert isinstance(app.current, RunsPane)
        assert "only its summary is here" in plain(app.screen_stack[0].query_one("#bottom").picture(140, 1))
        await go_to(app, pilot, "c.json")
        await press(app, pilot, "enter")
        await settled(app, pilot)
        assert app.profile.path == week / "c" / "output"

    drive(Asked(folder), scenario)


def test_what_was_tuned_is_found(week):
    async def scenario(app, pilot):
        await read(app, pilot)
        assert app.many.sweep.parameters == ("p_nodes",)
        await press(app, pilot, "e")
        assert "p_nodes" in pane_text(app)

    drive(Asked(week), scenario)


def test_commands_write_the_table_and_know_that_no_run_is_open(week, tmp_path):
    async def scenario(app, pilot):
        app.outlets = cli._outlets()
        await read(app, pilot)
        for line, said in (
            (f":w {tmp_path}/runs.csv", "written: "),
            (f":w {week}/runs.csv", "lies in the profile's folder"),
            (":dp", "no run is open"),
            (":report x.md", "no run is open"),
            (":sql select 1", "no run is open"),
        ):
            await press(app, pilot, *line, "enter")
            await settled(app, pilot)
            screens = [plain(app.screen_stack[0].query_one("#bottom").picture(140, 1))]
            screens += [str(each.content) for each in app.screen.query(".line-said")]
            assert any(said in text for text in screens), (line, screens)
            if len(app.screen_stack) > 1:
                await press(app, pilot, "escape")
        rows = pl.read_csv(tmp_path / "runs.csv")
        assert rows.height == 4
        assert "dp.straggler" in str(rows.rows())

    drive(Asked(week), scenario)
    assert not list(week.glob("runs.csv"))


def test_the_optimizers_tables_alone_open_as_what_was_tuned(tmp_path):
    store(tmp_path, MEASURED, row(max_batch_size=64))

    async def scenario(app, pilot):
        await read(app, pilot)
        assert "2 tried" in pane_text(app)
        await press(app, pilot, "t", "enter", "space", "B", "c", "e", "enter", "i", "escape")
        assert isinstance(app.current, RunsPane)

    drive(Asked(tmp_path), scenario)


def test_help_names_the_keys_and_one_output_has_no_runs(week):
    async def scenario(app, pilot):
        await press(app, pilot, "?")
        assert isinstance(app.screen, TextPage)

    async def one(app, pilot):
        assert app.many is None
        assert app.profile.path == DATA / "even_small"

    drive(Asked(week), scenario)
    drive(Asked(DATA / "even_small"), one)
