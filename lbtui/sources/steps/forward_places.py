"""Where in a large forward.csv the passes of a time lie: from when to when each block of lines reaches."""

from __future__ import annotations

from math import inf

import polars as pl


class ForwardPlaces:
    """Kept while the file is read; `ranges` are the bytes in which the rows between two starts can be."""

    def __init__(self) -> None:
        self._blocks: list[tuple[int, float, float]] = []  # end in the file, least and greatest start
        self._known = True

    def add(self, starts: pl.Series, end: int | None) -> None:
        """Take the next block: its starts as they are written, and where it ends, None if that is unknown."""
        if end is None:
            self._known = False
            return
        numbers = starts.cast(pl.Float64, strict=False)
        least, greatest = numbers.min(), numbers.max()
        # A block without a start has none that is looked for.
        known = isinstance(least, float) and isinstance(greatest, float)
        self._blocks.append((end, least, greatest) if known else (end, inf, -inf))

    def ranges(self, bounds: tuple[float, float]) -> list[tuple[int, int]] | None:
        """Return the bytes (first, end) of the lines of which a start may lie between bounds.

        Neighbours come as one; None where it is not known.
        """
        if not self._known or not self._blocks:
            return None
        found: list[tuple[int, int]] = []
        begin = 0
        for end, least, greatest in self._blocks:
            if least <= bounds[1] and bounds[0] <= greatest:
                joined = bool(found) and found[-1][1] == begin
                found[-1:] = [(found[-1][0], end)] if joined else [*found[-1:], (begin, end)]
            begin = end
        return found
