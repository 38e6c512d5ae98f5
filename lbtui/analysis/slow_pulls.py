"""Whose KV pulls are slow: a decode rank's, those from a source, or those of one rank from one source."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import polars as pl

from lbtui.analysis.change_point import rise
from lbtui.analysis.counts import binomial_tail

_FEWEST = 5  # pulls, to be judged
_SMALL = 0.05  # of all pulls: without a part so small the median of all stays
_MOST_RANKS = 0.75  # of the ranks must have become slower for all to have


@dataclass(frozen=True)
class SlowPulls:
    """The pulls of `rank`, from `source`, or both, against all the others; times in ms, medians.

    `ratio` is that of the medians; `p_value` is the chance of as many above the others' median, times all
    ranks, sources and pairs looked at.
    """

    rank: int | None
    source: str | None
    own: float
    others: float
    count: int
    p_value: float
    least: float  # the smaller of the ratios by time and by time per token

    @property
    def ratio(self) -> float:
        """Their median time / the median of the others."""
        return self.own / self.others


@dataclass(frozen=True)
class Slowdown:
    """All pulls from row `first` to row `last` (by start) are slower than the others; medians in ms."""

    first: int
    last: int
    own: float
    others: float
    p_value: float

    @property
    def ratio(self) -> float:
        """Their median time / the median of the others."""
        return self.own / self.others


def judged_pulls(transfers: pl.DataFrame) -> pl.DataFrame:
    """Return the pulls with a time, by start, with their time per token (`each`, ms; null where unknown)."""
    known = transfers.filter(pl.col("duration").is_finite() & (pl.col("duration") >= 0))
    tokens = pl.when(pl.col("tokens") > 0).then(pl.col("tokens"))
    return known.with_columns(each=pl.col("duration") / tokens).sort("start", "request_id", nulls_last=True)


def slowdown(pulls: pl.DataFrame, ratio: float, chance: float) -> Slowdown | None:
    """Return when nearly all ranks' pulls are slower by `ratio` than at other times, None if they never are.

    `pulls` as `judged_pulls` returns them. Also by time per token, where these are known: longer prompts are
    no slower link.
    """
    timed = pulls.drop_nulls("start")
    change = rise(timed["duration"].to_numpy())
    if change is None or change.p_value > chance:
        return None
    timed = timed.with_row_index("row").with_columns(
        late=pl.col("row").is_between(change.first, change.last - 1)
    )
    own, others = _halves(timed, "late")
    if others <= 0 or own / others < ratio or _each_ratio(timed, "late") < ratio:
        return None
    ranks = (
        timed.drop_nulls("rank")
        .group_by("rank")
        .agg(
            own=pl.col("duration").filter("late").median(),
            others=pl.col("duration").filter(~pl.col("late")).median(),
        )
    )
    ranks = ranks.drop_nulls()
    if ranks.height and (ranks["own"] >= ratio * ranks["others"]).sum() < _MOST_RANKS * ranks.height:
        return None
    return Slowdown(change.first, change.last, own, others, change.p_value)


def slow_pulls(pulls: pl.DataFrame, ratio: float, chance: float) -> list[SlowPulls]:
    """Return whose pulls take `ratio` times those of the others, not by chance: ranks, sources, then pairs.

    `pulls` as `judged_pulls` returns them. A pair is slow where its rank and its source are not, without it.
    """
    kept = pulls.drop_nulls("rank").with_columns(pl.col("rank").cast(pl.Int64))
    pairs = (
        kept.drop_nulls("source")
        .group_by("rank", "source")
        .agg(pl.len(), pl.col("duration").median())
        .filter(pl.col("len") >= _FEWEST)
    )
    # Of many small parts only those far above the median of all can be: that is the others' median too.
    small = pl.col("len") < _SMALL * kept.height
    may_be = ~small | (pl.col("duration") >= (1 + ratio) / 2 * _median(kept["duration"]))
    possible = pairs.filter(may_be)
    by_rank = kept.group_by("rank").agg(pl.len(), pl.col("duration").median()).filter(may_be)
    several = kept["source"].drop_nulls().n_unique() > 1
    looks = kept["rank"].n_unique() + (pairs.height + pairs["source"].n_unique() if several else 0)
    judge = _Judge(ratio, chance, looks)
    cells = (
        list(judge.slow(kept, possible.select("rank", "source").sort("rank", "source").rows()))
        if several
        else []
    )
    found: list[SlowPulls] = []
    for each in judge.slow(kept, [(rank, None) for rank in by_rank["rank"].sort()]):
        rest = _without(kept, [c for c in cells if c.rank == each.rank])
        if judge.still_slow(rest, replace(each, source=None)):
            found.append(each)
    left = _without(kept, found)
    if several:
        for each in judge.slow(left, [(None, source) for source in pairs["source"].unique().sort()]):
            own = [c for c in cells if c.source == each.source]
            if judge.still_slow(_without(left, own), each):
                found.append(each)
    named = {(f.rank, None) for f in found} | {(None, f.source) for f in found}
    return found + [c for c in cells if (c.rank, None) not in named and (None, c.source) not in named]


@dataclass(frozen=True)
class _Judge:
    ratio: float
    chance: float
    looks: int

    def slow(self, pulls: pl.DataFrame, subjects: list[tuple[int | None, str | None]]) -> Iterator[SlowPulls]:
        for rank, source in subjects:
            found = self._measured(pulls, rank, source)
            if found is not None and found.least >= self.ratio and found.p_value <= self.chance:
                yield found

    def still_slow(self, rest: pl.DataFrame, subject: SlowPulls) -> bool:
        """Tell whether what is left of a rank or source is slow by itself, or nothing is left of it."""
        found = self._measured(rest, subject.rank, subject.source, fewest=1)
        return found is None or found.least >= self.ratio

    def _measured(
        self, pulls: pl.DataFrame, rank: int | None, source: str | None, fewest: int = _FEWEST
    ) -> SlowPulls | None:
        marked = pulls.with_columns(own=_is(rank, source))
        own = marked.filter("own")
        if own.height < fewest or own.height == marked.height:
            return None
        mine, middle = _halves(marked, "own")
        if middle <= 0:
            return None
        above = int((own["duration"] > middle).sum())
        p = min(1.0, self.looks * binomial_tail(above, own.height, 0.5))
        least = min(mine / middle, _each_ratio(marked, "own"))
        return SlowPulls(rank, source, mine, middle, own.height, p, least)


def _is(rank: int | None, source: str | None) -> pl.Expr:
    wanted = pl.lit(True)
    if rank is not None:
        wanted = wanted & (pl.col("rank") == rank)
    if source is not None:
        wanted = wanted & (pl.col("source") == source).fill_null(False)
    return wanted


def _without(pulls: pl.DataFrame, slow: list[SlowPulls]) -> pl.DataFrame:
    for each in slow:
        pulls = pulls.filter(~_is(each.rank, each.source))
    return pulls


def _halves(pulls: pl.DataFrame, column: str) -> tuple[float, float]:
    """Return the median durations of the rows marked in a boolean column and of the others."""
    return _median(pulls.filter(column)["duration"]), _median(pulls.filter(~pl.col(column))["duration"])


def _each_ratio(pulls: pl.DataFrame, column: str) -> float:
    """Return the ratio of the median times per token; infinite where either is unknown."""
    own, others = _median(pulls.filter(column)["each"]), _median(pulls.filter(~pl.col(column))["each"])
    return own / others if own > 0 and others > 0 else float("inf")


def _median(values: pl.Series) -> float:
    median = values.drop_nulls().median()
    return float(median) if isinstance(median, int | float) else 0.0
