"""What was asked of a recorded service: its requests, and what each of its rounds computes of them."""

from __future__ import annotations

import numpy as np
import polars as pl

from lbtui.analysis.replay.model import Load
from lbtui.analysis.replay.recording import Recording


def load_rows_of(recording: Recording, served: pl.DataFrame) -> pl.DataFrame:
    """Return a row a request with rounds, by arrival: what it asked for, where it ran, when what began."""
    prefills = served.filter("is_prefill")
    decodes = served.filter(~pl.col("is_prefill"))
    hits, scale = _hits_count(recording, served)
    rest = pl.col("input") * (1 - pl.col("hit").fill_null(0.0)) if hits else pl.col("input")
    begun = prefills.group_by("request").agg(
        first_domain=pl.col("domain").first(),
        taken=pl.col("start").min(),
        prefill_end=pl.col("end").max(),
    )
    after = decodes.group_by("request").agg(
        then_domain=pl.col("domain").last(),
        decode_start=pl.col("start").min(),
        decode_end=pl.col("end").max(),
        rounds=pl.len().cast(pl.Int64),
    )
    return (
        recording.requests.join(begun, on="request")
        .join(after, on="request", how="left")
        .drop_nulls(["input", "first", "end"])
        .with_columns(
            rounds=pl.col("rounds").fill_null(0),
            then_domain=pl.coalesce("then_domain", "first_domain"),
            prompt=(rest * scale).round().cast(pl.Int64),
            output=pl.col("output").fill_null(pl.col("rounds").fill_null(0) + 1),
        )
        .sort("arrival", "request")
    )


def _hits_count(recording: Recording, served: pl.DataFrame) -> tuple[bool, float]:
    """Tell whether rounds schedule only what the prefix cache lacks, and their tokens / what that makes.

    Caches hold whole blocks: what is written of their hits is a little more than what they save.
    """
    known = (
        served.filter(pl.col("phase") == "prefill")
        .join(recording.requests.select("request", "input", "hit"), on="request")
        .group_by("round")
        .agg(
            pl.col("tokens").first(),
            whole=pl.col("input").sum(),
            rest=(pl.col("input") * (1 - pl.col("hit").fill_null(0.0))).sum(),
        )
        .drop_nulls()
        .sum()
    )
    whole, rest, tokens = (known[name].item() for name in ("whole", "rest", "tokens"))
    if not tokens or not rest:
        return False, 1.0
    hits = abs(rest - tokens) < abs(whole - tokens)
    return hits, tokens / (rest if hits else whole)


def load_of(rows: pl.DataFrame) -> Load:
    """Return the requests of `load_rows_of` as they are replayed."""

    def ints(name: str) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        found: np.ndarray[tuple[int], np.dtype[np.int64]] = rows[name].cast(pl.Int64).to_numpy()
        return found

    return Load(
        arrival=rows["arrival"].to_numpy(),
        prompt=ints("prompt"),
        context=ints("input"),
        rounds=ints("rounds"),
        output=ints("output"),
        first_domain=ints("first_domain"),
        then_domain=ints("then_domain"),
    )


def rounds_with_loads(recording: Recording, served: pl.DataFrame, load_rows: pl.DataFrame) -> pl.DataFrame:
    """Return the rounds with what they compute: `prompt` tokens, `sequences`, `decoding`, `context`."""
    own = served.join(load_rows.select("request", "input", "prompt"), on="request", how="left")
    place = pl.int_range(pl.len()).over("request", "is_prefill")
    own = own.with_columns(cached=pl.col("input") + 1 + place)
    loads = own.group_by("round").agg(
        sequences=pl.col("is_prefill").sum().cast(pl.Int64),
        decoding=(~pl.col("is_prefill")).sum().cast(pl.Int64),
        context=pl.col("cached").filter(~pl.col("is_prefill")).sum(),
        prompts=pl.col("prompt").filter(pl.col("is_prefill")).sum(),
    )
    known = recording.rounds.join(loads, on="round", how="left")
    # Speculation schedules several tokens for each decoding request.
    decode = known.filter(pl.col("phase") == "decode", pl.col("decoding") > 0)
    each = (decode["tokens"] / decode["decoding"]).median()
    each = float(each) if isinstance(each, float) else 1.0
    decoded = pl.when(pl.col("phase") == "mixed").then(each * pl.col("decoding")).otherwise(0)
    tokens = pl.coalesce((pl.col("tokens") - decoded).clip(0), "prompts").cast(pl.Float64)
    return known.with_columns(
        sequences=pl.coalesce("sequences", "prefills").fill_null(0),
        decoding=pl.coalesce("decoding", "decodes").fill_null(0),
        context=pl.col("context").fill_null(0).cast(pl.Float64),
        prompt=pl.when(pl.col("phase") == "decode").then(0.0).otherwise(tokens).fill_null(0.0),
    )
