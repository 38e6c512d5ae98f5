"""What a request waits on its way from P to D: for its prefill, and from there to its KV pull."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import polars as pl

from lbtui.analysis.counts import binomial_tail
from lbtui.analysis.imbalance import Floats

Micros: TypeAlias = npt.NDArray[np.int64]

_BLOCKS = 12
_FEWEST = 3 * _BLOCKS  # requests, to be judged
_PURE = 0.05  # quantile of the prefill times taken as free of any queue


def hand_off_waits(transfers: pl.DataFrame, handoffs: pl.DataFrame) -> pl.DataFrame:
    """Return one row per KV pull whose hand-off is known, by the end of its prefill.

    Columns: request_id, rank, source, start, tokens, arrival, prefill_done, `wait` (ms, start of the pull −
    end of prefill, each by its own host's clock) and `prefill` (ms, end of prefill − arrival; null where
    unknown).
    """
    ends = handoffs.select("request_id", "arrival", "prefill_done").drop_nulls(["request_id", "prefill_done"])
    pulls = transfers.select("request_id", "rank", "source", "start", "tokens").drop_nulls(
        ["request_id", "start"]
    )
    return (
        pulls.join(ends.unique("request_id", keep="first", maintain_order=True), on="request_id")
        .with_columns(
            wait=_ms(pl.col("start") - pl.col("prefill_done")),
            prefill=_ms(pl.col("prefill_done") - pl.col("arrival")),
        )
        .sort("prefill_done", "request_id", "start")
    )


def waits_and_pulls(transfers: pl.DataFrame, handoffs: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the waits of hand-offs and the KV pulls that are known: rank, start, `value` in ms."""
    waits = hand_off_waits(transfers, handoffs).select("rank", "start", value="wait")
    pulls = transfers.select("rank", "start", value="duration").drop_nulls(["start", "value"])
    return waits, pulls.filter(pl.col("value").is_finite())


def longest_begun(timed: pl.DataFrame, begins: Micros, ends: Micros) -> Floats:
    """Return the longest of `waits_and_pulls` whose pull starts in each bin [begin, end), µs.

    NaN without any. Bins are in order and do not overlap.
    """
    times = timed["start"].cast(pl.Int64).to_numpy()
    bins = np.searchsorted(begins, times, side="right") - 1
    inside = (bins >= 0) & (times < ends[bins])
    longest = np.full(len(begins), -np.inf)
    np.maximum.at(longest, bins[inside], timed["value"].cast(pl.Float64).to_numpy()[inside])
    return np.where(np.isinf(longest), np.nan, longest)


def _ms(span: pl.Expr) -> pl.Expr:
    return span.dt.total_microseconds() / 1000


@dataclass(frozen=True)
class Queues:
    """How many requests wait on either side: Σ of their waits / the time in which they came and went.

    By Little's law that is the mean number waiting. `ahead` of 12 blocks of requests, by the end of prefill,
    wait longer for the pull than for prefill (`behind`: the other way round).
    """

    prefill: float  # requests waiting for prefill, beyond what prefill itself takes
    pull: float  # requests between the end of prefill and the start of the pull
    seconds: float
    ahead: int
    behind: int
    prefill_times: Floats  # ms, known ones
    pure: float  # ms, median of what prefill takes without a queue
    waits: Floats  # ms

    @property
    def pull_chance(self) -> float:
        """The chance of as many blocks waiting for the pull, if both sides were alike (sign test)."""
        return binomial_tail(self.ahead, _BLOCKS, 0.5)

    @property
    def prefill_chance(self) -> float:
        """The chance of as many blocks waiting for prefill, if both sides were alike (sign test)."""
        return binomial_tail(self.behind, _BLOCKS, 0.5)


def queues_between(waits: pl.DataFrame) -> Queues | None:
    """Return how many requests wait on either side (`hand_off_waits`), None for too few to tell.

    What prefill takes by itself is the 5 % quantile of the times; where tokens are known, that of the times
    per token × the tokens.
    """
    first = waits.unique("request_id", keep="first", maintain_order=True)
    known = first.drop_nulls("prefill").filter(pl.col("prefill") >= 0)
    if known.height < _FEWEST:
        return None
    wait = np.maximum(known["wait"].to_numpy(), 0.0)
    took = known["prefill"].to_numpy()
    pure = _pure(took, known["tokens"])
    queued = np.maximum(took - pure, 0.0)
    begin, end = known["arrival"].cast(pl.Int64).min(), known["start"].cast(pl.Int64).max()
    assert isinstance(begin, int)
    assert isinstance(end, int)
    seconds = (end - begin) / 1e6
    if seconds <= 0:
        return None
    pairs = [
        (part.mean(), other.mean())
        for part, other in zip(np.array_split(wait, _BLOCKS), np.array_split(queued, _BLOCKS), strict=True)
    ]
    return Queues(
        float(queued.sum()) / 1000 / seconds,
        float(wait.sum()) / 1000 / seconds,
        seconds,
        sum(a > b for a, b in pairs),
        sum(a < b for a, b in pairs),
        took,
        float(np.median(pure)),
        wait,
    )


def _pure(took: Floats, tokens: pl.Series) -> Floats:
    lengths = tokens.cast(pl.Float64).to_numpy()
    if tokens.null_count() == 0 and (lengths > 0).all():
        each: Floats = lengths * np.quantile(took / lengths, _PURE)
        return each
    return np.full(len(took), np.quantile(took, _PURE))
