from itertools import permutations

import numpy as np
import pytest

from tests.bench.replay_scores import Told, covered, fixed_order, kept, off, ranked, share, unlike


def test_pairs_that_differ_by_more_than_a_share_are_ranked():
    truth = {"a": 100.0, "b": 104.0, "c": 120.0, "d": 300.0}
    assert unlike(truth, "ttft", 0.05) == [("a", "c"), ("a", "d"), ("b", "c"), ("b", "d"), ("c", "d")]
    told = {"a": 1.0, "b": 5.0, "c": 5.0, "d": 4.0}
    wrong = [(pair.better, pair.worse) for pair in ranked(truth, told, "ttft") if not pair.right]
    assert wrong == [("b", "c"), ("b", "d"), ("c", "d")]


def test_more_goodput_is_better():
    (pair,) = ranked({"a": 10.0, "b": 12.0}, {"a": 3.0, "b": 4.0}, "goodput")
    assert (pair.better, pair.worse, pair.right) == ("b", "a", True)


def test_options_that_nothing_is_told_of_are_left_out():
    assert ranked({"a": 1.0, "b": 2.0}, {"a": 1.0}, "ttft") == []


@pytest.mark.parametrize("seed", range(20))
def test_no_other_order_ranks_more_pairs(seed):
    random = np.random.default_rng(seed)
    options = "abcde"
    pairs = [tuple(random.choice(list(options), 2, replace=False)) for _ in range(30)]
    order, best = fixed_order(pairs)

    def right(one):
        return sum(one.index(better) < one.index(worse) for better, worse in pairs) / len(pairs)

    assert right(order) == pytest.approx(best)
    assert best == pytest.approx(max(map(right, permutations(order))))


def test_no_pairs_have_no_order():
    assert fixed_order([]) == ((), 0.0)


def test_how_far_off():
    assert off({"a": 100.0, "b": 50.0, "c": 1.0}, {"a": 120.0, "b": 40.0}) == pytest.approx(
        {"a": 0.2, "b": -0.2}
    )


def test_intervals_hold_the_true_difference():
    truth = {"recorded": 100.0, "rr": 90.0, "share": 101.0}
    told = Told({}, {"rr": (-12.0, -9.0), "share": (2.0, 5.0), "recorded": (1.0, 2.0), "other": (0.0, 1.0)})
    assert covered(truth, told) == {"rr": True, "share": False}


def test_what_a_choice_keeps_of_the_best():
    assert kept({"1p3d": 2.0, "2p2d": 4.0}, "1p3d") == 0.5
    assert kept({"1p3d": 0.0}, "1p3d") == 1.0


def test_share_of_flags():
    assert share([True, False, True, True]) == 0.75
    assert np.isnan(share([]))
