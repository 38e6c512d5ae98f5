import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from lbtui.report import placement_json
from lbtui.sources.experts.placement import read_placement
from tests.tools.expert_format import placement_of

shapes = st.tuples(st.integers(1, 4), st.integers(1, 5), st.integers(1, 4))


@given(shapes.flatmap(lambda shape: arrays(np.int64, shape, elements=st.integers(0, 300))))
def test_what_is_written_is_what_the_format_says_and_reads_back_exactly(tmp_path_factory, table):
    layers, ranks, slots = table.shape
    text = placement_json(table.reshape(layers, ranks * slots), ranks)
    assert json.loads(text) == placement_of(table.tolist())
    path = tmp_path_factory.mktemp("placement") / "decode_global_deployment.json"
    path.write_text(text)
    assert np.array_equal(read_placement(path).experts, table)


@pytest.mark.parametrize(
    ("shape", "ranks"), [((2, 5), 2), ((2, 0), 1), ((0, 4), 2), ((2, 4), 0), ((2, 4), 8)]
)
def test_slots_that_cannot_be_spread_evenly_are_refused(shape, ranks):
    with pytest.raises(ValueError, match="cannot be spread evenly"):
        placement_json(np.zeros(shape, dtype=np.int32), ranks)


def test_a_slot_without_an_expert_is_refused():
    with pytest.raises(ValueError, match="holds no expert"):
        placement_json(np.array([[0, 1, -1, 2]]), 2)
