"""Steps joined of the passes of their cards."""

import numpy as np

from lbtui.sources.steps.step_join import bits_set


def test_bits_are_counted_as_python_counts_them():
    numbers = [
        0,
        1,
        (1 << 63) - 1,
        (1 << 64) - 1,
        *(1 << bit for bit in range(64)),
        *(3**n for n in range(40)),
    ]
    assert bits_set(np.array(numbers, np.uint64)).tolist() == [number.bit_count() for number in numbers]
