"""A run's summary and the verdicts on runs, against Compare and the overview of the same files."""

import math
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lbtui.analysis.interval import own_interval
from lbtui.comparison import compare
from lbtui.comparison.series import Ratio
from lbtui.comparison.verdict import holm
from lbtui.findings.run import find_all
from lbtui.overview.run import overview
from lbtui.profile import Reading
from lbtui.runs.first import first_look
from lbtui.runs.model import Run, Shape
from lbtui.runs.shapes import shape_difference, shape_words
from lbtui.runs.summarise import summarised
from lbtui.runs.verdicts import against, false_discovery
from lbtui.sources import open_profile
from lbtui.thresholds import Thresholds
from tests.findings.service import Group, write_service

DATA = Path(__file__).parents[1] / "data"
DEMO = Path(__file__).parents[2] / "lbtui" / "demo" / "output"
SAMPLES = (DEMO, DATA / "even_small", DATA / "csv_only", DATA / "vllm_small", DATA / "pd_ep")
# What the overview calls otherwise: its figure, and the metric here.
SAME = {
    ("dp", "batch_size", "time_weighted_par"): "dp.batch_size.par",
    ("dp", "tokens", "time_weighted_par"): "dp.tokens.par",
    ("kv", "kv_usage", "time_weighted_par"): "kv.usage.par",
    ("pd", "added", "par"): "pd.added.par",
    ("ep", "rank_load", "mean_layer_par"): "ep.rank_load.mean_layer_par",
    ("requests", "ttft", "p50"): "requests.ttft.p50",
    ("requests", "ttft", "p95"): "requests.ttft.p95",
}


@pytest.fixture(scope="module", params=SAMPLES, ids=lambda path: path.name)
def sample(request):
    profile = open_profile(request.param)
    return profile, summarised(profile)


def test_each_metric_is_the_one_that_compare_has(sample):
    profile, found = sample
    rows = {
        (f"{row.metric.dimension}.{row.metric.key}", row.subject.instance or row.subject.role or ""): row
        for row in compare(profile, profile).rows
    }
    own = {(one.key, one.subject): one for one in found.measures}
    # Without targets nothing is attained; of KV Compare tells no PAR.
    goals = {("requests.attainment", ""), ("requests.goodput", "")}
    assert {key for key in own if key[0] != "kv.usage.par"} == set(rows) - goals
    for key, row in rows.items():
        if key not in goals:
            assert own[key].value == pytest.approx(row.before, nan_ok=True), key
            assert own[key].known or own[key].absent or row.reason


def test_figures_and_chance_are_those_of_the_overview(sample):
    profile, found = sample
    figures = [
        (SAME[figure.dimension, figure.metric, figure.formula], figure)
        for figure in overview(profile).figures()
        if (figure.dimension, figure.metric, figure.formula) in SAME and figure.subject.period is None
    ]
    checked = 0
    for key, figure in figures:
        subject = figure.subject.instance or figure.subject.role or ""
        (own,) = [one for one in found.of(key) if one.subject == subject]
        if key.startswith("ep.") and not own.known:
            continue  # relative heat alone: no loads to compare
        # The overview interpolates between two requests where a comparison takes one.
        close = 0.2 if key.startswith("requests.") else 1e-9
        if not (math.isnan(figure.value) or math.isnan(own.value)):
            assert own.value == pytest.approx(figure.value, rel=close), key
            checked += 1
        if key in ("dp.batch_size.par", "pd.added.par"):
            assert own.chance == figure.chance
    assert checked or not figures


def test_time_shape_and_findings_are_those_of_the_profile(sample):
    profile, found = sample
    known = overview(profile)
    assert (found.start, found.end) == known.window
    domains = Counter(domain.instance for domain in known.domains)
    assert sorted(found.shape.domains) == sorted(domains.values())
    assert dict(found.shape.nodes) == Counter(node.role for node in known.nodes)
    on_load = [one for one in find_all(profile) if one.dimension != "data"]
    assert dict(found.findings) == Counter(one.severity for one in on_load)
    assert (found.worst is None) == (not on_load)
    if on_load:
        assert (found.worst.id, found.worst.severity) == (on_load[0].id, on_load[0].severity)


def test_the_first_look_is_right_about_domains_and_engine(sample):
    profile, found = sample
    begun, shape = first_look(profile)
    assert shape.engine == found.shape.engine
    if shape.domains:
        assert shape.domains == found.shape.domains
        assert begun >= found.start


def test_targets_make_goodput_known():
    profile = open_profile(DEMO)
    targets = (("ttft", 500.0),)
    found = summarised(profile, Thresholds(targets=targets))
    table = profile.load("requests").frame
    judged = table["ttft"].drop_nulls()
    (attained,) = found.of("requests.attainment")
    assert found.targets == targets
    assert attained.value == pytest.approx((judged <= 500).mean(), abs=0.02)
    assert not summarised(profile).of("requests.goodput")


def test_an_interval_of_independent_values_is_students():
    rng = np.random.default_rng(5)
    widths = []
    for _ in range(12):
        values = rng.normal(10, 2, 400)
        low, high = own_interval(Ratio(values, np.ones(400)).estimate(0))
        assert (low + high) / 2 == pytest.approx(values.mean())
        widths.append((high - low) / (2 * 1.96 * values.std(ddof=1) / math.sqrt(400)))
    assert np.mean(widths) == pytest.approx(2.13 / 1.96, abs=0.12)
    assert own_interval(Ratio(np.full(50, 3.0), np.ones(50)).estimate(0)) == (3.0, 3.0)


@pytest.fixture(scope="module")
def services(tmp_path_factory):
    """Three equal services and one with a slow domain."""
    base = tmp_path_factory.mktemp("runs")
    groups = {f"even{seed}": Group(seed=seed, cards=2) for seed in (1, 2, 3)}
    groups["slow"] = Group(seed=4, cards=2, slow={(1, 0): 1.8, (1, 1): 1.8})
    return {
        name: Run(
            name, Reading(path := base / name), summary=summarised(open_profile(write_service(path, group)))
        )
        for name, group in groups.items()
    }


def test_one_run_against_a_baseline_has_the_verdicts_of_compare(services):
    before, after = services["even1"], services["slow"]
    judged = against(before, [before, after])
    assert set(judged) == {"slow"}
    rows = {(row.metric, row.subject): row for row in judged["slow"].rows}
    theirs = compare(open_profile(before.reading.path), open_profile(after.reading.path))
    same = [row for row in theirs.rows if (row.metric, row.subject) in rows]
    assert len(same) == len(rows) - 1  # the PAR of KV
    for row in same:
        own = rows[row.metric, row.subject]
        assert own.verdict == row.verdict
        assert [own.before, own.after] == pytest.approx([row.before, row.after], nan_ok=True)
        assert own.p_value == pytest.approx(row.p_value, nan_ok=True)
        assert own.low == pytest.approx(row.low, nan_ok=True)
    assert judged["slow"].is_worse
    wasted = {row.verdict for row in judged["slow"].rows if row.metric.key == "step_time.wasted"}
    assert "worse" in wasted


def test_over_several_runs_p_values_are_corrected(services):
    alone = against(services["even1"], [services["slow"]])["slow"]
    among = against(services["even1"], list(services.values()))
    assert set(among) == {"even2", "even3", "slow"}
    pairs = zip(alone.rows, among["slow"].rows, strict=True)
    assert all(not other.p_value < one.p_value for one, other in pairs)
    assert not among["even2"].is_worse
    # The baseline is not there yet, and another shape is not compared.
    assert against(Run("x", Reading(Path("x"))), list(services.values())) == {}


def test_another_shape_is_not_compared(services):
    other = services["even2"]
    summary = replace(other.summary, shape=replace(other.summary.shape, domains=(8,)))
    judged = against(services["even1"], [replace(other, summary=summary)])
    assert judged["even2"].rows == ()
    assert judged["even2"].why == "DP domains 4 before, 8 after"
    assert not judged["even2"].is_worse


def test_shapes_in_words():
    whole = Shape("MindIE", (8, 2), (("decode", 4), ("prefill", 2)), (8, None))
    assert shape_words(whole) == "MindIE DP 8+2 P 2 D 4 EP 8+?"
    assert shape_words(Shape()) == ""
    assert shape_difference(whole, whole) == ""
    assert shape_difference(whole, Shape("", *list(vars(whole).values())[1:])) == ""
    told = shape_difference(whole, Shape("vLLM", (8,), (), (8, None)))
    assert told == (
        "engine MindIE before, vLLM after; DP domains 8+2 before, 8 after; "
        "P/D nodes P 2 D 4 before, none after"
    )


def test_false_discovery_by_hand():
    assert false_discovery([0.01, 0.04, 0.03, 0.5]) == pytest.approx([0.04, 0.16 / 3, 0.16 / 3, 0.5])
    assert false_discovery([]) == []
    rng = np.random.default_rng(1)
    for _ in range(50):
        values = rng.random(rng.integers(1, 30)).round(2)
        found = false_discovery(values.tolist())
        order = sorted(values)
        for value, adjusted in zip(values, found, strict=True):
            place = next(at for at, other in enumerate(order) if other == value)
            plain = min(order[k] * len(order) / (k + 1) for k in range(place, len(order)))
            assert adjusted == pytest.approx(min(1.0, plain))
        # Never more than Holm's, which holds the chance of any wrong call.
        assert all(own <= other + 1e-12 for own, other in zip(found, holm(values.tolist()), strict=True))
