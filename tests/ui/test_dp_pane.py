"""The DP pane in the app: keys, workers and the shared selection."""

import asyncio
import csv
from contextlib import suppress
from pathlib import Path

import pytest
from textual.widgets import OptionList
from textual.worker import WorkerCancelled

from lbtui.analysis.data_parallel import METRICS, metric
from lbtui.render.capabilities import Capabilities
from lbtui.ui.app import LbtuiApp
from lbtui.ui.kit.pages import TextPage
from lbtui.ui.kit.pane import Stage
from lbtui.ui.opening import Asked
from lbtui.ui.panes.dp import loading as dp_loading
from lbtui.ui.panes.dp import pictures as dp_pictures
from lbtui.ui.panes.dp.lanes import length_text
from lbtui.ui.panes.dp.pane import DpPane
from tests.sources.recorded import CSV_ONLY, lay_out

pytestmark = pytest.mark.usefixtures("read_once")

DEMO = Path(__file__).parents[2] / "lbtui" / "demo" / "output"


class Driven:
    """The app on its DP pane, settled after every key."""

    def __init__(self, app, pilot):
        self.app, self.pilot = app, pilot

    @property
    def pane(self):
        return self.app.screen_stack[0].query_one(DpPane)

    async def settle(self):
        for _round in range(3):
            await self.pilot.pause()
            # A key may replace what was at work: on a loaded machine that is seen as often as not.
            with suppress(WorkerCancelled):
                await self.app.workers.wait_for_complete()
        await self.pilot.pause()

    async def press(self, *keys):
        for key in keys:
            await self.pilot.press(key)
            await self.settle()

    def text(self):
        return [
            "".join(segment.text for segment in self.pane.render_line(y)).rstrip()
            for y in range(self.pane.size.height)
        ]


def drive(folder, script, size=(140, 40), before=None, told=False, unread=()):
    """Run a script on the DP pane; unless findings are `told` it opens before they are known.

    `unread` are frames that the Overview has not come to yet.
    """

    async def run():
        app = LbtuiApp(Asked(folder), Capabilities("256"))
        async with app.run_test(size=size) as pilot:
            driven = Driven(app, pilot)
            await driven.settle()
            if before:
                app.select(**before)
            driven.known = app.findings
            if not told:
                app.findings = ()
            for name in unread:
                app.profile._frames.pop(name)
            await driven.press("2")
            await script(driven)

    asyncio.run(run())


def test_what_no_file_tells_is_said_at_once_however_large_the_profile(tmp_path, monkeypatch):
    lay_out(tmp_path, "csv_only/forward.csv")

    def refused(_pane):
        raise AssertionError("a worker was started")

    async def script(driven):
        monkeypatch.setattr(dp_loading, "AT_ONCE", 0)
        monkeypatch.setattr(DpPane, "load", refused)
        for key in ("prefill_batch_size", "decode_batch_size", "kv_usage"):
            driven.pane._picked(key)
            await driven.settle()
            assert driven.pane.stage is Stage.READY
            assert any("no data" in line for line in driven.text()), key

    drive(tmp_path, script)


OF_STEPS = {m.key for m in METRICS if m.frame == "steps"}


async def pictures_of_steps(driven):
    """Return what each metric of steps shows right after its key."""
    shown = {}
    for _metric in METRICS:
        await driven.pilot.press("m")
        await driven.pilot.pause()
        if driven.pane.state.metric in OF_STEPS:
            shown[driven.pane.state.metric] = driven.text()
        else:
            await driven.settle()
    return shown


def test_metrics_of_a_large_profile_are_made_before_their_keys_ask(monkeypatch):
    found = []

    work = DpPane._work

    def refused(pane, *asked):
        assert pane.state.metric not in OF_STEPS, "a worker was started"
        work(pane, *asked)

    async def ahead(driven):
        for _turn in range(500):
            if {key.metric for key in driven.pane._scenes} >= OF_STEPS:
                break
            await driven.pilot.pause(0.02)
        with monkeypatch.context() as patched:
            patched.setattr(DpPane, "_work", refused)
            found.append(await pictures_of_steps(driven))

    async def at_once(driven):
        found.append(await pictures_of_steps(driven))

    drive(DEMO, at_once)
    for module in (dp_loading, dp_pictures):
        monkeypatch.setattr(module, "AT_ONCE", 0)
    monkeypatch.setattr(dp_pictures, "_AT_REST", 0.01)
    drive(DEMO, ahead)
    assert found[0].keys() == OF_STEPS
    assert found[1] == found[0]


def test_one_key_shows_the_fault_and_every_metric_answers():
    async def script(driven):
        text = driven.text()
        assert text[0].startswith(" batch size")
        assert any("hot spot 1 of " in line for line in text)
        assert driven.app.selection.domain == "mindie-server-d0/dp5"
        seen = []
        for _metric in range(10):
            await driven.press("m")
            seen.append(driven.pane.state.metric)
            assert metric(seen[-1]).label in driven.text()[0]
            assert any("dp5" in line for line in driven.text())
        assert len(set(seen)) == 10
        assert seen[-1] == "batch_size"
        assert "kv" in driven.app.profile.loaded()

    drive(DEMO, script)


def test_kv_is_read_only_when_asked_for(tmp_path):
    async def script(driven):
        await driven.press("m", "m")
        assert " decode batch size" in driven.text()[0]
        assert " KV …" in driven.text()[0]
        assert "kv" not in driven.app.profile.loaded()
        await driven.press("m")
        assert " KV cache usage" in driven.text()[0]
        assert "kv" in driven.app.profile.loaded()

    drive(lay_out(tmp_path, *CSV_ONLY), script, size=(200, 30), unread=["kv"])


def test_the_other_metric_and_the_findings_are_there_as_soon_as_they_are_known():
    async def script(driven):
        assert sum(line.split()[:1] == ["KV"] for line in driven.text()) == 10
        found = driven.known
        without = driven.text()
        assert not any("!" in line for line in without)
        driven.app.findings = found
        driven.pane.profile_grew()
        await driven.settle()
        text = driven.text()
        assert sum("dp5 !!" in line for line in text) == 1
        assert "┌" in text[1]
        assert "┐" in text[1]
        assert any("!! " in line and "its peers' batch" in line for line in text[-8:])
        # Only marks have come: no lane has moved.
        assert [line.replace("!", " ").rstrip() for line in text[2:-6]] == [
            line.rstrip() for line in without[2:-6]
        ]

    drive(DEMO, script)


def test_enter_reads_the_rounds_requests(tmp_path):
    folder = lay_out(tmp_path, *CSV_ONLY)

    async def script(driven):
        await driven.press("enter")
        page = driven.app.screen
        assert isinstance(page, TextPage)
        text = page._text.plain
        time = driven.app.selection.time
        rank = int(driven.app.selection.domain.rsplit("dp", 1)[1])
        with (folder / "batch.csv").open() as file:
            running = [
                r
                for r in csv.DictReader(file)
                if r["name"] != "BatchSchedule"
                and int(float(r["dp_rank"])) == rank
                and float(r["start_time(ms)"]) <= time <= float(r["end_time(ms)"])
            ]
        (found,) = running
        ids = [part.split("'")[1] for part in found["res_list"].split("'rid': ")[1:]]
        assert len(ids) == round(float(found["batch_size"])) > 1
        assert [line.split()[0] for line in text.rstrip().split("\n")[-len(ids) :]] == ids
        await driven.press("escape")
        assert not isinstance(driven.app.screen, TextPage)

    drive(folder, script)


def test_enter_where_a_domain_is_idle_says_so(tmp_path):
    folder = lay_out(tmp_path, *CSV_ONLY)

    async def script(driven):
        with (folder / "forward.csv").open() as file:
            ends = [(int(float(r["dp_rank"])), 1000 * float(r["end_time(ms)"])) for r in csv.DictReader(file)]
        last = {rank: max(end for own, end in ends if own == rank) for rank in {rank for rank, _end in ends}}
        rank = min(last, key=last.get)
        late = max(last.values()) - last[rank]
        time = int(last[rank] + late / 2)
        driven.app.select(domain=f"node-a/dp{rank}", time=time)
        await driven.press("enter")
        assert late > 100_000
        assert f"ended {length_text(time - int(last[rank]))} earlier" in driven.app.screen._text.plain

    drive(folder, script)


def test_a_lesser_place_at_the_very_beginning_does_not_hold_the_cursor(tmp_path):
    """In vllm_small dp0 stands out a little in its first steps; dp1 was doubled from 2 s to 4 s."""

    async def script(driven):
        assert driven.app.selection.domain == "vllm/dp1"
        assert 2e6 < driven.app.selection.time - driven.pane._data.begin < 4e6

    drive(lay_out(tmp_path, "vllm_small/batch.csv", "vllm_small/forward.csv"), script)


def test_zoom_cursor_and_lane_are_shared_and_escape_goes_out():
    async def script(driven):
        selection = driven.app.selection
        assert selection.window is None
        await driven.press("plus", "plus", "right", "l", "j")
        inner = driven.app.selection
        begin, end = inner.window
        assert begin <= inner.time < end
        assert (end - begin) * 3 < driven.pane._data.end - driven.pane._data.begin
        assert inner.time > selection.time
        assert inner.domain == "mindie-server-d0/dp6"
        await driven.press("c")
        assert "against forward_iter" in driven.text()[0]
        assert any("dp0" in line and "dp7" in line for line in driven.text()[:4])
        await driven.press("escape")
        assert driven.app.selection.window == inner.window
        assert driven.text()[0].startswith(" batch size ")
        await driven.press("escape")
        assert driven.app.selection.window is None

    drive(DEMO, script)


def test_what_is_selected_elsewhere_is_followed_before_and_after():
    async def script(driven):
        data = driven.pane._data
        assert driven.app.selection.domain == "mindie-server-p0/dp1"
        assert driven.pane.state.domain == "mindie-server-p0/dp1"
        assert any(" dp1 " in line and "10:00:" in line for line in driven.text()[-9:])
        window = (data.begin + 10_000_000, data.begin + 20_000_000)
        driven.app.select(window=window, time=window[0] + 1, domain="mindie-server-d0/dp2")
        await driven.settle()
        state = driven.pane.state
        assert (state.window, state.time, state.domain) == (window, window[0] + 1, "mindie-server-d0/dp2")
        driven.app.select(domain="no such domain", window=(0, 10))
        await driven.settle()
        assert (driven.pane.state.domain, driven.pane.state.window) == ("mindie-server-d0/dp2", None)

    drive(DEMO, script, before={"domain": "mindie-server-p0/dp1"})


def test_what_is_not_there_is_said(tmp_path):
    async def script(driven):
        assert driven.text()[0].startswith(" batch size")
        await driven.press("M", "down", "down", "down")
        page = [str(option.prompt) for option in driven.app.screen.query_one(OptionList).options]
        assert [line[:28].split("  ")[0] for line in page] == [m.label for m in METRICS]
        assert page[3].startswith("KV cache usage      no data: ")
        assert "kvcache.csv" in page[3]
        await driven.press("enter")
        text = "\n".join(driven.text())
        assert "kvcache.csv" in text
        assert 'collect domain "KVCache"' in text
        await driven.press("right", "enter", "plus", "n", "c", "c", "a", "s", "m")
        assert " forward time" in driven.text()[0]
        # Round those that have data only.
        seen = []
        for _metric in range(6):
            await driven.press("m")
            seen.append(driven.pane.state.metric)
        assert set(seen) == OF_STEPS
        assert driven.pane.state.metric == "duration"

    drive(lay_out(tmp_path, "csv_only/forward.csv", "csv_only/batch.csv"), script, size=(80, 24))


def test_a_profile_without_dp_data_takes_every_key(tmp_path):
    async def script(driven):
        await driven.press("m", "a", "s", "c", "right", "down", "n", "plus", "0", "enter", "M")
        assert "forward.csv" in "\n".join(driven.text())
        assert driven.app.selection.domain is None

    drive(lay_out(tmp_path, "csv_only/request.csv"), script, size=(80, 24))


def test_a_click_moves_the_cursor():
    async def script(driven):
        y = next(i for i, line in enumerate(driven.text()) if " dp7 " in line)
        await driven.pilot.click(DpPane, offset=(60, y))
        await driven.settle()
        assert driven.pane.state.domain == "mindie-server-d0/dp7"

    drive(DEMO, script)
