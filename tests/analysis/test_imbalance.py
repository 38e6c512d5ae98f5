"""PAR against direct sums, and the chance figure against simulation."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from lbtui.analysis.imbalance import expected_maximum, par, weighted_par

LOADS = st.tuples(st.integers(1, 5), st.integers(1, 6)).flatmap(
    lambda shape: arrays(float, shape, elements=st.one_of(st.integers(0, 9).map(float), st.just(math.nan)))
)


@given(LOADS)
def test_par_of_each_instant(loads):
    found = par(loads, axis=0)
    for column, value in zip(loads.T, found, strict=True):
        known = [v for v in column if not math.isnan(v)]
        wanted = max(known) / (sum(known) / len(known)) if known and sum(known) else math.nan
        assert value == pytest.approx(wanted, nan_ok=True)


@given(LOADS.filter(lambda loads: not np.isnan(loads).any()))
def test_par_lies_between_even_and_all_on_one(loads):
    found = par(loads, axis=0)
    known = found[~np.isnan(found)]
    assert ((known >= 1 - 1e-12) & (known <= len(loads) + 1e-12)).all()


@given(LOADS, st.booleans(), st.data())
def test_weighted_par_is_a_ratio_of_sums(loads, counts, data):
    weights = np.array(
        data.draw(st.lists(st.integers(1, 9), min_size=loads.shape[1], max_size=loads.shape[1])), float
    )
    peaks = levels = kept = 0.0
    for column, weight in zip(loads.T, weights, strict=True):
        known = [v for v in column if not math.isnan(v)]
        if len(known) < 2 or sum(known) < (len(known) if counts else 1e-12):
            continue
        peaks += weight * max(known)
        levels += weight * sum(known) / len(known)
        kept += weight
    found = weighted_par(loads, weights, counts=counts)
    assert found.value == pytest.approx(peaks / levels if levels else math.nan, nan_ok=True)
    assert found.share_counted == pytest.approx(kept / weights.sum())


@pytest.mark.parametrize(("mean", "count"), [(0.3, 2), (3.0, 4), (3.0, 8), (40.0, 16)])
def test_expected_maximum_against_simulation(mean, count):
    drawn = np.random.default_rng(1).poisson(mean, (40_000, count)).max(axis=1)
    error = drawn.std() / math.sqrt(len(drawn))
    assert expected_maximum(mean, count) == pytest.approx(drawn.mean(), abs=5 * error)


@given(st.floats(0.01, 50))
def test_the_expected_maximum_of_one_is_its_mean(mean):
    assert expected_maximum(mean, 1) == pytest.approx(mean, rel=1e-9)
    assert mean < expected_maximum(mean, 2) < expected_maximum(mean, 9)


def test_no_load_has_no_maximum():
    assert expected_maximum(0.0, 8) == 0.0


def test_random_arrivals_read_what_chance_gives():
    loads = np.random.default_rng(2).poisson(3.0, (4, 20_000)).astype(float)
    found = weighted_par(loads, np.ones(20_000), counts=True)
    assert found.chance == pytest.approx(found.value, rel=0.02)
    assert found.value > 1.5


def test_an_unfair_domain_exceeds_chance():
    loads = np.random.default_rng(3).poisson(3.0, (4, 20_000)).astype(float)
    loads[2] += np.random.default_rng(4).poisson(6.0, 20_000)
    found = weighted_par(loads, np.ones(20_000), counts=True)
    assert found.chance is not None
    assert found.value > 1.2 * found.chance


def test_one_request_on_eight_domains_does_not_read_eight():
    loads = np.zeros((8, 2))
    loads[0] = [1, 8]
    loads[1, 1] = 8
    assert weighted_par(loads, np.ones(2), counts=False).value > 4
    found = weighted_par(loads, np.ones(2), counts=True)
    assert (found.value, found.share_counted) == (4.0, 0.5)
