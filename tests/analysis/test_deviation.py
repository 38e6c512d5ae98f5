"""How far lanes stand from their peers, beside plain draws of what chance gives."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbtui.analysis.deviation import CHANCE, LEAST_SHARE, beyond_peers, by_chance, lump


@pytest.mark.parametrize("count", [2, 4, 8, 64])
@pytest.mark.parametrize("mean", [1.0, 4.0, 30.0])
@pytest.mark.parametrize("size", [1.0, 3.0])
def test_chance_lifts_a_lane_that_far_in_one_column_of_five(count, mean, size):
    draws = size * np.random.default_rng(5).poisson(mean / size, (count, 40_000)).max(axis=0)
    limit = mean + float(by_chance(np.array([mean]), size, count)[0])
    if limit > mean * (1 + LEAST_SHARE):
        # Numbers of lumps are whole: the limit lies within one of them.
        above, far = (draws > limit - size / 2).mean(), (draws > limit + size / 2).mean()
        assert far <= CHANCE * 1.15
        assert above >= CHANCE * 0.6


def test_lumps_are_as_large_as_those_drawn():
    rng = np.random.default_rng(8)
    for size in (1.0, 0.02, 250.0):
        loads = size * rng.poisson(6.0, (8, 512))
        assert lump(loads) == pytest.approx(size, rel=0.15)
        standing = loads + np.eye(8)[:1].T * 60 * size
        assert lump(standing) == pytest.approx(size * 6 / (6 + 60 / 8), rel=0.15)
        loads[2, 100:260] += 60 * size
        assert lump(loads) < 2 * size


def test_of_lanes_that_do_not_vary_lumps_are_nothing():
    assert lump(np.full((4, 512), 3.0)) == 0.0
    assert lump(np.zeros((4, 512))) == 0.0
    assert lump(np.ones((1, 512))) == 0.0
    assert lump(np.full((4, 512), math.nan)) == 0.0
    assert lump(np.ones((4, 3))) == 0.0


def test_small_lanes_by_hand():
    # Of what does not vary chance is 15 % of the mean, which is 4: 0.6.
    apart = beyond_peers(np.array([[2.0, 4.0, 0.0], [6.0, 4.0, 0.0], [4.0, math.nan, 0.0]]), 0.0)
    assert apart[:, 0] == pytest.approx([-2 / 0.6, 2 / 0.6, 0.0])
    assert apart[0, 1] == apart[1, 1] == 0.0
    assert math.isnan(apart[2, 1])
    assert list(apart[:, 2]) == [0.0, 0.0, 0.0]
    assert beyond_peers(np.array([[5.0, math.nan]]), 1.0)[0, 0] == 0.0


def test_a_lane_that_carries_its_share_does_not_stand_out():
    loads = np.array([[9.0, 9.0], [3.0, 6.0]])
    apart = beyond_peers(loads, 0.0, (3.0, 1.0))
    assert apart[:, 0] == pytest.approx([0.0, 0.0])
    # Of 15 it was to be 11.25 and 3.75.
    assert apart[:, 1] == pytest.approx([-2.25 / (0.15 * 11.25), 2.25 / (0.15 * 3.75)])


@given(st.lists(st.floats(0, 1e6), min_size=2, max_size=8), st.floats(0, 1e3))
def test_more_load_is_never_colder(column, lumps):
    apart = beyond_peers(np.array(column)[:, None], lumps)[:, 0]
    assert np.isfinite(apart).all()
    order = np.argsort(column, kind="stable")
    assert (np.diff(apart[order]) >= -1e-9).all()
