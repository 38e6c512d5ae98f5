"""After, before and difference in DP, P/D and EP: pure, from hand-made data."""

from dataclasses import replace
from functools import cache

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbtui.render.canvas import Canvas
from lbtui.render.capabilities import Capabilities
from lbtui.render.text import plain
from lbtui.ui.kit.selection import Selection
from lbtui.ui.kit.sides import Pair, signed
from lbtui.ui.panes.dp import difference as dp_difference
from lbtui.ui.panes.dp.layout import DpState, Shown, layout
from lbtui.ui.panes.dp.sides import common, difference, local_state, offset_of, scenes, shared_state
from lbtui.ui.panes.dp.view import draw as draw_lanes
from lbtui.ui.panes.ep import layout as ep_layout
from lbtui.ui.panes.ep import sides as ep_sides
from lbtui.ui.panes.ep import state as ep_state
from lbtui.ui.panes.ep import view as ep_view
from lbtui.ui.panes.pd import sides as pd_sides
from lbtui.ui.panes.pd.state import starting
from tests.ep_frames import cells
from tests.render.strategies import caps as any_caps
from tests.render.strategies import check
from tests.ui.test_dp_view import made, step
from tests.ui.test_ep_view import of
from tests.ui.test_pd_view import drawn as draw_nodes
from tests.ui.test_pd_view import made as nodes

UNICODE, ASCII = Capabilities("256"), Capabilities("none", unicode=False)
HOUR_MS, HOUR = 3_600_000, 3_600_000_000


# DP


def steps(batches, *, seconds=20, begin=0):
    """Steps of a second for each rank, all of the same batch size."""
    return [
        step(f"node-d-{rank}", rank, begin + t, begin + t + 1000, batch)
        for rank, batch in batches.items()
        for t in range(0, 1000 * seconds, 1000)
    ]


@cache
def dp_pair():
    """dp1 goes from 2 to 8, dp0 stays; dp2 is there before only, an hour earlier and 5 s longer."""
    after, measured = made(steps({0: 2, 1: 8}))
    before, measured_before = made(steps({0: 2, 1: 2, 2: 4}, seconds=25, begin=-HOUR_MS))
    return Pair(after, before), Pair(measured, measured_before)


def dp_difference_of(data, measured, state, columns):
    both = common(measured, data)
    views = scenes(data, measured, state, columns, "difference")
    return dp_difference.Difference(both, measured, views, difference(views, both), offset_of(data))


def dp_text(side, width, height, caps=UNICODE):
    data, measured = dp_pair()
    state = DpState(domain="node-d/dp1", time=data.after.begin + 10_000_000)
    local = local_state(state, data, side)
    if side == "difference":
        columns = layout(common(measured, data).measured, width, height, "signed").columns
        shown = dp_difference_of(data, measured, state, columns)
        return plain(dp_difference.draw(shown, local, width, height, caps))
    own = measured.of(side)
    at = layout(own, width, height)
    view = scenes(data, measured, state, at.columns, side).of(side)
    return plain(draw_lanes(Shown.of(data.of(side), own, view, local, at), Canvas(width, height, caps)))


def test_before_is_drawn_in_its_own_time_on_the_scale_of_both():
    after, before = dp_text("after", 110, 12).splitlines(), dp_text("before", 110, 12).splitlines()
    assert after[0].startswith(" after  batch size · 08:00:00–08:00:20 ·")
    assert before[0].startswith(" before  batch size · 07:00:00–07:00:25 ·")
    # 8 is the highest of both: 2 of 8 is two eighths of a line.
    assert after[0].endswith("0–8")
    assert before[0].endswith("0–8")
    assert "▼07:00:10" in before[1]


def test_the_difference_of_hand_made_lanes():
    lines = dp_text("difference", 100, 12).splitlines()
    assert lines[0].startswith(" difference  batch size · ±6 · 1 column = ")
    assert lines[0].endswith("from their start · left out, only before: dp2")
    (y0,), (y1,) = ([y for y, line in enumerate(lines[:9]) if f" {name} " in line] for name in ("dp0", "dp1"))
    dp0, dp1 = lines[y0], lines[y1]
    # Before the lanes' means are 2, 2, 4 and their mean 8 / 3; after they are 2 and 8 with mean 5.
    assert dp0.split()[-3:] == ["0", "0", f"−{2 / (8 / 3) - 2 / 5:.2f}"]
    assert dp1.split()[-3:] == ["+6", "+6", f"{8 / 5 - 2 / (8 / 3):+.2f}"]
    # The zero line is at the top of the lane's last line, what is more stands above it.
    assert dp0.count("▔") == dp1.count("▔") > 40
    assert "█" not in lines[y0 - 1]
    assert lines[y1 - 1].count("█") > 40
    reading = " ".join(line.strip() for line in lines[-3:])
    assert "2 before, 8 after, +6" in reading
    assert "mean of the window 2 → 8" in reading
    # Of more domains PAR is higher by chance alone, so it is not subtracted.
    assert not any(line.startswith("PAR") for line in lines)


def test_in_ascii_a_difference_has_signs():
    lines = dp_text("difference", 100, 12, ASCII).splitlines()
    (y,) = [y for y, line in enumerate(lines[:9]) if " dp1 " in line]
    assert lines[y - 1].count("#") > 40
    assert "#" not in lines[y]


def test_par_is_subtracted_where_both_have_the_same_domains():
    after, measured = made(steps({0: 2, 1: 8}))
    before, measured_before = made(steps({0: 2, 1: 2}, begin=-HOUR_MS))
    shown = dp_difference_of(Pair(after, before), Pair(measured, measured_before), DpState(), 40)
    (even,) = shown.view.evenness.values()
    assert even.value == pytest.approx(8 / 5 - 1)
    assert np.allclose(even.columns, 8 / 5 - 1)


def test_the_largest_change_is_where_the_lanes_differ_most():
    after, measured = made(
        [
            *steps({0: 2}),
            *[s | {"batch_size": 9 if 5 <= s["start"].second < 12 else 2} for s in steps({1: 2})],
        ]
    )
    before, measured_before = made(steps({0: 4, 1: 2}, begin=-HOUR_MS))
    both = common(Pair(measured, measured_before), Pair(after, before))
    first, second = both.measured.places[:2]
    # +7 for 7 s before −2 for 20 s: by change × √time.
    assert (first.lane, second.lane) == (1, 0)
    assert first.excess == pytest.approx(7, rel=0.02)
    assert (first.begin - after.begin) / 1e6 == pytest.approx(5, abs=0.1)
    assert (first.end - after.begin) / 1e6 == pytest.approx(12, abs=0.1)
    assert second.excess == pytest.approx(-2)


def test_what_stands_at_the_cursor_is_what_is_drawn_there():
    data, measured = dp_pair()
    state = DpState(domain="node-d/dp1", time=data.after.begin + 10_000_000)
    columns = layout(common(measured, data).measured, 100, 12, "signed").columns
    shown = dp_difference_of(data, measured, state, columns)
    lines = plain(dp_difference.draw(shown, state, 100, 12, UNICODE)).splitlines()
    (line,) = [line for line in lines[:9] if " dp1 " in line]
    assert line.split()[-3] == "+6"
    assert "at cursor: 2 before, 8 after, +6" in " ".join(lines[-3:])


@given(st.integers(-40, 40), st.sampled_from(["after", "before", "difference"]), st.booleans())
def test_going_to_a_side_and_back_changes_nothing(seconds, side, zoomed):
    data, _measured = dp_pair()
    begin = data.after.begin
    window = (begin, begin + 5_000_000) if zoomed else None
    state = DpState(domain="node-d/dp1", time=begin + seconds * 1_000_000, window=window)
    local = local_state(state, data, side)
    assert local.time - state.time == (-HOUR if side == "before" else 0)
    assert replace(shared_state(local, data, side), side=None) == state


def test_a_domain_of_one_side_alone_gives_way_to_the_first_of_the_other():
    data, _measured = dp_pair()
    assert local_state(DpState(domain="node-d/dp2"), data, "before").domain == "node-d/dp2"
    assert local_state(DpState(domain="node-d/dp2"), data, "after").domain == "node-d/dp0"


def test_instances_of_another_name_are_paired_by_rank():
    after, measured = made(steps({0: 2, 1: 8}))
    rows = [row | {"instance": "other", "domain": f"other/dp{row['dp_rank']}"} for row in steps({0: 2, 1: 2})]
    before, measured_before = made(rows)
    pair = Pair(after, before)
    assert common(Pair(measured, measured_before), pair).lanes == ((0, 0), (1, 1))
    assert local_state(DpState(domain="node-d/dp1"), pair, "before").domain == "other/dp1"


@given(st.integers(1, 220), st.integers(1, 50), any_caps)
def test_a_difference_of_lanes_fills_any_size(width, height, caps):
    data, measured = dp_pair()
    columns = layout(common(measured, data).measured, width, height, "signed").columns
    shown = dp_difference_of(data, measured, DpState(), columns)
    state = local_state(DpState(domain="node-d/dp1", time=data.after.begin), data, "difference")
    rows = dp_difference.draw(shown, state, width, height, caps)
    check(rows, width, caps)
    assert len(rows) <= height


# P/D


@cache
def pd_pair():
    after = nodes(
        (0, "10.0.0.1:80", "prefill", 4, 4, 0, 0),
        (0, "10.0.0.2:80", "prefill", 8, 7, 1, 1),
        (1, "10.0.0.1:80", "prefill", 1, 1, 0, 0),
        (1, "10.0.0.2:80", "prefill", 7, 5, 3, 3),
        (2, "10.0.0.2:80", "prefill", 2, 5, 0, 0),
    )
    before = nodes(
        (100, "10.0.0.1:80", "prefill", 6, 6, 0, 0),
        (100, "10.0.0.2:80", "prefill", 6, 6, 0, 0),
        (101, "10.0.0.1:80", "prefill", 4, 4, 0, 0),
        (101, "10.0.0.2:80", "prefill", 4, 4, 0, 0),
        (100, "10.0.0.3:80", "prefill", 1, 1, 0, 0),
    )
    return pd_sides.sides(after, before)


def test_nodes_are_subtracted_bin_by_bin_from_the_start_of_each_run():
    sides = pd_pair()
    table = sides["difference"].table
    assert [node.address for node in table.nodes] == ["10.0.0.1:80", "10.0.0.2:80"]
    assert table.counts["added"].tolist() == [[-2, 2], [-3, 3]]
    assert sides["difference"].left_out == ("left out, only after: the last 1 bins; only before: P 10.0.0.3")
    canvas, state = Canvas(110, 24, UNICODE), starting(sides["after"], Selection())
    drawn = plain(draw_nodes(sides["difference"], state, Selection(), canvas))
    assert drawn.startswith(" difference  added requests · after − before · left out, only after")
    assert "20 → 20 added · PAR 1.00 → 1.50" in drawn
    # 10.0.0.1 had 10 of these 20 requests, now 5.
    (lane,) = [line for line in drawn.splitlines() if line.startswith(" 10.0.0.1")]
    assert lane.split()[-4:] == ["−5", "−25", "pp", "−0.50"]


def test_both_sides_of_nodes_are_drawn_on_one_scale():
    sides = pd_pair()
    assert (
        sides["before"].table.peak("added", "prefill") == sides["after"].table.peak("added", "prefill") == 8
    )
    canvas, state = Canvas(120, 24, UNICODE), starting(sides["before"], Selection())
    text = plain(draw_nodes(sides["before"], state, Selection(), canvas))
    assert text.startswith(" before  added requests")
    assert "height prefill 0–8" in text


def test_where_no_address_stayed_nodes_pair_in_their_order():
    rows = [(0, "10.0.0.1:80", "prefill", 4, 4, 0, 0), (0, "10.0.0.2:80", "prefill", 8, 7, 1, 1)]
    moved = [(bin, address.replace("10.", "11."), *rest) for bin, address, *rest in rows]
    table = pd_sides.sides(nodes(*rows), nodes(*moved))["difference"].table
    assert table.counts["added"].tolist() == [[0, 0]]
    assert [node.address for node in table.both[0].nodes] == ["11.0.0.1:80", "11.0.0.2:80"]


def test_bins_of_another_length_are_not_subtracted():
    after = nodes((0, "10.0.0.1:80", "prefill", 4, 4, 0, 0), (1, "10.0.0.1:80", "prefill", 4, 4, 0, 0))
    before = nodes((0, "10.0.0.1:80", "prefill", 4, 4, 0, 0), (2, "10.0.0.1:80", "prefill", 4, 4, 0, 0))
    shown = pd_sides.sides(after, before)["difference"]
    assert shown.table is None
    canvas = Canvas(80, 20, UNICODE)
    text = plain(draw_nodes(shown, starting(shown, Selection()), Selection(), canvas))
    assert "bins of 10.0 s before and 5.0 s after cannot be subtracted" in " ".join(text.split())


@given(
    st.integers(1, 220), st.integers(1, 50), any_caps, st.booleans(), st.sampled_from(["added", "running"])
)
def test_a_difference_of_nodes_fills_any_size(width, height, caps, transfers, count):
    data = pd_pair()["difference"]
    state = replace(starting(data, Selection()), transfers=transfers, count=count)
    check(draw_nodes(data, state, Selection(), Canvas(width, height, caps)), width, caps, height)


def test_a_selection_moves_with_the_run():
    sides = pd_pair()
    assert pd_sides.shift(sides, "before") == 500_000_000
    selection = Selection(time=5, window=(1, 9))
    assert pd_sides.shifted(selection, 10) == Selection(time=15, window=(11, 19))
    state = pd_sides.switched(
        sides["after"].table,
        sides["before"].table,
        replace(starting(sides["after"], Selection()), bin=2, node=1),
    )
    assert (state.bin, state.node) == (1, 1)


# EP


def shares(multiples):
    """Shares whose multiples of their layer's mean are these."""
    values = np.asarray(multiples, dtype=float)
    return values / values.sum(axis=1, keepdims=True)


@cache
def ep_pair():
    after = of(pl.concat([cells(shares([[1, 3], [2, 2]])), cells(shares([[1, 1], [1, 1]]), period=1)]))
    before = of(pl.concat([cells(shares([[2, 2, 2], [1, 1, 4]]), instance="old")]))
    return ep_sides.sides(after, before)


def test_heat_is_subtracted_cell_by_cell_as_multiples_of_the_layers_mean():
    sides = ep_pair()
    shown = sides["difference"].maps["d0", "rank", 0]
    # Two ranks after, three before: × mean 0.5, 1.5 and 1, 1 against 1, 1, 1 and 0.5, 0.5, 2.
    assert shown.values.tolist() == pytest.approx(np.array([[-0.5, 0.5], [0.5, 0.5]]))
    assert ("d0", "rank", 1) not in sides["difference"].maps
    assert "only after: period 1" in sides["difference"].left_out
    assert "only before: ranks 2–2" in sides["difference"].left_out
    load = sides["difference"].loads["d0", 0]
    assert load.par.tolist() == pytest.approx([1.5 - 1, 1 - 2])
    assert sides["after"].common["d0", "rank"] == sides["before"].common["d0", "rank"]
    assert sides["after"].common["d0", "rank"].high >= 2


def ep_text(data, state, size=(120, 24), caps=UNICODE):
    canvas = Canvas(*size, caps)
    return plain(ep_view.draw(data, state, ep_layout.viewport(data, state, None, canvas), canvas))


def test_the_difference_of_heat_says_both_values():
    sides = ep_pair()
    state = replace(ep_state.start(sides["after"]), layer=1, rank=0)
    text = ep_text(sides["difference"], state)
    assert text.startswith(" difference  rank × layer · after − before · period 0")
    assert "layer 1 · rank 0 · +0.5× mean · 0.500 before, 1 after" in text
    assert "PAR 2.00 → 1.00" in text
    period = replace(state, period=1)
    assert "No rank × layer map of period 1" in ep_text(sides["before"], period)
    # Of a view that one side lacks it says so, and does not fail.
    assert "not subtracted" in ep_text(sides["difference"], replace(state, view="intervals"))


@given(st.integers(1, 220), st.integers(1, 50), any_caps, st.sampled_from(["after", "before", "difference"]))
def test_every_side_of_heat_fills_any_size(width, height, caps, side):
    data = ep_pair()[side]
    state = ep_state.in_bounds(data, ep_state.start(ep_pair()["after"]))
    view = ep_layout.viewport(data, state, None, Canvas(width, height, caps))
    check(ep_view.draw(data, state, view, Canvas(width, height, caps)), width, caps, height)


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0, "0"), (-0.0000004, "−4.00e-07"), (2.5, "+2.50"), (-3, "−3"), (float("nan"), "–")],
)
def test_signs(value, text):
    assert signed(value) == text
    assert len(signed(value, 12)) == 12
