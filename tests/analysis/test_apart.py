"""Who stands apart: lanes drawn with a known shift, and even ones that must give nothing."""

import numpy as np
import pytest

from lbtui.analysis.apart import lanes_apart

_HOSTS = 4  # lanes of a host


def _even(seed: int, lanes: int, bins: int = 48, noise: float = 0.03) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    counts = rng.integers(4, 12, (lanes, bins)).astype(float)
    common = 0.3 * np.sin(np.arange(bins) / 5)  # what all share is nobody's
    return common + noise * rng.standard_normal((lanes, bins)) / np.sqrt(counts) * 2, counts


def _hosts(lanes: int) -> list[str]:
    return [f"h{lane // _HOSTS}" for lane in range(lanes)]


@pytest.mark.parametrize("lanes", [2, 8, 64, 1024])
def test_one_lane_for_a_while_from_2_to_1024(lanes: int) -> None:
    values, counts = _even(3, lanes)
    values[1, 12:30] += 0.2
    (found,) = lanes_apart(values, counts, _hosts(lanes), 0.08, 0.01)
    assert found.lanes == (1,)
    ((first, last),) = found.windows
    assert abs(first - 12) <= 2
    assert abs(last - 30) <= 2
    assert found.effect == pytest.approx(0.2, abs=0.05)


def test_even_lanes_give_nothing() -> None:
    """Of 60 draws at p = 0.01 one or two might; the bounds are wide of that."""
    assert sum(bool(lanes_apart(*_even(seed, 8), _hosts(8), 0.08, 0.01)) for seed in range(60)) <= 1


def test_all_lanes_of_a_host_are_the_host() -> None:
    values, counts = _even(4, 8)
    values[4:] += 0.25
    (found,) = lanes_apart(values, counts, _hosts(8), 0.08, 0.01)
    assert (found.host, found.lanes) == ("h1", (4, 5, 6, 7))
    assert found.effect == pytest.approx(0.25, abs=0.03)


def test_one_far_lane_of_a_host_is_not_the_host() -> None:
    values, counts = _even(5, 8)
    values[4] += 1.0
    (found,) = lanes_apart(values, counts, _hosts(8), 0.08, 0.01)
    assert (found.host, found.lanes) == (None, (4,))


def test_two_lanes_are_two_findings_and_stretches_are_apart() -> None:
    values, counts = _even(6, 8)
    values[2, 5:15] += 0.3
    values[2, 30:40] += 0.3
    values[7] += 0.15
    found = {apart.lanes: apart.windows for apart in lanes_apart(values, counts, ["h"] * 8, 0.08, 0.01)}
    assert set(found) == {(2,), (7,)}
    assert len(found[2,]) == 2


def test_less_than_the_least_effect_is_nothing() -> None:
    values, counts = _even(7, 8)
    values[2] += 0.05
    assert lanes_apart(values, counts, ["h"] * 8, 0.08, 0.01) == []


def test_few_counts_are_nothing() -> None:
    values, counts = _even(8, 8)
    values[2] += 0.5
    assert lanes_apart(values, counts / 100, ["h"] * 8, 0.08, 0.01) == []


def test_unknown_bins_count_for_nothing() -> None:
    values, counts = _even(9, 4)
    values[1] += 0.3
    values[1, 10:20], counts[1, 10:20] = np.nan, 0
    (found,) = lanes_apart(values, counts, ["h"] * 4, 0.08, 0.01)
    assert found.lanes == (1,)
