"""P/D of a raw profile: bins as long as a column, which follow the window; totals stay."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbtui.render.capabilities import Capabilities
from lbtui.render.text import plain
from lbtui.ui.opening import Asked
from lbtui.ui.panes.pd.bins import bin_width
from tests.sources.engines import output_of, raw_of
from tests.terminal.driven import drive, press
from tests.tools.driving import settled

RUN = "mindie_pd_even"


@pytest.fixture
def raw(tmp_path):
    return raw_of(RUN, tmp_path / "a" / "raw")


def run(asked, scenario, size=(120, 32)):
    async def in_pd(app, pilot):
        await press(app, pilot, "3")
        await scenario(app, pilot)

    drive(Capabilities("256", True), in_pd, size, asked)


def table(app):
    return app.panes["3"]._table


def totals(app):
    counts = table(app).counts
    return [counts[name].sum(axis=0).tolist() for name in ("added", "ended")]


def text(app):
    pane = app.panes["3"]
    return plain(pane.picture(*pane.size))


@given(st.integers(1, 10**13), st.integers(1, 400))
def test_a_window_has_no_more_bins_than_columns_and_none_below_the_least(length, columns):
    width = bin_width((0, length), columns)
    assert width * columns >= length
    assert width >= 10_000
    assert (
        width == 10_000
        or columns == 1
        or bin_width((0, length), 10 * columns) < width
        or width >= length / columns
    )
    # A quarter of the columns is filled at least: no round step is more than 3.5 times the one before.
    if 10_000 * columns < length and width < 3600_000_000:
        assert width <= 3.5 * -(-length // columns) or width < 20_000


def test_bins_follow_the_width_of_the_pane_with_the_same_totals(raw):
    found = {}
    for size in ((80, 24), (200, 50)):

        async def scenario(app, pilot, size=size):
            found[size] = (totals(app), table(app).bin_seconds, len(table(app).times))
            lanes = app.panes["3"]._placed().lanes
            assert len(table(app).times) <= lanes.columns
            seconds = f"{table(app).bin_seconds:g} s"
            assert seconds in text(app).splitlines()[0]
            # The cursor stands where most requests came at once.
            assert re.search(r"prefill: [1-9]\d* added|decode: [1-9]\d* added", text(app))

        run(Asked(raw), scenario, size)
    (small, long, few), (large, short, many) = found.values()
    assert small == large
    assert sum(large[0]) > 0
    assert long > short
    assert few < many


def test_zoom_narrows_the_bins_and_zero_shows_all(raw):
    async def scenario(app, pilot):
        whole, bins, run_totals = table(app).bin_seconds, len(table(app).times), totals(app)
        assert "whole run" in text(app)
        widths = [whole]
        for _press in range(8):
            await press(app, pilot, "plus")
            begin, end = app.selection.window
            starts = table(app).starts
            # Bins are those that the window touches.
            assert starts[0] <= begin < starts[0] + table(app).bin_seconds * 1e6
            assert starts[-1] < end <= starts[-1] + table(app).bin_seconds * 1e6
            widths.append(table(app).bin_seconds)
            assert "bins shown" in text(app)
        assert widths == sorted(widths, reverse=True)
        assert widths[-1] < whole
        for _press in range(40):
            await press(app, pilot, "plus")
        assert table(app).bin_seconds == 0.01
        begin, end = app.selection.window
        assert end - begin >= 200_000
        await press(app, pilot, "0")
        assert app.selection.window is None
        assert (table(app).bin_seconds, len(table(app).times)) == (whole, bins)
        assert totals(app) == run_totals

    run(Asked(raw), scenario)


def test_a_move_over_the_edge_of_the_window_takes_it_along(raw):
    async def scenario(app, pilot):
        await press(app, pilot, *["plus"] * 12)
        pane, window = app.panes["3"], app.selection.window
        for _press in range(len(table(app).times) + 3):
            await pilot.press("down")
        await settled(app, pilot)
        moved = app.selection.window
        assert moved[0] > window[0]
        assert moved[1] - moved[0] == window[1] - window[0]
        assert moved[0] <= app.selection.time < moved[1]
        assert int(table(app).starts[pane._state.bin]) <= app.selection.time

    run(Asked(raw), scenario)


def test_a_time_selected_elsewhere_and_the_filter_keep_the_bins(raw):
    async def scenario(app, pilot):
        at = int(table(app).starts[len(table(app).times) // 2]) + 1
        app.select(time=at, window=(at - 500_000, at + 500_000))
        await settled(app, pilot)
        pane = app.panes["3"]
        begin = int(table(app).starts[pane._state.bin])
        assert begin <= at < begin + table(app).bin_seconds * 1e6
        before = table(app)
        await press(app, pilot, "p")
        assert table(app) is before
        await press(app, pilot, "c")
        assert "requests added in each" in text(app)

    run(Asked(raw), scenario)


@pytest.mark.parametrize(("formats", "seconds"), [("csv", 5.0), ("db", 5.0)])
def test_tables_of_the_parser_keep_their_bins(formats, seconds, tmp_path):
    (tmp_path / "a").mkdir()
    output = output_of(RUN, formats, tmp_path / "a")

    async def scenario(app, pilot):
        assert table(app).bin_seconds == seconds
        await press(app, pilot, "plus", "plus")
        assert table(app).bin_seconds == seconds

    run(Asked(output), scenario)


def test_a_trace_has_the_events_of_the_raw_profile(raw, tmp_path):
    (tmp_path / "b").mkdir()
    found = []
    for path in (raw, output_of(RUN, "json", tmp_path / "b")):

        async def scenario(app, pilot):
            found.append(table(app))

        run(Asked(path), scenario)
    ours, theirs = found
    assert ours.starts.tolist() == theirs.starts.tolist()
    for count in ("added", "ended", "running"):
        assert np.array_equal(ours.counts[count], theirs.counts[count])


def test_with_a_baseline_both_keep_five_seconds(raw, tmp_path):
    (tmp_path / "b").mkdir()
    output = output_of(RUN, "csv", tmp_path / "b")

    async def scenario(app, pilot):
        assert table(app).bin_seconds == 5.0

    run(Asked(raw, baseline=output), scenario)
