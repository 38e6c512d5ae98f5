"""Requests: filtering, sorting, percentiles and distribution."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

# The columns of the request table that can be sorted, filtered and summarised.
REQUEST_COLUMNS = (
    "request_id",
    "arrival",
    "input_tokens",
    "output_tokens",
    "ttft",
    "queue_wait",
    "duration",
    "cache_hit_rate",
)


@dataclass(frozen=True)
class Percentiles:
    """A column in numbers; NaN without values. `unknown` counts the nulls."""

    count: int
    unknown: int
    mean: float
    p50: float
    p90: float
    p95: float
    p99: float
    max: float


def percentiles(values: pl.Series) -> Percentiles:
    """Return the percentiles (linear interpolation) of a numeric column, nulls left out."""
    known = values.drop_nulls().cast(pl.Float64).to_numpy()
    unknown = len(values) - len(known)
    if len(known) == 0:
        return Percentiles(0, unknown, *(float("nan"),) * 6)
    p50, p90, p95, p99 = (float(v) for v in np.quantile(known, [0.5, 0.9, 0.95, 0.99]))
    return Percentiles(len(known), unknown, float(known.mean()), p50, p90, p95, p99, float(known.max()))


def distribution(values: pl.Series, bins: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """Return counts [bins] and edges [bins + 1] from 0 or the least to the greatest value."""
    known = values.drop_nulls().cast(pl.Float64).to_numpy()
    if len(known) == 0:
        return np.zeros(bins, dtype=np.int64), np.linspace(0.0, 1.0, bins + 1)
    counts, edges = np.histogram(known, bins=bins, range=(min(0.0, float(known.min())), float(known.max())))
    return counts.astype(np.int64), edges


def filtered(requests: pl.DataFrame, text: str) -> pl.DataFrame:
    """Return the requests that match a filter: words of an id, or `column>number` terms, all of which hold.

    A term is a request column, one of < <= > >= =, and a number. Raises `ValueError` with a sentence for a
    term that names no column or no number.
    """
    frame = requests
    for word in text.split():
        frame = frame.filter(_term(word))
    return frame


def _term(word: str) -> pl.Expr:
    for sign in ("<=", ">=", "<", ">", "="):
        column, found, number = word.partition(sign)
        if not found:
            continue
        if column not in REQUEST_COLUMNS[2:]:
            raise ValueError(f"no numeric column {column!r}; there are {', '.join(REQUEST_COLUMNS[2:])}")
        try:
            limit = float(number)
        except ValueError:
            raise ValueError(f"{number!r} is no number") from None
        value = pl.col(column)
        return {
            "<=": value <= limit,
            ">=": value >= limit,
            "<": value < limit,
            ">": value > limit,
            "=": value == limit,
        }[sign]
    return pl.col("request_id").str.contains(word, literal=True)
