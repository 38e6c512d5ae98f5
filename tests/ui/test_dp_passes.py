"""The table of forward passes of the DP pane: its rows against the files, its order, its keys."""

import csv
import threading
from collections import defaultdict
from datetime import datetime, timedelta
from functools import cache
from operator import itemgetter

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lbtui.profile import SCHEMAS
from lbtui.profile.progress import Silent
from lbtui.render.canvas import Canvas
from lbtui.render.capabilities import Capabilities
from lbtui.render.text import plain
from lbtui.sources import open_profile
from lbtui.sources.loaders import Guarded
from lbtui.sources.steps import large_forward, streamed
from lbtui.ui.kit.pages import TextPage
from lbtui.ui.panes.dp import passes as dp_passes
from lbtui.ui.panes.dp import table as dp_table
from lbtui.ui.panes.dp.data import dp_data
from lbtui.ui.panes.dp.passes import COLUMNS, NAMES, Reader, Wanted, next_column, place_of, reach
from lbtui.ui.panes.dp.passes_view import ShownPasses, draw_passes
from tests.ui.test_dp_pane import DEMO, drive
from tests.ui.test_dp_view import step

CAPS = Capabilities("256")
EPOCH = datetime(1970, 1, 1)


def nothing(_begin, _end):
    raise AssertionError("all passes are held")


@cache
def of_folder(folder):
    profile = open_profile(folder)
    return dp_data(profile.load_domain_steps().frame, profile.load("batches").frame, None, None)


def ordered(data, read=nothing, **more):
    return Reader(data, read).ordered(Wanted((data.begin, data.end), data.begin, **more))


def rows_of(found):
    return found.frame[found.rows].select(NAMES).rows()


def number(text):
    return float(text) if text not in ("", "nan") else None


@cache
def raw_passes():
    """Every forward pass as forward.csv has it, its tokens from the round of batch.csv that it begins in."""
    rounds = defaultdict(list)
    with (DEMO / "batch.csv").open(encoding="utf-8") as file:
        for line in csv.DictReader(file):
            if line["name"] == "Execute":
                # Of which instance and rank: mindie-server-d0-worker-1 is of d0.
                key = line["prof_id"].split("-")[2], line["dp_rank"]
                # As upstream writes them these are µs, whatever the column is called.
                span = (float(line[name]) / 1000 for name in ("start_time(ms)", "end_time(ms)"))
                rounds[key].append((*span, line))
    found = []
    with (DEMO / "forward.csv").open(encoding="utf-8") as file:
        for line in csv.DictReader(file):
            start = float(line["start_time(ms)"])
            own = [r for r in rounds[line["hostname"].split("-")[2], line["dp_rank"]] if r[0] <= start < r[1]]
            (cover,) = own or [(0, 0, {})]
            same = cover[2] and float(cover[2]["batch_size"]) == float(line["batch_size"])
            found.append(
                (
                    line["prof_id"],
                    int(line["forward_iter"]),
                    int(line["dp_rank"]),
                    int(line["batch_size"]),
                    int(cover[2]["total_scheduled_tokens"]) if same else None,
                    number(line["during_time(ms)"]),
                    number(line["bubble_time(ms)"]),
                )
            )
    return found


FIGURE_4 = ["prof_id", "forward_iter", "dp_rank", "batch_size", "tokens", "duration", "bubble"]


def test_every_row_of_the_file_is_in_the_table_with_its_values():
    found = ordered(of_folder(DEMO))
    shown = found.frame[found.rows].select(FIGURE_4).rows()
    key = itemgetter(0, 1)
    expected = sorted(raw_passes(), key=key)
    assert len(expected) == found.total == found.inside > 1000
    for row, raw in zip(sorted(shown, key=key), expected, strict=True):
        assert row[:5] == raw[:5]
        for value, written in zip(row[5:], raw[5:], strict=True):
            assert value == (None if written is None else pytest.approx(written, abs=1e-6))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("descending", [False, True])
def test_each_column_puts_rows_in_its_order_unknown_ones_last(name, descending):
    rows = [
        step("node-d-0", rank, t, t + 90 + 7 * rank, 1 + t % 5, bubble=None if t % 3 else t / 10)
        | ({"tokens": None, "phase": None} if t % 4 == 0 else {})
        for t in range(0, 1200, 100)
        for rank in (0, 1)
    ]
    data = dp_data(pl.DataFrame(rows, SCHEMAS["steps"]), pl.DataFrame(schema=SCHEMAS["batches"]), None, None)
    values = [row[NAMES.index(name)] for row in rows_of(ordered(data, sort=name, descending=descending))]
    known = sorted((v for v in (r[name] for r in rows) if v is not None), reverse=descending)
    assert values == known + [None] * (len(rows) - len(known))


def test_keys_go_round_all_columns_numbers_from_the_greatest_down():
    wanted = Wanted((0, 1), 0)
    seen = []
    for _column in COLUMNS:
        wanted = next_column(wanted, 1)
        seen.append((wanted.sort, wanted.descending))
    assert [name for name, _down in seen] == [*NAMES[1:], NAMES[0]]
    assert {name for name, down in seen if not down} == {"start", "host", "dp_rank", "prof_id", "phase"}
    assert next_column(wanted, -1).sort == NAMES[-1]


def test_a_window_has_the_passes_that_begin_in_it():
    data = of_folder(DEMO)
    window = data.begin + 30_000_000, data.begin + 41_500_000
    found = Reader(data, nothing).ordered(Wanted(window, 0))
    with (DEMO / "forward.csv").open(encoding="utf-8") as file:
        starts = [round(float(line["start_time(ms)"]) * 1000) for line in csv.DictReader(file)]
    assert len(found.rows) == sum(window[0] <= start < window[1] for start in starts) > 20
    assert found.total == len(starts)


def test_unknown_values_are_dashes_and_never_nothing():
    rows = [
        step("node-d-0", 0, 0, 100, 3)
        | {"tokens": None, "bubble": None, "prefill_batch_size": None, "decode_batch_size": None}
    ]
    data = dp_data(pl.DataFrame(rows, SCHEMAS["steps"]), pl.DataFrame(schema=SCHEMAS["batches"]), None, None)
    shown = ShownPasses(ordered(data), 0, 0, False)
    line = plain(draw_passes(shown, Canvas(200, 6, CAPS))).split("\n")[2]
    assert line.split()[-7:] == ["decode", "3", "–", "–", "–", "100.000", "–"]
    assert "None" not in plain(draw_passes(shown, Canvas(80, 6, CAPS)))


@given(st.integers(1, 220), st.integers(1, 40), st.integers(0, 30))
@settings(deadline=None, max_examples=30)
def test_the_table_fills_any_size(width, height, cursor):
    shown = ShownPasses(ordered(of_folder(DEMO)), cursor, 0, True)
    rows = draw_passes(shown, Canvas(width, height, CAPS))
    assert len(rows) == height
    assert all(sum(segment.cell_length for segment in row) == width for row in rows)


# Many passes


@pytest.fixture
def large(monkeypatch):
    """The demo as if its forward passes were too many to be held."""
    monkeypatch.setattr(large_forward, "LARGE_FORWARD", 0)
    monkeypatch.setattr(streamed, "MOST_COMPARED", 50)
    profile = open_profile(DEMO)
    data = dp_data(profile.load_domain_steps().frame, profile.load("batches").frame, None, None)
    assert "cards" in data.steps.columns
    return data, lambda begin, end: profile.source.steps_between(begin, end, Silent())


def test_passes_that_are_not_held_are_read_and_are_the_same(large):
    data, read = large
    for window in ((data.begin, data.end), (data.begin + 20_000_000, data.begin + 25_000_000)):
        wanted = Wanted(window, data.begin, "duration", True)
        found = Reader(data, read).ordered(wanted)
        assert rows_of(found) == rows_of(Reader(of_folder(DEMO), nothing).ordered(wanted))
        assert found.total == len(raw_passes())


def test_of_too_many_passes_those_about_the_cursor_are_read(large, monkeypatch):
    data, read = large
    monkeypatch.setattr(dp_passes, "MOST", 100)
    asked = []

    def counted(begin, end):
        asked.append((begin, end))
        return read(begin, end)

    reader, about = Reader(data, counted), data.begin + 60_000_000
    found = reader.ordered(Wanted((data.begin, data.end), about))
    assert 60 < len(found.rows) <= 100
    assert found.inside == found.total == len(raw_passes())
    assert found.span[0] <= about < found.span[1]
    # Another order of the same passes is not read again.
    again = reader.ordered(Wanted((data.begin, data.end), about, "tokens", True))
    assert len(asked) == 1
    assert sorted(rows_of(again), key=str) == sorted(rows_of(found), key=str)
    said = plain(draw_passes(ShownPasses(found, 0, 0, False), Canvas(110, 20, CAPS))).split("\n")[0]
    assert f"{len(found.rows)} of 1,458 forward passes · those about the cursor, + narrows" in said


@given(
    st.lists(st.tuples(st.integers(0, 9_999), st.integers(1, 4)), min_size=1, max_size=60),
    st.integers(0, 9_999),
    st.integers(1, 40),
)
@settings(deadline=None)
def test_what_is_read_holds_the_cursor_and_no_more_rows_than_are_held(steps, about, most):
    frame = pl.DataFrame(
        {"start": [EPOCH + timedelta(microseconds=t) for t, _n in steps], "cards": [n for _t, n in steps]},
        schema={"start": pl.Datetime("us"), "cards": pl.UInt32},
    )
    window = (0, 10_000)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dp_passes, "MOST", most)
        patch.setattr(dp_passes, "_PARTS", 64)
        span, inside = reach(frame, window, about)
    assert inside == sum(n for _t, n in steps)
    assert span[0] <= about < span[1]
    taken = sum(n for t, n in steps if span[0] <= t < span[1])
    if inside <= most:
        assert span == window
    else:
        # The part with the cursor is read in any case.
        width = 10_000 / 64
        assert taken <= most or span[1] - span[0] <= width + 1
        assert taken + max((n for _t, n in steps), default=0) > 0


def test_the_place_of_an_instant_is_the_last_pass_up_to_it():
    data = of_folder(DEMO)
    found = ordered(data, sort="duration", descending=True)
    domain = data.domains[3].key
    own = found.frame.filter(pl.col("domain") == domain)["start"].cast(pl.Int64).to_numpy()
    for time in (int(own[5]), int(own[5]) + 7, data.begin, data.end - 1):
        row = found.at(place_of(found, domain, time))
        assert row["domain"] == domain
        before = own[own <= time]
        start = (row["start"] - EPOCH) // timedelta(microseconds=1)
        assert start == (before.max() if len(before) else own.min())
    assert place_of(found, "no such domain", data.begin) == 0


# Keys


def test_t_shows_the_table_at_the_lanes_cursor_and_its_row_is_the_others_cursor():
    async def script(driven):
        app, lanes = driven.app, driven.text()
        domain, time = app.selection.domain, app.selection.time
        await driven.press("t")
        text = driven.text()
        assert text[0].startswith(" 1,458 forward passes · by begin, earliest first")
        row = driven.pane._shown_passes().under
        assert row["domain"] == domain
        # The pass runs at the cursor, or is the domain's last before.
        assert (row["start"] - EPOCH) // timedelta(microseconds=1) <= time
        await driven.press("down", "down")
        under = driven.pane._shown_passes().under
        assert app.selection.domain == under["domain"]
        assert app.selection.time == (under["start"] - EPOCH) // timedelta(microseconds=1)
        await driven.press("escape")
        assert driven.text()[0] == lanes[0]
        assert app.selection.domain == under["domain"]

    drive(DEMO, script)


def test_the_table_sorts_as_requests_do_and_starts_at_its_top():
    async def script(driven):
        await driven.press("t", *["S"] * 1)
        assert "by bubble time, longest first" in driven.text()[0]
        found = driven.pane._shown_passes()
        assert found.cursor == 0
        longest = max(raw[-1] for raw in raw_passes() if raw[-1] is not None)
        assert found.under["bubble"] == pytest.approx(longest)
        await driven.press("r")
        assert "shortest first" in driven.text()[0]
        assert driven.pane._shown_passes().cursor == 0
        await driven.press("s")
        assert "by begin, earliest first" in driven.text()[0]

    drive(DEMO, script)


def test_zoom_leaves_the_passes_of_the_window_and_the_cursor_on_its_own():
    async def script(driven):
        await driven.press("t", "end", "up", "up")
        before = driven.pane._shown_passes().under
        await driven.press("plus", "plus")
        begin, end = driven.app.selection.window
        found = driven.pane._shown_passes()
        assert found.under == before
        starts = found.ordered.frame[found.ordered.rows]["start"].cast(pl.Int64)
        assert begin <= starts.min() <= starts.max() < end
        assert 0 < len(starts) < 1458
        assert f" {len(starts)} of 1,458 forward passes" in driven.text()[0]
        await driven.press("0")
        assert driven.pane._shown_passes().under == before

    drive(DEMO, script)


def test_enter_opens_the_round_that_the_lanes_open_there():
    async def script(driven):
        async def page():
            await driven.press("enter")
            shown = driven.app.screen
            assert isinstance(shown, TextPage)
            text = shown._text.plain
            await driven.press("escape")
            return text

        await driven.press("t", "pagedown", "down")
        card = driven.pane._shown_passes().under
        of_table = await page()
        assert card["prof_id"] in of_table
        await driven.press("t")
        assert await page() == of_table

    drive(DEMO, script)


def test_a_worker_orders_what_is_large_while_the_last_order_stays(monkeypatch, large):
    monkeypatch.setattr(dp_table, "AT_ONCE", 0)
    monkeypatch.setattr(dp_passes, "MOST", 200)

    async def script(driven):
        await driven.press("t")
        assert "those about the cursor, + narrows" in driven.text()[0]
        await driven.press("s", "s")
        assert "by dp_rank" in driven.text()[0]
        await driven.press("plus", "plus", "plus", "plus")
        assert "those about" not in driven.text()[0]

    drive(DEMO, script)


def test_enter_pressed_before_the_order_came_opens_the_round_of_its_top(monkeypatch, large):
    monkeypatch.setattr(dp_table, "AT_ONCE", 0)
    gate = threading.Event()

    async def script(driven):
        await driven.press("t")
        made = dp_passes.in_order
        monkeypatch.setattr(dp_passes, "in_order", lambda *given: gate.wait(60) and made(*given))
        # The order ahead is of the next column, not of this one turned round.
        await driven.pilot.press("r", "enter")
        assert len(driven.app.screen_stack) == 1
        gate.set()
        await driven.settle()
        top = driven.pane._shown_passes().ordered.at(0)
        assert isinstance(driven.app.screen, TextPage)
        assert top["prof_id"] in driven.app.screen._text.plain
        await driven.press("escape")
        assert driven.pane._shown_passes().cursor == 0

    drive(DEMO, script)


def test_without_forward_passes_it_is_said_why(tmp_path):
    source = DEMO / "kvcache.csv"
    (tmp_path / "kvcache.csv").write_bytes(source.read_bytes())
    (tmp_path / "request_status.csv").write_bytes((DEMO / "request_status.csv").read_bytes())

    async def script(driven):
        await driven.press("t")
        assert any("No " in line and "forward" in line for line in driven.text())
        await driven.press("down", "s", "enter", "plus", "escape")

    drive(tmp_path, script)


def test_the_reading_of_passes_tells_how_far_it_is_and_escape_cancels_it(monkeypatch, large):
    monkeypatch.setattr(dp_passes, "MOST", 200)
    begun, go_on = threading.Event(), threading.Event()
    read = Guarded.steps_between

    def slow(source, begin, end, progress):
        begun.set()
        for done in (1, 2):
            progress.advance("forward.csv", done * 10_000_000, 40_000_000)
            assert go_on.wait(10)
        return read(source, begin, end, progress)

    async def until(pilot, holds):
        for _turn in range(500):
            if holds():
                return
            await pilot.pause(0.01)
        raise AssertionError("never came")

    async def script(driven):
        pane, pilot = driven.pane, driven.pilot
        monkeypatch.setattr(Guarded, "steps_between", slow)
        await pilot.press("t")
        await until(pilot, lambda: "10.0 of 40.0 MB" in " ".join(driven.text()))
        assert "Escape cancels" in " ".join(driven.text())
        await pilot.press("escape")
        assert "Reading was cancelled. t shows the lanes" in " ".join(driven.text())
        go_on.set()
        await driven.settle()
        # What was cancelled is not asked for again by itself, nor shown.
        assert "Reading was cancelled" in " ".join(driven.text())
        await driven.press("t", "t")
        first = driven.text()
        assert "those about the cursor" in first[0]
        # While another window is read what was shown stays, and so it does when that is cancelled.
        go_on.clear()
        await pilot.press("plus")
        await until(pilot, lambda: "10.0 of 40.0 MB" in driven.text()[0])
        assert driven.text()[1:3] == first[1:3]
        await pilot.press("escape")
        go_on.set()
        await driven.settle()
        assert "others not read" in driven.text()[0]
        assert pane._tabled
        assert pane._passes().wanted.window != pane.state.window
        await driven.press("t", "t")
        assert "others not read" not in driven.text()[0]
        assert pane._passes().wanted.window == pane.state.window

    drive(DEMO, script, size=(200, 50))
