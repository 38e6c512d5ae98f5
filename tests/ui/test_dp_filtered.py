"""The filter of the DP pane: which lanes it leaves, and that no number changes by it."""

import csv
import re
from dataclasses import replace

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lbtui.profile import Domain, micros
from lbtui.render.canvas import Canvas
from lbtui.render.text import plain
from lbtui.ui.panes.dp import passes as dp_passes
from lbtui.ui.panes.dp.chart import chart_key, chart_state_row
from lbtui.ui.panes.dp.data import scene
from lbtui.ui.panes.dp.filtered import grammar, lanes_left, places_left, problem
from lbtui.ui.panes.dp.layout import (
    DpState,
    Shown,
    hit,
    lane_moved,
    layout,
    place_moved,
    view_window,
    with_filter,
)
from lbtui.ui.panes.dp.passes import Reader, Wanted
from lbtui.ui.panes.dp.view import draw
from tests.ui.test_dp_passes import DEMO, large, nothing, of_folder, rows_of
from tests.ui.test_dp_view import BEGIN, CAPS, demo, made, started, step

assert large  # a fixture
DOMAINS = [
    Domain(f"{i}/dp{rank}" if rank is not None else f"{h}:7/dp?", i, h, rank)
    for i, h, rank in [
        ("svc-d", "svc-d-0", 0),
        ("svc-d", "svc-d-0", 1),
        ("svc-d", "svc-d-1", 10),
        ("svc-p", "svc-p-0", 1),
        ("svc-p", "svc-p-0", None),
    ]
]


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("", [0, 1, 2, 3, 4]),
        ("dp=1", [1, 3]),
        ("dp=1,10", [1, 2, 3]),
        ("DP=01", [1, 3]),
        ("dp1", [1, 2, 3]),
        ("SVC-P", [3, 4]),
        ("svc-p dp=1", [3]),
        ("svc-p dp1", [3]),
        ("pid", [4]),
        ("host=svc-d-0", [0, 1]),
        ("host=d-0", [0, 1]),
        ("host=svc-d", []),
        ("host=d-1,p-0", [2, 3, 4]),
        ("domain=svc-d", [0, 1, 2]),
        ("domain=svc-d/dp10", [2]),
        ("domain=dp1 host=p-0", [3]),
    ],
)
def test_the_terms_of_a_filter(text, left):
    assert list(places_left(DOMAINS, text)) == left
    assert problem(DOMAINS, text) == (None if left else "No lane shown has that in its host or domain.")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("dp=x", "“x” after dp= is no rank."),
        ("dp=", "dp= wants a name behind it."),
        ("host=", "host= wants a name behind it."),
        ("rank=1", "“rank=1” asks for none of dp=, domain=, host=."),
        (f"dp={'9' * 5000}", "is no rank."),
    ],
)
def test_what_is_written_wrong_is_said(text, said):
    assert problem(DOMAINS, text).endswith(said)


def test_the_grammar_is_as_it_is_read():
    asked = set(re.findall(r"(\w+)=", grammar()))
    assert asked == {"dp", "host", "domain"}
    assert all("asks for none" not in (problem(DOMAINS, f"{name}=1") or "") for name in asked)


def shown_in(data, measured, state, size=(200, 47)):
    at = layout(measured, *size, "single", state.text)
    view = scene(measured, view_window(state, data), at.columns)
    return Shown.of(data, measured, view, state, at)


def pictured(data, measured, state, size=(200, 47)):
    return plain(draw(shown_in(data, measured, state, size), Canvas(*size, CAPS))).split("\n")


def figures(lines, measured):
    """The figures beside each lane, by the domain's name and host."""
    found, names = {}, {d.name for d in measured.domains}
    host = ""
    for line in lines[2:]:
        words = line.split()
        if (name := next((w for w in words[:2] if w in names), None)) is not None:
            host = words[0] if words[0] != name else host
            found[host, name] = words[-5:]
    return found


@pytest.mark.parametrize("metric", ["batch_size", "duration", "kv_usage", "kv_free"])
@pytest.mark.parametrize("size", [(200, 47), (110, 29)])
def test_what_is_left_has_the_same_figures_and_what_is_over_all_lanes_stays_so(metric, size):
    data, measured = demo(metric)
    whole = started(data, measured)
    before = pictured(data, measured, whole, (200, 100) if size[1] == 47 else (110, 80))
    for text in ("dp=1", "d0-worker", "domain=dp2,dp3"):
        left = lanes_left(measured, text)
        state = with_filter(replace(whole), measured, text)
        lines = pictured(data, measured, state, size)
        assert f'filter "{text}": {len(left)} of {len(measured.domains)} lanes shown' in lines[0]
        assert measured.index(state.domain) in left
        own, all_of = figures(lines, measured), figures(before, measured)
        assert 0 < len(own) <= len(left)
        if whole.domain == state.domain:
            assert all(all_of[key] == value for key, value in own.items())
        else:
            # The host stands at its first lane only; the figures are those of all the same.
            assert all(value in all_of.values() for value in own.values())
        even = [
            [re.findall(r"\d+\.\d\d", line) for line in each if line.startswith(("PAR", "min/mean"))]
            for each in (lines, before)
        ]
        assert even[0][0]
        assert even[0] == even[1][: len(even[0])]


def test_n_goes_to_what_stands_out_in_the_lanes_that_are_left():
    data, measured = demo()
    lanes = {place.lane for place in measured.places}
    assert len(lanes) > 1
    for lane in lanes:
        domain = measured.domains[lane]
        text = f"domain={domain.key}"
        state = with_filter(DpState(time=data.begin), measured, text)
        wanted = [rank for rank, place in enumerate(measured.places) if place.lane == lane]
        for rank in [*wanted, wanted[0]]:
            state = place_moved(state, data, measured, 1)
            assert (state.domain, state.time) == (domain.key, measured.places[rank].centre)
        back = place_moved(replace(state, time=data.begin), data, measured, -1)
        assert back.time == measured.places[wanted[-1]].centre


def test_a_filter_of_a_side_or_metric_that_it_leaves_nothing_of_says_so():
    data, measured = demo()
    state = replace(started(data, measured), text="nowhere")
    lines = pictured(data, measured, state)
    assert f"0 of {len(measured.domains)} lanes shown" in lines[0]
    assert any("No lane matches; Escape takes the filter off." in line for line in lines)
    assert lane_moved(state, measured, 1) == state == place_moved(state, data, measured, 1)


@given(
    st.sampled_from(["", "dp=0", "dp=1", "d0", "p0", "nowhere", "dp=0,1,2"]),
    st.integers(1, 220),
    st.integers(1, 60),
    st.integers(-3, 12),
    st.booleans(),
)
@settings(deadline=None, max_examples=40)
def test_a_filtered_picture_fills_any_size_and_holds_the_cursor(text, width, height, moves, by_score):
    data, measured = demo()
    state = with_filter(replace(started(data, measured), by_score=by_score), measured, text)
    state = lane_moved(state, measured, moves)
    shown = shown_in(data, measured, state, (width, height))
    rows = draw(shown, Canvas(width, height, CAPS))
    assert len(rows) <= height
    assert all(sum(s.cell_length for s in r) == width for r in rows)
    left = lanes_left(measured, text)
    hits = [hit(shown.at, shown.state, measured, shown.view, 0, y)[0] for y in range(height)]
    assert {measured.index(key) for key in hits if key is not None} <= set(left)
    if left:
        assert measured.index(state.domain) in left


def test_the_chart_has_the_lanes_that_are_left():
    rows = [step("node-d-0", rank, 0, 10_000, 1 + rank) for rank in range(20)]
    _data, measured = made(rows)
    state = with_filter(DpState(domain="node-d/dp7"), measured, "dp=2,7,9")
    key = chart_key(measured, state, (BEGIN, BEGIN + 10**7), Canvas(120, 24, CAPS))
    assert key.lanes == (2, 7, 9)
    assert 'filter "dp=2,7,9": 3 of 20 lanes shown' in plain([chart_state_row(key, measured, CAPS)])


# Passes


def raw_starts(rank):
    """How many rows of forward.csv are of a rank, on decode and prefill hosts alike."""
    with (DEMO / "forward.csv").open(encoding="utf-8") as file:
        return sum(line["dp_rank"] == str(rank) for line in csv.DictReader(file))


@pytest.fixture
def held():
    """The demo as it is; asked for before `large`."""
    return of_folder(DEMO)


@pytest.mark.parametrize("rank", [0, 1, 5])
def test_the_table_has_the_passes_of_the_domains_that_are_left(rank, held, large, monkeypatch):
    keys = frozenset(held.domains[i].key for i in places_left(held.domains, f"dp={rank}"))
    wanted = Wanted((held.begin, held.end), held.begin, "duration", True, keys)
    found = Reader(held, nothing).ordered(wanted)
    assert len(found.rows) == found.inside == raw_starts(rank) > 0
    assert found.total > found.inside
    data, read = large
    assert rows_of(Reader(data, read).ordered(wanted)) == rows_of(found)
    # Of too many the same part of the window is read as of all domains: no more rows are held.
    monkeypatch.setattr(dp_passes, "MOST", 300)
    part, whole = (Reader(data, read).ordered(replace(wanted, domains=of)) for of in (keys, None))
    assert part.span == whole.span
    assert part.inside == found.inside > len(part.rows)
    inside = [row for row in rows_of(found) if part.span[0] <= micros(row[0]) < part.span[1]]
    assert rows_of(part) == inside


def test_unknown_owners_are_in_no_filtered_table():
    rows = [
        step("node-d-0", 0, 0, 100, 3),
        step("node-d-0", 1, 0, 100, 3) | {"domain": None, "dp_rank": None},
    ]
    data, _measured = made(rows)
    for keys in (None, frozenset({"node-d/dp0"})):
        found = Reader(data, nothing).ordered(Wanted((data.begin, data.end), 0, domains=keys))
        assert found.frame[found.rows]["domain"].cast(pl.String).to_list() == ["node-d/dp0"]
