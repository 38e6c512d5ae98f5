import math
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.segment import Segment

from lbtui.analysis.overview import overview, overviews
from lbtui.analysis.overview_model import Line, Overview, Place, Source
from lbtui.profile import Missing, Note, SourceFile
from lbtui.render.capabilities import Capabilities
from lbtui.render.text import plain
from lbtui.sources import open_profile
from lbtui.ui.panes.overview_view import (
    State,
    column_of,
    draw,
    entries,
    entry_at,
    lane_columns,
    stretched,
)
from lbtui.ui.selection import Selection

DEMO = Path(__file__).parents[2] / "lbtui" / "demo" / "output"
UNICODE, ASCII = Capabilities("256", True), Capabilities("none", False)
SECOND = 1_000_000


@pytest.fixture(scope="module")
def demo():
    return overview(open_profile(DEMO))


SMALL = Overview(
    "small",
    "/data/small",
    hosts=("node-a",),
    window=(0, 10 * SECOND),
    lines=(
        Line(
            "dp.batch_size",
            "dp",
            "DP batch",
            headline="PAR 1.50",
            beside="chance 1.20",
            values=(1.0, 2.0, 4.0, float("nan"), 0.0),
            column="highest domain",
            unit="requests",
            over_time=True,
            worst="dp1 08:00:04–:06: 4 · peers 1",
            place=Place(domain="node-a/dp1", start=4 * SECOND, end=6 * SECOND),
            details=("node-a · PAR 1.50",),
        ),
        Line("pd.added", "pd", "P/D added", absent="no P/D node is recorded"),
        Line(
            "ep.rank_load",
            "ep",
            "Experts",
            headline="PAR 1.10",
            values=(1.0, 1.1),
            unit="× mean",
            names=("rank 0", "rank 1"),
        ),
    ),
    sources=(
        Source(SourceFile(Path("/data/small/batch.csv"), "batch.csv", "csv", 1_000_000), 12, "1 µs", "read"),
        Source(
            SourceFile(Path("/d/profiler.db"), "profiler.db", "profiler.db", 10),
            None,
            "",
            "unreadable",
            "Bad.",
        ),
    ),
    missing=(
        Missing("KV blocks (kvcache.csv)", "domain KVCache was not recorded", "collect domain KVCache"),
    ),
    notes=(Note("batch.csv", "3 of 15 rows lack a time."),),
)


GOLDEN = """
load by dimension · PAR = max / mean, 1 is even · 1 column = 0.714 s
> DP batch    PAR 1.50     ▂▂▂▄▄▄███···▁▁ dp1 08:00:04–:06: 4 · peers 1
                           08:00:00
  P/D added   no data: no P/D node is recorded
  Experts     PAR 1.10     ▇▇▇▇▇▇▇███████
                           0      1
── Profile ─────────────────────────────────────────────────────────────────────
  path    /data/small
  host    node-a
  window  1970-01-01 08:00:00–08:00:10 Asia/Shanghai +08:00 · 10 s
── Read ────────────────────────────────────────────────────────────────────────
  batch.csv    1.00 MB · 12 rows · csv · 1 µs
  profiler.db  0.00 MB · unreadable: Bad.
── Missing (1) ─────────────────────────────────────────────────────────────────
DP batch · PAR 1.50 · chance 1.20 · dp1 08:00:04–:06: 4 · peers 1
node-a · PAR 1.50

"""


def text(known, width, height, state=State(), selection=Selection(), caps=UNICODE, progress=""):  # noqa: B008
    return plain(draw(known, state, selection, width, height, caps, progress))


def test_small_profile_at_80_columns():
    drawn = text(SMALL, 80, 17).splitlines()
    assert drawn == GOLDEN.strip("\n").splitlines()


def test_every_row_fills_the_width_exactly(demo):
    for width, height in [(20, 5), (79, 20), (80, 21), (119, 29), (120, 29), (200, 47), (400, 117)]:
        for caps in (UNICODE, ASCII, Capabilities("16", True), Capabilities("truecolor", True)):
            rows = draw(demo, State(entry=3), Selection(), width, height, caps)
            assert len(rows) == height
            assert {sum(segment.cell_length for segment in row) for row in rows} == {width}


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 260),
    st.integers(1, 70),
    st.integers(0, 12),
    st.one_of(st.none(), st.integers(-(10**7), 3 * 10**7)),
    st.text(max_size=60),
)
def test_any_size_and_any_text_draws(width, height, entry, time, words):
    known = Overview(
        words,
        words,
        hosts=(words,),
        window=(0, 10 * SECOND),
        lines=(*SMALL.lines, Line("x", "dp", words, values=(1.0,), over_time=True, worst=words)),
        missing=(Missing(words, words, words),),
        notes=(Note(words, words),),
    )
    selection = Selection(time=time, window=(2 * SECOND, 30 * SECOND))
    for caps in (UNICODE, ASCII):
        rows = draw(known, State(entry, 1), selection, width, height, caps)
        assert len(rows) == height
        assert {sum(segment.cell_length for segment in row) for row in rows} == {width}
        drawn = "".join(segment.text for row in rows for segment in row)
        assert not {"Cc", "Cf", "Zl", "Zp"} & {unicodedata.category(c) for c in drawn}
        assert drawn.isascii() or caps is UNICODE


def test_ascii_says_the_same_numbers(demo):
    drawn = text(demo, 200, 47, caps=ASCII)
    assert drawn.isascii()
    assert "PAR 2.08" in drawn
    assert "10.20.0.12:1025: 70 % of 241" in drawn


def test_names_every_dimension_with_its_par(demo):
    for width, height in [(200, 47), (120, 29), (80, 21)]:
        drawn = text(demo, width, height)
        for line in demo.lines:
            (row,) = [r for r in drawn.splitlines() if r[2:].startswith(f"{line.label} ")][:1]
            assert line.headline in row
            assert line.worst in row


def test_what_is_missing_says_why_and_how():
    place = next(i for i, e in enumerate(entries(SMALL)) if e.kind == "missing")
    for width, height in [(80, 21), (160, 40)]:
        drawn = " ".join(text(SMALL, width, height, State(entry=place)).split())
        assert "KV blocks (kvcache" in drawn
        assert "domain KVCache was not recorded" in drawn
        assert "collect domain KVCache" in drawn


def test_files_say_rows_size_and_why_they_could_not_be_read():
    drawn = text(SMALL, 160, 40)
    assert "1.00 MB · 12 rows · csv · 1 µs" in drawn
    assert "unreadable: Bad." in drawn


def test_the_value_under_the_cursor_is_read_out():
    time = 5 * SECOND
    assert "08:00:05.0: 4 requests" in text(SMALL, 80, 21, selection=Selection(time=time))
    assert "08:00:07.0: no data" in text(SMALL, 80, 21, selection=Selection(time=7 * SECOND))
    drawn = text(SMALL, 80, 21, State(entry=2, column=1))
    assert "rank 1: 1.1 × mean" in drawn


def test_progress_stands_where_the_state_line_is():
    assert text(SMALL, 80, 21, progress="reading kv …").startswith("reading kv …")


def test_lines_not_read_yet_are_no_missing_data():
    known = next(overviews(open_profile(DEMO)))
    drawn = text(known, 80, 21)
    assert "DP batch" in drawn
    assert "no data" not in drawn
    assert "0" not in next(r for r in drawn.splitlines() if "DP batch" in r)


def test_a_window_chosen_elsewhere_greys_the_rest():
    def styles(selection):
        rows = draw(SMALL, State(entry=2), selection, 80, 21, UNICODE)
        return [s.style for row in rows for s in row if "█" in s.text][:1]

    assert styles(Selection()) != styles(Selection(window=(0, SECOND)))


@given(st.lists(st.floats(0, 1e9) | st.just(math.nan), max_size=300), st.integers(0, 300), st.booleans())
def test_stretched_keeps_the_largest_within_the_width(values, width, alike):
    wide = stretched(values, width, alike=alike)
    if not values or not width:
        assert wide == []
        return
    assert len(wide) <= width
    assert alike or len(wide) == width
    known = [v for v in values if v == v]
    assert max((v for v in wide if v == v), default=None) == max(known, default=None)


def test_ranks_get_equally_many_columns_and_time_fills_the_lane():
    assert stretched([1.0, 2.0, 3.0], 8, alike=True) == [1, 1, 2, 2, 3, 3]
    assert stretched([1.0, 2.0, 3.0], 8, alike=False) == [1, 1, 1, 2, 2, 2, 3, 3]


@given(st.integers(-100, 1100), st.integers(1, 400))
def test_column_of_an_instant_lies_on_the_lane(time, columns):
    column = column_of(time, (0, 1000), columns)
    assert (column is None) == (not 0 <= time <= 1000)
    if column is not None:
        assert 0 <= column < columns
        assert column / columns * 1000 <= time + 1e-9


def test_a_click_finds_the_entry_in_its_row(demo):
    for width, height in [(80, 21), (200, 47)]:
        rows = text(demo, width, height).splitlines()
        for y, row in enumerate(rows):
            found = entry_at(demo, State(), width, height, y)
            title = entries(demo)[found].title if found is not None else ""
            if found is not None and row.strip(" ▁▂▃▄▅▆▇█│·"):
                assert title[:8] in row or not row[:10].strip()
        assert entry_at(demo, State(), width, height, height + 5) is None


def test_lanes_have_most_of_a_wide_screen():
    assert lane_columns(200) > 55
    assert lane_columns(80) >= 14
    assert lane_columns(20) >= 0


def test_no_segment_is_markup():
    known = Overview("[bold]x[/]", "/p", lines=(Line("a", "dp", "[red]", absent="[/]"),))
    rows = draw(known, State(), Selection(), 80, 10, UNICODE)
    assert all(isinstance(segment, Segment) for row in rows for segment in row)
    assert "[red]" in plain(rows)
