"""What changed the latency between two profiles: the difference of a metric, part by part."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

import numpy as np
import polars as pl

from lbtui.analysis.exact import exact_sum
from lbtui.analysis.imbalance import Floats
from lbtui.analysis.interval import difference
from lbtui.analysis.latency_parts import PARTS, PartName
from lbtui.analysis.missed import SCOPES, scoped
from lbtui.analysis.slo import COLUMNS
from lbtui.comparison.model import Comparison, Row, Term
from lbtui.comparison.requests import MEAN_PIECES
from lbtui.comparison.series import Ratio, by_order, pieces, summed
from lbtui.findings.latency.told import Told

Statistic: TypeAlias = Literal["mean", "p95"]
# The requests whose parts stand for p95.
BAND = (0.925, 0.975)
# By the key of a row of the comparison.
_EXPLAINED: Mapping[str, tuple[str, Statistic]] = {
    "ttft.mean": ("ttft", "mean"),
    "ttft.p95": ("ttft", "p95"),
    "time_per_output_token.mean": ("tpot", "mean"),
    "time_per_output_token.p95": ("tpot", "p95"),
    "duration.mean": ("e2e", "mean"),
    "duration.p95": ("e2e", "p95"),
}


def explained(comparison: Comparison, before: Told, after: Told) -> Comparison:
    """Return the comparison with the terms that the difference of each latency is the sum of."""
    if before.latency.absent or after.latency.absent:
        return comparison
    sides = _Side(before), _Side(after)
    return replace(comparison, rows=tuple(_explained(row, *sides) for row in comparison.rows))


def _explained(row: Row, before: _Side, after: _Side) -> Row:
    what = _EXPLAINED.get(row.metric.key) if row.metric.dimension == "requests" else None
    if what is None or not np.isfinite(row.difference):
        return row
    means = before.means(*what), after.means(*what)
    # A side may tell the metric of requests only whose parts are unknown.
    if not all(side.weights.sum() > 0 for side in means):
        return row
    terms = _terms(row, *means)
    named = (replace(one, where="" if one.place is None else after.where(one.place)) for one in terms)
    return replace(row, terms=tuple(named))


def _terms(row: Row, before: Means, after: Means) -> list[Term]:
    """Return a term for each part of either side, the largest change first, then what they leave."""
    terms = []
    for part in PARTS:
        own = [side.of.get(part) for side in (before, after)]
        if all(one is None for one in own):
            continue
        first, second = (
            Ratio(np.zeros(side.pieces), side.weights) if one is None else Ratio(one, side.weights)
            for one, side in zip(own, (before, after), strict=True)
        )
        found = difference(first.estimate(0), second.estimate(1))
        place = _most_changed(before.places.get(part, {}), after.places.get(part, {}))
        terms.append(Term(part, first.value, second.value, found.low, found.high, place))
    terms.sort(key=lambda term: -abs(term.difference))
    left = row.before - sum(term.before for term in terms), row.after - sum(term.after for term in terms)
    return [*terms, Term(None, *left)]


def _most_changed(before: Mapping[str, float], after: Mapping[str, float]) -> str | None:
    """Return the place whose mean changed most, in the direction of all; None without places."""
    changes = {place: after.get(place, 0.0) - before.get(place, 0.0) for place in sorted({*before, *after})}
    whole = sum(changes.values())
    return max(changes, key=lambda place: changes[place] * (1 if whole >= 0 else -1)) if changes else None


@dataclass(frozen=True)
class Means:
    """The parts of a metric over pieces of requests in the order of arrival: Σ ms and Σ weights a piece.

    `places` has the mean of each part at each of its places, ms.
    """

    weights: Floats
    of: Mapping[PartName, Floats]
    places: Mapping[PartName, Mapping[str, float]]

    @property
    def pieces(self) -> int:
        """How many pieces."""
        return len(self.weights)


class _Side:
    """The requests of one profile whose parts are known, by arrival."""

    def __init__(self, told: Told) -> None:
        latency = told.latency
        self._told = told
        self._requests = (
            told.table.with_row_index("row")
            .join(latency.lives.select("request", "row"), on="row")
            .sort("arrival", "row")
        )

    def where(self, place: str) -> str:
        """Return what a place is called."""
        return self._told.where(place)

    def means(self, name: str, statistic: Statistic) -> Means:
        """Return the parts of a metric of `COLUMNS`: of all requests, or of those that stand for p95."""
        told, column = self._told, COLUMNS[name]
        known = self._requests.drop_nulls([column]).with_columns(weight=pl.lit(1.0), each=pl.lit(1.0))
        if name == "tpot":
            # The mean is over tokens, as in the comparison; of a request near p95 it is its own.
            per = "weight" if statistic == "mean" else "each"
            tokens = (pl.col("output_tokens") - 1).cast(pl.Float64)
            known = known.filter(tokens > 0).with_columns(tokens.alias(per))
        if statistic == "p95":
            low, high = (known[column].quantile(share, "linear") for share in BAND)
            known = known.filter(pl.col(column).is_between(low, high))
        count = pieces(known.height, MEAN_PIECES)
        piece = pl.Series("piece", by_order(known.height, MEAN_PIECES))
        placed = known.select("request", "weight", "each").with_columns(piece)
        times = scoped(told.latency.parts, told.latency.lives, SCOPES[name])
        own = times.join(placed, on="request").with_columns(amount=pl.col("ms") / pl.col("each"))
        weights = placed["weight"].to_numpy()
        return Means(
            summed(piece.to_numpy(), weights, count),
            {
                part: summed(rows["piece"].to_numpy(), rows["amount"].to_numpy(), count)
                for (part,), rows in own.partition_by("part", as_dict=True).items()
            },
            _by_place(own, float(weights.sum())),
        )


def _by_place(own: pl.DataFrame, total: float) -> Mapping[PartName, Mapping[str, float]]:
    sums = (
        own.drop_nulls("place")
        .group_by("part", "place")
        .agg(exact_sum(pl.col("amount")))
        .sort("part", "place")
    )
    found: dict[PartName, dict[str, float]] = {}
    for part, place, amount in sums.iter_rows():
        found.setdefault(part, {})[place] = amount / total
    return found
