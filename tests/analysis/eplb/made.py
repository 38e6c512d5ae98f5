"""Expert series made of plain arrays."""

from functools import lru_cache

import numpy as np

from lbtui.profile import ExpertSeries
from tests.tools.make_expert_loads import FILE


def series(
    tokens, ranks, *, period=None, placements=None, phase=None, time=None, instance="d0", experts=None
):
    """Return a series of `tokens` [iteration, layer, column]; one period without a placement unless given."""
    tokens = np.asarray(tokens, dtype=np.int32)
    periods = np.zeros(len(tokens), dtype=np.int32) if period is None else np.asarray(period, dtype=np.int32)
    tables = [None] * (int(periods.max(initial=0)) + 1) if placements is None else placements
    tables = tuple(None if table is None else np.asarray(table, dtype=np.int32) for table in tables)
    known = [int(table.max()) + 1 for table in tables if table is not None]
    return ExpertSeries(
        instance,
        phase,
        tuple(range(ranks)),
        tokens.shape[2] // ranks,
        tokens,
        periods,
        None if time is None else np.asarray(time, dtype="datetime64[us]"),
        tables,
        max(known, default=0) if experts is None else experts,
    )


@lru_cache
def skewed():
    """Return loads as a router makes them: 127 iterations, 26 layers, 64 experts on 8 contiguous ranks."""
    tokens = np.load(FILE)["tokens"]
    return series(tokens, 8, placements=[np.tile(np.arange(64), (26, 1))])
