"""What-ifs by replay in the app: the way there and back, their keys, cancelling, and what is kept."""

import asyncio

import pytest
from rich.text import Text

from lbtui.findings.replay.words import ranked_policies, ratio_sentences, routing_sentences, shape_words
from lbtui.profile import Cancelled
from lbtui.render.capabilities import Capabilities
from lbtui.ui.app import LbtuiApp
from lbtui.ui.kit.pages import TextPage
from lbtui.ui.kit.pane import Pane, Stage
from lbtui.ui.opening import Asked
from lbtui.ui.panes.replay import pane as replay_pane
from lbtui.ui.panes.replay.pane import RatioPane, RoutingPane
from tests.sources.engines import unpacked
from tests.terminal.driven import DEMO, drive, pane_text, press, screen_text
from tests.tools.driving import handled, settled
from tests.tools.screens import PREFILLING, QUEUEING, targets

CAPS = Capabilities("256")
ROUTED = Asked(QUEUEING, thresholds=targets(500, 60))


@pytest.fixture(scope="module")
def parted(tmp_path_factory):
    folder = unpacked(PREFILLING, tmp_path_factory.mktemp("raw") / "PROF_DIR")
    return Asked(folder, thresholds=targets(600, 40))


def lit(app):
    """Return what the cursor's row is called."""
    sheet = app.current._sheet()
    return sheet.names[sheet.cursor]


def test_w_in_dp_asks_for_other_routing_and_escape_returns():
    async def scenario(app, pilot):
        await press(app, pilot, "2", "w")
        assert isinstance(app.current, RoutingPane)
        assert " 2 DP · What-if: routing " in screen_text(app)
        order = [row.policy for row in ranked_policies(app.current.found, "goodput")]
        assert routing_sentences(app.current.found, "goodput")[0][:60] in pane_text(app)
        assert "targets TTFT ≤ 500 ms, TPOT ≤ 60 ms" in pane_text(app)
        assert lit(app) == order[0]
        await press(app, pilot, "down", "down", "m")
        # The cursor stays on its policy.
        assert lit(app) == order[2]
        assert "Policies by PAR of running requests" in pane_text(app)
        await press(app, pilot, "escape")
        assert app.current.KEY == "2"
        assert len(app.query("RoutingPane")) == 0

    drive(CAPS, scenario, (140, 40), ROUTED)


def test_w_in_pd_asks_for_other_ratios(parted):
    async def scenario(app, pilot):
        await press(app, pilot, "3", "w")
        assert isinstance(app.current, RatioPane)
        assert ratio_sentences(app.current.found)[0][:60] in pane_text(app)
        assert lit(app) == shape_words(app.current.found.ratio.best().shape)
        await press(app, pilot, "end")
        assert f"{lit(app)}: every figure by load" in pane_text(app)
        await press(app, pilot, "m", "m")
        assert "TTFT p95, ms, by load" in pane_text(app)

    drive(CAPS, scenario, (140, 40), parted)


def test_enter_shows_all_that_is_known_as_a_page():
    async def scenario(app, pilot):
        await press(app, pilot, "2", "w", "enter")
        page = app.screen_stack[-1]
        assert isinstance(page, TextPage)
        text = page._text
        assert isinstance(text, Text)
        for words in (": every figure, both replayed", "Self-test", "Assumed", "Fitted on all domains"):
            assert words in text.plain
        await press(app, pilot, "escape")
        assert isinstance(app.current, RoutingPane)

    drive(CAPS, scenario, (100, 30), ROUTED)


def test_a_click_moves_the_cursor():
    async def scenario(app, pilot):
        await press(app, pilot, "2", "w")
        lines = pane_text(app).split("\n")
        line = next(place for place, text in enumerate(lines) if text.startswith(" as recorded"))
        await pilot.click(app.current, offset=(5, line))
        await settled(app, pilot)
        assert lit(app) == "recorded"

    drive(CAPS, scenario, (140, 40), ROUTED)


def test_where_there_is_nothing_to_ask_it_says_why():
    async def scenario(app, pilot):
        await press(app, pilot, "3", "w")
        assert "No answer: prefill and decode have no nodes of their own." in pane_text(app)
        assert app.current.keys_now() == [("Esc", "P/D")]
        await press(app, pilot, "m", "down", "enter", "escape", "escape")
        assert app.is_running

    drive(CAPS, scenario, (100, 30), ROUTED)


def test_shares_that_are_typed_are_replayed_and_stay(monkeypatch):
    calls = []
    real = replay_pane.prepared
    monkeypatch.setattr(replay_pane, "prepared", lambda *given: calls.append(1) or real(*given))

    def shared(app):
        return next(row.answer.figures for row in app.current.found.rows if row.policy == "share")

    async def scenario(app, pilot):
        await press(app, pilot, "2", "w", "down", "down")
        name, before = lit(app), shared(app)
        await press(app, pilot, "e", *["backspace"] * 30, "1", "space", "1", "space", "1", "enter")
        assert "4 numbers are needed" in screen_text(app)
        await press(app, pilot, "space", "5", "enter")
        assert "fixed share 1:1:1:5" in pane_text(app)
        assert shared(app)["par"] > before["par"]
        # It is fitted once.
        assert (lit(app), len(calls)) == (name, 1)
        await press(app, pilot, "escape", "w")
        assert "fixed share 1:1:1:5" in pane_text(app)

    drive(CAPS, scenario, (140, 40), ROUTED)


def test_another_look_replays_nothing(monkeypatch):
    calls = []
    real = replay_pane.prepared
    monkeypatch.setattr(replay_pane, "prepared", lambda *given: calls.append(1) or real(*given))

    async def scenario(app, pilot):
        await press(app, pilot, "2", "w", "escape", "w")
        assert "Policies by goodput" in pane_text(app)
        assert len(calls) == 1
        await press(app, pilot, "R")
        await press(app, pilot, "2", "w")
        assert len(calls) == 2

    drive(CAPS, scenario, (100, 30), ROUTED)


def test_escape_cancels_a_replay_that_runs(monkeypatch):
    begun, ended = [], []

    def slow(made, _shares):
        begun.append(1)
        try:
            while True:
                made.ticks()
        except Cancelled:
            ended.append(1)
            raise

    monkeypatch.setattr(replay_pane, "routing_of", slow)

    async def scenario():
        app = LbtuiApp(ROUTED, CAPS)
        async with app.run_test(size=(100, 30)) as pilot:
            await settled(app, pilot)
            await press(app, pilot, "2")
            await pilot.press("w")
            while not begun:
                await asyncio.sleep(0.01)
            await handled(pilot)
            assert app.current.stage is Stage.LOADING
            await pilot.press("escape")
            await settled(app, pilot)
            assert ended
            assert "Loading was cancelled" in pane_text(app)
            await press(app, pilot, "escape")
            assert app.current.KEY == "2"

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("what", "done", "total", "wanted"),
    [
        ("replay", 0, 1, "replaying …"),
        ("replay", 3, 8, "replaying · 3 of 8 done"),
        ("request.csv", 50_000, 200_000, "reading request.csv · 0.1 of 0.2 MB · 25 %"),
    ],
)
def test_progress_is_counted_in_replays_and_files_in_bytes(what, done, total, wanted):
    async def scenario(app, pilot):
        await press(app, pilot, "2", "w")
        event = Pane.Progressed(app.current, what, done, total, None, False)
        assert app.current.progress_words(event) == wanted

    drive(CAPS, scenario, (100, 30), ROUTED)


def test_of_two_profiles_the_side_that_is_shown_is_asked():
    async def scenario(app, pilot):
        await press(app, pilot, "2", "b", "w")
        assert pane_text(app).startswith(" before · ")
        assert app.current.profile is app.panes["2"].baseline
        await press(app, pilot, "escape", "b", "w")
        assert pane_text(app).startswith(" after · ")

    drive(CAPS, scenario, (100, 30), Asked(QUEUEING, baseline=DEMO))
