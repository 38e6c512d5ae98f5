"""Whole comparisons: values against the files by plain polars, verdicts of known faults, and reasons."""

import math
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbtui.comparison import Row, compare, metrics
from lbtui.comparison.verdict import judged
from lbtui.overview.model import Place
from lbtui.overview.run import overview
from lbtui.profile import SCHEMAS, Cancelled, Loaded, Profile, Silent, empty
from lbtui.profile.pairing import matched
from tests.sources.recorded import CSV_ONLY, profile
from tests.tools.frames import Frames

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

    return Profile(Path("made"), (), source=Frames({name: lambda _p, n=name: load(n) for name in frames}))


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


def judged_rows(*numbers):
    """Return rows judged together: (metric, p-value, low), each of the difference 0.5 ± 0.4 or so."""
    return judged(
        [Row(m, Place(), "no_evidence", 1.0, 1.5, low, 1 - low, p) for m, p, low in numbers],
    )


HEADLINE, OTHER = metrics.BATCH_SIZE_PAR, metrics.STEP_TIME_PAR
DETAIL, SECOND = metrics.TOKENS_PAR, replace(metrics.TOKENS_PAR, key="tokens.par.second")


def test_a_headline_stands_by_itself_at_two_percent():
    called, beyond = judged_rows((HEADLINE, 0.019, 0.1), (OTHER, 0.021, 0.1))
    assert (called.verdict, called.adjusted, called.reason) == ("worse", 0.019, "")
    assert (beyond.verdict, beyond.adjusted) == ("no_evidence", 0.021)
    assert "a headline is called at p ≤ 2 %" in beyond.reason
    # However many others there are.
    many = judged_rows((HEADLINE, 0.019, 0.1), *[(OTHER, 0.5, -0.1)] * 20)
    assert many[0].verdict == "worse"


def test_details_are_corrected_for_each_other_unless_their_headline_is_called():
    alone = judged_rows((HEADLINE, 0.5, -0.1), (DETAIL, 0.03, 0.1), (SECOND, 0.9, -0.1))
    assert [r.verdict for r in alone] == ["no_evidence"] * 3
    assert alone[1].adjusted == pytest.approx(0.06)
    assert "among 2 such rows" in alone[1].reason
    under = judged_rows((HEADLINE, 0.001, 0.1), (DETAIL, 0.03, 0.1), (SECOND, 0.9, -0.1))
    assert [r.verdict for r in under] == ["worse", "worse", "no_evidence"]
    assert under[1].adjusted == 0.03
    # A headline of another dimension does not help.
    far = judged_rows((metrics.KV_FULLEST, 0.001, 0.1), (DETAIL, 0.03, 0.1), (SECOND, 0.9, -0.1))
    assert far[1].verdict == "no_evidence"


@given(
    st.lists(
        st.tuples(
            st.sampled_from(
                [HEADLINE, OTHER, DETAIL, SECOND, metrics.KV_FULLEST, metrics.KV_SPREAD, metrics.INPUT_TOKENS]
            ),
            st.floats(0.0002, 1),
            st.floats(-0.5, 0.45),
        ),
        max_size=30,
    )
)
def test_no_verdict_contradicts_its_interval_without_a_reason(numbers):
    found = judged_rows(*numbers)
    for (metric, p, low), made_row in zip(numbers, found, strict=True):
        assert made_row.adjusted >= p
        excludes, called = low > 0, made_row.verdict in ("better", "worse") or made_row.load_differs
        if called:
            assert excludes
            assert made_row.adjusted <= (0.02 if metric.headline else 0.05)
        else:
            assert made_row.verdict == "no_evidence"
            assert bool(made_row.reason) == (excludes or p <= 0.05)
    for metric, own in ((m, [r for r in found if r.metric == m]) for m in {m for m, _p, _low in numbers}):
        if metric.headline:
            assert [r.adjusted for r in own] == [r.p_value for r in own]


def test_headlines_come_before_the_details_of_their_dimension_and_subject(found):
    seen = {}
    for r in found.rows:
        group = seen.setdefault((r.is_load, r.metric.dimension, r.subject), [])
        group.append(r.is_detail)
    assert all(kinds == sorted(kinds) for kinds in seen.values())
    assert [r.metric.key for r in found.headlines] == [
        "step_time.wasted",
        "step_time.par",
        "batch_size.par",
        "usage.fullest.mean",
        "ttft.mean",
        "time_per_output_token.mean",
    ]


def test_only_a_headline_makes_the_whole_worse(found):
    assert found.is_worse
    details = replace(found, rows=tuple(r for r in found.rows if not r.is_headline))
    assert details.of("worse")
    assert not details.is_worse


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
    both = compare(made(requests=requests(4, rng)), made(requests=requests(4, rng, ttft=500.0)))
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


def test_a_node_that_gets_more_is_called_from_a_minute_of_bins():
    rng = np.random.default_rng(16)
    even, uneven = rng.poisson(20, (12, 2)), rng.poisson([27, 13], (12, 2))
    assert row(compare(made(nodes=nodes(uneven)), made(nodes=nodes(even))), "added.par").verdict == "better"


def pulls(count, rng, *, slow=1.0, dead_from=None):
    """Return KV pulls of four ranks from two sources; those of rank 2 from the second take `slow` times."""
    rank, source = rng.integers(4, size=count), rng.integers(2, size=count)
    if dead_from is not None:
        source[dead_from:] = 0
    took = 8 * rng.lognormal(0, 0.4, count) * np.where((rank == 2) & (source == 1), slow, 1.0)
    start = [BEGIN + timedelta(seconds=0.1 * i) for i in range(count)]
    return {
        "request_id": [str(i) for i in range(count)],
        "rank": rank,
        "source": [f"10.0.0.{1 + s}" for s in source],
        "start": start,
        "end": [s + timedelta(milliseconds=t) for s, t in zip(start, took, strict=True)],
        "duration": took,
    }


def handed(count):
    return {
        "request_id": [str(i) for i in range(count)],
        "arrival": [BEGIN + timedelta(seconds=0.1 * i - 0.05) for i in range(count)],
        "prefill_done": [BEGIN + timedelta(seconds=0.1 * i - 0.01) for i in range(count)],
    }


def test_a_slow_pair_mended_is_better_and_named():
    rng = np.random.default_rng(17)
    slow, even = pulls(600, rng, slow=5.0), pulls(600, rng)
    both = compare(made(transfers=slow, handoffs=handed(600)), made(transfers=even, handoffs=handed(600)))
    for key in ("transfer.mean", "transfer.pair.par"):
        assert row(both, key).verdict == "better"
    assert row(both, "transfer.mean").is_headline
    table = pl.DataFrame(slow)
    assert row(both, "transfer.mean").before == pytest.approx(table["duration"].mean())
    means = table.group_by("source", "rank").agg(pl.col("duration").mean())["duration"]
    assert row(both, "transfer.pair.par").before == pytest.approx(means.max() / means.mean())
    ready = row(both, "handoff.arrival_to_kv.mean")
    assert ready.is_headline
    assert ready.before == pytest.approx(50 + table["duration"].mean(), abs=1e-3)
    assert any("rank 2 from 10.0.0.2" in note for note in both.notes)
    # Without pulls it is the time until prefill is done that stands for what P/D adds.
    alone = compare(made(handoffs=handed(600)), made(handoffs=handed(600)))
    (only,) = [r for r in alone.headlines if r.metric.dimension == "pd"]
    assert (only.metric.key, only.before) == ("handoff.arrival_to_prefill_done.mean", pytest.approx(40))


def test_a_p_node_that_dies_shows_in_where_pulls_come_from():
    rng = np.random.default_rng(18)
    died, even = pulls(600, rng, dead_from=250), pulls(600, rng)
    found = row(compare(made(transfers=died), made(transfers=even)), "transfer.source.par")
    assert found.verdict == "better"
    shares = pl.DataFrame(died)["source"].value_counts()["count"]
    assert found.before == pytest.approx(shares.max() / shares.mean())


def test_a_rank_that_only_one_side_shows_amid_others_counts_as_idle():
    rng = np.random.default_rng(19)
    whole, gone = pl.DataFrame(steps(rng)), pl.DataFrame(steps(rng))
    gone = gone.filter(pl.col("dp_rank") != 1)
    both = compare(*(made(steps=frame.to_dict(as_series=False)) for frame in (gone, whole)))
    par = row(both, "step_time.par")
    assert par.before == pytest.approx(4 / 3, rel=0.01)
    assert row(both, "batch_size.par").verdict == "better"
    assert any("dp1 without a trace before" in note for note in both.notes)
    # Beyond its last rank an instance may have been smaller.
    last = pl.DataFrame(steps(rng)).filter(pl.col("dp_rank") != 3)
    smaller = compare(*(made(steps=frame.to_dict(as_series=False)) for frame in (last, whole)))
    assert row(smaller, "step_time.par").before == pytest.approx(1, rel=0.01)


def test_a_domain_that_is_slow_shows_where_domains_do_not_step_together():
    rng = np.random.default_rng(20)
    even, slow = (pl.DataFrame(steps(rng)) for _ in range(2))
    took = pl.when(pl.col("dp_rank") == 2).then(24.0).otherwise(15.0) + rng.normal(0, 0.5, slow.height)
    slow = slow.with_columns(duration=took).with_columns(
        end=pl.col("start") + pl.duration(microseconds=(1000 * pl.col("duration")).cast(pl.Int64))
    )
    par = row(compare(*(made(steps=f.to_dict(as_series=False)) for f in (slow, even))), "step_time.par")
    assert (par.verdict, par.is_headline) == ("better", True)
    means = slow.group_by("dp_rank").agg(pl.col("duration").mean())["duration"]
    assert par.before == pytest.approx(means.max() / means.mean(), rel=0.02)


def test_time_per_token_is_the_mean_over_tokens():
    rng = np.random.default_rng(21)
    frame = requests(200, rng)
    both = compare(made(requests=frame), made(requests=frame))
    table = pl.DataFrame(frame)
    after = (table["duration"] - table["ttft"]).sum()
    mean = row(both, "time_per_output_token.mean")
    assert mean.before == pytest.approx(after / (table["output_tokens"] - 1).sum())
    assert row(both, "ttft.mean").before == pytest.approx(table["ttft"].mean())


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
    half = Profile(
        Path("half"), (), source=Frames({"requests": broken, "kv": lambda _p: Loaded(empty("kv"))})
    )
    rate = row(compare(whole, half), "request_rate")
    assert rate.verdict == "not_comparable"
    assert rate.reason.startswith("after: ")
