"""The Timeline drawn: slices and a state in, rows out; what each key makes of a state."""

from dataclasses import replace

import pytest

from lbtui.profile.slices import Slices
from lbtui.render.canvas import Canvas
from lbtui.render.capabilities import Capabilities
from lbtui.render.slices import Block, connected, track_row
from lbtui.render.text import plain
from lbtui.ui.kit.selection import Selection
from lbtui.ui.panes.timeline import statistics, view, words
from lbtui.ui.panes.timeline.data import data_of, lines_left, problem
from lbtui.ui.panes.timeline.layout import Shown, layout
from lbtui.ui.panes.timeline.state import (
    Mark,
    TimelineState,
    Way,
    aligned,
    at_row,
    bubble_after,
    close_to,
    marked,
    next_name,
    pinned,
    range_of,
    ranged,
    shown_lines,
    view_of,
)
from tests.ui.slices import BEGIN, MS, Held, service, slices_of, track

CAPS = Capabilities("256")
ASCII = Capabilities("none", unicode=False)
US = BEGIN // 1000


def shown(slices: Slices, state=None, window=None, time=None, size=(100, 20)):
    """Return what is shown; times in ms."""
    data = data_of(Held(), slices)
    own = None if window is None else (US + window[0] * 1000, US + window[1] * 1000)
    selection = Selection(window=own, time=None if time is None else US + int(time * 1000))
    state = state or TimelineState(track=data.track(data.lines[0]).key)
    return Shown(data, state, selection, layout(data, *size))


def drawn(found: Shown, size=(100, 20), caps=CAPS):
    rows = view.draw(found, Canvas(*size, caps))
    assert len(rows) <= size[1]
    assert {sum(segment.cell_length for segment in row) for row in rows} == {size[0]}
    return plain(rows).split("\n")


def plot_of(lines, found, name):
    """Return the plot of a track, by what stands in its label."""
    line = next(line for line in lines if name in line[: found.at.label])
    return line[found.at.label : found.at.label + found.at.columns]


def test_wide_slices_stand_as_blocks_with_their_names_and_lengths():
    found = shown(service(), window=(0, 50), time=49)
    lines = drawn(found)
    card = plot_of(lines, found, "card")
    assert "forward 10 ms" in card
    assert card.index("forward 10 ms") == card.index("▏forward") + 1
    # A ms in 50 is no block: a full bar.
    assert "█" in card
    assert "bubble" in card
    front = plot_of(lines, found, "front end")
    assert front.strip(" │") == "█"


def test_what_is_denser_than_a_column_is_as_high_as_it_is_busy():
    slices = slices_of(
        [(track("card", 0), [("forward", k, 0.5) for k in range(1000)] + [("forward", 2000, 1000)])]
    )
    found = shown(slices, time=2500)
    plot = plot_of(drawn(found), found, "card")
    third = found.at.columns // 3
    assert set(plot[: third - 1]) == {"▄"}
    assert plot[third + 1 : 2 * third - 1].strip() == "bubble 1.00 s"
    assert "forward 1 s" in plot


def test_no_slice_is_ever_dropped_from_the_picture():
    times = [7 * k for k in range(40)]
    slices = slices_of(
        [(track("front", pid=1), [("httpReq", time, 0) for time in times] + [("end", 10_000, 0)])]
    )
    found = shown(slices, time=5000)
    plot = plot_of(drawn(found), found, "front end")
    begin, end = found.window
    columns = found.at.columns
    filled = {(US + time * 1000 - begin) * columns // (end - begin) for time in [*times, 10_000]}
    assert {column for column, cell in enumerate(plot) if cell not in " │"} == filled


def test_the_reading_line_tells_slice_bubble_and_column():
    card = "4 card"
    lines = drawn(shown(service(), TimelineState(track=card), (0, 50), 3))
    assert "forward 10 ms" in lines[-2]
    assert "08:00:00.001000 to 08:00:00.011000" in " ".join(lines)
    lines = drawn(shown(service(), TimelineState(track=card), (0, 50), 15))
    assert "bubble 10 ms between two forward passes" in " ".join(lines[-2:])


@pytest.mark.parametrize("size", [(60, 18), (80, 22), (120, 30), (200, 48), (250, 68)])
@pytest.mark.parametrize("caps", [CAPS, ASCII])
def test_every_size_is_filled_and_ascii_is_pure(size, caps):
    found = shown(service(), TimelineState(track="4 card", pins=("2 schedule",)), (0, 50), 20, size)
    lines = drawn(found, size, caps)
    if not caps.unicode:
        assert "\n".join(lines).isascii()
        assert "|forward" in "\n".join(lines)


def test_a_followed_request_is_lit_with_arrows_from_where_it_came():
    slices = service()
    order = [0, *(next(i for i in range(slices.count) if slices.track_of(i) == t) for t in (1, 2, 3))]
    state = TimelineState(track="4 card", way=Way("r1", tuple(order), 3), picked=order[3])
    found = shown(slices, state, (0, 30), 1)
    lines = drawn(found)
    assert lines[0].startswith(" following r1: 4 slices")
    assert plot_of(lines, found, "round").lstrip(" │").startswith("▼Execute 12 ms")
    assert "step 4 of 4, 11.6 ms before Execute ended" in " ".join(lines[-2:])
    # What is not of it stays to be seen as long as it is.
    assert "▏Execute 12 ms ─" in plot_of(lines, found, "round")
    only = shown(slices, replace(state, only=True), (0, 30), 1)
    assert len(only.lines) == 4
    assert "node-b" not in "\n".join(drawn(only))


def test_where_a_followed_request_waits_stands_how_long():
    given = [("Enqueue", 1, 0), ("Dequeue", 41, 0), ("BatchSchedule", 41, 0.2)]
    slices = slices_of([(track("schedule", 0), given), (track("card", 0, pid=2), [("forward", 42, 8)])])
    key = slices.tracks[0].key
    found = shown(slices, TimelineState(track=key, way=Way("r", (0, 1, 2, 3))), (0, 50), 20)
    assert found.waits == ((0, (BEGIN + MS, BEGIN + 41 * MS)),)
    lines = drawn(found)
    assert " queue 40 ms ──" in plot_of(lines, found, "schedule")
    assert "queue 40 ms" in " ".join(lines[-2:])
    assert "queue" not in "\n".join(drawn(shown(slices, TimelineState(track=key), (0, 50), 20)))


def test_pins_stay_on_top_and_the_rest_scrolls():
    tracks = [(track("card", rank, pid=rank + 1), [("forward", rank, 1)]) for rank in range(40)]
    state = TimelineState(track="40 card", pins=("7 card",))
    found = shown(slices_of(tracks), state, size=(100, 14))
    places = [found.data.track(line).dp_rank for line in found.lines]
    assert places[0] == 6
    assert places[-1] == 39
    assert places == [6, *range(40 - len(places) + 1, 40)]
    assert drawn(found, (100, 14))[2].startswith("•")
    back = at_row(found.data, found.state, 0)
    assert back.track == "7 card"
    assert pinned(back).pins == ()


def test_an_aligned_track_is_shifted_and_the_state_line_says_by_how_much():
    slices = service()
    first = next(i for i in range(slices.count) if slices.track_of(i) == 4)
    state = aligned(TimelineState(track="4 card"), BEGIN + 21 * MS)
    assert state.anchor == ("4 card", BEGIN + 21 * MS)
    state = aligned(replace(state, track="5 card"), int(slices.start[first]))
    assert state.shifts == (("5 card", 21 * MS),)
    found = shown(slices, state, (0, 50), 21)
    lines = drawn(found)
    assert "shifted by +21 ms" in lines[0]
    own = [line for line in lines if "forward" in line]
    # Both begin in the same column now.
    assert own[0].index("▏forward", own[0].index("▏forward") + 1) == own[1].index("▏forward")
    assert aligned(aligned(state, BEGIN), BEGIN).shifts == ()


def test_ranges_marks_and_their_names():
    state = ranged(TimelineState(), US + 30_000)
    assert range_of(state, US + 10_000) == (US + 10_000, US + 30_000)
    state = ranged(state, US + 10_000)
    assert (state.begin, state.end) == (US + 10_000, US + 30_000)
    found = shown(service(), replace(state, track="4 card", marks=(Mark("peak", US + 1_000),)), (0, 50), 35)
    lines = drawn(found)
    assert "range 20 ms" in lines[0]
    assert "┌" in lines[1]
    assert "┐" in lines[1]
    assert "'peak" in lines[1]
    assert ranged(state, 5).begin is None
    marks = marked(marked(TimelineState(), "B", 5), "A", 9).marks
    assert [(mark.name, mark.time) for mark in marks] == [("B", 5), ("A", 9)]
    assert [mark.time for mark in marked(TimelineState(marks=marks), "A", 1).marks] == [1, 5]
    assert next_name(()) == "A"
    assert next_name(marks) == "C"


def test_filters():
    data = data_of(Held(), service())
    assert [data.track(line).kind for line in lines_left(data, "card")] == ["card", "card"]
    assert [data.track(line).dp_rank for line in lines_left(data, "card dp=1")] == [1]
    assert [data.track(line).host for line in lines_left(data, "host=node-b-1")] == ["node-b-1"]
    assert problem(data, "nothing") == "No track has that in its name."
    assert problem(data, "dp=x") == "“x” after dp= is no rank."
    assert "asks for none of" in problem(data, "rank=3")
    state = TimelineState(text="card dp=1", pins=("1 front",))
    assert [data.track(line).kind for line in shown_lines(data, state)] == ["front", "card"]


def test_statistics_are_drawn_of_the_range():
    found = shown(service(), ranged(ranged(TimelineState(track="4 card"), US), US + 50_000))
    from lbtui.analysis import timeline

    rows = timeline.statistics(found.data.slices, range(5), (BEGIN, BEGIN + 50 * MS))
    for size in ((60, 18), (100, 20)):
        text = plain(statistics.draw_statistics(found, rows, Canvas(*size, CAPS)))
        assert text.startswith(" range 08:00:00.000–08:00:00.050, 50 ms")
        assert "forward" in text
        assert "httpReq" in text
    assert "counting" in plain(statistics.draw_statistics(found, None, Canvas(60, 18, CAPS)))


def test_windows_to_go_to():
    whole, window = (0, 1_000_000), (100_000, 200_000)
    assert view_of((150_000, 160_000), window, whole, 100) == window
    begin, end = view_of((500_000, 510_000), window, whole, 100)
    assert (end - begin, begin <= 500_000, end >= 510_000) == (100_000, True, True)
    begin, end = view_of((300_000, 700_000), window, whole, 100)
    assert begin <= 300_000
    assert end >= 700_000
    # A bubble that could not be seen is zoomed to.
    begin, end = close_to((150_000, 150_100), window, whole, 100)
    assert (begin <= 150_000, end - begin) == (True, 1200)
    assert close_to((150_000, 160_000), window, whole, 100) == window


def test_bubbles_are_gone_round():
    assert bubble_after((), None, 1) is None
    assert bubble_after(("a", "b", "c"), None, 1) == "a"
    assert bubble_after(("a", "b", "c"), None, -1) == "c"
    assert bubble_after(("a", "b", "c"), "c", 1) == "a"


def test_a_sample_says_so_and_its_figures_are_estimates():
    slices = slices_of([(track("card", 0), [("forward", 10 * k, 1) for k in range(10)])], total=40)
    found = shown(slices, time=50)
    lines = drawn(found)
    assert lines[0].startswith(" a sample: 10 of 40 slices")
    assert "~44 %" in "\n".join(lines)


def test_blocks_are_cut_at_both_ends_and_wide_characters_keep_the_width():
    blocks = [Block(-5, 6, ("到达 12 ms", "到达"), 0), Block(8, 40, ("x",), 1)]
    for caps in (CAPS, ASCII, Capabilities("none")):
        row = track_row([0.5] * 12, blocks, 0, None, caps)
        assert sum(segment.cell_length for segment in row) == 12
    rows = [track_row([None] * 5, [], 0, None, CAPS) for _line in range(3)]
    connected(rows, 2, range(1, 2), CAPS)
    assert plain(rows) == "\n  │\n"


def test_the_page_of_a_slice_leads_to_its_requests_and_to_what_belongs_to_it():
    found = shown(service(), TimelineState(track="3 round"), (0, 50), 5)
    page = words.slice_page(found.data, found.cursor, Held().fields(None, 0), "", CAPS)
    lines = page.text.plain.split("\n")
    assert {lines[line].strip(): lead for line, lead in page.leads.items()}["r1"] == "rr1"
    assert sum(lead.startswith("s") for lead in page.leads.values()) == 2
    assert "batch_size  2" in page.text.plain
    assert "could not" in words.slice_page(found.data, found.cursor, None, "it could not", CAPS).text.plain


def test_names_from_files_are_harmless():
    slices = slices_of([(track("other", None, host="\x1b[31mh", pid=1), [("\x1b[2J[red]x", 0, 50)])])
    text = "\n".join(drawn(shown(slices, time=10)))
    assert "\x1b" not in text
    assert "[red]" in text


def test_nothing_to_draw_says_so():
    data = data_of(Held(), slices_of([]))
    assert "No slices" in plain(view.empty_rows(data, (), Canvas(60, 10, CAPS)))
