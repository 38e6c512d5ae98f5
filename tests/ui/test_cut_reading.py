"""Escape while a large file is read: the part is shown, said to be one, and R reads all."""

import asyncio
import shutil
import threading
from contextlib import asynccontextmanager

import pytest

from lbtui.findings.diagnosis import diagnose
from lbtui.render.capabilities import Capabilities
from lbtui.render.text import plain
from lbtui.sources.tables import csv_file, csv_lines
from lbtui.ui.app import LbtuiApp
from lbtui.ui.bars import TopBar
from lbtui.ui.kit.pane import Stage
from lbtui.ui.opening import Asked
from tests.bench.inputs import write_requests
from tests.sources.test_cut import rows_within
from tests.tools.driving import settled

ROWS = 2000
READ = 10_000  # bytes at once: in 18 batches


class Gate:
    """Holds up the first reading of request.csv after its fifth and its tenth batch."""

    def __init__(self, monkeypatch):
        self.reached, self.opened = ({n: threading.Event() for n in (5, 10)} for _ in range(2))
        read = csv_file.Rows.read
        monkeypatch.setattr(csv_lines, "_READ", READ)
        monkeypatch.setattr("lbtui.ui.kit.pane._PROGRESS_SECONDS", 0)

        def slowly(rows, progress, way):
            for number, batch in enumerate(read(rows, progress, way), 1):
                yield batch
                if rows._path.name == "request.csv" and number in self.reached:
                    self.reached[number].set()
                    assert self.opened[number].wait(60)

        monkeypatch.setattr(csv_file.Rows, "read", slowly)

    def open(self, *numbers):
        for number in numbers:
            self.opened[number].set()


@asynccontextmanager
async def while_reading(tmp_path, monkeypatch, baseline=None, size=(100, 30)):
    write_requests(tmp_path, ROWS)
    gate = Gate(monkeypatch)
    app = LbtuiApp(Asked(tmp_path, baseline=baseline), Capabilities("256", True))
    try:
        async with app.run_test(size=size) as pilot:
            await until(pilot, gate.reached[5].is_set)
            await pilot.pause()
            yield app, pilot, gate
    finally:
        gate.open(5, 10)


def header(app):
    bar = app.screen_stack[0].query_one(TopBar)
    return plain(bar.picture(bar.size.width, 2)[:1])


def shown(app):
    return plain(app.current.picture(*app.current.size))


async def until(pilot, holds):
    while not holds():
        await pilot.pause()


def test_the_part_is_shown_and_told_in_every_pane_until_all_is_read(tmp_path, monkeypatch):
    async def whole():
        async with while_reading(tmp_path, monkeypatch) as (app, pilot, gate):
            assert "Escape shows what is read" in shown(app)
            assert "request.csv" not in header(app)
            await pilot.press("escape")
            assert "stopping" in shown(app)
            assert app.current.stage is Stage.LOADING
            gate.open(5, 10)
            await settled(app, pilot)
            for key in "15234":
                await pilot.press(key)
                await settled(app, pilot)
                assert app.current.stage is Stage.READY
                assert "request.csv: first 29 % only · R reads all" in header(app), key
            # The sixth was asked for when Escape was pressed.
            assert app.panes["5"].data.table.height == rows_within(tmp_path / "request.csv", 6, READ)
            assert "could be judged by in what was read" in plain(app.panes["1"].picture(100, 30))
            await pilot.press("5", "R")
            await until(pilot, lambda: "5" in app.panes)
            await settled(app, pilot)
            assert "only" not in header(app)
            assert app.current is app.panes["5"]
            assert app.current.has_focus
            assert app.current.data.table.height == ROWS
            await pilot.press("escape", "R")
            await settled(app, pilot)
            assert app.panes["1"].stage is Stage.READY, "nothing is read again without a reason"

    asyncio.run(whole())


def test_it_is_told_from_the_first_picture_of_the_part_on(tmp_path, monkeypatch):
    looked, go_on = threading.Event(), threading.Event()

    def slowly(*arguments):
        looked.set()
        assert go_on.wait(60)
        return diagnose(*arguments)

    monkeypatch.setattr("lbtui.ui.panes.overview.pane.diagnose", slowly)

    async def whole():
        async with while_reading(tmp_path, monkeypatch) as (app, pilot, gate):
            await pilot.press("escape")
            gate.open(5, 10)
            await until(pilot, lambda: looked.is_set() and "looking for imbalances" in shown(app))
            found = app.current.stage, shown(app), header(app)
            go_on.set()
            await settled(app, pilot)
            assert found[0] is Stage.LOADING
            assert "p95" in found[1]
            assert "request.csv: first 29 % only" in found[2]

    asyncio.run(whole())


def test_a_pane_that_waits_for_another_is_told_and_may_stop_it(tmp_path, monkeypatch):
    async def whole():
        async with while_reading(tmp_path, monkeypatch) as (app, pilot, gate):
            await pilot.press("5")
            await until(pilot, lambda: app.panes["5"].stage is Stage.LOADING)
            gate.open(5)
            await until(pilot, lambda: "request.csv" in shown(app))
            await pilot.press("escape")
            gate.open(10)
            await settled(app, pilot)
            assert [app.panes[key].stage for key in "15"] == [Stage.READY] * 2
            assert 590 <= app.panes["5"].data.table.height < ROWS
            assert "request.csv: first" in header(app)

    asyncio.run(whole())


def test_a_second_escape_cancels(tmp_path, monkeypatch):
    async def whole():
        async with while_reading(tmp_path, monkeypatch, size=(80, 24)) as (app, pilot, gate):
            await pilot.press("escape", "escape")
            assert app.current.stage is Stage.CANCELLED
            gate.open(5, 10)
            await settled(app, pilot)
            assert app.current.stage is Stage.CANCELLED
            assert "Overview: reading cancelled" in header(app)
            assert "only" not in header(app)
            await pilot.press("R")
            await settled(app, pilot)
            assert app.profile.load("requests").frame.height == ROWS

    asyncio.run(whole())


@pytest.mark.parametrize("asked_in", ["compare", "overview"])
def test_a_comparison_takes_no_part(tmp_path, monkeypatch, asked_in):
    for name in ("before", "after"):
        (tmp_path / name).mkdir()
    write_requests(tmp_path / "before", ROWS)

    async def whole():
        before = tmp_path / "before"
        async with while_reading(tmp_path / "after", monkeypatch, baseline=before) as (app, pilot, gate):
            assert app.current is app.panes["6"]
            if asked_in == "compare":
                assert "Escape cancels" in shown(app)
                await pilot.press("escape")
                assert app.current.stage is Stage.CANCELLED
                gate.open(5, 10)
                await settled(app, pilot)
                assert not app.profile.cuts
                return
            await pilot.press("5")
            gate.open(5)
            await until(pilot, lambda: "Escape shows what is read" in shown(app))
            await pilot.press("escape")
            gate.open(10)
            await settled(app, pilot)
            assert app.panes["5"].data.table.height < ROWS
            await pilot.press("6")
            await settled(app, pilot)
            assert app.current.stage is Stage.FAILED
            assert "was read in part only" in shown(app)
            await pilot.press("R")
            await until(pilot, lambda: "6" in app.panes)
            await settled(app, pilot)
            assert app.current.stage is Stage.READY

    asyncio.run(whole())
    shutil.rmtree(tmp_path)
