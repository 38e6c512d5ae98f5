"""Expert heat as frames, made from plain arrays: the truth behind pd_ep's pictures, or any other."""

from functools import lru_cache
from pathlib import Path

import numpy as np
import polars as pl

from lbtui.profile import SCHEMAS

DATA = Path(__file__).parent / "data"
TRUTH = {
    (view, period): np.load(DATA / "truth" / f"pd_ep_p{period}_by_{view}.npy")
    for view in ("rank", "expert", "model_expert")
    for period in range(3)
}


def cells(
    shares,
    *,
    view="rank",
    period=0,
    instance="d0",
    slots=None,
    experts=None,
    tokens=None,
    relative_only=False,
):
    """Return one map of `expert_heat`; `slots` a rank, `experts` [layer][column]."""
    shares = np.asarray(shares, dtype=float)
    layers, columns = shares.shape
    column = np.tile(np.arange(columns), layers)
    rank = column if view == "rank" else None if slots is None else column // slots
    known = shares[np.isfinite(shares)]
    low = known.min(initial=np.inf)
    span = known.max(initial=-np.inf) - low
    frame = pl.DataFrame(
        {
            "instance": instance,
            "view": view,
            "period": period,
            "layer": np.repeat(np.arange(layers), columns),
            "column": column,
            "rank": rank,
            "slot": None if slots is None else column % slots,
            "expert": None if experts is None else np.asarray(experts).ravel(),
            "tokens": None if tokens is None else np.asarray(tokens).ravel(),
            "share": None if relative_only else shares.ravel(),
            "relative": ((shares - low) / span if span > 0 else shares * 0).ravel(),
            "phase": None,
        }
    )
    return frame.select([pl.col(name).cast(dtype) for name, dtype in SCHEMAS["expert_heat"].items()])


@lru_cache(maxsize=1)
def truth_frame():
    """Return `expert_heat` with pd_ep's true shares; no tokens, no placements."""
    return pl.concat(
        cells(shares, view=view, period=period, slots=17 if view == "expert" else None)
        for (view, period), shares in TRUTH.items()
    )
