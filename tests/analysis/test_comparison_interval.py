"""The interval of a difference, against plain ways to the same numbers."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lbtui.analysis.interval import (
    RESAMPLES,
    block_length,
    difference,
    resampled_mean,
    resampled_noise,
)
from lbtui.comparison.series import Paired, Quantile, Ratio
from lbtui.comparison.verdict import holm


def mean_of(values):
    return Ratio(np.asarray(values, dtype=float), np.ones(len(values)))


def autoregressive(length, phi, rng):
    values = [float(rng.standard_normal())]
    for _ in range(length - 1):
        values.append(phi * values[-1] + float(rng.standard_normal()) * math.sqrt(1 - phi**2))
    return np.array(values)


def test_independent_values_give_welchs_interval():
    rng = np.random.default_rng(1)
    widths, chances = [], []
    for _ in range(15):
        first, second = rng.normal(10, 2, 400), rng.normal(10.5, 3, 300)
        found = difference(mean_of(first).estimate(0), mean_of(second).estimate(1))
        error = math.sqrt(first.var(ddof=1) / 400 + second.var(ddof=1) / 300)
        gap = second.mean() - first.mean()
        assert (found.low + found.high) / 2 == pytest.approx(gap)
        widths.append((found.high - found.low) / (2 * 1.96 * error))
        chances.append(found.p_value - math.erfc(gap / error / math.sqrt(2)))
    # Sixteen blocks a side: Student's t of some 30 degrees of freedom in the place of the normal's 1.96.
    assert np.mean(widths) == pytest.approx(2.04 / 1.96, abs=0.12)
    assert np.median(chances) == pytest.approx(0, abs=0.02)


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


def test_a_level_that_lasts_is_chance_to_the_interval_and_not_to_the_p_value():
    rng = np.random.default_rng(11)
    before, after = rng.normal(1.5, 0.2, 512), rng.normal(1.5, 0.2, 512)
    after[170:340] += 1.1
    still, swung = mean_of(before).estimate(0), mean_of(after).estimate(1)
    assert swung.varied.error > 4 * swung.noise.error
    # The noise about both levels is that of independent values.
    assert swung.noise.error == pytest.approx(0.2 / math.sqrt(512), rel=0.35)
    found = difference(still, swung)
    assert found.p_value < 0.001
    # The interval is as wide as if the swing were noise that lasts long.
    assert found.high - found.low > 2 * 1.96 * swung.varied.error


@pytest.mark.parametrize("phi", [0.0, 0.5, 0.8])
def test_without_a_course_the_noise_is_all_that_varies(phi):
    rng = np.random.default_rng(12)
    ratios = []
    for _ in range(20):
        series = autoregressive(512, phi, rng)
        series -= series.mean()
        ratios.append(resampled_noise(series, 0).error / resampled_mean(series, 0).error)
    assert np.median(ratios) == pytest.approx(1.0, abs=0.15)


def test_a_short_series_has_no_course():
    series = np.random.default_rng(13).standard_normal(60)
    series -= series.mean()
    assert resampled_noise(series, 0).error == resampled_mean(series, 0).error


def test_a_slow_swing_beneath_much_noise_counts():
    rng = np.random.default_rng(14)
    swings = [autoregressive(512, 0.95, rng) for _ in range(30)]
    pairs = [(0.5 * swing + rng.standard_normal(512)) for swing in swings]
    errors = [resampled_mean(s - s.mean(), 0).error for s in pairs]
    # Var(mean) = (0.25 (1 + φ) / (1 − φ) + 1) / n; without blocks of a fixed share half of it is lost.
    assert np.median(errors) > 0.75 * math.sqrt((0.25 * 39 + 1) / 512)


def test_values_written_in_whole_steps_leave_the_interval_a_width():
    rng = np.random.default_rng(15)
    # Nearly all requests take 5 ms: no quantile near the median has another value.
    values = np.where(rng.random(400) < 0.9, 5.0, 6.0)
    estimate = Quantile(values, np.ones(400), np.arange(400), 0.5).estimate(0)
    assert (estimate.value, estimate.at(-1.0), estimate.at(1.0)) == (5.0, 4.5, 5.5)
    found = difference(estimate, Quantile(values, np.ones(400), np.arange(400), 0.5).estimate(1))
    assert found.low == pytest.approx(-math.hypot(0.5, 0.5))
    assert found.p_value == 1.0


def test_a_percentile_at_the_most_that_occurs_is_not_certain():
    rng = np.random.default_rng(17)
    values = np.where(rng.random(400) < 0.08, 7.0, 0.0)
    estimate = Quantile(values, np.ones(400), np.arange(400), 0.95).estimate(0)
    assert estimate.value == 7.0
    # How many lie below 7 is a binomial number; that none lies above is certain.
    below = float(np.mean(values < 7))
    assert estimate.varied.error == pytest.approx(math.sqrt(below * (1 - below) / 400), rel=0.4)
    assert estimate.at(-3.0) < 4.0
    assert estimate.at(1.0) == 10.5


def test_a_percentile_is_told_by_what_lies_beyond_it():
    rng = np.random.default_rng(16)
    values = rng.exponential(1, 4000)
    piece = np.arange(4000) * 64 // 4000
    median, high = (Quantile(values, np.ones(4000), piece, share).estimate(0) for share in (0.5, 0.95))
    # 32 independent pieces or more; p95 has 200 values beyond it, which is enough as well.
    assert median.independent > 30
    assert high.independent > 10
    few = Quantile(values[:100], np.ones(100), np.arange(100), 0.95).estimate(0)
    assert few.independent <= 10
