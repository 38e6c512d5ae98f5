"""The Requests pane in the app: keys, workers and the shared selection."""

import asyncio
import csv
import threading
from pathlib import Path

import pytest

from lbtui.analysis.latency import arrange
from lbtui.render.capabilities import Capabilities
from lbtui.ui.app import LbtuiApp
from lbtui.ui.kit.line import Question
from lbtui.ui.kit.pages import TextPage
from lbtui.ui.opening import Asked
from lbtui.ui.panes.requests import orders as requests_orders
from lbtui.ui.panes.requests import pane as requests
from lbtui.ui.panes.requests.pane import RequestsPane
from tests.tools.driving import settled

PD_EP = Path(__file__).parent.parent / "data" / "pd_ep"
CSV_ONLY = Path(__file__).parent.parent / "data" / "csv_only"


def raw(folder):
    with (folder / "request.csv").open() as file:
        return list(csv.DictReader(file))


class Driven:
    """The app on its Requests pane, settled after every key."""

    def __init__(self, app, pilot):
        self.app, self.pilot = app, pilot

    @property
    def pane(self):
        return self.app.query_one(RequestsPane)

    async def settle(self):
        await settled(self.app, self.pilot)

    async def press(self, *keys):
        for key in keys:
            await self.pilot.press(key)
            await self.settle()

    def text(self):
        return [
            "".join(segment.text for segment in strip).rstrip()
            for strip in (self.pane.render_line(y) for y in range(self.pane.size.height))
        ]

    def ids(self):
        return [line.split()[0] for line in self.text() if line.startswith("endpoint")]


def drive(folder, script, size=(140, 40)):
    async def run():
        app = LbtuiApp(Asked(folder), Capabilities("256"))
        async with app.run_test(size=size) as pilot:
            driven = Driven(app, pilot)
            await driven.settle()
            await driven.press("5")
            await script(driven)

    asyncio.run(run())


def test_sorting_filtering_and_going_out():
    lines = raw(PD_EP)

    def order(header, *, reverse=True, kept=lambda line: True):
        shown = sorted(filter(kept, lines), key=lambda line: float(line[header]), reverse=reverse)
        return [line["http_rid"] for line in shown]

    async def script(driven):
        count = len(driven.ids())
        assert count > 20
        assert driven.ids() == order("first_token_latency(ms)")[:count]
        await driven.press("s")
        assert driven.ids() == order("queue_wait_time(ms)")[:count]
        await driven.press("r")
        assert driven.ids() == order("queue_wait_time(ms)", reverse=False)[:count]
        await driven.press("r", "S", "slash")
        assert isinstance(driven.app.screen, Question)
        await driven.press(*"speed", "greater_than_sign", "1", "enter")
        assert isinstance(driven.app.screen, Question), "a wrong filter is not taken"
        await driven.press(*["backspace"] * 7, *"ttft", "greater_than_sign", *"80", "enter")
        slow = order("first_token_latency(ms)", kept=lambda line: float(line["first_token_latency(ms)"]) > 80)
        assert driven.ids() == slow
        assert f"{len(slow)} of {len(lines)} requests" in driven.text()[0]
        await driven.press("escape")
        assert driven.ids() == order("first_token_latency(ms)")[:count]

    drive(PD_EP, script)


def test_escape_cancels_a_long_arrangement_before_it_goes_out(monkeypatch):
    gate = threading.Event()

    def slow(*args):
        assert gate.wait(20)
        return arrange(*args)

    async def script(driven):
        order = driven.ids()
        monkeypatch.setattr(requests, "_SHOW_BUSY", 1)
        monkeypatch.setattr(requests_orders, "arrange", slow)
        # The next column's order stands ready; that of the one before does not.
        await driven.pilot.press("S")
        assert driven.pane.state.busy
        await driven.pilot.press("escape")
        assert not driven.pane.state.busy
        gate.set()
        await driven.settle()
        assert driven.ids() == order, "what was cancelled came all the same"
        await driven.press("S")
        assert driven.ids() != order

    drive(PD_EP, script)


def test_the_next_columns_order_stands_ready_before_its_key(monkeypatch):
    lines = raw(PD_EP)

    def ids(header):
        return [x["http_rid"] for x in sorted(lines, key=lambda line: float(line[header]), reverse=True)]

    def refused(*_args):
        raise AssertionError("made again")

    async def script(driven):
        await driven.press("s")
        monkeypatch.setattr(requests_orders, "arrange", refused)
        await driven.press("s")
        assert driven.ids() == ids("execution_time(ms)")[: len(driven.ids())]
        monkeypatch.setattr(requests_orders, "arrange", arrange)
        # Backwards, the one before is made ahead.
        await driven.press("S")
        monkeypatch.setattr(requests_orders, "arrange", refused)
        await driven.press("S")
        assert driven.ids() == ids("first_token_latency(ms)")[: len(driven.ids())]

    drive(PD_EP, script)


def test_the_window_is_shared_and_can_restrict_the_table():
    async def script(driven):
        arrivals = {line["http_rid"]: line["start_datetime"] for line in raw(PD_EP)}
        begin, end = 1767225609_000000, 1767225611_000000  # 08:00:09 to 08:00:11
        driven.app.select(window=(begin, end))
        await driven.press("o")
        inside = {rid for rid, at in arrivals.items() if "08:00:09" <= at[11:19] < "08:00:11"}
        assert 3 < len(inside) < 25
        assert set(driven.ids()) == inside
        driven.app.select(window=(begin, begin + 1_000_000))
        await driven.settle()
        assert set(driven.ids()) == {rid for rid in inside if arrivals[rid][11:19] == "08:00:09"}
        await driven.press("0")
        assert driven.app.selection.window is None
        await driven.press("escape")
        assert "168 requests" in driven.text()[0]

    drive(PD_EP, script)


def test_a_request_gives_its_time_to_all_panes():
    async def script(driven):
        first = max(raw(PD_EP), key=lambda line: float(line["first_token_latency(ms)"]))
        await driven.press("z")
        begin, end = driven.app.selection.window
        duration = float(first["execution_time(ms)"]) * 1000
        assert driven.app.selection.time == pytest.approx(float(first["start_time(ms)"]) * 1000, abs=1000)
        assert begin < driven.app.selection.time < end
        assert end - begin == pytest.approx(1.2 * duration, rel=1e-3)
        time = driven.app.selection.time
        await driven.press("right", "l", "h")
        assert driven.app.selection.time > time

    drive(PD_EP, script)


def test_enter_opens_everything_known_of_the_request_under_the_cursor():
    async def script(driven):
        await driven.press("j")
        wanted = driven.ids()[1]
        await driven.press("enter")
        assert isinstance(driven.app.screen, TextPage)
        text = str(driven.app.screen.query_one(".page-text").render())
        assert wanted in text
        assert "received by D" in text
        assert "decode rank" in text
        await driven.press("escape")
        assert driven.pane.state.cursor == 1

    drive(PD_EP, script)


def test_the_cursor_moves_scrolls_and_follows_the_mouse():
    async def script(driven):
        total = len(raw(CSV_ONLY))
        await driven.press("G")
        assert driven.pane.state.cursor == total - 1
        assert f"{total} of {total}" in driven.text()[-1]
        await driven.press("pageup", "k")
        assert 0 < driven.pane.state.cursor < total - 5
        await driven.press("g", "k")
        assert driven.pane.state.cursor == 0
        rows = driven.text()
        y = next(y for y, line in enumerate(rows) if line.startswith("endpoint"))
        await driven.pilot.click(RequestsPane, offset=(3, y + 2))
        assert driven.pane.state.cursor == 2
        header = rows[y - 1]
        await driven.pilot.click(RequestsPane, offset=(header.index("duration"), y - 1))
        await driven.settle()
        slowest = max(float(line["execution_time(ms)"]) for line in raw(CSV_ONLY))
        assert f"{slowest:,.0f}" in driven.text()[y]
        await driven.pilot.click(RequestsPane, offset=(40, 2))
        assert driven.app.selection.time is not None

    drive(CSV_ONLY, script)


def test_the_selected_domain_can_be_put_aside():
    async def script(driven):
        driven.app.select(domain="node-a/dp3")
        await driven.settle()
        assert "queues of node-a/dp3" in driven.text()[0]
        await driven.press("d")
        assert "queues of all 4 DP domains" in driven.text()[0]

    drive(CSV_ONLY, script, size=(160, 40))
