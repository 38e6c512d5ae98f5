"""The replay's engine: against a plain simulation of every round, and by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings

from lbtui.analysis.replay.engine import Replay
from lbtui.analysis.replay.model import Load, Outcome, Pace, Scheduling, Service
from lbtui.analysis.replay.routing import router
from tests.analysis.replay.round_by_round import RoundByRound, arrays
from tests.analysis.replay.services import PACE, load, service, services, split


def replayed(own: Service, asked: Load, **options: float) -> Outcome:
    return Replay(asked, own, **options).run(router("recorded", own, asked))  # type: ignore[arg-type]


@settings(max_examples=300, deadline=None)
@given(services())
def test_stretches_are_the_rounds_they_stand_for(drawn: tuple[Service, Load]) -> None:
    own, asked = drawn
    found = replayed(own, asked)
    plain = arrays(RoundByRound(asked, own).run(), len(asked), own.answer)
    for mine, theirs in zip((found.taken, found.first, found.end), plain, strict=True):
        np.testing.assert_allclose(mine, theirs, atol=1e-6)


def test_one_request_takes_its_rounds() -> None:
    found = replayed(service(), load([(5.0, 100, 3, 0, 0)]))
    assert found.first == pytest.approx([5 + 10 + 0.05 * 100])
    assert found.end == pytest.approx(found.first + 3 * 20.5)


def test_a_prefill_holds_up_who_decodes() -> None:
    found = replayed(service(), load([(0.0, 100, 2, 0, 0), (16.0, 200, 0, 0, 0)]))
    # Taken up after the decode round that is under way, 15 to 35.5.
    assert found.taken == pytest.approx([0, 35.5])
    assert found.first == pytest.approx([15, 35.5 + 20])
    assert found.end == pytest.approx([55.5 + 20.5, 55.5])


def test_domains_of_a_step_wait_for_the_longest() -> None:
    own = service(2, step="all", between={"all": 1.0})
    asked = load([(0.0, 10, 0, 0, 0), (1.0, 1000, 1, 0, 0), (2.0, 100, 1, 1, 1)])
    found = replayed(own, asked)
    # The first ends at 10.5; both others begin when it is over, 1 ms later.
    assert found.first[1:] == pytest.approx([11.5 + 60, 11.5 + 15])  # when the own round is over
    assert found.end[1:] == pytest.approx([72.5 + 20.5, 72.5 + 20.5])
    held = replayed(replace(own, own_ends=False), asked)
    assert held.first[1:] == pytest.approx([11.5 + 60, 11.5 + 60])


def test_mixed_rounds_prefill_in_chunks_beside_those_that_decode() -> None:
    own = service(scheduling={"both": Scheduling(mixed=True, most_tokens=64)})
    found = replayed(own, load([(0.0, 100, 4, 0, 0), (1.0, 63, 1, 0, 0)]))
    first = 20 + 0.05 * 64  # a chunk of 64, then the other 36 with 28 of the next
    second = first + 20 + 0.05 * 64
    assert found.first[0] == pytest.approx(second)
    third = second + 20.5 + 0.05 * 35  # one decodes: 63 tokens of room, 35 are left
    assert found.first[1] == pytest.approx(third)
    assert found.end[1] == pytest.approx(third + 21)


def test_a_decode_node_is_handed_over_what_was_prefilled() -> None:
    found = replayed(split(1, 1), load([(0.0, 100, 2, 0, 1)]))
    assert found.first == pytest.approx([15])
    assert found.end == pytest.approx([15 + 3 + 2 + 1 + 2 * 20.5])


def test_context_makes_rounds_longer() -> None:
    own = service(paces={"both": replace(PACE, context=0.01)})
    found = replayed(own, load([(0.0, 1000, 40, 0, 0)]))
    plain = replayed(service(), load([(0.0, 1000, 40, 0, 0)]))
    # 40 rounds with 1,000 to 1,040 tokens each.
    assert (found.end - plain.end)[0] == pytest.approx(40 * 10.2, rel=0.02)


def test_residuals_spread_about_the_pace() -> None:
    own = service(paces={"both": replace(PACE, spread=0.1)})
    asked = load([(1000.0 * k, 100, 1, 0, 0) for k in range(2000)])
    took = replayed(own, asked, seed=3).first - asked.arrival
    assert took.mean() == pytest.approx(15, rel=0.01)
    assert took.std() == pytest.approx(1.5, rel=0.1)
    assert (replayed(own, asked, seed=3).first == replayed(own, asked, seed=3).first).all()
    assert (replayed(own, asked, seed=4).first != replayed(own, asked, seed=3).first).any()


def test_a_slower_pace_is_slower() -> None:
    own, asked = service(), load([(0.0, 100, 5, 0, 0)])
    assert replayed(own, asked, pace=1.1).end == pytest.approx(1.1 * replayed(own, asked).end)


def test_what_is_larger_than_the_pool_runs_alone() -> None:
    own = service(kv_tokens=64.0, scheduling={"both": Scheduling(block=16)})
    found = replayed(own, load([(0.0, 500, 3, 0, 0), (1.0, 500, 3, 0, 0)]))
    assert np.isfinite(found.end).all()
    assert found.taken[1] >= found.end[0]


class Stopped(Exception):
    """A test's own."""


def test_it_stops_when_told() -> None:
    asked = load([(1.0 * k, 10, 1, 0, 0) for k in range(5000)])

    def stop() -> None:
        raise Stopped

    own = service()
    with pytest.raises(Stopped):
        Replay(asked, own).run(router("recorded", own, asked), stop)


def test_every_pace_is_of_its_role() -> None:
    slow = Pace(prefill=100.0, decode=50.0)
    own = split(1, 1, paces={"prefill": slow, "decode": PACE})
    found = replayed(own, load([(0.0, 100, 1, 0, 1)]))
    assert found.first == pytest.approx([100])
    assert found.end == pytest.approx([100 + 3 + 2 + 1 + 20.5])
