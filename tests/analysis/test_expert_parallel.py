import warnings

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from lbtui.analysis.expert_parallel import (
    REBALANCE_PAR,
    column_means,
    heat_matrix,
    heat_scale,
    hottest_cells,
    layer_time_matrix,
    multiples_of_mean,
    of_phase,
    outstanding_column,
    phases_of,
    rank_loads,
    shared_experts,
    worst_layers,
)
from lbtui.analysis.imbalance import par
from tests.ep_frames import TRUTH, cells, truth_frame

matrices = hnp.arrays(
    np.float64,
    hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=9),
    elements=st.one_of(st.floats(0, 1e6, allow_subnormal=False), st.just(np.nan)),
)


def truth(view, period=0):
    return heat_matrix(truth_frame(), "d0", view, period)


@pytest.mark.parametrize(("view", "period"), TRUTH)
def test_a_matrix_holds_every_true_share_in_its_place(view, period):
    np.testing.assert_array_equal(truth(view, period).shares, TRUTH[view, period])


@pytest.mark.parametrize("period", range(3))
def test_par_is_max_over_mean_of_the_ranks(period):
    by_rank = TRUTH["rank", period]
    expected = by_rank.max(axis=1) / by_rank.mean(axis=1)
    np.testing.assert_allclose(par(rank_loads(truth("rank", period)), axis=1), expected, rtol=1e-12)
    # Summed over its slots a rank of the expert map is a cell of the rank map.
    np.testing.assert_allclose(rank_loads(truth("expert", period)), by_rank, rtol=1e-9)
    order = [layer for layer, _par in worst_layers(par(rank_loads(truth("rank", period)), axis=1))]
    assert order == sorted(range(58), key=lambda layer: -expected[layer])
    assert order[0] == 10


def test_ranks_of_a_model_expert_map_are_unknown():
    assert rank_loads(truth("model_expert")) is None


def test_multiples_leave_shared_experts_out_of_the_mean():
    shares = TRUTH["model_expert", 0]
    expected = shares / shares[:, :256].mean(axis=1, keepdims=True)
    np.testing.assert_allclose(multiples_of_mean(truth("model_expert"), frozenset({256})), expected)
    assert expected[:, 37].mean() == pytest.approx(6, abs=0.1)


@given(matrices)
def test_multiples_average_to_one_in_every_layer_that_has_load(shares):
    matrix = heat_matrix(cells(shares), "d0", "rank", 0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        multiples = multiples_of_mean(matrix)
    for known, layer in zip(shares, multiples, strict=True):
        if np.nansum(known) > 0:
            assert np.nanmean(layer) == pytest.approx(1)
        else:
            assert np.isnan(layer).all()


@pytest.mark.parametrize("period", range(3))
def test_the_shared_expert_is_told_by_shares_alone(period):
    assert shared_experts(truth("expert", period), truth("model_expert", period)) == {256}


def test_an_expert_that_is_last_is_not_shared_for_that():
    slots, model = TRUTH["expert", 0], TRUTH["model_expert", 0].copy()
    model[30, -1] *= 1.3
    matrices = [
        heat_matrix(cells(slots, view="expert", slots=17), "d0", "expert", 0),
        heat_matrix(cells(model, view="model_expert"), "d0", "model_expert", 0),
    ]
    assert shared_experts(*matrices) == frozenset()
    assert shared_experts(None, matrices[1]) == frozenset()


def test_shared_experts_lie_on_every_rank_in_every_layer():
    # Expert 9 on both ranks in both layers; 4 on both in the first layer only.
    experts = [[4, 9, 9, 4], [4, 9, 9, 5]]
    matrix = heat_matrix(
        cells(np.full((2, 4), 0.25), view="expert", slots=2, experts=experts), "d0", "expert", 0
    )
    assert shared_experts(matrix, None) == {9}


def test_experts_of_a_hundred_thousand_ranks_are_held_against_each_other_once():
    # What a broken record says of its rank; it took a minute.
    ranks = 100_000
    experts = [[1, *range(2, ranks + 1)]]
    matrix = heat_matrix(
        cells(np.full((1, ranks), 1 / ranks), view="expert", slots=1, experts=experts), "d0", "expert", 0
    )
    assert shared_experts(matrix, None) == frozenset()


def test_the_scale_lets_the_structure_show():
    values = multiples_of_mean(truth("model_expert"), frozenset({256}))[:, :256]
    scale = heat_scale([values])
    assert scale.high == pytest.approx(np.quantile(values, 0.995))
    assert scale.clipped
    assert scale.low == 0

    def fullest(low, high):
        levels = np.clip((values - low) / (high - low) * 8, 0, 7).astype(int)
        return np.bincount(levels.ravel()).max() / values.size

    # Up to the hottest cell nearly all of the map would be one colour of eight.
    assert fullest(0, values.max()) > 0.85
    assert fullest(scale.low, scale.high) < 0.4


@given(st.lists(matrices, max_size=3), st.sampled_from([0.0, REBALANCE_PAR]))
def test_a_scale_spans_what_it_says(maps, least):
    scale = heat_scale(maps, least)
    known = [value for array in maps for value in array.ravel() if np.isfinite(value)]
    assert scale.low <= min(known, default=0)
    assert scale.high >= least or not known
    assert scale.clipped == (max(known, default=0) > scale.high)


def test_an_even_map_does_not_look_hot():
    scale = heat_scale([np.array([[0.99, 1.0, 1.01]])], REBALANCE_PAR)
    assert (scale.high, scale.clipped) == (REBALANCE_PAR, False)


def test_rank_3_stands_out_over_layers_and_periods():
    maps = [multiples_of_mean(truth("rank", period)) for period in range(3)]
    means = np.mean([TRUTH["rank", period].mean(axis=0) for period in range(3)], axis=0)
    assert outstanding_column(maps) == means.argmax() == 3


@given(matrices, st.frozensets(st.integers(0, 8), max_size=2))
def test_hottest_cells_are_all_known_cells_in_order(values, left_out):
    found = hottest_cells(values, left_out)
    heats = [values[cell] for cell in found]
    assert heats == sorted(heats, reverse=True)
    expected = {
        (layer, column)
        for layer, column in np.ndindex(values.shape)
        if np.isfinite(values[layer, column]) and column not in left_out
    }
    assert set(found) == expected
    assert len(found) == len(expected)


def test_column_means_leave_out_what_is_unknown():
    means = column_means(np.array([[1.0, np.nan, np.nan], [3.0, 5.0, np.nan]]))
    np.testing.assert_array_equal(means, [2, 5, np.nan])


def test_layer_times_are_in_ms_with_a_gap_where_a_layer_is_missing():
    frame = pl.DataFrame(
        {"layer": [0, 0, 2], "process": [70, 900, 70], "column": [0, 1, 0], "time": [1.5e6, 2e6, 3e6]}
    )
    values, processes = layer_time_matrix(frame)
    np.testing.assert_array_equal(values, [[1.5, 2], [np.nan, np.nan], [3, np.nan]])
    assert processes == [70, 900]


def of_two_phases(prefill, decode, **changes):
    parts = [
        cells(np.array(tokens) / np.sum(tokens), tokens=tokens, **changes).with_columns(phase=pl.lit(name))
        for name, tokens in (("prefill", prefill), ("decode", decode))
    ]
    return pl.concat(parts)


def test_both_phases_are_their_tokens_added_up():
    heat = of_two_phases([[1, 3], [0, 0]], [[5, 1], [0, 0]])
    assert phases_of(heat) == ("both", "prefill", "decode")
    both = heat_matrix(of_phase(heat, "both"), "d0", "rank", 0)
    assert both.tokens.tolist() == [[6, 4], [0, 0]]
    np.testing.assert_allclose(both.shares, [[0.6, 0.4], [np.nan, np.nan]])
    assert both.relative[0].tolist() == [1, 0]
    assert both.ranks == (0, 1)
    alone = heat_matrix(of_phase(heat, "decode"), "d0", "rank", 0)
    assert alone.tokens.tolist() == [[5, 1], [0, 0]]


def test_phases_that_cannot_be_added_are_shown_apart():
    assert phases_of(pl.concat([of_two_phases([[1, 3]], [[5, 1]])])) == ("both", "prefill", "decode")
    other_ranks = pl.concat(
        [
            of_two_phases([[1, 3]], [[5, 1]]).filter(pl.col("phase") == "prefill"),
            cells([[0.2, 0.3, 0.5]], tokens=[[2, 3, 5]]).with_columns(phase=pl.lit("decode")),
        ]
    )
    assert phases_of(other_ranks) == ("prefill", "decode")
    assert phases_of(other_ranks.with_columns(phase=pl.lit("decode"))) == ("decode",)
    assert phases_of(truth_frame()) == ("both",)
    assert of_phase(truth_frame(), "both").equals(truth_frame())
    experts = of_two_phases([[1, 3]], [[5, 1]], view="expert", slots=1, experts=[[7, 8]])
    moved = (pl.col("phase") == "decode") & (pl.col("column") == 1)
    changed = experts.with_columns(expert=pl.when(moved).then(9).otherwise(pl.col("expert")).cast(pl.Int32))
    assert heat_matrix(of_phase(changed, "both"), "d0", "expert", 0).experts == ((7, None),)
