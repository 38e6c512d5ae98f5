"""Where the time of each request went, as rows for other tools."""

from __future__ import annotations

import polars as pl

from lbtui.findings.latency.run import latency_of
from lbtui.findings.run import evidence_of
from lbtui.profile import Profile, Progress
from lbtui.thresholds import Thresholds

SCHEMA = pl.Schema(
    {
        "request_id": pl.String(),
        "part": pl.String(),
        "place": pl.String(),  # domain key; null where none is known
        "before_ms": pl.Float64(),  # up to the first token
        "total_ms": pl.Float64(),
    }
)


def latency_rows(profile: Profile, progress: Progress | None = None) -> pl.DataFrame:
    """Return the parts of each request of the capture shown, in the order of `requests`."""
    if not (profile.has("requests") and profile.has("batches")):
        return pl.DataFrame(schema=SCHEMA)
    evidence = evidence_of(profile, progress)
    latency = latency_of(evidence, Thresholds())
    ids = evidence.frame("requests").select("request_id").with_row_index("row")
    names = latency.lives.select("request", "row").join(ids, on="row")
    return (
        latency.parts.join(names, on="request")
        .sort("row", "part", "place")
        .select(
            "request_id",
            pl.col("part").cast(pl.String),
            "place",
            before_ms=pl.col("before") / 1000,
            total_ms=pl.col("total") / 1000,
        )
    )
