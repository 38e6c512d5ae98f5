"""Quantiles of Student's t against its density, integrated by plain loops."""

import math

import pytest

from lbtui.student_t import two_sided_t


def within(t, freedom):
    """Return P(|T| ≤ t) by Simpson's rule."""
    scale = math.exp(math.lgamma((freedom + 1) / 2) - math.lgamma(freedom / 2)) / math.sqrt(freedom * math.pi)
    steps = 20_000
    heights = [(1 + (i * t / steps) ** 2 / freedom) ** (-(freedom + 1) / 2) for i in range(steps + 1)]
    inner = 4 * sum(heights[1:-1:2]) + 2 * sum(heights[2:-1:2])
    return 2 * scale * (heights[0] + inner + heights[-1]) * t / steps / 3


@pytest.mark.parametrize("share", [0.5, 0.95, 0.999])
@pytest.mark.parametrize("freedom", [1, 2, 3, 4, 5, 17, 60, 199, 200, 201, 231, 5000, 10**6])
def test_so_much_lies_within(share, freedom):
    assert within(two_sided_t(share, freedom), freedom) == pytest.approx(share, abs=1e-9)


def test_the_printed_table():
    table = {1: 12.706, 2: 4.303, 5: 2.571, 10: 2.228, 30: 2.042, 120: 1.980, 10**9: 1.960}
    assert {freedom: round(two_sided_t(0.95, freedom), 3) for freedom in table} == table
