"""A sample of a forward table too large to be read at once: whole steps of DP domains, from blocks of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import polars as pl
    from numpy.typing import NDArray

    from lbtui.profile.place import Window


@dataclass(frozen=True)
class StepSample:
    """What blocks of rows, at even distances in a table in the order of time, tell.

    `steps` are as `Profile.load_domain_steps` gives them, with the number of the `block` in which they begin.
    Block b has all that begin from `begins[b]` on (µs) and before `ends[b]`.
    """

    steps: pl.DataFrame
    begins: NDArray[np.int64]
    ends: NDArray[np.int64]
    window: Window  # of all the table
    file: str
    share: float  # of the table's bytes or rows that are in the blocks
