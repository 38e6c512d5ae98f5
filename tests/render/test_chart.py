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
    rows = line_chart(series, Canvas(width, height, caps), title=title, y_label=label, x_label=label)
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
    rows = line_chart(series, Canvas(40, 12, caps), title="batch size", y_label="requests")
    assert plain(rows[:1]) == "batch size  requests"
    assert [segment.text.split()[-1] for segment in rows[1][:2]] == ["dp0", "dp1"]
    drawn = {segment.style for row in rows[2:] for segment in row}
    assert {palette.series(caps, 0), palette.series(caps, 1)} <= drawn


def test_no_colour_codes_without_colour():
    rows = line_chart([("a", [0, 1], [0, 1])], Canvas(40, 10, Capabilities("none")))
    assert "38;" not in ansi(rows, "none")
    assert "48;" not in ansi(rows, "none")


def test_ticks_are_the_callers():
    rows = line_chart([("", [0, 10], [0, 1])], Canvas(40, 10, UNICODE), x_ticks=[(0, "08:00"), (10, ":10")])
    assert "08:00" in plain(rows)
    assert ":10" in plain(rows)


def test_nothing_to_draw_is_said():
    assert "no data" in plain(line_chart([("a", [], [])], Canvas(40, 10, UNICODE)))


def test_charts_of_many_threads_do_not_mix():
    series = [[(f"s{n}", [0, 1, 2], [n, n + 1, n])] for n in range(4)]

    def draw(index):
        return plain(line_chart(series[index], Canvas(40, 10, UNICODE)))

    alone = [draw(index) for index in range(4)]
    found = {}
    threads = [threading.Thread(target=lambda i=index: found.update({i: draw(i % 4)})) for index in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(found[index] == alone[index % 4] for index in range(12))
