from dataclasses import replace

import numpy as np

from lbtui.analysis.eplb.moments import matrix_between, tokens_between
from tests.analysis.eplb.made import series, skewed

TOKENS = [[[1, 2, 3, 4], [5, 6, 7, 8]], [[10, 20, 30, 40], [50, 60, 70, 80]], [[0, 0, 0, 9], [0, 0, 0, 9]]]
PLACED = [[[0, 1, 1, 2]] * 2, [[2, 1, 0, 1]] * 2]


def test_iterations_are_added_up_in_the_columns_of_each_view():
    made = series(TOKENS, 2, period=[0, 0, 1], placements=PLACED)
    assert tokens_between(made, "expert", 0, 2).tolist() == [[11, 22, 33, 44], [55, 66, 77, 88]]
    assert tokens_between(made, "rank", 0, 2).tolist() == [[33, 77], [121, 165]]
    assert tokens_between(made, "model_expert", 0, 2).tolist() == [[11, 55, 44], [55, 143, 88]]
    assert tokens_between(made, "model_expert", 2, 3).tolist() == [[0, 9, 0], [0, 9, 0]]


def test_shares_are_of_the_layer_s_tokens_and_unknown_without_any():
    made = series([[[1, 2, 3, 4], [0, 0, 0, 0]]], 2)
    found = matrix_between(made, "rank", 0, 1)
    assert found.tokens.tolist() == [[3, 7], [0, 0]]
    np.testing.assert_allclose(found.shares, [[0.3, 0.7], [np.nan, np.nan]])
    missing = matrix_between(replace(made, ranks=(0, 2)), "rank", 0, 1)
    np.testing.assert_allclose(missing.shares[0], [0.3, np.nan, 0.7])


def test_missing_ranks_are_unknown():
    made = replace(series(TOKENS, 2), ranks=(0, 2))
    np.testing.assert_array_equal(tokens_between(made, "rank", 0, 1), [[3, np.nan, 7], [11, np.nan, 15]])
    assert np.isnan(tokens_between(made, "expert", 0, 1)[:, 2:4]).all()


def test_what_is_not_there_is_none():
    assert tokens_between(series(TOKENS, 2), "model_expert", 0, 1) is None
    assert tokens_between(series(TOKENS, 2), "rank", 1, 1) is None
    assert tokens_between(series(TOKENS, 2), "rank", 2, 4) is None


def test_all_iterations_add_up():
    assert tokens_between(skewed(), "model_expert", 0, 127).tolist() == skewed().tokens.sum(axis=0).tolist()
