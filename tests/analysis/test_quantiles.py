"""Quantiles against all values written out."""

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from lbtui.analysis.quantiles import quantiles, weighted_quantiles

# Counts alone are counted, others are sorted.
COUNTS = st.integers(0, 9)
VALUES = COUNTS | st.integers(-9, 99) | st.integers(-9, 9).map(lambda n: n + 0.5)


def pairs_of(values):
    return st.lists(st.tuples(values, st.integers(1, 9)), min_size=1)


@given(pairs_of(COUNTS) | pairs_of(VALUES), st.floats(0.01, 1))
def test_a_weighted_quantile_is_that_of_the_values_written_out(pairs, q):
    values, weights = (np.array(column, float) for column in zip(*pairs, strict=True))
    written = sorted(v for v, w in pairs for _ in range(w))
    place = max(0, math.ceil(round(q * len(written), 9)) - 1)
    assert weighted_quantiles(values, weights, (q,)) == [written[place]]


@given(st.lists(COUNTS, min_size=1) | st.lists(VALUES, min_size=1), st.lists(st.floats(0.01, 1), min_size=1))
def test_without_weights_all_are_equal(values, shares):
    values = np.array(values, float)
    assert quantiles(values, shares) == weighted_quantiles(values, np.ones(len(values)), shares)
