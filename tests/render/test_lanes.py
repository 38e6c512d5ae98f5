import math
from itertools import chain

from hypothesis import given
from hypothesis import strategies as st

from lbtui.render.canvas import Canvas, Scale
from lbtui.render.capabilities import Capabilities
from lbtui.render.glyphs import glyphs
from lbtui.render.lanes import Marks, bar, histogram, lane, signed_lane, sparkline
from lbtui.render.palette import accent, cursor, dim, fraction, heat_style, selected
from lbtui.render.text import plain
from tests.render.strategies import ansi, caps, check, limits, values

UNICODE, ASCII = Capabilities("256"), Capabilities("none", unicode=False)


@given(st.data(), st.lists(values, max_size=60), limits, limits, st.integers(1, 8), caps, st.booleans())
def test_lane_is_exact(data, numbers, low, high, height, caps, lit_row):
    column = st.integers(-2, len(numbers) + 2)
    rows = lane(
        numbers,
        Scale(low, high),
        caps,
        height=height,
        marks=Marks(
            cursor=data.draw(st.none() | column),
            here=lit_row,
            underlined=data.draw(
                st.none() | st.lists(st.booleans(), min_size=len(numbers), max_size=len(numbers))
            ),
            lit=data.draw(st.none() | st.tuples(column, column)),
        ),
    )
    check(rows, len(numbers), caps, height)


@given(st.lists(st.floats(0, 1), min_size=2, max_size=30), st.integers(1, 8), caps)
def test_more_is_never_drawn_lower(numbers, height, caps):
    ramp = glyphs(caps).vertical
    texts = plain(lane(sorted(numbers), Scale(0, 1), caps, height=height)).split("\n")
    columns = zip(*(text.ljust(len(numbers)) for text in texts), strict=True)
    heights = [sum(map(ramp.index, column)) for column in columns]
    assert heights == sorted(heights)
    assert heights[0] >= 1


def test_a_tall_lane():
    rows = lane([0, 1, 2, 4, 8, None, math.nan, 16], Scale(0, 16), UNICODE, height=2)
    assert plain(rows) == "       █\n▁▁▂▄█··█"


def test_a_parted_lane_leaves_its_top_eighth_free():
    assert plain(lane([1.0, 0.5, 0.0], Scale(0, 1), UNICODE, parted=True)) == "▇▄▁"
    assert plain(lane([1.0], Scale(0, 1), UNICODE, height=2, parted=True)) == "▇\n█"
    assert plain(lane([1.0], Scale(0, 1), ASCII, parted=True)) == "@"


def test_columns_aside_turn_grey():
    (row,) = lane([1.0, 1.0], Scale(0, 1), UNICODE, marks=Marks(aside=frozenset({1})))
    assert [segment.style for segment in row] == [heat_style(UNICODE, 1.0), dim(UNICODE)]


def test_zero_and_no_data_differ_in_ascii_too():
    assert plain(lane([0, None, 1], Scale(0, 1), ASCII)) == "_'@"


def test_the_cursor_is_a_guide_and_stands_out_in_its_own_lane():
    guide = lane([0, 0, 0], Scale(0, 1), UNICODE, height=2, marks=Marks(1))
    assert plain(guide) == " │\n▁▁▁"
    assert guide[1][1].style == accent(UNICODE)
    own = lane([0, 0, 0], Scale(0, 1), UNICODE, marks=Marks(1, here=True))
    assert own[0][1].style == selected(UNICODE)
    # Reversed, the full bar would be a hole in the lane.
    (full,) = lane([0, 1, 0], Scale(0, 1), UNICODE, marks=Marks(1, here=True))
    assert (full[1].text, bool(full[1].style.reverse)) == ("█", False)
    (own,) = lane([0, 0, 0], Scale(0, 1), ASCII, marks=Marks(1, here=True))
    assert own[1].style == cursor(ASCII)
    assert own[1].style.reverse


def test_marks_underline_and_what_is_not_lit_turns_grey():
    (row,) = lane([1, 1, 1, 1], Scale(0, 1), UNICODE, marks=Marks(underlined=[True, True, False, False]))
    assert [(segment.text, bool(segment.style.underline)) for segment in row] == [("██", True), ("██", False)]
    (row,) = lane([1, 1, 1, 1], Scale(0, 1), UNICODE, marks=Marks(lit=(1, 2)))
    assert [segment.text for segment in row] == ["█", "█", "██"]
    assert row[0].style == row[2].style == dim(UNICODE)


@given(st.lists(values, max_size=60), st.none() | st.integers(0, 40), caps)
def test_sparkline_is_exact(numbers, width, caps):
    check([sparkline(numbers, width=width, caps=caps)], len(numbers) if width is None else width, caps, 1)


def test_sparkline_keeps_the_peak():
    assert plain([sparkline([0, 0, 0, 8, 0, 0, 0, 0], width=4, caps=UNICODE)]) == "▁█▁▁"


@given(values, st.integers(0, 40), caps)
def test_bar_is_exact(part, width, caps):
    check([bar(part, width, caps)], width, caps, 1)


def test_bar_in_eighths():
    assert plain([bar(0.5, 5, UNICODE)]) == "██▌"
    assert plain([bar(0.5, 4, ASCII)]) == "##"


@given(st.lists(st.integers(0, 10**9), max_size=40), st.integers(0, 60), st.integers(0, 8), caps)
def test_histogram_is_exact(counts, width, height, caps):
    edges = list(range(len(counts) + 1))
    check(histogram(counts, edges, Canvas(width, height, caps), unit="ms"), width, caps, height)


def test_a_histogram():
    rows = histogram([0, 8, 4, 1], [0, 10, 20, 30, 40], Canvas(32, 3, UNICODE), unit="ms")
    assert plain(rows) == (
        "        ████████\n▁▁▁▁▁▁▁▁████████████████▂▂▂▂▂▂▂▂\n0 ms         peak 8        40 ms"
    )


def test_equal_neighbours_are_sent_once():
    assert len(ansi(lane([1.0] * 200, Scale(0, 1), UNICODE), "256").encode()) < 200 * 3 + 30


@given(st.data(), st.lists(values, max_size=60), limits, st.integers(1, 8), caps, st.booleans())
def test_signed_lane_is_exact(data, numbers, reach, height, caps, lit_row):
    cursor = data.draw(st.none() | st.integers(-2, len(numbers) + 2))
    rows = signed_lane(numbers, reach=reach, height=height, caps=caps, cursor=cursor, lit_row=lit_row)
    check(rows, len(numbers), caps, height)


def test_more_stands_on_a_zero_line_in_the_middle_and_less_hangs_from_it():
    numbers = [-8, -4, -2, 0, None, 2, 4, 8]
    assert plain(signed_lane(numbers, reach=8, height=2, caps=UNICODE)) == "     ▂▄█\n█▀▔▔·▔▔▔"
    # Of three lines the one above keeps lanes apart.
    assert plain(signed_lane(numbers, reach=8, height=3, caps=UNICODE)) == "\n     ▂▄█\n█▀▔▔·▔▔▔"
    assert plain(signed_lane(numbers, reach=8, height=4, caps=UNICODE)) == ("       █\n     ▄██\n██▀▔·▔▔▔\n█")
    assert plain(signed_lane(numbers, reach=8, caps=UNICODE)) == "▄▄──·─▀▀"


def test_the_zero_line_is_grey_but_what_hangs_is_not():
    (line,) = signed_lane([-2, 0, 2], reach=8, height=2, caps=UNICODE)[1:]
    styles = [segment.style for segment in line for _character in segment.text]
    assert [style == dim(UNICODE) for style in styles] == [False, True, True]


def test_signs_in_ascii_are_above_and_below_the_zero_line():
    rows = signed_lane([-8, -4, -0.1, 0, None, 3, 8], reach=8, height=2, caps=ASCII)
    assert plain(rows) == "     +#\n=-  '"


@given(
    st.lists(st.floats(-1, 1), min_size=1, max_size=30), st.integers(2, 6), st.sampled_from(["16", "none"])
)
def test_more_is_never_drawn_below_the_zero_line_nor_less_above_it(numbers, height, colors):
    caps = Capabilities(colors)
    lines = plain(signed_lane(numbers, reach=1, height=height, caps=caps)).split("\n")
    blank_or_zero = {" ", glyphs(caps).zero}
    below = height // 2
    for column, number in enumerate(numbers):
        drawn = [line.ljust(len(numbers))[column] for line in lines]
        assert set(drawn[-below:] if number > 0 else drawn[:-below]) <= blank_or_zero


@given(
    st.lists(st.tuples(st.floats(0, 10), st.floats(0, 1)), min_size=1, max_size=40), st.integers(1, 4), caps
)
def test_heat_gives_columns_their_colour_and_values_their_height(pairs, height, caps):
    numbers, heat = map(list, zip(*pairs, strict=True))
    scale = Scale(0.0, 10.0)
    own, other = (
        lane(numbers, scale, caps, height=height, marks=Marks(heat=given)) for given in (None, heat)
    )
    assert plain(own) == plain(other)
    styles = [segment.style for segment in other[-1] for _character in segment.text]
    for style, part in zip(styles, heat, strict=True):
        assert style.color == heat_style(caps, part).color
        assert bool(style.bold) == (caps.colors == "none" and part >= 0.5)


@given(
    st.lists(values, min_size=1, max_size=40),
    limits,
    limits,
    st.integers(1, 4),
    caps,
    st.booleans(),
)
def test_every_column_has_the_height_and_the_colour_of_its_value(numbers, low, high, height, caps, lit):
    scale = Scale(low, high)
    rows = lane(numbers, scale, caps, height=height, marks=Marks(here=lit))
    cells = [list(chain.from_iterable((s.style for _c in s.text) for s in row)) for row in rows]
    texts = ["".join(segment.text for segment in row) for row in rows]
    ramp = glyphs(caps).vertical
    for column, value in enumerate(numbers):
        part = fraction(value, low, high)
        drawn = [text[column] for text in texts]
        styles = [line[column] for line in cells]
        if part is None:
            assert drawn == [" "] * (height - 1) + [glyphs(caps).missing]
            assert styles == [dim(caps)] * height
            continue
        steps = sum(map(ramp.index, drawn))
        assert steps == max(1, round(part * (len(ramp) - 1) * height))
        hot = heat_style(caps, part)
        bold = lit and caps.colors == "none"
        assert all(style.color == hot.color and bool(style.bold) == bold for style in styles)
