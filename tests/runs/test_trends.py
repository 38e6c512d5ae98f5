"""Series over runs: which are compared, whose subjects are the same, what is noted."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lbtui.analysis.trend import FEWEST
from lbtui.comparison.metrics import BATCH_SIZE_PAR, GOODPUT, NODE_PAR, REQUEST_RATE, WASTED_SHARE
from lbtui.profile import Reading
from lbtui.runs.model import Measure, Run, RunSummary, Shape
from lbtui.runs.trends import loads_with, trends
from lbtui.runs.words import change_words, run_words

HOUR = 3_600_000_000
BEGIN = 1_772_445_600_000_000  # 2026-03-02 18:00:00 +08:00
SHAPE = Shape("MindIE", (4,))
NAN = math.nan


def run(place, *measures, shape=SHAPE, start=None, name=""):
    begun = BEGIN + place * HOUR if start is None else start
    summary = RunSummary(str(place), begun, begun + HOUR // 60, shape, measures)
    return Run(name or f"r{place:02}", Reading(Path(f"/runs/{place}")), summary=summary)


def par(value, subject="a", **more):
    return Measure(BATCH_SIZE_PAR, subject, value, 0.97 * value, 1.03 * value, **more)


def noise(count, seed=1):
    return 1 + 0.01 * np.random.default_rng(seed).standard_normal(count)


def stepped(count=20, at=12, by=1.3, seed=1):
    return noise(count, seed) * np.where(np.arange(count) >= at, by, 1)


def untimed(one):
    return replace(one, summary=replace(one.summary, start=None))


def test_a_step_is_told_of_its_series_in_order_of_time_whatever_the_order_of_the_runs():
    runs = [run(place, par(value)) for place, value in enumerate(stepped())]
    (series,) = trends(runs).series
    (change,) = series.changes
    assert (series.key, series.subject, series.shape, series.why) == ("dp.batch_size.par", "", SHAPE, "")
    assert (change.kind, change.at, change.worse) == ("step", 12, True)
    assert [point.run for point in series.points] == list(range(20))
    assert series.points[3].low == 0.97 * series.points[3].value
    shuffled = [runs[at] for at in np.random.default_rng(3).permutation(20)]
    (other,) = trends(shuffled).series
    assert other.changes == series.changes
    assert [shuffled[point.run].name for point in other.points] == [one.name for one in runs]


def test_what_is_better_when_higher_is_worse_when_it_falls():
    values = stepped(by=0.7)
    (series,) = trends([run(at, Measure(GOODPUT, "", 9 * one)) for at, one in enumerate(values)]).series
    assert [change.worse for change in series.changes] == [True]
    (series,) = trends([run(at, Measure(GOODPUT, "", 9 / one)) for at, one in enumerate(values)]).series
    assert [change.worse for change in series.changes] == [False]


def test_the_load_comes_first_and_is_neither_better_nor_worse():
    runs = [
        run(place, Measure(NODE_PAR, "decode", 1.1), par(value), Measure(REQUEST_RATE, "", 20 * value))
        for place, value in enumerate(stepped())
    ]
    found = trends(runs)
    assert [one.key for one in found.series] == [
        "requests.request_rate",
        "dp.batch_size.par",
        "pd.added.par",
    ]
    load, other, _ = found.series
    assert [change.worse for change in load.changes] == [None]
    assert found.notes[0].startswith("The load changed, which may explain what changed with it: request rate")
    assert loads_with(found, other, other.changes[0]) == (load,)
    assert loads_with(found, load, load.changes[0]) == ()


def test_a_load_that_changed_elsewhere_explains_nothing():
    runs = [
        run(place, par(value), Measure(REQUEST_RATE, "", 20 * rate))
        for place, (value, rate) in enumerate(zip(stepped(at=12), stepped(at=5, seed=2), strict=True))
    ]
    found = trends(runs)
    assert loads_with(found, found.series[1], found.series[1].changes[0]) == ()


def test_too_few_runs_say_how_many_are_needed():
    (series,) = trends([run(place, par(1.0 + (place > 3))) for place in range(FEWEST - 1)]).series
    assert series.why == f"too few runs for a change: {FEWEST - 1} of the {FEWEST} needed"
    assert series.changes == ()


def test_unknown_and_doubtful_values_are_left_out():
    measures = [par(NAN), par(1.5, doubt="the clocks of its hosts differ"), *map(par, noise(FEWEST - 1))]
    (series,) = trends([run(place, one) for place, one in enumerate(measures)]).series
    assert [point.run for point in series.points] == list(range(2, FEWEST + 1))
    assert (
        series.why
        == f"too few runs for a change: {FEWEST - 1} of the {FEWEST} needed, the clocks of its hosts differ"
    )


def test_all_unknown_is_a_series_without_points():
    (series,) = trends([run(place, par(NAN)) for place in range(3)]).series
    assert series.points == ()
    assert series.why == f"too few runs for a change: 0 of the {FEWEST} needed"


def test_runs_of_another_shape_are_apart_and_said_to_be():
    other = Shape("MindIE", (8,))
    runs = [run(at, par(value), shape=other if at in (3, 9) else SHAPE) for at, value in enumerate(noise(20))]
    found = trends(runs)
    assert [(one.shape, len(one.points)) for one in found.series] == [(SHAPE, 18), (other, 2)]
    assert found.notes == ("2 runs of shape MindIE DP 8, not compared with most, which are MindIE DP 4.",)


def test_an_engine_that_nothing_tells_is_no_other_shape():
    runs = [
        run(at, par(one), shape=replace(SHAPE, engine="MindIE" * (at % 2)))
        for at, one in enumerate(noise(12))
    ]
    (series,) = trends(runs).series
    assert (len(series.points), series.shape, trends(runs).notes) == (12, SHAPE, ())


def test_of_shapes_as_frequent_the_newest_comes_first():
    other = Shape("vLLM", (4,))
    found = trends([run(0, par(1.0)), run(1, par(1.0), shape=other)])
    assert [one.shape for one in found.series] == [other, SHAPE]


def test_runs_that_cannot_be_read_or_tell_no_time_are_counted():
    broken = Run("x", Reading(Path("/x")), problem="It is empty.")
    waiting = Run("y", Reading(Path("/y")))
    found = trends([broken, waiting, untimed(run(0, par(1.0))), untimed(run(1, par(1.0)))])
    assert found.series == ()
    assert found.notes == ("1 run could not be read.", "2 runs tell no time and are left out.")


def test_goodput_for_other_targets_is_not_compared():
    runs = [run(at, Measure(GOODPUT, "", 9.0), par(1.0)) for at in range(12)]
    strict = [replace(one, summary=replace(one.summary, targets=(("ttft", 100.0),))) for one in runs[:3]]
    found = trends([*strict, *runs[3:]])
    assert [(one.key, len(one.points)) for one in found.series] == [
        ("dp.batch_size.par", 12),
        ("requests.goodput", 9),
    ]
    assert found.notes == ("3 runs had other targets than the newest: their goodput is not compared.",)


def test_nothing_is_told_of_nothing():
    assert trends([]).series == ()
    assert trends([]).notes == ()


def test_the_only_subject_on_each_side_is_the_same_whatever_its_name():
    runs = [run(at, par(value, f"pod-{at}")) for at, value in enumerate(stepped())]
    (series,) = trends(runs).series
    assert (series.subject, len(series.points), len(series.changes)) == ("", 20, 1)


def test_of_several_subjects_equal_names_are_the_same_and_one_left_over_too():
    runs = [run(at, par(value, "p"), par(2.0, f"d-{at // 10}")) for at, value in enumerate(noise(20))]
    found = trends(runs)
    assert [(one.subject, len(one.points)) for one in found.series] == [("d-1", 20), ("p", 20)]


def test_of_several_subjects_that_are_called_otherwise_nothing_is_matched():
    runs = [run(at, par(1.0, f"p-{at // 10}"), par(2.0, f"d-{at // 10}")) for at in range(20)]
    assert [(one.subject, len(one.points)) for one in trends(runs).series] == [
        ("d-0", 10),
        ("d-1", 10),
        ("p-0", 10),
        ("p-1", 10),
    ]


def test_subjects_of_dp_and_of_pd_have_nothing_to_do_with_each_other():
    runs = [
        run(at, par(1.0, f"pod-{at}"), Measure(NODE_PAR, "prefill", 1.1), Measure(NODE_PAR, "decode", 1.2))
        for at in range(12)
    ]
    told = [(one.key, one.subject, len(one.points)) for one in trends(runs).series]
    assert told == [
        ("dp.batch_size.par", "", 12),
        ("pd.added.par", "decode", 12),
        ("pd.added.par", "prefill", 12),
    ]


def test_a_change_in_words():
    runs = [
        run(at, Measure(WASTED_SHARE, "a", 0.05 * value, 0.04, 0.06))
        for at, value in enumerate(stepped(by=1.6))
    ]
    (series,) = trends(runs).series
    told = change_words(series, series.changes[0], runs)
    assert told.startswith("step time wasted: from 5.0")
    assert " at run r12 (2026-03-03 06:00:00), p 0.0001" in told


def test_a_drift_in_words():
    values = 1.5 * 1.02 ** np.arange(20) * noise(20)
    runs = [run(at, par(value)) for at, value in enumerate(values)]
    (series,) = trends(runs).series
    told = change_words(series, series.changes[0], runs)
    assert told.startswith("batch size, PAR: drifts from 1.5")
    assert " over 20 runs, +2 % a run, p " in told


@pytest.mark.parametrize("start", [None, BEGIN])
def test_a_run_in_words(start):
    one = run(0, name="a\x1b[2Jb")
    told = run_words(one if start else untimed(one))
    assert "\x1b" not in told
    assert told.endswith(" (2026-03-02 18:00:00)") == (start is not None)
