"""The Runs pane under Pilot, in the place of a pane of an app that is told what its user wants."""

import asyncio
from dataclasses import replace

from textual.widgets import Input, OptionList

from lbtui import cli
from lbtui.profile import Profile
from lbtui.render.capabilities import Capabilities
from lbtui.ui.app import LbtuiApp
from lbtui.ui.kit.pages import TextPage
from lbtui.ui.kit.pane import Stage
from lbtui.ui.opening import Asked
from lbtui.ui.panes.runs import state, trend
from lbtui.ui.panes.runs import sweep as sweep_view
from lbtui.ui.panes.runs.page import ColumnsPage
from lbtui.ui.panes.runs.pane import BaselineChosen, CompareRuns, NoteChanged, OpenRun, RunsPane
from lbtui.ui.panes.runs.state import Kept
from tests.terminal.driven import pane_text, press, screen_text
from tests.tools.driving import settled
from tests.tools.made_up_runs import FOLDER, judged, made_up, sweep, trends
from tests.tools.screens import EVEN

RUNS = made_up()


class Told(RunsPane):
    """Keeps what the app would be told."""

    def __init__(self, *given):
        super().__init__(*given)
        self.told = []

    def on_open_run(self, event: OpenRun):
        event.stop()
        self.told.append(("open", event.run.name))

    def on_compare_runs(self, event: CompareRuns):
        event.stop()
        self.told.append(("compare", event.before.name, event.after.name))

    def on_baseline_chosen(self, event: BaselineChosen):
        event.stop()
        self.told.append(("baseline", event.run and event.run.name))

    def on_note_changed(self, event: NoteChanged):
        event.stop()
        self.told.append(("note", event.run.name, event.text))


def drive(scenario, size=(120, 32), runs=RUNS, kept=None, full=True):
    async def whole():
        app = LbtuiApp(Asked(EVEN), Capabilities("256"))
        async with app.run_test(size=size) as pilot:
            await settled(app, pilot)
            pane = Told(Profile(FOLDER, ()), app.caps, FOLDER, runs, kept)
            if full:
                pane.take(runs, None, trends(runs), sweep())
            app.show_over(pane)
            await settled(app, pilot)
            await scenario(app, pilot, pane)

    asyncio.run(whole())


def here(pane):
    return pane.data.known[pane._place()].run.name


def test_it_is_ready_at_once_and_reads_nothing():
    async def scenario(app, pilot, pane):
        assert pane.stage is Stage.READY
        assert app.current is pane
        assert "22 runs · 19 read" in pane_text(app)
        await press(app, pilot, "down", "end", "home", "pagedown")
        assert pane.told == []

    drive(scenario, full=False)


def test_enter_opens_space_marks_v_compares_and_b_sets_the_baseline():
    async def scenario(app, pilot, pane):
        await press(app, pilot, "down", "enter", "space", "v")
        assert pane.told == [("open", "nightly/01-16")]
        assert "mark two runs with Space" in screen_text(app)
        await press(app, pilot, "down", "down", "space", "v", "B")
        assert pane.told[1:] == [
            ("compare", "nightly/01-14", "nightly/01-16"),
            ("baseline", "nightly/01-14"),
        ]
        assert "vs baseline" in pane_text(app)
        pane.take(RUNS, judged(RUNS, "nightly/01-14"))
        await settled(app, pilot)
        assert "++" in pane_text(app)
        await press(app, pilot, "B")
        assert pane.told[-1] == ("baseline", None)
        assert "++" not in pane_text(app)
        # A third mark drops the first.
        await press(app, pilot, "end", "space")
        assert [pane.data.known[pane.data.places[key]].run.name for key in pane.kept.marks] == [
            "nightly/01-14",
            "raw/PROF_0118",
        ]

    drive(scenario)


def test_what_is_read_comes_in_and_nothing_else_moves():
    unread = tuple(replace(run, summary=None, problem="", start=run.begun) for run in RUNS)

    async def scenario(app, pilot, pane):
        await press(app, pilot, "down", "down", "s", "r", "space", "right", "right")
        name, before = here(pane), pane.kept
        pane.take(RUNS)
        await settled(app, pilot)
        assert here(pane) == name
        after = pane.kept
        assert replace(after, first=0, left=0) == replace(before, first=0, left=0)
        # One more lies there by now.
        pane.take((replace(RUNS[1], name="z", reading=replace(RUNS[1].reading, path=FOLDER / "z")), *RUNS))
        await settled(app, pilot)
        assert here(pane) == name
        assert "23 runs" in pane_text(app)

    drive(scenario, runs=unread, full=False)


def test_until_a_key_the_newest_is_under_the_cursor():
    blind = tuple(replace(run, summary=None, problem="", start=None) for run in RUNS)

    async def scenario(app, pilot, pane):
        assert here(pane) != "nightly/01-17"
        pane.take(RUNS)
        await settled(app, pilot)
        assert here(pane) == "nightly/01-17"
        await press(app, pilot, "s")
        pane.take((replace(RUNS[1], start=1 << 60, name="z"), *RUNS))
        await settled(app, pilot)
        assert here(pane) == "nightly/01-17"

    drive(scenario, runs=blind, full=False)


def test_what_cannot_be_read_is_no_baseline_and_says_why_instead_of_being_opened():
    async def scenario(app, pilot, pane):
        await press(app, pilot, "slash", *"broken", "enter", "enter")
        assert "no column tells a time" in screen_text(app)
        assert isinstance(app.screen, TextPage)
        await press(app, pilot, "escape", "B")
        assert "what cannot be read is no baseline" in screen_text(app)
        assert pane.told == []
        assert pane.kept.baseline is None

    drive(scenario)


def test_it_stands_again_as_it_was_left():
    left = []

    async def first(app, pilot, pane):
        await press(app, pilot, "slash", *"nightly", "enter", "down", "down", "right", "s", "space", "c")
        left.append((pane.kept, pane_text(app)))

    async def again(app, pilot, pane):
        assert pane_text(app) == left[0][1]

    drive(first)
    drive(again, kept=left[0][0])


def test_escape_takes_the_filter_off_then_goes_out():
    async def scenario(app, pilot, pane):
        await press(app, pilot, "slash", *"vllm")
        assert "2 of 22 runs" in screen_text(app)
        await press(app, pilot, "enter", "c", "escape")
        assert pane.kept.view == "table"
        assert pane.kept.text == "vllm"
        await press(app, pilot, "escape")
        assert pane.kept.text == ""
        assert app.current is pane
        await press(app, pilot, "escape")
        assert app.current is not pane

    drive(scenario)


def test_a_filter_that_is_wrong_says_why():
    async def scenario(app, pilot, pane):
        await press(app, pilot, "slash", *"smell", "greater_than_sign", "1")
        assert "is no parameter" in screen_text(app)
        await press(app, pilot, "escape")
        assert pane.kept.text == ""

    drive(scenario)


def test_columns_are_chosen_on_a_page():
    async def scenario(app, pilot, pane):
        await press(app, pilot, "C")
        assert isinstance(app.screen, ColumnsPage)
        app.screen.query_one(OptionList).highlighted = 0
        await press(app, pilot, "enter", "down", "down", "space")
        assert "[ ] start" in screen_text(app)
        await press(app, pilot, "escape")
        assert "worst finding" not in pane_text(app)
        assert "start" not in pane_text(app).split("\n")[1]
        # Keys keep their meaning there, and the page is put up once.
        await press(app, pilot, "C", "j", "k", "q")
        assert app.current is pane

    drive(scenario)


def test_a_note_is_asked_for():
    async def scenario(app, pilot, pane):
        await press(app, pilot, "slash", *"routing", "enter", "A")
        assert app.screen.query_one(Input).value == "new routing from here on"
        app.screen.query_one(Input).value = " other "
        await press(app, pilot, "enter")
        assert pane.told == [("note", "nightly/01-08", "other")]

    drive(scenario)


def test_details_copy_and_save(tmp_path):
    async def scenario(app, pilot, pane):
        app.outlets = cli._outlets()
        await press(app, pilot, "down", "i")
        assert isinstance(app.screen, TextPage)
        assert "95 % interval" in screen_text(app)
        await press(app, pilot, "escape")
        assert app.current.to_copy().startswith("nightly/01-16 · 2026-01-16")
        await press(app, pilot, "E")
        app.screen.query_one(Input).value = str(tmp_path / "a.csv")
        await press(app, pilot, "enter")
        assert (tmp_path / "a.csv").read_text("utf-8").startswith("run,start,shape")
        await press(app, pilot, "e")
        assert "dp_policy=" in app.current.to_copy()
        await press(app, pilot, "c")
        assert "batch size, PAR" in app.current.to_copy()

    drive(scenario)


def test_in_the_trend_arrows_go_over_figures_and_runs():
    async def scenario(app, pilot, pane):
        await press(app, pilot, "c", "n", "left", "left", "enter")
        assert pane.told == [("open", "nightly/01-14")]
        assert "step time wasted" in pane_text(app)
        await press(app, pilot, "t")
        assert here(pane) == "nightly/01-14"
        # What is of the table alone does nothing there.
        await press(app, pilot, "c", "slash", "C", "m", "s")
        assert len(app.screen_stack) == 1

    drive(scenario)


def test_in_the_sweep_enter_opens_a_run_and_only_that():
    async def scenario(app, pilot, pane):
        await press(app, pilot, "e", "enter", "m", "n", "i")
        assert pane.told == []
        assert len(app.screen_stack) == 1
        assert "against TPOT p95" in pane_text(app)
        await press(app, pilot, "end", "enter")
        assert pane.told == [("open", "raw/PROF_0118")]

    drive(scenario)


def test_the_mouse_moves_and_sorts():
    async def scenario(app, pilot, pane):
        await pilot.click(type(pane), offset=(6, 6))
        await settled(app, pilot)
        assert here(pane) == "nightly/01-14"
        await pilot.click(type(pane), offset=(6, 1))
        await settled(app, pilot)
        assert pane.kept.order == ("run", False)
        await pilot.click(type(pane), offset=(6, 1))
        await settled(app, pilot)
        assert pane.kept.order == ("run", True)
        await press(app, pilot, "c")
        await pilot.click(type(pane), offset=(6, 2))
        await settled(app, pilot)
        assert "request rate" in pane_text(app).split("\n")[0]
        await pilot.click(type(pane), offset=(60, 8))
        await settled(app, pilot)
        assert here(pane) != "nightly/01-14"
        await press(app, pilot, "e")
        await pilot.click(type(pane), offset=(6, 4))
        await settled(app, pilot)
        assert pane.kept.tried == 2
        await pilot.click(type(pane), offset=(6, 1))
        await settled(app, pilot)
        assert pane.kept.tried_order == (0, False)

    drive(scenario)


def test_no_run_at_all():
    async def scenario(app, pilot, pane):
        await press(app, pilot, "enter", "space", "B", "A", "i", "n", "s", "c", "n", "left", "e", "m", "n")
        await press(app, pilot, "enter", "t", "v")
        assert pane.told == []
        assert "No run lies here." in pane_text(app)

    drive(scenario, runs=(), full=False, kept=Kept())


def test_every_key_in_every_view_and_size():
    from textual.binding import Binding

    names = [key for one in RunsPane.BINDINGS if isinstance(one, Binding) for key in one.key.split(",")]

    async def scenario(app, pilot, pane):
        for view in ("t", "c", "e"):
            for key in names:
                await pilot.press(view, key)
                while len(app.screen_stack) > 1:
                    await pilot.press("escape")
                    await settled(app, pilot)
            await settled(app, pilot)
            assert app.current is pane

    for size in ((100, 30), (20, 6)):
        drive(scenario, size)


def test_a_key_has_its_order_worked_out_once():
    kept = {
        "rows": state._rows,
        "columns": state._columns,
        "chart": trend.chart_of,
        "order": sweep_view.ordered,
    }

    async def scenario(app, pilot, pane):
        for key in ("down", "s", "r", "n", "c", "down", "left", "n", "e", "down", "s", "m", "t"):
            before = {name: one.cache_info().misses for name, one in kept.items()}
            await pilot.press(key)
            await settled(app, pilot)
            found = {name: one.cache_info().misses - before[name] for name, one in kept.items()}
            assert max(found.values()) <= 1, (key, found)

    drive(scenario)
