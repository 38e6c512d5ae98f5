"""The loads that these tests use are those that the script makes, and as skewed as is said of them."""

import numpy as np

from tests.analysis.eplb.made import skewed
from tests.tools import make_expert_loads


def test_the_file_is_what_the_script_makes():
    np.testing.assert_array_equal(skewed().tokens, make_expert_loads.loads())


def test_every_token_goes_to_six_experts_of_every_layer():
    per_layer = skewed().tokens.sum(axis=2)
    assert (per_layer == per_layer[:, :1]).all()
    assert (per_layer % 6 == 0).all()
    assert (skewed().tokens.max(axis=2) <= per_layer / 6).all()
