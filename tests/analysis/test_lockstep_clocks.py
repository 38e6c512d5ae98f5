"""Clocks of hosts, told from steps that are taken together."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lbtui.analysis.lanes import Micros
from lbtui.analysis.lockstep_clocks import are_steps_apart, clock_offsets


def _starts(seed: int, steps: int = 800) -> np.ndarray:
    rng = np.random.default_rng(seed)
    lengths = np.where(rng.random(steps) < 0.2, rng.uniform(35, 80, steps), rng.normal(25, 0.8, steps))
    return np.cumsum(lengths) * 1000


def _decode(seed: int, steps: int = 500, noise: float = 0.015) -> np.ndarray:
    """Starts of decode steps, which are nearly equal in length."""
    lengths = 25_400 * (1 + noise * np.random.default_rng(seed).standard_normal(steps))
    return np.cumsum(lengths)


def _seen(starts: np.ndarray, seed: int, ahead: float, idle: float = 0.0) -> Micros:
    rng = np.random.default_rng(seed)
    seen = starts + rng.uniform(-300, 300, len(starts)) + ahead
    return np.sort(seen[rng.random(len(starts)) >= idle].astype(np.int64))


@pytest.mark.parametrize("ahead", [50_000, -60_000, 2_000_000, -9_000_000, 8_000])
def test_an_offset_is_found(ahead: int) -> None:
    starts = _starts(1)
    found = clock_offsets({"a": _seen(starts, 2, 0), "b": _seen(starts, 3, ahead)})
    assert found["b"] == pytest.approx(ahead, abs=300)


@given(seed=st.integers(0, 10_000), ahead=st.integers(-2_000_000, 2_000_000), idle=st.sampled_from([0, 0.2]))
@settings(max_examples=40, deadline=None)
def test_an_offset_is_found_though_steps_are_nearly_equal(seed: int, ahead: int, idle: float) -> None:
    starts = _decode(seed)
    own, other = _seen(starts, seed + 1, 0), _seen(starts, seed + 2, ahead, idle)
    found = clock_offsets({"a": own, "b": other, "c": own})
    assert found["b"] == pytest.approx(ahead, abs=100)
    assert found["c"] == 0
    assert clock_offsets({"b": other, "a": own})["a"] == pytest.approx(-ahead, abs=100)


@given(
    seed=st.integers(0, 10_000),
    steps=st.integers(60, 700),
    noise=st.sampled_from([0.001, 0.003, 0.01, 0.03]),
    slower=st.sampled_from([1.0, 1.0005, 1.01]),
)
@settings(max_examples=60, deadline=None)
def test_domains_that_step_alone_have_none_though_their_steps_are_as_long(
    seed: int, steps: int, noise: float, slower: float
) -> None:
    own, other = _decode(seed, steps, noise), _decode(seed + 1, steps, noise) * slower
    found = clock_offsets({"a": own.astype(np.int64), "b": other.astype(np.int64)})
    assert "b" not in found


def test_domains_that_drift_have_none() -> None:
    assert "b" not in clock_offsets({"a": _seen(_starts(1), 2, 0), "b": _seen(_starts(9), 3, 0)})


def test_steps_of_one_length_tell_nothing() -> None:
    steady = np.arange(500) * 25_000
    assert "b" not in clock_offsets({"a": steady, "b": steady + 10_000})
    assert "b" not in clock_offsets({"a": _seen(steady, 2, 0), "b": _seen(steady, 3, 10_000)})


def test_few_steps_tell_nothing() -> None:
    starts = _starts(1, 50)
    assert "b" not in clock_offsets({"a": _seen(starts, 2, 0), "b": _seen(starts, 3, 50_000)})


def test_hosts_without_steps_near_each_other_are_left_out() -> None:
    starts = _starts(1, 100).astype(np.int64)
    none = np.array([], dtype=np.int64)
    assert clock_offsets({"a": starts, "b": starts + 10**9, "c": none}) == {"a": 0}
    assert clock_offsets({"a": none, "b": starts}) == {"a": 0}
    assert clock_offsets({}) == {}


@pytest.mark.parametrize(("offset", "apart"), [(0, False), (-9_000, False), (25_000, True), (-76_000, True)])
def test_clocks_that_differ_by_steps_are_told_from_a_late_start(offset: int, apart: bool) -> None:
    starts = {"a": _decode(1).astype(np.int64), "b": _decode(1).astype(np.int64) + offset}
    assert are_steps_apart({"a": 0, "b": offset}, starts) == apart


def test_hosts_without_steps_differ_by_none() -> None:
    assert not are_steps_apart({"a": 0}, {"a": np.array([5], dtype=np.int64)})
