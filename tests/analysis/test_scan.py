"""The scan finds what is planted, at its place, and what is even as seldom as its p-value says."""

import math

import numpy as np
import pytest

from lbtui.analysis.scan import (
    Excess,
    RandomDispatch,
    RandomStays,
    ShuffledLanes,
    find_excess,
    find_held,
    memory_bins,
)


def _found(loads: np.ndarray, p_value: float = 0.01) -> list[Excess]:
    return find_excess(loads, RandomDispatch(), least_ratio=1.2, least_excess=0.2, p_value=p_value)


def _stays(loads: np.ndarray, p_value: float = 0.01) -> list[Excess]:
    return find_excess(loads, RandomStays.like(loads), least_ratio=1.2, least_excess=0.2, p_value=p_value)


def _held(loads: np.ndarray, p_value: float = 0.01) -> list[Excess]:
    return find_held(loads, least_ratio=1.2, least_excess=0.2, p_value=p_value)


def _given(rng: np.random.Generator, lanes: int, bins: int, level: float) -> np.ndarray:
    return rng.poisson(level, (lanes, bins)).astype(float)


def _in_flight(
    rng: np.random.Generator, lanes: int, bins: int, level: float, stay: float, long_share: float = 0.0
) -> np.ndarray:
    """Return numbers in flight of random arrivals that stay `stay` bins, some 8 times as long: M/G/∞."""
    arrivals = rng.poisson(level / stay, (lanes, bins + 200))
    loads = np.zeros((lanes, bins + 400))
    for lane in range(lanes):
        for begin in np.repeat(np.arange(bins + 200), arrivals[lane]):
            longer = 8 if rng.random() < long_share else 1
            loads[lane, begin : begin + 1 + int(rng.exponential(stay * longer))] += 1
    return loads[:, 200 : bins + 200]


def test_a_lane_given_thrice_for_a_third_is_found_at_its_place() -> None:
    loads = _given(np.random.default_rng(1), 4, 90, 2.0)
    loads[2, 30:60] += _given(np.random.default_rng(2), 1, 30, 4.0)[0]
    (excess,) = _found(loads)
    assert excess.lane == 2
    planted = set(range(30, 60)) & set(range(excess.first, excess.last))
    assert len(planted) >= 28
    assert excess.last - excess.first <= 45
    part = loads[:, excess.first : excess.last]
    assert excess.own == part[2].mean()
    assert excess.peers == pytest.approx(part[[0, 1, 3]].mean())
    assert excess.ratio == pytest.approx(excess.own / excess.peers)


def test_a_lane_that_holds_more_all_along_is_found_over_the_whole() -> None:
    loads = _in_flight(np.random.default_rng(3), 8, 120, 6.0, 4.0)
    loads[5] *= 2
    (excess,) = _stays(loads)
    assert excess.lane == 5
    assert excess.last - excess.first > 90


def test_two_lanes_at_different_times_are_two_findings() -> None:
    loads = _given(np.random.default_rng(4), 6, 120, 3.0)
    loads[0, 10:50] *= 3
    loads[4, 70:110] *= 3
    assert {e.lane for e in _found(loads)} == {0, 4}


def test_touching_stretches_of_a_lane_are_one() -> None:
    loads = np.full((4, 120), 4.0)
    loads[1, 20:60], loads[1, 60:100] = 8.0, 40.0
    (excess,) = _found(loads)
    assert (excess.lane, excess.first, excess.last) == (1, 20, 100)
    assert excess.own == 24.0


@pytest.mark.parametrize("lanes", [2, 8])
def test_even_dispatch_is_found_as_seldom_as_the_p_value_says(lanes: int) -> None:
    runs = 120
    found = sum(
        bool(_found(_given(np.random.default_rng(seed), lanes, 40, 1.5), 0.05)) for seed in range(runs)
    )
    # 5 % of 120 is 6; above 14 has a chance of less than 0.001. Some must be: else the test has no power.
    assert 1 <= found <= 14


@pytest.mark.parametrize(
    ("lanes", "stay", "long_share"), [(2, 2.0, 0.0), (4, 4.0, 0.0), (8, 3.0, 0.0), (6, 2.5, 0.05)]
)
def test_even_numbers_in_flight_are_found_as_seldom(lanes: int, stay: float, long_share: float) -> None:
    loads = [_in_flight(np.random.default_rng(seed), lanes, 120, 5.0, stay, long_share) for seed in range(40)]
    # 0.4 expected at 0.01; 3 or more would have a chance of 0.008.
    assert sum(bool(_stays(each)) for each in loads) <= 2
    assert sum(bool(_held(each)) for each in loads) <= 2


def test_random_stays_keep_the_level_and_the_dispersion() -> None:
    loads = np.tile(np.linspace(3.0, 9.0, 50), (4, 1))
    drawn = RandomStays(stay_bins=4.0, dispersion=2.0).replicas(loads, 3000, np.random.default_rng(1))
    assert drawn.mean(axis=(0, 1)) == pytest.approx(loads[0], rel=0.05)
    assert drawn.var(axis=(0, 1)) == pytest.approx(2 * loads[0], rel=0.15)
    first, second = (drawn[:, 0, i] - drawn[:, 0, i].mean() for i in (30, 34))
    # Four bins apart, one mean stay: exp(−1), less what the level grows.
    assert float((first * second).mean() / (first.std() * second.std())) == pytest.approx(0.36, abs=0.08)


def test_random_stays_are_those_seen() -> None:
    like = RandomStays.like(_in_flight(np.random.default_rng(9), 8, 1600, 5.0, 8.0))
    assert 8.0 <= like.stay_bins <= 20.0  # not shorter than they are
    assert like.dispersion == pytest.approx(1.0, abs=0.15)


def test_one_burst_is_no_evidence_that_a_lane_waits_more() -> None:
    loads = np.zeros((4, 160))
    loads[2, 60:68] = 5.0
    assert _held(loads) == []


def test_an_effect_below_the_thresholds_is_not_told_however_certain() -> None:
    loads = np.full((4, 100), 100.0)
    loads[3] *= 1.15
    assert _found(loads) == []
    (certain,) = find_excess(loads, RandomDispatch(), least_ratio=1.1, least_excess=1.0, p_value=0.01)
    assert certain.lane == 3
    assert find_excess(loads, RandomDispatch(), least_ratio=1.1, least_excess=16.0, p_value=0.01) == []


@pytest.mark.parametrize("loads", [np.zeros((4, 50)), np.ones((1, 50)), np.ones((4, 3)), np.ones((3, 40))])
def test_nothing_to_compare_is_nothing_found(loads: np.ndarray) -> None:
    assert _found(loads) == []
    assert _held(loads) == []


def test_peers_without_load_give_a_finite_ratio() -> None:
    loads = np.zeros((3, 40))
    loads[1] = 3.0
    (excess,) = _found(loads)
    assert excess.ratio == 99.0


def test_scores_of_a_dispatch_are_the_likelihood_ratio() -> None:
    loads = np.array([[4.0, 6.0], [1.0, 2.0], [2.0, 0.0]])
    chance = RandomDispatch()
    scores = chance.scores(chance.prepared(loads), np.array([0]), np.array([2]))[:, 0]
    own, total, share = 10, 15, 1 / 3
    likelihood = own * math.log(own / (total * share))
    likelihood += (total - own) * math.log((total - own) / (total * (1 - share)))
    assert scores[0] == pytest.approx(math.sqrt(2 * likelihood))
    assert list(scores[1:]) == [0.0, 0.0]


def test_dispatches_keep_the_requests_of_each_bin() -> None:
    loads = _given(np.random.default_rng(5), 5, 30, 2.0)
    drawn = RandomDispatch().replicas(loads, 7, np.random.default_rng(6))
    assert drawn.shape == (7, 5, 30)
    assert (drawn.sum(axis=1) == loads.sum(axis=0)).all()


def test_shuffles_keep_the_loads_of_each_bin() -> None:
    loads = np.random.default_rng(5).random((3, 20))
    drawn = ShuffledLanes().replicas(loads, 50, np.random.default_rng(6))
    assert (np.sort(drawn, axis=1) == np.sort(loads, axis=0)).all()
    assert {int(np.flatnonzero(loads[:, 0] == x)[0]) for x in drawn[:, 0, 0]} == {0, 1, 2}


def test_what_lasts_as_long_as_the_run_proves_nothing() -> None:
    loads = np.ones((4, 60))
    loads[1] = np.linspace(1, 9, 60)
    assert memory_bins(loads) * 3 * 6 > 60
    assert _held(loads) == []


def test_memory_lasts_as_long_as_stays() -> None:
    assert memory_bins(np.random.default_rng(8).normal(size=(4, 400))) <= 2
    # Exponential stays of 8 bins: exp(−lag / 8) < 0.15 from lag 16 on.
    assert 9 <= memory_bins(_in_flight(np.random.default_rng(9), 8, 1600, 5.0, 8.0)) <= 24
    assert memory_bins(np.ones((3, 50))) == 1


def test_noise_that_is_gone_after_a_bin_hides_no_memory() -> None:
    loads = _in_flight(np.random.default_rng(9), 8, 1600, 5.0, 8.0)
    noise = np.random.default_rng(10).normal(0, 3, loads.shape)
    assert memory_bins(loads + noise) >= 8


def test_the_same_loads_give_the_same_answer() -> None:
    loads = _given(np.random.default_rng(1), 4, 90, 2.0)
    loads[2, 30:60] *= 2
    assert _found(loads) == _found(loads)
