import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbtui.analysis.eplb.policies import (
    Impossible,
    balanced_packing,
    check_sizes,
    copies_of,
    global_placement,
    hierarchical_placement,
    replicate,
)
from tests.analysis.eplb import reference

# The worked example in the README of github.com/deepseek-ai/EPLB: 4 groups, 2 nodes, 8 GPUs, 16 replicas.
PUBLISHED_WEIGHTS = np.array(
    [
        [90, 132, 40, 61, 104, 165, 39, 4, 73, 56, 183, 86],
        [20, 107, 104, 64, 19, 197, 187, 157, 172, 86, 16, 27],
    ]
)
PUBLISHED_PLACEMENT = [
    [5, 6, 5, 7, 8, 4, 3, 4, 10, 9, 10, 2, 0, 1, 11, 1],
    [7, 10, 6, 8, 6, 11, 8, 9, 2, 4, 5, 1, 5, 0, 3, 1],
]


def by_rank(placement, ranks):
    return [part.tolist() for part in np.split(placement, ranks)]


def test_the_published_example_is_reproduced_exactly():
    placed = hierarchical_placement(PUBLISHED_WEIGHTS, slots=16, ranks=8, nodes=2, groups=4)
    assert placed.tolist() == PUBLISHED_PLACEMENT
    for weights, expected in zip(PUBLISHED_WEIGHTS, PUBLISHED_PLACEMENT, strict=True):
        assert reference.place(weights, 4, 8, 2, 4) == np.reshape(expected, (8, 2)).tolist()


@given(st.data())
def test_a_placement_is_that_of_the_reference(data):
    nodes = data.draw(st.integers(1, 3))
    ranks = nodes * data.draw(st.integers(1, 3))
    groups = nodes * data.draw(st.integers(1, 3))
    experts = groups * data.draw(st.integers(1, 3))
    slots = -(-experts // ranks) * ranks + ranks * data.draw(st.integers(0, 3))
    layer = st.lists(st.integers(0, 1000), min_size=experts, max_size=experts)
    weights = np.array(data.draw(st.lists(layer, min_size=1, max_size=3)))
    everywhere = global_placement(weights, slots=slots, ranks=ranks)
    for own, placed in zip(weights, everywhere, strict=True):
        assert by_rank(placed, ranks) == reference.place(own, slots - experts, ranks)
    if (slots - experts) % nodes == 0:
        within = hierarchical_placement(weights, slots=slots, ranks=ranks, nodes=nodes, groups=groups)
        for own, placed in zip(weights, within, strict=True):
            assert by_rank(placed, ranks) == reference.place(own, slots - experts, ranks, nodes, groups)


def test_packing_takes_the_heaviest_first_and_ties_in_order():
    weights = np.array([[1.0, 5, 5, 1, 3, 3], [0, 0, 0, 0, 0, 0]])
    # 5 5 | 3 3 | 1 1 onto two packs of three; a pack stays the lightest until it is full or carries more.
    slots = balanced_packing(weights, 2)
    assert slots.tolist() == [[1, 4, 0, 2, 5, 3], [0, 1, 2, 3, 4, 5]]


def test_one_item_a_pack_stays_where_it_is():
    assert balanced_packing(np.array([[1.0, 9, 4]]), 3).tolist() == [[0, 1, 2]]


def test_copies_go_one_by_one_to_what_a_copy_carries_most_of():
    slots = replicate(np.array([[60.0, 100, 20], [7, 7, 7]]), 6)
    # 100 → 50 each; 60 → 30 each; 50 → 33 each. Ties: the first expert.
    assert slots.tolist() == [[0, 1, 2, 1, 0, 1], [0, 1, 2, 0, 1, 2]]
    assert copies_of(slots, 3).tolist() == [[2, 3, 1], [2, 2, 2]]


@pytest.mark.parametrize(
    ("sizes", "sentence"),
    [
        ({"experts": 8, "slots": 7, "ranks": 7}, "8 experts need at least 8 slots; there would be 7."),
        ({"experts": 8, "slots": 9, "ranks": 2}, "9 slots .* cannot be shared evenly by 2 ranks."),
        ({"experts": 8, "slots": 9, "ranks": 3, "nodes": 2}, "3 ranks cannot be shared evenly by 2 nodes."),
        ({"experts": 8, "slots": 8, "ranks": 2, "groups": 3}, "8 experts do not make 3 equal groups."),
        ({"experts": 9, "slots": 12, "ranks": 4, "nodes": 2, "groups": 3}, "3 groups cannot be shared"),
        ({"experts": 8, "slots": 8, "ranks": 0}, "Ranks must be at least 1"),
        ({"experts": 8, "slots": 8, "ranks": 4, "nodes": 0}, "Nodes must be at least 1"),
        ({"experts": 8, "slots": 8, "ranks": 4, "groups": 0}, "Groups must be at least 1"),
    ],
)
def test_impossible_sizes_are_told_in_one_sentence(sizes, sentence):
    with pytest.raises(Impossible, match="^" + sentence) as raised:
        check_sizes(**sizes)
    assert str(raised.value).endswith(".")
    assert "\n" not in str(raised.value)
