"""Whether a batch prefills, decodes or does both."""

from __future__ import annotations

import polars as pl


def phase_by_size() -> pl.Expr:
    """Return the phase by the numbers of requests that are prefilled and decoded."""
    prefill, decode = pl.col("prefill_batch_size") > 0, pl.col("decode_batch_size") > 0
    return _phase(prefill & decode, prefill, decode)


def phase_by_type() -> pl.Expr:
    """Return the phase that a batch_type names."""
    return pl.col("batch_type").map_batches(_phases, pl.String)


def _phases(types: pl.Series) -> pl.Series:
    # Few different ones stand in all rows.
    different = types.unique()
    kind = pl.col(types.name).str.to_lowercase()
    prefill, decode = kind.str.contains("prefill"), kind.str.contains("decode")
    phase = _phase((prefill & decode) | (kind == "mixed"), prefill, decode)
    phases = different.to_frame().select(phase).to_series()
    told: pl.Series = types.replace_strict(different, phases, return_dtype=pl.String)
    return told


def _phase(mixed: pl.Expr, prefill: pl.Expr, decode: pl.Expr) -> pl.Expr:
    named = pl.when(mixed).then(pl.lit("mixed")).when(prefill).then(pl.lit("prefill"))
    return named.when(decode).then(pl.lit("decode"))
