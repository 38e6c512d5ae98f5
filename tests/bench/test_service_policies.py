from types import SimpleNamespace

import numpy as np
import pytest

from tests.bench.service_lab import Pass, par_over_time
from tests.bench.service_policies import NAMES, Desk, Dispatch, Sent


def desks(*loads):
    """Desks of (waiting, running, tokens, free blocks of 100)."""
    return [
        Desk(SimpleNamespace(total=100, free=free), waiting, running, tokens)
        for waiting, running, tokens, free in loads
    ]


def sent(client=0, weights=(0.25, 0.25, 0.25, 0.25)):
    return Sent(client, np.array(weights))


LOADS = desks((2, 0, 900, 90), (1, 3, 500, 80), (0, 8, 400, 70), (3, 9, 950, 95))


@pytest.mark.parametrize(("policy", "least"), [("least_requests", 1), ("least_tokens", 2), ("least_kv", 3)])
def test_the_least_loaded_is_chosen_whoever_is_next(policy, least):
    dispatch = Dispatch(policy, LOADS, seed=1)
    assert {dispatch.choose(sent()) for _ in range(8)} == {least}


@pytest.mark.parametrize("policy", ["least_requests", "least_tokens", "least_kv", "rr"])
def test_equal_ones_take_turns(policy):
    dispatch = Dispatch(policy, desks(*[(0, 0, 0, 100)] * 4), seed=1)
    assert [dispatch.choose(sent()) for _ in range(6)] == [0, 1, 2, 3, 0, 1]


def test_of_two_choices_the_less_loaded_is_taken():
    dispatch = Dispatch("two_choices", LOADS, seed=1)
    chosen = np.bincount([dispatch.choose(sent()) for _ in range(6000)], minlength=4) / 6000
    # Of 8, 7, 8 and 21 requests: the least wins each of its three pairs of six, equal ones share theirs.
    assert chosen == pytest.approx([1 / 4, 1 / 2, 1 / 4, 0], abs=0.03)


def test_a_client_has_one_home():
    dispatch = Dispatch("sticky", LOADS, seed=1)
    homes = [dispatch.choose(sent(client)) for client in range(40)]
    assert [dispatch.choose(sent(client)) for client in range(40)] == homes
    assert set(homes) == {0, 1, 2, 3}
    assert [Dispatch("sticky", LOADS, seed=2).choose(sent(client)) for client in range(40)] != homes


@pytest.mark.parametrize("policy", ["random", "share"])
def test_weights_are_kept(policy):
    dispatch = Dispatch(policy, LOADS, seed=1)
    chosen = [dispatch.choose(sent(weights=(0.1, 0.2, 0.3, 0.4))) for _ in range(4000)]
    assert np.bincount(chosen) / 4000 == pytest.approx([0.1, 0.2, 0.3, 0.4], abs=0.03)


@pytest.mark.parametrize("policy", NAMES)
def test_one_desk_gets_all(policy):
    dispatch = Dispatch(policy, LOADS[:1], seed=1)
    assert {dispatch.choose(sent(client, (1.0,))) for client in range(5)} == {0}


def test_par_of_passes_over_time():
    # 4 and 2 for 10 ns, then 4 alone for 10: too few requests do not count, 4 of 2 domains do.
    lanes = [[Pass(0, 20, 4)], [Pass(0, 10, 2)]]
    assert par_over_time(lanes) == pytest.approx((4 * 10 + 4 * 10) / (3 * 10 + 2 * 10))


def test_a_batch_holds_over_a_short_bubble_and_no_longer():
    lanes = [[Pass(0, 10, 2), Pass(14, 20, 2), Pass(40, 50, 2)], [Pass(0, 50, 2)]]
    assert par_over_time(lanes) == pytest.approx((2 * 50) / (2 * 30 + 1 * 20))
    assert np.isnan(par_over_time([[Pass(0, 10, 1)], []]))
