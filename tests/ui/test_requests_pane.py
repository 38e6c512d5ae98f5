"""The Requests pane in the app: keys, workers and the shared selection."""

import ast
import asyncio
import csv
import statistics
import threading
from datetime import datetime
from pathlib import Path

import pytest

from lbtui.analysis.latency import arrange
from lbtui.overview import placed
from lbtui.render.capabilities import Capabilities
from lbtui.ui.app import LbtuiApp
from lbtui.ui.kit.line import Question
from lbtui.ui.kit.line_page import LinePage
from lbtui.ui.kit.pages import TextPage
from lbtui.ui.opening import Asked
from lbtui.ui.panes.overview.pane import OverviewPane
from lbtui.ui.panes.requests import arranged
from lbtui.ui.panes.requests import orders as requests_orders
from lbtui.ui.panes.requests.pane import RequestsPane
from tests.tools.driving import settled

PD_EP = Path(__file__).parent.parent / "data" / "pd_ep"
EPOCH = datetime(1970, 1, 1)
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


def test_the_first_order_is_by_what_spreads_most():
    spreads = {}
    for header in ("queue_wait_time(ms)", "execution_time(ms)"):
        values = sorted(float(line[header]) for line in raw(PD_EP))
        p50, p95 = statistics.median(values), statistics.quantiles(values, n=20, method="inclusive")[-1]
        spreads[header] = p95 / p50
    header = max(spreads, key=spreads.get)
    slowest = sorted(raw(PD_EP), key=lambda line: float(line[header]), reverse=True)

    async def script(driven):
        assert header == "queue_wait_time(ms)"
        assert driven.ids() == [line["http_rid"] for line in slowest][: len(driven.ids())]

    drive(PD_EP, script)


def test_sorting_filtering_and_going_out():
    lines = raw(PD_EP)

    def order(header, *, reverse=True, kept=lambda line: True):
        shown = sorted(filter(kept, lines), key=lambda line: float(line[header]), reverse=reverse)
        return [line["http_rid"] for line in shown]

    async def script(driven):
        # From queue wait.
        await driven.press("S")
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
        monkeypatch.setattr(arranged, "_SHOW_BUSY", 1)
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
        await driven.press("S", "s")
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
        lives = {
            line["http_rid"]: (at, at + float(line["execution_time(ms)"]) / 1000)
            for line in raw(PD_EP)
            for at in [int(line["start_datetime"][17:19]) + int(line["start_datetime"][20:]) / 1e6]
        }
        minute = 1767225600_000000  # 08:00:00
        driven.app.select(window=(minute + 1_000_000, minute + 3_000_000))
        await driven.press("o")
        inside = {rid for rid, (arrival, end) in lives.items() if arrival < 3 and end >= 1}
        assert 3 < len(inside) < 25
        assert any(lives[rid][0] < 1 for rid in inside)
        assert set(driven.ids()) == inside
        driven.app.select(window=(minute + 1_000_000, minute + 2_000_000))
        await driven.settle()
        assert set(driven.ids()) == {rid for rid in inside if lives[rid][0] < 2}
        await driven.press("0")
        assert driven.app.selection.window is None
        await driven.press("escape")
        assert "168 requests" in driven.text()[0]

    drive(PD_EP, script)


def test_a_request_gives_its_time_to_all_panes():
    async def script(driven):
        first = max(raw(PD_EP), key=lambda line: float(line["queue_wait_time(ms)"]))
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


def test_i_opens_everything_known_of_the_request_under_the_cursor():
    async def script(driven):
        await driven.press("j")
        wanted = driven.ids()[1]
        await driven.press("i")
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


def listed(folder):
    """Return (request id, dp_rank, start) of each request of each scheduling round."""
    with (folder / "batch.csv").open() as file:
        for line in csv.DictReader(file):
            if line["name"] == "BatchSchedule":
                for request in ast.literal_eval(line["res_list"]):
                    yield request["rid"], line["dp_rank"], line["start_datetime"]


def test_where_requests_ran_is_looked_for_once_its_column_is_seen(monkeypatch):
    # The Overview looks where their time went, and brings their places along.
    monkeypatch.setattr(LbtuiApp, "look_for_findings", lambda app: None)
    monkeypatch.setattr("lbtui.ui.panes.overview.pane.with_latency", lambda diagnosis, *_more: diagnosis)

    async def script(driven):
        assert not driven.pane.data.placed, "no column of it is in view"
        await driven.pilot.resize_terminal(140, 40)
        await driven.settle()
        ranks = {rid: rank for rid, rank, _start in listed(CSV_ONLY)}
        rows = [line.split() for line in driven.text() if line.startswith("endpoint")]
        assert len(rows) > 10
        assert all(f"dp{ranks[cells[0]]}" in cells for cells in rows)
        assert "P node" not in "".join(driven.text())

    drive(CSV_ONLY, script, size=(40, 24))


def test_a_filter_for_a_domain_waits_until_it_is_known_where_requests_ran():
    async def script(driven):
        await driven.press("slash", *"dp", "equals_sign", "2", "enter")
        wanted = {rid for rid, rank, _start in listed(CSV_ONLY) if rank == "2"}
        assert f"{len(wanted)} of {len(raw(CSV_ONLY))} requests" in driven.text()[0]
        await driven.press("slash", *["backspace"] * 4, *"node", "equals_sign", *"10.0.0.1", "enter")
        assert "no file tells at which P/D node" in "".join(driven.text())

    drive(CSV_ONLY, script, size=(70, 24))


def test_enter_goes_to_the_first_round_of_the_request_in_dp_and_enter_there_comes_back():
    async def script(driven):
        wanted = driven.ids()[0]
        await driven.press("enter")
        rank = min((start, rank) for rid, rank, start in listed(CSV_ONLY) if rid == wanted)[1]
        assert driven.app.current.KEY == "2"
        assert driven.app.selection.domain == f"node-a/dp{rank}"
        await driven.press("enter")
        page = driven.app.screen
        assert isinstance(page, LinePage)
        ids = [name for _line, name in page._names]
        assert wanted in ids
        await driven.press(*["down"] * ids.index(wanted), "enter")
        assert driven.app.current.KEY == "5"
        assert driven.ids()[driven.pane.state.cursor - driven.pane._shown.first] == wanted

    drive(CSV_ONLY, script)


@pytest.mark.parametrize("key", ["enter", "i"])
def test_what_is_pressed_before_the_filter_is_followed_is_done_with_what_it_leaves(monkeypatch, key):
    async def script(driven):
        pane, release = driven.pane, threading.Event()
        rids = sorted({rid for rid, _rank, _start in listed(CSV_ONLY)})
        wanted = next(rid for rid in rids if rid != driven.ids()[0])
        made = requests_orders.arrange
        # Nothing is left while it is written; what it leaves in the end comes late.
        pane.filter_by("no such request")
        await driven.settle()
        assert pane._shown.request is None
        monkeypatch.setattr(requests_orders, "arrange", lambda *given: release.wait(60) and made(*given))
        pane.filter_by(wanted)
        await driven.pilot.press(key)
        assert driven.app.current is pane
        assert len(driven.app.screen_stack) == 1
        release.set()
        await driven.settle()
        if key == "i":
            assert wanted in driven.app.screen._title
        else:
            rank = min((start, rank) for rid, rank, start in listed(CSV_ONLY) if rid == wanted)[1]
            assert (driven.app.current.KEY, driven.app.selection.domain) == ("2", f"node-a/dp{rank}")

    drive(CSV_ONLY, script)


def test_too_many_requests_of_rounds_are_said_and_not_looked_through(monkeypatch):
    monkeypatch.setattr(placed, "MOST_ENTRIES", 100)

    async def script(driven):
        assert "too many to tell where they ran" in driven.text()[0]
        assert "domain" not in "".join(driven.text())
        await driven.press("slash", *"dp", "equals_sign", "2", "enter")
        assert isinstance(driven.app.screen, Question), "a filter that nothing can answer is not taken"

    drive(CSV_ONLY, script)


def test_a_finding_leads_to_the_requests_that_it_hurts():
    async def script(driven):
        await driven.press("1")
        overview = driven.app.query_one(OverviewPane)
        found = [entry.found.finding for entry in overview._contents.entries if entry.found]
        place = next(
            i for i, each in enumerate(found) if each.dimension in ("dp", "kv") and "dp_rank" in each.subject
        )
        await driven.press("home", *["down"] * place)
        assert ("r", "its requests") in overview.keys_now()
        await driven.press("r")
        rank = str(found[place].subject["dp_rank"])
        wanted = {rid for rid, own, _start in listed(CSV_ONLY) if own == rank}
        if found[place].window is not None:
            begin, end = ((at - EPOCH).total_seconds() for at in found[place].window)
            arrivals = {line["http_rid"]: float(line["start_time(ms)"]) / 1000 for line in raw(CSV_ONLY)}
            lengths = {line["http_rid"]: float(line["execution_time(ms)"]) / 1000 for line in raw(CSV_ONLY)}
            wanted = {rid for rid in wanted if arrivals[rid] < end and arrivals[rid] + lengths[rid] >= begin}
        assert driven.app.current.KEY == "5"
        assert f"{len(wanted)} of {len(raw(CSV_ONLY))} requests" in driven.text()[0]

    drive(CSV_ONLY, script)
