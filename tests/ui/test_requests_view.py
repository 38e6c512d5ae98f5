"""The Requests pane as text, without an app."""

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.style import Style

from lbtui.analysis.latency import FILTER_NAMES, Arrangement, arrange
from lbtui.analysis.request_places import PLACE_COLUMNS
from lbtui.profile import Loaded, Profile, Silent, empty
from lbtui.profile.schema import SCHEMAS
from lbtui.render.canvas import Canvas
from lbtui.render.capabilities import Capabilities
from lbtui.render.lanes import histogram
from lbtui.render.palette import accent, cursor
from lbtui.render.text import plain
from lbtui.sources import open_profile
from lbtui.thresholds import Thresholds
from lbtui.ui.kit.selection import Selection
from lbtui.ui.kit.window import (
    column_of,
    following,
    life_window,
    moved,
    time_at,
    zoomed,
)
from lbtui.ui.panes.requests.columns import COLUMNS
from lbtui.ui.panes.requests.data import BINS, RequestsState, first_arrangement, load_requests
from lbtui.ui.panes.requests.layout import Shown, places
from lbtui.ui.panes.requests.parts import LARGEST
from lbtui.ui.panes.requests.view import draw
from lbtui.ui.panes.requests.words import help_entries, request_sections
from tests.render.strategies import caps as any_caps
from tests.render.strategies import check
from tests.tools.frames import Frames

DATA = Path(__file__).parent.parent / "data"
DEMO = Path(__file__).parent.parent.parent / "lbtui" / "demo" / "output"
BY_TTFT = Arrangement("ttft", True, "ttft")
UNICODE, ASCII = Capabilities("256"), Capabilities("none", unicode=False)
SECOND = 1_000_000
START = 1767225600 * SECOND  # 2026-01-01 08:00:00 +08:00


def profile_of(**frames):
    """Return a profile that holds these frames, each a dict of columns; what is left out is null."""
    loaders = {}
    for name, columns in frames.items():
        schema = SCHEMAS[name]
        frame = pl.DataFrame(columns, schema={column: schema[column] for column in columns})
        whole = pl.concat([empty(name), frame], how="diagonal")
        loaders[name] = lambda _progress, whole=whole: Loaded(whole)
    return Profile(Path("/nowhere"), (), source=Frames(loaders))


def at(*seconds):
    return [None if s is None else START + round(s * SECOND) for s in seconds]


SMALL = {
    "requests": {
        "request_id": ["req-a", "req-b", "req-c", "req-d"],
        "arrival": at(0, 1, 2, 3),
        "input_tokens": [100, 200, 300, None],
        "output_tokens": [11, 21, 1, 5],
        "ttft": [50.0, 150.0, None, 100.0],
        "queue_wait": [5.0, None, None, 1.0],
        "duration": [1050.0, 2150.0, 900.0, 6900.0],
    },
    "queues": {
        "time": at(0, 2, 4, 10),
        "domain": ["i/dp0", "i/dp1", "i/dp0", "i/dp1"],
        "host": ["h", "h", "h", "h"],
        "pid": [1, 2, 1, 2],
        "waiting": [0, 4, 3, 0],
        "running": [1, 2, 2, 2],
    },
}

# Checked by hand: queues add up to 0, 4, 7 and 1, 3, 4; of 900, 1050, 2150, 6900 p50 lies half between the
# second and third, p95 at place 2.85, p99 at 2.97. p95 / p50 is 3.87 of the durations, 1.6 of
# the waits of 1 and 5.
GOLDEN = """\
 4 requests · by duration, slowest first · 1 of 3 met targets
                     ▼08:00:03.000               at cursor   mean    max
 waiting  ▁▁▁▁▁▁▁▅▅▅▅▅▅▅▅███████████████████████         4   5.00      7
 running  ▂▂▂▂▂▂▂▆▆▆▆▆▆▆▆███████████████████████         3   3.20      4
 swapped  ······································         –      –      –
 request             ███████████████████████████  ░ TTFT █ decode
          08:00:00          :05
 duration, ms  n 4  p50 1,600  p95 6,187  p99 6,757  max 6,900
request    input  output   TTFT ms   wait ms duration ms▼ missed
req-d          –       5     100.0       1.0        6,900 TPOT
req-b        200      21     150.0         –        2,150 TTFT
req-a        100      11      50.0       5.0        1,050
req-c        300       1         –         –          900 –



 time     looking where the time went …
 1 of 4 · req-d · missed TPOT · 1,700 ms per output token"""


def pane(profile, selection=None, width=80, height=21, caps=UNICODE, **changes):
    data = load_requests(profile, Thresholds(), Silent())
    arrangement = changes.pop("arrangement", None) or first_arrangement(data.table)
    state = replace(RequestsState(arrange(data.table, arrangement, BINS)), **changes)
    at = places(data, state.arranged.arrangement.sort, width, height)
    return draw(Shown(data, state, selection or Selection(), at), Canvas(width, height, caps))


def lines(*args, **kwargs):
    return plain(pane(*args, **kwargs)).split("\n")


@pytest.fixture(scope="module")
def demo():
    return open_profile(DEMO)


def test_a_small_profile_as_text():
    shown = plain(pane(profile_of(**SMALL), Selection(time=START + 3 * SECOND), width=72, height=18))
    assert shown == GOLDEN


def test_the_lanes_are_the_sum_at_each_instant():
    shown = lines(profile_of(**SMALL), Selection(time=START + 5 * SECOND), width=100, height=17)
    waiting = next(line for line in shown if line.startswith(" waiting"))
    running = next(line for line in shown if line.startswith(" running"))
    swapped = next(line for line in shown if line.startswith(" swapped"))
    # 0 for 2 s, 4 for 2 s, 7 for 6 s; 1 for 2 s, 3 for 2 s, 4 for 6 s.
    assert [float(figure) for figure in waiting.split()[-3:]] == [7, 5, 7]
    assert [float(figure) for figure in running.split()[-3:]] == [4, 3.2, 4]
    assert swapped.split()[-3:] == ["–", "–", "–"]
    assert set(swapped.split()[1]) == {"·"}


def test_the_selected_domain_is_shown_alone_unless_all_are_wanted():
    selection = Selection(time=START + 5 * SECOND, domain="i/dp0")
    one = lines(profile_of(**SMALL), selection, width=140, height=17)
    assert "queues of i/dp0" in one[0]
    assert next(line for line in one if "waiting" in line).split()[-3] == "3"
    all_of_them = lines(profile_of(**SMALL), selection, width=140, height=17, all_domains=True)
    assert "all 2 DP domains" in all_of_them[0]
    assert next(line for line in all_of_them if "waiting" in line).split()[-3] == "7"


def test_unknown_latencies_are_dashes_come_last_and_are_counted():
    shown = lines(profile_of(**SMALL), width=90, arrangement=BY_TTFT)
    summary = next(line for line in shown if line.startswith(" TTFT, ms"))
    assert "n 3 (1 without)" in summary
    assert "p50 100" in summary
    rows = [line for line in shown if line.startswith("req-")]
    assert [row.split()[0] for row in rows] == ["req-b", "req-d", "req-a", "req-c"]
    assert "–" in rows[-1]


def test_percentiles_on_screen_are_those_of_the_demo_file(demo):
    with (DEMO / "request.csv").open() as file:
        values = np.array([float(line["first_token_latency(ms)"]) for line in csv.DictReader(file)])
    values = np.sort(values[values > 0])
    summary = next(
        line
        for line in lines(demo, width=140, height=40, arrangement=BY_TTFT)
        if line.startswith(" TTFT, ms")
    )
    words = summary.split()
    shown = {name: float(words[words.index(name) + 1].replace(",", "")) for name in ("p50", "p95", "max")}
    for name, share in (("p50", 0.5), ("p95", 0.95), ("max", 1.0)):
        place = (len(values) - 1) * share
        below = values[int(place)]
        above = values[min(int(place) + 1, len(values) - 1)]
        assert shown[name] == pytest.approx(below + (above - below) * (place % 1), rel=5e-3)


def test_each_row_of_the_demo_stands_as_in_its_file(demo):
    with (DEMO / "request.csv").open() as file:
        slowest = sorted(csv.DictReader(file), key=lambda line: -float(line["first_token_latency(ms)"]))
    shown = [
        line for line in lines(demo, width=200, height=40, arrangement=BY_TTFT) if line.startswith("endpoint")
    ]
    assert len(shown) > 10
    for line, raw in zip(shown, slowest, strict=False):
        cells = line.split()
        assert cells[0] == raw["http_rid"]
        assert cells[1].replace(".", ":") == raw["start_datetime"][11:23]
        assert cells[2].replace(",", "") == f"{float(raw['recv_token_size']):.0f}"
        assert cells[3] == f"{float(raw['reply_token_size']):.0f}"
        assert cells[4].replace(",", "") == f"{float(raw['first_token_latency(ms)']):.1f}"
        assert cells[6].replace(",", "") == f"{float(raw['execution_time(ms)']):.0f}"


def test_the_request_under_the_cursor_lies_over_its_seconds():
    data = load_requests(profile_of(**SMALL), Thresholds(), Silent())
    state = RequestsState(arrange(data.table, BY_TTFT, BINS), cursor=1)
    shown = places(data, state.arranged.arrangement.sort, 110, 20)
    life = lines(profile_of(**SMALL), width=110, height=20, cursor=1, arrangement=BY_TTFT)[shown.life]
    columns = [x - 10 for x, glyph in enumerate(life[: 10 + shown.plot]) if glyph in "░█"]
    # req-d arrives at second 3 and takes 6.9 of the whole 10 s.
    assert columns[0] == column_of(START + 3 * SECOND, data.whole, shown.plot)
    assert columns[-1] == column_of(START + 9_900_000, data.whole, shown.plot)
    assert columns == list(range(columns[0], columns[-1] + 1))
    early = lines(
        profile_of(**SMALL), Selection(window=(START, START + SECOND)), width=110, height=20, cursor=1
    )
    assert "after this window" in early[shown.life]


def test_the_state_line_says_what_is_left_out():
    arrangement = Arrangement(
        "duration", False, "duration", filter="ttft>60", window=(START, START + 3 * SECOND)
    )
    shown = lines(profile_of(**SMALL), width=200, arrangement=arrangement)[0]
    assert "1 of 4 requests" in shown
    assert "filter ttft>60" in shown
    assert "only those in service in the window" in shown
    assert "by duration, fastest first" in shown


def test_nothing_that_matches_is_said():
    shown = lines(profile_of(**SMALL), arrangement=Arrangement("ttft", True, "ttft", filter="nobody"))
    assert any("No request matches" in line for line in shown)


@pytest.mark.parametrize(
    ("frames", "file", "how"),
    [
        ({"queues": SMALL["queues"]}, "request.csv", 'collect domain "Request"'),
        ({"requests": SMALL["requests"]}, "request_status.csv", 'collect domain "Schedule"'),
    ],
)
def test_what_is_missing_is_explained_and_the_rest_is_shown(frames, file, how):
    shown = "\n".join(lines(profile_of(**frames), width=220, height=30))
    assert file in shown
    assert how in shown
    assert ("req-a" in shown) == ("requests" in frames)
    assert (" waiting  " in shown) == ("queues" in frames)


def test_an_empty_profile_draws():
    shown = pane(profile_of())
    check(shown, 80, UNICODE, 21)


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 400),
    st.integers(1, 120),
    any_caps,
    st.sampled_from([column.name for column in COLUMNS if column.name not in (*PLACE_COLUMNS, LARGEST)]),
    st.booleans(),
    st.integers(0, 3),
    st.none() | st.integers(-5, 15),
    st.sampled_from([None, (START, START + SECOND), (START + 4 * SECOND, START + 4 * SECOND + 10)]),
)
def test_the_pane_is_exact_in_every_size(width, height, caps, column, descending, place, second, window):
    numeric = column if column in FILTER_NAMES else "ttft"
    shown = pane(
        profile_of(**SMALL),
        Selection(window=window, time=None if second is None else START + second * SECOND),
        width=width,
        height=height,
        caps=caps,
        arrangement=Arrangement(column, descending, numeric),
        cursor=place,
    )
    check(shown, width, caps, height)


def test_hostile_ids_reach_the_screen_as_escapes():
    frames = {"requests": {**SMALL["requests"], "request_id": ["\x1b[2J", "[red]x", "a\nb", None]}}
    for width in (80, 160):
        shown = pane(profile_of(**frames), width=width, height=30)
        check(shown, width, UNICODE, 30)
        assert "\\x1b[2J" in plain(shown)
        assert "[red]x" in plain(shown)


def test_only_the_rows_in_view_are_formatted(monkeypatch):
    from lbtui.ui.panes.requests.columns import RequestColumn

    many = 100_000
    frames = {
        "requests": {
            "request_id": [f"r{i}" for i in range(many)],
            "arrival": [START + i for i in range(many)],
            "ttft": [float(i + 1) for i in range(many)],
        }
    }
    formatted = []
    original = RequestColumn.cell
    monkeypatch.setattr(
        RequestColumn, "cell", lambda self, value: formatted.append(value) or original(self, value)
    )
    shown = lines(profile_of(**frames), width=100, height=30, cursor=50_000, first=49_990)
    assert any(line.startswith("r49999 ") for line in shown)
    assert len(formatted) <= 30 * len(COLUMNS)


def test_the_bin_of_the_cursor_is_in_the_accent():
    rows = histogram([1, 2, 4], [0, 1, 2, 3], Canvas(6, 3, UNICODE), cursor=1)
    lit = [segment.text for segment in rows[1] if segment.style == accent(UNICODE)]
    assert lit == ["██"]
    assert all(
        segment.style != accent(UNICODE) for segment in histogram([1], [0, 1], Canvas(1, 2, UNICODE))[0]
    )


def test_the_cursor_row_is_the_request_the_reading_line_names():
    shown = pane(profile_of(**SMALL), width=100, height=30, cursor=2)
    lit = [row for row in shown if any(segment.style == cursor(UNICODE) for segment in row)]
    assert ["req-a" in "".join(s.text for s in row) for row in lit] == [True]
    assert "3 of 4 · req-a" in "".join(segment.text for segment in shown[-1])


def test_speculation_is_shown_where_there_is_any():
    frames = {
        **SMALL,
        "speculation": {"request_id": ["req-a", "req-b"], "proposed": [10, 30], "accepted": [4, 6]},
    }
    shown = " ".join(" ".join(lines(profile_of(**frames), width=300, height=50)).split())
    assert "10 of 40 proposed tokens accepted, 25 %" in shown
    assert "proposed" not in "\n".join(lines(profile_of(**SMALL), width=300, height=50))


def test_a_page_holds_every_stage_of_a_request():
    profile = open_profile(DATA / "pd_ep")
    data = load_requests(profile, Thresholds(), Silent())
    assert data.disaggregated
    request = data.table.row(0, named=True)
    own = pl.col("request_id") == request["request_id"]
    sections = request_sections(
        request, profile.load("handoffs").frame.filter(own), profile.load("transfers").frame.filter(own)
    )
    assert [title for title, _facts in sections] == ["Request", "Hand-off from P to D", "KV pull"]
    with (DATA / "pd_ep" / "pd_split_communication.csv").open() as file:
        raw = next(line for line in csv.DictReader(file) if line["rid"] == request["request_id"])
    stages = dict(sections[1][1])
    for words, column in (
        ("prefill done", "prefill_res_time(ms)"),
        ("sent to D", "send_request_time(ms)"),
        ("received by D", "send_request_succ_time(ms)"),
        ("end", "request_end_time(ms)"),
    ):
        day, _blank, clock = raw[column].partition(" ")
        assert stages[words].startswith(f"{day} {clock[:8]}.{clock[9:]}")


@pytest.mark.parametrize("apart", [0, 2])
def test_what_goes_from_host_to_host_is_marked_where_their_clocks_differ(apart):
    """40 requests are pulled from two hosts to two others, of which the second has its clock ahead."""
    count = 40
    late = [apart * (i % 2) for i in range(count)]
    profile = profile_of(
        requests=SMALL["requests"],
        handoffs={
            "request_id": [f"r{i}" for i in range(count)],
            "arrival": at(*range(count)),
            "received": at(*(i + 0.01 for i in range(count))),
            "prefill_done": at(*(i + 0.1 for i in range(count))),
            "end": at(*(i + 0.5 + late[i] for i in range(count))),
        },
        transfers={
            "request_id": [f"r{i}" for i in range(count)],
            "rank": [i % 2 for i in range(count)],
            "source": [str(i // 2 % 2) for i in range(count)],
            "start": at(*(i + 0.103 + late[i] for i in range(count))),
            "end": at(*(i + 0.106 + late[i] for i in range(count))),
            "duration": [3.0] * count,
        },
    )
    data = load_requests(profile, Thresholds(), Silent())
    rows = plain(pane(profile, width=200)).splitlines()
    (headings,) = [row for row in rows if row.startswith("request") and "arrival" in row]
    marked = [column.title for column in COLUMNS if f"{column.title} ?" in headings]
    assert marked == (["wait ms", "duration ms", "TPOT ms"] if apart else [])
    assert ("2.0 s" in data.doubt) == bool(apart)
    assert ("? in a heading" in [entry.name for entry in help_entries(data)]) == bool(apart)
    assert ("?: Doubtful: " in rows[-1]) == bool(apart)
    order = Arrangement(sort="duration", measure="duration", descending=True)
    assert ("by duration (doubtful)" in plain(pane(profile, width=200, arrangement=order))) == bool(apart)


def test_the_help_says_that_a_pd_queue_wait_cannot_judge_prefill_only_where_it_is_one():
    def words(profile):
        return " ".join(entry.text for entry in help_entries(load_requests(profile, Thresholds(), Silent())))

    assert "cannot judge prefill" in words(open_profile(DATA / "pd_ep"))
    assert "cannot judge prefill" not in words(open_profile(DATA / "csv_only"))


def test_the_figures_of_a_pd_queue_wait_say_that_they_cover_both_queues():
    def shown(folder, column):
        arrangement = Arrangement(column, True, column)
        return plain(pane(open_profile(DATA / folder), width=140, height=40, arrangement=arrangement))

    assert "P and D queues together" in shown("pd_ep", "queue_wait")
    assert "P and D queues together" not in shown("pd_ep", "ttft")
    assert "P and D queues together" not in shown("csv_only", "queue_wait")


times = st.integers(0, 10**9)


@given(times, st.integers(1, 10**9), st.integers(1, 400), st.data())
def test_a_column_holds_its_own_time(begin, length, columns, data):
    window = (begin, begin + length)
    column = data.draw(st.integers(0, columns - 1))
    if length >= 2 * columns:
        assert column_of(time_at(column, window, columns), window, columns) == column


@given(times, st.integers(2000, 10**9), st.integers(1, 300), st.integers(-5, 5), st.none() | times)
def test_moving_and_zooming_stay_inside_the_whole(begin, length, columns, step, time):
    whole = (begin, begin + length)
    start = None if time is None else min(max(time, begin), begin + length - 1)
    time = moved(start, step, whole, columns, whole)
    assert whole[0] <= time < whole[1]
    closer = zoomed(0.5, whole, whole, time)
    assert closer is not None
    assert whole[0] <= closer[0] < closer[1] <= whole[1]
    assert closer[0] <= time <= closer[1]
    assert zoomed(2.0, closer, whole, time) is None
    followed = following(time, (begin, begin + length // 2), whole)
    assert followed[0] <= time < followed[1] or length // 2 == 0
    assert followed[1] - followed[0] == length // 2


def test_a_life_is_shown_with_a_margin():
    assert life_window(1000_000, 100.0, (0, 10**7)) == (990_000, 1_110_000)
    assert life_window(0, None, (0, 10**7)) == (0, 1_100)


def test_styles_are_only_colours_where_there_are_colours():
    for row in pane(profile_of(**SMALL), width=130, height=30, caps=ASCII):
        for segment in row:
            assert (segment.style or Style()).color is None
