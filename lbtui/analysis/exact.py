"""Sums that do not depend on the order of their terms: polars adds up a group as its threads bring it."""

from __future__ import annotations

import polars as pl

_PARTS = 1e6  # of a ms: ns


def exact_sum(value: pl.Expr) -> pl.Expr:
    """Return the sum of milliseconds (or others with a few decimals), added up in whole millionths.

    What is unknown or not finite counts for nothing; the sum of nothing is 0.
    """
    return (value * _PARTS).round().cast(pl.Int128, strict=False).sum().cast(pl.Float64) / _PARTS
