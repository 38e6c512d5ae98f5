import math
import unicodedata
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.segment import Segment

from lbtui.findings import Cost
from lbtui.findings.diagnosis import Diagnosis, diagnose
from lbtui.findings.pictures import Drawn, Picture, Strip
from lbtui.findings.support import Figure
from lbtui.findings.words import cost_words, figure_words, percent, share_words, subject_words
from lbtui.overview.model import Line, Overview, Place, Source
from lbtui.overview.run import overview, overviews
from lbtui.profile import Missing, Note, SourceFile
from lbtui.render.canvas import Canvas
from lbtui.render.capabilities import Capabilities
from lbtui.render.palette import better, dim
from lbtui.render.text import plain
from lbtui.sources import open_profile
from lbtui.ui.kit.selection import Selection
from lbtui.ui.panes.overview.data import Contents, Shown, State
from lbtui.ui.panes.overview.lines import column_of, columns_showing, lane_columns, stretched
from lbtui.ui.panes.overview.view import draw, entry_at
from tests.report.made import BATCH, DRAWN, EVEN, KNOWN, RANK, UNEVEN

DEMO = Path(__file__).parents[2] / "lbtui" / "demo" / "output"
UNICODE, ASCII = Capabilities("256", True), Capabilities("none", False)
SECOND = 1_000_000
UNICODE_GREY = dim(UNICODE).color.name


@pytest.fixture(scope="module")
def demo():
    profile = open_profile(DEMO)
    known = overview(profile)
    return Contents(known, diagnose(profile, known.window))


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
FINDINGS  most severe first, then most costly                       cost
> !! DP  dp1 worker-1 2.50× its peers' batch           08:00:02–:06 12.2 ms/step
   ! EP  rank 2       1.25× the mean rank              whole run    █████ 20 %
   · 1 remark  The capture is 10 s long.
── dp.batch_size.skew · 08:00:02.0–08:00:06.5 Asia/Shanghai +08…  i: the rest ──
dp1 (svc-d0-worker-1) carries 5.0 requests a step, 2.5× the 2.0 of its peers.
cost       12.2 ms/step
try        Look at how requests are given to DP domains.
so also    ! kv.skew · dp1 worker-1 · 1.75× its peers' blocks used
── Load · PAR = max / mean, 1 is even · 1 column = 0.714 s ─────────────────────
  DP batch    PAR 1.43     ▃▃▃███████▃▃▃▃ dp1 08:00:02–:06
  P/D added   no data: no P/D node is recorded
── Profile ─────────────────────────────────────────────────────────────────────
  path     /data/out_a
  2 hosts  svc-d0-worker-0, svc-d0-worker-1
"""


def contents(known, diagnosis=None):
    return Contents(known, Diagnosis() if diagnosis is None else diagnosis)


def text(known, width, height, state=State(), selection=Selection(), caps=UNICODE, progress=""):  # noqa: B008
    shown = known if isinstance(known, Contents) else contents(known)
    return plain(draw(Shown(shown, state, selection), Canvas(width, height, caps), progress))


def test_small_profile_at_80_columns():
    drawn = text(Contents(KNOWN, UNEVEN), 80, 15).splitlines()
    assert drawn == GOLDEN.strip("\n").splitlines()


@pytest.mark.parametrize(("width", "height"), [(60, 17), (80, 21), (120, 29), (200, 47), (250, 67)])
def test_the_findings_of_the_demo_stand_above_all_else_with_their_costs(demo, width, height):
    drawn = text(demo, width, height).splitlines()
    listed = [e.found.finding for e in demo.entries if e.found]
    assert len(listed) > 3
    remarks = len(demo.diagnosis.findings) > len(listed)
    title = drawn.index(next(row for row in drawn if row.startswith("── Load")))
    rows = drawn[1 : drawn.index(next(row for row in drawn if row.startswith("── ")))]
    shown = [row for row in rows if row[2:4] in ("!!", " !")]
    for row, finding in zip(shown, listed, strict=False):
        assert row[2:4] == ("!!" if finding.severity == "critical" else " !")
        assert row[9:].startswith(subject_words(finding, demo.hosts, brief=True)[:12])
        share = percent(finding.cost.share)
        assert row.endswith(share_words(finding.cost) if width >= 150 else share)
        # When it was is left out only where there is no room.
        assert ("10:00:" in row or "whole run" in row) == (width >= 76)
    hidden = len(listed) + remarks - len(shown)
    assert rows[-1].strip() == f"{hidden} more" if hidden > remarks else len(shown) == len(listed)
    assert drawn[title + 1].startswith("  DP batch")


@pytest.mark.parametrize(("width", "height"), [(80, 21), (120, 29), (200, 47)])
def test_what_it_means_costs_and_what_to_try_stand_whole_before_formulas(demo, width, height):
    for place, entry in enumerate(e for e in demo.entries if e.found):
        drawn = text(demo, width, height, State(entry=place))
        finding = entry.found.finding
        below = drawn[drawn.index(f"── {finding.id} ") :]
        if width < 150:
            words = " ".join(below.split())
            whole = [finding.message, f"cost {cost_words(finding)} try {finding.advice}"]
            places = [words.index(text) for text in whole]
            assert places == sorted(places), finding.id
            assert "metric " not in words or words.index("metric ") > places[-1]
        else:
            assert "try  " in below


def test_bars_of_costs_are_as_long_as_their_shares(demo):
    drawn = text(demo, 120, 29).splitlines()
    listed = [e.found.finding.cost.share for e in demo.entries if e.found]
    highest = max(listed)
    for row, share in zip(drawn[1:], listed, strict=False):
        eighths = [1 + "▏▎▍▌▋▊▉█".index(c) for c in row[row.rindex(percent(share)) - 9 :] if c in "▏▎▍▌▋▊▉█"]
        assert sum(eighths) == round(64 * share / highest)


@pytest.mark.parametrize(("width", "height"), [(120, 29), (200, 47)])
def test_where_when_what_it_costs_and_what_to_try(demo, width, height):
    for place, entry in enumerate(e for e in demo.entries if e.found):
        drawn = text(demo, width, height, State(entry=place))
        words = " ".join(drawn.split())
        finding = entry.found.finding
        assert finding.message[:40] in words
        assert finding.advice[:30] in words
        assert share_words(finding.cost) in words
        assert f"── {finding.id} · " in drawn


def test_the_explanation_holds_what_follows_from_a_finding():
    drawn = text(Contents(KNOWN, UNEVEN), 160, 40)
    assert "so also    ! kv.skew · dp1 worker-1 · 1.75× its peers' blocks used" in drawn
    assert "evidence   forward.csv: batch_size of dp_rank 1 in the window" in drawn
    assert "at most once in 500 such runs (p = 0.002)" in " ".join(drawn.split())
    assert "i: the rest" not in drawn


def test_a_cut_explanation_says_so():
    assert " i: the rest ──" in text(Contents(KNOWN, UNEVEN), 80, 15)
    assert "i: the rest" not in text(Contents(KNOWN, UNEVEN), 80, 40)


def test_an_even_profile_says_so_in_green_with_a_figure():
    rows = draw(Shown(Contents(KNOWN, EVEN), State(), Selection()), Canvas(120, 29, UNICODE))
    drawn = plain(rows)
    assert drawn.splitlines()[1] == ">  ✓ no imbalance found  PAR 1.22, chance 1.25"
    assert better(UNICODE) in {segment.style for segment in rows[1]}
    assert "svc-d0: PAR 1.22; chance gives 1.25." in drawn
    assert "P/D added: not judged, no P/D node is recorded" in drawn


def test_a_figure_that_looks_uneven_is_not_shown_without_its_test():
    uneven = replace(EVEN.support[0], value=1.3, short="PAR 1.30, chance 1.25, p = 0.2", agrees=False)
    node = Figure("pd", "a", 0.5, 0.4, 0.6, "a: 50 %.", "a 50 %")
    other = replace(node, short="b 70 %", agrees=False)
    for support, expected in (
        ((uneven, node), "a 50 %"),
        ((other, uneven), "PAR 1.30, chance 1.25, p = 0.2"),
        ((uneven, EVEN.support[0]), "PAR 1.22, chance 1.25"),
    ):
        found = replace(EVEN, support=support)
        assert text(Contents(KNOWN, found), 80, 21).splitlines()[1].endswith(f"found  {expected}")


@pytest.mark.parametrize(
    ("known", "diagnosis", "expected"),
    [
        (KNOWN, Diagnosis(), "to judge the load: collect domain KVCache"),
        (replace(KNOWN, unparsed="raw; parse it", how_to_parse="parse it: x"), EVEN, "parse it: x"),
    ],
)
def test_what_cannot_be_judged_says_what_to_do_and_is_not_green(known, diagnosis, expected):
    rows = draw(Shown(Contents(known, diagnosis), State(), Selection()), Canvas(80, 21, UNICODE))
    assert plain(rows[:1]) == f"FINDINGS  {expected}"
    assert better(UNICODE) not in {segment.style for row in rows for segment in row}


def test_nothing_is_called_even_before_it_was_looked_for():
    drawn = text(Contents(KNOWN), 120, 29)
    assert "imbalances are looked for once everything is read" in drawn
    assert "no imbalance" not in drawn


def test_many_findings_scroll_and_leave_room_for_the_rest():
    many = Diagnosis(tuple(Drawn(replace(RANK, subject={"rank": i}), None) for i in range(60)))
    for entry in (0, 30, 59):
        drawn = text(Contents(KNOWN, many), 80, 21, State(entry=entry)).splitlines()
        assert next(row for row in drawn if row.startswith("> ")).split()[3:5] == ["rank", str(entry)]
        assert any(row.startswith("── Load") for row in drawn)


def styles_of(drawn, cells):
    """Return the styles of the cells of a row of the list that hold a bar."""
    found = []
    for segment in drawn:
        found += [segment.style] * len(segment.text)
    return [found[i] for i in cells]


def test_the_window_of_a_finding_is_coloured_and_the_rest_is_not():
    begin = BATCH.window[0]
    whole_bins = replace(BATCH, window=(begin, begin + timedelta(seconds=5)))
    shown = Contents(KNOWN, Diagnosis((Drawn(whole_bins, DRAWN[0].picture), *DRAWN[1:])))
    rows = draw(Shown(shown, State(entry=1), Selection()), Canvas(120, 29, UNICODE))
    line = plain([rows[1]])
    bars = [i for i, c in enumerate(line) if c in "▁▂▃▄▅▆▇█"]
    colours = [style.color.name if style and style.color else "" for style in styles_of(rows[1], bars)]
    high = {colours[n] for n, i in enumerate(bars) if line[i] == "█"}
    low = {colours[n] for n, i in enumerate(bars) if line[i] != "█"}
    assert len(high) == 1
    assert low == {UNICODE_GREY}


@pytest.mark.parametrize(
    ("finding", "loud"),
    [
        ("dp.batch_size.skew", {"dp.batch_size", "dp.step_time.wasted"}),
        ("dp.queue.skew", {"dp.waiting", "dp.step_time.wasted"}),
        ("dp.straggler", {"dp.step_time.wasted"}),
        ("kv.skew", {"kv.kv_usage"}),
        ("pd.node.skew", {"pd.added", "pd.pull"}),
        ("ep.rank.hot", {"ep.rank_load"}),
        ("data.short", set()),
    ],
)
@pytest.mark.parametrize("severity", ["critical", "warning", "info"])
def test_only_lines_of_what_was_found_are_heated(finding, loud, severity):
    keys = ("dp.batch_size", "dp.tokens", "dp.step_time.wasted", "dp.waiting", "kv.kv_usage", "pd.added")
    lines = [Line(key, key.partition(".")[0], key) for key in (*keys, "pd.pull", "ep.rank_load")]
    drawn = Drawn(replace(BATCH, id=finding, severity=severity), DRAWN[0].picture)
    contents = Contents(SMALL, Diagnosis((drawn,)))
    assert {line.key for line in lines if contents.is_loud(line)} == (set() if severity == "info" else loud)


def test_every_row_fills_the_width_exactly(demo):
    for width, height in [(20, 5), (79, 20), (80, 21), (119, 29), (120, 29), (200, 47), (400, 117)]:
        for caps in (UNICODE, ASCII, Capabilities("16", True), Capabilities("truecolor", True)):
            for entry in (0, 9):
                rows = draw(Shown(demo, State(entry=entry), Selection()), Canvas(width, height, caps))
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
    finding = replace(
        BATCH,
        message=words,
        advice=words,
        evidence=words,
        cost=Cost(None, "", words),
        subject={"host": words, "instance": words, "dp_rank": 1},
    )
    lane = Picture(words, words, (Strip(words, (1.0, math.nan, 3.0), True),), (0, 10 * SECOND))
    shown = Contents(known, Diagnosis((Drawn(finding, lane), Drawn(finding, None), *DRAWN)))
    for caps in (UNICODE, ASCII):
        rows = draw(Shown(shown, State(entry, 1), selection), Canvas(width, height, caps))
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
    for width, height in [(200, 47), (120, 32), (80, 40)]:
        drawn = text(demo, width, height)
        for line in demo.known.lines:
            (row,) = [r for r in drawn.splitlines() if r[2:].startswith(f"{line.label} ")][:1]
            assert line.headline in row
            assert line.worst in row


def test_what_is_missing_says_why_and_how():
    place = next(i for i, e in enumerate(contents(SMALL).entries) if e.kind == "missing")
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
    # The first entry says that there is no finding.
    line, ranks = State(entry=1), State(entry=3, column=1)
    assert "08:00:05.0: 4 requests" in text(SMALL, 80, 21, line, Selection(time=5 * SECOND))
    assert "08:00:07.0: no data" in text(SMALL, 80, 21, line, Selection(time=7 * SECOND))
    drawn = text(SMALL, 80, 21, ranks)
    assert "rank 1: 1.1× mean" in drawn


def test_progress_stands_in_the_first_row():
    assert text(SMALL, 80, 21, progress="reading kv …").startswith("FINDINGS  reading kv …")


def test_lines_not_read_yet_are_no_missing_data():
    known = next(overviews(open_profile(DEMO)))
    drawn = text(Contents(known), 80, 21)
    assert "DP batch" in drawn
    assert "no data" not in drawn
    assert "0" not in next(r for r in drawn.splitlines() if "DP batch" in r)


def test_a_window_chosen_elsewhere_greys_the_rest():
    def styles(selection):
        rows = draw(Shown(contents(SMALL), State(entry=3), selection), Canvas(80, 21, UNICODE))
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


@given(st.integers(1, 60), st.integers(1, 200), st.data())
def test_columns_showing_are_those_whose_values_change(count, width, data):
    first = data.draw(st.integers(0, count - 1))
    last = data.draw(st.integers(first + 1, count))
    values = [float(first <= i < last) for i in range(count)]
    wide = stretched(values, width, alike=False)
    begin, end = columns_showing(first, last, count, len(wide))
    assert [i for i, v in enumerate(wide) if v] == list(range(begin, end))


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
            found = entry_at(Shown(demo, State(), Selection()), width, height, y)
            entry = demo.entries[found] if found is not None else None
            if entry is not None and entry.found is not None:
                assert row[2:4].strip() in ("!", "!!")
                assert figure_words(entry.found.finding)[:20] in row
                continue
            title = entry.title if entry is not None else ""
            if found is not None and row.strip(" ▁▂▃▄▅▆▇█│·"):
                assert title[:8] in row or not row[:10].strip()
        assert entry_at(Shown(demo, State(), Selection()), width, height, height + 5) is None


def test_lanes_have_most_of_a_wide_screen():
    assert lane_columns(200) > 55
    assert lane_columns(80) >= 14
    assert lane_columns(20) >= 0


def test_no_segment_is_markup():
    known = Overview("[bold]x[/]", "/p", lines=(Line("a", "dp", "[red]", absent="[/]"),))
    rows = draw(Shown(contents(known), State(), Selection()), Canvas(80, 20, UNICODE))
    assert all(isinstance(segment, Segment) for row in rows for segment in row)
    assert "[red]" in plain(rows)
