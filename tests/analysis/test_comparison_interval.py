"""The interval of a difference, against plain ways to the same numbers."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lbtui.analysis.comparison.interval import RESAMPLES, block_length, difference, resampled_mean
from lbtui.analysis.comparison.series import Paired, Quantile, Ratio
from lbtui.analysis.comparison.verdict import holm


def mean_of(values):
    return Ratio(np.asarray(values, dtype=float), np.ones(len(values)))


def autoregressive(length, phi, rng):
    values = [float(rng.standard_normal())]
    for _ in range(length - 1):
        values.append(phi * values[-1] + float(rng.standard_normal()) * math.sqrt(1 - phi**2))
    return np.array(values)


def test_independent_values_give_welchs_interval():
    rng = np.random.default_rng(1)
    first, second = rng.normal(10, 2, 400), rng.normal(10.5, 3, 300)
    found = difference(mean_of(first).estimate(0), mean_of(second).estimate(1))
    error = math.sqrt(first.var(ddof=1) / 400 + second.var(ddof=1) / 300)
    gap = second.mean() - first.mean()
    assert found.low == pytest.approx(gap - 1.96 * error, abs=0.25 * error)
    assert found.high == pytest.approx(gap + 1.96 * error, abs=0.25 * error)
    two_sided = math.erfc(gap / error / math.sqrt(2))
    assert found.p_value == pytest.approx(two_sided, abs=0.02)


def test_autocorrelation_widens_the_error_as_theory_says():
    rng = np.random.default_rng(2)
    errors = [
        resampled_mean(s - s.mean(), 0).error for s in (autoregressive(500, 0.9, rng) for _ in range(20))
    ]
    # Var(mean) = (1 + φ) / (1 − φ) / n for an AR(1) of variance 1.
    assert np.median(errors) == pytest.approx(math.sqrt(19 / 500), rel=0.3)


def test_the_same_series_gives_the_same_numbers():
    series = np.random.default_rng(3).standard_normal(100)
    series -= series.mean()
    one, two = resampled_mean(series, 0), resampled_mean(series.copy(), 0)
    assert np.array_equal(one.deviations, two.deviations)
    other_side = resampled_mean(series, 1)
    assert not np.array_equal(one.deviations, other_side.deviations)
    assert len(one.deviations) == RESAMPLES


def test_equal_sides_differ_by_nothing():
    values = np.random.default_rng(4).standard_normal(200)
    found = difference(mean_of(values).estimate(0), mean_of(values).estimate(1))
    assert found.low == pytest.approx(-found.high)
    assert found.p_value == 1.0


def test_p_value_and_interval_agree_at_five_percent():
    rng = np.random.default_rng(5)
    seen = set()
    for shift in np.linspace(0, 0.6, 25):
        pair = mean_of(rng.normal(0, 1, 80)).estimate(0), mean_of(rng.normal(shift, 1, 80)).estimate(1)
        found = difference(*pair)
        excludes = found.low > 0 or found.high < 0
        seen.add(excludes)
        assert excludes == (found.p_value <= 0.0502)
    assert seen == {True, False}


@given(st.lists(st.floats(0, 1), min_size=1, max_size=40))
def test_holm_equals_its_definition(p_values):
    adjusted = holm(p_values)
    ordered = sorted(range(len(p_values)), key=lambda i: p_values[i])
    for place, i in enumerate(ordered):
        stepped = [min(1.0, (len(p_values) - k) * p_values[ordered[k]]) for k in range(place + 1)]
        assert adjusted[i] == max(stepped)


@settings(deadline=None)
@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=60), st.sampled_from([0.05, 0.5, 0.95]))
def test_a_quantile_is_reached_by_its_share_of_the_values(values, share):
    array = np.array(values)
    series = Quantile(array, np.ones(len(array)), np.arange(len(array)), share)
    reached = sorted(values)[max(math.ceil(share * len(values) - 1e-9), 1) - 1]
    assert series.value == reached
    estimate = series.estimate(0)
    assert estimate.value == reached
    steps = [estimate.at(z) for z in (-3.0, -1.0, 1.0, 3.0)]
    assert steps == sorted(steps)


def test_a_quantile_is_unknown_beyond_what_was_seen():
    values = np.random.default_rng(6).standard_normal(40)
    estimate = Quantile(values, np.ones(40), np.arange(40), 0.95).estimate(0)
    assert estimate.at(5.0) == math.inf
    assert math.isfinite(estimate.at(-1.0))


def test_a_quantiles_interval_covers_as_a_binomial_one():
    values = np.sort(np.random.default_rng(7).exponential(1, 400))
    rng = np.random.default_rng(8)
    shuffled = rng.permutation(values)
    estimate = Quantile(shuffled, np.ones(400), np.arange(400), 0.5).estimate(0)
    # Order statistics at n/2 ± √(n/4): one standard error of the share.
    assert values[185] <= estimate.at(-1.0) <= values[194]
    assert values[204] <= estimate.at(1.0) <= values[214]


def test_paired_things_are_compared_one_by_one():
    rng = np.random.default_rng(9)
    before = rng.uniform(1, 3, 30)
    after = before - 0.1 + rng.normal(0, 0.01, 30)
    found = difference(*Paired(before, after).estimates())
    assert -0.11 < found.low < found.high < -0.09


@given(st.lists(st.floats(-100, 100), min_size=2, max_size=200))
@settings(deadline=None)
def test_blocks_are_a_power_of_two_and_no_more_than_an_eighth(values):
    length = block_length(np.array(values))
    assert length & (length - 1) == 0
    assert 1 <= length <= max(len(values) // 8, 1)


def test_blocks_grow_with_the_autocorrelation():
    rng = np.random.default_rng(10)
    assert block_length(rng.standard_normal(2000)) <= 4
    assert block_length(autoregressive(2000, 0.9, rng)) >= 32
