"""Points on a plane: each is drawn where it lies, and what stands out is seen without colour."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbtui.render.canvas import Canvas
from lbtui.render.capabilities import Capabilities
from lbtui.render.palette import dim, series, severity
from lbtui.render.scatter import Axes, plane, room, scatter
from lbtui.render.text import plain

COLOUR, GREY, ASCII = Capabilities("256"), Capabilities("none"), Capabilities("256", unicode=False)
TICKS = [(0.0, "0"), (1.0, "9")]


def drawn(points, caps=COLOUR, width=23, height=7, **axes):
    """Return the rows of points (x, y, marked) on a plane of 20 × 5 cells."""
    xs, ys, marked = (np.array(column) for column in zip(*points, strict=True))
    canvas = Canvas(width, height, caps)
    size = room(canvas, TICKS)
    return scatter(
        plane(xs.astype(float), ys.astype(float), marked.astype(bool), size),
        Axes(y_ticks=TICKS, x_ticks=[(0.0, "a"), (0.5, "b"), (1.0, "c")], **axes),
        canvas,
    )


def test_points_lie_where_they_are():
    shown = plain(drawn([(0, 0, False), (1, 1, False), (0, 1, False), (0.5, 0.5, False)])).split("\n")
    body = [line[3:] if len(line) > 3 else line for line in shown[:5]]
    assert body[0][0] == "⠁"
    assert body[0][-1] == "⠈"
    assert body[4][0] == "⡀"
    assert body[2][10] != " "
    assert shown[0].split("│")[0].strip() == "9"
    assert shown[4].split("│")[0].strip() == "0"
    assert shown[6].split() == ["a", "b", "c"]


@given(
    st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1), st.booleans()), min_size=1, max_size=50),
    st.integers(1, 60),
    st.integers(1, 20),
    st.sampled_from([COLOUR, GREY, ASCII]),
)
def test_every_point_is_in_a_cell_and_the_rows_fill_the_canvas(points, width, height, caps):
    rows = drawn(points, caps, width, height, line=0.5, lit=(0.2, 0.6))
    assert len(rows) == height
    assert all(sum(len(segment.text) for segment in cells) == width for cells in rows)
    cells, lines = room(Canvas(width, height, caps), TICKS)
    if cells:
        filled = {
            (
                min(max(int((1 - y) * 4 * lines), 0), 4 * lines - 1) // 4,
                min(int(x * 2 * cells), 2 * cells - 1) // 2,
            )
            for x, y, _marked in points
        }
        text = [plain([line]).ljust(width)[width - cells :] for line in rows[:lines]]
        rule = "-" if caps is ASCII else "─"
        seen = {
            (line, column)
            for line, row in enumerate(text)
            for column, cell in enumerate(row)
            if cell not in (" ", rule)
        }
        assert seen == filled


def styles(rows):
    return {sign: segment.style for line in rows for segment in line for sign in segment.text}


def test_what_stands_out_is_red_and_without_colour_a_cross():
    points = [(0.0, 0.0, True), (1.0, 1.0, False)]
    found = styles(drawn(points))
    assert found["⡀"] == severity(COLOUR, "critical")
    assert found["⠈"] == series(COLOUR, 0)
    assert "×" in plain(drawn(points, GREY))
    assert "x" in plain(drawn(points, ASCII))
    assert plain(drawn(points, ASCII)).isascii()


def test_outside_of_what_is_lit_only_what_stands_out_keeps_its_colour():
    points = [(0.0, 0.0, True), (0.0, 1.0, False), (1.0, 1.0, False)]
    found = styles(drawn(points, lit=(0.5, 1.0)))
    assert found["⡀"] == severity(COLOUR, "critical")
    assert found["⠁"] == dim(COLOUR)
    assert found["⠈"] == series(COLOUR, 0)


def test_a_line_lies_at_its_height_behind_the_points():
    shown = plain(drawn([(0.5, 0.5, False)], line=0.5)).split("\n")
    assert shown[2].count("─") == 19
    assert not any("─" in line for line in (*shown[:2], *shown[3:5]))


@pytest.mark.parametrize(("count", "sign"), [(1, "."), (3, ":"), (6, "*"), (8, "#")])
def test_in_ascii_a_sign_tells_how_many(count, sign):
    dots = [(x / 40 + 0.001, 1 - y / 20 - 0.001) for y in range(4) for x in range(2)][:count]
    shown = plain(drawn([(x, y, False) for x, y in dots], ASCII)).split("\n")
    assert shown[0].endswith("|" + sign) or sign in shown[0]
