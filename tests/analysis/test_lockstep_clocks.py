"""Clocks of hosts, told from steps that are taken together."""

import numpy as np
import pytest

from lbtui.analysis.lockstep_clocks import clock_offsets


def _starts(seed: int, steps: int = 800) -> np.ndarray:
    rng = np.random.default_rng(seed)
    lengths = np.where(rng.random(steps) < 0.2, rng.uniform(35, 80, steps), rng.normal(25, 0.8, steps))
    return np.cumsum(lengths) * 1000


def _seen(starts: np.ndarray, seed: int, ahead: float) -> np.ndarray:
    jitter = np.random.default_rng(seed).uniform(-300, 300, len(starts))
    return np.sort((starts + jitter + ahead).astype(np.int64))


@pytest.mark.parametrize("ahead", [50_000, -60_000, 2_000_000, -9_000_000, 8_000])
def test_an_offset_is_found(ahead: int) -> None:
    starts = _starts(1)
    found = clock_offsets({"a": _seen(starts, 2, 0), "b": _seen(starts, 3, ahead)})
    assert found["b"] == pytest.approx(ahead, abs=300)


def test_domains_that_drift_have_none() -> None:
    assert "b" not in clock_offsets({"a": _seen(_starts(1), 2, 0), "b": _seen(_starts(9), 3, 0)})


def test_steps_of_one_length_tell_nothing() -> None:
    steady = np.arange(500) * 25_000.0
    assert "b" not in clock_offsets({"a": _seen(steady, 2, 0), "b": _seen(steady, 3, 10_000)})


def test_few_steps_tell_nothing() -> None:
    starts = _starts(1, 20)
    assert "b" not in clock_offsets({"a": _seen(starts, 2, 0), "b": _seen(starts, 3, 50_000)})
