"""The Runs pane as pure functions: rows, moves, order, filter, what is said."""

import itertools
import math
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest
from rich.cells import cell_len

from lbtui.comparison import metrics
from lbtui.profile import Reading
from lbtui.render.canvas import Canvas
from lbtui.render.capabilities import Capabilities
from lbtui.render.text import plain
from lbtui.runs.model import Measure, Run, RunSummary
from lbtui.runs.together import Sweep, Trends, Tried
from lbtui.ui.kit.parts import Taken
from lbtui.ui.panes.runs import at, layout, state, sweep, trend, view, words
from lbtui.ui.panes.runs.columns import FIXED, GOODPUT, START, WORST
from lbtui.ui.panes.runs.data import data_of, filter_error, key_of, sort_value
from lbtui.ui.panes.runs.help import entries
from lbtui.ui.panes.runs.plot import cell_of
from lbtui.ui.panes.runs.state import Kept
from tests.tools.made_up_runs import FOLDER, MINDIE, TTFT95, judged, made_up, trends
from tests.tools.made_up_runs import sweep as tried_sweep

RUNS = made_up()
BASE = "nightly/01-10"
DATA = data_of(
    FOLDER, RUNS, judged=judged(RUNS, BASE), trends=trends(RUNS), sweep=tried_sweep()
)  # fmt: skip
PLAIN = data_of(FOLDER, RUNS)
ANY = [
    Capabilities(colors, unicode, light)
    for colors in ("truecolor", "16", "none")
    for unicode in (True, False)
    for light in (False, True)
]
SIZES = [(250, 67), (200, 47), (120, 29), (80, 21), (60, 17), (40, 9), (20, 5), (7, 3), (1, 1)]
DRAWS = {"table": view.draw, "trend": trend.draw, "sweep": sweep.draw}


def key(name, data=DATA):
    return next(known.key for known in data.known if known.run.name == name)


def names(data, now):
    return [data.known[place].run.name for place in state.rows(data, now)]


def settled(data=DATA, **chosen):
    return state.settled(data, Kept(**chosen))


def text(now, size=(200, 47), data=DATA):
    draw = DRAWS[now.view]
    return plain(draw(data, now, Canvas(*size, Capabilities("none"))))


@pytest.mark.parametrize("shown", ["table", "trend", "sweep"])
@pytest.mark.parametrize("size", SIZES)
def test_every_row_has_the_width_in_every_terminal(shown, size):
    for caps, data in itertools.product(ANY, (DATA, PLAIN, data_of(FOLDER, ()))):
        now = settled(data, view=shown, baseline=key(BASE), marks=(key("broken"),), column="kv.usage.par")
        rows = DRAWS[shown](data, now, Canvas(*size, caps))
        assert len(rows) == size[1]
        assert {sum(cell_len(segment.text) for segment in row) for row in rows} == {size[0]}
        if not caps.unicode:
            assert plain(rows).isascii()


def test_newest_first_and_the_unknown_last():
    now = settled()
    assert names(DATA, now)[:3] == ["nightly/01-17", "nightly/01-16", "nightly/01-15"]
    assert names(DATA, now)[-1] == "raw/PROF_0118"
    assert names(DATA, state.reversed_(now))[-1] == "raw/PROF_0118"
    assert names(DATA, state.reversed_(now))[0] == "broken"
    assert DATA.known[state.place_of(DATA, now)].run.name == "nightly/01-17"


@pytest.mark.parametrize("column", [column.name for column in FIXED])
def test_sorted_by_any_column_downwards_upwards_and_the_unknown_last(column):
    now = state.sorted_by(DATA, settled(), column) if column != START else settled()
    order = now.order
    assert order[0] == column
    for each in (now, state.sorted_by(DATA, now, column)):
        values = [sort_value(DATA, place, column) for place in state.rows(DATA, each)]
        known = [value for value in values if value is not None]
        assert values == [*known, *[None] * (len(values) - len(known))]
        assert known == sorted(known, reverse=each.order[1])
    assert each.order[1] != order[1]


def test_worst_stands_on_top_at_first():
    by = state.sorted_by(DATA, settled(), "requests.ttft.p95")
    assert by.order[1]
    assert not state.sorted_by(DATA, settled(), GOODPUT).order[1]
    assert state.sorted_by(DATA, settled(), WORST).order[1]


def test_what_is_drawn_says_what_is_not_known_and_never_0():
    now = settled(baseline=key(BASE))
    lines = text(now).split("\n")
    (unread,) = (line for line in lines if line.split()[1:2] == ["nightly/01-17"])
    assert unread.count("…") > 10
    (failed,) = (line for line in lines if "batch.csv: no column" in line)
    assert "…" not in failed
    (other,) = (line for line in lines if line.split()[:1] == ["sglang/first"])
    assert other.count("–") >= 2
    assert " 0 " not in other


def test_the_worst_instance_is_shown_with_what_chance_gives():
    place = DATA.places[key("nightly/01-16")]
    shown = DATA.known[place].worst["dp.batch_size.par"]
    assert shown.subject == "mindie-d0"
    assert f"{shown.value:.2f} ({shown.chance:.2f})" in text(settled())
    better = Measure(metrics.GOODPUT, "a", 3.0), Measure(metrics.GOODPUT, "b", 2.0)
    run = Run("x", Reading(Path("x")), summary=RunSummary("", measures=better))
    assert data_of(FOLDER, [run]).known[0].worst[GOODPUT].subject == "b"
    assert run.summary.worst_of(GOODPUT).subject == "b"


def test_columns_of_which_no_run_has_a_value_are_not_there_at_first():
    shown = [column.name for column in state.columns(DATA, settled())]
    assert GOODPUT not in shown
    assert "verdict" not in shown
    assert "verdict" in [column.name for column in state.columns(DATA, settled(baseline=key(BASE)))]
    unread = data_of(FOLDER, [replace(run, summary=None) for run in RUNS])
    assert "ep.rank_load.mean_layer_par" in [c.name for c in state.columns(unread, settled(unread))]
    vllm = data_of(FOLDER, [run for run in RUNS if run.name.startswith("sglang")])
    assert "ep.rank_load.mean_layer_par" not in [c.name for c in state.columns(vllm, settled(vllm))]


def test_columns_that_do_not_fit_follow_the_cursor():
    now = settled()
    for step in (1, -1):
        for _press in range(30):
            now = layout.in_view(DATA, state.moved(DATA, now, 0, step), 80, 21)
            at_ = layout.layout(DATA, now, 80)
            seen = {place: width for place, _x, width in at_.columns}
            cursor = state.column_of(DATA, now)
            assert seen[cursor] == at_.of[cursor].width
            assert 0 in seen
    assert now.column == "run"
    assert now.left == 1


def test_columns_are_chosen_and_the_name_stays():
    now = state.chosen_columns(DATA, settled(), ["requests.ttft.p95", WORST])
    assert [column.name for column in state.columns(DATA, now)] == ["run", WORST, "requests.ttft.p95"]
    none = state.chosen_columns(DATA, now, [])
    assert [column.name for column in state.columns(DATA, none)] == ["run"]
    assert "nightly/01-16" in text(none)


@pytest.mark.parametrize(
    ("asked", "count"),
    [
        ("nightly", 17),
        ("NIGHTLY 01-1", 8),
        ("vllm", 2),
        ("dp.overloaded", 5),
        ("new routing", 1),
        ("ttft.p95>1000", 5),
        ("requests.ttft.p95>1000", 5),
        ("step_time.wasted>8", 5),
        ("dp.batch_size.par>=1.5 nightly", 5),
        ("worse>0", 8),
        ("better>0 nightly", 6),
        ("p=2", 0),
        ("", 22),
    ],
)
def test_a_filter_of_words_parameters_and_figures(asked, count):
    assert filter_error(DATA, asked) is None
    assert len(state.rows(DATA, state.filtered(DATA, settled(), asked))) == count


def test_a_filter_by_parameters():
    runs = [
        Run(f"r{n}", Reading(Path(f"r{n}")), {"p_nodes": float(n), "policy": policy, "graph": n > 1})
        for n, policy in enumerate(("rr", "random", "rr"))
    ]
    data = data_of(FOLDER, runs)

    def left(asked):
        return names(data, state.filtered(data, settled(data), asked))

    assert left("p_nodes=2") == ["r2"]
    assert left("p_nodes>0 policy=RR") == ["r2"]
    assert left("graph=true") == ["r2"]
    assert filter_error(data, "p_nodes>x") == "“x” after p_nodes> is no number."
    assert (
        filter_error(data, "smell>1") == "“smell” is no parameter and no column of numbers, as ttft.p95 is."
    )
    assert filter_error(data, "length>") == "“” after length> is no number."
    assert left("policy=r") == []


def test_the_cursor_stays_on_its_run():
    now = settled(cursor=key("vllm/baseline"))
    now = state.filtered(DATA, now, "vllm")
    assert now.cursor == key("vllm/baseline")
    assert state.filtered(DATA, now, "nightly").cursor == key("nightly/01-17")
    more = data_of(FOLDER, [Run("newer", Reading(Path("newer"))), *RUNS], DATA)
    assert more.known[state.place_of(more, now)].run.name == "vllm/baseline"
    assert state.settled(more, now) == now


def test_what_is_known_of_a_run_is_not_made_again():
    again = data_of(FOLDER, RUNS, DATA)
    assert all(one is other for one, other in zip(DATA.known, again.known, strict=True))
    assert again.judged is DATA.judged
    assert again.trends is DATA.trends
    assert again.sweep is DATA.sweep
    # Of other places they would be of other runs; verdicts are by name.
    fewer = data_of(FOLDER, RUNS[1:], DATA)
    assert fewer.trends is None
    assert fewer.sweep is None
    noted = data_of(FOLDER, [replace(RUNS[0], note="x"), *RUNS[1:]], DATA)
    assert noted.known[0] is not DATA.known[0]
    assert noted.known[0].worst is DATA.known[0].worst


def test_n_goes_to_what_is_worse_or_critical():
    now = settled(cursor=key("nightly/01-12"))
    seen = []
    for _press in range(5):
        now = state.next_hot(DATA, now, 1)
        seen.append(DATA.known[state.place_of(DATA, now)].run.name)
    assert seen == ["nightly/01-07", "nightly/01-06", "nightly/01-05", *["nightly/01-05"] * 2]
    assert state.next_hot(PLAIN, settled(PLAIN), 1).cursor == key("nightly/01-16")


def test_two_are_marked_and_the_earlier_is_before():
    now = Kept()
    for name in ("nightly/01-16", "nightly/01-02", "vllm/baseline"):
        now = state.marked(now, key(name))
    before, after = state.pair(DATA, now)
    assert [DATA.known[place].run.name for place in (before, after)] == ["nightly/01-02", "vllm/baseline"]
    assert state.pair(DATA, state.marked(now, key("vllm/baseline"))) is None


def test_verdicts_are_counted_and_told():
    now = settled(baseline=key(BASE), cursor=key("nightly/01-16"))
    place = state.place_of(DATA, now)
    counts = words.verdict_cell(DATA, now, place)
    assert counts == ("!!6", "worse")
    said = view.copied(DATA, now)
    assert f"Against {BASE}: 6 worse (PAR of DP batch size, " in said
    assert "svc-d0/dp5 carries 2.4× its peers' batch" in said
    other = replace(now, cursor=key("vllm/baseline"))
    assert f"Against {BASE}: not comparable: the shapes differ." in view.copied(DATA, other)
    own = replace(now, cursor=key(BASE))
    assert "All others are judged against this run." in view.copied(DATA, own)
    assert words.verdict_cell(DATA, now, DATA.places[key("nightly/01-09")])[1] == "no_evidence"


def test_a_page_has_every_measure_with_its_verdict():
    now = settled(baseline=key(BASE))
    page = words.page_words(DATA, now, DATA.places[key("nightly/01-16")])
    assert "/data/runs/nightly/01-16" in page
    assert page.count("batch size, PAR") == 2  # one an instance
    assert "the trace tells no transfers" in page
    assert "95 % interval" in page
    assert "worse" in page


def test_help_tells_each_metric_that_is_shown_with_its_formula():
    told = {entry.name: entry.text for entry in entries(DATA)}
    assert metrics.BATCH_SIZE_PAR.formula in told["DP · batch size, PAR"]
    assert told["Requests · TTFT, p95"].endswith("Unit: ms.")
    assert len(told) >= len(DATA.metrics)


# The trend


def test_the_trend_opens_on_what_changed_and_goes_on_to_the_next():
    now = settled(view="trend")
    shown = DATA.series[state.series_of(DATA, now)]
    assert shown.key == "dp.batch_size.par"
    then = state.next_change(DATA, now, 1)
    assert DATA.series[state.series_of(DATA, then)].key == "dp.step_time.wasted"
    assert state.next_change(DATA, then, -1).series == DATA.series_ids[state.series_of(DATA, now)]
    last = now
    for _press in range(40):
        last = state.moved_series(DATA, last, 1)
    assert state.series_of(DATA, last) == len(DATA.series) - 1
    assert "8 are needed" in text(last)


def test_the_trend_says_load_change_and_run_under_the_cursor():
    said = text(settled(view="trend", cursor=key("nightly/01-12")))
    assert "No change of the load is seen: request rate, input length, output length." in said
    assert "from 1.18 to 1.54 at run nightly/01-12" in said
    assert "(worse)" in said
    assert "nightly/01-12 · 2026-01-12" in said
    load = next(one for one in DATA.series if one.is_load)
    steps = next(one.changes for one in DATA.series if one.key == "dp.batch_size.par")
    loaded = replace(load, changes=(replace(steps[0], worse=None),))
    known = Trends((loaded, *DATA.series[1:]), ("The load changed: told.", "Another."))
    other = replace(DATA, trends=known)
    said = text(settled(view="trend"), data=other)
    assert "The load changed: request rate: from" in said
    assert "With it changed of the load: request rate." in said
    assert "told." not in said
    assert "Another." in said


def test_the_cursor_of_the_trend_goes_over_its_runs_only():
    now = settled(view="trend")
    assert state.point_of(DATA, now) == 15
    seen = []
    for _press in range(20):
        now = state.moved_point(DATA, now, -1)
        seen.append(DATA.known[DATA.places[now.cursor]].run.name)
    assert seen[:2] == ["nightly/01-15", "nightly/01-14"]
    assert seen[-1] == "nightly/01-01"
    # From a run that the series has not: the nearest in time.
    away = replace(now, cursor=key("vllm/prefix-cache"))
    points = DATA.series[state.series_of(DATA, away)].points
    assert DATA.known[points[state.point_of(DATA, away)].run].run.name in ("nightly/01-10", "nightly/01-11")


def test_the_chart_marks_runs_and_a_click_finds_them():
    size = (120, 28)
    now = settled(view="trend")
    found = {trend.point_at(DATA, now, size, x, 10) for x in range(120)} - {None}
    assert found == set(range(16))
    assert trend.series_at(DATA, now, size, 3, 2) == 0
    assert trend.series_at(DATA, now, size, 100, 2) is None
    assert text(now, size).count("●") == 16


def test_a_series_without_points_or_intervals_is_drawn():
    bare = replace(
        DATA.series[3],
        points=tuple(replace(point, low=math.nan, high=math.nan) for point in DATA.series[3].points),
        changes=(),
    )
    empty = replace(bare, points=(), why="no run tells it")
    for series in (bare, empty):
        data = replace(DATA, trends=Trends((series,)))
        assert "95 % interval" not in text(settled(view="trend"), data=data)


def test_the_signs_of_runs_lie_on_the_line_that_is_drawn():
    caps = Capabilities("256")
    for number, size in itertools.product(range(14), ((100, 20), (60, 12), (140, 33))):
        chart = trend.chart_of(DATA, number, Canvas(*size, caps))
        points = DATA.series[number].points
        ends = trend._ends(trend._lines(DATA.series[number], size[0]))
        for place, point in enumerate(points):
            line, column = cell_of(chart, (float(place), point.value), ends, caps)
            drawn = plain([chart.rows[line]])[max(0, column - 1) : column + 2]
            assert any(0x2800 < ord(sign) <= 0x28FF for sign in drawn)


def test_one_run_alone_stands_in_the_middle():
    one = replace(DATA.series[3], points=DATA.series[3].points[:1], changes=())
    lines = text(settled(view="trend"), (120, 29), replace(DATA, trends=Trends((one,)))).split("\n")
    (at_,) = {line.index("●") for line in lines if "●" in line}
    assert 70 < at_ < 85


def test_ticks_name_runs_where_they_began_in_the_same_minute():
    point = DATA.series[3].points[0]
    alike = [replace(RUNS[-1], name=f"r{n}", reading=Reading(Path(f"r{n}"))) for n in range(4)]
    series = replace(DATA.series[3], points=tuple(replace(point, run=n) for n in range(4)), changes=())
    data = replace(data_of(FOLDER, alike), trends=Trends((series,)))
    assert "r0" in text(settled(data, view="trend"), (120, 29), data)
    assert "01-01 08:2" in text(settled(view="trend"), (120, 29))


def test_of_many_runs_the_trend_draws_no_intervals():
    many = [replace(RUNS[-1], name=f"r{n}", reading=Reading(Path(f"r{n}"))) for n in range(400)]
    point = DATA.series[3].points[0]
    points = tuple(replace(point, run=n) for n in range(400))
    data = replace(
        data_of(FOLDER, many), trends=Trends((replace(DATA.series[3], points=points, changes=()),))
    )
    assert "95 % interval" not in text(settled(data, view="trend"), (80, 15), data).split("──")[0]


# The sweep


def test_the_front_is_that_than_which_none_is_better_in_both():
    plane = sweep.plane_of(DATA, "requests.ttft.p95")
    assert [DATA.sweep.tried[place].front for place in plane.front] == [True] * len(plane.front)
    assert len(plane.front) + len(plane.others) == 12
    by_tpot = sweep.plane_of(DATA, "requests.time_per_output_token.p95")
    figures = [one.figures for one in DATA.sweep.tried]
    for place in (*by_tpot.front, *by_tpot.others):
        better = [
            other
            for other in figures
            if other
            and other[GOODPUT] >= figures[place][GOODPUT]
            and other["requests.time_per_output_token.p95"]
            <= figures[place]["requests.time_per_output_token.p95"]
            and other is not figures[place]
        ]
        assert (place in by_tpot.front) == (not better)


def test_the_sweep_is_a_table_by_parameters_and_m_takes_the_next_latency():
    now = settled(view="sweep")
    assert [DATA.sweep.tried[place].parameters["dp_policy"] for place in sweep.rows(DATA, now)] == [
        *["least_loaded"] * 4,
        *["random"] * 4,
        *["rr"] * 5,
    ]
    assert "goodput against TTFT p95, ms" in text(now)
    then = sweep.next_latency(DATA, now)
    assert sweep.down_of(DATA, then) == "requests.time_per_output_token.p95"
    assert sweep.down_of(DATA, sweep.next_latency(DATA, then)) == "requests.ttft.p95"
    by = sweep.sorted_by(DATA, now, 2)
    values = [DATA.sweep.tried[place].figures.get(GOODPUT) for place in sweep.rows(DATA, by)]
    assert values[-1] is None
    assert values[:-1] == sorted(values[:-1])
    turned = sweep.rows(DATA, sweep.reversed_(by))
    assert DATA.sweep.tried[turned[-1]].figures == {}


def test_a_sweep_without_a_front_says_why():
    assert "No run names parameters." in text(settled(view="sweep"), data=PLAIN)
    bare = Sweep(("p",), (Tried("a", None, {"p": 1.0}, {}), Tried("b", None, {"p": 2.0}, {})), why="Why not.")
    data = replace(DATA, sweep=bare)
    for size in SIZES[:4]:
        assert "Why not." in text(settled(view="sweep"), size, data)


def test_points_of_the_plane_are_put_where_the_axes_say():
    now = settled(view="sweep")
    lines = text(now).split("\n")
    front = sweep.plane_of(DATA, "requests.ttft.p95").front
    assert sum(line[100:].count("●") for line in lines) == len(front)


# In words, and saved


def roundtrip(data, now):
    taken = Taken(at.parts_of(data, now))
    found = at.with_parts(data, state.settled(data, Kept()), taken)
    assert not taken.said
    return found


def test_every_state_is_told_and_taken_again():
    rng = Random(3)
    now = settled()
    for _press in range(120):
        choice = rng.randrange(9)
        if choice == 0:
            now = replace(now, view=rng.choice(state.VIEWS))
        elif choice == 1:
            now = state.moved(DATA, now, rng.randrange(-5, 6), rng.randrange(-5, 6))
        elif choice == 2:
            now = state.sorted_by(DATA, now, rng.choice(list(DATA.columns)))
        elif choice == 3:
            now = state.filtered(DATA, now, rng.choice(["", "nightly", "ttft.p95>900"]))
        elif choice == 4:
            now = state.marked(now, rng.choice(DATA.known).key)
        elif choice == 5:
            now = replace(now, baseline=rng.choice([None, *(known.key for known in DATA.known)]))
        elif choice == 6:
            now = state.chosen_columns(DATA, now, rng.sample(list(DATA.columns), 6))
        elif choice == 7:
            now = state.moved_series(DATA, now, rng.randrange(-3, 4))
        else:
            now = sweep.next_latency(DATA, sweep.moved(DATA, now, rng.randrange(-3, 4), rng.randrange(-2, 3)))
        assert text(roundtrip(DATA, now), (120, 29)) == text(now, (120, 29))


def test_what_does_not_fit_is_refused():
    taken = Taken({"o": "x", "f": "smell>1", "row": "none", "base": "x", "marked": "x", "columns": "x"})
    at.with_parts(DATA, settled(), taken)
    assert set(taken.refused) == {"o", "f", "row", "base", "marked", "columns"}


def test_runs_of_one_name_are_told_apart():
    twice = [Run("a", Reading(Path("x/a"))), Run("a", Reading(Path("x/a"), raw=True))]
    data = data_of(FOLDER, twice)
    assert len(set(at.names(data).values())) == 2
    assert key_of(twice[0]) != key_of(twice[1])


def test_what_is_saved_has_numbers_as_they_are():
    frame = view.saved_rows(DATA, settled())
    assert frame.height == len(RUNS)
    assert frame["run"].to_list() == names(DATA, settled())
    place = DATA.places[key("nightly/01-16")]
    row = frame.filter(run="nightly/01-16")
    assert row["requests.ttft.p95"][0] == DATA.known[place].worst["requests.ttft.p95"].value
    assert frame.filter(run="broken")["problem"][0].startswith("batch.csv")
    assert frame.filter(run="broken")["requests.ttft.p95"][0] is None
    assert sweep.saved_rows(DATA, settled(view="sweep")).height == 13


def test_names_of_files_cannot_break_the_screen():
    run = Run("a\x1b[31m\u202ename/测试运行", Reading(Path("x")), {"p\x1b": "\x07"}, note="n\x1b", problem="")
    data = data_of(FOLDER, [run])
    for size, caps in itertools.product(SIZES, ANY):
        rows = view.draw(data, settled(data), Canvas(*size, caps))
        assert not any(ord(c) < 32 for c in plain(rows).replace("\n", ""))
        assert {sum(cell_len(segment.text) for segment in row) for row in rows} == {size[0]}


def test_a_run_shape_is_of_the_same_words_as_elsewhere():
    assert "MindIE DP 8+2 P 2 D 4 EP 16" in text(settled(cursor=key("nightly/01-16")))
    assert MINDIE.domains == (8, 2)
    assert TTFT95.unit == "ms"
