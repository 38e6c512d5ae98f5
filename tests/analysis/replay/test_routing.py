"""Who gets a request by each policy, and how a recorded dispatcher is told from its choices."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from lbtui.analysis.replay.dispatch import dispatch_kind, held_by
from lbtui.analysis.replay.engine import Replay
from lbtui.analysis.replay.model import Load, Outcome, ReplayDomain, Scheduling, Service
from lbtui.analysis.replay.routing import POLICIES, SESSIONS, Policy, recorded_shares, router
from tests.analysis.replay.services import load, service, split


def sent(policy: Policy, own: Service, asked: Load, shares: list[float] | None = None) -> Outcome:
    return Replay(asked, own).run(router(policy, own, asked, 0, shares))


def long_ones(count: int, apart: float = 1.0, prompt: int = 100) -> Load:
    """Return requests that all are there at once."""
    return load([(apart * k, prompt, 500, 0, 0) for k in range(count)])


def test_the_recorded_assignment_is_kept() -> None:
    asked = load([(10.0 * k, 50, 3, k * 7 % 3, k * 7 % 3) for k in range(30)])
    assert (sent("recorded", service(3), asked).domain == asked.then_domain).all()


def test_round_robin_goes_round() -> None:
    assert sent("round_robin", service(3), long_ones(9)).domain.tolist() == [0, 1, 2] * 3


def test_least_requests_evens_out_who_holds_fewest() -> None:
    # Short ones on domain 1 are gone when the next comes: it gets that one, too.
    rows = [(0.0, 100, 500, 0, 0), (1.0, 10, 0, 0, 0), (400.0, 10, 0, 0, 0), (800.0, 10, 0, 0, 0)]
    assert sent("least_requests", service(2), load(rows)).domain.tolist() == [0, 1, 1, 1]
    counts = np.bincount(sent("least_requests", service(4), long_ones(40)).domain)
    assert counts.max() - counts.min() <= 2


def test_a_waiting_request_weighs_four_running_ones() -> None:
    own = service(2, most_running=3)
    crowded = replace(own, domains=(replace(own.domains[0], most_running=1), own.domains[1]))
    # Domain 0 runs one and lets one wait (5), domain 1 runs 3: the seventh goes to 1.
    domains = sent("least_requests", crowded, long_ones(5, apart=300.0)).domain.tolist()
    assert domains == [0, 1, 0, 1, 1]


def test_least_tokens_weighs_prompts() -> None:
    rows = [(0.0, 3000, 500, 0, 0), *((300.0 + k, 900, 500, 0, 0) for k in range(3))]
    assert sent("least_tokens", service(2), load(rows)).domain.tolist() == [0, 1, 1, 1]


def test_least_kv_use_is_of_each_pool() -> None:
    plan = {"both": Scheduling(block=16)}
    small = ReplayDomain("small", "host", kv_tokens=16.0 * 200)
    large = ReplayDomain("large", "host", kv_tokens=16.0 * 2000)
    own = replace(service(2, scheduling=plan), domains=(small, large))
    counts = np.bincount(sent("least_kv", own, long_ones(22, apart=300.0)).domain, minlength=2)
    assert counts[1] > 4 * counts[0]


def test_two_choices_are_two_domains_of_which_the_emptier_is_taken() -> None:
    counts = np.bincount(sent("two_choices", service(4), long_ones(200)).domain, minlength=4)
    assert counts.min() > 35  # by chance alone about 38 to 62; here nearly equal
    assert counts.max() < 65
    two = np.bincount(sent("two_choices", service(2), long_ones(40)).domain)
    assert two.tolist() == [20, 20]


def test_shares_are_as_recorded_or_as_given() -> None:
    asked = load([(1.0 * k, 10, 0, min(k % 4, 1), min(k % 4, 1)) for k in range(4000)])
    assert recorded_shares((0, 1), asked) == [0.25, 0.75]
    recorded = np.bincount(sent("share", service(2), asked).domain) / 4000
    assert recorded == pytest.approx([0.25, 0.75], abs=0.03)
    given = np.bincount(sent("share", service(2), asked, [3, 1]).domain) / 4000
    assert given == pytest.approx([0.75, 0.25], abs=0.03)


def test_a_session_stays_where_it_is() -> None:
    chosen = sent("sticky", service(4), long_ones(4000, apart=0.1, prompt=1)).domain
    counts = np.bincount(chosen, minlength=4)
    # 128 sessions of unequal weight: less even than chance (some 1,000 ± 27 each) would be.
    assert SESSIONS == 32
    assert 1.05 < counts.max() / 1000 < 2.5


@pytest.mark.parametrize("policy", POLICIES)
def test_every_policy_serves_all_on_a_split_service(policy: Policy) -> None:
    own = split(2, 3)
    asked = load([(7.0 * k, 50, 9, k % 2, 2 + k % 3) for k in range(60)])
    found = sent(policy, own, asked)
    assert np.isfinite(found.end).all()
    assert set(found.domain.tolist()) <= {2, 3, 4}


def test_the_same_seed_makes_the_same_choices() -> None:
    asked = long_ones(100)
    for policy in POLICIES:
        one, other = (sent(policy, service(4), asked) for _turn in range(2))
        assert (one.domain == other.domain).all()
        assert (one.end == other.end).all()


# How it was recorded


def test_dispatchers_are_told_from_their_choices() -> None:
    random = np.random.default_rng(4)
    arrival = np.cumsum(random.exponential(10, 600))
    turns = np.arange(600) % 4
    by_chance = random.integers(0, 4, 600)
    skewed = random.choice(4, 600, p=[0.4, 0.2, 0.2, 0.2])
    assert dispatch_kind(turns, 4) == "round_robin"
    assert dispatch_kind(turns * 3 % 4, 4) == "round_robin"  # another order
    assert dispatch_kind(by_chance, 4) == "random"
    assert dispatch_kind(skewed, 4) == "uneven"
    for chosen in (by_chance, skewed):
        held = held_by(arrival, arrival + 200, chosen, 4)
        assert dispatch_kind(chosen, 4, held) == dispatch_kind(chosen, 4)
    assert dispatch_kind(by_chance[:10], 4) == "random"  # too few to tell


def test_a_dispatcher_to_the_least_loaded_is_told() -> None:
    random = np.random.default_rng(9)
    rows = [
        (float(at), 200, int(random.integers(5, 60)), 0, 0) for at in np.cumsum(random.exponential(25, 500))
    ]
    asked = load(rows)
    own = service(4)
    found = sent("least_requests", own, asked)
    held = held_by(asked.arrival, found.end, found.domain, 4)
    assert dispatch_kind(found.domain, 4, held) == "least_requests"
    by_chance = sent("share", own, asked, [1.0] * 4)
    held = held_by(asked.arrival, by_chance.end, by_chance.domain, 4)
    assert dispatch_kind(by_chance.domain, 4, held) == "random"


def test_held_are_the_requests_in_service() -> None:
    arrival = np.array([0.0, 1.0, 2.0, 9.0])
    held = held_by(arrival, np.array([5.0, 6.0, 3.0, 12.0]), np.array([0, 1, 0, 1]), 2)
    assert held.tolist() == [[0, 0], [1, 0], [1, 1], [0, 0]]
