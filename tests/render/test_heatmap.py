import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from rich.segment import Segment

from lbtui.render import heatmap as maps
from lbtui.render import heatmap_frame as frame
from lbtui.render import palette
from lbtui.render.canvas import Canvas, Scale
from lbtui.render.capabilities import Capabilities
from lbtui.render.heatmap_view import View, cell_at, fit_view, follow, place_of, span
from lbtui.render.text import plain
from tests.render.strategies import ALL_CAPS, ansi, caps, check, limits, words

UNICODE, ASCII = Capabilities("256"), Capabilities("none", unicode=False)
matrices = hnp.arrays(
    np.float64,
    hnp.array_shapes(min_dims=2, max_dims=2, min_side=0, max_side=12),
    elements=st.floats(allow_nan=True, allow_infinity=True),
)
views = st.builds(
    View, st.integers(0, 12), st.integers(0, 12), st.integers(1, 4), st.integers(1, 4), st.integers(1, 3)
)


@given(matrices, st.integers(1, 5), st.integers(1, 5))
def test_reduce_max_is_the_largest_of_each_block(values, rows, columns):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        reduced = maps.reduce_max(values, rows, columns)
    for y in range(0, values.shape[0], rows):
        for x in range(0, values.shape[1], columns):
            block = [v for v in values[y : y + rows, x : x + columns].flat if not np.isnan(v)]
            found = reduced[y // rows, x // columns]
            assert found == max(block) if block else np.isnan(found)


@given(st.data(), matrices, views, st.integers(0, 20), st.integers(0, 8), limits, limits, caps)
def test_heatmap_is_exact(data, values, view, width, height, low, high, caps):
    place = st.tuples(st.integers(0, 14), st.integers(0, 14))
    rows = maps.heatmap(
        values,
        view,
        Canvas(width, height, caps),
        Scale(low, high),
        cursor=data.draw(st.none() | place),
        groups=maps.Groups(data.draw(st.just(()) | st.just([0, 3, 6, 9])), data.draw(st.none() | place)),
    )
    check(rows, width, caps, height)


@given(views, st.integers(0, 30), st.integers(0, 30), st.integers(0, 1), caps)
def test_the_cell_at_a_place_is_placed_there(view, x, y, half, caps):
    half %= maps.halves(caps)
    layer, column = cell_at(view, x, y, caps, half=half)
    x -= x % view.cell_width
    for down in range(view.rows_per_cell):
        for right in range(view.columns_per_cell):
            assert place_of(view, layer + down, column + right, caps) == (x, y, half)


@given(st.integers(1, 9), st.integers(1, 9), views, st.integers(2, 12), st.integers(1, 6), caps)
def test_the_drawing_agrees_with_place_of(rows, columns, view, width, height, caps):
    view = View(0, 0, view.rows_per_cell, view.columns_per_cell, min(view.cell_width, width))
    values = np.zeros((rows, columns))
    values[-1, -1] = 1
    drawn = maps.heatmap(values, view, Canvas(width, height, caps), Scale(0, 1))
    x, y, half = place_of(view, rows - 1, columns - 1, caps)
    if not (x + view.cell_width <= width and y < height):
        return
    _before, (hot, *_rest), *_after = Segment.divide(drawn[y], [x, x + 1, width])
    if maps.halves(caps) == 1:
        assert hot.text == ("█" if caps.unicode else "@")
        return
    yellow = palette.heat(caps, 1)
    lower = hot.style.bgcolor if hot.text in "▀ " else hot.style.color
    upper = hot.style.bgcolor if hot.text == " " else hot.style.color
    assert (lower if half else upper) == yellow


@given(
    st.tuples(st.integers(1, 70), st.integers(1, 300)),
    st.integers(1, 200),
    st.integers(1, 50),
    st.data(),
    caps,
)
def test_a_fitted_view_shows_all_and_following_shows_the_cursor(shape, width, height, data, caps):
    canvas = Canvas(width, height, caps)
    view = fit_view(shape, canvas)
    rows, columns = span(view, canvas)
    assert rows >= shape[0]
    assert columns >= shape[1]
    layer, column = data.draw(st.integers(0, shape[0] - 1)), data.draw(st.integers(0, shape[1] - 1))
    assert follow(view, shape, layer, column, canvas) == view
    near = follow(View(), shape, layer, column, canvas)
    x, y, _half = place_of(near, layer, column, caps)
    assert 0 <= x < width
    assert 0 <= y < height
    assert near.top < shape[0]
    assert near.left < shape[1]


@given(
    views,
    st.integers(0, 60),
    st.dictionaries(st.integers(0, 60), words),
    caps,
    st.none() | st.integers(0, 60),
)
def test_ruler_is_exact(view, width, labels, caps, cursor):
    check([frame.ruler(view, width, labels, caps, cursor=cursor)], width, caps, 1)


@given(limits, limits, st.integers(0, 60), caps, st.booleans())
def test_legend_is_exact(low, high, width, caps, clipped):
    check([frame.legend(Scale(low, high, clipped=clipped), width=width, caps=caps, unit="%")], width, caps, 1)


@given(
    st.tuples(st.integers(0, 70), st.integers(0, 300)),
    views,
    st.tuples(st.integers(0, 70), st.integers(0, 300)),
    st.integers(0, 30),
    st.integers(0, 10),
    caps,
)
def test_minimap_and_gutter_are_exact(shape, view, visible, width, height, caps):
    check(frame.minimap(shape, view, visible, width=width, height=height, caps=caps), width, caps, height)
    check(frame.gutter(view, shape[0], width=width, height=height, caps=caps, cursor=3), width, caps, height)


VALUES = np.array([[0, 0, 0, 9, 0, 0], [0, np.nan, 5, 0, 0, 0]], dtype=float)


def test_a_map_in_ascii():
    rows = maps.heatmap(VALUES, View(), Canvas(6, 3, ASCII), Scale(0, 9), groups=maps.Groups([0, 3, 4]))
    assert plain(rows) == "   @|\n '+||\n"


def test_half_blocks_hold_two_rows():
    (row,) = maps.heatmap(VALUES, View(), Canvas(6, 1, UNICODE), Scale(0, 9), groups=maps.Groups([0, 4]))
    assert plain([row]) == " ▀▀▀▏"
    cold, hot = palette.heat(UNICODE, 0), palette.heat(UNICODE, 1)
    assert row[0].style.bgcolor == cold
    # Beside a gap the half block stands on the terminal's own background.
    assert (row[1].style.color, row[1].style.bgcolor) == (cold, None)
    assert (row[3].style.color, row[3].style.bgcolor) == (hot, cold)
    # The hairline does not end the run of its cells.
    assert row[4].text == "▏ "


@pytest.mark.parametrize("caps", ALL_CAPS)
@pytest.mark.parametrize("layer", [0, 1])
def test_the_cursor_changes_its_cell_and_no_other(caps, layer):
    def cells(**options):
        rows = maps.heatmap(VALUES, View(), Canvas(6, 2, caps), Scale(0, 9), **options)
        return [(character, segment.style) for row in rows for segment in row for character in segment.text]

    plainly, pointed = cells(), cells(cursor=(layer, 4))
    x, y, _half = place_of(View(), layer, 4, caps)
    changed = [index for index, (one, other) in enumerate(zip(plainly, pointed, strict=True)) if one != other]
    assert changed == [y * 6 + x]
    style = pointed[y * 6 + x][1]
    assert style.reverse or palette.accent(caps).color in (style.color, style.bgcolor)


def test_columns_that_are_not_lit_are_grey():
    (row,) = maps.heatmap(
        np.ones((2, 3)), View(), Canvas(3, 1, UNICODE), Scale(0, 1), groups=maps.Groups(lit=(1, 2))
    )
    grey = palette.heat(UNICODE, 1, muted=True)
    assert [segment.style.bgcolor for segment in row] == [grey, palette.heat(UNICODE, 1), grey]


def test_ruler_labels_stand_over_their_columns_and_leave_out_what_has_no_room():
    labels = {0: "0", 17: "1", 34: "2"}
    assert plain([frame.ruler(View(columns_per_cell=2), 20, labels, UNICODE)]) == "0       1        2"
    assert plain([frame.ruler(View(columns_per_cell=17), 3, labels, UNICODE)]) == "0 2"
    assert (
        plain([frame.ruler(View(columns_per_cell=2), 20, labels, UNICODE, cursor=20)]) == "0       1 ▼      2"
    )


def test_legend_and_minimap():
    assert (
        plain([frame.legend(Scale(0, 7.8), width=40, caps=ASCII, unit=" %")])
        == "0 [  ..::--==++**##%%@@] 7.80 %"
    )
    drawn = frame.minimap((58, 272), View(top=29, left=136), (29, 136), width=8, height=2, caps=ASCII)
    assert plain(drawn) == "........\n....@@@@"


def test_a_full_map_is_small_over_ssh():
    rng = np.random.default_rng(0)
    values = rng.random((58, 272)) * 0.1
    values.flat[rng.choice(values.size, 30, replace=False)] = 1
    canvas = Canvas(200, 50, UNICODE)
    view = fit_view(values.shape, canvas)
    groups = maps.Groups(range(0, 272, 17))
    rows = maps.heatmap(values, view, canvas, Scale(0, 1), cursor=(10, 30), groups=groups)
    assert len(ansi(rows, "256").encode()) <= 30_000


@given(matrices, st.integers(1, 5), st.integers(1, 5))
def test_reduce_extreme_is_the_furthest_from_zero_of_each_block(values, rows, columns):
    reduced = maps.reduce_extreme(values, rows, columns)
    for y in range(0, values.shape[0], rows):
        for x in range(0, values.shape[1], columns):
            block = [v for v in values[y : y + rows, x : x + columns].flat if not np.isnan(v)]
            found = reduced[y // rows, x // columns]
            assert abs(found) == max(map(abs, block)) and found in block if block else np.isnan(found)


@given(st.data(), matrices, views, st.integers(0, 20), st.integers(0, 8), st.floats(0, 1e6), caps)
def test_a_difference_is_exact(data, values, view, width, height, reach, caps):
    place = st.tuples(st.integers(0, 14), st.integers(0, 14))
    rows = maps.heatmap(
        values,
        view,
        Canvas(width, height, caps),
        Scale(-reach, reach, "difference"),
        cursor=data.draw(st.none() | place),
        groups=maps.Groups(data.draw(st.just(()) | st.just([0, 3, 6, 9])), data.draw(st.none() | place)),
    )
    check(rows, width, caps, height)


def test_a_difference_in_signs_and_in_colours():
    values = np.array([[-4.0, -2.0, 0.0, 2.0, 4.0, np.nan]])
    scale = Scale(-4, 4, "difference")
    assert plain(maps.heatmap(values, View(), Canvas(6, 1, ASCII), scale)) == "=- +#'"
    (row,) = maps.heatmap(np.repeat(values, 2, axis=0), View(), Canvas(6, 1, UNICODE), scale)
    drawn = [segment.style.bgcolor for segment in row if segment.text.strip("·")]
    levels = [
        palette.difference_color(UNICODE, palette.difference_level(UNICODE, p)) for p in (-1, -0.5, 0, 0.5, 1)
    ]
    assert drawn == levels
    assert len(set(levels)) == 5


def test_the_legend_of_a_difference_names_both_ends():
    text = plain([frame.legend(Scale(-4, 4, "difference", clipped=True), width=60, caps=ASCII, unit=" ms")])
    assert text == "<= -4 [==--  ++##] >= +4 ms"
