from hypothesis import given
from hypothesis import strategies as st
from rich.segment import Segment
from rich.style import Style

from lbtui.render.capabilities import Capabilities
from lbtui.render.palette import cursor
from lbtui.render.table import Column, first_visible, fitting, table
from lbtui.render.text import plain
from tests.render.strategies import caps, check, words

UNICODE, ASCII = Capabilities("256"), Capabilities("none", unicode=False)
COLUMNS = (
    Column("name", 8, "left"),
    Column("ttft", 6, priority=1),
    Column("wait", 6, priority=2),
)
CELLS = [["a", "1.5", "20.0"], ["a long name", "33.0", "–"]]

column = st.builds(Column, words, st.integers(1, 12), st.sampled_from(["left", "right"]), st.integers(0, 3))


@given(st.data(), st.lists(column, min_size=1, max_size=6), st.integers(0, 60), st.integers(0, 8), caps)
def test_a_table_is_exact_whatever_is_in_it(data, columns, room, height, caps):
    keep = data.draw(st.lists(st.integers(0, len(columns) - 1), max_size=2))
    layout = fitting(columns, room, keep=keep)
    assert layout.width <= room
    cell = words | st.builds(Segment, words, st.just(Style(bold=True)))
    cells = data.draw(st.lists(st.lists(cell, min_size=len(columns), max_size=len(columns)), max_size=10))
    # Any style a caller brings is the caller's; what is checked is size, text and what the table adds.
    if caps.colors == "none":
        cells = [[c.text if isinstance(c, Segment) else c for c in line] for line in cells]
    rows = table(
        cells,
        layout,
        height=height,
        caps=caps,
        cursor=data.draw(st.none() | st.integers(0, 9)),
        sort=data.draw(st.none() | st.tuples(st.integers(0, len(columns) - 1), st.booleans())),
    )
    check(rows, layout.width, caps, height)


def test_headers_alignment_and_the_sort_mark():
    layout = fitting(COLUMNS, 24)
    rows = table(CELLS, layout, height=4, caps=UNICODE, cursor=1, sort=(1, True))
    assert plain(rows) == ("name       ttft▼    wait\na            1.5    20.0\na long …    33.0       –\n")
    assert plain(table([], layout, height=1, caps=ASCII, sort=(2, False))) == ("name        ttft   wait^")


def test_the_cursor_row_is_lit_from_end_to_end_and_no_other():
    layout = fitting(COLUMNS, 24)
    rows = table(CELLS, layout, height=3, caps=UNICODE, cursor=1)
    assert [segment.style for segment in rows[2]] == [cursor(UNICODE)]
    assert all(segment.style != cursor(UNICODE) for segment in rows[1])


def test_short_room_takes_columns_of_high_priority_numbers_first_but_keeps_what_is_asked():
    assert [place for place, _x, _width in fitting(COLUMNS, 16).columns] == [0, 1]
    assert [place for place, _x, _width in fitting(COLUMNS, 16, keep=[2]).columns] == [0, 2]
    assert [place for place, _x, _width in fitting(COLUMNS, 3).columns] == [0]


def test_room_left_widens_the_gaps_up_to_three():
    assert fitting(COLUMNS, 22).columns == ((0, 0, 8), (1, 9, 6), (2, 16, 6))
    assert fitting(COLUMNS, 200).columns == ((0, 0, 8), (1, 11, 6), (2, 20, 6))


def test_a_cell_on_the_screen_finds_its_column():
    layout = fitting(COLUMNS, 22)
    assert [layout.column_at(x) for x in (0, 7, 8, 9, 21, 22)] == [0, 0, None, 1, 2, None]


@given(st.integers(1, 500), st.integers(1, 50), st.data())
def test_the_cursor_is_always_seen_and_no_line_is_wasted(total, height, data):
    cursor = data.draw(st.integers(0, total - 1))
    first = data.draw(st.integers(0, total))
    found = first_visible(cursor, first, height, total)
    assert found <= cursor < found + height
    assert 0 <= found <= max(0, total - height)
    # Nothing moves that need not.
    if first <= cursor < first + height and first <= max(0, total - height):
        assert found == first
