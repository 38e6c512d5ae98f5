"""How large a time, a duration, a number and a count of a capture can be."""

from __future__ import annotations

LATEST = 4_000_000_000_000_000  # µs since 1970
LARGEST = 1e19  # beyond today in ns, and any measurement; sums and squares of such numbers stay finite
LONGEST = LATEST / 1e3  # ms
MOST = 2**31 - 1  # of requests, tokens or blocks; also what a rank's column holds

# A time of today is about 1.8e9 s, 1.8e12 ms, 1.8e15 µs, 1.8e18 ns: the unit shows in the size.
_MICROSECONDS_PER_UNIT = ((1e17, 1e-3), (1e14, 1.0), (1e11, 1e3), (0.0, 1e6))


def microseconds_per_unit(time: float) -> float:
    """Return how many µs the unit has in which this time of today (> 0) is written."""
    return next(factor for size, factor in _MICROSECONDS_PER_UNIT if time >= size)
