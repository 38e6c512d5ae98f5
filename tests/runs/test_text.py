"""A summary as a file, and back."""

import base64
import json
import math
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbtui.comparison import compare
from lbtui.comparison.metrics import BATCH_SIZE_PAR, MEAN_LAYER_PAR, WAITING_P95
from lbtui.comparison.named import metric_named
from lbtui.comparison.series import Course, Quantile
from lbtui.runs.model import Measure, RunSummary, Shape, Worst
from lbtui.runs.summarise import summarised
from lbtui.runs.text import MOST_VALUES, BadSummary, Told, from_bytes, to_bytes
from lbtui.sources import open_profile
from lbtui.sources.runs_below import is_summary
from lbtui.thresholds import Thresholds
from tests.sources.engines import output_of
from tests.sources.recorded import CSV_ONLY, DATA, lay_out

NAN = math.nan
MADE = RunSummary(
    "a" * 32,
    1_767_225_600_000_000,
    1_767_225_700_000_001,
    Shape("vLLM", (4, 2), (("D", 4), ("P", 2)), (16, None)),
    (
        Measure(BATCH_SIZE_PAR, "d0", 1 / 3, 0.1 + 0.2, NAN, 1.02, doubt="short"),
        Measure(WAITING_P95, absent="no queue length is recorded"),
        Measure(MEAN_LAYER_PAR, "e", 1.5, layers=(1.1, NAN, 1.9)),
        Measure(BATCH_SIZE_PAR, value=2.0, course=Course(2.0, np.array([0.5, -0.5, 0.0]), 7.0, 1.5)),
    ),
    Worst("dp.idle", "critical", "dp3 stands idle"),
    {"critical": 2, "info": 1},
    (("ttft", 500.0), ("e2e", 0.5)),
    ("a note",),
    1.25,
)


def again(summary, **more):
    return from_bytes(to_bytes(Told(summary, **more)))


def assert_same(one, other):
    """Courses hold arrays, which are not compared as a whole; NaN is no number."""
    for mine, back in zip(one.measures, other.measures, strict=True):
        for name in ("metric", "subject", "absent", "doubt", "chance"):
            assert getattr(mine, name) == getattr(back, name)
        numbers = [(m.value, m.low, m.high, *m.layers) for m in (mine, back)]
        np.testing.assert_array_equal(*numbers)
        assert (mine.course is None) == (back.course is None)
    rest = ("identity", "start", "end", "shape", "worst", "findings", "targets", "notes", "seconds")
    assert [getattr(one, name) for name in rest] == [getattr(other, name) for name in rest]


def test_all_comes_back(tmp_path):
    name = "p=1/out \udcff\x1b"
    told = again(MADE, name=name, path=f"/data/{name}", parameters={"p": 1.5, "on": True, "é": "x"}, raw=True)
    assert_same(MADE, told.summary)
    assert (told.name, told.path, told.parameters, told.raw) == (
        name,
        f"/data/{name}",
        {"p": 1.5, "on": True, "é": "x"},
        True,
    )
    course = told.summary.measures[3].course
    assert (course.value, course.counted, course.of_one, course.values) == (2.0, 7.0, 1.5, None)
    np.testing.assert_allclose(course.series, [0.5, -0.5, 0.0])
    (tmp_path / "x").write_bytes(to_bytes(Told(MADE)))
    assert is_summary(tmp_path / "x")
    # Whatever writes JSON anew, it stays one.
    (tmp_path / "x").write_text(json.dumps(json.loads((tmp_path / "x").read_text()), indent=2))
    assert is_summary(tmp_path / "x")
    assert_same(MADE, from_bytes((tmp_path / "x").read_bytes()).summary)
    assert_same(RunSummary(""), again(RunSummary("")).summary)


@pytest.fixture(scope="module")
def samples(tmp_path_factory):
    base = tmp_path_factory.mktemp("samples")
    folders = [lay_out(base / "csv_only", *CSV_ONLY), DATA / "pd_ep_png"]
    for run in ("mindie_pd_skew", "vllm_pd_even", "vllm_v1_dp2"):
        (base / run).mkdir()
        folders.append(output_of(run, "csv", base / run))
    folders.append(
        lay_out(
            base / "pd_ep", *(f"pd_ep/{path.name.removesuffix('.gz')}" for path in (DATA / "pd_ep").iterdir())
        )
    )
    return [open_profile(folder) for folder in folders]


def test_every_metric_of_a_comparison_is_known_by_its_name(samples):
    targets = (("ttft", 500.0), ("tpot", 50.0))
    seen = set()
    for profile in samples:
        for row in compare(profile, profile, targets=targets).rows:
            assert metric_named(row.metric.dimension, row.metric.key) == row.metric
            seen.add((row.metric.dimension, row.metric.key))
    assert {dimension for dimension, _key in seen} == {"dp", "kv", "pd", "ep", "requests"}
    assert metric_named("dp", "no.such") is None
    assert metric_named("", "") is None


def test_a_summary_of_a_sample_comes_back_and_says_the_same(samples):
    for profile in samples:
        summary = summarised(profile, Thresholds(targets=(("ttft", 500.0),)))
        back = again(summary).summary
        assert_same(summary, back)
        for mine, read in zip(summary.measures, back.measures, strict=True):
            if mine.course is None:
                continue
            one, other = mine.course.estimate(0), read.course.estimate(0)
            assert other.value == one.value
            assert other.varied.error == pytest.approx(one.varied.error, rel=1e-4, abs=1e-9)
            assert other.independent == pytest.approx(one.independent, rel=1e-3, abs=1e-6)


@pytest.mark.parametrize("count", [1, 2, 500, MOST_VALUES, MOST_VALUES + 1, 50_000])
@pytest.mark.parametrize("weighted", [False, True])
def test_a_distribution_is_kept_by_its_ranks(count, weighted):
    rng = np.random.default_rng(count)
    values = rng.lognormal(5, 1, count)
    weights = rng.uniform(0.5, 1.5, count) if weighted else np.ones(count)
    course = Quantile(values, weights, np.arange(count) * min(count, 32) // count, 0.95).course()
    measure = Measure(WAITING_P95, value=course.value, course=course)
    (back,) = again(RunSummary("", measures=(measure,))).summary.measures
    assert len(back.course.values) == min(count, MOST_VALUES)
    assert back.course.estimate(0).value == course.value
    for by in (-0.9, -0.45, -0.01, 0.01, 0.04):
        moved, other = course.estimate(0).at(by), back.course.estimate(0).at(by)
        near = np.searchsorted(np.sort(values), [moved, other]) / count
        assert abs(near[0] - near[1]) <= 1.5 / MOST_VALUES + 1.5 / count


def test_numbers_that_no_text_can_tell_are_left_out():
    odd = Measure(WAITING_P95, value=math.inf, low=-math.inf, chance=math.inf)
    course = Course(1.0, np.array([1e300, -1e300]))
    summary = RunSummary("", measures=(odd, Measure(WAITING_P95, value=1.0, course=course)), seconds=NAN)
    first, second = again(summary).summary.measures
    assert math.isnan(first.value)
    assert math.isnan(first.low)
    assert first.chance is None
    assert second.course is None


def changed(path, value):
    document = json.loads(to_bytes(Told(MADE)))
    *outer, last = path
    place = document
    for step in outer:
        place = place[step]
    if value is ...:
        del place[last]
    else:
        place[last] = value
    return json.dumps(document).encode()


def packed(*numbers, kind="<f4"):
    return base64.b64encode(np.array(numbers, dtype=kind).tobytes()).decode()


COURSE = ("measures", 3, "course")
DAMAGED = [
    (("start",), -1),
    (("start",), 1.5),
    (("start",), True),
    (("end",), 1 << 62),
    (("end",), "now"),
    (("identity",), "x" * 65),
    (("identity",), None),
    (("identity",), "../../x"),
    (("identity",), "a\n"),
    (("path",), "relative/../.."),
    (("path",), "/a\0b"),
    (("path",), "/\ud800"),
    (("shape",), []),
    (("shape",), ...),
    (("shape", "domains"), [1.5]),
    (("shape", "domains"), [1] * 1001),
    (("shape", "nodes"), [["P"]]),
    (("shape", "nodes"), [["P", -1]]),
    (("shape", "ranks"), ["16"]),
    (("worst", "severity"), "fatal"),
    (("worst", "severity"), ["info"]),
    (("worst", "message"), 1),
    (("findings",), {"critical": -1}),
    (("findings",), {"fatal": 1}),
    (("targets",), {"ttft": 0}),
    (("targets",), {"other": 1}),
    (("targets",), {"ttft": 1e9}),
    (("notes",), "none"),
    (("notes",), [1]),
    (("notes",), ["x"] * 101),
    (("seconds",), "1"),
    (("name",), None),
    (("raw",), 0),
    (("parameters",), {"a": None}),
    (("parameters",), {"a": {"b": 1}}),
    (("parameters",), {f"a{number}": 1 for number in range(65)}),
    (("measures",), {}),
    (("measures",), [1]),
    (("measures",), [{}]),
    (("measures", 0, "value"), "1"),
    (("measures", 0, "value"), 10**400),
    (("measures", 0, "chance"), True),
    (("measures", 0, "subject"), 1),
    (("measures", 2, "layers"), [1.0] * 5000),
    (("measures", 2, "layers"), [[]]),
    (COURSE, 1),
    (COURSE, {}),
    ((*COURSE, "value"), None),
    ((*COURSE, "counted"), -1),
    ((*COURSE, "share"), 1),
    ((*COURSE, "series"), ""),
    ((*COURSE, "series"), "AAA"),
    ((*COURSE, "series"), "é" * 8),
    ((*COURSE, "series"), packed(NAN)),
    ((*COURSE, "series"), packed(math.inf)),
    ((*COURSE, "series"), packed(*range(600))),
    ((*COURSE, "series"), packed(1, kind="<i2")),
    ((*COURSE, "values"), packed(1, 2)),  # without a share
]


@pytest.mark.parametrize(("path", "value"), DAMAGED)
def test_what_is_damaged_is_refused(path, value):
    with pytest.raises(BadSummary, match="it is damaged"):
        from_bytes(changed(path, value))


@pytest.mark.parametrize(
    ("values", "reached"), [((2, 1), None), ((1, 2), (0.5, 0.9)), ((1, 2), (1,)), ((1, 2), (-0.5, 1))]
)
def test_what_is_no_distribution_is_refused(values, reached):
    course = {"value": 1.0, "series": packed(0.0), "share": 0.5, "values": packed(*values)}
    if reached:
        course["reached"] = packed(*reached)
    with pytest.raises(BadSummary, match="damaged"):
        from_bytes(changed(COURSE, course))


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "no JSON"),
        (b"\xff\xfe", "no JSON"),
        (b"{", "no JSON"),
        (b'{"lbtui_run": NaN}', "no JSON"),
        (b'{"lbtui_run": ' + b"[" * 100_000, "no JSON"),
        (b'{"lbtui_run": ' + b"9" * 5000 + b"}", "no JSON"),
        (b"[]", "not lbtui's"),
        (b"{}", "not lbtui's"),
        (b'{"lbtui_run": true}', "not lbtui's"),
        (b'{"lbtui_run": "1"}', "not lbtui's"),
        (b'{"lbtui_run": 2}', "later version"),
        (b'{"lbtui_run": 1}', "damaged"),
        (b" " * (9 << 20), "larger than"),
    ],
)
def test_what_is_no_summary_is_refused(data, why):
    with pytest.raises(BadSummary, match=why):
        from_bytes(data)


def test_metrics_that_are_not_known_are_left_out():
    told = from_bytes(changed(("measures", 0, "metric"), "dp.of.tomorrow"))
    assert len(told.summary.measures) == len(MADE.measures) - 1


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=8,
)


def paths(value, path=()):
    yield path
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, each in inner:
        yield from paths(each, (*path, name))


_PATHS = [path for path in paths(json.loads(to_bytes(Told(MADE)))) if path]


@given(st.sampled_from(_PATHS), _VALUES)
def test_any_value_anywhere_is_taken_or_refused(path, value):
    try:
        told = from_bytes(changed(path, value))
    except BadSummary:
        return
    # What is taken can be written, and is the same again.
    assert_same(told.summary, again(told.summary).summary)
    for measure in told.summary.measures:
        if measure.course is not None:
            measure.course.estimate(0)


@given(st.integers(0, 2000), st.integers(0, 2000), st.binary(max_size=20))
def test_any_bytes_anywhere_are_taken_or_refused(start, length, between):
    data = to_bytes(Told(MADE))
    with suppress(BadSummary):
        from_bytes(data[:start] + between + data[start + length :])
