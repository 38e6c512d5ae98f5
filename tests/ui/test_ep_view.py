import csv
import re
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.segment import Segment

from lbtui.profile import empty
from lbtui.render import palette
from lbtui.render.canvas import Canvas
from lbtui.render.capabilities import Capabilities
from lbtui.render.heatmap_view import View, place_of, span
from lbtui.render.text import plain
from lbtui.sources import open_profile
from lbtui.ui.panes.ep import layout as ep_layout
from lbtui.ui.panes.ep import state as ep_state
from lbtui.ui.panes.ep import view as ep_view
from lbtui.ui.panes.ep.data import VIEWS, ep_data
from lbtui.ui.panes.ep.help import entries
from lbtui.ui.panes.ep.shown import current_scale
from tests.ep_frames import TRUTH, cells, truth_frame
from tests.render.strategies import ALL_CAPS, check

ROOT = Path(__file__).parents[2]
DEMO = ROOT / "lbtui" / "demo" / "output"
PICTURES = ROOT / "tests" / "data" / "pd_ep_png"
CAPS = Capabilities("256")
# Shades can be read in a text file.
PLAIN = Capabilities("none")
WIDE, NARROW = (200, 47), (80, 21)


@lru_cache
def frames(path):
    profile = open_profile(path)
    return [profile.load(name).frame for name in ("expert_heat", "layer_times", "rank_intervals")]


@lru_cache
def demo():
    return ep_data(*frames(DEMO))


@lru_cache
def truth():
    return of(truth_frame())


def of(heat=None, times=None, intervals=None):
    given_frames = {"expert_heat": heat, "layer_times": times, "rank_intervals": intervals}
    return ep_data(*(empty(name) if frame is None else frame for name, frame in given_frames.items()))


def draw(data, state, size=NARROW, caps=CAPS, previous=None):
    view = ep_layout.viewport(data, state, previous, Canvas(*size, caps))
    return ep_view.draw(data, state, view, Canvas(*size, caps))


def text(data, state, size=NARROW, caps=CAPS):
    return plain(draw(data, state, size, caps))


def at(data, view, layer, column, period=0, **changes):
    """Return a state with the cursor at a cell."""
    field = {"rank": "rank", "expert": "slot", "model_expert": "expert"}.get(view, "process")
    state = replace(ep_state.start(data), view=view, layer=layer, period=period, **changes)
    return replace(state, **{field: column})


def numbers(pattern, drawn):
    return [float(found.replace(",", "")) for found in re.search(pattern, drawn).groups()]


# Numbers


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from(sorted(TRUTH)), st.integers(0, 57), st.floats(0, 0.999), st.sampled_from([WIDE, NARROW])
)
def test_every_cell_reads_its_true_share_multiple_and_par(key, layer, across, size):
    view, period = key
    shares, ranks = TRUTH[key][layer], TRUTH["rank", period][layer]
    column = int(across * len(shares))
    drawn = text(truth(), at(truth(), view, layer, column, period), size)
    reading = drawn.splitlines()[-1]
    assert reading.startswith(f"layer {layer} · ")
    share, multiple = numbers(r"· ([\d.e,-]+) % · ([\d.,e-]+)× mean", reading)
    assert share == pytest.approx(100 * shares[column], rel=0.006)
    routed = shares[:256] if view == "model_expert" else shares
    assert multiple == pytest.approx(shares[column] / routed.mean(), rel=0.006)
    par, place = numbers(r"PAR ([\d.]+) \((\d+) of 58\)", drawn)
    pars = TRUTH["rank", period].max(axis=1) / TRUTH["rank", period].mean(axis=1)
    assert par == pytest.approx(ranks.max() / ranks.mean(), abs=0.006)
    assert place == 1 + (pars > pars[layer]).sum()


@pytest.mark.parametrize("period", range(3))
def test_pictures_read_as_the_truth_does(period):
    data = ep_data(*frames(PICTURES))
    for view, layer, column in (("rank", 4, 3), ("expert", 10, 0), ("model_expert", 30, 37)):
        shares = TRUTH[view, period]
        reading = text(data, at(data, view, layer, column, period)).splitlines()[-1]
        (share,) = numbers(r"· ([\d.]+) % ·", reading)
        assert share == pytest.approx(
            100 * shares[layer, column], abs=130 / 256 * np.ptp(shares) + 0.006 * share
        )
        assert "tokens" not in reading
        wide = text(data, at(data, view, layer, column, period), WIDE)
        assert "tokens: no data, pictures hold shares" in wide


def test_tokens_experts_and_homes_are_those_of_the_frame():
    heat = frames(DEMO)[0]
    slots = heat.filter(pl.col("view") == "expert", pl.col("period") == 1, pl.col("layer") == 12)
    for row in slots.filter(pl.col("column") % 29 == 3).iter_rows(named=True):
        reading = text(demo(), at(demo(), "expert", 12, row["column"], 1), (160, 40)).splitlines()[-1]
        assert f"rank {row['rank']} slot {row['slot']} · expert {row['expert']} ·" in reading
        assert f"{row['tokens']:,} tokens" in reading
    homes = slots.filter(pl.col("expert") == 37)["rank"].to_list()
    reading = text(demo(), at(demo(), "model_expert", 12, 37, 1), (160, 40)).splitlines()[-1]
    assert reading.endswith(", ".join(map(str, homes)))
    shared = text(demo(), at(demo(), "model_expert", 12, 128, 1), (160, 40)).splitlines()[-1]
    assert "shared expert 128" in shared
    assert shared.endswith("on every rank")


def test_grouped_matmul_time_is_the_files_in_ms_under_its_pid():
    with (DEMO / "ep_balance.csv").open() as file:
        rows = list(csv.reader(file))
    pids = sorted(rows[0], key=int)
    for layer, column in ((0, 0), (17, 3), (57, 7)):
        nanoseconds = [int(rows[1 + layer][rows[0].index(pid)]) for pid in pids]
        reading = text(demo(), at(demo(), "times", layer, column)).splitlines()[-1]
        assert f"process {column} (pid {pids[column]}), rank guessed" in reading
        time, multiple = numbers(r"· ([\d.]+) ms · ([\d.]+)× mean", reading)
        assert time == pytest.approx(nanoseconds[column] / 1e6, rel=0.006)
        assert multiple == pytest.approx(nanoseconds[column] / np.mean(nanoseconds), rel=0.006)
    legend = next(
        line for line in text(demo(), at(demo(), "times", 0, 0)).splitlines() if line.endswith(" ms")
    )
    every = [int(cell) / 1e6 for row in rows[1:] for cell in row]
    low, high = numbers(r"^\s*([\d.]+) .* ([\d.]+) ms", legend)
    assert (low, high) == (pytest.approx(min(every), rel=0.006), pytest.approx(max(every), rel=0.06))


def test_intervals_are_the_files_shortest_first_and_read_inverted():
    with (DEMO / "moe_analysis.csv").open() as file:
        rows = sorted(
            ([int(row[0]), *(float(cell) / 1e3 for cell in row[1:])] for row in list(csv.reader(file))[1:]),
            key=lambda row: row[1],
        )
    drawn = text(demo(), at(demo(), "intervals", 0, 0)).splitlines()
    assert "inverted" in drawn[1]
    assert "95 % t-interval" in drawn[0]
    mean = np.mean([row[1] for row in rows])
    for line, (pid, *values) in zip(drawn[3:], rows, strict=False):
        assert f"(pid {pid})" in line
        found = numbers(r"\) +([\d.]+) \[([\d.]+)–([\d.]+)\] +([\d.]+)", line)
        assert found == pytest.approx([*values, values[0] / mean], rel=0.006)
    # The end of the range on screen lies where its number says, on an axis from 0 to the largest.
    bars = [line[60:] for line in drawn[3 : 3 + len(rows)]]
    ends = [len(bar.rstrip()) for bar in bars]
    for end, row in zip(ends, rows, strict=True):
        assert end == pytest.approx(row[3] / (max(r[3] for r in rows) * 1.02) * 20, abs=1)


def test_a_process_with_one_call_has_no_interval():
    one = pl.DataFrame({"process": [7], "column": [0], "mean": [5e3], "low": [None], "high": [None]})
    data = of(intervals=empty("rank_intervals").vstack(one.cast(empty("rank_intervals").schema)))
    assert "5 µs [no interval]" in text(data, ep_state.start(data))


# What stands out


def test_the_cursor_begins_on_rank_3_at_its_worst_layer():
    state = ep_state.start(truth())
    shares = TRUTH["rank", 0]
    worst = (shares / shares.mean(axis=1, keepdims=True))[:, 3].argmax()
    assert (state.view, state.rank, state.layer, state.period) == ("rank", 3, worst, 0)


@pytest.mark.parametrize("caps", [c for c in ALL_CAPS if c.colors != "none"], ids=str)
@pytest.mark.parametrize("size", [WIDE, NARROW])
def test_rank_3_is_brighter_than_all_others_where_only_it_is_hot(caps, size):
    state = at(truth(), "rank", 0, 0, period=2)
    view = ep_layout.viewport(truth(), state, None, Canvas(*size, caps))
    rows = ep_view.draw(truth(), state, view, Canvas(*size, caps))
    x, y, _half = place_of(view, 40, 3, caps)
    line = rows[y + ep_layout.layout(truth(), state, *size).map_top]
    here, there = (
        style_at(line, ep_layout.GUTTER + x),
        style_at(line, ep_layout.GUTTER + x + 4 * view.cell_width),
    )
    ramp = [palette.level_color(caps, level) for level in range(palette.heat_levels(caps))]
    assert ramp.index(here) >= ramp.index(there) + len(ramp) // 3


def style_at(line, x):
    _before, (cell, *_rest) = Segment.divide(line, [x, x + 1])
    style = cell.style
    return style.color if style.bgcolor is None or style.bgcolor in (None, style.color) else style.bgcolor


def test_the_model_expert_view_begins_on_expert_37_and_leaves_the_shared_one_out():
    state = replace(ep_state.start(truth()), view="model_expert")
    assert state.expert == 37
    shown = ep_state.current_map(truth(), state)
    assert shown.shared == {256}
    drawn = text(truth(), state, WIDE)
    hottest = drawn[drawn.index("hottest experts") :].splitlines()[2]
    shares = TRUTH["model_expert", 0][:, :256]
    mean = (shares / shares.mean(axis=1, keepdims=True)).mean(axis=0)
    assert re.search(rf"│ +37 +{mean[37]:.2f} ", hottest)


def test_shared_experts_are_grey_in_map_and_bars_of_both_views_and_count_for_nothing():
    levels = {palette.level_color(CAPS, level) for level in range(palette.heat_levels(CAPS))}
    for view, column, shared in (
        ("model_expert", 256, {256}),
        ("expert", 16, {17 * rank + 16 for rank in range(16)}),
    ):
        # One column a cell.
        size = (290 + 70, 67)
        state = at(truth(), view, 31, 3)
        shown = ep_state.current_map(truth(), state)
        assert shown.shared == shared
        rows = draw(truth(), state, size)
        drawn = plain(rows).splitlines()
        x = ep_layout.GUTTER + column
        top = next(y for y, line in enumerate(drawn) if line.startswith("       0"))
        bars = [y for y, line in enumerate(drawn) if line[:9].strip() in ("mean of", "all", "layers")]
        assert len(bars) == 3
        for y in (top, top + 5, bars[-1] + 3):
            assert style_at(rows[y], x - 1) in levels, (view, y)
            assert style_at(rows[y], x) not in levels, (view, y)
        assert not {place for _layer, place in shown.order} & shared
        kept = np.delete(shown.values, sorted(shared), axis=1)
        assert shown.scale.high == pytest.approx(np.quantile(kept, 0.995))


def test_a_cell_over_a_shared_expert_shows_what_else_it_covers():
    """Two slots a cell: the 17th of each rank stands beside the first of the next."""
    state = at(truth(), "expert", 31, 3)
    rows = draw(truth(), state, (200, 67))
    assert "max of 2 experts" in plain(rows)
    shown = ep_state.current_map(truth(), state)
    scale = current_scale(truth(), state)
    top = next(y for y, line in enumerate(plain(rows).splitlines()) if line.startswith("       0"))
    for cell in range(136):
        pair = [shown.values[0, column] for column in (2 * cell, 2 * cell + 1) if column % 17 != 16]
        part = (min(max(pair), scale.high) - scale.low) / (scale.high - scale.low)
        expected = palette.level_color(CAPS, palette.heat_level(CAPS, part))
        assert upper(rows[top], ep_layout.GUTTER + cell) == expected, cell


def upper(line, x):
    """Return the colour of a cell's upper half."""
    _before, (cell, *_rest) = Segment.divide(line, [x, x + 1])
    return cell.style.color if cell.text == "▀" else cell.style.bgcolor


@pytest.mark.parametrize("layers", [3, 58])
def test_the_side_panel_fills_a_tall_screen(layers):
    heat = pl.concat([cells(TRUTH[v, 0][:layers], view=v, slots=17 if v == "expert" else None)
                      for v in ("rank", "model_expert")])  # fmt: skip
    data = of(heat)
    drawn = text(data, at(data, "rank", 1, 3), (250, 67)).splitlines()
    side = [line.partition("│ ")[2].rstrip() for line in drawn[1:-1]]
    worst = [line for line in side if re.match(r"layer \d+ +\d", line)]
    hottest = side[side.index("hottest experts · × mean") + 2 :]
    assert len(worst) >= min(layers, 15)
    # But for what is said last, the list goes down to the panel's end.
    assert all(re.match(r" *\d+ +[\d.]+ ", line) for line in hottest[: len(hottest) - 4])
    assert len(hottest) > 15


def test_n_goes_to_the_next_hottest_cell_and_back():
    shares = TRUTH["expert", 0]
    order = np.argsort(-(shares / shares.mean(axis=1, keepdims=True)), axis=None)
    expected = [divmod(int(flat), shares.shape[1]) for flat in order[:3]]
    assert expected[0] == (10, 127)
    state = replace(ep_state.start(truth()), view="expert")
    found = []
    for _press in range(3):
        state = ep_state.next_hottest(truth(), state, 1)
        found.append((state.layer, state.slot))
    assert found == expected
    assert ep_state.next_hottest(truth(), state, -1).slot == expected[1][1]
    moved = ep_state.move(truth(), state, View(), 1, 0)
    assert ep_state.next_hottest(truth(), moved, 1).slot == expected[0][1]


# Scale and periods


def test_one_scale_over_all_periods_until_asked_for_the_periods_own():
    def high(state):
        drawn = text(truth(), state)
        return numbers(r"≥ ([\d.]+)× mean, (?:all|this) period", drawn)[0], "all periods" in drawn

    every = np.concatenate([m / m.mean(axis=1, keepdims=True) for (v, _p), m in TRUTH.items() if v == "rank"])
    first = TRUTH["rank", 0] / TRUTH["rank", 0].mean(axis=1, keepdims=True)
    common = [high(at(truth(), "rank", 0, 0, period)) for period in range(3)]
    assert common == [(pytest.approx(np.quantile(every, 0.995), abs=0.006), True)] * 3
    own = high(at(truth(), "rank", 0, 0, 0, common_scale=False))
    assert own == (pytest.approx(np.quantile(first, 0.995), abs=0.006), False)


def test_periods_stop_at_both_ends_and_are_named_as_in_the_files():
    heat = pl.concat([cells([[0.5, 0.5]], period=3), cells([[0.4, 0.6]], period=7)])
    data = of(heat)
    state = ep_state.start(data)
    assert "period 3 (1 of 2)" in text(data, state)
    last = ep_state.change_period(data, state, 1)
    assert "period 7 (2 of 2)" in text(data, last)
    assert ep_state.change_period(data, last, 1) == last
    assert ep_state.change_period(data, state, -1) == state


# Moving


def fits(view, data, state, size):
    return span(view, Canvas(ep_layout.layout(data, state, *size).map_width, 1, CAPS))


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(["rank", "expert", "model_expert"]),
    st.sampled_from([WIDE, NARROW, (60, 14)]),
    st.integers(0, 6),
    st.lists(st.sampled_from([(0, 1), (0, -1), (1, 0), (-1, 0), (10, 0)]), max_size=8),
)
def test_the_cursor_reads_the_value_that_its_cell_shows(name, size, zoom, moves):
    data, view = truth(), None
    state = replace(at(data, name, 20, 10), zoom=zoom)
    shown = ep_state.current_map(data, state)
    for down, right in moves:
        view = ep_layout.viewport(data, state, view, Canvas(*size, CAPS))
        before = state
        state = ep_state.move(data, state, view, down, right)
        column = ep_state.column_of(state)
        rows, columns = view.rows_per_cell, view.columns_per_cell
        top, left = state.layer // rows * rows, column // columns * columns
        if state != before:
            block = shown.values[top : top + rows, left : left + columns]
            assert shown.values[state.layer, column] == block.max()
            wanted = before.layer // rows + down, ep_state.column_of(before) // columns + right
            last = (shown.shape[0] - 1) // rows, (shown.shape[1] - 1) // columns
            assert (top // rows, left // columns) == tuple(
                min(max(0, w), end) for w, end in zip(wanted, last, strict=True)
            )
        after = ep_layout.viewport(data, state, view, Canvas(*size, CAPS))
        x, y, _half = place_of(after, state.layer, column, CAPS)
        place = ep_layout.layout(data, state, *size)
        assert 0 <= x < place.map_width
        assert 0 <= y < place.map_height


@pytest.mark.parametrize("name", ["rank", "expert", "model_expert", "times"])
def test_there_and_back_is_the_same_place(name):
    data = demo()
    state = replace(at(data, name, 20, 4), zoom=9)
    view = ep_layout.viewport(data, state, None, Canvas(*WIDE, CAPS))
    assert (view.rows_per_cell, view.columns_per_cell) == (1, 1)
    for down, right in ((0, 1), (1, 0), (5, 3)):
        there = ep_state.move(data, state, view, down, right)
        assert there != state
        back = ep_state.move(data, there, view, -down, -right)
        assert (back.layer, ep_state.column_of(back)) == (20, 4)


def test_a_click_hits_what_is_drawn_there():
    data = truth()
    state = replace(at(data, "expert", 0, 0), zoom=9)
    view = ep_layout.viewport(data, state, None, Canvas(*WIDE, CAPS))
    x, y, _half = place_of(view, 6, 5, CAPS)
    place = ep_layout.layout(data, state, *WIDE)
    spot = (ep_layout.GUTTER + x, place.map_top + y)
    clicked = ep_layout.clicked(data, state, view, *spot, Canvas(*WIDE, CAPS))
    # The character shows layers 6 and 7 of slot 5; the cursor takes the hotter.
    layer = 6 + int(TRUTH["expert", 0][6:8, 5].argmax())
    assert (clicked.layer, clicked.slot) == (layer, 5)
    for outside in ((0, 5), (199, 5), (20, 0), (20, 46)):
        assert ep_layout.clicked(data, state, view, *outside, Canvas(*WIDE, CAPS)) == state


def test_a_click_on_an_interval_chooses_its_process():
    state = at(demo(), "intervals", 0, 0)
    shortest = demo().intervals[0]
    clicked = ep_layout.clicked(demo(), state, View(), 5, 3, Canvas(*NARROW, CAPS))
    assert clicked.process == shortest.column
    assert f"pid {shortest.process}" in text(demo(), state).splitlines()[3]


def test_rank_by_rank_in_the_expert_view():
    state = at(truth(), "expert", 5, 20)
    places = []
    for _press in range(3):
        state = ep_state.jump_rank(truth(), state, 1)
        places.append((state.slot, state.rank, state.layer))
    assert places == [(34, 2, 5), (51, 3, 5), (68, 4, 5)]
    for _press in range(9):
        state = ep_state.jump_rank(truth(), state, -1)
    assert state.slot == 0
    assert ep_state.jump_rank(truth(), at(truth(), "expert", 5, 271), 1).slot == 255


@pytest.mark.parametrize("size", [WIDE, NARROW])
def test_enter_shows_all_slots_of_the_rank_as_large_as_they_fit_and_leaves_the_same_way(size):
    data = demo()
    state = ep_state.start(data)
    zoom = ep_layout.zoom_for_rank(data, state, Canvas(*size, CAPS))
    inside = ep_state.enter_rank(data, state, zoom)
    assert inside.view == "expert"
    view = ep_layout.viewport(data, inside, None, Canvas(*size, CAPS))
    assert view.left == 3 * 17
    assert view.cell_width >= 4
    assert fits(view, data, inside, size)[1] >= 17
    shares = ep_state.current_map(data, inside).shares[inside.layer, 51:68]
    assert inside.slot == 51 + shares.argmax()
    drawn = text(data, inside, size)
    assert "experts of rank 3, Esc" in drawn
    row = next(line for line in drawn.splitlines() if line.startswith("  expert "))
    placed = frames(DEMO)[0].filter(
        pl.col("view") == "expert",
        pl.col("period") == 0,
        pl.col("layer") == inside.layer,
        pl.col("rank") == 3,
    )
    assert row.split()[1:18] == [str(expert) for expert in placed.sort("slot")["expert"]]
    left = ep_state.leave_rank(inside)
    assert (left.view, left.rank, left.layer) == ("rank", 3, state.layer)


def test_enter_does_nothing_where_slots_are_unknown():
    data = of(cells([[0.5, 0.5]]))
    state = ep_state.start(data)
    assert ep_state.enter_rank(data, state, 3) == state


def test_follows_a_selection_as_far_as_it_exists_here():
    data = truth()
    state = replace(ep_state.start(data), view="expert")
    chosen = {"instance": "d0", "rank": 9, "layer": 44, "period": 2}
    followed = ep_state.follow_selection(data, state, **chosen)
    assert (followed.rank, followed.layer, followed.period) == (9, 44, 2)
    assert followed.slot // 17 == 9
    nowhere = {"instance": "p0", "rank": None, "layer": None, "period": 8}
    assert ep_state.follow_selection(data, followed, **nowhere) == followed
    beyond = ep_state.follow_selection(data, state, instance=None, rank=99, layer=999, period=None)
    text(data, beyond)
    text(data, ep_state.next_view(data, replace(beyond, view="intervals")))


# Zoomed out, and what is not there


def test_zoomed_out_says_what_a_cell_covers():
    assert "max of 4 experts × 2 layers" in text(truth(), at(truth(), "expert", 0, 0))
    assert "max of 2 layers" in text(truth(), at(truth(), "rank", 0, 0))
    assert "max of 2 experts" in text(truth(), at(truth(), "expert", 0, 0), WIDE)
    assert "max of" not in text(truth(), at(truth(), "rank", 0, 0), WIDE)


def test_a_part_of_the_map_says_which():
    state = replace(at(truth(), "expert", 40, 200), zoom=9)
    drawn = text(truth(), state, WIDE)
    left, right = numbers(r"columns (\d+)–(\d+) of 272", drawn)
    assert left <= 200 <= right
    assert right - left + 1 == 17
    # Wide colours leave room for a smaller map of the map, and the rulers say where it is.
    narrow = next(line for line in text(truth(), state).splitlines() if "all periods" in line)
    assert re.search(r"periods  ░+█+░+$", narrow)


def test_a_picture_without_a_readable_scale_shows_relative_heat():
    relative = [cells(TRUTH[v, 0], view=v, slots=17 if v == "expert" else None, relative_only=True)
                for v in ("rank", "expert")]  # fmt: skip
    data = of(pl.concat(relative))
    for size in (WIDE, NARROW):
        drawn = text(data, at(data, "rank", 10, 7), size)
        assert "relative heat (scale unreadable)" in drawn
        shares = TRUTH["rank", 0]
        (value,) = numbers(r"relative heat ([\d.]+) of 1", drawn)
        assert value == pytest.approx((shares[10, 7] - shares.min()) / np.ptp(shares), rel=0.006)
        assert "no data: the picture's scale is unreadable" in drawn
        assert "× mean" not in drawn.replace("hottest experts · × mean", "")


def test_without_by_rank_boundaries_are_unknown():
    data = of(cells(TRUTH["expert", 0], view="expert"))
    state = ep_state.start(data)
    drawn = text(data, state, (120, 30))
    assert "rank boundaries unknown, no by_rank map" in drawn.splitlines()[0]
    assert "rank unknown" in drawn.splitlines()[-1]
    assert "no data: rank boundaries unknown" in drawn


def test_a_view_that_a_period_lacks_says_so():
    heat = pl.concat(
        [cells([[0.5, 0.5]]), cells([[0.5, 0.5]], period=1), cells([[0.5, 0.5]], view="model_expert")]
    )
    data = of(heat)
    state = replace(ep_state.start(data), view="model_expert", period=1)
    assert "No model expert × layer map of period 1 (2 of 2)" in text(data, state)


def test_v_goes_round_the_views_that_exist_and_names_the_others():
    state, seen = ep_state.start(demo()), []
    for _press in VIEWS:
        state = ep_state.next_view(demo(), state)
        seen.append(state.view)
    assert seen == [*VIEWS[1:], VIEWS[0]]
    lacking = truth()
    state = replace(ep_state.start(lacking), view="model_expert")
    state = ep_state.next_view(lacking, state)
    assert state.view == "rank"
    assert (
        "not here: GroupedMatmul time, fast/slow ranks · ? says why" in text(lacking, state).splitlines()[0]
    )
    assert "not here" not in text(lacking, ep_state.move(lacking, state, View(), 1, 0))
    assert "not here: GroupedMatmul time, fast/slow ranks" in text(lacking, ep_state.start(lacking), WIDE)
    absent = [view for view in VIEWS if view not in lacking.views("d0")]
    assert "MSPTI" in entries(lacking, tuple(absent))[-1].text


def test_several_instances_are_named_and_changed():
    heat = pl.concat([cells([[0.1, 0.9]]), cells([[0.8, 0.2]], instance="\x1b[31mp0\u202e")])
    data = of(heat)
    names = [ep_state.start(data).instance]
    state = ep_state.next_instance(data, ep_state.start(data))
    names.append(state.instance)
    assert sorted(names) == sorted(data.instances)
    assert state.rank == {"d0": 1}.get(state.instance, 0)
    for each in (state, ep_state.next_instance(data, state)):
        check(draw(data, each, WIDE), 200, CAPS, 47)
    assert ep_state.next_instance(data, ep_state.next_instance(data, state)) == state


def test_times_and_intervals_alone_are_shown():
    data = of(None, *frames(DEMO)[1:])
    state = ep_state.start(data)
    assert state.view == "times"
    assert state.process == int(np.argmax(ep_state.current_map(data, state).means)) == 3
    assert "no expert heat here" in text(data, state)
    assert ep_state.next_view(data, state).view == "intervals"


def test_a_profile_with_nothing_says_how_to_collect_it(tmp_path):
    (tmp_path / "request.csv").write_text("http_rid,start_time_ms,recv_token_size\nr,1,1\n")
    profile = open_profile(tmp_path)
    assert ep_state.start(of()) is None
    rows = ep_view.nothing_rows(profile, 120, 21, CAPS)
    assert "eplb_observe" in plain(rows)
    check(rows, 120, CAPS)


# Every size


@settings(max_examples=120, deadline=None)
@given(
    st.integers(1, 220),
    st.integers(1, 60),
    st.sampled_from(ALL_CAPS),
    st.sampled_from(VIEWS),
    st.integers(0, 9),
    st.booleans(),
    st.integers(0, 57),
)
def test_rows_are_exact_in_every_size(width, height, caps, view, zoom, inside, layer):
    state = replace(
        ep_state.start(demo()), view=view, zoom=zoom, layer=layer, inside=inside and view == "expert"
    )
    check(draw(demo(), state, (width, height), caps), width, caps, height)


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 6), st.integers(1, 9), st.integers(1, 130), st.integers(1, 30), st.sampled_from(VIEWS[:3])
)
def test_rows_are_exact_for_every_shape_with_gaps(layers, columns, width, height, view):
    shares = np.random.default_rng(layers * 10 + columns).random((layers, columns))
    shares[:, 0] = np.nan
    shares[0] = np.nan
    data = of(cells(shares, view=view))
    state = ep_state.start(data)
    check(draw(data, state, (width, height)), width, CAPS, height)
    reading = text(data, replace(state, layer=0, rank=0, slot=0, expert=0), (200, 1))
    assert reading.startswith("layer 0")
    assert "– %" in reading


# The whole picture


def test_a_title_and_the_figure_beside_it_keep_apart():
    data = truth()
    for layer in range(58):
        drawn = text(data, replace(ep_state.start(data), layer=layer), (140, 37))
        assert re.search(rf"layer {layer} over \S+ +PAR \d", drawn)
