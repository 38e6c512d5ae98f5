"""How requests go on in a recorded service: to their first round, from prefill to decode, to the client."""

from __future__ import annotations

import numpy as np
import polars as pl

from lbtui.analysis.replay.least_deviations import least_deviations
from lbtui.analysis.replay.model import Handoff
from lbtui.analysis.replay.recording import Recording

_FEWEST = 5  # pulls that tell how long one takes
_EARLY = 0.01


def handed_over(recording: Recording, load_rows: pl.DataFrame) -> pl.DataFrame:
    """Return the requests that another domain decodes, and when each was `ready` there."""
    pulled = recording.pulls.select("request", pulled="end")
    return (
        load_rows.filter(pl.col("first_domain") != pl.col("then_domain"), pl.col("rounds") > 0)
        .join(pulled, on="request", how="left")
        .with_columns(ready=pl.coalesce("pulled", "prefill_end"))
    )


def handoff_of(recording: Recording, load_rows: pl.DataFrame) -> Handoff:
    """Return how requests go from prefill to decode; what lies in between where no pull is recorded."""
    over = handed_over(recording, load_rows)
    if over.is_empty():
        return Handoff()
    pulls = over.join(recording.pulls, on="request", suffix="_of_pull").with_columns(
        wait=pl.col("start") - pl.col("prefill_end"), pull=pl.col("end_of_pull") - pl.col("start")
    )
    if pulls.height < _FEWEST:
        waits = (over["decode_start"] - over["prefill_end"]).drop_nulls()
        return Handoff(wait=max(0.0, float(waits.quantile(0.1) or 0.0)))
    x, y = pulls["input"].cast(pl.Float64).to_numpy(), pulls["pull"].to_numpy()
    base, slope = least_deviations(np.column_stack([np.ones(len(x)), x]), y).tolist()
    ratios = pulls.with_columns(ratio=pl.Series(y / np.maximum(base + slope * x, 1e-3)))
    by = ratios.group_by("then_domain").agg(pl.col("ratio").median(), pl.len())
    factors = {int(place): float(ratio) for place, ratio, count in by.iter_rows() if count >= _FEWEST}
    wait = max(0.0, float(pulls["wait"].median()))  # type: ignore[arg-type]
    return Handoff(wait, base, slope, factors)


def delay_of(load_rows: pl.DataFrame) -> float:
    """Return the least time from an arrival to a prefill round, ms: that of a service that is idle."""
    return max(0.0, float((load_rows["taken"] - load_rows["arrival"]).quantile(_EARLY) or 0.0))


def answer_of(load_rows: pl.DataFrame) -> float:
    """Return how long after its round a token is answered, ms."""
    return float((load_rows["first"] - load_rows["prefill_end"]).median() or 0.0)
