"""Places that stand out, against a search over every interval."""

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from lbtui.analysis.standout import excess_over_peers, lane_scores, standouts

EXCESS = st.tuples(st.integers(1, 3), st.integers(1, 9)).flatmap(
    lambda shape: arrays(float, shape, elements=st.integers(-5, 5).map(float))
)


def every_interval(row):
    return {
        (a, b): sum(row[a:b]) / math.sqrt(b - a) for a in range(len(row)) for b in range(a + 1, len(row) + 1)
    }


@given(EXCESS)
def test_the_first_place_is_the_best_of_all_intervals(excess):
    best = max(max(every_interval(row).values()) for row in excess)
    places = standouts(excess, 1)
    assert bool(places) == (best > 0)
    for place in places:
        assert math.isclose(place.score, best)
        assert math.isclose(every_interval(excess[place.lane])[place.first, place.last], best)
        assert math.isclose(place.excess, excess[place.lane, place.first : place.last].mean())


@given(EXCESS)
def test_places_fall_and_do_not_overlap(excess):
    places = standouts(excess, 20)
    scores = [p.score for p in places]
    assert scores == sorted(scores, reverse=True)
    assert all(score > 0 for score in scores)
    bins = [(p.lane, b) for p in places for b in range(p.first, p.last)]
    assert len(bins) == len(set(bins))
    for p in places:
        half = excess[p.lane, p.first : p.last].sum() / 2
        gathered = np.cumsum(excess[p.lane, p.first : p.last])
        at = p.centre - p.first
        assert gathered[at] >= half
        assert (gathered[:at] < half).all()
        assert excess[p.lane, p.centre] > 0


@given(EXCESS)
def test_a_lanes_score_is_its_best_place(excess):
    for row, score in zip(excess, lane_scores(excess), strict=True):
        assert math.isclose(score, max(0.0, *every_interval(row).values()), abs_tol=1e-12)


def test_a_long_fault_outweighs_a_short_spike_and_is_covered_exactly():
    noise = np.random.default_rng(5).normal(0, 0.5, (4, 200))
    noise[1, 30] += 5
    noise[2, 100:140] += 3
    first, second = standouts(noise, 2)
    assert (first.lane, second.lane) == (2, 1)
    assert abs(first.first - 100) <= 1
    assert abs(first.last - 140) <= 1
    assert second.first <= 30 < second.last


def test_lanes_are_compared_within_their_instance_and_the_unknown_adds_nothing():
    loads = np.array([[100.0, 100.0], [104.0, math.nan], [1.0, 1.0], [3.0, 7.0]])
    assert excess_over_peers(loads, ["p", "p", "d", "d"]).tolist() == [[-2, 0], [2, 0], [-1, -3], [1, 3]]
