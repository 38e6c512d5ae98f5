"""The fit: every part of a service that was made up is found in what it records."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from lbtui.analysis.replay.asked import Asked
from lbtui.analysis.replay.fit import Unfit, fitted
from lbtui.analysis.replay.least_deviations import least_deviations
from lbtui.analysis.replay.model import NO_LIMIT, Handoff, Load, Scheduling, Service
from lbtui.analysis.replay.recording import Recording
from lbtui.analysis.slo import Targets
from lbtui.findings.replay.read import recording_of
from lbtui.findings.run import evidence_of
from lbtui.sources import open_profile
from tests.analysis.replay.recorded import recorded
from tests.analysis.replay.services import load, service, split
from tests.findings.samples import SAMPLES


def busy(count: int, domains: int, rate: float, *, apart: int = 0, seed: int = 5) -> Load:
    """Return requests that keep so many domains busy; with `apart` prefill nodes before those that decode."""
    generator = np.random.default_rng(seed)
    at = np.cumsum(generator.exponential(1000 / rate, count))
    rows = []
    for k in range(count):
        first = int(generator.integers(0, apart or domains))
        then = apart + int(generator.integers(0, domains)) if apart else first
        prompt, rounds = int(generator.integers(50, 900)), int(generator.integers(5, 60))
        rows.append((float(at[k]), prompt, rounds, first, then))
    return load(rows)


@pytest.mark.parametrize("step", ["", "all"])
def test_pace_factors_rests_and_delays_are_found(step: str) -> None:
    own = service(
        4, step=step, rests=(3.0, 2.0), between={"all": 0.75} if step else {}, delay=1.5, answer=0.3
    )
    slow = replace(own.domains[2], factor=1.4, rests=(9.0, 8.0))
    own = replace(own, domains=(*own.domains[:2], slow, own.domains[3]))
    found = fitted(recorded(own, busy(300, 4, 16))).service
    pace = found.paces["both"]
    assert (pace.prefill, pace.token) == pytest.approx((10, 0.05), rel=0.02)
    assert (pace.decode, pace.request) == pytest.approx((20, 0.5), rel=0.02)
    assert pace.context == pytest.approx(0)
    assert [domain.factor for domain in found.domains] == pytest.approx([1, 1, 1.4, 1], rel=0.01)
    assert [domain.rests[1] for domain in found.domains] == pytest.approx([2, 2, 8, 2], abs=0.05)
    assert found.between == (pytest.approx({"all": 0.75}) if step else {})
    assert found.answer == pytest.approx(0.3)
    assert 1.4 < found.delay < 3
    assert not found.disaggregated


def test_where_domains_wait_inside_a_pass_its_length_is_of_the_largest_load() -> None:
    own = service(3, step="all", rests=(2.0, 2.0), own_ends=False)
    pace = fitted(recorded(own, busy(300, 3, 12), coupled=True)).service.paces["both"]
    assert (pace.prefill, pace.token) == pytest.approx((10, 0.05), rel=0.05)
    assert (pace.decode, pace.request) == pytest.approx((20, 0.5), rel=0.05)


@pytest.mark.parametrize(
    ("most_running", "plan"),
    [
        (NO_LIMIT, Scheduling(most_prefills=2)),
        (6, Scheduling(most_prefills=3)),
        (NO_LIMIT, Scheduling(most_tokens=1000)),
    ],
)
def test_limits_are_found_where_requests_wait_beside_full_rounds(most_running: int, plan: Scheduling) -> None:
    own = service(2, scheduling={"both": plan}, most_running=most_running)
    found = fitted(recorded(own, busy(600, 2, 26, seed=8)))
    assert found.service.domains[0].most_running == most_running
    told = found.service.scheduling["both"]
    if plan.most_tokens < NO_LIMIT:
        assert 800 < told.most_tokens <= 1000
    elif most_running < NO_LIMIT:
        assert told.most_prefills in (plan.most_prefills, NO_LIMIT)  # the other limit may hide it
    else:
        assert told.most_prefills == plan.most_prefills
    assert ("requests that a domain runs at once" in found.unseen) == (most_running == NO_LIMIT)


def test_a_service_that_was_never_full_shows_no_limit() -> None:
    own = service(2, scheduling={"both": Scheduling(most_prefills=8)}, most_running=200)
    found = fitted(recorded(own, busy(200, 2, 4)))
    assert found.service.domains[0].most_running == NO_LIMIT
    assert found.service.scheduling["both"] == Scheduling()
    assert len(found.unseen) == 2


def test_a_full_pool_is_no_limit_of_requests() -> None:
    own = service(2, scheduling={"both": Scheduling(block=64)}, kv_tokens=64.0 * 60)
    found = fitted(recorded(own, busy(400, 2, 14)))
    assert found.service.domains[0].most_running == NO_LIMIT
    assert found.service.scheduling["both"].block == 64
    assert found.service.domains[0].kv_tokens == 64 * 60


def test_hand_offs_and_slow_pulls_are_found() -> None:
    over = Handoff(wait=4.0, pull=2.5, token=0.02, factors={3: 3.0})
    found = fitted(recorded(split(2, 2, handoff=over), busy(300, 2, 14, apart=2))).service
    assert found.disaggregated
    assert found.handoff.wait == pytest.approx(4)
    pulls = [
        (found.handoff.pull + found.handoff.token * 500) * found.handoff.factors[place] for place in (2, 3)
    ]
    assert pulls == pytest.approx([12.5, 37.5], rel=0.05)


def test_the_replay_of_what_was_fitted_is_what_was_recorded() -> None:
    own = service(4, step="all", rests=(2.0, 2.0), most_running=8, delay=0.5)
    found = fitted(recorded(own, busy(500, 4, 22)))
    asked = Asked(found, Targets(200, 40, given=True))
    assert asked.self_test.holds
    for row in asked.self_test.rows:
        assert row.replayed == pytest.approx(row.recorded, rel=0.1), row.name


def few(asked: Recording) -> Recording:
    return replace(asked, requests=asked.requests.head(39))


def cut(asked: Recording) -> Recording:
    return replace(asked, cut=30)


def unplaced(asked: Recording) -> Recording:
    return replace(asked, members=asked.members.filter(pl.col("request") > 30))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (few, "only 39 requests are recorded whole, fewer than 40"),
        (cut, "30 requests lack their begin or end"),
        (unplaced, "of 31 requests no rounds are recorded"),
    ],
)
def test_what_is_not_recorded_is_not_replayed(change: Callable[[Recording], Recording], said: str) -> None:
    asked = recorded(service(2), busy(120, 2, 8))
    with pytest.raises(Unfit) as caught:
        fitted(change(asked))
    assert str(caught.value) == said


def test_a_line_is_not_moved_by_some_that_are_far_off() -> None:
    x = np.arange(100.0)
    y = 3 + 0.5 * x
    y[::10] += 400
    assert least_deviations(np.column_stack([np.ones(100), x]), y) == pytest.approx((3, 0.5), rel=0.02)


@pytest.mark.parametrize("name", ["csv_only", "db_only", "vllm_small", "trace of mindie_small"])
def test_the_pace_of_a_sample_is_the_simulators(name: str, tmp_path: Path) -> None:
    """make_raw's defaults: 22 ms + 0.35 a request, 12 ms + 0.045 a prompt token, spread by 3 %."""
    profile = open_profile(SAMPLES[name](tmp_path))
    found: Service = fitted(recording_of(evidence_of(profile))).service
    pace = found.paces["both"]
    assert (pace.decode, pace.request) == pytest.approx((22, 0.35), rel=0.1)
    assert pace.prefill + pace.token * 500 == pytest.approx(12 + 0.045 * 500, rel=0.03)
    assert 0.02 < pace.spread < 0.045
