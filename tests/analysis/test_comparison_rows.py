"""Whole comparisons: values against the files by plain polars, verdicts of known faults, and reasons."""

import math
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from lbtui.analysis.comparison import Row, compare, metrics
from lbtui.analysis.comparison.pairing import matched
from lbtui.analysis.comparison.verdict import judged
from lbtui.analysis.overview import overview
from lbtui.analysis.overview_model import Place
from lbtui.profile import SCHEMAS, Cancelled, Loaded, Profile, Silent, empty
from tests.sources.recorded import CSV_ONLY, profile

EVEN = [f"even_small/{Path(name).name}" for name in CSV_ONLY]
BEGIN = datetime(2026, 1, 1)


@pytest.fixture(scope="module")
def even(tmp_path_factory):
    return profile(tmp_path_factory.mktemp("even"), *EVEN)


@pytest.fixture(scope="module")
def faulty(tmp_path_factory):
    return profile(tmp_path_factory.mktemp("faulty"), *CSV_ONLY)


@pytest.fixture(scope="module")
def found(even, faulty):
    return compare(even, faulty)


def row(comparison, key):
    (only,) = [r for r in comparison.rows if r.metric.key == key]
    return only


def made(**frames):
    """Return a profile of frames given as dicts of columns; what they lack is null."""

    def load(name):
        given = pl.DataFrame(frames[name])
        missing = [pl.lit(None).alias(c) for c in SCHEMAS[name] if c not in given.columns]
        return Loaded(given.with_columns(missing).select(list(SCHEMAS[name])).cast(dict(SCHEMAS[name])))

    return Profile(Path("made"), (), loaders={name: lambda _p, n=name: load(n) for name in frames})


def requests(count, rng, *, every=0.1, ttft=50.0, length=400):
    return {
        "request_id": [str(i) for i in range(count)],
        "arrival": [BEGIN + timedelta(seconds=every * (i + float(rng.uniform(0, 1)))) for i in range(count)],
        "input_tokens": rng.poisson(length, count),
        "output_tokens": rng.poisson(40, count) + 2,
        "ttft": ttft * rng.lognormal(0, 0.3, count),
        "queue_wait": rng.lognormal(0, 0.3, count),
        "duration": ttft + rng.lognormal(7, 0.2, count),
    }


def test_a_starved_pool_is_called_worse_with_an_interval_that_excludes_zero(found):
    for key in ("usage.fullest.mean", "usage.spread"):
        kv = row(found, key)
        assert kv.verdict == "worse"
        assert 0 < kv.low < kv.difference < kv.high
    # Twice its share for a quarter of eight seconds: beyond noise, but one swing may be chance.
    par = row(found, "batch_size.par")
    assert (par.p_value < 0.05, par.verdict) == (True, "no_evidence")
    assert "swing" in par.reason
    assert not found.of("better")


def test_what_better_is_follows_the_direction(even, faulty):
    back = compare(faulty, even)
    assert row(back, "usage.spread").verdict == "better"
    assert not back.of("worse")


def test_the_same_run_in_another_format_is_no_change(tmp_path, faulty):
    other = profile(tmp_path, "db_only/profiler.db")
    same = compare(faulty, other)
    assert {r.verdict for r in same.rows} <= {"no_evidence", "too_little_data"}
    assert {r.metric.key for r in same.rows if r.verdict == "no_evidence"} >= {
        "batch_size.par",
        "usage.spread",
    }


def test_the_load_comes_first_then_every_dimension_in_order(found):
    order = ["load" if r.is_load else r.metric.dimension for r in found.rows]
    assert order == sorted(order, key=["load", "dp", "kv", "pd", "ep", "requests"].index)
    assert [r.metric.key for r in found.rows[:3]] == ["request_rate", "input_tokens", "output_tokens"]


def test_values_of_requests_are_those_of_the_file(tmp_path, found):
    for name, side in (("even_small", "before"), ("csv_only", "after")):
        folder = tmp_path / name
        profile(folder, *(f"{name}/{Path(n).name}" for n in CSV_ONLY))
        table = pl.read_csv(folder / "request.csv")
        ttft = np.sort(table["first_token_latency(ms)"].to_numpy())
        for share in (0.5, 0.95):
            value = getattr(row(found, f"ttft.p{100 * share:.0f}"), side)
            assert value == ttft[math.ceil(share * len(ttft)) - 1]
        assert getattr(row(found, "input_tokens"), side) == pytest.approx(table["recv_token_size"].mean())
        assert getattr(row(found, "output_tokens"), side) == pytest.approx(table["reply_token_size"].mean())
        start = table["start_time(ms)"]
        rate = table.height / (start.max() - start.min()) * 1000
        assert getattr(row(found, "request_rate"), side) == pytest.approx(rate, rel=1e-3)
        last = (start + table["execution_time(ms)"]).max()
        through = table["reply_token_size"].sum() / (last - start.min()) * 1000
        assert getattr(row(found, "throughput.output_tokens"), side) == pytest.approx(through, rel=1e-3)


def test_par_is_the_one_that_the_overview_shows(even, faulty, found):
    for shown, side in ((even, "before"), (faulty, "after")):
        for figure in overview(shown).figures():
            if (figure.metric, figure.formula) == ("batch_size", "time_weighted_par"):
                assert getattr(row(found, "batch_size.par"), side) == pytest.approx(figure.value)
                break
        else:
            pytest.fail("the overview shows no PAR of batch size")


def test_kv_use_is_that_of_the_readings_taken_one_by_one(faulty, found):
    kv = faulty.load("kv").frame.drop_nulls("usage").sort("time")
    until = overview(faulty).window[1]
    latest, area, spread, known = {}, 0.0, 0.0, 0.0
    rows = list(kv.select(pl.col("time").cast(pl.Int64), "domain", "usage").iter_rows())
    for (time, domain, usage), after in zip(rows, [*(r[0] for r in rows[1:]), until], strict=True):
        latest[domain] = usage
        area += (after - time) * max(latest.values())
        if len(latest) > 1:
            spread += (after - time) * (max(latest.values()) - min(latest.values()))
            known += after - time
    whole = until - rows[0][0]
    assert row(found, "usage.fullest.mean").after == pytest.approx(area / whole, rel=1e-3)
    assert row(found, "usage.spread").after == pytest.approx(spread / known, rel=1e-3)


def test_numbers_are_the_same_every_time(even, faulty, found):
    assert repr(compare(even, faulty).rows) == repr(found.rows)


def test_a_load_that_differs_is_told_and_is_neither_better_nor_worse():
    rng = np.random.default_rng(1)
    light, heavy = (
        made(requests=requests(300, rng, length=400)),
        made(requests=requests(300, rng, every=0.05, length=800)),
    )
    both = compare(light, heavy)
    assert {r.metric.key for r in both.loads_differ} == {"request_rate", "input_tokens"}
    assert all(r.verdict == "not_comparable" and r.reason for r in both.loads_differ)
    assert row(both, "output_tokens").verdict == "no_evidence"


def test_throughput_is_better_when_higher_and_latency_when_lower():
    rng = np.random.default_rng(2)
    slow = made(requests=requests(400, rng, ttft=200.0))
    fast = made(requests=requests(400, rng, ttft=100.0, every=0.05))
    both = compare(slow, fast)
    assert row(both, "ttft.p50").verdict == "better"
    assert row(both, "ttft.p50").difference < 0
    assert row(both, "throughput.requests").verdict == "better"
    assert row(both, "throughput.requests").difference > 0


def steps(rng, fault=None):
    """Return a minute of four domains' steps; in `fault` (s) the third gets 2.5 times its share of 40."""
    begins = [BEGIN + timedelta(milliseconds=25 * i) for i in range(2400)]
    batch = rng.poisson(10.0, (2400, 4))
    if fault:
        inside = slice(*(40 * second for second in fault))
        batch[inside] = rng.poisson([5.0, 5.0, 25.0, 5.0], (40 * (fault[1] - fault[0]), 4))
    domains = [f"d{i}" for i in range(4)]
    return {
        "instance": ["svc"] * 9600,
        "host": ["svc"] * 9600,
        "dp_rank": [0, 1, 2, 3] * 2400,
        "domain": domains * 2400,
        "prof_id": domains * 2400,
        "batch_size": batch.ravel(),
        "start": [b for b in begins for _ in domains],
        "end": [b + timedelta(milliseconds=20) for b in begins for _ in domains],
        "duration": [20.0] * 9600,
    }


def test_a_fault_of_some_seconds_is_called_and_an_even_minute_is_not():
    rng = np.random.default_rng(9)
    before, even, faulty = (made(steps=steps(rng, fault)) for fault in (None, None, (20, 45)))
    worse = row(compare(before, faulty), "batch_size.par")
    assert worse.verdict == "worse"
    assert 0 < worse.low < worse.difference < worse.high
    # The interval knows of one swing in a minute only; the p-value is that of the noise about it.
    assert worse.high - worse.low > worse.difference
    assert worse.adjusted < 0.01
    assert row(compare(before, even), "batch_size.par").verdict == "no_evidence"


def test_what_swings_for_long_is_not_called_however_far_beyond_noise():
    rng = np.random.default_rng(10)
    slow = [requests(600, rng) for _ in range(2)]
    wave = np.sin(np.linspace(0, 4 * np.pi, 600))
    for frame, level in zip(slow, (100.0, 125.0), strict=True):
        frame["ttft"] = level + 60 * wave + rng.normal(0, 1, 600)
    ttft = row(compare(*(made(requests=frame) for frame in slow)), "ttft.p50")
    assert ttft.verdict in ("no_evidence", "too_little_data")
    assert ttft.low < 0 < ttft.high


def test_beyond_noise_within_the_interval_says_why():
    one = Row(metrics.BATCH_SIZE_PAR, Place(), "no_evidence", 1.5, 1.9, -0.1, 0.9, 0.0002)
    (held,) = judged([one])
    assert (held.adjusted, held.verdict) == (0.0002, "no_evidence")
    assert "interval holds 0" in held.reason
    (called,) = judged([replace(one, low=0.1)])
    assert (called.verdict, called.reason) == ("worse", "")


def test_a_certain_trifle_is_not_called():
    rng = np.random.default_rng(3)
    frames = [requests(2000, rng) for _ in range(2)]
    for frame, ttft in zip(frames, (100.0, 101.0), strict=True):
        frame["ttft"] = ttft + rng.normal(0, 0.1, 2000)
    ttft = row(compare(*(made(requests=f) for f in frames)), "ttft.p50")
    assert ttft.adjusted < 0.05
    assert ttft.verdict == "no_evidence"
    assert "too small" in ttft.reason


def test_thin_runs_get_too_little_data_and_the_number():
    rng = np.random.default_rng(4)
    both = compare(made(requests=requests(9, rng)), made(requests=requests(9, rng, ttft=500.0)))
    for key in ("ttft.p50", "ttft.p95", "duration.p50"):
        assert row(both, key).verdict == "too_little_data"
        assert row(both, key).reason
        assert row(both, key).before > 0


def test_what_one_side_lacks_is_a_row_with_the_reason(even):
    rng = np.random.default_rng(5)
    both = compare(even, made(requests=requests(50, rng)))
    kv = row(both, "usage.spread")
    assert kv.verdict == "not_comparable"
    assert "after: there is no such instance" in kv.reason
    assert kv.before > 0
    assert math.isnan(kv.after)
    assert any("P/D" in note for note in both.notes)


def test_nothing_at_all_is_compared_without_an_error():
    both = compare(made(), made())
    assert {r.verdict for r in both.rows} == {"not_comparable"}
    assert all(r.reason for r in both.rows)


def nodes(added):
    bins, count = added.shape
    return {
        "time": [BEGIN + timedelta(seconds=5 * b) for b in range(bins) for _ in range(count)],
        "address": [f"10.0.0.{n}:1" for _ in range(bins) for n in range(count)],
        "role": ["prefill"] * added.size,
        "added": added.ravel(),
    }


def test_a_node_that_gets_more_than_its_peers_is_worse():
    rng = np.random.default_rng(6)
    even, uneven = rng.poisson(20, (40, 2)), rng.poisson([30, 10], (40, 2))
    par = row(compare(made(nodes=nodes(even)), made(nodes=nodes(uneven))), "added.par")
    assert par.verdict == "worse"
    assert par.subject.role == "prefill"
    totals = uneven.sum(axis=0)
    assert par.after == pytest.approx(totals.max() / totals.mean())


def heat(loads):
    layers, ranks = loads.shape
    shares = loads / loads.sum(axis=1, keepdims=True)
    return {
        "instance": ["svc"] * loads.size,
        "view": ["rank"] * loads.size,
        "period": [0] * loads.size,
        "layer": np.repeat(np.arange(layers), ranks),
        "column": np.tile(np.arange(ranks), layers),
        "rank": np.tile(np.arange(ranks), layers),
        "slot": [0] * loads.size,
        "share": shares.ravel(),
        "relative": shares.ravel(),
    }


def test_experts_are_compared_layer_by_layer_and_the_worst_layer_needs_periods():
    rng = np.random.default_rng(7)
    before = rng.uniform(0.8, 1.2, (30, 8))
    after = before.copy()
    after[:, 3] *= 1.5
    both = compare(made(expert_heat=heat(before)), made(expert_heat=heat(after)))
    mean = row(both, "rank_load.mean_layer_par")
    assert mean.verdict == "worse"
    assert mean.before == pytest.approx((before.max(axis=1) / before.mean(axis=1)).mean())
    assert mean.after == pytest.approx((after.max(axis=1) / after.mean(axis=1)).mean())
    worst = row(both, "rank_load.worst_layer_par")
    assert worst.verdict == "too_little_data"
    assert worst.after == pytest.approx((after.max(axis=1) / after.mean(axis=1)).max())


def test_names_are_matched_when_equal_or_alone():
    assert matched({"a": 1, "b": 2}, {"b": 1, "c": 2}) == [("b", "b"), ("a", "c")]
    assert matched({"a": 1, "b": 2}, {"c": 1}) == [("a", None), ("b", None), (None, "c")]


def test_a_comparison_can_be_cancelled_between_rows(even, faulty):
    class Stopped(Silent):
        calls = 0

        def advance(self, what, done, total):
            self.calls += 1
            if self.calls > 3:
                raise Cancelled

    stopped = Stopped()
    with pytest.raises(Cancelled):
        compare(even, faulty, stopped)
    assert stopped.calls == 4


def test_a_frame_that_cannot_be_made_counts_as_missing():
    def broken(_progress):
        raise RuntimeError("broken")

    rng = np.random.default_rng(8)
    whole = made(requests=requests(50, rng))
    half = Profile(Path("half"), (), loaders={"requests": broken, "kv": lambda _p: Loaded(empty("kv"))})
    rate = row(compare(whole, half), "request_rate")
    assert rate.verdict == "not_comparable"
    assert rate.reason.startswith("after: ")
