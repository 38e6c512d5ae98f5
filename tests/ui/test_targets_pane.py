"""Targets in the app: its keys, its charts, and the way there and back."""

import asyncio
from pathlib import Path

import pytest

from lbtui.overview import placed
from lbtui.render.capabilities import Capabilities
from lbtui.render.text import plain
from lbtui.thresholds import Thresholds
from lbtui.ui.app import LbtuiApp
from lbtui.ui.opening import Asked
from lbtui.ui.panes.requests.pane import RequestsPane
from lbtui.ui.panes.requests.targets.pane import TargetsPane
from tests.terminal.driven import DEMO
from tests.tools.driving import settled

pytestmark = pytest.mark.usefixtures("read_once")

DATA = Path(__file__).parents[1] / "data"
CSV_ONLY = DATA / "csv_only"


class Driven:
    def __init__(self, app, pilot):
        self.app, self.pilot = app, pilot

    @property
    def pane(self):
        return self.app.query_one(TargetsPane)

    async def press(self, *keys):
        for key in keys:
            await self.pilot.press(key)
            await settled(self.app, self.pilot)

    def text(self):
        return plain(self.app.current.picture(*self.app.current.size))

    def lines(self):
        return self.text().split("\n")


def drive(script, *keys, folder=DEMO, size=(120, 32), targets=()):
    async def run():
        asked = Asked(folder, thresholds=Thresholds(targets=targets) if targets else None)
        app = LbtuiApp(asked, Capabilities("256"))
        async with app.run_test(size=size) as pilot:
            await settled(app, pilot)
            driven = Driven(app, pilot)
            await driven.press("5", *keys)
            await script(driven)

    asyncio.run(run())


def test_t_and_escape_go_there_and_back():
    async def script(driven):
        assert driven.app.current is driven.pane
        assert "(p95 of this run) · 241 requests" in driven.lines()[0]
        await driven.press("escape")
        assert isinstance(driven.app.current, RequestsPane)
        assert not driven.app.query(TargetsPane)
        await driven.press("c")
        assert driven.lines()[0].startswith(" distribution of TTFT, all requests")
        await driven.press("c")
        assert driven.lines()[0].startswith(" TTFT over input tokens")
        await driven.press("c", "t")
        assert driven.lines()[0].startswith(" TTFT ≤")
        await driven.press("2", "5")
        assert isinstance(driven.app.current, RequestsPane)

    drive(script, "t")


def test_targets_of_the_command_line_are_shown_in_requests_too():
    async def script(driven):
        frame = driven.app.query_one(RequestsPane).data.table
        slow = frame.filter(frame["ttft"] > 1000).height
        share = f"{100 * (frame.height - slow) / frame.height:.0f} % met targets"
        assert share in driven.lines()[0]
        await driven.press("t")
        assert driven.lines()[0].startswith(" TTFT ≤ 1,000 ms · 241 requests")
        await driven.press("enter")
        assert driven.lines()[0].startswith(f" {slow} of 241 requests · filter slo=missed")
        assert f"0 of {slow} met targets" in driven.lines()[0]
        cells = [line.split() for line in driven.lines() if line.startswith("endpoint")]
        assert cells
        assert all("TTFT" in line for line in cells)

    drive(script, targets=(("ttft", 1000.0),))


def test_enter_shows_the_requests_of_the_group_that_missed():
    async def script(driven):
        await driven.press("down", "down", "down")
        assert "DP domain d0/dp2 · 60 % met (18 of 30)" in driven.text()
        assert driven.app.selection.domain == "mindie-server-d0/dp2"
        await driven.press("enter")
        assert isinstance(driven.app.current, RequestsPane)
        assert driven.lines()[0].startswith(
            " 12 of 241 requests · filter slo=missed domain=mindie-server-d0/dp2"
        )
        # And the targets of these requests only.
        await driven.press("t")
        assert "12 of 241 requests, filter slo=missed domain=" in driven.lines()[0]
        assert driven.lines()[1].startswith(" 0 % met (0 of 12)")

    drive(script, "t")


def test_the_cursor_starts_on_the_selected_domain_and_goes_over_time():
    async def script(driven):
        driven.app.select(domain="mindie-server-d0/dp5")
        await driven.press("t")
        assert driven.lines()[-1].startswith(" DP domain d0/dp5 ·")
        assert driven.lines()[2].strip() == ""
        await driven.press("right", "right")
        one = driven.pane.data.slo.stretches[1]
        assert one.begin <= driven.app.selection.time < one.end
        assert driven.lines()[2].startswith(" 10:00:02–10:00:04")
        await driven.press("left", "left", "left")
        assert driven.lines()[2].startswith(" 10:00:00–10:00:02")

    drive(script)


def test_a_distribution_is_read_column_by_column():
    async def script(driven):
        target = driven.pane.data.slo.targets.ttft
        table = driven.pane.data.table

        def said():
            return driven.lines()[-1]

        share = table.filter(table["ttft"] <= target).height
        assert said().startswith(f" TTFT ≤ 1,745 ms: {100 * share / 241:.1f} % of all ({share} of 241)")
        before = said()
        await driven.press("left", "left")
        assert said() != before
        await driven.press("m")
        assert driven.lines()[0].startswith(" distribution of time per output token")
        assert said().startswith(" time per output token ≤ 2,699 ms: 95.0 % of all")
        await driven.press("m", "m", "m", "v", "down")
        assert driven.lines()[0].startswith(" distribution of TTFT, by DP domain")
        assert " of d0/dp1 (" in said()
        assert " of all (" in said()

    drive(script, "c")


def test_without_places_it_says_why_and_has_the_lengths(monkeypatch):
    monkeypatch.setattr(placed, "MOST_ENTRIES", 100)

    async def script(driven):
        kinds = {group.kind for group in driven.pane.data.slo.groups}
        assert kinds == {"input"}
        assert "too many to tell where they ran" in driven.text()

    drive(script, "t", folder=CSV_ONLY)


def test_without_requests_there_is_nothing_to_show():
    async def script(driven):
        assert isinstance(driven.app.current, RequestsPane)

    drive(script, "t", "c", folder=DATA / "slice_png")


def test_a_click_moves_the_cursor_to_its_group():
    async def script(driven):
        header = next(n for n, line in enumerate(driven.lines()) if line.startswith("requests"))
        await driven.pilot.click(TargetsPane, offset=(5, header + 3))
        assert driven.pane.state.row == 2

    drive(script, "t")


@pytest.mark.parametrize(
    ("picture", "size"), [(("t",), (40, 10)), (("c",), (100, 30)), (("c", "c"), (40, 10))]
)
def test_every_key_in_every_picture(picture, size):
    keys = "up down left right pageup pagedown home end g G enter m v c t i plus slash question_mark escape"

    async def script(driven):
        for key in keys.split():
            await driven.press("5", *picture, key)
            for _page in range(3):
                if len(driven.app.screen_stack) > 1:
                    await driven.press("escape")
            assert driven.app.is_running

    drive(script, folder=CSV_ONLY, size=size)
