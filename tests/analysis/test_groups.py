"""Lanes that together carry more than the rest: found as they are, and not by chance."""

from __future__ import annotations

import numpy as np
import pytest

from lbtui.analysis.groups import find_group
from lbtui.analysis.imbalance import Floats
from lbtui.analysis.scan import RandomDispatch, RandomStays
from tests.analysis.test_scan import _in_flight as in_flight


def given(seed: int, group: int, rest: int, factor: float = 1.0, since: int = 0, rate: float = 2.0) -> Floats:
    means = np.full((group + rest, 72), rate)
    means[:group, since:] *= factor
    return np.random.default_rng(seed).poisson(means).astype(float)


@pytest.mark.parametrize("since", [0, 36])
@pytest.mark.parametrize("factor", [1.5, 2.0, 6.0])
@pytest.mark.parametrize(("group", "rest"), [(2, 2), (4, 4), (3, 5)])
def test_a_group_is_found_with_its_lanes_and_its_time(
    group: int, rest: int, factor: float, since: int
) -> None:
    rate = 6.0 if factor < 2 else 2.0
    found = find_group(given(5, group, rest, factor, since, rate), RandomDispatch(), 0.005)
    assert found is not None
    assert found.lanes == tuple(range(group))
    assert found.ratio == pytest.approx(factor, rel=0.25)
    assert abs(found.first - since) <= 10
    assert found.last >= 64


def test_half_of_64_lanes_at_twice_the_load() -> None:
    found = find_group(given(1, 32, 32, 2.0), RandomDispatch(), 0.005)
    assert found is not None
    assert found.lanes == tuple(range(32))


@pytest.mark.parametrize(("group", "rest"), [(1, 7), (7, 1), (1, 3), (1, 1), (2, 1)])
def test_one_lane_apart_is_no_group(group: int, rest: int) -> None:
    assert find_group(given(2, group, rest, 4.0), RandomDispatch(), 0.005) is None


def test_lanes_that_differ_among_themselves_are_no_group() -> None:
    means = np.outer([24.0, 4.0, 4.0, 2.0, 2.0, 2.0, 2.0, 2.0], np.ones(72))
    assert find_group(np.random.default_rng(1).poisson(means).astype(float), RandomDispatch(), 0.005) is None
    ramp = np.outer(np.linspace(2.0, 10.0, 8), np.ones(72))
    found = find_group(np.random.default_rng(1).poisson(ramp).astype(float), RandomDispatch(), 0.005)
    assert found is None or found.ratio < 3


def test_a_group_that_is_expected_is_none() -> None:
    shares = (2.0,) * 4 + (1.0,) * 4
    assert find_group(given(4, 4, 4, 2.0), RandomDispatch(shares), 0.005) is None
    found = find_group(given(4, 4, 4, 1.0), RandomDispatch(shares), 0.005)
    assert found is not None
    assert found.lanes == (4, 5, 6, 7)
    assert found.ratio == pytest.approx(2.0, rel=0.15)


@pytest.mark.parametrize("rate", [0.2, 1.0, 5.0])
@pytest.mark.parametrize("lanes", [4, 8, 16])
def test_even_dispatch_makes_no_group(lanes: int, rate: float) -> None:
    found = sum(
        find_group(given(seed, lanes, 0, rate=rate), RandomDispatch(), 0.005) is not None
        for seed in range(40)
    )
    assert found <= 1  # 0.2 expected; 2 or more have a chance of 0.018


@pytest.mark.parametrize(("lanes", "level", "stay"), [(4, 5.0, 4.0), (8, 2.0, 10.0), (8, 10.0, 3.0)])
def test_even_numbers_in_flight_make_no_group(lanes: int, level: float, stay: float) -> None:
    loads = [in_flight(np.random.default_rng(seed), lanes, 120, level, stay) for seed in range(40)]
    assert sum(find_group(each, RandomStays.like(each), 0.005) is not None for each in loads) <= 1
