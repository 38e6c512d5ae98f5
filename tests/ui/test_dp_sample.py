"""DP and Overview while a large forward table is still to be read: a sample, then all in its place."""

import asyncio
import re
import threading
import warnings
from contextlib import asynccontextmanager

import numpy as np
import polars as pl
import pytest

from lbtui.profile.sample import StepSample
from lbtui.render.canvas import Scale
from lbtui.render.capabilities import Capabilities
from lbtui.render.lanes import banded_lane, lane
from lbtui.render.text import plain
from lbtui.sources.loaders import Guarded
from lbtui.sources.steps import forward_csv, large_forward, sampled
from lbtui.thresholds import Expected
from lbtui.ui.app import LbtuiApp
from lbtui.ui.kit.pane import Stage
from lbtui.ui.opening import Asked
from lbtui.ui.panes.dp.sample import sampled as sampled_lanes
from lbtui.ui.panes.dp.sample import sampled_scene
from tests.bench.inputs import write_forward
from tests.tools.driving import settled

CAPS = Capabilities("256", True)


@asynccontextmanager
async def while_reading(tmp_path, monkeypatch, size=(120, 40)):
    """Open a profile whose passes are read once `go` is set."""
    write_forward(tmp_path, 120_000)
    monkeypatch.setattr(large_forward, "LARGE_FORWARD", 0)
    monkeypatch.setattr(sampled, "_ROWS", 60_000)
    monkeypatch.setattr(sampled, "_SECONDS", 600)
    monkeypatch.setattr(forward_csv, "LEAST_TIMES", 1)
    go = threading.Event()
    joined = Guarded.joined_steps

    def waiting(source, progress):
        assert go.wait(60)
        return joined(source, progress)

    monkeypatch.setattr(Guarded, "joined_steps", waiting)
    app = LbtuiApp(Asked(tmp_path), CAPS)
    async with app.run_test(size=size) as pilot:
        try:
            yield app, pilot, go
        finally:
            go.set()


def shown(app):
    return "" if app.current is None else plain(app.current.picture(*app.current.size))


async def until(pilot, holds):
    while not holds():
        await pilot.pause(0.01)


def means(text):
    """Return the mean beside each lane."""
    return [float(found[1]) for found in re.finditer(r"dp\d .*?\s[\d–.]+\s+([\d.]+)\s", text)]


def test_lanes_of_a_sample_stand_where_the_exact_ones_will(tmp_path, monkeypatch):
    async def whole():
        async with while_reading(tmp_path, monkeypatch) as (app, pilot, go):
            await until(pilot, lambda: "a sample" in shown(app))
            overview = shown(app)
            assert re.search(r"DP batch +a sample +48.6 % .*▄", overview)
            assert "PAR once all is read" in overview
            await pilot.press("2")
            await until(pilot, lambda: "a sample" in shown(app))
            pane = app.current
            assert pane.stage is Stage.LOADING
            await pilot.press("right", "right", "down")
            state = pane.state
            first = shown(app)
            assert re.search(r"a sample, 48.6 % of forward\.csv", first)
            assert re.search(r"about \d+.*between .* in 90 % of cases", first)
            # What needs all steps does nothing, and says so.
            await pilot.press("a", "s", "n", "t", "c", "plus")
            assert pane.state == state
            assert shown(app) == first
            assert pane.to_copy() == ""
            assert len(pane.keys_now()) == 1
            go.set()
            await settled(app, pilot)
            assert pane.stage is Stage.READY
            exact = shown(app)
            assert "a sample" not in exact
            assert (pane.state.time, pane.state.domain) == (state.time, state.domain)
            assert means(first) == pytest.approx(means(exact), rel=0.05)
            assert len(means(exact)) == 8
            # Every lane, the axis and the cursor stand where they stood.
            for one, other in zip(first.split("\n")[1:26], exact.split("\n")[1:26], strict=True):
                assert one[:11] == other[:11]
                assert one.find("▼") == other.find("▼")

    asyncio.run(whole())


def test_escape_ends_the_reading_of_a_sample_too(tmp_path, monkeypatch):
    async def whole():
        async with while_reading(tmp_path, monkeypatch) as (app, pilot, _go):
            await pilot.press("2")
            await until(pilot, lambda: "a sample" in shown(app))
            await pilot.press("escape")
            await until(pilot, lambda: app.current.stage is Stage.CANCELLED)
            assert "Loading was cancelled. R reads again." in shown(app)

    asyncio.run(whole())


def test_a_service_that_serves_nobody_has_no_ratio():
    times = pl.Series([0, 50_000, 100_000, 150_000], dtype=pl.Datetime("us"))
    steps = pl.DataFrame(
        {
            **dict.fromkeys(("domain", "instance", "host"), "dp0"),
            "dp_rank": 0,
            "start": times,
            "end": times.dt.offset_by("40ms"),
            "bubble": 10.0,
            "batch_size": 0,
            "block": pl.Series([0, 1, 2, 3], dtype=pl.UInt32),
        }
    )
    begins = np.array([0, 50_000, 100_000, 150_000])
    told = sampled_lanes(StepSample(steps, begins, begins + 40_000, (0, 190_000), "f", 0.1), Expected())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        view = sampled_scene(told, 20)
    assert view.mean.tolist() == [[0.0] * 20]
    assert np.isnan(view.statistics[0].ratio)


def test_a_band_is_solid_up_to_its_low_end():
    values = [1.0, 4.0, 8.0, float("nan")]
    low, high = [v - 1 for v in values], [v + 1 for v in values]
    rows = banded_lane((low, values, high), Scale(0, 9), CAPS, height=3)
    alone = lane(high, Scale(0, 9), CAPS, height=3)
    assert plain(rows) == plain(alone)
    styles = [{segment.style for segment in line} for line in rows]
    assert all(len(found) > 1 for found in styles[1:])
    one = banded_lane((low, values, high), Scale(0, 9), CAPS)
    assert plain(one) == plain(lane(values, Scale(0, 9), CAPS))
    assert np.isnan(values[3])
