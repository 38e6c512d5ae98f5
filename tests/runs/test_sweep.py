"""What was tuned: which parameters differ, the front by brute force, repeats, what is not judged."""

import math
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbtui.comparison import metrics
from lbtui.comparison.metrics import GOODPUT, REQUEST_THROUGHPUT, TOKEN_THROUGHPUT
from lbtui.profile import Reading
from lbtui.runs.model import Measure, Run, RunSummary
from lbtui.runs.sweep import differing, front, means, sweep_of
from lbtui.sources.optimizer_store import OptimizerRow, OptimizerStore

NAN = math.nan
TTFT = metrics.percentile("ttft", "TTFT", 0.95, "requests")
TPOT = metrics.percentile("time_per_output_token", "TPOT", 0.95, "requests")
KEYS = {"good": GOODPUT, "tokens": TOKEN_THROUGHPUT, "asked": REQUEST_THROUGHPUT, "ttft": TTFT, "tpot": TPOT}


def run(name, parameters, targets=(("ttft", 500.0),), **figures):
    measures = tuple(Measure(KEYS[key], value=value) for key, value in figures.items())
    return Run(
        name, Reading(Path(name)), parameters, RunSummary(name, 0, 1, measures=measures, targets=targets)
    )


def row(name, parameters, error="", measured=True, **figures):
    names = {"tokens": "requests.throughput.output_tokens", "ttft": "time_to_first_token"}
    return OptimizerRow(name, parameters, {names[k]: v for k, v in figures.items()}, error, measured)


def on_front(sweep):
    return [one.name for one in sweep.tried if one.front]


THREE = [
    run("a", {"p_nodes": 1.0, "policy": "rr"}, good=5.0, ttft=90.0),
    run("b", {"p_nodes": 2.0, "policy": "rr"}, good=8.0, ttft=120.0),
    run("c", {"p_nodes": 3.0, "policy": "rr"}, good=7.0, ttft=130.0),
]


def test_what_differs_is_a_parameter_and_the_best_are_on_the_front():
    found = sweep_of(THREE)
    assert found.parameters == ("p_nodes",)
    assert (found.up, found.down, found.why) == ("requests.goodput", "requests.ttft.p95", "")
    assert on_front(found) == ["a", "b"]
    assert [one.run for one in found.tried] == [0, 1, 2]
    assert found.tried[0].figures == {"requests.goodput": 5.0, "requests.ttft.p95": 90.0}


def test_without_parameters_that_differ_nothing_was_tuned():
    assert sweep_of([]) is None
    assert sweep_of([run("a", {}), run("b", {})]) is None
    assert sweep_of([run("a", {"x": 1.0}), run("b", {"x": 1.0})]) is None
    assert sweep_of([run("a", {"x": 1.0})]) is None


@pytest.mark.parametrize(
    ("parameters", "names"),
    [
        ([{"x": 1.0}, {}], ("x",)),
        ([{"x": 1.0}, {"x": True}], ("x",)),
        ([{"x": 1.0}, {"x": "1"}], ("x",)),
        ([{"y": 1.0, "x": 2.0}, {"x": 3.0, "y": 4.0}], ("y", "x")),
        ([{"y": 1.0, "x": 2.0}, {"x": 3.0, "y": 1.0}], ("x",)),
    ],
)
def test_which_parameters_differ(parameters, names):
    assert differing(parameters) == names


def test_another_latency_can_be_chosen():
    runs = [run(name, {"x": float(at)}, good=1.0 + at, tpot=9.0 - at) for at, name in enumerate("ab")]
    found = sweep_of(runs, latency="tpot")
    assert (found.down, on_front(found)) == ("requests.time_per_output_token.p95", ["b"])
    none = sweep_of(runs, latency="e2e")
    assert (none.down, on_front(none)) == ("", [])
    assert none.why == "No front is drawn: nothing tells this latency."


def test_without_goodput_throughput_stands_for_it():
    runs = [run("a", {"x": 1.0}, good=1.0, tokens=9.0, ttft=1.0), run("b", {"x": 2.0}, tokens=8.0, ttft=1.0)]
    assert sweep_of(runs).up == "requests.throughput.output_tokens"
    requests = [run("a", {"x": 1.0}, asked=1.0, ttft=1.0), run("b", {"x": 2.0}, asked=2.0, ttft=1.0)]
    assert sweep_of(requests).up == "requests.throughput.requests"
    nothing = [run("a", {"x": 1.0}, ttft=1.0), run("b", {"x": 2.0}, ttft=1.0)]
    assert sweep_of(nothing).why == "No front is drawn: nothing tells throughput."


def test_goodput_for_other_targets_is_not_compared():
    runs = [
        run(n, {"x": n}, (("ttft", t),), good=1.0, tokens=5.0, ttft=9.0) for n, t in (("a", 1.0), ("b", 2.0))
    ]
    assert sweep_of(runs).up == "requests.throughput.output_tokens"


def test_runs_not_read_stand_without_figures_and_are_said_not_to_be_judged():
    unread = Run("d", Reading(Path("d")), {"p_nodes": 4.0})
    found = sweep_of([*THREE, unread, run("e", {"p_nodes": 5.0}, good=99.0)])
    assert on_front(found) == ["a", "b"]
    assert found.tried[3].figures == {}
    assert found.why == "2 are not judged for the front: not both figures are known."


def test_equal_points_are_on_the_front_together():
    runs = [run(name, {"x": name}, good=5.0, ttft=9.0) for name in "ab"]
    assert on_front(sweep_of(runs)) == ["a", "b"]


def test_rows_of_the_optimizer_are_a_sweep():
    store = OptimizerStore(
        "data_storage_1.csv",
        (
            row("s 1", {"batch": 8.0, "same": 1.0}, tokens=100.0, ttft=0.5),
            row("s 2", {"batch": 16.0, "same": 1.0}, tokens=90.0, ttft=0.9),
            row("s 3", {"batch": 32.0, "same": 1.0}, tokens=500.0, ttft=0.1, measured=False),
            row("s 4", {"batch": 64.0, "same": 1.0}, error="out of memory"),
        ),
    )
    found = sweep_of([], [store])
    assert (found.parameters, found.down) == (("batch",), "time_to_first_token")
    assert on_front(found) == ["s 1"]
    assert found.why == (
        "1 is not judged for the front: not both figures are known. "
        "1 is predicted by the optimizer's model and not judged."
    )
    assert [one.run for one in found.tried] == [None] * 4


def test_repeats_are_rows_of_their_own_and_have_a_mean():
    runs = [*THREE, run("d", {"p_nodes": 1.0, "policy": "rr"}, good=7.0), Run("e", Reading(Path("e")), {})]
    found = sweep_of(runs)
    first, *others = means(found)
    assert len(found.tried) == 5
    assert first.of == (0, 3)
    assert first.figures == {"requests.goodput": 6.0, "requests.ttft.p95": 90.0}
    assert first.counts == {"requests.goodput": 2, "requests.ttft.p95": 1}
    assert first.parameters == {"p_nodes": 1.0, "policy": "rr"}
    assert [one.of for one in others] == [(1,), (2,), (4,)]
    assert others[-1].figures == {}


def test_of_several_subjects_the_worst_counts():
    two = (Measure(metrics.BATCH_SIZE_PAR, "p", 1.2), Measure(metrics.BATCH_SIZE_PAR, "d", 1.7))
    runs = [replace(one, summary=replace(one.summary, measures=two)) for one in THREE]
    assert [one.figures for one in sweep_of(runs).tried] == [{"dp.batch_size.par": 1.7}] * 3


value = st.sampled_from([0.0, 1.0, 2.0, 3.0, NAN, math.inf]) | st.floats(-10, 10)


@given(st.lists(st.tuples(value, value), max_size=12))
def test_the_front_is_what_brute_force_says(points):
    def beaten(at):
        up, down = points[at]
        return any(
            math.isfinite(u) and math.isfinite(d) and u >= up and d <= down and (u > up or d < down)
            for u, d in points
        )

    expected = [all(map(math.isfinite, point)) and not beaten(at) for at, point in enumerate(points)]
    assert front(points) == expected
