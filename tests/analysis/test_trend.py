"""Changes over runs: each part against plain loops, and what is and is not called."""

import math
from itertools import combinations, pairwise, permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lbtui.analysis import trend
from lbtui.analysis.trend import FEWEST, LEVEL, SIDE, Values, changes

NAN = math.nan


def values(*numbers, errors=None, smallest=0.0, relative=False):
    own = np.array(numbers, dtype=np.float64)
    return Values(own, np.full(len(own), NAN) if errors is None else np.array(errors), smallest, relative)


def noise(length, seed=1, spread=0.05):
    return spread * np.random.default_rng(seed).standard_normal(length)


def kinds(found):
    return [(one.kind, one.at) for one in found]


def test_a_step_is_found_with_its_place_and_the_medians_of_both_sides():
    own = np.exp(noise(20) + np.where(np.arange(20) >= 12, math.log(1.3), 0))
    (found,) = changes(values(*own))
    assert (found.kind, found.at, found.first, found.last) == ("step", 12, 0, 19)
    assert found.before == np.median(own[:12])
    assert found.after == np.median(own[12:])
    assert found.p_value <= LEVEL
    assert math.isnan(found.per_run)


def test_a_drift_is_found_with_the_ends_of_its_line():
    own = 3 * 1.02 ** np.arange(20) * np.exp(noise(20, spread=0.01))
    (found,) = changes(values(*own))
    slope, middle = np.polyfit(np.arange(20), np.log(own), 1)
    assert (found.kind, found.at, found.first, found.last) == ("drift", 0, 0, 19)
    assert found.before == pytest.approx(math.exp(middle), rel=1e-9)
    assert found.after == pytest.approx(math.exp(middle + 19 * slope), rel=1e-9)
    assert found.per_run == pytest.approx(math.exp(slope), rel=1e-9)


def test_a_drift_through_zero_has_no_factor():
    (found,) = changes(values(*(np.arange(20.0) - 10 + noise(20))))
    assert found.kind == "drift"
    assert math.isnan(found.per_run)


def test_steps_up_and_back_and_stairs_are_several_steps():
    at = np.arange(20)
    back = noise(20) + 0.3 * ((at >= 8) & (at < 13))
    assert kinds(changes(values(*back))) == [("step", 8), ("step", 13)]
    stairs = noise(20, 2) + 0.4 * (at >= 7) + 0.4 * (at >= 14)
    assert kinds(changes(values(*stairs))) == [("step", 7), ("step", 14)]
    long = np.arange(60)
    three = noise(60, 3) + 0.3 * (long >= 20) - 0.3 * (long >= 35) + 0.2 * (long >= 50)
    found = changes(values(*three))
    assert kinds(found) == [("step", 20), ("step", 35), ("step", 50)]
    assert [(one.first, one.last) for one in found] == [(0, 34), (20, 49), (35, 59)]
    assert [one.before for one in found[1:]] == [one.after for one in found[:-1]]


@pytest.mark.parametrize("at", [3, 17])
def test_a_step_three_runs_from_an_end_is_found(at):
    assert kinds(changes(values(*(noise(20) + 0.5 * (np.arange(20) >= at))))) == [("step", at)]


@pytest.mark.parametrize("at", [0, 1, 9, 18, 19])
def test_one_run_apart_is_no_step(at):
    own = noise(20)
    own[at] += 3
    assert changes(values(*own)) == ()


def test_one_run_apart_does_not_hide_a_step():
    own = noise(24, 5) + 0.4 * (np.arange(24) >= 12)
    own[4] += 1.5
    assert kinds(changes(values(*own))) == [("step", 12)]


def test_runs_that_are_equal_or_nearly_so_did_not_change():
    assert changes(values(*[0.0] * 20)) == ()
    assert changes(values(*[1.7] * 30)) == ()
    assert changes(values(*[0.1 + 0.2, 0.3] * 10)) == ()  # what rounding leaves


def test_from_one_constant_to_another_is_a_step():
    (found,) = changes(values(*[0.0] * 8, *[5.0] * 12))
    assert (found.kind, found.at, found.before, found.after) == ("step", 8, 0, 5)


def test_below_zero_and_ties_are_values_like_any():
    (found,) = changes(values(*[-3, -2, -3, -2, -3, -2, -3, -2, 4, 5, 4, 5, 4, 5, 4, 5]))
    assert (found.kind, found.at, found.before, found.after) == ("step", 8, -2.5, 4.5)


@pytest.mark.parametrize("count", range(FEWEST))
def test_too_few_runs_are_not_looked_at(count):
    assert changes(values(*(np.arange(count) >= count // 2).astype(float))) == ()


def test_so_few_runs_are_enough_for_a_clear_step():
    own = [*(noise(FEWEST // 2) + 1), *(noise(FEWEST // 2, 2) + 3)]
    assert kinds(changes(values(*own))) == [("step", FEWEST // 2)]


def test_the_fewest_runs_are_those_that_can_reach_the_level():
    def least(count):
        half = count // 2
        step = [0.0] * half + [1.0] * (count - half)
        orders = math.comb(count, half)
        # As clear are a step of as many runs, up or down, wherever a place has as many before it.
        same = sum(
            abs(sum(step[i] for i in chosen)) in (0, half) for chosen in combinations(range(count), half)
        )
        return same, orders

    same, orders = least(FEWEST)
    assert same / orders <= LEVEL


def test_a_difference_too_small_to_matter_is_not_called():
    own = 1 + noise(20, spread=0.001) + 0.02 * (np.arange(20) >= 12)
    assert kinds(changes(values(*own, smallest=0.01))) == [("step", 12)]
    assert changes(values(*own, smallest=0.03)) == ()
    assert kinds(changes(values(*own, smallest=0.015, relative=True))) == [("step", 12)]
    assert changes(values(*own, smallest=0.025, relative=True)) == ()
    line = 1 + 0.001 * np.arange(20) + noise(20, spread=0.0005)
    assert kinds(changes(values(*line, smallest=0.015))) == [("drift", 0)]
    assert changes(values(*line, smallest=0.025)) == ()


def test_what_the_runs_own_errors_explain_is_not_called():
    own = 1 + noise(20, spread=0.001) + 0.02 * (np.arange(20) >= 12)
    # 1.96 × e × √(1/12 + 1/8) against 0.02.
    edge = 0.02 / 1.96 / math.sqrt(1 / 12 + 1 / 8)
    assert kinds(changes(values(*own, errors=[0.8 * edge] * 20))) == [("step", 12)]
    assert changes(values(*own, errors=[1.2 * edge] * 20)) == ()
    # An interval without an end tells nothing.
    assert kinds(changes(values(*own, errors=[math.inf, NAN] * 10))) == [("step", 12)]


def test_runs_that_only_resemble_each_other_are_rarely_called():
    rng = np.random.default_rng(8)
    called = {0.0: 0, 0.7: 0}
    for phi in called:
        for _ in range(60):
            own = rng.standard_normal(120)
            for at in range(1, 120):
                own[at] = phi * own[at - 1] + math.sqrt(1 - phi**2) * own[at]
            called[phi] += bool(changes(values(*own)))
    assert called[0.0] <= 3
    assert called[0.7] <= 12  # 59 without the comparison with an AR(1)


def test_the_same_values_give_the_same_changes():
    own = noise(40, 9) + 0.1 * (np.arange(40) >= 15)
    first = changes(values(*own))
    trend._orders.cache_clear()
    trend._contrasts.cache_clear()
    assert changes(values(*own)) == first


numbers = st.floats(-1e6, 1e6) | st.sampled_from([0.0, 1.0, 2.0])


@given(st.lists(numbers, min_size=0, max_size=40))
@settings(deadline=None)
def test_changes_of_any_values_are_whole(own):
    found = changes(values(*own))
    assert list(found) == sorted(found, key=lambda one: one.at)
    for one in found:
        assert 0 <= one.first <= one.at <= one.last < len(own)
        assert 0 < one.p_value <= LEVEL
        assert math.isfinite(one.before)
        assert math.isfinite(one.after)
        assert one.before != one.after
        if one.kind == "step":
            assert one.at - one.first >= SIDE
            assert one.last + 1 - one.at >= SIDE


@given(st.lists(st.floats(0.1, 10), min_size=10, max_size=30), st.floats(0.01, 100))
@settings(deadline=None)
def test_the_unit_does_not_matter(own, factor):
    first, second = changes(values(*own)), changes(values(*(factor * np.array(own))))
    assert kinds(first) == kinds(second)


def explained(level, edges):
    """Return the variance that levels between the edges explain, of values of mean 0, by plain loops."""
    told = 0.0
    for begin, end in pairwise(edges):
        mean = sum(level[begin:end]) / (end - begin)
        told += (end - begin) * mean**2
    return told


def share_of_stretch(level, begin, end):
    inside = [x for at, x in enumerate(level) if begin <= at < end]
    outside = [x for at, x in enumerate(level) if not begin <= at < end]
    return sum(len(part) * (sum(part) / len(part)) ** 2 for part in (inside, outside))


def share_of_line(level):
    count = len(level)
    places = [at - (count - 1) / 2 for at in range(count)]
    return sum(p * x for p, x in zip(places, level, strict=True)) ** 2 / sum(p * p for p in places)


def even(own):
    level = np.array(own) - np.mean(own)
    return level / np.sqrt(level @ level)


@pytest.mark.parametrize("count", [10, 13, 20])
def test_what_shapes_explain_is_what_loops_say(count):
    level = even(np.random.default_rng(count).standard_normal(count))
    steps = [explained(level, (0, at, count)) for at in range(SIDE, count - SIDE + 1)]
    stretches = [
        share_of_stretch(level, begin, end)
        for begin in range(SIDE, count - SIDE + 1)
        for end in range(begin + SIDE, count - SIDE + 1)
    ]
    found = trend._contrasts(count).largest(level[:, None])[:, 0] ** 2
    assert found[0] == pytest.approx(max(*steps, share_of_line(level)))
    assert found[1] == pytest.approx(max(stretches))


def test_the_p_value_is_the_share_of_orders():
    level = even(noise(12, 4) + 0.06 * (np.arange(12) >= 5))
    shapes = trend._contrasts(12)
    seen = shapes.largest(level[:, None])[:, 0]
    orders = trend._orders(12)
    assert sorted(orders[:, 7]) == list(range(12))
    reached = [1, 1]
    for column in range(orders.shape[1]):
        most = shapes.largest(level[orders[:, column]][:, None])[:, 0]
        for family in (0, 1):
            reached[family] += most[family] >= seen[family] * (1 - 1e-9)
    total = orders.shape[1] + 1
    expected = min(reached[0] / total / 0.7, reached[1] / total / 0.3, 1.0)
    found = trend._p_value(level)
    assert found == pytest.approx(expected) if expected <= LEVEL else found > LEVEL


def test_random_orders_are_as_all_orders_are():
    """The p-value of a clear step is that of an exact test over all orders, here of the levels."""
    own = [0.0] * 5 + [1.0] * 5
    level = even(own)
    shapes = trend._contrasts(10)
    seen = shapes.largest(level[:, None])[0, 0] * (1 - 1e-9)
    places = list(combinations(range(10), 5))
    same = 0
    for chosen in places:
        order = even([1.0 if at in chosen else 0.0 for at in range(10)])
        same += shapes.largest(order[:, None])[0, 0] >= seen
    assert same == 2
    assert trend._p_value(level) == pytest.approx(2 / len(places) / 0.7, rel=0.5)


@pytest.mark.parametrize("seed", range(6))
def test_the_shape_is_that_of_least_bic(seed):
    rng = np.random.default_rng(seed)
    count = 18
    level = even(rng.standard_normal(count) + rng.choice([0, 1.5]) * (np.arange(count) >= 7))

    def bic(told, parameters):
        return count * math.log(1 - told) + parameters * math.log(count)

    ways = {(): bic(share_of_line(level), 3)}
    step = max(range(SIDE, count - SIDE + 1), key=lambda at: explained(level, (0, at, count)))
    ways[(step,)] = bic(explained(level, (0, step, count)), 4)
    begin, end = max(
        combinations(range(SIDE, count - SIDE + 1), 2),
        key=lambda cut: share_of_stretch(level, *cut) if cut[1] - cut[0] >= SIDE else 0,
    )
    ways[begin, end] = bic(share_of_stretch(level, begin, end), 5)
    best = min(ways, key=ways.__getitem__)
    found = trend._shape(level)
    if best:
        assert found.cuts == best
    assert found.bic(count) <= ways[best] + 1e-9


def test_the_best_cut_is_what_loops_say():
    level = even(noise(30, 11))
    sums = np.concatenate([[0.0], np.cumsum(level)])
    for begin, end in ((0, 30), (4, 21), (10, 16)):
        part = level[begin:end] - level[begin:end].mean()
        size = end - begin
        best = max(range(SIDE, size - SIDE + 1), key=lambda at: explained(part, (0, at, size)))
        assert trend._best_cut(sums, begin, end) == begin + best


def test_the_resemblance_is_the_likelihood_of_an_autoregression():
    level = even(np.cumsum(noise(15, 12)))
    phi = min(
        sum(a * b for a, b in pairwise(level)) / sum(x * x for x in level[:-1]),
        0.95,
    )
    # The covariance of an AR(1), its determinant and its quadratic form, at the most likely variance.
    covariance = np.array([[phi ** abs(i - j) / (1 - phi**2) for j in range(15)] for i in range(15)])
    quadratic = level @ np.linalg.solve(covariance, level)
    expected = 15 * math.log(quadratic) + math.log(np.linalg.det(covariance)) + 3 * math.log(15)
    assert trend._resembling(level) == pytest.approx(expected)


def test_a_line_of_a_few_is_the_least_squares_line():
    own = np.array([1.0, 2.0, 2.5, 4.5, 5.0, 5.5, 7.5, 8.0, 9.0, 10.5])
    slope, middle = np.polyfit(np.arange(10), own, 1)
    given_ = values(*(own - 3))
    assert trend._line(given_, 0, 10) == pytest.approx((middle - 3, middle - 3 + 9 * slope))


def test_orders_of_a_few_runs_are_drawn_alike():
    drawn = {tuple(column) for column in trend._orders(4).T}
    assert drawn == set(permutations(range(4)))
