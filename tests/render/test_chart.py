import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lbtui.render import palette
from lbtui.render.canvas import Canvas
from lbtui.render.capabilities import Capabilities
from lbtui.render.chart import _pieces, line_chart
from lbtui.render.text import plain
from tests.render.strategies import ALL_CAPS, ansi, caps, check, words

UNICODE = Capabilities("256")
number = st.floats(allow_nan=True, allow_infinity=True, width=32)
points = st.lists(st.tuples(number, number), max_size=40)
curves = st.lists(st.tuples(words, points), max_size=4)


@settings(max_examples=60, deadline=None)
@given(curves, st.integers(0, 80), st.integers(0, 20), caps, words, words)
def test_chart_is_exact(curves, width, height, caps, title, label):
    series = [(name, [x for x, _y in dots], [y for _x, y in dots]) for name, dots in curves]
    rows = line_chart(series, Canvas(width, height, caps), title=title, y_label=label, x_label=label).rows
    check(rows, width, caps, height)


@given(st.lists(number, max_size=400), st.integers(1, 40))
def test_thinning_keeps_the_peaks_and_few_points(ys, width):
    finite = [y for y in ys if abs(y) < float("inf")]
    drawn = [y for _xs, piece in _pieces(range(len(ys)), ys, width) for y in piece]
    assert len(drawn) <= max(2 * width, 0)
    if finite:
        assert max(drawn) == max(finite)
        assert min(drawn) == min(finite)


@pytest.mark.parametrize("caps", ALL_CAPS)
def test_lines_have_the_colours_of_their_names(caps):
    series = [("dp0", [0, 1, 2], [1, 2, 3]), ("dp1", [0, 1, 2], [3, 2, 1])]
    rows = line_chart(series, Canvas(40, 12, caps), title="batch size", y_label="requests").rows
    assert plain(rows[:1]) == "batch size  requests"
    assert [word for word in plain(rows[1:2]).split() if word.startswith("dp")] == ["dp0", "dp1"]
    drawn = {segment.style for row in rows[2:] for segment in row}
    assert {palette.series(caps, 0), palette.series(caps, 1)} <= drawn


def test_no_colour_codes_without_colour():
    rows = line_chart([("a", [0, 1], [0, 1])], Canvas(40, 10, Capabilities("none"))).rows
    assert "38;" not in ansi(rows, "none")
    assert "48;" not in ansi(rows, "none")


def test_ticks_are_the_callers():
    rows = line_chart(
        [("", [0, 10], [0, 1])], Canvas(40, 10, UNICODE), x_ticks=[(0, "08:00"), (10, ":10")]
    ).rows
    assert "08:00" in plain(rows)
    assert ":10" in plain(rows)


def test_nothing_to_draw_is_said():
    assert "no data" in plain(line_chart([("a", [], [])], Canvas(40, 10, UNICODE)).rows)


def test_charts_of_many_threads_do_not_mix():
    series = [[(f"s{n}", [0, 1, 2], [n, n + 1, n])] for n in range(4)]

    def draw(index):
        return plain(line_chart(series[index], Canvas(40, 10, UNICODE)).rows)

    alone = [draw(index) for index in range(4)]
    found = {}
    threads = [threading.Thread(target=lambda i=index: found.update({i: draw(i % 4)})) for index in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(found[index] == alone[index % 4] for index in range(12))


@pytest.mark.parametrize("width", [20, 50, 80])
def test_every_name_stands_whole_above_the_lines(width):
    names = [f"P 10.20.0.{i}" for i in range(8)]
    chart = line_chart([(name, [0, 1], [i, i]) for i, name in enumerate(names)], Canvas(width, 30, UNICODE))
    lines = plain(chart.rows).splitlines()
    for name, (at, begin, end) in zip(names, chart.names, strict=True):
        assert lines[at][begin:end].endswith(f" {name}")


@pytest.mark.parametrize("caps", ALL_CAPS)
def test_the_line_chosen_and_the_cursor_are_marked(caps):
    series = [("dp0", [0, 5, 10], [1, 2, 3]), ("dp1", [0, 5, 10], [3, 2, 1])]
    chart = line_chart(series, Canvas(43, 12, caps))
    marked = chart.marked(1, 10.0, caps)
    check(marked, 43, caps, 12)
    # The right axis is a column behind the last x.
    assert [len(line.rstrip()) for line in plain(marked[2:10]).splitlines()] == [43] * 8
    lit = [segment.text for segment in marked[0] if segment.style == palette.selected(caps)]
    assert [text.split()[-1] for text in lit] == ["dp1"]
    columns = {
        sum(len(s.text) for s in cells[:i])
        for cells in marked[2:10]
        for i, segment in enumerate(cells)
        if segment.style == palette.accent(caps) and len(segment.text) == 1
    }
    assert 41 in columns
    assert chart.marked(None, 11.0, caps) == chart.rows
    assert chart.marked(None, None, caps) == chart.rows
