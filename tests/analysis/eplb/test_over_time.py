import warnings
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbtui.analysis.eplb.over_time import column_edges, in_columns, over_time
from lbtui.analysis.eplb.persistence import HotSpot, by_expert, co_hot, persistence
from lbtui.analysis.eplb.replicas import replicas_of, replicated
from tests.analysis.eplb.made import series, skewed


def test_every_iteration_of_skewed_loads():
    found = over_time(skewed())
    for iteration in (0, 63, 64, 126):
        ranks = skewed().tokens[iteration].astype(float).reshape(26, 8, 8).sum(axis=2)
        pars = ranks.max(axis=1) / ranks.mean(axis=1)
        assert found.mean[iteration] == pytest.approx(pars.mean())
        assert found.worst[iteration] == pars.max()
        assert found.worst_layer[iteration] == pars.argmax()
        assert found.balance[iteration] == pytest.approx(np.std(ranks, axis=1).mean())
    assert found.changes == ()


def test_an_iteration_without_tokens_has_no_figures():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = over_time(series([[[1, 3]], [[0, 0]]], 2, period=[0, 1]))
    assert found.mean.tolist()[0] == found.worst[0] == 1.5
    assert found.balance[0] == 1
    assert np.isnan([found.mean[1], found.worst[1], found.balance[1]]).all()
    assert found.worst_layer.tolist() == [0, -1]
    assert found.changes == (1,)


@given(st.lists(st.integers(1, 40), min_size=1, max_size=8), st.integers(1, 60))
def test_columns_cover_every_iteration_once_and_none_covers_two_periods(lengths, width):
    count = sum(lengths)
    changes = tuple(np.cumsum(lengths)[:-1].tolist())
    edges = column_edges(count, changes, width).tolist()
    assert edges[0] == 0
    assert edges[-1] == count
    assert len(edges) - 1 <= width
    assert all(a < b for a, b in pairwise(edges))
    if len(lengths) <= width:
        assert set(changes) <= set(edges)


def test_columns_hold_means_and_the_worst_of_what_they_cover():
    figures = over_time(skewed())
    found = in_columns(figures, 10)
    edges = found.edges.tolist()
    assert len(found.mean) == 10
    for column, (a, b) in enumerate(pairwise(edges)):
        assert found.mean[column] == pytest.approx(figures.mean[a:b].mean())
        assert found.worst[column] == figures.worst[a:b].max()
        assert found.worst_layer[column] == figures.worst_layer[a:b][figures.worst[a:b].argmax()]
        assert found.balance[column] == pytest.approx(figures.balance[a:b].mean())
        assert found.column_of(a) == found.column_of(b - 1) == column
    assert not any(found.changed)
    changed = in_columns(over_time(series(np.ones((9, 1, 2)), 2, period=[0] * 4 + [1] * 5)), 4)
    assert [a for a, new in zip(changed.edges.tolist(), changed.changed, strict=False) if new] == [4]


def test_no_iterations_make_no_columns():
    found = in_columns(over_time(series(np.ones((0, 2, 4)), 2, placements=[None])), 10)
    assert found.mean.tolist() == []
    assert found.column_of(0) <= 0


# One layer, two ranks of two slots: rank 1 is hot in the second half, and moves within it.
MOVING = [[[5, 5, 5, 5]], [[0, 9, 1, 1]], [[1, 1, 9, 0]], [[1, 1, 0, 9]], [[0, 0, 0, 0]]]


def test_how_often_ranks_slots_and_experts_are_hot():
    placed = [[[0, 1, 2, 0]]]
    found = persistence(series(MOVING, 2, placements=placed), 0, rank_ratio=1.3, expert_ratio=2.0)
    assert found.iterations == 5
    assert found.ranks.tolist() == [[1, 2]]
    assert found.spots == (HotSpot(hot=3, column=1, fullest=2, turns=1),)
    assert found.spots[0].stays
    assert found.slots.tolist() == [[0, 1, 1, 1]]
    # Expert 0 in slots 0 and 3: 10, 1, 1, 10 of means 6.7, 3.7, 3.7, 3.7; 1 and 2 only 9.
    assert found.experts.tolist() == [[1, 1, 1]]


def test_a_period_counts_its_own_iterations_only():
    both = series(MOVING, 2, period=[0, 0, 1, 1, 1], placements=[None, None])
    found = persistence(both, 1, rank_ratio=1.3, expert_ratio=2.0)
    assert (found.iterations, found.ranks.tolist(), found.experts) == (3, [[0, 2]], None)
    even = persistence(series([[[1, 1]]] * 4, 2), 0, rank_ratio=1.3, expert_ratio=2.0)
    assert even.spots == (HotSpot(0, -1, 0, 0),)
    assert not even.spots[0].stays


def test_persistence_of_skewed_loads_is_that_of_a_loop():
    found = persistence(skewed(), 0, rank_ratio=1.3, expert_ratio=4.5)
    tokens = skewed().tokens.astype(float)
    for layer in (0, 13):
        ranks = tokens[:, layer].reshape(127, 8, 8).sum(axis=2)
        hot = ranks >= 1.3 * ranks.mean(axis=1, keepdims=True)
        assert found.ranks[layer].tolist() == hot.sum(axis=0).tolist()
        fullest = [int(row.argmax()) for row, any_hot in zip(ranks, hot.any(axis=1), strict=True) if any_hot]
        spot = found.spots[layer]
        assert spot.hot == len(fullest)
        assert spot.fullest == max(map(fullest.count, fullest)) == fullest.count(spot.column)
        assert spot.turns == sum(a != b for a, b in pairwise(fullest))
        experts = tokens[:, layer] >= 4.5 * tokens[:, layer].mean(axis=1, keepdims=True)
        assert found.slots[layer].tolist() == found.experts[layer].tolist() == experts.sum(axis=0).tolist()
    shared = persistence(skewed(), 0, rank_ratio=1.3, expert_ratio=4.5, shared=[63])
    without = tokens[:, 0] >= 4.5 * tokens[:, 0, :63].mean(axis=1, keepdims=True)
    assert shared.experts[0].tolist() == without.sum(axis=0).tolist()


def test_tokens_by_expert_add_copies_and_give_unknown_slots_to_the_last():
    tokens = np.array([[[1, 2, 4, 8], [16, 32, 64, 128]]])
    found = by_expert(tokens, np.array([[1, 0, 1, -1], [2, 2, 0, 0]]), 4)
    assert found.tolist() == [[[2, 5, 0, 8], [192, 0, 48, 0]]]


def test_what_is_hot_together_on_a_rank():
    tokens = [[[9, 9, 0, 0, 0, 0]], [[9, 0, 9, 0, 0, 0]], [[9, 9, 0, 0, 0, 0]], [[0, 0, 0, 9, 9, 0]]]
    found = co_hot(series(tokens, 2), 0, 0, range(3), 2.0)
    assert [(pair.columns, pair.iterations) for pair in found] == [((0, 1), 2), ((0, 2), 1)]
    assert [pair.columns for pair in co_hot(series(tokens, 2), 0, 0, range(3, 6), 2.0)] == [(3, 4)]
    assert co_hot(series(tokens, 2), 0, 0, range(5, 6), 2.0) == ()


def test_copies_share_their_experts_load():
    loads, experts, ranks = np.array([30.0, 5, 10, 0, 0, 1]), [7, 1, 7, 2, 2, None], [0, 0, 1, 1, 2, 2]
    found = replicas_of(loads, experts, ranks, 7)
    assert (found.columns, found.ranks, found.shares, found.par) == ((0, 2), (0, 1), (0.75, 0.25), 1.5)
    assert replicas_of(loads, experts, ranks, 9) is None
    assert replicas_of(loads, experts, ranks, 1).par == 1
    several = replicated(loads, experts, ranks)
    assert [each.expert for each in several] == [7, 2]
    assert np.isnan(several[1].par)
    assert replicated(loads, experts, ranks, frozenset({7, 2})) == ()
