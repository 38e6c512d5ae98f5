"""The P/D pane as text, without an app."""

import csv
from dataclasses import replace
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from statistics import median, quantiles

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lbtui.analysis.prefill_decode import (
    COUNTS,
    node_table,
    outstanding,
    stage_spreads,
    transfer_spreads,
)
from lbtui.profile import SCHEMAS, Missing
from lbtui.render.canvas import Canvas
from lbtui.render.capabilities import Capabilities
from lbtui.render.text import plain
from lbtui.sources import open_profile
from lbtui.ui.kit.selection import Selection
from lbtui.ui.panes.pd.lanes import chart_nodes, chart_rows, squeezed
from lbtui.ui.panes.pd.layout import Lanes, Shown, clicked, layout
from lbtui.ui.panes.pd.state import (
    PdData,
    following,
    moved,
    moved_line,
    next_role,
    place_moved,
    shown_nodes,
    starting,
    with_filter,
)
from lbtui.ui.panes.pd.view import draw
from lbtui.ui.panes.pd.ways import ways_of
from lbtui.ui.panes.pd.words import cell_page
from tests.render.strategies import caps as any_caps
from tests.render.strategies import check, words

DATA = Path(__file__).parent.parent / "data" / "pd_ep"
UNICODE, PLAIN = Capabilities("256"), Capabilities("none", unicode=False)
START = datetime(2026, 1, 1)
MISSING = Missing("requests per P/D node", "nothing recorded them", 'collect domain "Coordinator"')


@cache
def pd_ep():
    profile = open_profile(DATA)
    nodes, handoffs, transfers = (profile.load(n).frame for n in ("nodes", "handoffs", "transfers"))
    return PdData(
        node_table(nodes),
        tuple(transfer_spreads(transfers)),
        tuple(stage_spreads(handoffs)),
        handoffs.sort("arrival"),
        (),
    )


def made(*rows, **others):
    """Return data of rows (bin, address, role, added, ended, running, running_written)."""
    full = [(START + timedelta(seconds=5 * bin), *rest) for bin, *rest in rows]
    table = node_table(pl.DataFrame(full, schema=SCHEMAS["nodes"], orient="row"))
    return PdData(table, (), (), pl.DataFrame(schema=SCHEMAS["handoffs"]), (), **others)


def small():
    return made(
        (0, "10.0.0.1:80", "prefill", 4, 4, 0, 0),
        (0, "10.0.0.2:80", "prefill", 8, 7, 1, 1),
        (0, "10.0.1.1:80", "decode", 0, 0, 0, 0),
        (1, "10.0.0.1:80", "prefill", 0, 0, 0, 0),
        (1, "10.0.0.2:80", "prefill", 0, 0, 1, 0),
        (1, "10.0.1.1:80", "decode", 11, 2, 9, 9),
        (2, "10.0.0.1:80", "prefill", 2, 0, 2, 2),
        (2, "10.0.1.1:80", "decode", 0, 0, 9, 0),
    )


def text(data, state, width, height, selection=None, caps=UNICODE, chart=None):
    return plain(drawn(data, state, selection or Selection(), Canvas(width, height, caps), chart))


def drawn(data, state, selection, canvas, chart=None):
    shown = Shown(data, layout(data, state, canvas.width, canvas.height), selection)
    return draw(shown, chart, canvas)


SMALL = """\
 added requests · prefill and decode · 1 row = 5 s · 08:00:00–08:00:15
 prefill   14 added · PAR 1.14 · chance alone 1.21     total  share  × mean
                │
 10.0.0.1 ██████████████▁▁▁▁▁▁▁▁▁▁▁▁▁▁▄▄▄▄▄▄▄▄▄▄▄▄▄▄       6   43 %    0.86
          ██████████████
 10.0.0.2 ██████████████▁▁▁▁▁▁▁▁▁▁▁▁▁▁··············       8   57 %    1.14
 decode    11 added · PAR 1.00 · chance alone 1.00     total  share  × mean
                │       ██████████████
 10.0.1.1 ▁▁▁▁▁▁▁▁▁▁▁▁▁▁██████████████▁▁▁▁▁▁▁▁▁▁▁▁▁▁      11  100 %    1.00
          08:00:00      :05           :10
           P 10.0.0.1   P 10.0.0.2   D 10.0.1.1│ all prefill   all decode
 time    add end run  add end run  add end run │add end run  add end run
→08:00:00  4   4   0    8   7   1    0   0   0 │ 12  11   1    0   0   0
 08:00:05  0   0   0    0   0   1~  11   2   9 │  0   0   1   11   2   9
 08:00:10  2   0   2    ·   ·   ·    0   0   9~│  2   0   2    0   0   9
 sum, max  6   4   2    8   7   1   11   2   9 │ 14  11   2   11   2   9
 share    43 % 0.86×   57 % 1.14×  100 % 1.00× │   PAR 1.14     PAR 1.00


 08:00:00 · 10.0.0.2:80 prefill: 8 added, 7 ended, 1 running
 whole run: 57 % of prefills, 1.14× mean · 8 of 14 requests"""


def test_lanes_and_table_show_counts_marks_sums_and_what_is_unknown():
    data = small()
    assert text(data, starting(data, Selection()), 80, 21) == SMALL


def test_without_colour_a_shade_stands_behind_the_number():
    data = made(
        (0, "10.0.0.1:80", "prefill", 4, 9, 6, 6),
        (0, "10.0.0.2:80", "prefill", 28, 10, 6, 6),
    )
    rows = text(data, starting(data, Selection()), 80, 21, caps=PLAIN).splitlines()
    (found,) = [row for row in rows if row.startswith(">08:00:00")]
    # Of 4 and 28 one stands apart; of 9 and 10, and of 6 and 6, none does.
    assert found.split("|")[0] == ">08:00:00  4   9   6   28@ 10   6 "


def test_even_nodes_have_no_colour_and_only_who_is_above_its_peers_has():
    rng = np.random.default_rng(1)
    cells = rng.poisson(40, (12, 4))
    cells[7, 2] += 60
    data = made(
        *(
            (bin, f"10.0.0.{node + 1}:80", "prefill", int(cells[bin, node]), 0, 5, 5)
            for bin in range(12)
            for node in range(4)
        )
    )
    state = replace(starting(data, Selection()), bin=0, node=0, three=False)
    rows = drawn(data, state, Selection(), Canvas(80, 40, UNICODE))
    tinted = [
        segment.text.strip()
        for row in rows
        for segment in row
        if segment.style and segment.style.bgcolor and segment.text.strip().isdigit()
    ]
    assert str(cells[7, 2]) in tinted
    # The cursor's cell, that which is apart, and of 48 cells those that chance lifts.
    assert len(tinted) <= 2 + 4


@pytest.mark.parametrize(("width", "height"), [(80, 21), (120, 29), (200, 47)])
def test_the_overloaded_node_is_read_at_once(width, height):
    data = pd_ep()
    shown = text(data, starting(data, Selection()), width, height)
    marked = [line for line in shown.splitlines() if line.endswith("!!")]
    assert [line.split()[0] for line in marked] == ["10.20.0.12"]
    assert all(part in marked[0] for part in ("119", "71 %", "1.42"))
    assert "whole run: 71 % of prefills, 1.42× mean" in shown


def test_every_cell_of_the_table_is_the_files():
    data = pd_ep()
    table = data.table
    shown = text(data, starting(data, Selection()), 120, 40).splitlines()
    lines = {line[1:9]: line for line in shown if line[1:6] == "08:00" and " · " not in line}
    for bin, time in enumerate(table.times):
        line = lines[f"{time + timedelta(hours=8):%H:%M:%S}"]
        for node in range(6):
            cells = [int(c) for c in line[9 + node * 13 : 21 + node * 13].replace("~", " ").split()]
            assert cells == [table.counts[count][bin, node] for count in COUNTS]
            assert ("~" in line[9 + node * 13 : 21 + node * 13]) == table.rebuilt[bin, node]


def big(nodes=32, bins=200):
    rng = np.random.default_rng(3)
    return made(
        *(
            (
                bin,
                f"10.0.{node // 8}.{node}:80",
                "prefill" if node < 8 else "decode",
                *[int(rng.poisson(9))] * 4,
            )
            for bin in range(bins)
            for node in range(nodes)
        )
    )


def test_with_many_nodes_columns_follow_the_cursor_while_time_and_sums_stay():
    data = big()
    state = starting(data, Selection())
    for move in ((0, -99), (0, 99), (-999, 0), (999, 0)):
        state = layout(data, moved(data.table, state, *move), 80, 21).state
        lines = text(data, state, 80, 21).splitlines()
        placed = layout(data, state, 80, 21)
        assert state.node in placed.grid.nodes
        header = next(line for line in lines if "P all" in line)
        assert header.split("│")[1].split() == ["P", "all", "D", "all"]
        assert sum(line.startswith("→") for line in lines) == 1
        assert f"{len(placed.grid.nodes)} of 32 nodes in view" in lines[0]
    last = f"{data.table.times[-1] + timedelta(hours=8):%H:%M:%S}"
    assert any(line.startswith(f"→{last}") for line in lines)


def test_a_move_inside_the_view_scrolls_nothing():
    data = big()
    state = layout(data, moved(data.table, starting(data, Selection()), -999, -99), 80, 21).state
    further = layout(data, moved(data.table, state, 1, 1), 80, 21).state
    assert (further.first_bin, further.first_node) == (state.first_bin, state.first_node) == (0, 0)


def test_a_window_lights_its_bins_and_sums_only_them():
    data = pd_ep()
    begin = int(data.table.starts[4])
    selection = Selection(window=(begin, begin + 9_000_000))
    shown = text(data, starting(data, selection), 160, 40, selection)
    assert "08:00:20–08:00:30 lit, sums and shares of these 2 bins" in shown
    added = data.table.counts["added"][4:6]
    sums = next(line for line in shown.splitlines() if line.startswith(" sum")).split()
    assert [int(v) for v in (sums[2], sums[5])] == [added[:, 0].sum(), added[:, 1].sum()]
    assert f"lit bins: {100 * added[:, 1].sum() / added[:, :2].sum():.0f} % of prefills" in shown


def test_a_window_outside_the_bins_lights_nothing_and_is_told():
    data = pd_ep()
    state = starting(data, Selection())
    shown = text(data, state, 160, 40, Selection(window=(0, 5))).splitlines()
    assert "the seconds selected elsewhere lie outside these bins" in shown[0]
    assert shown[1:] == text(data, state, 160, 40).splitlines()[1:]


def test_a_filter_leaves_its_nodes_and_is_told():
    data = pd_ep()
    state = with_filter(data.table, starting(data, Selection()), role=None, text="1.13")
    assert [data.table.nodes[i].address for i in shown_nodes(data.table, state)] == ["10.20.1.13:1025"]
    assert state.node == 4
    shown = text(data, state, 120, 29)
    assert 'filter "1.13": 1 of 6 nodes' in shown
    assert "10.20.0.11" not in shown
    # Its share stays that of all nodes of its role.
    assert "50   30 %    1.19" in shown


def test_roles_cycle_and_a_text_without_nodes_in_the_role_is_given_up():
    data = pd_ep()
    state = starting(data, Selection())
    roles = []
    for _turn in range(3):
        state = next_role(data.table, state)
        roles.append(state.role)
        assert state.role in (None, data.table.nodes[state.node].role)
    assert roles == ["prefill", "decode", None]
    only = with_filter(data.table, state, role=None, text="0.12")
    assert next_role(data.table, next_role(data.table, only)).text == ""


@pytest.mark.parametrize("wanted", ["", "prefill", "1.13"])
def test_the_next_hot_spot_is_of_the_nodes_shown(wanted):
    data = pd_ep()
    table = data.table
    start = with_filter(table, starting(data, Selection()), role=None, text=wanted)
    places = outstanding(table)
    said = [f"{node.role} {node.address}" for node in table.nodes]
    expected = [place for place in places if wanted in said[place[1]]]
    assert len(expected) > (wanted == "")
    quiet = next(bin_ for bin_ in range(len(table.times)) if (bin_, start.node) not in expected)
    start = replace(start, bin=quiet)
    seen, state = [], start
    for _turn in expected:
        state = place_moved(table, state, places, 1)
        seen.append((state.bin, state.node))
    assert seen == expected
    assert state.text == wanted
    back = place_moved(table, start, places, -1)
    assert (back.bin, back.node) == expected[-1]
    assert place_moved(table, start, [], 1) == start


def test_a_selected_time_and_node_move_the_cursor():
    data = pd_ep()
    state = starting(data, Selection())
    selection = Selection(time=int(data.table.starts[7]) + 4_999_999, node="10.20.1.14:1025")
    there = following(data.table, state, selection)
    assert (there.bin, there.node) == (7, 5)
    # Outside the table, or a node that it has not: the cursor stays.
    assert following(data.table, state, Selection(time=0, node="nobody")) == state


def test_before_a_nodes_first_event_running_is_called_a_lower_bound():
    data = small()
    state = replace(starting(data, Selection()), node=2, bin=0)
    assert "0 or more (lower bound: before the node's first event) running" in text(data, state, 120, 21)
    assert "lower bound" not in text(data, replace(state, bin=1), 120, 21)


def test_a_row_that_the_file_lacks_is_unknown_and_not_zero():
    data = small()
    reading = text(data, replace(starting(data, Selection()), node=1, bin=2), 120, 21).splitlines()[-2]
    assert "– added, – ended, unknown (the file has no such row) running" in reading


def test_hand_offs_show_stages_and_the_slow_rank():
    data = pd_ep()
    slow = tuple(
        s._replace(mean=8 * s.mean, p50=8 * s.p50, p95=8 * s.p95) if s.label == "rank 6" else s
        for s in data.pulls
    )
    data = replace(data, pulls=slow)
    state = replace(starting(data, Selection()), transfers=True)
    shown = text(data, state, 80, 21).splitlines()
    assert [line.split()[1] for line in shown if "!!" in line] == ["6"]
    assert [line[1:23].strip() for line in shown[2:7]] == [s.label for s in data.stages]
    down = moved_line(data, state, 11)
    assert text(data, down, 80, 21).splitlines()[-2].startswith(" rank 6: 22 KV pulls, median 27.1 ms, 8.")
    assert moved_line(data, down, 99).line == len(data.stages) + len(data.pulls) - 1


def test_a_stage_in_another_order_is_marked_and_explained():
    data = pd_ep()
    turned = data.stages[1]._replace(negative=14)
    data = replace(data, stages=(data.stages[0], turned, *data.stages[2:]))
    shown = text(data, replace(starting(data, Selection()), transfers=True, line=1), 80, 21)
    assert [line[1:20] for line in shown.splitlines() if "<0.1 % !" in line] == ["prefill done → sent"]
    assert "in 14 the two events came in the other order" in shown


def test_without_nodes_it_says_why_and_still_shows_hand_offs():
    data = replace(pd_ep(), table=None, missing=(MISSING,))
    shown = text(data, starting(data, Selection()), 100, 30)
    assert "No data: requests per P/D node" in shown
    assert 'To have it: collect domain "Coordinator".' in shown
    assert "rank 7" in shown
    nothing = replace(data, pulls=(), stages=())
    shown = text(nothing, starting(nothing, Selection()), 100, 30)
    assert "Because nothing recorded them." in shown
    assert "rank" not in shown


def test_the_page_of_a_cell_lists_the_requests_that_arrived_in_it():
    data = pd_ep()
    state = starting(data, Selection())
    title, page = cell_page(Shown(data, layout(data, state, 80, 24), Selection()))
    assert title == "10.20.0.12:1025 prefill · 08:00:20–:25"
    begin = data.table.times[state.bin]
    arrived = [
        rid
        for rid, arrival in data.handoffs.select("request_id", "arrival").iter_rows()
        if begin <= arrival < begin + timedelta(seconds=5)
    ]
    listed = [line.split()[1] for line in page.plain.splitlines() if "endpoint_common" in line]
    assert listed == arrived
    assert f"{len(arrived)} requests arrived in this bin" in page.plain


def test_the_chart_has_a_line_per_node_shown_and_at_most_eight():
    data = pd_ep()
    state = starting(data, Selection())
    nodes = chart_nodes(data.table, state)
    drawn = plain(chart_rows(data.table, "running", nodes, Canvas(120, 20, PLAIN)).rows)
    assert all(n.address.partition(":")[0] in drawn for n in data.table.nodes)
    assert "08:00:20" in drawn
    many = big()
    chosen = chart_nodes(many.table, replace(starting(many, Selection()), node=31))
    assert len(chosen) == 8
    assert 31 in chosen


@given(st.lists(st.floats(0, 100), min_size=1, max_size=60), st.integers(1, 60))
def test_columns_show_every_bin_or_the_largest_of_those_they_cover(values, columns):
    columns = columns if len(values) > columns else columns // len(values) * len(values)
    shown = squeezed(np.array(values), columns)
    assert len(shown) == columns
    assert set(shown) <= set(values)
    assert shown.max() == max(values)


@given(st.integers(1, 60), st.integers(1, 60), st.data())
def test_lit_and_cursor_columns_are_those_that_show_the_bins(bins, columns, data):
    columns = columns if bins > columns else columns // bins * bins
    lanes = Lanes((), 1, 0, columns, 0)
    first = data.draw(st.integers(0, bins - 1))
    last = data.draw(st.integers(first + 1, bins))
    covers = [
        set(range(c * bins // columns, max((c + 1) * bins // columns, c * bins // columns + 1)))
        for c in range(columns)
    ]
    wanted = [c for c in range(columns) if covers[c] & set(range(first, last))]
    assert list(range(*lanes.span(first, last, bins))) == wanted
    assert first in covers[lanes.column_of(first, bins)]


@pytest.mark.parametrize("size", [(80, 21), (120, 29), (200, 47)])
def test_a_click_lands_on_what_is_drawn_there(size):
    data = pd_ep()
    width, height = size
    placed = layout(data, starting(data, Selection()), width, height)
    rows = text(data, placed.state, width, height).splitlines()
    for y, line in enumerate(rows):
        state = clicked(data.table, placed, placed.grid.time + 1, y)
        if line[1:9] in ("08:00:00", "08:00:05") and y > placed.upper:
            assert f"{data.table.times[state.bin] + timedelta(hours=8):%H:%M:%S}" == line[1:9]
            assert state.node == placed.grid.nodes[0]
        elif placed.lanes and 0 < y <= placed.upper and line.strip().startswith("10.20."):
            there = clicked(data.table, placed, placed.lanes.label + placed.lanes.columns - 1, y)
            assert data.table.nodes[there.node].address.startswith(line.split()[0])
            assert there.bin == len(data.table.times) - 1
    assert clicked(data.table, placed, 3, 0) is None
    assert clicked(data.table, placed, 3, height - 1) is None


@settings(deadline=None, max_examples=120)
@given(
    st.sampled_from(["pd_ep", "small", "big", "none"]),
    st.integers(1, 220),
    st.integers(1, 60),
    st.sampled_from(COUNTS),
    st.sampled_from([None, "prefill", "decode"]),
    st.tuples(st.booleans(), st.booleans(), st.sampled_from([None, True, False]), st.booleans()),
    st.tuples(st.integers(-300, 300), st.integers(-40, 40)),
    any_caps,
)
def test_any_size_and_state_is_drawn_exactly(which, width, height, count, role, choices, move, caps):
    data = {"pd_ep": pd_ep, "small": small, "big": cached_big, "none": pd_ep}[which]()
    if which == "none":
        data = replace(data, table=None, missing=(MISSING,))
    chart, transfers, three, windowed = choices
    state = replace(
        starting(data, Selection()),
        count=count,
        chart=chart,
        transfers=transfers or which == "none",
        three=three,
    )
    selection = Selection()
    if data.table is not None:
        state = moved(data.table, with_filter(data.table, state, role=role, text=""), *move)
        begin = int(data.table.starts[0]) - 2_000_000
        selection = Selection(window=(begin, begin + 7_000_000) if windowed else None)
    placed = layout(data, state, width, height)
    assert layout(data, placed.state, width, height) == placed
    check(drawn(data, state, selection, Canvas(width, height, caps)), width, caps, height)


cached_big = cache(big)


# A frame cannot hold half a surrogate pair.
frame_words = words.map(lambda word: word.encode("utf-8", "ignore").decode())


@settings(deadline=None, max_examples=60)
@given(st.lists(frame_words, min_size=1, max_size=4, unique=True), frame_words, st.integers(1, 150), any_caps)
def test_hostile_names_cannot_reach_the_terminal(addresses, role, width, caps):
    data = made(*((0, address, role, 1, 0, 1, 1) for address in addresses))
    state = with_filter(data.table, starting(data, Selection()), role=None, text="")
    check(drawn(data, state, Selection(), Canvas(width, 24, caps)), width, caps, 24)
    title, page = cell_page(Shown(data, layout(data, state, width, 24), Selection()))
    assert all(c.isprintable() or c == "\n" for c in title + page.plain if ord(c) < 0xA0)


def test_waits_and_pulls_of_hand_offs_are_those_of_the_files_by_the_bin_in_which_the_pull_starts():
    def lines(name):
        with (DATA / name).open() as file:
            return list(csv.DictReader(file))

    def at(text):
        return datetime.strptime(text, "%Y-%m-%d %H:%M:%S:%f") - timedelta(hours=8)

    ended = {line["rid"]: at(line["prefill_res_time(ms)"]) for line in lines("pd_split_communication.csv")}
    table = pd_ep().table
    waits, pulls = [{} for _bin in table.times], [{} for _bin in table.times]
    for place, line in enumerate(lines("pd_split_kvcache.csv")):
        start = at(line["start_time"])
        (bin,) = [i for i, time in enumerate(table.times) if time <= start < time + timedelta(seconds=5)]
        waits[bin][place] = (start - ended[line["rid"]]) / timedelta(milliseconds=1)
        pulls[bin][place] = float(line["during_time(ms)"])
    profile = open_profile(DATA)
    found = ways_of(table, profile.load("transfers").frame, profile.load("handoffs").frame)
    for way, known in zip(found, (waits, pulls), strict=True):
        longest = [max(values.values(), default=float("nan")) for values in known]
        assert way.longest.tolist() == pytest.approx(longest, nan_ok=True)
        every = [value for values in known for value in values.values()]
        assert way.p50 == pytest.approx(median(every))
        assert way.p95 == pytest.approx(quantiles(every, n=20, method="inclusive")[-1])
