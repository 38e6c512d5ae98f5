"""What is sent must look as what was drawn: checked with an emulator that knows nothing of us."""

import sys

import pyte
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.color import Color
from rich.segment import Segment
from rich.style import Style
from textual.geometry import Size
from textual.strip import Strip

from lbtui.ui.terminal.changed import NARROW, changed_runs
from lbtui.ui.terminal.update import Shown

WIDTH = 24
# What may be typed, also what takes no cell: marks, joiners, variation selectors, soft hyphens, flags.
ANY = "ab  你\u0301\u200b\u200d\ufe0f❤👍🏽👩\xad\u2028\x85ｱ\u1100\u1161\U0001f1e9\U0001f1ea\U000e0001"
hues = st.none() | st.sampled_from([1, 4, 12, 53, 61, 226]).map(Color.from_ansi)
styles = st.none() | st.builds(
    Style, color=hues, bgcolor=hues, bold=st.booleans(), reverse=st.booleans(), underline=st.booleans()
)
texts = st.text("ab  ▀▄█中é", min_size=1, max_size=14) | st.integers(1, 24).map(" ".__mul__)
segments = st.tuples(texts, styles).map(lambda parts: Segment(*parts))


def strip_of(parts):
    return Strip(Segment.adjust_line_length(parts, WIDTH, pad=True), WIDTH)


strips = st.lists(segments, max_size=7).map(strip_of)


def cells(screen):
    """Return upper and lower colour of every cell, its character where it has one, and what underlines it."""
    shown = []
    for y in range(screen.lines):
        for x in range(WIDTH):
            cell = screen.buffer[y][x]
            front, back = (cell.bg, cell.fg) if cell.reverse else (cell.fg, cell.bg)
            if cell.reverse and front == back == "default":
                front, back = "reversed", "reversed"
            halves = {" ": (back, back), "█": (front, front), "▀": (front, back), "▄": (back, front)}
            if cell.data in halves and not (cell.underscore or cell.reverse):
                shown.append(halves[cell.data])
            else:
                shown.append((cell.data, front, back, cell.bold and cell.data != " ", cell.underscore))
    return shown


def by_textual(strip):
    """Return the row as rich writes it, style by style with a reset behind each."""
    return "".join(
        f"{segment.style.render(segment.text)}" if segment.style else segment.text for segment in strip
    )


def emulated(*writes, height=2):
    screen = pyte.Screen(WIDTH, height)
    screen.reset_mode(7 << 5)
    stream = pyte.Stream(screen)
    for text in writes:
        stream.feed(text)
    return cells(screen)


@given(st.lists(strips, min_size=1, max_size=4))
def test_after_any_updates_the_terminal_shows_the_last(rows):
    shown = Shown("256")
    size = Size(WIDTH, 2)
    sent = [shown.changes([(0, 0, row)], size) for row in rows]
    assert emulated(*sent) == emulated(by_textual(rows[-1]))
    # Nothing is sent for what stands there already, and no colour is left behind.
    assert shown.changes([(0, 0, rows[-1])], size) == ""
    assert emulated(*sent, "\x1b[2;1Hx") == emulated(by_textual(rows[-1]), "\x1b[2;1Hx")


@given(strips, strips, st.integers(0, WIDTH), st.integers(0, WIDTH))
def test_a_part_of_a_row_changes_that_part_only(before, after, first, second):
    first, second = sorted((first, second))
    shown, size = Shown("256"), Size(WIDTH, 2)
    start = shown.changes([(0, 0, before)], size)
    part = after.crop(first, second)
    piece = shown.changes([(first, 0, part)], size)
    whole = Strip.join([before.crop(0, first), part, before.crop(second, WIDTH)])
    assert emulated(start, piece) == emulated(by_textual(whole))


@given(strips, strips)
def test_changed_runs_hold_whole_characters_and_all_changes(before, after):
    kept = after
    for x, length in changed_runs(before, after):
        assert length > 0
        assert cell_len(after.crop(x, x + length).text) == length
        kept = Strip.join([kept.crop(0, x), before.crop(x, x + length), kept.crop(x + length, WIDTH)])
    assert kept.text == before.text


some = st.lists(segments, max_size=3)


@given(some, some, some, some)
def test_rows_that_begin_and_end_alike_differ_where_their_cells_do(head, before, after, tail):
    before, after = (strip_of([*head, *middle, *tail]) for middle in (before, after))
    covered = {x + n for x, length in changed_runs(before, after) for n in range(length)}
    for x in range(WIDTH):
        left, right = (
            [(s.text, s.style) for s in strip.crop(x, x + 1) if s.text] for strip in (before, after)
        )
        assert left == right or x in covered
    # What begins and ends the same in both is not sent.
    if before == after:
        assert not covered


@st.composite
def moved_rows(draw):
    """Two screens: of the second some rows are those of the first, moved, and some are others."""
    before = draw(st.lists(strips, min_size=12, max_size=12))
    top, length, by = draw(st.integers(0, 4)), draw(st.integers(0, 12)), draw(st.integers(-5, 5))
    after = list(before)
    for y in range(top, min(top + length, 12)):
        if 0 <= y + by < 12:
            after[y] = before[y + by]
    for y, row in draw(st.dictionaries(st.integers(0, 11), strips, max_size=3)).items():
        after[y] = row
    return before, after, draw(st.sets(st.integers(0, 11), max_size=2))


@given(moved_rows())
def test_rows_that_move_stand_where_they_shall(screens):
    before, after, unknown = screens
    shown, size = Shown("256"), Size(WIDTH, 12)
    start = shown.changes([(0, y, row) for y, row in enumerate(before) if y not in unknown], size)
    change = shown.changes(
        [(0, y, row) for y, row in enumerate(after) if y in unknown or row is not before[y]], size
    )
    direct = "".join(f"\x1b[{y + 1};1H{by_textual(row)}" for y, row in enumerate(after))
    assert emulated(start, change, height=12) == emulated(direct, height=12)
    assert shown.changes([(0, y, row) for y, row in enumerate(after)], size) == ""


@pytest.mark.parametrize("by", [-3, -1, 1, 4])
def test_the_terminal_moves_rows_itself(by):
    rows = [strip_of([Segment(f"row {y} of many and more")]) for y in range(30)]
    shown, size = Shown("256"), Size(WIDTH, 20)
    shown.changes([(0, y, rows[y + 5]) for y in range(20)], size)
    sent = shown.changes([(0, y, rows[y + 5 + by]) for y in range(20)], size)
    new = sum(len(f"row {y} of many and more") for y in range(abs(by)))
    assert new < len(sent) < 60 + 2 * new


def test_characters_taken_for_narrow_have_one_cell_each():
    narrow = "".join(filter(NARROW.fullmatch, map(chr, range(sys.maxunicode + 1))))
    assert all(cell_len(character) == 1 for character in narrow)
    assert set("a~é–…·×▁█▀▄░│─╵") <= set(narrow)


def test_after_forgetting_everything_is_sent_again():
    shown, size = Shown("none"), Size(WIDTH, 2)
    row = strip_of([Segment("abc", Style(color="red"))])
    first = shown.changes([(0, 0, row)], size)
    assert "abc" in first
    assert "31" not in first
    shown.forget()
    assert shown.changes([(0, 0, row)], size) == first
    assert "abc" in shown.changes([(0, 0, row)], Size(WIDTH + 1, 2))


@given(st.lists(st.tuples(st.integers(0, WIDTH - 1), st.text(ANY, min_size=1, max_size=30)), max_size=6))
def test_characters_of_any_width_are_sent(pieces):
    shown = Shown("256")
    size = Size(WIDTH, 2)
    for x, text in pieces:
        row = Segment.adjust_line_length([Segment(text)], WIDTH)
        shown.changes([(0, 0, Strip(row))], size)
        # A part of a row that has such characters, behind them.
        shown.changes([(x, 0, Strip([Segment(text)]).crop(0, WIDTH - x))], size)
        shown.changes([(WIDTH - 1, 0, Strip([Segment("x")]))], size)
    shown.changes([(0, 0, strip_of([Segment(" " * WIDTH)]))], size)
    assert "y" * WIDTH in shown.changes([(0, 0, strip_of([Segment("y" * WIDTH)]))], size)
