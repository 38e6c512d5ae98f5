"""Padding, dummy tokens and fixed routing are told from what routers make."""

import numpy as np
import pytest

from lbtui.analysis.eplb.artificial import artificial
from lbtui.analysis.eplb.recorded import recorded, usable_iterations
from tests.analysis.eplb.made import series, skewed

LAYERS, EXPERTS, RANKS, ITERATIONS = 8, 32, 4, 60


def routed(seed=1, spread=0.7):
    """Return the mean tokens [layer, expert] of a router a layer."""
    heat = np.random.default_rng(seed).lognormal(0, spread, (LAYERS, EXPERTS))
    return 200 * heat / heat.mean(axis=1, keepdims=True)


def counted(mean, seed=2, **changes):
    tokens = np.random.default_rng(seed).poisson(np.broadcast_to(mean, (ITERATIONS, LAYERS, EXPERTS)))
    table = np.tile(np.arange(EXPERTS), (LAYERS, 1))
    return series(tokens, RANKS, **{"placements": [table], **changes})


def kinds(one):
    data = recorded([one])
    return [each.kind for each in artificial(one, data, np.concatenate(usable_iterations(one)))]


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("spread", [0.05, 0.3, 1.0])
def test_what_routers_make_is_believed(seed, spread):
    assert kinds(counted(routed(seed, spread))) == []


def test_the_loads_of_a_real_router_are_believed():
    assert kinds(skewed()) == []


def test_dummy_tokens_for_the_same_experts_in_all_layers():
    mean = routed(spread=0.2)
    mean[:, [3, 4]] += 2000
    assert "experts" in kinds(counted(mean))


def test_padding_on_the_slots_of_one_rank():
    mean = routed(spread=0.1)
    mean[:, :8] += 150
    assert "ranks" in kinds(counted(mean))


def test_load_that_stays_on_its_ranks_when_experts_move():
    there = np.tile(np.arange(EXPERTS), (LAYERS, 1))
    mean = np.full((LAYERS, EXPERTS), 100.0)
    mean[:, :8] = 250
    period = np.arange(ITERATIONS) // 20
    one = counted(mean, period=period, placements=[there, there[:, ::-1], there])
    assert kinds(one)[0] == "stays"


def test_a_few_experts_for_all_tokens():
    mean = np.zeros((LAYERS, EXPERTS))
    for layer in range(LAYERS):
        mean[layer, [4 * layer, (4 * layer + 9) % EXPERTS]] = 3000
    assert kinds(counted(mean)) == ["few"]


def test_counts_that_never_change():
    steady = np.repeat(np.round(routed())[None], ITERATIONS, axis=0)
    table = np.tile(np.arange(EXPERTS), (LAYERS, 1))
    assert kinds(series(steady, RANKS, placements=[table])) == ["steady"]


def test_a_few_layers_tell_nothing_of_what_all_have():
    mean = routed()[:2]
    mean[:, [3, 4]] += 2000
    tokens = np.random.default_rng(2).poisson(np.broadcast_to(mean, (ITERATIONS, 2, EXPERTS)))
    assert kinds(series(tokens, RANKS, placements=[np.tile(np.arange(EXPERTS), (2, 1))])) == []
