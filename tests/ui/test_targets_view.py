"""Targets: its moves, and what is drawn in every size."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lbtui.analysis.data_parallel import domains_of
from lbtui.analysis.slo import Targets, attained, met
from lbtui.profile import Silent
from lbtui.render.canvas import Canvas
from lbtui.render.capabilities import Capabilities
from lbtui.render.text import plain
from lbtui.sources import open_profile
from lbtui.thresholds import Thresholds
from lbtui.ui.panes.requests.data import load_requests, with_places
from lbtui.ui.panes.requests.targets import state as states
from lbtui.ui.panes.requests.targets import view
from lbtui.ui.panes.requests.targets.charts import Scale, chart_key, drawn, length_part
from lbtui.ui.panes.requests.targets.data import MEASURES, distributed, targets_data
from lbtui.ui.panes.requests.targets.state import TargetsState
from lbtui.ui.panes.requests.targets.words import group_words, state_words
from tests.terminal.driven import DEMO
from tests.ui.test_requests_view import START, at, profile_of

COLOUR, GREY = Capabilities("256"), Capabilities("none")


def made(profile, rows=None, of="", targets=()):
    requests = with_places(load_requests(profile, Thresholds(targets=targets), Silent()), profile, Silent())
    frames = [profile.load(name).frame for name in ("batches", "queues")]
    return targets_data(requests, domains_of(*frames), rows, of)


@pytest.fixture(scope="module")
def data():
    return made(open_profile(DEMO))


def small(**columns):
    count = len(next(iter(columns.values())))
    return made(profile_of(requests={"request_id": [f"r{n}" for n in range(count)], **columns}))


def shown(data, state, width=80, height=21, caps=GREY, time=None):
    canvas = Canvas(width, height, caps)
    if state.view == "table":
        return view.draw_table(view.Shown(data, state, time), canvas)
    key = chart_key(data, state, canvas.sized(height=view.chart_height(height)))
    found = drawn(data, key, Canvas(key.width, key.height, caps))
    x = None if found.chart is None or found.chart.plot is None else found.chart.plot[4]
    return view.draw_chart(view.Shown(data, state, time), key, found, x, canvas)


@pytest.mark.parametrize("kind", ["table", "cdf", "scatter"])
@pytest.mark.parametrize("caps", [COLOUR, GREY, Capabilities("none", unicode=False)])
@pytest.mark.parametrize("size", [(1, 1), (7, 3), (20, 10), (60, 17), (80, 21), (200, 47)])
def test_rows_fill_every_size(data, kind, caps, size):
    width, height = size
    for row in (0, 3, len(data.rows) - 1):
        state = states.viewed(data, TargetsState(row=row), kind)
        rows = shown(data, state, width, height, caps, START)
        assert len(rows) <= height
        assert all(sum(segment.cell_length for segment in cells) == width for cells in rows)


def test_nothing_known_is_said():
    data = small(queue_wait=[1.0, 2.0])
    assert not data.slo.targets.limits
    for kind in ("table", "cdf", "scatter"):
        text = plain(shown(data, states.viewed(data, TargetsState(), kind), width=120))
        assert "no target: no request tells TTFT or time per output token" in text
        assert "no request can be judged (2 unknown)" in text
    assert "no data" in plain(shown(data, TargetsState("cdf")))


def test_the_cursor_stays_on_rows_and_in_the_scatter_on_lengths(data):
    last = len(data.rows) - 1
    assert states.moved(data, TargetsState(), -1).row == 0
    assert states.moved(data, TargetsState(), 10**9).row == last
    first_length = next(n for n, g in enumerate(data.rows) if g is not None and g.kind == "input")
    assert states.viewed(data, TargetsState(), "scatter").row == first_length
    assert states.moved(data, TargetsState("scatter", row=first_length), -5).row == first_length


def test_v_goes_round_the_kinds_that_there_are(data):
    state, seen = TargetsState(), []
    for _press in range(6):
        seen.append(states.kind_of(data, state))
        state = states.next_kind(data, state)
    assert seen == [None, "domain", "prefill", "decode", "input", None]
    only = small(ttft=[1.0], input_tokens=[5], duration=[2.0], output_tokens=[1])
    assert states.next_kind(only, TargetsState()).row == 1


def test_m_goes_round_the_times():
    state = TargetsState("cdf", column=3)
    seen = []
    for _press in MEASURES:
        seen.append(state.measure)
        state = states.next_measure(state)
        assert state.column is None
    assert tuple(seen) == MEASURES
    assert state.measure == "ttft"


def test_enter_filters_by_the_group(data):
    filters = [states.filter_of(group) for group in data.rows]
    assert filters[0] == "slo=missed"
    assert "slo=missed domain=mindie-server-d0/dp2" in filters
    assert "slo=missed node=10.20.0.11:1025" in filters
    assert "slo=missed input>=256 input<=511" in filters


def test_a_group_below_the_run_beyond_chance_is_amber(data):
    rows = shown(data, TargetsState(row=0), 120, 31, COLOUR)
    amber = [plain([line]) for line in rows if any(s.style and s.style.bold and s.style.color for s in line)]
    below = [g.name for g in data.slo.groups if g.attained.interval[1] < data.slo.run.share]
    assert below == ["d0/dp2", "10.20.1.12:1025"], "the domain, and the node that it is on"
    assert any("d0/dp2" in line for line in amber) or "d0/dp2" in plain(rows)


def test_the_requests_of_a_filter_are_told_over_the_seconds_of_the_run(data):
    rows = np.array([5, 3, 8])
    some = made(open_profile(DEMO), rows, "3 of 241 requests, filter x")
    assert some.table["request_id"].to_list() == data.table["request_id"][[3, 5, 8]].to_list()
    assert some.slo.targets == data.slo.targets
    assert some.slo.run.seconds == data.slo.run.seconds
    assert "3 of 241 requests, filter x" in state_words(some, TargetsState())


def test_a_group_holds_its_requests(data):
    for group in data.slo.groups:
        table = data.of_group(group)
        assert attained(met(table, data.slo.targets), group.attained.seconds) == group.attained
    names = group_words(data, 3)
    assert names.startswith("DP domain d0/dp2 · 60 % met (18 of 30), 42–75 % · ")
    assert names.endswith("missed TPOT 12")


def test_lines_are_those_that_met_least_and_the_cursors(data):
    best = max(
        (n for n, g in enumerate(data.rows) if g is not None and g.kind == "domain"),
        key=lambda n: data.rows[n].attained.share,
    )
    key = chart_key(data, TargetsState("cdf", row=best), Canvas(80, 20, GREY))
    assert len(key.rows) == 7
    assert best in key.rows
    others = [n for n, g in enumerate(data.rows) if g is not None and g.kind == "domain" and n != best]
    least = sorted(others, key=lambda n: data.rows[n].attained.share)[:6]
    assert set(key.rows) == {best, *least}
    assert chart_key(data, TargetsState("cdf"), Canvas(80, 20, GREY)).rows == (0,)


def test_a_distribution_counts_at_or_below():
    data = small(ttft=[10.0, 20.0, 20.0, None], input_tokens=[1, 200, 200, 200])
    found = distributed(data, None, "ttft")
    assert [found.share(value) for value in (9.9, 10, 19, 20, 99)] == [0, 1 / 3, 1 / 3, 1, 1]
    (least, *_rest) = data.slo.groups
    assert distributed(data, least, "ttft").share(10) == 1
    none = distributed(data, data.slo.groups[0], "duration")
    assert none.count == 0
    assert np.isnan(none.share(1.0))


@given(st.floats(1e-3, 1e6), st.floats(1.001, 1e6), st.booleans(), st.floats(0, 1))
@settings(deadline=None)
def test_an_axis_gives_back_what_lies_on_it(low, factor, logarithmic, part):
    scale = Scale(low, low * factor, logarithmic)
    value = low + (low * factor - low) * part
    assert scale.value(scale.places_of(value)) == pytest.approx(value)
    assert 0 <= float(scale.part(np.array(value))) <= 1
    assert all(low * 0.999 <= tick <= low * factor * 1.001 for tick in scale.ticks())
    assert 1 <= len(scale.ticks()) <= 13


def test_classes_of_length_are_equally_wide():
    edges = length_part(np.array([64, 128, 256, 512, 1024]), 64, 1024)
    assert edges.tolist() == pytest.approx([0, 0.25, 0.5, 0.75, 1])


def test_lanes_and_axis_stand_above_the_table(data):
    stretch = data.slo.stretches[10]
    rows = plain(shown(data, TargetsState(), 100, 30, time=stretch.begin)).split("\n")
    assert rows[2].startswith(" 10:00:20–10:00:22: ")
    assert rows[3].startswith(" met ")
    assert rows[4].startswith(" goodput ")
    assert rows[7].startswith("requests")
    assert view.stretch_at(data, stretch.begin) == 10
    assert view.stretch_at(data, stretch.end) == 11
    assert view.stretch_at(data, None) is None
    assert view.stretch_at(data, START - 10**12) is None


def test_targets_given_are_not_called_the_runs_own():
    data = made(open_profile(DEMO), targets=(("ttft", 500.0), ("e2e", 9000.0)))
    assert data.slo.targets == Targets(500.0, None, 9000.0, given=True)
    words = state_words(data, TargetsState())
    assert words.startswith("TTFT ≤ 500 ms, end to end ≤ 9,000 ms · 241 requests")
    assert [data.target(measure) for measure in MEASURES] == [500, None, None, 9000]


def test_arrivals_alone_have_no_lanes():
    data = small(arrival=at(0, 1, 2), ttft=[1.0, 2.0, 3.0])
    assert data.slo.stretches == ()
    assert "goodput –" in plain(shown(data, TargetsState()))
