"""What moves from one EPLB period to the next, and what a table would have done with another heat."""

import numpy as np
import pytest

from lbtui.analysis.eplb.moving import (
    Placed,
    moved_by_chance,
    moved_share,
    par_of_first,
    step_between,
    step_of_heat,
    without_rank_effects,
)

RANKS = np.array([0, 0, 0, 1, 1, 1])


def placed(loads, experts):
    return Placed(np.array([loads], dtype=float), np.array([experts]), RANKS)


def test_the_share_that_moved_is_what_other_experts_get():
    before, after = np.array([[6.0, 2, 2], [0, 0, 0]]), np.array([[20.0, 60, 20], [1, 1, 1]])
    moved = moved_share(before, after)
    assert moved[0] == pytest.approx(0.4)  # of 60 % only 20 % stay
    assert np.isnan(moved[1])


@pytest.mark.parametrize("tokens", [5, 40, 1000])
def test_poisson_counts_of_an_unmoved_heat_differ_as_chance_says(tokens):
    rng = np.random.default_rng(1)
    heat = rng.dirichlet(np.full(64, 2.0), size=200) * 64 * tokens
    before, after = rng.poisson(heat).astype(float), rng.poisson(2 * heat).astype(float)
    expected = moved_by_chance(before, after).mean()
    assert moved_share(before, after).mean() == pytest.approx(expected, rel=0.06)


def test_heat_is_summed_over_copies_and_shared_equally_by_those_of_another_table():
    first = placed([10, 30, 5, 20, 40, 7], [0, 1, -1, 0, 2, -1])
    assert first.heat(3).tolist() == [[30, 30, 40]]
    other = placed([1, 1, 5, 1, 1, 7], [0, 1, -1, 1, 2, -1])
    # The experts carry 4 in all, 1.2 of it experts 0 and 1 each and 1.6 expert 2; what stays carries 5 and 7.
    assert other.under(first.heat(3)) == pytest.approx(np.array([[1.2 + 0.6 + 5, 0.6 + 1.6 + 7]]))


def test_an_expert_in_no_slot_of_a_table_carries_nothing_there():
    first = placed([10, 30, 0, 20, 40, 0], [0, 1, -1, 3, 2, -1])
    other = placed([1, 1, 0, 1, 1, 0], [0, 1, -1, 1, 0, -1])
    assert other.under(first.heat(4)) == pytest.approx(np.array([[2.0, 2.0]]))


def test_a_table_fits_the_heat_it_was_made_of_and_not_the_next():
    first = placed([40, 10, 5, 40, 10, 5], [0, 1, -1, 2, 3, -1])
    # Experts 1 and 3 are hot now, and both on rank 0.
    then = placed([40, 40, 5, 10, 10, 5], [1, 3, -1, 0, 2, -1])
    worst = placed([40, 40, 5, 10, 10, 5], [0, 2, -1, 1, 3, -1])
    moved = step_between(first, then, None)
    assert moved.moved == pytest.approx([0.6])
    assert moved.counted == pytest.approx([85 / 55])
    assert moved.fitted == pytest.approx([85 / 55])  # it packs the cold of before, and so the hot too
    stays = step_between(first, worst, None)
    assert stays.moved == pytest.approx([0.0])
    assert stays.fitted == stays.counted
    assert par_of_first([first, then, worst])[:, 0] == pytest.approx([85 / 55, 85 / 55])


def test_what_a_rank_has_beyond_its_experts_in_all_layers_is_taken_off():
    rng = np.random.default_rng(2)
    expected = rng.uniform(0.8, 1.2, (12, 4))
    padded = expected + np.array([0, 0, 0.6, 0])
    eased = without_rank_effects(padded, expected)
    assert eased.max(axis=1) / eased.mean(axis=1) == pytest.approx(
        expected.max(axis=1) / expected.mean(axis=1), rel=0.05
    )
    moving = rng.uniform(0.2, 1.8, (12, 4))
    kept = without_rank_effects(moving, expected)
    assert (kept.max(axis=1) / kept.mean(axis=1)).mean() > 1.3


def test_of_model_experts_alone_it_is_not_known_whether_a_table_fitted():
    before, after = np.array([[6.0, 2, 2]]), np.array([[2.0, 6, 2]])
    step = step_of_heat(before, after, np.array([[3.0, 1]]), 30.0)
    assert step.fitted is None
    assert step.counted == pytest.approx([1.5])
    assert step.moved == pytest.approx([0.4])
    assert step.chance == pytest.approx(moved_by_chance(before * 9, after * 9))


def test_layers_without_tokens_are_unknown_and_not_even():
    empty = Placed(np.zeros((2, 6)), np.tile([0, 1, -1, 2, 3, -1], (2, 1)), RANKS)
    loads = np.array([[4.0, 1, 1, 1, 1, 1], [0, 0, 0, 0, 0, 0]])
    step = step_between(empty, Placed(loads, empty.experts, RANKS), None)
    assert np.isnan(step.moved).all()
    assert np.isnan(step.fitted).all()
    assert np.isnan(step.counted[1])
