"""Exact chances against sums over all outcomes."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbtui.analysis.counts import binomial_tail, share_interval


@given(st.integers(1, 40), st.data(), st.floats(0.01, 0.99))
def test_tail_is_the_sum_of_the_outcomes(trials: int, data: st.DataObject, probability: float) -> None:
    successes = data.draw(st.integers(0, trials))
    expected = math.fsum(
        math.comb(trials, k) * probability**k * (1 - probability) ** (trials - k)
        for k in range(successes, trials + 1)
    )
    assert binomial_tail(successes, trials, probability) == pytest.approx(expected, rel=1e-9)


def test_tail_of_more_successes_than_trials_is_impossible() -> None:
    assert binomial_tail(11, 10, 0.5) == 0.0


def test_tail_of_large_counts_stays_a_probability() -> None:
    assert binomial_tail(500_400, 1_000_000, 0.5) == pytest.approx(0.2121, abs=0.001)


def test_wilson_interval_as_published() -> None:
    # 15 of 50: Newcombe (1998), table of score intervals without continuity correction.
    low, high = share_interval(15, 50)
    assert (low, high) == (pytest.approx(0.1910, abs=5e-4), pytest.approx(0.4375, abs=5e-4))


@given(st.integers(1, 1000), st.data())
def test_interval_holds_the_share(trials: int, data: st.DataObject) -> None:
    successes = data.draw(st.integers(0, trials))
    low, high = share_interval(successes, trials)
    assert 0.0 <= low <= successes / trials + 1e-12
    assert successes / trials - 1e-12 <= high <= 1.0
    assert low < high


def test_interval_without_trials_is_everything() -> None:
    assert share_interval(0, 0) == (0.0, 1.0)
